"""`--cache-to` and `--cache-from`: where a build's cache goes and comes from, as buildx has it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from lamina.cli.option_fields import option_fields
from lamina.errors import Invalid, Unsupported

if TYPE_CHECKING:
    from lamina.oci.mediatype import Compression

_KINDS = ("registry", "local", "inline")
_ELSEWHERE = ("gha", "s3", "azblob")
_FROM = {"registry": ("ref",), "local": ("src", "tag", "digest")}
_TO = {
    "registry": ("ref", "mode", "compression", "ignore-error"),
    "local": ("dest", "tag", "mode", "compression", "ignore-error"),
    "inline": (),
}
_ALWAYS = ("oci-mediatypes", "image-manifest")
"""What BuildKit must be told to do and Lamina always does."""
_COMPRESSIONS: dict[str, Compression] = {"gzip": "gzip", "zstd": "zstd", "uncompressed": "none"}
_TRUTH = {"true": True, "1": True, "false": False, "0": False}


class BadCachePlace(Invalid):
    """A `--cache-to` or `--cache-from` that makes no sense."""


class CachePlace(msgspec.Struct, frozen=True):
    """One of them, read."""

    kind: str
    """registry, local or inline."""
    text: str
    """What it is called in messages."""
    ref: str = ""
    path: Path = Path()
    tag: str = "latest"
    digest: str = ""
    everything: bool = False
    """mode=max: every step of the build, not only those that the target stands on."""
    compression: Compression | None = None
    ignore_error: bool = False


def parse_from(text: str) -> list[CachePlace]:
    """`type=registry,ref=…`, `type=local,src=DIR`, or names of caches and images.

    Raises BadCachePlace; Unsupported for the services that Lamina does not speak to.
    """
    return _parse(text, "--cache-from", _FROM)


def parse_to(text: str) -> list[CachePlace]:
    """`type=registry,ref=…`, `type=local,dest=DIR`, `type=inline`, or names.  Raises as
    `parse_from`."""
    return _parse(text, "--cache-to", _TO)


def _parse(text: str, option: str, known: dict[str, tuple[str, ...]]) -> list[CachePlace]:
    fault = BadCachePlace(f"{option} {text!r} cannot be read", hint="write NAME=VALUE,…")
    if not text.strip(","):
        raise BadCachePlace(f"{option} is empty", hint=f"write {option} type=registry,ref=NAME")
    if "=" not in text:
        return [_place({"ref": each}, "registry", option) for each in text.split(",") if each]
    given: dict[str, str] = {}
    for name, value in option_fields(text, fault):
        if value is None:
            raise BadCachePlace(f"{option} {text!r}: {name!r} is not NAME=VALUE")
        given[name] = value
    kind = given.pop("type", "registry")
    if kind in _ELSEWHERE:
        raise Unsupported(
            f"{option} type={kind} is not supported",
            hint="a registry can hold it: type=registry,ref=NAME",
        )
    if kind not in known:
        raise BadCachePlace(f"{option} has no type {kind!r}", hint=f"there are: {', '.join(known)}")
    allowed = (*known[kind], *(_ALWAYS if option == "--cache-to" else ()))
    for name in given:
        if name not in allowed:
            hint = f"there are: {', '.join(known[kind])}" if known[kind] else "it has none"
            raise BadCachePlace(f"{option} type={kind} has no option {name!r}", hint=hint)
    return [_place(given, kind, option)]


def _place(given: dict[str, str], kind: str, option: str) -> CachePlace:
    needed = {"registry": "ref", "local": "dest" if option == "--cache-to" else "src"}.get(kind)
    if needed and not given.get(needed):
        raise BadCachePlace(f"{option} type={kind} needs {needed}=…")
    mode = given.get("mode", "min")
    if mode not in ("min", "max"):
        raise BadCachePlace(f"{option} has no mode {mode!r}", hint="min or max")
    for name in _ALWAYS:
        if not _is_true(name, given.get(name, "true"), option):
            raise BadCachePlace(f"{option} {name}=false: caches are OCI manifests here")
    path = given.get("dest") or given.get("src") or ""
    ref = _reference(given["ref"]) if kind == "registry" else ""
    return CachePlace(
        kind,
        ref or path or "in the image",
        ref,
        Path(path),
        given.get("tag", "latest"),
        given.get("digest", ""),
        mode == "max",
        _compression(given.get("compression"), option),
        _is_true("ignore-error", given.get("ignore-error", "false"), option),
    )


def _reference(text: str) -> str:
    from lamina.oci.reference import Reference

    return Reference.parse(text).familiar


def _compression(text: str | None, option: str) -> Compression | None:
    if text is None:
        return None
    if text not in _COMPRESSIONS:
        raise BadCachePlace(
            f"{option} has no compression {text!r}", hint=f"there are: {', '.join(_COMPRESSIONS)}"
        )
    return _COMPRESSIONS[text]


def _is_true(name: str, text: str, option: str) -> bool:
    if text.lower() not in _TRUTH:
        raise BadCachePlace(f"{option}: {name} is true or false, not {text!r}")
    return _TRUTH[text.lower()]
