"""What a builder made of a case, and how that differs from what must come out."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from lamina.explain.stack import Stack, source_stack
from lamina.layer.entry import Entry, Kind
from lamina.layer.union import Union
from lamina.oci.platform import Platform
from lamina.transfer.archive import find_image, open_path
from lamina.transfer.contents import SourceContents
from lamina.transfer.receive import read_documents
from tests.conformance.case import Case, Node

FIELDS = (
    "Env",
    "Cmd",
    "Entrypoint",
    "WorkingDir",
    "User",
    "Labels",
    "ExposedPorts",
    "Volumes",
    "Healthcheck",
    "Shell",
    "StopSignal",
    "OnBuild",
)
"""Of the configuration: what a container of the image starts with."""
_KINDS = {
    Kind.FILE: "file",
    Kind.HARDLINK: "file",
    Kind.DIRECTORY: "folder",
    Kind.SYMLINK: "link",
    Kind.FIFO: "fifo",
}
_SHORT = 60


class Made(msgspec.Struct, frozen=True):
    """An image, as cases look at it."""

    tree: Mapping[str, Node]
    config: Mapping[str, Any]
    history: tuple[str, ...]


class Outcome(msgspec.Struct, frozen=True):
    """How a build ended."""

    status: int
    said: str
    """Both output streams."""
    made: Made | None
    """None when it failed."""


def made_of(stack: Stack) -> Made:
    """The image of a stack of layers, every file read."""
    assert stack.config is not None
    document = msgspec.json.decode(stack.config.raw)
    config = document.get("config") or {}
    return Made(
        dict(_tree(stack)),
        {name: config[name] for name in FIELDS if config.get(name)},
        tuple(line.get("created_by", "") for line in document.get("history") or ()),
    )


def made_in_archive(path: Path) -> Made:
    """The image in an archive of `docker save`, or an OCI one."""
    with open_path(path) as members:
        source = find_image(members, "")
        platform = Platform.of_machine(os.uname().machine)
        documents = read_documents(source, source.resolve(), platform=platform, what=path.name)
        with closing(SourceContents(source, documents)) as contents:
            return made_of(source_stack(path.name, documents.config, contents, None))


def _tree(stack: Stack) -> Iterator[tuple[str, Node]]:
    union = Union.of(stack.listings)
    first_name: dict[int, str] = {}
    for found in union.walk():
        node = _node(found.entry)
        if node.kind == "file":
            content = union.content(node.path)
            assert content is not None, node.path
            first = first_name.setdefault(id(content.entry), node.path)
            if first != node.path:
                node = Node(node.path, "hard", target=first)
            else:
                with stack.open(content.layer, content.entry) as file:
                    node = msgspec.structs.replace(node, content=file.read())
        yield node.path, node


def _node(entry: Entry) -> Node:
    kind = _KINDS.get(entry.kind, "other")
    mode = 0 if kind == "link" else stat.S_IMODE(entry.mode)
    target = entry.link if kind == "link" else ""
    owner = (entry.uid, entry.gid)
    seconds = entry.mtime // 10**9
    xattrs = tuple(entry.xattrs)
    return Node(entry.path, kind, mode, owner, target=target, xattrs=xattrs, mtime=seconds)


def differences(case: Case, outcome: Outcome, base: Made, *, history: bool = True) -> list[str]:
    """Every way in which `outcome` is not what the case says, a line each; none is a pass.

    `base` is the image that the case's Dockerfile starts from, empty for scratch; without
    `history` its lines are not looked at.
    """
    if case.error is not None:
        return [] if outcome.status else ["the build should fail, and did not"]
    if outcome.made is None:
        return [f"the build failed: {last_words(outcome.said)}"]
    found = list(_config_differences(case, outcome.made, base))
    if case.tree is not None:
        found = [*_tree_differences(case, case.tree, outcome.made, base), *found]
    added = outcome.made.history[len(base.history) :]
    if history and case.history not in (None, added):
        found.append(f"history is {list(added)}, not {list(case.history)}")
    return found


def last_words(said: str) -> str:
    """The last line of an output that says anything."""
    lines = [line.strip() for line in said.splitlines()]
    return next((line for line in reversed(lines) if line), "")


def _tree_differences(case: Case, tree: tuple[Node, ...], made: Made, base: Made) -> Iterator[str]:
    wanted = {path: node for path, node in base.tree.items() if path not in case.gone}
    wanted = {path: msgspec.structs.replace(node, mtime=None) for path, node in wanted.items()}
    wanted |= {node.path: node for node in tree}
    for path in sorted(wanted.keys() | made.tree.keys()):
        want, got = wanted.get(path), made.tree.get(path)
        if got is not None and (want is None or want.mtime is None):
            got = msgspec.structs.replace(got, mtime=None)
        if want is None:
            assert got is not None
            yield f"/{path} is there: {_told(got)}"
        elif got is None:
            yield f"/{path} is missing"
        elif want != got:
            yield f"/{path} is {_told(got)}, not {_told(want)}"


def _told(node: Node) -> str:
    uid, gid = node.owner
    words = [node.kind]
    if node.kind in ("link", "hard"):
        words.append(f"to {node.target}")
    if node.kind != "hard":
        words.append(f"{node.mode:04o} {uid}:{gid}")
    if node.kind == "file":
        shown = repr(node.content[:_SHORT])[1:]
        words.append(shown if len(node.content) <= _SHORT else f"{len(node.content)} bytes")
    words += [f"{name}={value!r}" for name, value in node.xattrs]
    words += [f"changed at {node.mtime}"] if node.mtime is not None else []
    return " ".join(words)


def _config_differences(case: Case, made: Made, base: Made) -> Iterator[str]:
    wanted = {**base.config, **case.config}
    wanted["Labels"] = {**base.config.get("Labels", {}), **case.config.get("Labels", {})}
    for name in FIELDS:
        want, got = wanted.get(name) or None, made.config.get(name)
        if want != got:
            yield f"{name} is {got!r}, not {want!r}"
