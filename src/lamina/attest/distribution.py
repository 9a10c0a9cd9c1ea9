"""Which distribution an image is of, by its own words (os-release(5)).  Pure."""

from __future__ import annotations

import shlex

import msgspec

from lamina.errors import EngineError
from lamina.explain.stack import Stack

_PLACES = ("etc/os-release", "usr/lib/os-release")


class Distribution(msgspec.Struct, frozen=True):
    """What an image calls its user space; all empty where it says nothing."""

    id: str = ""
    """`debian`, `alpine`."""
    version: str = ""
    """`12`; empty for one that has none, as a rolling release."""
    name: str = ""
    """For people: `Debian GNU/Linux 12 (bookworm)`."""

    @classmethod
    def of(cls, stack: Stack) -> Distribution:
        """What /etc/os-release says in the merged tree."""
        for path in _PLACES:
            try:
                raw = stack.read(path)
            except EngineError:
                continue
            if raw is not None:
                return cls.parse(raw.decode("utf-8", "replace"))
        return cls()

    @classmethod
    def parse(cls, text: str) -> Distribution:
        """Read `NAME=value` lines, quoted as a shell has it; damaged ones are passed over."""
        fields: dict[str, str] = {}
        for line in text.splitlines():
            name, equals, value = line.strip().partition("=")
            if not equals or name.startswith("#"):
                continue
            try:
                fields[name] = "".join(shlex.split(value))
            except ValueError:
                continue
        return cls(
            fields.get("ID", "linux").lower(),
            fields.get("VERSION_ID", ""),
            fields.get("PRETTY_NAME", "") or fields.get("NAME", ""),
        )

    @property
    def label(self) -> str:
        """`debian-12`."""
        return "-".join(part for part in (self.id, self.version) if part)
