"""Why a path of an image stays when it is minified.  Pure."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Why(Enum):
    """The kinds of reason, in the order in which they are told."""

    USED = "used by a probe"
    CONFIGURED = "named by the image's configuration"
    NEEDED = "libraries, interpreters and links of these"
    APPLICATION = "the application's own files"
    LANGUAGE = "libraries of a language in use"
    DISTRIBUTION = "language packages in use"
    PACKAGE = "data of system packages in use"
    SYSTEM = "configuration and records of the system"
    ASKED = "kept by --keep"
    PLACE = "links, devices and empty files"


FIRM = frozenset({Why.USED, Why.CONFIGURED, Why.NEEDED, Why.APPLICATION, Why.ASKED})
"""What may be executed by itself: the interpreter that its first line names is kept, too.
Data of a package holds scripts that nobody starts, and would bring a shell."""


class Reason(NamedTuple):
    """Why a path stays."""

    why: Why
    by: str = ""
    """The path or package that it stays for."""
