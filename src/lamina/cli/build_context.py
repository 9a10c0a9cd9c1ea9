"""What `lamina build` reads: the context with its Dockerfile, named contexts, and what ADD
fetches."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec

from lamina.cli.app import App
from lamina.errors import Invalid

if TYPE_CHECKING:
    from lamina.build.trees import ContextTree, Trees
    from lamina.context.opening import NamedImage, NamedTree, Opened
    from lamina.context.tree import Tree
    from lamina.plan.graph import RemoteOp

F = TypeVar("F", bound=Callable[..., Any])
_KEEP_GIT = "BUILDKIT_CONTEXT_KEEP_GIT_DIR"


class BadContextOption(Invalid):
    """`--build-context` without a name or a place."""


def context_options(command: F) -> F:
    """What `gathered` reads beside PATH."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "-f", "--file", "file", metavar="FILE", help="The Dockerfile; - is standard input."
    ),
    click.option(
        "--build-context",
        "contexts",
        multiple=True,
        metavar="NAME=PLACE",
        help="More files, or an image (docker-image://, oci-layout://), by name.",
    ),
)


class Gathered(msgspec.Struct, frozen=True):
    """Everything that a build reads beside layers."""

    opened: Opened
    trees: Trees
    names: frozenset[str]
    """Named contexts that are files."""
    images: Mapping[str, NamedImage]
    """Named contexts that are images."""
    saves: Sequence[Callable[[], None]]
    directory: Path | None
    """The context, where it is a directory of this machine."""
    places: Mapping[str, str]
    """Named contexts: where each is from, empty for this machine."""

    def save(self) -> None:
        """Keep what is known of the files for the next build."""
        for save in self.saves:
            save()


@contextmanager
def gathered(
    app: App, path: str, given: Mapping[str, Any], *, identity: str, started: int
) -> Iterator[Gathered]:
    """Open them; what was unpacked or fetched is gone when the block ends.

    Raises BadContextOption, and what `open_context` and `open_named` raise.
    """
    from lamina.build.directory import working_directory
    from lamina.build.trees import Trees
    from lamina.context.opening import NamedTree, open_context, open_named

    store = app.engine.store
    cache = store.root / "cache"
    with working_directory(store, f"{identity}-context") as work:
        named = {
            name: open_named(place, work=work, cache=cache, started=started, environment=os.environ)
            for name, place in map(_named, given["contexts"])
        }
        opened = open_context(
            path,
            dockerfile=given["file"],
            work=work,
            cache=cache,
            stdin=sys.stdin.buffer,
            started=started,
            environment=os.environ,
            keep_git_dir=_keeps_git(given["build_args"]),
        )
        files = {name: each for name, each in named.items() if isinstance(each, NamedTree)}
        trees: dict[str, ContextTree] = {name: each.tree for name, each in files.items()}
        yield Gathered(
            opened,
            Trees({"": opened.tree, **trees}, _fetching(cache, work)),
            frozenset(files),
            {name: each for name, each in named.items() if not isinstance(each, NamedTree)},
            [opened.save, *(each.save for each in files.values())],
            directory=Path(path) if path != "-" and os.path.isdir(path) else None,
            places={name: _place(each) for name, each in named.items()},
        )


def _place(named: NamedTree | NamedImage) -> str:
    from lamina.context.opening import NamedTree

    if isinstance(named, NamedTree):
        return named.source
    return "" if named.layout else f"docker-image://{named.reference}"


def _named(text: str) -> tuple[str, str]:
    name, equals, place = text.partition("=")
    if not (name and equals and place):
        raise BadContextOption(f"not a named context: {text!r}", hint="write NAME=PLACE")
    return name.removesuffix(":latest"), place


def _keeps_git(build_args: Sequence[str]) -> bool:
    return any(
        text.lower() in (f"{_KEEP_GIT.lower()}=1", f"{_KEEP_GIT.lower()}=true")
        for text in build_args
    )


def _fetching(cache: Path, work: Path) -> Callable[[RemoteOp], Tree]:
    """What fetches the remote sources of ADD, each once."""
    from functools import cache as once

    @once
    def remotes() -> Any:
        from lamina.context.http import Web
        from lamina.context.remote import Remotes

        return Remotes(Web(cache, os.environ), work)

    def fetch(op: RemoteOp) -> Tree:
        from lamina.context.remote import parse_remote

        source = parse_remote(op.address, checksum=op.checksum, keep_git_dir=op.keep_git_dir)
        tree: Tree = remotes().fetch(source).tree
        return tree

    return fetch
