"""The notebook of docs/ does what it shows, on a real image."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.conftest import Lamina

nbformat = pytest.importorskip("nbformat", reason="needs nbclient: pip install '.[dev]'")
nbclient = pytest.importorskip("nbclient")

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "docs" / "python.ipynb"


@pytest.fixture
def executed(debian_store: Lamina, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The notebook, run to its end in a kernel of its own."""
    debian_store("build", "-q", "-t", "seed", str(ROOT / "demo" / "seed"))
    monkeypatch.setenv("LAMINA_ROOT", str(debian_store.root))
    monkeypatch.setenv("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    with warnings.catch_warnings():
        # What the kernel's client leaves to the garbage collector is not ours to close.
        warnings.simplefilter("ignore")
        nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3").execute(
            env=dict(os.environ)
        )
    yield notebook


def outputs(notebook: Any) -> dict[str, str]:
    """The last line of each code cell, and the text that it shows."""
    found = {}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            texts = [str(each.get("data", {}).get("text/plain", "")) for each in cell.outputs]
            found[cell.source.splitlines()[-1]] = "\n".join(texts)
    return found


def html_of(notebook: Any, source: str) -> str:
    (cell,) = [each for each in notebook.cells if each.source.endswith(source)]
    return str(cell.outputs[-1]["data"]["text/html"])


def test_every_cell_shows_the_truth(executed: Any) -> None:
    shown = outputs(executed)
    assert shown["image.hidden_bytes"] == "52428800"
    assert shown['len(image.read("/home/50M.file", hidden=True))'] == "52428800"
    assert shown['image.read("/etc/debian_version")'].startswith("b'12.")
    assert "52.4 MB hidden" in html_of(executed, "\nimage")
    assert "RUN rm -rf 50M.file" in html_of(executed, "image.waste()")
    assert "whiteout" in html_of(executed, 'image.search("/home/50M.file")')
    assert "52428800" in html_of(executed, '""").df()')


def test_what_is_stored_in_it_is_what_it_shows(executed: Any) -> None:
    """Figures that do not change from one Debian to the next."""
    stored = outputs(nbformat.read(NOTEBOOK, as_version=4))
    now = outputs(executed)
    for source in ("image.hidden_bytes", 'len(image.read("/home/50M.file", hidden=True))'):
        assert stored[source] == now[source] == "52428800"
