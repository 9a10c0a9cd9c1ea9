"""`--secret` of `lamina build`: where contents come from, as Docker's buildx has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from lamina.cli.option_fields import option_fields
from lamina.errors import Invalid, NotFound

LARGEST = 500 << 10
"""Bytes of one secret, as BuildKit has it."""
_KEYS = {"id": "id", "type": "type", "src": "src", "source": "src", "env": "env"}


class BadSecret(Invalid):
    """The option does not say what the secret is."""


class NoSuchSecret(NotFound):
    """There is nothing where the secret should come from."""


class SecretSource(msgspec.Struct, frozen=True):
    """A secret's name, and the file or the variable that has it; with neither, a variable of
    its name, else a file."""

    id: str
    file: str = ""
    variable: str = ""


def secrets_of(texts: Iterable[str], environment: Mapping[str, str]) -> dict[str, bytes]:
    """The contents by id.  Raises BadSecret, NoSuchSecret."""
    return {source.id: read_secret(source, environment) for source in map(parse_secret, texts)}


def parse_secret(text: str) -> SecretSource:
    """Read `id=…[,src=FILE|,env=NAME][,type=file|env]`.  Raises BadSecret."""
    fault = BadSecret(f"not a secret: {text!r}", hint="write id=NAME,src=FILE")
    given: dict[str, str] = {}
    for key, value in option_fields(text, fault):
        if key not in _KEYS or value is None:
            raise fault
        given[_KEYS[key]] = value
    kind = given.get("type", "")
    if kind not in ("", "file", "env"):
        raise BadSecret(f"no type of secrets is called {kind!r}", hint="file or env")
    file, variable = given.get("src", ""), given.get("env", "")
    if kind == "env" and not variable:
        file, variable = "", file
    if not given.get("id"):
        raise BadSecret(f"the secret {text!r} has no id", hint="write id=NAME,src=FILE")
    if file and variable:
        raise BadSecret(f"the secret {given['id']} has both a file and a variable")
    return SecretSource(given["id"], file, variable)


def read_secret(source: SecretSource, environment: Mapping[str, str]) -> bytes:
    """The content.  Raises NoSuchSecret, BadSecret."""
    variable = source.variable
    if not source.file and not variable and source.id in environment:
        variable = source.id
    if variable:
        if variable not in environment:
            raise NoSuchSecret(f"the secret {source.id} is not there: ${variable} is not set")
        content = environment[variable].encode("utf-8", "surrogateescape")
    else:
        content = _file(source.id, Path(source.file or source.id).expanduser())
    if len(content) > LARGEST:
        raise BadSecret(f"the secret {source.id} is larger than {LARGEST >> 10} KiB")
    return content


def _file(name: str, path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(LARGEST + 1)
    except OSError as error:
        reason = (error.strerror or "").lower()
        raise NoSuchSecret(
            f"the secret {name} cannot be read: {path}: {reason}",
            hint=f"--secret id={name},src=FILE or --secret id={name},env=NAME",
        ) from None
