"""What package managers write down about what they installed, read into values.  Pure.

The formats: dpkg's control paragraphs (deb-control(5), Debian Policy 5.1), apk's installed
database (apk-tools, `P:name` lines), Python's core metadata and RECORD (PyPA specifications),
npm's package.json.  Damaged records are passed over, those around them still count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

Manager = Literal["dpkg", "apk", "rpm", "python", "npm"]

_NOT_THERE = {"not-installed", "config-files"}
_SOURCE_VERSION = re.compile(r"\s*\(.*\)$")


class Package(msgspec.Struct, frozen=True, order=True):
    """One installed package."""

    kind: Manager
    """Who installed it."""
    name: str
    version: str
    architecture: str = ""
    """In its manager's words; empty when it does not say."""
    source: str = ""
    """The source package that it was built from; empty when that is not known."""
    bytes: int = 0
    """Installed size as the manager has it; 0 when it does not say."""
    path: str = ""
    """The file that records it, without the leading slash."""
    maintainer: str = ""
    """Who packaged or wrote it, `Name <address>`; empty when that is not said."""
    license: str = ""
    """In its manager's words; empty when that is not said."""


def dpkg_packages(text: str, path: str) -> Iterator[Package]:
    """The packages of /var/lib/dpkg/status or of a file in status.d that are unpacked at least."""
    for fields in _paragraphs(text):
        name, version = fields.get("package"), fields.get("version")
        state = fields.get("status", "installed").split()[-1:]
        if not name or not version or (state and state[0] in _NOT_THERE):
            continue
        yield Package(
            "dpkg",
            name,
            version,
            fields.get("architecture", ""),
            _SOURCE_VERSION.sub("", fields.get("source", name)),
            _number(fields.get("installed-size", "")) * 1024,
            path,
            fields.get("maintainer", ""),
        )


def apk_packages(text: str, path: str) -> Iterator[Package]:
    """The packages of /lib/apk/db/installed."""
    for record in text.split("\n\n"):
        fields: dict[str, str] = {}
        for line in record.splitlines():
            letter, colon, value = line.partition(":")
            # A package's own lines come before those of its files, which use letters again.
            if colon and len(letter) == 1:
                fields.setdefault(letter, value.strip())
        if fields.get("P") and fields.get("V"):
            yield Package(
                "apk",
                fields["P"],
                fields["V"],
                fields.get("A", ""),
                fields.get("o", ""),
                _number(fields.get("I", "")),
                path,
                fields.get("m", ""),
                fields.get("L", ""),
            )


def python_package(metadata: str, record: str, path: str) -> Package | None:
    """A distribution from its METADATA or PKG-INFO, and its RECORD if it has one."""
    # The headers end at the first empty line, the description follows.
    fields = next(_paragraphs(metadata.partition("\n\n")[0]), {})
    name, version = fields.get("name"), fields.get("version")
    if not name or not version:
        return None
    size = sum(_number(line.rpartition(",")[2]) for line in record.splitlines())
    return Package(
        "python",
        name,
        version,
        bytes=size,
        path=path,
        maintainer=_person(fields, "maintainer") or _person(fields, "author"),
        license=fields.get("license-expression") or fields.get("license", ""),
    )


def _person(fields: Mapping[str, str], field: str) -> str:
    """`Name <address>` from `Author: Name` and `Author-email: address`, either of which may
    have both."""
    name, address = fields.get(field, ""), fields.get(f"{field}-email", "")
    if not name or not address or "<" in address:
        return address or name
    return f"{name} <{address}>"


class _PackageJson(msgspec.Struct):
    name: str = ""
    version: str = ""
    author: Any = ""
    license: Any = ""


def npm_package(document: bytes, path: str) -> Package | None:
    """A module from its package.json."""
    try:
        found = msgspec.json.decode(document, type=_PackageJson)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    if not found.name or not found.version:
        return None
    author = found.author
    if isinstance(author, dict):
        name, address = (author.get(key) for key in ("name", "email"))
        author = f"{name or ''} <{address}>".strip() if address else name
    # Old ones have an object with a type, or a list of them.
    license_ = found.license.get("type") if isinstance(found.license, dict) else found.license
    maintainer, said = (each if isinstance(each, str) else "" for each in (author, license_))
    return Package("npm", found.name, found.version, path=path, maintainer=maintainer, license=said)


def _paragraphs(text: str) -> Iterator[dict[str, str]]:
    """Paragraphs of `Field: value` lines, the fields in lower case; of a value that goes on
    in further lines the first one."""
    fields: dict[str, str] = {}
    for line in text.splitlines():
        if not line.strip():
            if fields:
                yield fields
            fields = {}
        elif not line[0].isspace():
            field, colon, value = line.partition(":")
            if colon:
                fields.setdefault(field.strip().lower(), value.strip())
    if fields:
        yield fields


def _number(text: str) -> int:
    text = text.strip()
    # Longer ones are no sizes, and Python refuses thousands of digits.
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
