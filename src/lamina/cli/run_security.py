"""What a container may do and sees of the host, as `run` and `create` take it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec

from lamina.cli.declared import Option
from lamina.errors import Invalid

if TYPE_CHECKING:
    from lamina.linux.devices import Device
    from lamina.run.settings import Security
    from lamina.run.spec import Namespaces

_MODES = {
    "pid": ("host", "private"),
    "ipc": ("host", "private", "shareable", "none"),
    "uts": ("host", "private"),
    "cgroupns": ("host", "private"),
    "userns": ("host", "private"),
}
_TRUE, _FALSE = {"", "true", "1", "t"}, {"false", "0", "f"}


class BadSecurityOption(Invalid):
    """An option that says what the container may do makes no sense."""


class SecurityOptions(msgspec.Struct, frozen=True):
    """What the options of this group come to."""

    security: Security
    namespaces: Namespaces
    """As in Settings: a namespace may be `container:NAME`."""
    devices: tuple[Device, ...] = ()
    read_only: bool = False
    warnings: tuple[str, ...] = ()
    """One line each: what is without effect on this host."""


OPTIONS = (
    Option("--read-only", kind="flag", help="Make the root file system read-only."),
    Option("--cap-add", multiple=True, metavar="NAME", help="Give a capability (or all)."),
    Option("--cap-drop", multiple=True, metavar="NAME", help="Take a capability (or all)."),
    Option("--privileged", kind="flag", help="Lift every restriction. Not a sandbox then."),
    Option(
        "--security-opt",
        multiple=True,
        metavar="NAME[=VALUE]",
        help="seccomp=FILE|unconfined, no-new-privileges, apparmor=NAME, systempaths=unconfined.",
    ),
    Option(
        "--device",
        multiple=True,
        metavar="HOST[:INSIDE[:rwm]]",
        help="Give a device node, or a directory of them.",
    ),
    Option("--pid", default="", metavar="host|container:NAME", help="Share processes."),
    Option(
        "--ipc",
        default="",
        metavar="host|shareable|none|container:NAME",
        help="Share memory segments and /dev/shm.",
    ),
    Option("--uts", default="", metavar="host", help="Share the host name."),
    Option(
        "--userns",
        default="",
        metavar="private|container:NAME",
        help="Users and groups of its own, who are nobody on the host.",
    ),
    Option("--cgroupns", default="", metavar="host|private", help="Which control groups are seen."),
)


def read(values: dict[str, Any]) -> SecurityOptions:
    """The values of this group's options.

    Raises BadSecurityOption, BadCapability, BadDevice, BadProfile.
    """
    from lamina.linux.capability import named
    from lamina.run.settings import Security
    from lamina.run.spec import Namespaces

    for text in (*values["cap_add"], *values["cap_drop"]):
        named(text)
    user = _mode("userns", values["userns"] or "host")
    if values["privileged"] and user != "host":
        raise BadSecurityOption(
            "--privileged is for the host's user namespace alone",
            hint="leave out one of --privileged and --userns",
        )
    found: dict[str, Any] = {}
    warnings: list[str] = []
    for text in values["security_opt"]:
        _security(text, found, warnings)
    if values["uts"] == "host" and values.get("hostname"):
        raise BadSecurityOption("conflicting options: hostname and the UTS mode")
    return SecurityOptions(
        Security(
            capabilities_add=values["cap_add"],
            capabilities_drop=values["cap_drop"],
            privileged=values["privileged"],
            **found,
        ),
        Namespaces(
            pid=_mode("pid", values["pid"]),
            ipc=_mode("ipc", values["ipc"]),
            uts=_mode("uts", values["uts"]),
            cgroup=_mode("cgroupns", values["cgroupns"]),
            user=user,
        ),
        _devices(values["device"]),
        values["read_only"],
        tuple(warnings),
    )


def _mode(option: str, text: str) -> str:
    known = _MODES[option]
    name = text.removeprefix("container:")
    if not text:
        return "private"
    if text in known or (option != "cgroupns" and name != text and name):
        return text
    others = "" if option == "cgroupns" else ", container:NAME"
    raise BadSecurityOption(
        f"--{option}: invalid {option.removesuffix('ns')} mode {text!r}",
        hint=f"there are {', '.join(known)}{others}",
    )


def _devices(texts: tuple[str, ...]) -> tuple[Device, ...]:
    if not texts:
        return ()
    from lamina.linux.devices import parse_device

    return tuple(map(parse_device, texts))


def _security(text: str, found: dict[str, Any], warnings: list[str]) -> None:
    name, separator, value = text.partition("=")
    if not separator and name != "no-new-privileges":
        name, separator, value = text.partition(":")  # Docker's older manner
    match name:
        case "no-new-privileges" if value.lower() in _TRUE | _FALSE:
            found["no_new_privileges"] = value.lower() in _TRUE
        case "seccomp" if value:
            found["seccomp"] = _profile(value)
        case "apparmor" if value:
            found["apparmor"] = value
            if value != "unconfined" and not os.path.exists("/sys/kernel/security/apparmor"):
                warnings.append(f"this host has no AppArmor: the profile {value} is not applied")
        case "systempaths" if value == "unconfined":
            found["unmasked"] = True
        case "label" if value:
            if os.path.exists("/sys/fs/selinux/enforce"):
                raise BadSecurityOption(f"SELinux labels are not supported: {text!r}")
            warnings.append(f"this host has no SELinux: {text} is without effect")
        case _:
            raise BadSecurityOption(
                f"invalid --security-opt {text!r}",
                hint="seccomp=FILE|unconfined|builtin, no-new-privileges, apparmor=NAME, "
                "systempaths=unconfined, label=…",
            )


def _profile(value: str) -> str:
    if value in {"unconfined", "builtin"}:
        return value.removesuffix("builtin")
    try:
        with open(value, encoding="utf-8") as stream:
            text = stream.read()
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is not text"
        raise BadSecurityOption(f"opening seccomp profile ({value}) failed: {said}") from None
    from lamina.linux.seccomp_json import check_profile

    check_profile(text)
    return text
