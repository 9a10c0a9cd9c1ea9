"""`lamina build cache export` and `import`: cache mounts from one machine to another."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lamina.cli.app import App, timestamp
from lamina.cli.registry_options import credential_option, registry_options, settings

if TYPE_CHECKING:
    from lamina.cache.mounts import CacheMount
    from lamina.errors import EngineError
    from lamina.registry.contract import Sink, Source

_FILE = click.Path(path_type=Path)
_IDS = click.option(
    "--id", "ids", multiple=True, metavar="ID", help="Only this cache mount.  Repeatable."
)


@click.command(epilog="Example: lamina build cache export --id /root/.cache/pip -o pip.tar")
@click.argument("name", required=False)
@click.option("-o", "--output", type=_FILE, help="Write an archive to this file.")
@_IDS
@registry_options
@credential_option
@click.pass_obj
def export_command(
    app: App, /, name: str | None, output: Path | None, ids: tuple[str, ...], **registry: Any
) -> None:
    """Write cache mounts to an archive, or to a registry under NAME.

    Names, owners as numbers, modes, attributes and times are kept.  A build that has a mount
    in use is waited for.
    """
    from lamina.cache.mount_moves import choose, export_mounts
    from lamina.cache.mounts import CacheMounts
    from lamina.cli.progress import reporting

    if (name is None) == (output is None):
        raise click.UsageError("name a file with -o, or a place in a registry")
    mounts = CacheMounts(app.engine.store.root)
    chosen = choose(mounts, ids)
    told: set[Path] = set()
    with (
        reporting(app, quiet=False) as progress,
        _opened_sink(name, output, app, registry) as (sink, tag),
    ):

        def waiting(mount: CacheMount) -> None:
            if mount.path not in told:
                told.add(mount.path)
                progress.note(f"waiting for a build that has {mount.id} in use")

        sent = export_mounts(mounts, chosen, sink, tag=tag, progress=progress, waiting=waiting)
    what = "1 cache mount" if len(chosen) == 1 else f"{len(chosen)} cache mounts"
    click.echo(f"Exported {what} to {output or name} as {sent.digest}")


@click.command(epilog="Example: lamina build cache import -i pip.tar")
@click.argument("name", required=False)
@click.option("-i", "--input", "source", type=_FILE, help="Read this archive.")
@_IDS
@registry_options
@credential_option
@click.pass_obj
def import_command(
    app: App, /, name: str | None, source: Path | None, ids: tuple[str, ...], **registry: Any
) -> int:
    """Bring cache mounts from an archive, or from NAME in a registry.

    Each takes the place of the one that is known by the same id, owner, mode and base; what
    was in that is gone.  One that a build has in use stays as it is.
    """
    from lamina.build.directory import working_directory
    from lamina.cache.mount_moves import import_mounts
    from lamina.cache.mounts import CacheMounts
    from lamina.cli.failure import report
    from lamina.cli.progress import reporting
    from lamina.text import escape

    if (name is None) == (source is None):
        raise click.UsageError("name a file with -i, or a place in a registry")
    status = 0

    def failed(identity: str, error: EngineError) -> None:
        nonlocal status
        status = 1
        report(escape(f"cache mount {identity}: {error}"), error.hint)

    store = app.engine.store
    with (
        reporting(app, quiet=False) as progress,
        working_directory(store, os.urandom(16).hex()) as directory,
        _opened_source(name, source, app, registry) as opened,
    ):
        done = import_mounts(
            opened,
            CacheMounts(store.root),
            directory,
            ids=ids,
            now=timestamp(),
            progress=progress,
            failed=failed,
        )
    for each in done:
        click.echo(f"Imported cache mount {escape(each)}")
    return status


@contextmanager
def _opened_sink(
    name: str | None, output: Path | None, app: App, registry: dict[str, Any]
) -> Iterator[tuple[Sink, str]]:
    if name is not None:
        from lamina.oci.reference import Reference
        from lamina.registry.connect import connect

        reference = Reference.parse(name.removeprefix("docker://"))
        yield connect(reference, settings(app, **registry), push=True), reference.tag
        return
    from lamina.cli.save import opened_output
    from lamina.transfer.files import TarFiles
    from lamina.transfer.layout import LayoutSink

    with opened_output(output) as stream:
        files = TarFiles(stream, str(output))
        sink = LayoutSink(files)
        yield sink, "latest"
        files.finish(sink.entries)


@contextmanager
def _opened_source(
    name: str | None, source: Path | None, app: App, registry: dict[str, Any]
) -> Iterator[Source]:
    if name is not None:
        from lamina.oci.reference import Reference
        from lamina.registry.connect import connect

        yield connect(Reference.parse(name.removeprefix("docker://")), settings(app, **registry))
        return
    from lamina.cli.load import opened_members
    from lamina.transfer.archive import find_image

    with opened_members(source) as members:
        yield find_image(members, "")
