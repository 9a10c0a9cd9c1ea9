"""What a command may import before it has done its work: each module is a wait of the user's.

The milliseconds are `python -X importtime`, cumulative, on the machine of bench/results.md;
`python -m bench.run --only imports` measures the whole.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from lamina.store.contract import Store
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
"""What no start may import, and why."""

FRAMEWORK = "import click, msgspec, re, sys; print(*sys.modules)"
"""What click and msgspec import by themselves: theirs to spend."""

FOUNDATION = {
    *("lamina", "gc", "locale"),  # gettext, which click asks for its texts, asks for the locale
    *("pathlib", "fnmatch", "ntpath", "urllib", "ipaddress"),  # pathlib, up to Python 3.12
    *("ctypes", "fcntl", "struct"),
    "org",
}
COMMANDS: dict[str, tuple[Sequence[str], int, set[str]]] = {
    # what is run, how it ends, and what it may import beside the foundation.
    # The host name is refused when all is imported and nothing is made.
    "run": (("run", "--rm", "--hostname=-", "demo", "true"), 125, {"select", "signal"}),
    "images": (("images",), 0, set()),
    "rmi": (("rmi", "demo"), 0, {"isal", "array", "binascii"}),  # the listing of a tree is read
}


def modules_of(code: str, *arguments: str) -> set[str]:
    """The modules that a new interpreter has when `code` has printed their names."""
    ran = subprocess.run(
        [sys.executable, "-P", "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    return set(ran.stdout.splitlines()[-1].split())


def modules_after(store: Store, name: str) -> set[str]:
    """The modules that a command has when it has ended."""
    sample.make(store, "demo", [("COPY a", {"a": b"1"})])
    arguments, expected, _ = COMMANDS[name]
    code = (
        "import sys; from lamina.cli.main import run;"
        f" assert run(sys.argv[1:]) == {expected}; print(*sys.modules)"
    )
    return modules_of(code, "--root", os.fspath(store.root), *arguments)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_start_imports_nothing_heavy(store: Store, name: str) -> None:
    imported = modules_after(store, name)
    heavy = {module: why for module, why in HEAVY.items() if module in imported}
    assert not heavy


@pytest.mark.parametrize("name", COMMANDS)
def test_a_start_imports_only_what_it_was_allowed(store: Store, name: str) -> None:
    """Whoever adds a module here has looked what it costs: `python -X importtime`."""
    new = modules_after(store, name) - modules_of(FRAMEWORK)
    public = {part for module in new if not (part := module.partition(".")[0]).startswith("_")}
    unexpected = public - FOUNDATION - COMMANDS[name][2]
    assert not unexpected


CLIENT = (
    "import click, msgspec, urllib3, hashlib, concurrent.futures.thread;"
    # click asks for the one when an option has one letter, Python for the other of each host.
    "import difflib, encodings.idna;"
    " print(*__import__('sys').modules)"
)
"""What a command that speaks to a registry is made of."""


def test_a_pull_imports_little_beside_its_client(tmp_path: Path) -> None:
    code = (
        "import sys; from lamina.cli.main import run;"
        " assert run(sys.argv[1:]) == 1; print(*sys.modules)"
    )
    arguments = ("--root", os.fspath(tmp_path / "store"), "pull", "-q", "127.0.0.1:1/none")
    imported = modules_of(code, *arguments)
    new = {name.partition(".")[0] for name in imported - modules_of(CLIENT)}
    unexpected = {name for name in new if not name.startswith("_")} - FOUNDATION - {"isal"}
    assert not unexpected
    assert not imported & {"lamina.layer.apply", "lamina.layer.erofs", "lamina.layer.union"}
