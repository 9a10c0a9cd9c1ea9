"""`lamina verify`: check every byte of the store, or that two images show the same."""

from __future__ import annotations

import sys
from functools import partial

import click

from lamina.cli.app import App
from lamina.cli.completion import image_names
from lamina.cli.format import emit, escape, size


@click.command(epilog="Example: lamina verify app:1 app:1-slim")
@click.argument("images", metavar="[IMAGE | OLD NEW]", nargs=-1, shell_complete=image_names)
@click.option("-q", "--quiet", is_flag=True, help="Print nothing when all is well.")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    help="Of two images show at most so many paths that differ.",
)
@click.option(
    "--format",
    "fmt",
    type=click.Choice(["text", "json"]),
    default="text",
    metavar="text|json",
    help="How to print what is found of two images.",
)
@click.pass_obj
def command(app: App, images: tuple[str, ...], quiet: bool, limit: int, fmt: str) -> int:
    """Check every byte of the store or of an image; or that two images show the same.

    Of the store or one image: blobs and layers are hashed, attributes compared,
    records checked, and whatever refers to something must find it.  A line for each
    thing that is wrong.  What `slim` attached to one image as its proof is checked
    against what the image shows.

    With OLD and NEW, which may lie anywhere (`docker://NAME`, ./image.tar): every path
    of the two merged trees is compared by type, mode, owner, mtime, xattrs, links and
    content, and what their containers start with.  However the layers make them.

    Exit status 3 when it does not hold.
    """
    if len(images) > 2:
        raise click.UsageError("give one image to check, or two to compare")
    if len(images) == 2:
        return _compare(app, *images, quiet=quiet, limit=limit, as_json=fmt == "json")
    _check(app, images, quiet=quiet)
    if images:
        _check_proofs(app, images[0], quiet=quiet)
    return 0


def _compare(app: App, old: str, new: str, *, quiet: bool, limit: int, as_json: bool) -> int:
    from lamina.cli.format import to_json
    from lamina.cli.reports import paper
    from lamina.cli.stacks import stack_of
    from lamina.explain.settings import setting_changes
    from lamina.repack.proof import tree_changes
    from lamina.repack.repack import tree_of
    from lamina.repack.tree import digest
    from lamina.report import sameness as report

    before, after = stack_of(app, old), stack_of(app, new)
    old_tree, new_tree = tree_of(before), tree_of(after)
    changes = tree_changes(old_tree, new_tree)
    first = digest(old_tree)
    found = report.Sameness(
        before.name,
        after.name,
        len(old_tree),
        first,
        digest(new_tree) if changes else first,
        changes,
        setting_changes(before.config, after.config),
    )
    if as_json:
        emit(to_json(report.as_json(found), indent=2))
    elif not (quiet and found.holds):
        emit(report.as_text(found, paper(app), limit=limit))
    return 0 if found.holds else 3


def _check(app: App, images: tuple[str, ...], *, quiet: bool) -> None:
    from lamina.errors import CheckFailed
    from lamina.store.fsck import check_images, check_store

    begin = _begin if sys.stderr.isatty() and not quiet else lambda _: None
    store = app.engine.store
    check = partial(check_images, names=images) if images else check_store
    report = check(store, begin=begin)
    if begin is _begin:
        sys.stderr.write("\r\x1b[K")
    for finding in report.findings:
        emit(escape(str(finding)))
    if report.findings:
        count = len(report.findings)
        raise CheckFailed(
            f"{count} {'thing is' if count == 1 else 'things are'} wrong with {store.root}",
            hint="what is pulled or built again is mended; lamina rmi -f removes the rest",
        )
    if not quiet:
        parts = [
            _counted(report.images, "image"),
            _counted(report.layers, "layer"),
            *([_counted(report.blobs, "blob")] if not images else []),
            *([_counted(report.containers, "container")] if report.containers else []),
            *([_counted(report.steps, "build step")] if report.steps else []),
        ]
        emit(f"all is well: {', '.join(parts)}; {size(report.bytes)} read")


def _check_proofs(app: App, name: str, *, quiet: bool) -> None:
    """Hold what slim stated of an image against the image."""
    from lamina.errors import CheckFailed
    from lamina.explain.stack import image_stack
    from lamina.oci.document import BadDocument
    from lamina.repack.holding import untrue
    from lamina.repack.proof import ARTIFACT_TYPE, Proof
    from lamina.repack.repack import tree_of
    from lamina.store.images import name_of

    store = app.engine.store
    image = store.images.find(name)
    artifacts = store.images.attached(image.manifest.digest, ARTIFACT_TYPE)
    if not artifacts:
        return
    tree = tree_of(image_stack(store, image))
    content = sum(store.layers.info(each).content_size for each in image.layers)
    for artifact in artifacts:
        try:
            proof = Proof.parse(store.blobs.read(artifact.payload.digest))
            wrong = untrue(proof, image.config, tree, content)
        except BadDocument as error:
            wrong = [str(error)]
        for each in wrong:
            emit(escape(f"proof does not hold: {each}"))
        if wrong:
            raise CheckFailed(
                f"the proof that is attached to {name_of(image.row)} does not hold",
                hint="lamina verify OLD NEW compares the two images themselves",
            )
        if not quiet:
            saved = proof.old.bytes - proof.new.bytes
            emit(
                f"proof holds: shows the same tree as {proof.old.image_id} did,"
                f" {saved:,} bytes smaller"
            )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _begin(what: str) -> None:
    sys.stderr.write(f"\r\x1b[Kchecking {what}")
    sys.stderr.flush()
