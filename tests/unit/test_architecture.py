"""The rules of the layout (docs/ARCHITECTURE.md), held by a test."""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

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


@dataclass(frozen=True)
class Facts:
    """What a file of ours does, as far as the rules ask."""

    text: str
    imported: frozenset[str]
    """Whole names, those that come from a module too; a deferred import counts."""
    plainly: frozenset[str]
    """Modules that are imported, without what comes from them."""
    attributes: frozenset[tuple[str, str]]
    """`os.environ` as a pair."""
    calls: frozenset[str]
    """Functions that are called by a bare name."""


@cache
def facts(module: str) -> Facts:
    """Read a file once, for every rule."""
    text = FILES[module].read_text()
    imported, plainly, attributes, calls = set(), set(), set(), set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            plainly |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            plainly.add(node.module or "")
            imported |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            attributes.add((node.value.id, node.attr))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            calls.add(node.func.id)
    whole = frozenset(imported | plainly)
    return Facts(text, whole, frozenset(plainly), frozenset(attributes), frozenset(calls))


def imports(module: str) -> set[str]:
    """Our modules that a file imports."""
    return FILES.keys() & (facts(module).imported - {PACKAGE})


def foreign_imports(module: str) -> set[str]:
    """The first component of every absolute import in a file."""
    return {name.partition(".")[0] for name in facts(module).plainly} - {""}


def part(module: str) -> str:
    return module.split(".")[1]


MODULES = sorted(name for name in FILES if name != PACKAGE)


def all_but(*parts: str) -> list[str]:
    """The modules of all other parts."""
    return [name for name in MODULES if part(name) not in parts]


def breaches(found: Mapping[str, Collection[object]]) -> dict[str, Collection[object]]:
    """What is found against a rule, by module; nothing where it holds."""
    return {module: what for module, what in found.items() if what}


def test_imports_never_go_in_a_circle() -> None:
    TopologicalSorter({name: imports(name) for name in MODULES}).prepare()


def test_imports_point_down_and_rows_do_not_know_each_other() -> None:
    def not_below(module: str) -> set[str]:
        others = {name for name in imports(module) if part(name) != part(module)}
        return {name for name in others if RANK[part(name)] >= RANK[part(module)]}

    assert not breaches({module: not_below(module) for module in MODULES})


def test_every_part_has_its_place() -> None:
    assert not [module for module in MODULES if part(module) not in RANK]
    assert not [module for module in MODULES if module.count(".") > 2], "deeper than one folder"


def test_ctypes_and_ioctl_stay_in_linux() -> None:
    def kernel(module: str) -> set[str]:
        names = {"ctypes", "fcntl"} if "ioctl" in facts(module).text else {"ctypes"}
        return foreign_imports(module) & names

    assert not breaches({module: kernel(module) for module in all_but("linux")})


NETWORK = {"socket", "ssl", "http", "urllib", "urllib3", "requests", "httpx", "aiohttp"}
# The forwarder passes on an ssh agent's socket of this host, the console takes a terminal
# from a runtime through one, and a probe asks a container's own service over the loopback
# of its namespace: no network is in any of them.
# `network` speaks netlink and holds published ports, `supervise` serves those who attach
# and answers a container's questions for names.
WITH_SOCKETS = {
    "lamina.registry.transport",
    "lamina.linux.forwarder",
    "lamina.linux.console",
    "lamina.minify.request",
}


def test_sockets_stay_in_the_transport() -> None:
    def network(module: str) -> set[str]:
        names = facts(module).plainly - {"urllib.parse"}
        return {name for name in names if name.partition(".")[0] in NETWORK}

    others = [
        name for name in all_but("cli", "api", "network", "supervise") if name not in WITH_SOCKETS
    ]
    assert not breaches({module: network(module) for module in others})


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


def test_environment_clock_and_print_stay_in_the_command_line() -> None:
    def world(module: str) -> set[object]:
        found = facts(module)
        return {*(found.attributes & CLOCK_AND_WORLD), *(found.calls & {"print"})}

    others = [name for name in all_but("cli", "api") if name not in FIRST_PROCESS]
    assert not breaches({module: world(module) for module in others})


IO_MODULES = {"os", "io", "pathlib", "subprocess", "socket", "tempfile", "shutil", "time", "random"}


def is_pure(module: str) -> bool:
    """Whether a file says that it does no I/O."""
    docstring = ast.get_docstring(ast.parse(facts(module).text)) or ""
    return part(module) == "oci" or docstring.split("\n\n")[0].rstrip().endswith("Pure.")


def test_pure_files_do_no_io() -> None:
    pure = [module for module in MODULES if is_pure(module)]
    assert len(pure) > 50
    assert not breaches({module: foreign_imports(module) & IO_MODULES for module in pure})


def test_init_files_are_empty() -> None:
    files = [path for path in SOURCE.rglob("__init__.py") if path.parent.name != PACKAGE]
    assert not [path for path in files if path.read_text()]


def test_forbidden_names() -> None:
    assert not [
        name
        for name in FILES
        if name.rpartition(".")[2] in {"utils", "util", "helpers", "common", "misc"}
    ]
