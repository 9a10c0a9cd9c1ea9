"""What is known to come out otherwise each time that an image is built, and what to do.  Pure."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec


class Cause(msgspec.Struct, frozen=True):
    """Why something differs from build to build."""

    name: str
    """Of the kind, for programs: `log`, `machine-id`."""
    why: str
    """What is in the file, as half a sentence."""
    advice: str
    """What to do, as half a sentence."""
    secret: bool = False
    """Whether what differs is better not shown."""


class _Rule(msgspec.Struct, frozen=True):
    paths: str
    """A regular expression that a whole path must match."""
    cause: Cause


_RULES = [
    _Rule(
        r"etc/machine-id|var/lib/dbus/machine-id",
        Cause("machine-id", "a random id of this machine", "empty it: `: > /etc/machine-id`"),
    ),
    _Rule(
        r"etc/ssh/ssh_host_.*|etc/dropbear/.*_key",
        Cause(
            "ssh-host-key",
            "a key that was made when the server was installed",
            "remove it in the same RUN and make one when the container starts",
            secret=True,
        ),
    ),
    _Rule(
        r"(.*/)?(random-seed|urandom-seed|seedrng/.*)",
        Cause("random-seed", "random numbers for the next start", "remove it", secret=True),
    ),
    _Rule(
        r"etc/(shadow|gshadow)-?",
        Cause(
            "shadow",
            "the day of each user's last change of password",
            "declare `ARG SOURCE_DATE_EPOCH` before useradd, or set the day with `chage -d 0 USER`",
            secret=True,
        ),
    ),
    _Rule(
        r"etc/(passwd|group|subuid|subgid)-|var/lib/dpkg/(status|diversions|statoverride)-old",
        Cause("backup", "the copy of a file before its last change", "remove it in the same RUN"),
    ),
    _Rule(
        r"var/cache/ldconfig/aux-cache",
        Cause(
            "ldconfig",
            "inode numbers and times of libraries",
            "remove /var/cache/ldconfig/aux-cache in the same RUN; nothing needs it",
        ),
    ),
    _Rule(
        r"var/cache/fontconfig/.*|(.*/)?fonts/(.*/)?\.uuid",
        Cause(
            "fontconfig",
            "times and random names of directories of fonts",
            "remove /var/cache/fontconfig in the same RUN, or run `fc-cache` with"
            " SOURCE_DATE_EPOCH set",
        ),
    ),
    _Rule(
        r"var/lib/apt/lists/.*|var/cache/apt/.*|var/cache/(dnf|yum)/.*|var/cache/apk/.*"
        r"|etc/apk/cache/.*|var/lib/dnf/.*",
        Cause(
            "package-lists",
            "what a package server said at that moment",
            "remove it in the same RUN, or keep it in `RUN --mount=type=cache`; a snapshot"
            " server gives the same packages each time",
        ),
    ),
    _Rule(
        r"var/log/.*|(.*/)?[^/]+\.log",
        Cause("log", "a log, with times", "remove it in the same RUN: `rm -rf /var/log/*`"),
    ),
    _Rule(
        r"(.*/)?\.(cache|npm|cargo/registry|gradle|m2|bundle/cache|ccache)/.*",
        Cause(
            "cache",
            "a cache of a tool",
            "keep it out of the image: `RUN --mount=type=cache,target=…`",
        ),
    ),
    _Rule(
        r"tmp/.*|var/tmp/.*|run/.*|var/run/.*",
        Cause("temporary", "a temporary file", "remove it in the same RUN"),
    ),
    _Rule(
        r"var/lib/rpm/.*|usr/lib/sysimage/rpm/.*|var/lib/pacman/local/.*",
        Cause(
            "package-database",
            "when each package was installed",
            "declare `ARG SOURCE_DATE_EPOCH` before the RUN that installs them",
        ),
    ),
    _Rule(
        r"(.*/)?cacerts|var/lib/ca-certificates-java/.*",
        Cause("keystore", "a keystore with times in it", "make it from the certificates at start"),
    ),
    _Rule(
        r".*\.pyc",
        Cause(
            "pyc",
            "compiled Python: a source's time, or sets in another order",
            "set PYTHONHASHSEED=0 for the RUN that compiles, or PYTHONDONTWRITEBYTECODE=1",
        ),
    ),
]
_COMPILED = [(re.compile(rule.paths), rule.cause) for rule in _RULES]
_GZIP = Cause("gzip", "gzip writes the time into its header", "compress with `gzip -n`")
_MAGIC = [
    (b"!<arch>\n", Cause("ar", "an archive of objects with times and owners", "use `ar D`")),
    (
        b"PK\x03\x04",
        Cause(
            "zip",
            "a zip (or jar, or wheel) with times in it",
            "let the tool know SOURCE_DATE_EPOCH (declare it with ARG), or `zip -X` files of"
            " a fixed time in a fixed order",
        ),
    ),
    (
        b"\x7fELF",
        Cause(
            "binary",
            "a program: a build id, a time or a path in it",
            "declare `ARG SOURCE_DATE_EPOCH`, and compile in a fixed directory"
            " (`-ffile-prefix-map=`, `-trimpath`)",
        ),
    ),
    (b"SQLite format 3\0", Cause("database", "a database", "fill it when the container starts")),
]
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_DIGITS = re.compile(r"\d+")
_WORDS = re.compile(r"[A-Za-z]{3,9}")
_CLOCK = re.compile(r"\d:\d\d|\d{4}-\d\d|\d{10}")
_TIME = Cause(
    "time",
    "a time",
    "declare `ARG SOURCE_DATE_EPOCH` and use that: `date -u -d @$SOURCE_DATE_EPOCH`",
)
_RANDOM_ID = Cause("uuid", "a random id", "give a fixed one, or make it when the container starts")


def cause_of(
    path: str,
    *,
    head: bytes = b"",
    offset: int | None = None,
    lines: tuple[str, str] | None = None,
) -> Cause | None:
    """What is known to make the file at `path` differ; None when nothing is.

    `head` are its first bytes, `offset` where its two contents part, `lines` the two lines
    in which they do when it is a text.
    """
    by_content = (_by_magic(head, offset), _by_lines(lines) if lines is not None else None)
    return _by_path(path) or by_content[0] or by_content[1]


def _by_path(path: str) -> Cause | None:
    return next((cause for paths, cause in _COMPILED if paths.fullmatch(path)), None)


def _by_magic(head: bytes, offset: int | None) -> Cause | None:
    # gzip (RFC 1952): the time is in bytes 4 to 7.
    if head.startswith(b"\x1f\x8b") and offset is not None and 4 <= offset < 8:
        return _GZIP
    return next((cause for magic, cause in _MAGIC if head.startswith(magic)), None)


def _by_lines(lines: tuple[str, str]) -> Cause | None:
    if _alike(lines, _UUID.sub) and all(map(_UUID.search, lines)):
        return _RANDOM_ID
    # Names of days and months change with the numbers.
    if _alike(lines, lambda to, text: _WORDS.sub("w", _DIGITS.sub(to, text))) and all(
        map(_CLOCK.search, lines)
    ):
        return _TIME
    return None


def _alike(lines: tuple[str, str], blanked: Callable[[str, str], str]) -> bool:
    """Whether two lines are equal when what varies is blanked out."""
    return blanked("0", lines[0]) == blanked("0", lines[1])
