"""Changes to a config as `--change` takes them: one Dockerfile instruction each.  Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import msgspec

from lamina.errors import Invalid
from lamina.oci.config import Execution

_PORT = re.compile(r"\d{1,5}(-\d{1,5})?(/(tcp|udp|sctp))?")


class BadChange(Invalid):
    """A `--change` that is no instruction which an image's config can take."""


def apply_changes(execution: Execution, changes: Iterable[str]) -> Execution:
    """`execution` after each of `changes`: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD,
    STOPSIGNAL, USER, VOLUME, WORKDIR.  Raises BadChange.
    """
    for change in changes:
        name, _, rest = change.strip().partition(" ")
        handler = _HANDLERS.get(name.upper())
        if handler is None:
            raise BadChange(
                f"not a change to an image: {change!r}",
                hint=f"an instruction among {', '.join(_HANDLERS)}",
            )
        if not rest.strip():
            raise BadChange(f"{name.upper()} without a value: {change!r}")
        execution = handler(execution, rest.strip())
    return execution


def _command(text: str) -> tuple[str, ...]:
    """JSON form as it is, shell form through `/bin/sh -c`."""
    if text.startswith("["):
        try:
            return msgspec.json.decode(text, type=tuple[str, ...])
        except msgspec.MsgspecError:
            pass
    return ("/bin/sh", "-c", text)


def _words(text: str) -> tuple[str, ...]:
    if text.startswith("["):
        try:
            return msgspec.json.decode(text, type=tuple[str, ...])
        except msgspec.MsgspecError as error:
            raise BadChange(f"not a JSON list of strings: {text!r} ({error})") from None
    import shlex

    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise BadChange(f"cannot be read as words: {text!r} ({error})") from None


def _pairs(text: str) -> dict[str, str]:
    """`a=b c="d e"`, or the old form `a everything else`."""
    words = _words(text)
    if words and "=" not in words[0]:
        name, _, value = text.partition(" ")
        if not value:
            raise BadChange(f"{name!r} has no value")
        return {name: value.strip()}
    pairs: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not name or not equals:
            raise BadChange(f"not NAME=VALUE: {word!r}")
        pairs[name] = value
    return pairs


def _env(execution: Execution, text: str) -> Execution:
    merged = execution.environment() | _pairs(text)
    return msgspec.structs.replace(execution, env=tuple(f"{k}={v}" for k, v in merged.items()))


def _label(execution: Execution, text: str) -> Execution:
    return msgspec.structs.replace(execution, labels={**(execution.labels or {}), **_pairs(text)})


def _expose(execution: Execution, text: str) -> Execution:
    ports = dict(execution.exposed_ports or {})
    for port in _words(text):
        if not _PORT.fullmatch(port):
            raise BadChange(f"not a port: {port!r}", hint="write 80, 53/udp or 8000-8010/tcp")
        ports[port if "/" in port else f"{port}/tcp"] = {}
    return msgspec.structs.replace(execution, exposed_ports=ports)


def _volume(execution: Execution, text: str) -> Execution:
    volumes = {**(execution.volumes or {}), **{path: {} for path in _words(text)}}
    return msgspec.structs.replace(execution, volumes=volumes)


def _workdir(execution: Execution, text: str) -> Execution:
    base = "" if text.startswith("/") else (execution.working_dir or "/").rstrip("/") + "/"
    return msgspec.structs.replace(execution, working_dir=base + text)


def _onbuild(execution: Execution, text: str) -> Execution:
    return msgspec.structs.replace(execution, on_build=(*(execution.on_build or ()), text))


_HANDLERS: dict[str, Callable[[Execution, str], Execution]] = {
    "CMD": lambda execution, text: msgspec.structs.replace(execution, cmd=_command(text)),
    "ENTRYPOINT": lambda execution, text: msgspec.structs.replace(
        execution, entrypoint=_command(text)
    ),
    "ENV": _env,
    "EXPOSE": _expose,
    "LABEL": _label,
    "ONBUILD": _onbuild,
    "STOPSIGNAL": lambda execution, text: msgspec.structs.replace(execution, stop_signal=text),
    "USER": lambda execution, text: msgspec.structs.replace(execution, user=text),
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
