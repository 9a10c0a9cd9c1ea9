"""Conformance cases that have a RUN, without a namespace or a mount: `--isolation chroot`.

What comes out must be what the kernel's overlay gives.  The cases that are built go all ways
through the code of that isolation; LAMINA_NESTED=all builds every one that has a RUN.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from lamina.cli.main import run
from tests.conformance.builders import BASE, BASE_CHANGES, EMPTY, Lamina
from tests.conformance.case import Case
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
WAYS = {
    # The least that goes through every line and branch.
    "stages:a-stage-by-its-name": "a root is brought up layer by layer, and its changes put",
    "run:a-directory-that-is-deleted-and-made-anew": "a root is gone on with; all below is hidden",
    "mounts:a-mount-in-a-mount": "what is bound is moved in and back, the outer one first",
    "run:a-heredoc-for-an-interpreter": "a script is a file that is put in and taken away",
    "run:what-is-deleted": "whiteouts by name, and their times",
    "add:an-archive-that-replaces-a-link-by-a-directory": "a marker that hides all below",
    "run:hard-and-symbolic-links": "names of one inode are compared together",
    "run:WORKDIR-through-a-link": "a root that exists gets what a later layer replaces",
    "run:a-USER-that-the-image-does-not-know": "the command is refused before it runs",
    "run:a-file-where-a-directory-was": "kinds that change",
    "run:a-changed-mode-is-a-change": "no content, but a difference",
    # What is another way in the kernel, or in the keeper, and not in those lines.
    "run:a-command-that-fails": "a status that is not 0",
    "run:a-program-that-is-not-there": "an exec that fails",
    "run:standard-input-is-empty": "streams",
    "run:modes-with-set-id-and-sticky-bits": "bits that chown takes away",
    "run:names-that-are-hard-to-write": "names of any bytes",
    "run:a-name-that-is-no-UTF-8": "the same",
    "run:files-of-a-USER": "a command without root's rights",
    "run:the-groups-that-USER-is-in": "its groups",
    "mounts:bind-of-a-file": "a file in a place of the image",
    "mounts:bind-from-a-stage": "a source that is another root's",
    "mounts:what-is-written-to-a-bind-is-thrown-away": "a copy that is not kept",
    "mounts:a-cache-keeps-what-was-written": "one that is",
    "mounts:a-cache-with-an-owner-and-a-mode": "with its owner",
    "mounts:a-tmpfs-over-what-is-there": "what lies under it comes back",
    "mounts:a-secret-at-a-place-of-its-own": "a file of memory, its mode and owner",
    "mounts:several-mounts": "several, and all are taken away",
}
"""The cases that are built by default, and what each is there for.  Lines and branches are those
of run/chrooted, run/furnish, run/kernel_files, build/plain_root, build/standing, build/ground,
build/stamps, copying/comparison and layer/whiteout that any case goes through."""


def chosen() -> dict[str, Case]:
    """The cases to build, by name."""
    found = {
        name: case
        for name, case in identified().items()
        if "RUN" in case.dockerfile and name not in NEED_MORE
    }
    if os.environ.get("LAMINA_NESTED") == "all":
        return found
    return {name: found[name] for name in WAYS}


CASES = chosen()


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
