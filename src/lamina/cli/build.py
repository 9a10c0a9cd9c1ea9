"""`lamina build`: an image from a Dockerfile."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lamina.cli.app import App, timestamp
from lamina.cli.build_cache_options import cache_options, importers
from lamina.cli.build_run import means, run_options
from lamina.cli.named import host_platform
from lamina.errors import EngineError, Invalid, NotFound, Unsupported

if TYPE_CHECKING:
    from lamina.build.build import Built
    from lamina.build.graph import RemoteOp
    from lamina.build.plan import Resolver
    from lamina.build.stage import Settings
    from lamina.cli.build_progress import Live, Plain, Quiet
    from lamina.context.directory import Context, Nothing
    from lamina.context.tree import Tree
    from lamina.dockerfile.instruction import Dockerfile
    from lamina.dockerfile.source import SourceError
    from lamina.oci.platform import Platform
    from lamina.oci.reference import Reference
    from lamina.store.contract import Image

_ARCHIVES = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")
_REMOTE = ("http://", "https://", "git://", "git@", "ssh://", "github.com/")


class BadOption(Invalid):
    """An option's value that makes no sense."""


class NoDockerfile(NotFound):
    """The file is not there."""


@click.command(epilog="Example: lamina build -t app:1 --build-arg VERSION=2 .")
@click.argument("path")
@click.option("-t", "--tag", "tags", multiple=True, metavar="NAME", help="Name the image.")
@click.option("-f", "--file", "file", metavar="FILE", help="The Dockerfile; - is standard input.")
@click.option(
    "--build-arg",
    "build_args",
    multiple=True,
    metavar="NAME[=VALUE]",
    help="Set an ARG; without a value it is taken from the environment.",
)
@click.option("--target", metavar="STAGE", default="", help="Build this stage, not the last.")
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="Add a label.")
@click.option("--platform", metavar="OS/ARCH", help="Build for this platform.")
@click.option("--pull", is_flag=True, help="Pull base images even when they are here.")
@run_options
@cache_options
@click.option("-q", "--quiet", is_flag=True, help="Print the image id alone.")
@click.option(
    "--progress",
    type=click.Choice(["auto", "plain", "tty", "quiet"]),
    default="auto",
    help="How to show the steps (auto: by whether this is a terminal).",
)
@click.option("--iidfile", type=click.Path(path_type=Path), help="Write the image id to a file.")
@click.pass_obj
def command(app: App, /, path: str, **given: Any) -> int:
    """Build an image from a Dockerfile and the files in PATH.

    Steps whose inputs have not changed come from the cache.  PATH - reads the
    Dockerfile from standard input and has no files.
    """
    from lamina.dockerfile.parse import parse
    from lamina.dockerfile.source import SourceError
    from lamina.oci.reference import Reference

    names = [Reference.parse(tag) for tag in given["tags"]]
    settings = _settings(given)
    quiet = given["quiet"] or given["progress"] == "quiet"
    begun = time.monotonic()
    try:
        text, name, place = _dockerfile(path, given["file"])
        dockerfile = parse(text, name=name)
        built = _build(app, dockerfile, path, place, settings, names, given, quiet=quiet)
    except SourceError as error:
        _say_where(error)
        return 1
    image_id = built.image.config.digest
    if given["iidfile"] is not None:
        given["iidfile"].write_text(str(image_id))
    if quiet:
        click.echo(str(image_id))
    else:
        _conclude(app, built, names, time.monotonic() - begun)
    return 0


def _build(
    app: App,
    dockerfile: Dockerfile,
    path: str,
    place: Path | None,
    settings: Settings,
    names: Sequence[Reference],
    given: dict[str, Any],
    *,
    quiet: bool,
) -> Built:
    from lamina.build.build import build
    from lamina.build.observe import Occasion
    from lamina.build.trees import Trees

    started = time.time_ns()
    context, save = _context(app, path, place, started)
    built = build(
        dockerfile,
        Trees({"": context}, _no_fetching),
        app.engine.store,
        settings=settings,
        resolve=_resolver(app, settings.platform, given["pull"]),
        names=names,
        occasion=Occasion(
            os.urandom(16).hex(),
            timestamp(),
            started,
            not given["no_cache"],
            frozenset(given["anew"]),
            workers=os.cpu_count() or 1,
        ),
        observer=_progress(app, "quiet" if quiet else given["progress"]),
        means=means(given),
        importers=importers(app, given),
    )
    save()
    return built


def _no_fetching(op: RemoteOp) -> Tree:
    raise Unsupported(f"ADD from an address is not supported yet: {op.address}")


def _settings(given: dict[str, Any]) -> Settings:
    from lamina.build.stage import Settings

    arguments: dict[str, str] = {}
    for text in given["build_args"]:
        name, equals, value = text.partition("=")
        if not name:
            raise BadOption(f"not a build argument: {text!r}", hint="write NAME=VALUE")
        if equals:
            arguments[name] = value
        elif name in os.environ:
            arguments[name] = os.environ[name]
    found: dict[str, str] = {}
    for text in given["labels"]:
        name, _, value = text.partition("=")
        if not name:
            raise BadOption(f"not a label: {text!r}", hint="write NAME=VALUE")
        found[name] = value
    return Settings(
        host_platform(None),
        host_platform(given["platform"]),
        arguments,
        given["target"],
        given["network"],
        found,
        tuple(given["hosts"]),
    )


def _progress(app: App, how: str) -> Quiet | Plain | Live:
    from lamina.cli.build_progress import Live, Plain, Quiet

    if how == "quiet":
        return Quiet()
    if how == "tty" or (how == "auto" and sys.stdout.isatty()):
        return Live(colored=app.colored)
    return Plain()


def _dockerfile(path: str, file: str | None) -> tuple[str, str, Path | None]:
    """The text, the name that messages use, and where it is on disk."""
    if path.startswith(_REMOTE):
        raise Unsupported(
            f"building from an address is not supported yet: {path}",
            hint="clone or download it, and build the directory",
        )
    if path == "-" and file not in (None, "-"):
        raise BadOption("-f with a Dockerfile and standard input as PATH exclude each other")
    if path == "-" or file == "-":
        raw = sys.stdin.buffer.read()
        if raw.startswith(_ARCHIVES) or raw[257:262] == b"ustar":
            raise Unsupported(
                "a context from a tar on standard input is not supported yet",
                hint="unpack it, and build the directory",
            )
        return raw.decode("utf-8", "surrogateescape"), "Dockerfile", None
    place = Path(file) if file else Path(path) / "Dockerfile"
    try:
        raw = place.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise NoDockerfile(
            f"no Dockerfile at {place}", hint="name it with -f, or give another PATH"
        ) from None
    except IsADirectoryError:
        raise BadOption(f"{place} is a directory, not a Dockerfile") from None
    return raw.decode("utf-8", "surrogateescape"), file or place.name, place


def _context(
    app: App, path: str, dockerfile: Path | None, started: int
) -> tuple[Context | Nothing, Callable[[], None]]:
    """The context, and what keeps the digests of its files for the next build."""
    from hashlib import sha256

    from lamina.context.directory import Context, Nothing
    from lamina.context.ignoring import ignore_file
    from lamina.context.known import DigestCache

    if path == "-":
        return Nothing(), lambda: None
    root = Path(path)
    name = sha256(os.fsencode(root.resolve())).hexdigest()[:32]
    cache = DigestCache(app.engine.store.root / "cache" / f"context-{name}", started)
    return Context(root, ignore_file(root, dockerfile), cache), cache.save


def _resolver(app: App, wanted: Platform, always: bool) -> Resolver:
    """Images by name: from the store, pulled when they are missing or `always`."""

    def find(name: str, platform: str) -> Image:
        store = app.engine.store
        text = platform or str(wanted)
        if not always:
            try:
                return store.images.find(name, platform=text)
            except EngineError as error:
                if error.kind != "not-found":
                    raise
                missing = error
            try:
                return _pull(app, name, text)
            except EngineError as error:
                raise NotFound(
                    f"{missing}, and pulling it failed: {error}", hint=missing.hint
                ) from None
        return _pull(app, name, text)

    return find


def _pull(app: App, name: str, platform: str) -> Image:
    from lamina.cli.progress import reporting
    from lamina.cli.registry_options import settings
    from lamina.oci.reference import Reference
    from lamina.registry.connect import connect
    from lamina.transfer.pull import pull

    reference = Reference.parse(name)
    with reporting(app, quiet=not sys.stdout.isatty()) as progress:
        return pull(
            connect(reference, settings(app)),
            app.engine.store,
            reference,
            platform=host_platform(platform),
            progress=progress,
        )


def _say_where(error: SourceError) -> None:
    from lamina.text import escape, escape_lines

    print(escape(str(error)), file=sys.stderr)
    print(escape_lines(error.excerpt), file=sys.stderr)


def _conclude(app: App, built: Built, names: list[Reference], seconds: float) -> None:
    from lamina.text import prose_size

    for name in built.unused_args:
        print(f"note: no ARG uses the build argument {name}")
    hidden = f", {prose_size(built.hidden)} of it hidden" if built.hidden else ""
    called = " ".join(name.familiar for name in names)
    digest = built.image.config.digest.hex
    print(
        f" built {called + '  ' if called else ''}sha256:{digest[:4]}…{digest[-4:]}"
        f"  {prose_size(built.size)}{hidden}  {seconds:.1f} s"
    )
    if built.hidden:
        what = names[0].familiar if names else built.image.config.digest.short
        print(f"   {prose_size(built.hidden)} ship that nobody can see: `lamina explain {what}`")
