"""`-o`, `--push` and `--load`, read: where what was built goes.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

import msgspec

from lamina.cli.option_fields import option_fields
from lamina.errors import Invalid
from lamina.oci.reference import Reference

Kind = Literal["image", "docker", "oci", "tar", "local"]
Packing = Literal["none", "gzip", "zstd"]
_FORM = "-o type=image|registry|docker|oci|tar|local[,dest=PATH][,name=NAME][,…]"
_PACKINGS: dict[str, Packing] = {"uncompressed": "none", "gzip": "gzip", "zstd": "zstd"}
_IMAGE = ("name", "push", "store", "compression", "registry.insecure", "oci-mediatypes")
_KEYS = {
    "image": _IMAGE,
    "registry": _IMAGE,
    "docker": ("name", "dest", "compression"),
    "oci": ("name", "dest", "compression", "tar", "oci-mediatypes"),
    "tar": ("dest",),
    "local": ("dest",),
}
STANDARD_OUTPUT = "-"


class BadOutput(Invalid):
    """An output that cannot be."""


class Output(msgspec.Struct, frozen=True):
    """One place for what was built."""

    kind: Kind
    dest: str = ""
    """A file or directory; `-` is standard output; empty: the store."""
    names: tuple[Reference, ...] = ()
    push: bool = False
    store: bool = True
    compression: Packing | None = None
    directory: bool = False
    """oci: a layout in a directory, not in a tar."""
    insecure: bool = False

    @property
    def keeps(self) -> bool:
        """Whether the image goes into the store."""
        return (self.kind == "image" and self.store) or (self.kind == "docker" and not self.dest)


def parse_outputs(
    texts: Sequence[str], names: Sequence[Reference], *, push: bool, load: bool
) -> list[Output]:
    """What is asked for: the store alone when that is nothing.  `names` stand before those of
    an output's own.  Raises BadOutput."""
    found = [_named(_parse(text), names) for text in texts]
    if push:
        images = [each for each in found if each.kind == "image"]
        found = [
            msgspec.structs.replace(each, push=True) if each.kind == "image" else each
            for each in found
        ]
        if not images:
            found.append(Output("image", names=tuple(names), push=True))
    if load or not found:
        found.append(Output("image", names=tuple(names)))
    if any(each.push and not each.names for each in found):
        raise BadOutput("there is no name to push to", hint="name the image with -t")
    if sum(each.dest == STANDARD_OUTPUT for each in found) > 1:
        raise BadOutput("only one output can go to standard output")
    return found


def _named(output: Output, names: Sequence[Reference]) -> Output:
    return msgspec.structs.replace(output, names=tuple(names)) if names else output


def _parse(text: str) -> Output:
    if not text:
        raise BadOutput("an output is empty", hint=_FORM)
    if text == STANDARD_OUTPUT or ("=" not in text and text.endswith(".tar")):
        return Output("tar", text)
    if "=" not in text and "," not in text:
        return Output("local", text)
    fields = _fields(text)
    kind = fields.pop("type", "")
    if kind not in _KEYS:
        problem = f"there is no output of type {kind}" if kind else f"an output has no type: {text}"
        raise BadOutput(problem, hint=_FORM)
    for key in fields:
        if key not in _KEYS[kind]:
            raise BadOutput(f"an output of type {kind} has no {key}", hint=_known(kind))
    return _output(kind, fields)


def _fields(text: str) -> dict[str, str]:
    fault = BadOutput(f"not an output: {text!r}", hint=_FORM)
    found: dict[str, str] = {}
    for key, value in option_fields(text, fault):
        if value is None:
            raise fault
        found[key] = value
    return found


def _output(kind: str, fields: dict[str, str]) -> Output:
    dest = fields.get("dest", "")
    if "dest" in fields and not dest:
        raise BadOutput(f"an output of type {kind} has an empty dest")
    if kind in ("oci", "tar") and not dest:
        dest = STANDARD_OUTPUT
    if kind == "local" and dest in ("", STANDARD_OUTPUT):
        raise BadOutput("an output of type local needs a directory", hint="add dest=DIR")
    directory = kind == "oci" and not _switch(fields, "tar", True)
    if directory and dest == STANDARD_OUTPUT:
        raise BadOutput("a layout in a directory needs a place", hint="add dest=DIR")
    if not _switch(fields, "oci-mediatypes", True):
        raise BadOutput("oci-mediatypes=false is not supported: media types are OCI's")
    return Output(
        cast(Kind, "image" if kind == "registry" else kind),
        dest,
        tuple(Reference.parse(name) for name in fields.get("name", "").split(",") if name),
        _switch(fields, "push", kind == "registry"),
        _switch(fields, "store", True),
        _packing(fields.get("compression", "")),
        directory,
        _switch(fields, "registry.insecure", False),
    )


def _switch(fields: dict[str, str], key: str, default: bool) -> bool:
    value = fields.get(key)
    if value is None:
        return default
    if value.lower() not in ("true", "false", "1", "0"):
        raise BadOutput(f"{key}={value} is neither true nor false")
    return value.lower() in ("true", "1")


def _packing(text: str) -> Packing | None:
    if text and text not in _PACKINGS:
        raise BadOutput(f"compression={text} is not supported", hint=" or ".join(_PACKINGS))
    return _PACKINGS.get(text)


def _known(kind: str) -> str:
    return "it has " + ", ".join(_KEYS[kind])
