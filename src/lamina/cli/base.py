"""`lamina base`: a base image from a distribution's packages, or from busybox alone."""

from __future__ import annotations

import os
import sys

import click

from lamina.cli.app import App
from lamina.cli.layer_form import layer_form_option
from lamina.cli.named import host_platform

DEFAULT_SUITES = {"debian": "bookworm", "ubuntu": "noble"}


@click.command(
    epilog="Example: lamina base debian:bookworm --include ca-certificates,curl -t my/debian:12"
)
@click.argument("name", metavar="DISTRIBUTION[:SUITE]")
@click.option("--suite", help="The release, when it is not given after the colon.")
@click.option("--mirror", default="", help="Fetch packages from here; the image does not name it.")
@click.option(
    "--variant",
    default="minbase",
    show_default=True,
    help="How much to install: minbase, apt, essential, buildd, important, standard.",
)
@click.option("--include", multiple=True, help="More packages, separated by commas.")
@click.option("-t", "--tag", help="Name of the image (default: DISTRIBUTION:SUITE).")
@click.option("-q", "--quiet", is_flag=True, help="Print the image id alone.")
@layer_form_option
@click.pass_obj
def command(
    app: App,
    name: str,
    suite: str | None,
    mirror: str,
    variant: str,
    include: tuple[str, ...],
    tag: str | None,
    quiet: bool,
) -> None:
    """Make a base image from packages: debian, ubuntu, or busybox.

    Reproducible: the same release and packages give the same image id.  Needs root,
    and mmdebstrap (or debootstrap) for a distribution.
    """
    from lamina.base.archive import recipe_for
    from lamina.base.bootstrap import distribution_rootfs
    from lamina.base.busybox import busybox_rootfs, find_busybox
    from lamina.base.rootfs import make_image
    from lamina.oci.reference import Reference

    distribution, _, after_colon = name.partition(":")
    platform = host_platform(None)
    environment = dict(os.environ)
    if distribution == "busybox":
        _refuse_package_options(suite or after_colon, mirror, include)
        reference = Reference.parse(tag or "busybox:latest")
        rootfs = busybox_rootfs(find_busybox(environment=environment))
        image = make_image(app.engine.store, rootfs, reference, platform)
    else:
        chosen = suite or after_colon or DEFAULT_SUITES.get(distribution, "")
        packages = tuple(word for group in include for word in group.replace(",", " ").split())
        recipe = recipe_for(
            distribution, chosen, mirror=mirror.rstrip("/"), variant=variant, include=packages
        )
        reference = Reference.parse(tag or f"{distribution}:{chosen}")
        store = app.engine.store
        tell = _silent if quiet else _tell
        with distribution_rootfs(recipe, environment=environment, report=tell) as rootfs:
            image = make_image(store, rootfs, reference, platform)
    identity = image.config.digest
    click.echo(identity.text if quiet else f"Made {reference.familiar} ({identity.short})")


def _refuse_package_options(suite: str, mirror: str, include: tuple[str, ...]) -> None:
    if suite not in ("", "latest") or mirror or include:
        raise click.UsageError("busybox has no suites, mirrors or packages")


def _tell(line: str) -> None:
    click.echo(f" {line}", file=sys.stderr)


def _silent(line: str) -> None:
    pass
