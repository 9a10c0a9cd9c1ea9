"""What a probe (commandlines.PROBE) printed, in a form in which two engines can be compared."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

Facts = dict[str, str]
"""What is seen, by what: `mount /proc` has `proc: nodev noexec nosuid rw`."""

_HEX_NAME = re.compile(r"^[0-9a-f]{12}$")
_KEPT_OPTIONS = re.compile(r"^(size|gid|ptmxmode|uid|hidepid)=")


def facts(printed: str, namespaces: dict[str, str], place: str) -> Facts:
    """The facts in what a probe printed.

    `namespaces` are the host's, by kind; `place` is what stood for `{host}`.
    """
    found: Facts = {}
    for section, lines in _sections(printed.replace("\r\n", "\n").replace(place, "{host}")):
        found |= _READERS.get(section, _as_lines)(section, lines)
    for kind, own in namespaces.items():
        key = f"namespaces {kind}"
        if key in found:
            found[key] = "host" if found[key] == own else "private"
    _tell_own_host(found)
    return found


def _tell_own_host(found: Facts) -> None:
    """The lines of /etc/hosts that name the container itself, apart from the others."""
    name = found.get("hostname", "")
    lines = found.get("hosts", "").splitlines()
    own = [line for line in lines if name and name in line.split()[1:]]
    if "hosts" in found:
        found["hosts"] = "\n".join(line for line in lines if line not in own)
        found["own host"] = "\n".join(own)


def _sections(printed: str) -> Iterator[tuple[str, list[str]]]:
    name, lines = "", list[str]()
    for line in printed.splitlines():
        if line.startswith("== "):
            if name:
                yield name, lines
            name, lines = line[3:], []
        else:
            lines.append(line)
    if name:
        yield name, lines


def _as_lines(section: str, lines: list[str]) -> Facts:
    return {section: "\n".join(lines)}


def _hostname(section: str, lines: list[str]) -> Facts:
    return {section: "<id>" if _HEX_NAME.match(lines[0]) else lines[0]}


def _hosts(section: str, lines: list[str]) -> Facts:
    # The container's own line has its id, where it has no other name; and older Dockers write
    # out the last group of an address.
    plain = sorted(" ".join(line.split()).replace("::0 ", ":: ") for line in lines)
    return {section: re.sub(r"\b[0-9a-f]{12}\b", "<id>", "\n".join(plain))}


def _environment(section: str, lines: list[str]) -> Facts:
    pairs = [line.partition("=") for line in lines]
    return {
        f"env {name}": "<id>" if _HEX_NAME.match(value) else value
        for name, _, value in pairs
        if name != "SHLVL"
    }


def _status(section: str, lines: list[str]) -> Facts:
    found = {}
    for line in lines:
        name, _, value = line.partition(":")
        found[f"status {name}"] = " ".join(value.split())
    # Which pid it has where it shares those of the host is nobody's choice.
    nested = found.pop("status NSpid", "").split()
    return {**found, "status pids": str(len(nested))}


def _limits(section: str, lines: list[str]) -> Facts:
    return {f"limit {line[:25].strip()}": " ".join(line[25:].split()[:2]) for line in lines[1:]}


def _mounts(section: str, lines: list[str]) -> Facts:
    found: Facts = {}
    for line in lines:
        before, _, after = line.partition(" - ")
        fields = before.split()
        root, target, flags, optional = fields[3], fields[4], fields[5].split(","), fields[6:]
        fstype, _, options = after.split(" ", 2)
        if fstype == "devtmpfs" and target.startswith("/dev/"):
            found[f"node {target}"] = "a mount of its own"
            continue
        if target.startswith(("/proc/", "/sys/")) and (fstype == "tmpfs" or root == "/null"):
            fstype, flags, options = "hidden", [], ""  # by an empty directory, or by /dev/null
        kept = sorted(filter(_KEPT_OPTIONS.match, options.split(",")))
        found[f"mount {target}"] = " ".join([fstype, *({"ro", "rw"} & {*flags}), *kept])
        found[f"flags {target}"] = " ".join(sorted({*flags} - {"ro", "rw", "relatime"}))
        found[f"peers {target}"] = " ".join(word.partition(":")[0] for word in optional)
    return found


def _devices(section: str, lines: list[str]) -> Facts:
    found = {}
    for line in lines:
        words = line.split()
        if len(words) < 9:
            continue
        name = line.split(" -> ")[0].split()[-1]
        numbers = " ".join(words[4:6]) if words[0][0] in "bc" else ""
        link = line.partition(" -> ")[2]
        found[f"dev {name}"] = " ".join(filter(None, [words[0], words[2], words[3], numbers, link]))
    return found


def _named(section: str, lines: list[str]) -> Facts:
    pairs = [line.partition(" ") for line in lines]
    return {f"{section} {name}": value for name, _, value in pairs}


_READERS: dict[str, Callable[[str, list[str]], Facts]] = {
    "hostname": _hostname,
    "hosts": _hosts,
    "env": _environment,
    "status": _status,
    "limits": _limits,
    "mounts": _mounts,
    "dev": _devices,
    "namespaces": _named,
    "hidden": _named,
    "closed": _named,
    "modes": _named,
}


def differences(one: Facts, other: Facts) -> list[tuple[str, str, str]]:
    """What is not the same in both: what, in the one, in the other (`-` where it is not)."""
    return [
        (key, one.get(key, "-"), other.get(key, "-"))
        for key in sorted(one.keys() | other.keys())
        if one.get(key, "-") != other.get(key, "-")
    ]
