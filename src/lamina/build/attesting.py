"""A build's product with what is stated of it: its SBOM and its provenance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from lamina.attest.provenance import Build, Options
from lamina.build.build import Product, Variant
from lamina.build.outputs import image_of
from lamina.oci.attestation import Attestation, Statement
from lamina.oci.digest import Digest
from lamina.oci.reference import Reference
from lamina.store.contract import Store


class Wanted(msgspec.Struct, frozen=True):
    """One `--attest`."""

    kind: Literal["sbom", "provenance"]
    options: Options = Options()
    """Of provenance."""


class Attester(msgspec.Struct, frozen=True):
    """What statements are made of, beside the images."""

    store: Store
    names: Sequence[Reference]
    """What the images will be called."""
    version: str
    """Lamina's own."""
    created: str
    """RFC 3339, UTC: when the build was made; a reproducible one's is its epoch."""

    def attest(
        self, product: Product, wanted: Sequence[Wanted], builds: Sequence[Build]
    ) -> Product:
        """The product with statements about each of its images, which are stored.

        `builds` tells how each came to be, in the order of the product's variants.
        Raises NoSpdxTools, and what reading the images raises.
        """
        made = []
        for variant, build in zip(product.variants, builds, strict=True):
            statements = [self._statement(variant, each, build) for each in wanted]
            made.append(Attestation.make(variant.manifest.digest, statements))
        for each in made:
            self._keep(product, [*each.blobs.values(), each.manifest.raw])
        return msgspec.structs.replace(product, attestations=tuple(made))

    def _keep(self, product: Product, documents: Iterable[bytes]) -> None:
        for raw in documents:
            product.lease.protect(Digest.of(raw))
            self.store.blobs.put_bytes(raw)

    def _statement(self, variant: Variant, wanted: Wanted, build: Build) -> Statement:
        from lamina.attest.provenance import PREDICATES, predicate
        from lamina.attest.purl import image_purl

        platform = str(variant.platform)
        names = [image_purl(each, platform) for each in self.names]
        subject = variant.manifest.digest
        if wanted.kind == "provenance":
            kind = PREDICATES[wanted.options.version]
            return Statement.make(kind, predicate(build, wanted.options), subject, names)
        from lamina.attest.sbom import PREDICATE

        return Statement.make(PREDICATE, self._sbom(variant), subject, names)

    def _sbom(self, variant: Variant) -> Mapping[str, Any]:
        from datetime import UTC, datetime

        from lamina.attest.sbom import Subject, sbom
        from lamina.explain.stack import image_stack

        image = image_of(variant)
        stack = image_stack(self.store, image)
        name = self.names[0].familiar if self.names else stack.name
        # SPDX has whole seconds.
        created = datetime.fromisoformat(self.created).astimezone(UTC).replace(microsecond=0)
        return sbom(Subject(stack, name, image.config.digest, created), self.version)
