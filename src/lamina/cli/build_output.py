"""Where `lamina build` puts what it made, and what it tells of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec

from lamina.cli.app import App
from lamina.cli.build_progress import WAYS
from lamina.cli.build_view import Task, View, transferring
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.reference import Reference

if TYPE_CHECKING:
    from lamina.build.build import Product
    from lamina.cli.build_output_spec import Output
    from lamina.transfer.progress import Progress

F = TypeVar("F", bound=Callable[..., Any])


def output_options(command: F) -> F:
    """What `outputs`, `write` and `tell` read, and `quiet` and `progress`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "-o",
        "--output",
        "outputs",
        multiple=True,
        metavar="PLACE",
        help="DIR, FILE.tar or - for the files; type=oci|docker|registry,dest=…",
    ),
    click.option("--push", is_flag=True, help="Push the image: -o type=registry."),
    click.option("--load", is_flag=True, help="Keep the image in the store, as without -o."),
    click.option(
        "--iidfile",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Write the image id to a file.",
    ),
    click.option(
        "--metadata-file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Write digests and names to a file, as JSON.",
    ),
    click.option("-q", "--quiet", is_flag=True, help="Print the image id alone."),
    click.option(
        "--progress",
        type=click.Choice(WAYS),
        metavar="HOW",
        help=f"{', '.join(WAYS)}; else as BUILDKIT_PROGRESS says.",
    ),
)


class Written(msgspec.Struct, frozen=True):
    """What came of a build."""

    image_id: Digest
    """Of the config; of the index where there are several platforms."""
    names: tuple[Reference, ...]
    top: Descriptor
    """Of the manifest or index, as it was pushed or written, else as the store has it."""
    kept: bool
    """Whether the store has the image."""
    on_stdout: bool
    """Whether standard output is taken."""


def outputs(given: Mapping[str, Any]) -> list[Output]:
    """What is asked for.  Raises BadOutput, BadReference; UsageError for a terminal."""
    from lamina.cli.build_output_spec import STANDARD_OUTPUT, parse_outputs

    names = [Reference.parse(tag) for tag in given["tags"]]
    found = parse_outputs(given["outputs"], names, push=given["push"], load=given["load"])
    for each in found:
        if each.dest == STANDARD_OUTPUT and sys.stdout.isatty():
            raise click.UsageError("a tar is not written to a terminal: name a file, or redirect")
    return found


def check_platforms(wanted: Sequence[Output], count: int) -> None:
    """Raise OnePlatformAlone when an output has no room for as many: before they are built."""
    if count > 1 and any(each.kind == "docker" and each.dest for each in wanted):
        from lamina.build.outputs import OnePlatformAlone

        raise OnePlatformAlone


def write(app: App, view: View, product: Product, wanted: Sequence[Output]) -> Written:
    """Put it everywhere; names in the store come last of all, when everything else is done."""
    from lamina.build.outputs import name, top_of
    from lamina.cli.build_output_spec import STANDARD_OUTPUT

    top = top_of(product)
    for place, each in enumerate(wanted, 1):
        for found in _write(app, view, product, each, place):
            top = found
    kept = [each for each in wanted if each.keeps]
    for each in kept:
        name(product, app.engine.store, each.names)
    first = product.variants[0]
    image_id = first.config.digest if len(product.variants) == 1 else top_of(product).digest
    names = dict.fromkeys(name for each in wanted for name in each.names)
    on_stdout = any(each.dest == STANDARD_OUTPUT for each in wanted)
    return Written(image_id, tuple(names), top, bool(kept), on_stdout)


def tell(written: Written, given: Mapping[str, Any]) -> None:
    """Write what scripts wait for: the files of `--iidfile` and `--metadata-file`, and with
    `-q` the id."""
    if given["iidfile"] is not None:
        _replace(given["iidfile"], str(written.image_id).encode())
    if given["metadata_file"] is not None:
        from lamina.cli.format import to_json

        document = to_json(msgspec.to_builtins(metadata(written), enc_hook=str), indent=2)
        _replace(given["metadata_file"], document.encode() + b"\n")
    if given["quiet"] and not written.on_stdout:
        click.echo(str(written.image_id))


def metadata(written: Written) -> dict[str, Any]:
    """What `--metadata-file` has, under the keys of `docker buildx build`."""
    found: dict[str, Any] = {
        "containerimage.config.digest": written.image_id,
        "containerimage.descriptor": written.top,
        "containerimage.digest": written.top.digest,
    }
    if written.names:
        found["image.name"] = ",".join(str(name) for name in written.names)
    return found


def _write(
    app: App, view: View, product: Product, output: Output, place: int
) -> Iterator[Descriptor]:
    """Write one output; gives what the image is known by there."""
    if output.kind == "image":
        for to in output.names if output.push else ():
            with transferring(view, _task(product, f"push {to.familiar}", place)) as progress:
                yield _push(app, product, to, output, progress)
    elif output.kind in ("tar", "local"):
        with transferring(view, _task(product, f"export {output.dest}", place)) as progress:
            _export(app, product, output, progress)
    elif output.dest:
        with transferring(
            view, _task(product, f"export {output.kind} image {output.dest}", place)
        ) as progress:
            yield _archive(app, product, output, progress)


def _task(product: Product, title: str, place: int) -> Task:
    """The task of the output at `place`: its number goes on where those of the steps end."""
    steps = sum(result.made is not None for result in product.results.values())
    digest = Digest.of(f"{place} {title}".encode("utf-8", "surrogateescape"))
    return Task(digest, title, steps + place)


def _push(
    app: App, product: Product, to: Reference, output: Output, progress: Progress
) -> Descriptor:
    from lamina.build.outputs import send
    from lamina.cli.registry_options import settings
    from lamina.registry.connect import connect

    sink = connect(to, settings(app, insecure=output.insecure or None), push=True)
    return send(
        product, app.engine.store, sink, to, compression=output.compression, progress=progress
    )


def _archive(app: App, product: Product, output: Output, progress: Progress) -> Descriptor:
    from lamina.build.outputs import archive
    from lamina.cli.save import opened_output
    from lamina.transfer.files import DirectoryFiles, TarFiles

    for_docker = output.kind == "docker"
    compression = output.compression or ("none" if for_docker else None)

    def into(files: DirectoryFiles | TarFiles) -> Descriptor:
        return archive(
            product,
            app.engine.store,
            files,
            names=output.names,
            for_docker=for_docker,
            compression=compression,
            progress=progress,
        )

    if output.directory:
        return into(DirectoryFiles(Path(output.dest)))
    with opened_output(_path(output), private=False) as stream:
        return into(TarFiles(stream, output.dest))


def _export(app: App, product: Product, output: Output, progress: Progress) -> None:
    from lamina.build.export import content_size, export_files, export_tar
    from lamina.cli.save import opened_output

    progress.start("files", "Writing", content_size(product))

    def advance(size: int) -> None:
        progress.advance("files", size)

    if output.kind == "local":
        export_files(product, app.engine.store, Path(output.dest), advance)
    else:
        with opened_output(_path(output), private=False) as stream:
            export_tar(product, app.engine.store, stream, advance)
    progress.finish("files", "Written")


def _path(output: Output) -> Path | None:
    return None if output.dest == "-" else Path(output.dest)


def _replace(path: Path, content: bytes) -> None:
    from lamina.cli.save import opened_output

    with opened_output(path, private=False) as stream:
        stream.write(content)
