"""What the command line's PATH and --build-context mean: opened, with the Dockerfile in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from lamina.context import recipe
from lamina.context.directory import Context, Nothing
from lamina.context.errors import BadOption, NoContext, Unreadable
from lamina.context.git_address import GitSource, parse_git
from lamina.context.ignoring import ignore_file
from lamina.context.known import DigestCache
from lamina.context.stream import Peeked, Stream
from lamina.dockerfile.ignore import Ignore
from lamina.sha256 import sha256

if TYPE_CHECKING:
    from lamina.context.git import Fetched

_HEAD = 1024
_WEB = ("http://", "https://")


class Opened(msgspec.Struct, frozen=True):
    """A context and its Dockerfile."""

    tree: Context | Nothing
    dockerfile_text: str
    dockerfile_name: str
    """For messages."""
    place: Path | None = None
    """The Dockerfile on the host, if that is where it was read."""
    save: Callable[[], None] = lambda: None
    """Keeps what is known of the files for the next build."""
    commit: str = ""
    """Of a context that is a git repository."""
    committed: int | None = None
    """When that commit was made, in seconds since the epoch."""
    source: str = ""
    """What provenance calls the context: an address without a password; empty for what is
    local."""


class NamedTree(msgspec.Struct, frozen=True):
    """A named context that has files."""

    tree: Context
    save: Callable[[], None] = lambda: None
    source: str = ""


class NamedImage(msgspec.Struct, frozen=True):
    """A named context that is an image."""

    reference: str
    """For whoever finds images; in a layout, `:tag` or `@digest`, or empty."""
    layout: Path | None = None
    """The directory of an OCI layout that has it."""


class Opener(msgspec.Struct, frozen=True):
    """What opening needs, whatever it is that is opened."""

    work: Path
    """A directory of this build alone, which the caller removes afterwards."""
    cache: Path
    """Where later builds find what is known."""
    started: int
    """When the build began, in nanoseconds since the epoch."""
    environment: Mapping[str, str]
    keep_git_dir: bool = False
    """Leave `.git` in the checkout of a repository."""

    def place(self) -> Path:
        """A new directory in `work`."""
        from tempfile import mkdtemp

        return Path(mkdtemp(dir=self.work))


def open_context(
    text: str,
    *,
    dockerfile: str | None,
    work: Path,
    cache: Path,
    stdin: Stream | None,
    started: int,
    environment: Mapping[str, str],
    keep_git_dir: bool = False,
) -> Opened:
    """A directory, `-` for an archive or a Dockerfile on `stdin`, a repository, or an address
    of an archive or a Dockerfile.

    `dockerfile` is a path on the host for a directory, else inside the context; `-` reads
    it from `stdin`.  Ignore files count for directories alone, as in BuildKit.

    Raises NoContext, NoDockerfile, BadOption, BadIgnoreFile, and what `unpack_context`,
    `git.fetch` and `http.Web.fetch` raise.
    """
    opener = Opener(work, cache, started, environment, keep_git_dir)
    if text == "-" and dockerfile == "-":
        raise BadOption("the Dockerfile and the context cannot both come from standard input")
    given = _given(stdin) if dockerfile == "-" else None
    if text == "-":
        return _from_stream(opener, stdin, dockerfile)
    root = Path(text)
    if root.is_dir():
        return _from_directory(opener, root, dockerfile, given)
    repository = parse_git(text)
    if repository is not None:
        return _from_git(opener, repository, dockerfile, given)
    if text.startswith(_WEB):
        return _from_web(opener, text, dockerfile, given)
    if root.exists():
        raise NoContext(
            f"the build context {text} is not a directory", hint=f"an archive goes in as - < {text}"
        )
    raise NoContext(f"there is no directory {text}", hint="give a directory, an address, or -")


def open_named(
    text: str,
    *,
    work: Path,
    cache: Path,
    started: int,
    environment: Mapping[str, str],
) -> NamedTree | NamedImage:
    """What `--build-context name=TEXT` means: a directory, a repository, an address, or an
    image, as `docker-image://REFERENCE` or `oci-layout://DIRECTORY[:TAG][@DIGEST]`.

    The file of an address lies in the tree as `context`, as it came: so BuildKit has it.
    Raises as `open_context`.
    """
    scheme, mark, rest = text.partition("://")
    if mark and scheme == "docker-image":
        return NamedImage(rest)
    if mark and scheme == "oci-layout":
        return _layout(rest)
    opener = Opener(work, cache, started, environment)
    root = Path(text)
    if root.is_dir():
        tree, save = _directory(opener, root, None)
        return NamedTree(tree, save)
    repository = parse_git(text)
    if repository is not None:
        tree, _ = _checkout(opener, repository)
        return NamedTree(tree, source=repository.text)
    if text.startswith(_WEB):
        place, source = _downloaded(opener, text)
        return NamedTree(Context(place.parent, Ignore()), source=source)
    raise NoContext(
        f"not a build context: {text}",
        hint="give a directory, an address, docker-image://NAME or oci-layout://DIRECTORY",
    )


def _layout(text: str) -> NamedImage:
    path, at, digest = text.partition("@sha256:")
    directory, colon, tag = path.rpartition(":")
    if not colon or "/" in tag:
        directory, colon, tag = path, "", ""
    reference = f"@sha256:{digest}" if at else f"{colon}{tag}"
    return NamedImage(reference, Path(directory))


def _given(stdin: Stream | None) -> tuple[str, str]:
    if stdin is None:
        raise BadOption("there is no standard input to read the Dockerfile from")
    return recipe.read(stdin, "standard input"), "Dockerfile"


def _directory(
    opener: Opener, root: Path, dockerfile: Path | None
) -> tuple[Context, Callable[[], None]]:
    name = sha256(os.fsencode(root.resolve())).hex()[:32]
    known = DigestCache(opener.cache / f"context-{name}", opener.started)
    return Context(root, ignore_file(root, dockerfile), known), known.save


def _from_directory(
    opener: Opener, root: Path, chosen: str | None, given: tuple[str, str] | None
) -> Opened:
    if given is not None:
        tree, save = _directory(opener, root, None)
        return Opened(tree, *given, save=save)
    place = recipe.on_disk(root, chosen)
    try:
        with place.open("rb") as file:
            text = recipe.read(file, str(place))
    except PermissionError:
        raise Unreadable(str(place)) from None
    tree, save = _directory(opener, root, place)
    return Opened(tree, text, chosen or place.name, place, save)


def _from_stream(opener: Opener, stdin: Stream | None, chosen: str | None) -> Opened:
    from lamina.context.archive import is_archive

    if stdin is None:
        raise BadOption("there is no standard input to read the context from")
    stream = Peeked(stdin, _HEAD)
    if not is_archive(stream.head):
        if chosen is not None:
            raise BadOption(f"-f {chosen} names a file of an archive: standard input is none")
        return Opened(Nothing(), recipe.read(stream, "standard input"), "Dockerfile")
    return _unpacked(opener, stream, chosen, None, "")


def _unpacked(
    opener: Opener,
    stream: Stream,
    chosen: str | None,
    given: tuple[str, str] | None,
    source: str,
) -> Opened:
    from lamina.context.archive import unpack_context

    directory = opener.place()
    unpack_context(stream, directory)
    tree = Context(directory, Ignore())
    return Opened(tree, *(given or recipe.inside(tree, chosen)), source=source)


def _from_web(
    opener: Opener, address: str, chosen: str | None, given: tuple[str, str] | None
) -> Opened:
    from lamina.context.archive import is_archive

    place, source = _downloaded(opener, address)
    with place.open("rb") as file:
        stream = Peeked(file, _HEAD)
        if is_archive(stream.head):
            return _unpacked(opener, stream, chosen, given, source)
        if chosen is not None:
            raise BadOption(f"-f {chosen} names a file of an archive: {source} is none")
        return Opened(Nothing(), recipe.read(stream, source), "Dockerfile", source=source)


def _downloaded(opener: Opener, address: str) -> tuple[Path, str]:
    from lamina.context.http import Web, shown

    place = opener.place() / "context"
    Web(opener.cache, opener.environment).fetch(address, place)
    return place, shown(address)


def _from_git(
    opener: Opener, source: GitSource, chosen: str | None, given: tuple[str, str] | None
) -> Opened:
    tree, fetched = _checkout(opener, source)
    found = given or recipe.inside(tree, chosen)
    return Opened(
        tree, *found, commit=fetched.commit, committed=fetched.committed, source=source.text
    )


def _checkout(opener: Opener, source: GitSource) -> tuple[Context, Fetched]:
    from lamina.context.git import fetch

    found = fetch(
        source,
        opener.place() / "files",
        cache=opener.cache,
        keep_git_dir=bool(source.keep_git_dir or opener.keep_git_dir),
        environment=opener.environment,
    )
    return Context(found.directory, Ignore()), found
