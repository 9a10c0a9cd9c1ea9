"""Image references: `docker.io/library/debian:bookworm@sha256:…`, by Docker's grammar.  Pure.

The grammar is that of distribution/reference: a registry is the first
component when it has a dot or a colon, is `localhost`, or has an upper-case
letter; otherwise the registry is docker.io, and a single name there is in
`library/`.
"""

from __future__ import annotations

import re

import msgspec

from lamina.errors import Invalid
from lamina.oci.digest import Digest

DEFAULT_REGISTRY = "docker.io"
DEFAULT_TAG = "latest"

_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_REGISTRY = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?")
_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_TAG = re.compile(r"[\w][\w.-]{0,127}", re.ASCII)
_HEX_ID = r"[a-f0-9]{64}"


class BadReference(Invalid):
    """The text is not the name of an image."""


class Reference(msgspec.Struct, frozen=True, order=True):
    """The name of an image: where it lives, what it is called, which one.

    `tag` is empty when only a digest is given; both may be set.
    """

    registry: str
    repository: str
    tag: str = ""
    digest: Digest | None = None

    @classmethod
    def parse(cls, text: str, *, default_tag: str = DEFAULT_TAG) -> Reference:
        """Read a reference as a user types it.

        Without tag or digest it gets `default_tag` (which may be empty).
        Raises BadReference.
        """
        if not text or text != text.strip():
            raise BadReference(f"not an image name: {text!r}")
        if re.fullmatch(_HEX_ID, text):
            raise BadReference(
                f"not an image name: {text!r}", hint="64 hexadecimal digits are an id, not a name"
            )
        rest, at, digest_text = text.partition("@")
        digest = None
        if at:
            try:
                digest = Digest(digest_text)
            except Invalid as error:
                raise BadReference(f"in {text!r}: {error}", hint=error.hint) from None
        name, tag = rest, ""
        colon = rest.rfind(":")
        if colon > rest.rfind("/"):
            name, tag = rest[:colon], rest[colon + 1 :]
            if not _TAG.fullmatch(tag):
                raise BadReference(
                    f"not a tag: {tag!r} in {text!r}",
                    hint="a tag is up to 128 letters, digits, _ . - and starts with no . or -",
                )
        registry, repository = _split_registry(name)
        _check_name(text, registry, repository)
        if not tag and digest is None:
            tag = default_tag
        return cls(registry, repository, tag, digest)

    @property
    def name(self) -> str:
        """Registry and repository in full: `docker.io/library/debian`."""
        return f"{self.registry}/{self.repository}"

    @property
    def familiar_name(self) -> str:
        """The name as Docker prints it: `debian`, `me/app`, `ghcr.io/x/y`."""
        if self.registry != DEFAULT_REGISTRY:
            return self.name
        return self.repository.removeprefix("library/") or self.repository

    @property
    def familiar(self) -> str:
        """The whole reference as Docker prints it: `debian:bookworm`."""
        return self.familiar_name + self._suffix

    @property
    def _suffix(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return tag + (f"@{self.digest}" if self.digest else "")

    def with_tag(self, tag: str) -> Reference:
        """The same repository with another tag, and no digest."""
        return msgspec.structs.replace(self, tag=tag, digest=None)

    def with_digest(self, digest: Digest) -> Reference:
        """The same repository by digest, and no tag."""
        return msgspec.structs.replace(self, tag="", digest=digest)

    def __str__(self) -> str:
        return self.name + self._suffix


def _split_registry(name: str) -> tuple[str, str]:
    first, slash, rest = name.partition("/")
    is_host = any(mark in first for mark in ".:[") or first == "localhost"
    if slash and (is_host or first != first.lower()):
        registry, repository = first, rest
    else:
        registry, repository = DEFAULT_REGISTRY, name
    if registry == "index.docker.io":
        registry = DEFAULT_REGISTRY
    if registry == DEFAULT_REGISTRY and "/" not in repository:
        repository = "library/" + repository
    return registry, repository


def _check_name(text: str, registry: str, repository: str) -> None:
    if not _REGISTRY.fullmatch(registry):
        raise BadReference(f"not the name of a registry: {registry!r} in {text!r}")
    if len(registry) + 1 + len(repository) > 255:
        raise BadReference(f"an image name of more than 255 characters: {text[:60]!r}…")
    for component in repository.split("/"):
        if not _COMPONENT.fullmatch(component):
            if component != component.lower():
                raise BadReference(
                    f"repository names are lower case: {text!r}",
                    hint=f"write {text.replace(component, component.lower())}",
                )
            raise BadReference(
                f"not an image name: {text!r}",
                hint="components are a-z and 0-9, with single . _ - between",
            )
