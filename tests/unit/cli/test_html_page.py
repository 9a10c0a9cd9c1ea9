"""`explain --html`: the file, the line that tells of it, and mistakes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lamina.cli.main import run
from lamina.store.contract import Store
from tests.unit.cli import sample

Lamina = Callable[..., tuple[int, str, str]]


@pytest.fixture
def lamina(store: Store, capsysbinary: pytest.CaptureFixture[bytes]) -> Lamina:
    """Run the command line on `store`: (exit status, standard output, standard error)."""
    sample.seed(store)

    def call(*arguments: str) -> tuple[int, str, str]:
        status = run(["--root", str(store.root), *arguments])
        out, err = capsysbinary.readouterr()
        return status, out.decode(), err.decode()

    return call


def test_the_page_is_written_and_told_in_one_line(lamina: Lamina, tmp_path: Path) -> None:
    path = tmp_path / "seed.html"
    status, out, err = lamina("explain", "seed", "--html", str(path))
    text = path.read_text()
    assert (status, err) == (0, "")
    assert out.startswith(f"wrote {path}, ") and out.endswith(" kB: open it in a browser\n")
    assert text.startswith("<!doctype html>") and text.endswith("</html>\n")
    assert len(text) < 150_000
    umask = os.umask(0o022)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask, "readable as any file that one makes"


def test_the_page_replaces_the_one_before_and_goes_to_a_pipe(
    lamina: Lamina, tmp_path: Path
) -> None:
    path = tmp_path / "seed.html"
    path.write_text("before")
    assert lamina("explain", "seed", "--html", str(path))[0] == 0
    assert lamina("explain", "seed", "--html", "-")[1] == path.read_text()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["root", "seed.html"]


def test_two_images(lamina: Lamina, tmp_path: Path) -> None:
    path = tmp_path / "both.html"
    given = ("explain", "seed", "--compare", "debian:bookworm", "--html", str(path))
    assert lamina(*given)[0] == 0
    assert "<title>debian:bookworm and seed:latest – Lamina</title>" in path.read_text()


def test_a_write_that_fails_leaves_what_was_there(
    lamina: Lamina, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "seed.html"
    path.write_text("before")

    def refuse(self: Path, target: Path) -> Path:
        raise PermissionError(13, "Permission denied", str(target))

    monkeypatch.setattr(Path, "rename", refuse)
    status, out, err = lamina("explain", "seed", "--html", str(path))
    assert (status, out, err) == (1, "", f"lamina: Permission denied: {path}\n")
    assert path.read_text() == "before"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["root", "seed.html"]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--html", "/no/such/dir/x.html"], 1, "no directory /no/such/dir to write the page in"),
        (["--compare", "seed"], 2, "--compare is for a page: give --html as well"),
        (["bin", "--html", "-"], 2, "give either PATH or --html"),
        (["--layer", "1", "--html", "-"], 2, "give either --layer or --html"),
        (["--format", "json", "--html", "-"], 2, "give either --html or --format"),
        (["--compare", "nope", "--html", "-"], 1, "no image nope in the store"),
    ],
)
def test_mistakes_are_told(lamina: Lamina, arguments: list[str], status: int, message: str) -> None:
    found, out, err = lamina("explain", "seed", *arguments)
    assert (found, out) == (status, "")
    assert err.splitlines()[0] == f"lamina: {message}"
