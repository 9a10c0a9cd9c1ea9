"""What a user asks to be mounted: `-v`, `--mount` and `--tmpfs`, read.  Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from typing import Literal, get_args

import msgspec

from lamina.errors import Invalid, Unsupported
from lamina.run.spec import Propagation

_VOLUME_NAME = r"[a-zA-Z0-9][a-zA-Z0-9_.-]+"
_PROPAGATIONS: tuple[Propagation, ...] = get_args(Propagation)
_WITHOUT_EFFECT = {"rw", "z", "Z", "cached", "delegated", "consistent"}
"""Words of `-v` that say what is so anyway, or speak to labels this host may not have."""
_TMPFS_WORDS = {
    *("defaults", "ro", "rw", "suid", "nosuid", "dev", "nodev", "exec", "noexec"),
    *("sync", "async", "dirsync", "remount", "mand", "nomand", "atime", "noatime"),
    *("diratime", "nodiratime", "relatime", "norelatime", "strictatime", "nostrictatime"),
}
_TMPFS_VALUES = {"mode", "uid", "gid", "size", "nr_inodes", "nr_blocks", "mpol"}
_SIZE = r"(\d+)([kmgt]?)i?b?"
_UNITS = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}


class BadMount(Invalid):
    """The text is not a mount that we know."""


class NoSuchMount(Unsupported):
    """A mount that Docker knows and we do not."""


class MountRequest(msgspec.Struct, frozen=True):
    """One `-v`, `--mount` or `--tmpfs`, read but not yet looked at on disk."""

    kind: Literal["bind", "volume", "tmpfs"]
    target: str
    source: str = ""
    """bind: a path of the host as the user wrote it; volume: its name."""
    read_only: bool = False
    options: str = ""
    """tmpfs: as `Mount.options`."""
    make_source: bool = False
    """Whether a missing path of the host becomes a directory (`-v`, as Docker has it)."""
    propagation: Propagation = "rprivate"
    recursive: bool = True
    read_only_below: bool = True
    copy: bool = True
    """Whether an empty volume gets what the image has at the target."""
    subpath: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    """Of a volume that is made for this."""
    driver_options: tuple[tuple[str, str], ...] = ()


def parse_volume(text: str) -> MountRequest:
    """Read `-v [SOURCE:]TARGET[:OPTIONS]`.  Raises BadMount."""
    parts = text.split(":")
    if len(parts) > 3 or not all(parts):
        raise BadMount(f"invalid volume specification: {text!r}", hint="write SOURCE:TARGET[:ro]")
    if len(parts) == 1:
        return MountRequest("volume", _target(parts[0], text))
    source, target = parts[0], _target(parts[1], text)
    words = parts[2].split(",") if len(parts) == 3 else []
    # Docker takes `a/b` for the name of a volume, and no volume may have it.
    if source.startswith(("/", "./", "../")) or source in {".", ".."}:
        request = MountRequest("bind", target, source, make_source=True)
    else:
        request = MountRequest("volume", target, volume_name(source))
    for word in words:
        request = _with_word(request, word, text)
    return request


def _with_word(request: MountRequest, word: str, text: str) -> MountRequest:
    if word == "ro":
        return msgspec.structs.replace(request, read_only=True)
    if word == "nocopy" and request.kind == "volume":
        return msgspec.structs.replace(request, copy=False)
    if word in _PROPAGATIONS and request.kind == "bind":
        return msgspec.structs.replace(request, propagation=word)
    if word in _WITHOUT_EFFECT:
        return request
    known = "ro, rw, rshared, rslave, rprivate" if request.kind == "bind" else "ro, rw, nocopy"
    raise BadMount(f"invalid mode {word!r} in the volume {text!r}", hint=f"there are {known}")


def parse_mount(text: str) -> MountRequest:
    """Read `--mount type=bind|volume|tmpfs,source=…,target=…[,readonly]…`.

    Raises BadMount, NoSuchMount.
    """
    fields = _Fields(text)
    kind = fields.take("type") or "volume"
    target = fields.take("target", "destination", "dst")
    if not target:
        raise BadMount(f"target is required in the mount {text!r}", hint="target=/path")
    source = fields.take("source", "src")
    shared = MountRequest("volume", _target(target, text), read_only=fields.flag("readonly", "ro"))
    fields.take("consistency")
    readers: dict[str, Callable[[MountRequest, str, _Fields], MountRequest]] = {
        "bind": _bind,
        "volume": _volume,
        "tmpfs": _tmpfs,
    }
    if kind in {"npipe", "cluster", "image"}:
        raise NoSuchMount(f"mounts of type {kind} are not supported: {text!r}")
    if kind not in readers:
        raise BadMount(f"no type of mount {kind!r}", hint="there are bind, volume and tmpfs")
    request = readers[kind](shared, source, fields)
    fields.refuse_rest(kind)
    return request


class _Fields:
    """The fields of one `--mount`, each taken once."""

    def __init__(self, text: str) -> None:
        import csv

        self.text = text
        try:
            (row,) = csv.reader([text], strict=True)
        except (csv.Error, ValueError):
            raise BadMount(f"not a mount: {text!r}") from None
        self.found: dict[str, list[str]] = {}
        for field in row:
            name, equals, value = field.partition("=")
            name = name.strip().lower()
            if not equals and name not in {"readonly", "ro", "volume-nocopy", "bind-nonrecursive"}:
                raise BadMount(f"not a field of a mount: {field!r} in {text!r}", hint="key=value")
            self.found.setdefault(name, []).append(value if equals else "true")

    def take(self, *names: str) -> str:
        values = [self.found.pop(name)[-1] for name in names if name in self.found]
        return values[-1] if values else ""

    def flag(self, *names: str) -> bool:
        value = self.take(*names)
        if value.lower() not in {"", "1", "0", "t", "f", "true", "false"}:
            raise BadMount(f"{names[0]} is true or false, not {value!r}, in {self.text!r}")
        return value.lower() in {"1", "t", "true"}

    def pairs(self, name: str) -> tuple[tuple[str, str], ...]:
        split = (value.partition("=") for value in self.found.pop(name, ()))
        return tuple((key, value) for key, _, value in split)

    def refuse_rest(self, kind: str) -> None:
        if not self.found:
            return
        name = min(self.found)
        family = name.partition("-")[0]
        if family in {"bind", "volume", "tmpfs"} and family != kind:
            raise BadMount(
                f"cannot mix '{family}-*' options with mount type '{kind}' in {self.text!r}"
            )
        raise BadMount(f"unknown option {name!r} in the mount {self.text!r}")


def _bind(request: MountRequest, source: str, fields: _Fields) -> MountRequest:
    if not source:
        raise BadMount(f"source is required in the mount {fields.text!r}", hint="source=/path")
    propagation = fields.take("bind-propagation") or "rprivate"
    if propagation not in _PROPAGATIONS:
        raise BadMount(
            f"invalid propagation value: {propagation!r}", hint=f"one of {', '.join(_PROPAGATIONS)}"
        )
    how = fields.take("bind-recursive").lower() or "enabled"
    if how not in {"enabled", "true", "1", "disabled", "false", "0", "writable", "readonly"}:
        raise BadMount(
            f"invalid value for bind-recursive: {how!r}",
            hint="enabled, disabled, writable or readonly",
        )
    if how in {"writable", "readonly"} and not request.read_only:
        raise BadMount(f"option 'bind-recursive={how}' requires 'readonly' as well")
    if how == "readonly" and propagation != "rprivate":
        raise BadMount("option 'bind-recursive=readonly' requires 'bind-propagation=rprivate'")
    below = how not in {"disabled", "false", "0"} and not fields.flag("bind-nonrecursive")
    return msgspec.structs.replace(
        request,
        kind="bind",
        source=source,
        propagation=propagation,
        recursive=below,
        read_only_below=how != "writable",
        make_source=fields.flag("bind-create-src"),
    )


def _volume(request: MountRequest, source: str, fields: _Fields) -> MountRequest:
    driver = fields.take("volume-driver") or "local"
    if driver != "local":
        raise NoSuchMount(f"no volume driver {driver!r}", hint="volumes are local here")
    return msgspec.structs.replace(
        request,
        kind="volume",
        source=volume_name(source) if source else "",
        copy=not fields.flag("volume-nocopy"),
        subpath=_subpath(fields.take("volume-subpath")),
        labels=fields.pairs("volume-label"),
        driver_options=fields.pairs("volume-opt"),
    )


def _subpath(text: str) -> str:
    if text.startswith("/") or ".." in text.split("/"):
        raise BadMount(f"the subpath {text!r} must be a relative path within the volume")
    return text


def _tmpfs(request: MountRequest, source: str, fields: _Fields) -> MountRequest:
    if source:
        raise BadMount(f"cannot specify source with mount type 'tmpfs': {fields.text!r}")
    options = []
    if size := fields.take("tmpfs-size"):
        options.append(f"size={parse_size(size)}")
    if mode := fields.take("tmpfs-mode"):
        if not re.fullmatch(r"[0-7]{1,5}", mode):
            raise BadMount(f"tmpfs-mode is octal, not {mode!r}", hint="for example 1770")
        options.append(f"mode={mode}")
    return msgspec.structs.replace(request, kind="tmpfs", options=",".join(options))


def parse_size(text: str) -> int:
    found = re.fullmatch(_SIZE, text.strip(), re.IGNORECASE)
    if not found:
        raise BadMount(f"not a size: {text!r}", hint="for example 64m")
    return int(found[1]) << _UNITS[found[2].lower()]


def parse_tmpfs(text: str) -> MountRequest:
    """Read `--tmpfs TARGET[:size=…,mode=…,exec]`.  Raises BadMount."""
    target, _, options = text.partition(":")
    for word in filter(None, options.split(",")):
        name, equals, _ = word.partition("=")
        if name not in (_TMPFS_VALUES if equals else _TMPFS_WORDS):
            raise BadMount(f"invalid tmpfs option {word!r} in {text!r}", hint="e.g. size=64m,exec")
    return MountRequest("tmpfs", _target(target, text), options=options)


def parse_volumes_from(text: str) -> tuple[str, bool]:
    """Read `--volumes-from CONTAINER[:ro|rw]`: the container, and whether read-only.

    Raises BadMount.
    """
    name, colon, mode = text.partition(":")
    if not name or (colon and mode not in {"ro", "rw", "z", "Z"}):
        raise BadMount(f"invalid --volumes-from {text!r}", hint="CONTAINER, CONTAINER:ro")
    return name, mode == "ro"


def _target(target: str, text: str) -> str:
    if not target.startswith("/"):
        raise BadMount(
            f"invalid mount path {target!r} in {text!r}: it must be absolute",
            hint="the path inside the container begins with /",
        )
    clean = "/" + posixpath.normpath(target).lstrip("/")
    if clean == "/" or "\0" in clean:
        raise BadMount(f"invalid specification: the target in {text!r} can't be '/'")
    return clean


def volume_name(name: str) -> str:
    """`name` if a volume can have it.  Raises BadMount."""
    if not re.fullmatch(_VOLUME_NAME, name):
        raise BadMount(
            f"{name!r} includes invalid characters for a local volume name",
            hint="letters, digits, '_', '.' and '-'; a path of the host begins with /, ./ or ../",
        )
    return name
