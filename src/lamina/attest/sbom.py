"""The packages of an image as an SPDX document (SPDX 2.3, JSON), which an SBOM attests.

The document is made and checked by `spdx-tools`, the SPDX project's own library.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from lamina.attest.distribution import Distribution
from lamina.attest.purl import package_purl
from lamina.attest.sources import Sourced
from lamina.errors import EngineError, Unsupported
from lamina.explain.package_records import Package
from lamina.explain.stack import Stack
from lamina.oci.digest import Digest

if TYPE_CHECKING:
    from spdx_tools.spdx.model.document import Document
    from spdx_tools.spdx.model.package import Package as SpdxPackage
    from spdx_tools.spdx.model.package import PackagePurpose
    from spdx_tools.spdx.model.relationship import Relationship

PREDICATE = "https://spdx.dev/Document"
_LONGEST = 200
"""Characters of a licence's name that are kept."""
_NAMESPACE = "https://lamina.dev/spdx/"
_DOCUMENT = "SPDXRef-DOCUMENT"
_IMAGE = "SPDXRef-image"
_OPERATING_SYSTEM = "SPDXRef-operating-system"
_NO_ID = re.compile(r"[^a-zA-Z0-9.-]+")
_ADDRESS = re.compile(r"(.*?)\s*<([^<>()\s]+@[^<>()\s]+)>.*")
_PARENTHESES = re.compile(r"\s*\([^()]*\)|[()]")
_TEAM = re.compile(
    r"\b(team|group|developers|maintainers|packagers?|project|task force|foundation|inc|ltd|llc"
    r"|gmbh|authors|contributors|debian|ubuntu|community)\b",
    re.IGNORECASE,
)


class NoSpdxTools(Unsupported):
    """The extra that makes SPDX documents is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "an SBOM needs the package spdx-tools", hint="pip install 'lamina[attest]'"
        )


class BadSbom(EngineError):
    """The document that was made is not valid: a fault of Lamina's."""


class Subject(msgspec.Struct, frozen=True):
    """The image that a document is about."""

    stack: Stack
    name: str
    """What people call it."""
    image_id: Digest
    """Of its configuration, which a push leaves as it is."""
    created: datetime
    """With a time zone; a reproducible build's is its epoch."""


def need_spdx_tools() -> None:
    """Raise NoSpdxTools unless SBOMs can be made: better before a build than after it."""
    from importlib.util import find_spec

    if find_spec("spdx_tools") is None:
        raise NoSpdxTools


def sbom(subject: Subject, version: str) -> dict[str, Any]:
    """The SPDX document (JSON values) of an image: what is installed in it, and which
    instruction brought it.

    `version` is Lamina's own.  The same image, time and name give the same document.
    Raises NoSpdxTools, and what reading the image raises.
    """
    need_spdx_tools()
    from spdx_tools.spdx.jsonschema.document_converter import DocumentConverter
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

    document = _document(subject, version)
    if faults := validate_full_spdx_document(document):
        raise BadSbom(f"the SBOM of {subject.name} is not valid: {faults[0].validation_message}")
    converter: Any = DocumentConverter
    converted: dict[str, Any] = converter().convert(document)
    return converted


def _document(subject: Subject, version: str) -> Document:
    from spdx_tools.spdx.model.actor import Actor, ActorType
    from spdx_tools.spdx.model.document import CreationInfo, Document
    from spdx_tools.spdx.model.relationship import RelationshipType

    sourced = Sourced(subject.stack)
    distribution = Distribution.of(subject.stack)
    notes = [_printable(f"{note}.") for note in sourced.inventory.notes]
    info = CreationInfo(
        "SPDX-2.3",
        _DOCUMENT,
        subject.name,
        f"{_NAMESPACE}{subject.image_id.hex}",
        [Actor(ActorType.TOOL, f"lamina-{version}")],
        subject.created,
        document_comment=" ".join(notes) or None,
    )
    packages = [_image(subject)]
    links = [_link(_DOCUMENT, RelationshipType.DESCRIBES, _IMAGE)]
    if distribution.id:
        packages.append(_operating_system(distribution))
        links.append(_link(_IMAGE, RelationshipType.CONTAINS, _OPERATING_SYSTEM))
    for number, each in enumerate(sourced.inventory.packages):
        identity = f"SPDXRef-{number}-{each.kind}-{_NO_ID.sub('-', each.name)}"
        layer = sourced.layer(each)
        origin = _origin(subject.stack, layer) if layer is not None else None
        packages.append(_package(identity, each, distribution, origin))
        links.append(_link(_IMAGE, RelationshipType.CONTAINS, identity))
    return Document(info, packages, relationships=links)


def _link(first: str, kind: Any, second: str) -> Relationship:
    from spdx_tools.spdx.model.relationship import Relationship

    return Relationship(first, kind, second)


def _origin(stack: Stack, layer: int) -> str:
    origin = stack.origins[layer]
    diff_id = stack.listings[layer].diff_id
    made = f": {_printable(origin.instruction)}" if origin.instruction else ""
    return f"layer {origin.label}, {diff_id}{made}"


def _image(subject: Subject) -> SpdxPackage:
    from spdx_tools.spdx.model.package import PackagePurpose

    return _described(_IMAGE, subject.name, str(subject.image_id), PackagePurpose.CONTAINER)


def _operating_system(distribution: Distribution) -> SpdxPackage:
    from spdx_tools.spdx.model.package import PackagePurpose

    return _described(
        _OPERATING_SYSTEM,
        distribution.id,
        distribution.version,
        PackagePurpose.OPERATING_SYSTEM,
        summary=distribution.name,
    )


def _described(
    identity: str, name: str, version: str, purpose: PackagePurpose, *, summary: str = ""
) -> SpdxPackage:
    """What is no installed package: nothing is known of its licence."""
    from spdx_tools.spdx.model.package import Package
    from spdx_tools.spdx.model.spdx_no_assertion import SpdxNoAssertion

    return Package(
        identity,
        _printable(name),
        SpdxNoAssertion(),
        version=_printable(version) or None,
        files_analyzed=False,
        primary_package_purpose=purpose,
        summary=_printable(summary) or None,
    )


def _package(
    identity: str, package: Package, distribution: Distribution, origin: str | None
) -> SpdxPackage:
    from spdx_tools.spdx.model.package import (
        ExternalPackageRef,
        ExternalPackageRefCategory,
        PackagePurpose,
    )
    from spdx_tools.spdx.model.package import Package as SpdxPackage
    from spdx_tools.spdx.model.spdx_no_assertion import SpdxNoAssertion

    license_, comment = _license(package.license)
    url = package_purl(package, distribution)
    return SpdxPackage(
        identity,
        _printable(package.name),
        SpdxNoAssertion(),
        version=_printable(package.version),
        supplier=_supplier(package.maintainer),
        files_analyzed=False,
        license_concluded=SpdxNoAssertion(),
        license_declared=license_,
        license_comment=comment,
        copyright_text=SpdxNoAssertion(),
        comment=origin,
        source_info=f"recorded in /{_printable(package.path)}",
        external_references=[
            ExternalPackageRef(ExternalPackageRefCategory.PACKAGE_MANAGER, "purl", url)
        ],
        primary_package_purpose=PackagePurpose.LIBRARY
        if package.kind in ("python", "npm")
        else PackagePurpose.INSTALL,
    )


def _supplier(maintainer: str) -> Any:
    """Who a maintainer is: a person with an address, or an organization."""
    from spdx_tools.spdx.model.actor import Actor, ActorType
    from spdx_tools.spdx.model.spdx_no_assertion import SpdxNoAssertion

    text = _printable(maintainer).strip()
    match = _ADDRESS.fullmatch(text)
    # SPDX writes addresses in parentheses: a name with some could not be read back.
    name = _PARENTHESES.sub("", match[1] if match else text).strip(' "')
    if not name:
        return SpdxNoAssertion()
    is_person = match is not None and not _TEAM.search(name)
    kind = ActorType.PERSON if is_person else ActorType.ORGANIZATION
    return Actor(kind, name, match[2] if match else None)


def _license(text: str) -> tuple[Any, str | None]:
    """A declared licence as SPDX expresses it; what it has no name for goes into a comment."""
    from spdx_tools.common.spdx_licensing import spdx_licensing  # type: ignore[import-untyped]
    from spdx_tools.spdx.model.spdx_no_assertion import SpdxNoAssertion

    text = " ".join(_printable(text).split())
    if not text:
        return SpdxNoAssertion(), None
    if len(text) > _LONGEST or spdx_licensing.validate(text).errors:
        # Some tools write the whole text of a licence where its name should be.
        return SpdxNoAssertion(), f"declared as: {text[:_LONGEST]}"
    return spdx_licensing.parse(text), None


def _printable(text: str) -> str:
    """What an image wrote, without what is no text in JSON or on a terminal."""
    return "".join(each if each.isprintable() else "�" for each in text)
