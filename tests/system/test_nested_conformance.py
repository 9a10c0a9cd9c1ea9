"""Every conformance case that has a RUN, without a namespace or a mount: `--isolation chroot`.

What comes out must be what the kernel's overlay gives.
"""

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
NEED_MORE = {
    "options:--shm-size": "a file system for shared memory is a mount",
    "options:--network=none": "a network of its own is a namespace",
    "options:RUN---network-over---network": "a network of its own is a namespace",
    "run:RUN-without-a-network": "a network of its own is a namespace",
    "mounts:bind-cannot-be-written": "what is bound is a copy, thrown away when it was written to",
    "mounts:a-cache-that-is-read-only": "a read-only view is a mount",
    "mounts:a-tmpfs-leaves-nothing": "a tmpfs is a mount",
}
"""What a chroot cannot give, and why; docs/nested.md says so."""
CASES = {
    name: case
    for name, case in identified().items()
    if "RUN" in case.dockerfile and name not in NEED_MORE
}


class Chrooted(Lamina):
    """The command line, asked to do without namespaces and mounts."""

    def _run(self, *options: str) -> tuple[int, str]:
        return super()._run("--isolation", "chroot", *options)


@pytest.fixture(scope="module")
def builder(
    root_only: None, busybox_tar: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Chrooted]:
    root = tmp_path_factory.mktemp("chrooted") / "root"
    changes = [word for line in BASE_CHANGES for word in ("--change", line)]
    assert run(["--root", str(root), "import", *changes, str(busybox_tar), BASE]) == 0
    yield Chrooted(root)
    unmounted(root)


@pytest.fixture(scope="module")
def base(builder: Chrooted) -> Made:
    return builder.base()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    need_tool("git", "git")
    with serving(tmp_path_factory.mktemp("served")) as addresses:
        yield {**words(os.uname().machine), **addresses}


@pytest.mark.parametrize("name", CASES)
def test_case(
    name: str, builder: Chrooted, base: Made, served: Mapping[str, str], tmp_path: Path
) -> None:
    laid = lay(CASES[name], tmp_path, {**served, "ID": f"chrooted-{[*CASES].index(name)}"})
    outcome = builder.build(laid)
    found = differences(laid.case, outcome, EMPTY if laid.case.scratch else base)
    assert not found, "\n".join([*found, outcome.said])
