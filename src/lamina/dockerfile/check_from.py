"""Checks of FROM: the image's name, its arguments, its platform.  Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lamina.dockerfile.check_rules import Finding, found
from lamina.dockerfile.check_walk import Scene, Stage
from lamina.dockerfile.instruction import Flag
from lamina.dockerfile.lookups import Lookups, meant, reference

_SYSTEMS = ("linux", "windows", "darwin", "freebsd", "netbsd", "openbsd", "solaris", "plan9")
_ALIASES = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "i386": "386"}


def images(scene: Scene) -> Iterator[Finding]:
    """UndefinedArgInFrom and InvalidDefaultArgInFrom."""
    for stage in scene.stages:
        read = scene.expand(stage.image, scene.globals)
        if read is not None:
            yield from _undeclared(scene, stage, read[1])
        default = scene.expand(stage.image, scene.default_globals)
        if default is None or not (default[1].found or default[1].missing):
            continue
        if not scene.around.is_image_name(default[0]):
            message = f"without build arguments {stage.image} names no image"
            place = stage.line.place(stage.image)
            yield found("InvalidDefaultArgInFrom", stage.line, message, place)


def _undeclared(scene: Scene, stage: Stage, lookups: Lookups) -> Iterator[Finding]:
    known = scene.globals.keys() | scene.global_names
    for name in sorted(lookups.missing - known):
        message = f"FROM uses {name}, which no ARG above it declares{meant(name, known)}"
        place = scene.place(stage.line, reference(name))
        yield found("UndefinedArgInFrom", stage.line, message, place)


def platforms(scene: Scene) -> Iterator[Finding]:
    """RedundantTargetPlatform, FromPlatformFlagConstDisallowed, InvalidBaseImagePlatform."""
    names: set[str] = set()
    for stage in scene.stages:
        wanted = scene.around.platform
        for flag in stage.line.flags:
            read = scene.expand(flag.value or "", scene.globals)
            if flag.name != "platform" or read is None:
                continue
            yield from _undeclared(scene, stage, read[1])
            if read[0]:
                wanted = read[0]
                yield from _flag(scene, stage, flag, *read)
        if stage.base.lower() not in names:
            yield from _base(scene, stage, wanted)
        names.add(stage.name)


def _flag(
    scene: Scene, stage: Stage, flag: Flag, value: str, lookups: Lookups
) -> Iterator[Finding]:
    if lookups.found == {"TARGETPLATFORM"} and not lookups.missing:
        if value == scene.globals["TARGETPLATFORM"]:
            message = f"FROM asks for {flag.value}, which it gets anyway"
            yield found("RedundantTargetPlatform", stage.line, message, flag.span)
        return
    is_constant = not lookups.found and not lookups.missing
    if is_constant and not any(part and part in stage.name for part in _parts(value)):
        message = f"FROM asks for {value} whatever is built"
        yield found("FromPlatformFlagConstDisallowed", stage.line, message, flag.span)


def _base(scene: Scene, stage: Stage, wanted: str) -> Iterator[Finding]:
    if not stage.base or stage.base == "scratch":
        return
    actual = scene.around.image_platform(stage.base)
    if actual is not None and _parts(actual) != _parts(wanted):
        message = f"{stage.base} is for {actual}, and {wanted} is wanted"
        place = stage.line.place(stage.image)
        yield found("InvalidBaseImagePlatform", stage.line, message, place)


def _parts(platform: str) -> tuple[str, str]:
    """Operating system and architecture; either is empty when it is not given."""
    first, _, rest = platform.lower().partition("/")
    if not rest and first not in _SYSTEMS:
        first, rest = "", first
    machine = rest.partition("/")[0]
    return first, _ALIASES.get(machine, machine)
