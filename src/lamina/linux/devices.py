"""Which device nodes the processes of a container may open and make."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from lamina.errors import Invalid, NotFound

ANY = -1


class Device(msgspec.Struct, frozen=True):
    """A device node of the host's that a container gets."""

    host: str
    container: str
    permissions: str = "rwm"
    """Any of r (read), w (write), m (make the node)."""


class DeviceRule(msgspec.Struct, frozen=True):
    """Devices that may be used, whatever nodes stand for them."""

    kind: Literal["a", "b", "c"]
    """All, block devices, character devices."""
    major: int
    """ANY for all."""
    minor: int
    permissions: str

    def __str__(self) -> str:
        """As devices.allow of version 1 takes it."""
        numbers = ("*" if each == ANY else str(each) for each in (self.major, self.minor))
        return f"{self.kind} {':'.join(numbers)} {self.permissions}"


def _character(major: int, minor: int) -> DeviceRule:
    return DeviceRule("c", major, minor, "rwm")


EVERYTHING = (DeviceRule("a", ANY, ANY, "rwm"),)
DEFAULT = (
    DeviceRule("c", ANY, ANY, "m"),
    DeviceRule("b", ANY, ANY, "m"),
    _character(1, 3),  # null
    _character(1, 5),  # zero
    _character(1, 7),  # full
    _character(1, 8),  # random
    _character(1, 9),  # urandom
    _character(5, 0),  # tty
    _character(5, 1),  # console
    _character(5, 2),  # ptmx
    _character(136, ANY),  # terminals
)
"""Docker's: every node may be made, few may be opened."""


class BadDevice(Invalid):
    """The text names no device."""


class NoDevice(NotFound):
    """The host has no such device."""


def parse_device(text: str) -> Device:
    """`/dev/x[:/dev/y][:rwm]`.  Raises BadDevice."""
    host, *rest = text.split(":")
    permissions = rest.pop() if rest and _are_permissions(rest[-1]) else "rwm"
    container = rest.pop() if rest else host
    if rest or not host.startswith("/") or not container.startswith("/"):
        raise BadDevice(f"not a device: {text!r}", hint="write /dev/host[:/dev/container[:rwm]]")
    return Device(host, container, permissions)


def _are_permissions(text: str) -> bool:
    return 0 < len(text) == len(set(text)) and set(text) <= set("rwm")


def parse_rule(text: str) -> DeviceRule:
    """`c 42:* rwm`.  Raises BadDevice."""
    match text.split():
        case [("a" | "b" | "c") as kind, numbers, permissions] if _are_permissions(permissions):
            major, colon, minor = numbers.partition(":")
            if colon and _is_number(major) and _is_number(minor):
                first, second = (ANY if each == "*" else int(each) for each in (major, minor))
                return DeviceRule(kind, first, second, permissions)
    raise BadDevice(f"not a rule for devices: {text!r}", hint="write e.g. 'c 42:* rwm'")


def _is_number(text: str) -> bool:
    return text == "*" or (text.isascii() and text.isdigit() and len(text) < 10)


def found(device: Device) -> list[Device]:
    """The nodes that a device stands for: itself, or all in a directory; links are followed.

    Raises NoDevice, BadDevice.
    """
    host = os.path.realpath(device.host)
    try:
        mode = os.stat(host).st_mode
    except OSError as error:
        raise NoDevice(f"no device {device.host}: {error.strerror}") from None
    if _is_node(mode):
        return [Device(host, device.container, device.permissions)]
    if not stat.S_ISDIR(mode):
        raise BadDevice(f"{device.host} is not a device node")
    inside = list(_inside(host, device))
    if not inside:
        raise BadDevice(f"there is no device node in {device.host}")
    return inside


def _inside(host: str, device: Device) -> Iterator[Device]:
    for directory, names, files in os.walk(host):
        names[:] = sorted(set(names) - {"pts", "shm", "fd", "mqueue"})
        for name in sorted(files):
            path = os.path.join(directory, name)
            if _is_node(os.lstat(path).st_mode):
                place = device.container.rstrip("/") + path[len(host) :]
                yield Device(path, place, device.permissions)


def _is_node(mode: int) -> bool:
    return stat.S_ISCHR(mode) or stat.S_ISBLK(mode)


def rules_for(devices: Iterable[Device], more: Iterable[DeviceRule] = ()) -> tuple[DeviceRule, ...]:
    """The default rules, those of nodes that `found` gave, and more.  Raises NoDevice."""
    return (*DEFAULT, *(_rule(each) for each in devices), *more)


def _rule(device: Device) -> DeviceRule:
    try:
        status = os.stat(device.host)
    except OSError as error:
        raise NoDevice(f"no device {device.host}: {error.strerror}") from None
    kind: Literal["b", "c"] = "b" if stat.S_ISBLK(status.st_mode) else "c"
    number = status.st_rdev
    return DeviceRule(kind, os.major(number), os.minor(number), device.permissions)
