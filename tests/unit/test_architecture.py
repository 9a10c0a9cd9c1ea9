"""The rules of the layout (docs/ARCHITECTURE.md), held by a test."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"
FILES = {
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(SOURCE.rglob("*.py"))
}
ROWS = (
    {"errors", "text", "sha256"},
    {"oci", "linux", "dockerfile", "shell", "supervise"},
    {"layer"},
    {"store", "registry"},
    {"network"},
    {"transfer", "run", "explain", "context"},
    {"lifecycle", "leaks", "attest", "plan", "repack", "needs", "rewrite"},
    {"report", "cache", "copying"},
    {"build", "minify", "base", "query", "page", "explore"},
    {"engine"},
    {"cli", "api"},
)
RANK = {part: rank for rank, row in enumerate(ROWS) for part in row}
PACKAGE = "lamina"


def imports(path: Path) -> set[str]:
    """Our modules that a file imports, anywhere in it: a deferred import counts too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return FILES.keys() & (names - {PACKAGE})


def foreign_imports(path: Path) -> set[str]:
    """The first component of every absolute import in a file."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


def part(module: str) -> str:
    return module.split(".")[1]


MODULES = sorted(name for name in FILES if name != PACKAGE)


def test_imports_never_go_in_a_circle() -> None:
    TopologicalSorter({name: imports(FILES[name]) for name in MODULES}).prepare()


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down_and_rows_do_not_know_each_other(module: str) -> None:
    below = {name for name in imports(FILES[module]) if part(name) != part(module)}
    assert not {name for name in below if RANK[part(name)] >= RANK[part(module)]}


@pytest.mark.parametrize("module", MODULES)
def test_every_part_has_its_place(module: str) -> None:
    assert part(module) in RANK
    assert module.count(".") <= 2, "no part is deeper than one folder"


@pytest.mark.parametrize("module", [name for name in MODULES if part(name) != "linux"])
def test_ctypes_and_ioctl_stay_in_linux(module: str) -> None:
    assert not foreign_imports(FILES[module]) & {"ctypes", "fcntl"} - (
        {"fcntl"} if "ioctl" not in FILES[module].read_text() else set()
    )


NETWORK = {"socket", "ssl", "http", "urllib", "urllib3", "requests", "httpx", "aiohttp"}


@pytest.mark.parametrize("module", [name for name in MODULES if part(name) not in {"cli", "api"}])
def test_sockets_stay_in_the_transport(module: str) -> None:
    # The forwarder passes on an ssh agent's socket of this host, the console takes a terminal
    # from a runtime through one, and a probe asks a container's own service over the loopback
    # of its namespace: no network is in any of them.
    # `network` speaks netlink and holds published ports, `supervise` serves those who attach
    # and answers a container's questions for names.
    if module in {
        "lamina.registry.transport",
        "lamina.linux.forwarder",
        "lamina.linux.console",
        "lamina.minify.request",
    } or part(module) in {"network", "supervise"}:
        return
    tree = ast.parse(FILES[module].read_text())
    found = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    } | {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not {name for name in found if name.split(".")[0] in NETWORK} - {"urllib.parse"}


CLOCK_AND_WORLD = {
    ("os", "environ"),
    ("os", "getenv"),
    ("time", "time"),
    ("datetime", "now"),
    ("sys", "exit"),
    ("random", "random"),
    ("uuid", "uuid4"),
}
FIRST_PROCESS = {"lamina.run.init"}
"""The container's first process: it is a program of its own."""


@pytest.mark.parametrize(
    "module",
    [name for name in MODULES if part(name) not in {"cli", "api"} and name not in FIRST_PROCESS],
)
def test_environment_clock_and_print_stay_in_the_command_line(module: str) -> None:
    tree = ast.parse(FILES[module].read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert (node.value.id, node.attr) not in CLOCK_AND_WORLD, ast.unparse(node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "print", ast.unparse(node)


IO_MODULES = {"os", "io", "pathlib", "subprocess", "socket", "tempfile", "shutil", "time", "random"}
PURE = sorted(
    name
    for name in MODULES
    if part(name) == "oci"
    or (ast.get_docstring(ast.parse(FILES[name].read_text())) or "")
    .split("\n\n")[0]
    .rstrip()
    .endswith("Pure.")
)


@pytest.mark.parametrize("module", PURE)
def test_pure_files_do_no_io(module: str) -> None:
    assert not foreign_imports(FILES[module]) & IO_MODULES


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("__init__.py")), ids=str)
def test_init_files_are_empty(path: Path) -> None:
    assert path.parent.name == PACKAGE or path.read_text() == ""


def test_forbidden_names() -> None:
    assert not [
        name
        for name in FILES
        if name.rpartition(".")[2] in {"utils", "util", "helpers", "common", "misc"}
    ]
