"""One thing that an image needs of the base that it stands on.  Pure."""

from __future__ import annotations

from enum import Enum

import msgspec


class Kind(Enum):
    """What is needed; the value is the word for it."""

    LOADER = "loader"
    LIBRARY = "library"
    PROGRAM = "program"
    SHELL = "shell"
    USER = "user"
    CERTIFICATES = "certificates"
    TIME_ZONE = "time zone"
    LOCALE = "locale"
    PACKAGE = "package"
    MANAGER = "package manager"


class Weight(Enum):
    """What happens without it."""

    MUST = "must"
    """Something that the image starts or ships does not work."""
    MAY = "may"
    """Something may not: a library that is opened by name, a command of a script."""
    BUILD = "build"
    """The image cannot be built on that base as it was."""


class Need(msgspec.Struct, frozen=True):
    """A thing that is the base's, and is used by what stands on it."""

    kind: Kind
    name: str
    """A library's name, a program as it is called, a user, a package."""
    by: str
    """Who needs it, for people: `/usr/bin/curl`, `ENTRYPOINT`; of several the first."""
    weight: Weight = Weight.MUST
    place: str = ""
    """Where the image has it, links followed; empty for what is no file."""
    asker: str = ""
    """The path of the ELF file that asks for a library or loader."""
    versions: tuple[str, ...] = ()
    """Versions of symbols that a library must define."""
    package: str = ""
    """The distribution's package that it is of; empty when that is not known."""
    others: int = 0
    """How many more need it."""
    packaged: bool = False
    """Whether only files of the image's own packages need it: installed on another base these
    are that base's, and ask for what their package depends on there."""
