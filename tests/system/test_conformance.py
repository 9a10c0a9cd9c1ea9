"""Every conformance case through `lamina build`: tree, configuration, history, errors."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from lamina.cli.main import run
from tests.conformance.builders import BASE, BASE_CHANGES, EMPTY, Lamina
from tests.conformance.cases import identified
from tests.conformance.outcome import Made, differences
from tests.conformance.place import lay
from tests.conformance.served import serving
from tests.conformance.words import words
from tests.rights import needs_rights
from tests.system.conftest import need_tool, unmounted

pytestmark = [pytest.mark.system, needs_rights]
CASES = identified()


@pytest.fixture(scope="module")
def builder(
    root_only: None, busybox_tar: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lamina]:
    """Lamina on a store that all cases share."""
    root = tmp_path_factory.mktemp("conformance") / "root"
    changes = [word for line in BASE_CHANGES for word in ("--change", line)]
    assert run(["--root", str(root), "import", *changes, str(busybox_tar), BASE]) == 0
    yield Lamina(root)
    unmounted(root)


@pytest.fixture(scope="module")
def base(builder: Lamina) -> Made:
    """The base image."""
    return builder.base()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """Addresses of what cases fetch."""
    need_tool("git", "git")
    with serving(tmp_path_factory.mktemp("served")) as addresses:
        yield {**words(os.uname().machine), **addresses}


@pytest.mark.parametrize("name", CASES)
def test_case(
    name: str, builder: Lamina, base: Made, served: Mapping[str, str], tmp_path: Path
) -> None:
    laid = lay(CASES[name], tmp_path, {**served, "ID": f"conformance-{[*CASES].index(name)}"})
    outcome = builder.build(laid)
    found = differences(laid.case, outcome, EMPTY if laid.case.scratch else base)
    assert not found, "\n".join([*found, outcome.said])
    if laid.case.error is not None:
        line = f"Dockerfile:{laid.case.error.line}: " if laid.case.error.line else ""
        assert line in outcome.said
        assert laid.case.error.words in outcome.said
        assert "Traceback" not in outcome.said
