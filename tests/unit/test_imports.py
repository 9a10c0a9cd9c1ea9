"""What a command may import before it has done its work: each module is a wait of the user's.

The milliseconds are `python -X importtime`, cumulative, on the machine of bench/results.md;
`python -m bench.run --only imports` measures the whole.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from lamina.cli.main import run
from lamina.store.contract import Store
from tests.rights import AS_USER
from tests.unit.cli import sample

HEAVY = {
    "argparse": "8 ms; click is there already",
    "asyncio": "60 ms",
    "backports.zstd": "3 ms; for what packs or unpacks a layer",
    "base64": "1 ms",
    "concurrent.futures": "4 ms, with logging",
    "dataclasses": "8 ms, with inspect; a struct costs a tenth",
    "email": "7 ms",
    "hashlib": "2.5 ms, and 4 MB of OpenSSL to read; lamina.sha256 does for documents",
    "http": "4 ms",
    "importlib.metadata": "7 ms, with email, csv and zipfile",
    "json": "2 ms; msgspec is there already",
    "logging": "2 ms",
    "random": "1 ms; os.urandom does",
    "rich": "28 ms; for progress, and then only on a terminal",
    "shutil": "2 ms, with every compressor",
    "socket": "2 ms",
    "ssl": "5 ms",
    "subprocess": "2 ms",
    "tempfile": "4 ms, with random and shutil",
    "unicodedata": "a megabyte to read; for text that is not ASCII",
    "urllib3": "60 ms",
    "zipfile": "1 ms",
    "lamina.layer.apply": "for what writes a layer",
    "lamina.layer.tar": "for what reads a layer",
    "lamina.registry": "for what speaks to a registry",
    "lamina.transfer": "for what speaks to a registry",
}
"""What no start may import but by leave of its row, and why."""

FRAMEWORK = "import click, msgspec, re, sys; print(*sys.modules)"
"""What click and msgspec import by themselves: theirs to spend."""

FOUNDATION = {
    *("lamina", "gc", "locale"),  # gettext, which click asks for its texts, asks for the locale
    *("pathlib", "fnmatch", "ntpath", "urllib", "ipaddress"),  # pathlib, up to Python 3.12
    *("ctypes", "fcntl", "struct"),
    "org",
}
STREAMS = {
    *("lamina.layer.tar", "lamina.registry", "lamina.transfer"),
    *("hashlib", "queue", "heapq", "zlib"),
}
"""What reads, writes and hashes layers."""
PACKED = {
    *("backports.zstd", "compression", "isal"),
    *("concurrent.futures", "logging", "string", "traceback", "atexit"),  # one brings the others
}
"""What packs and unpacks them."""
USERS = {"pwd", *STREAMS} if AS_USER else set[str]()
"""An ordinary user's name is looked up; without a namespace layers are no trees."""
LISTING = {"isal", "array", "binascii"}
"""What reads the listing of a layer in tree form."""
APPLY = {"lamina.layer.apply", "dataclasses", "copy"}
"""What writes a layer in tree form."""
OPTION = {"difflib"}
"""What click asks for near names of options, when it meets one of one letter."""
COMMANDS: dict[str, tuple[str, int, set[str]]] = {
    # what is run, how it ends, and what it may import beside the foundation.
    # The host name is refused when all is imported and nothing is made.
    "run": ("run --rm --hostname=- demo true", 125, {"select", "signal"}),
    "images": ("images", 0, set()),
    "explain": ("explain demo", 0, LISTING),
    "explain an archive": (
        "explain {place}/demo.tar",
        0,
        STREAMS | LISTING,
    ),
    "ls": ("ls demo", 0, LISTING),
    "rmi": ("rmi demo", 0, LISTING),
    "save": ("save -o {place}/new.tar demo", 0, STREAMS | LISTING | OPTION),
    "save oci": (
        "save --format oci-dir -o {place}/new demo",
        0,
        STREAMS | PACKED | LISTING | OPTION,
    ),
    "load": (
        "--root {place}/other load --layer-form tree -i {place}/demo.tar",
        0,
        STREAMS | PACKED | LISTING | OPTION | APPLY,
    ),
    "load again": ("load -i {place}/demo.tar", 0, STREAMS | OPTION),
    "import": (
        "import --layer-form tree {place}/root.tar new",
        0,
        STREAMS | PACKED | LISTING | APPLY,
    ),
    "copy": ("copy oci-archive:{place}/demo.tar oci:{place}/new", 0, STREAMS),
}


def modules_of(code: str, *arguments: str) -> set[str]:
    """The modules that a new interpreter has when `code` has printed their names."""
    ran = subprocess.run(
        [sys.executable, "-P", "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    return set(ran.stdout.splitlines()[-1].split())


def modules_after(store: Store, command: str, expected: int) -> set[str]:
    """The modules that a command has when it has ended, its store full and its inputs there."""
    place = store.root.parent
    sample.make(store, "demo", [("COPY a", {"a": b"1"})])
    sample.make(store, "127.0.0.1:1/demo", [("COPY a", {"a": b"2"})])
    (place / "root.tar").write_bytes(sample.tar_of({"b": b"2"}))
    assert run(["--root", os.fspath(store.root), "save", "-o", f"{place}/demo.tar", "demo"]) == 0
    code = (
        "import sys; from lamina.cli.main import run;"
        f" assert run(sys.argv[1:]) == {expected}; print(*sys.modules)"
    )
    arguments = command.format(place=place).split()
    return modules_of(code, "--root", os.fspath(store.root), *arguments)


def parts_of(modules: set[str]) -> set[str]:
    """The top-level names, without the private ones."""
    return {part for each in modules if not (part := each.partition(".")[0]).startswith("_")}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_start_imports_nothing_heavy_and_only_what_it_was_allowed(
    store: Store, name: str
) -> None:
    """Whoever adds a module here has looked what it costs: `python -X importtime`."""
    command, expected, allowed = COMMANDS[name]
    allowed = allowed | USERS
    imported = modules_after(store, command, expected)
    heavy = {module: why for module, why in HEAVY.items() if module in imported - allowed}
    assert not heavy
    unexpected = parts_of(imported - modules_of(FRAMEWORK)) - FOUNDATION - parts_of(allowed)
    assert not unexpected


def test_a_program_that_opens_a_store_loads_nothing_of_what_explains_images(store: Store) -> None:
    """Each container that it runs begins as a copy of it."""
    code = "import sys, lamina; lamina.open(sys.argv[1]).containers(); print(*sys.modules)"
    loaded = modules_of(code, os.fspath(store.root))
    parts = {each.split(".")[1] for each in loaded if each.startswith("lamina.")}
    assert not parts & {"explain", "report", "repack", "transfer", "registry", "query", "cli"}
    assert "html" not in loaded


CLIENT = (
    "import click, msgspec, urllib3;"
    # click asks for the one when an option has one letter, Python for the other of each host.
    "import difflib, encodings.idna;"
    " print(*__import__('sys').modules)"
)
"""What a command that speaks to a registry is made of."""


@pytest.mark.parametrize(
    ("command", "allowed"),
    [
        ("pull -q 127.0.0.1:1/demo", set()),
        ("push -q 127.0.0.1:1/demo", PACKED | LISTING),  # a layer that was never packed before
        ("copy -q docker://127.0.0.1:1/demo oci:{place}/new", set()),
        ("copy -q oci-archive:{place}/demo.tar docker://127.0.0.1:1/demo", set()),
    ],
)
def test_what_speaks_to_a_registry_imports_little_beside_its_client(
    store: Store, command: str, allowed: set[str]
) -> None:
    """Nobody listens there: all that a request needs is there, and nothing that layers need."""
    imported = modules_after(store, command, 1)
    assert "urllib3" in imported
    unexpected = parts_of(imported - modules_of(CLIENT)) - FOUNDATION - parts_of(allowed | USERS)
    assert not unexpected
    assert not imported & {"lamina.layer.apply", "lamina.layer.erofs", "lamina.layer.union"}


def test_a_push_of_what_is_not_there_needs_no_client(store: Store) -> None:
    assert "urllib3" not in modules_after(store, "push -q 127.0.0.1:1/none", 1)
