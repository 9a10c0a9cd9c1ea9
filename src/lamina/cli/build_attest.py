"""What `lamina build` states of an image: `--attest`, `--sbom` and `--provenance`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click
import msgspec

from lamina.cli.app import App, timestamp
from lamina.cli.option_fields import option_fields
from lamina.errors import Invalid, Unsupported

if TYPE_CHECKING:
    from pathlib import Path

    from lamina.attest.provenance import Options
    from lamina.build.attesting import Wanted
    from lamina.build.build import Product
    from lamina.build.means import Means
    from lamina.build.observe import Occasion
    from lamina.build.provenance import Circumstances
    from lamina.cli.build_context import Gathered
    from lamina.oci.reference import Reference
    from lamina.plan.plan import Resolver
    from lamina.store.contract import Image

F = TypeVar("F", bound=Callable[..., Any])
_TRUE = {"true": True, "1": True, "t": True, "false": False, "0": False, "f": False}


class BadAttestation(Invalid):
    """An attestation that is not one, or has an option that it has not."""


def attest_options(command: F) -> F:
    """What `wanted` reads."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--attest",
        "attests",
        multiple=True,
        metavar="type=KIND[,…]",
        help="State of the image: type=sbom, type=provenance,mode=max.",
    ),
    click.option("--sbom", metavar="BOOL", help="What is in the image, as --attest type=sbom."),
    click.option(
        "--provenance",
        metavar="BOOL|mode=…",
        help="How it was built, as --attest type=provenance.",
    ),
)


def wanted(given: Mapping[str, Any]) -> list[Wanted]:
    """What shall be stated, each kind once: of several the last one counts, as in Docker.

    Raises BadAttestation, NoSpdxTools, and Unsupported for another generator's SBOM.
    """
    texts = list(given["attests"])
    texts += [_shorthand(kind, given[kind]) for kind in ("sbom", "provenance") if given[kind]]
    found: dict[str, Wanted | None] = {}
    for text in texts:
        fields = _fields(text)
        kind = fields.pop("type", "")
        if kind not in ("sbom", "provenance"):
            raise BadAttestation(
                f"not an attestation: {text!r}", hint="write type=sbom or type=provenance"
            )
        found[kind] = _wanted(kind, fields)
    return [each for each in found.values() if each is not None]


def _shorthand(kind: str, text: str) -> str:
    """`--sbom=true` and `--provenance=mode=max` as `--attest` has them."""
    if text.lower() in _TRUE:
        return f"type={kind},disabled={'false' if _TRUE[text.lower()] else 'true'}"
    return f"type={kind},{text}"


def _fields(text: str) -> dict[str, str]:
    """`name=value` pairs between commas, quoted as CSV has it; a name alone says true."""
    found = option_fields(text, BadAttestation(f"not an attestation: {text!r}"))
    return {name: "true" if value is None else value for name, value in found}


def _wanted(kind: str, fields: dict[str, str]) -> Wanted | None:
    """The attestation; None for one that is turned off."""
    from lamina.attest.sbom import need_spdx_tools
    from lamina.build.attesting import Wanted

    if _boolean(fields.pop("disabled", "false"), "disabled"):
        return None
    if kind == "sbom":
        if "generator" in fields:
            raise Unsupported(
                f"an SBOM by another generator is not supported: {fields['generator']}",
                hint="without generator= Lamina reads the packages itself",
            )
        _nothing_left(kind, fields)
        need_spdx_tools()
        return Wanted("sbom")
    options = _provenance(fields)
    _nothing_left(kind, fields)
    return Wanted("provenance", options)


def _provenance(fields: dict[str, str]) -> Options:
    from lamina.attest.provenance import Options

    mode, version = fields.pop("mode", "min"), fields.pop("version", "v0.2")
    if mode not in ("min", "max"):
        raise BadAttestation(f"provenance has no mode {mode}", hint="it has: min, max")
    if version not in ("v0.2", "v1"):
        raise BadAttestation(f"provenance has no version {version}", hint="it has: v0.2, v1")
    return Options(
        "max" if mode == "max" else "min",
        "v1" if version == "v1" else "v0.2",
        fields.pop("builder-id", ""),
        _boolean(fields.pop("reproducible", "false"), "reproducible"),
    )


def _boolean(text: str, name: str) -> bool:
    if text.lower() not in _TRUE:
        raise BadAttestation(f"{name} is true or false, not {text!r}")
    return _TRUE[text.lower()]


def _nothing_left(kind: str, fields: Mapping[str, str]) -> None:
    for name in fields:
        raise BadAttestation(f"{kind} has no option {name}")


class Stating(msgspec.Struct, frozen=True):
    """What shall be stated of a build that began at `started` (RFC 3339)."""

    asked: Sequence[Wanted]
    started: str
    images: list[tuple[str, Image]] = []
    """What the build asked for, by the names that it asked with."""

    def recording(self, resolve: Resolver) -> Resolver:
        """The resolver; what it finds is remembered."""

        def find(name: str, platform: str) -> Image:
            image = resolve(name, platform)
            self.images.append((name, image))
            return image

        return find

    def about(
        self,
        app: App,
        product: Product,
        ground: Gathered,
        occasion: Occasion,
        names: Sequence[Reference],
        means: Means,
        *,
        verified: bool,
    ) -> Product:
        """The product with what is stated of it; `verified` says that it came out the same
        twice.  Raises NoSpdxTools, and what reading it raises."""
        if not self.asked:
            return product
        from lamina import __version__
        from lamina.build.attesting import Attester
        from lamina.build.provenance import builds

        known = self._circumstances(ground, occasion, means)
        asked = [_verified(each) if verified else each for each in self.asked]
        attester = Attester(app.engine.store, names, __version__, occasion.created)
        return attester.attest(product, asked, builds(product, known))

    def _circumstances(self, ground: Gathered, occasion: Occasion, means: Means) -> Circumstances:
        from lamina.attest.provenance import Material, Recipe
        from lamina.build.provenance import Circumstances

        opened = ground.opened
        text = opened.dockerfile_text.encode("utf-8", "surrogateescape")
        digest = {"sha1": opened.commit} if opened.commit else {}
        context = Material(opened.source, digest) if opened.source else None
        return Circumstances(
            Recipe(opened.dockerfile_name, text, context),
            self.images,
            ground.trees.tree,
            occasion.identity,
            self.started,
            timestamp(),
            contexts=ground.places,
            local=not opened.source,
            secrets=means.secrets,
            agents=sorted(means.agents),
            vcs=_checkout(ground.directory),
        )


def _verified(wanted: Wanted) -> Wanted:
    from msgspec.structs import replace

    return replace(wanted, options=replace(wanted.options, reproducible=True))


def _checkout(directory: Path | None) -> dict[str, str]:
    """The repository and commit that a local context is a checkout of, if nothing was changed."""
    from lamina.context.epoch import head, is_clean, origin
    from lamina.context.git_program import NoGit

    if directory is None:
        return {}
    try:
        found = head(directory, os.environ)
    except NoGit:
        return {}
    if found is None or not is_clean(directory, os.environ):
        return {}
    source = origin(directory, os.environ)
    return {**({"source": source} if source else {}), "revision": found.commit}
