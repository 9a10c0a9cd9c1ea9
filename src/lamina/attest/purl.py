"""Package URLs (https://github.com/package-url/purl-spec).  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from lamina.attest.distribution import Distribution
from lamina.explain.package_records import Package
from lamina.oci.reference import Reference

_TYPES = {"dpkg": "deb", "apk": "apk", "rpm": "rpm", "python": "pypi", "npm": "npm"}


def purl(
    kind: str,
    name: str,
    version: str = "",
    *,
    namespace: str = "",
    qualifiers: Mapping[str, str] | None = None,
) -> str:
    """A package URL of its parts; empty ones are left out.  `name` may hold slashes."""
    parts = [_quoted(part) for part in (*namespace.split("/"), *name.split("/")) if part]
    text = f"pkg:{kind}/{'/'.join(parts)}"
    if version:
        text += f"@{_quoted(version)}"
    said = {key: value for key, value in sorted((qualifiers or {}).items()) if value}
    if said:
        text += "?" + "&".join(f"{key}={_quoted(value)}" for key, value in said.items())
    return text


def _quoted(text: str) -> str:
    """Percent-encoded, but for what the specification lets stand."""
    return quote(text, safe=":", errors="surrogateescape")


def package_purl(package: Package, distribution: Distribution) -> str:
    """An installed package's, in the notation of its type."""
    kind = _TYPES[package.kind]
    if package.kind == "python":
        # PEP 503 would fold dots as well; the specification of pypi URLs does not.
        return purl(kind, package.name.lower().replace("_", "-"), package.version)
    if package.kind == "npm":
        scope, _, name = package.name.lower().rpartition("/")
        return purl(kind, name, package.version, namespace=scope)
    qualifiers = {"arch": package.architecture, "distro": distribution.label}
    version = package.version
    if package.kind == "rpm":
        epoch, colon, rest = version.partition(":")
        if colon:
            qualifiers["epoch"], version = epoch, rest
    if package.kind != "rpm" and package.source != package.name:
        qualifiers["upstream"] = package.source
    return purl(kind, package.name, version, namespace=distribution.id, qualifiers=qualifiers)


def image_purl(name: Reference, platform: str) -> str:
    """An image's, as BuildKit names it: `pkg:docker/debian@bookworm?platform=linux%2Famd64`."""
    qualifiers = {"digest": str(name.digest or ""), "platform": platform}
    return purl("docker", name.familiar_name, name.tag, qualifiers=qualifiers)
