"""Secrets that are known by the name they are given: `DB_PASSWORD=…`, `--token …`.  Pure.

In settings a name that ends in `password` or `token` is enough.  In other texts a value has to
look random as well: programs are full of variables called so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from lamina.leaks.secret import Match, Secret, is_placeholder

KIND = "named-secret"
_NAME = r"""(?ix) (?:
    (?:^|.*[_.\- ])pass | .*(?:password|passwd|passphrase|pwd|secret|token|credentials?
      | (?:api|access|secret|private|auth|account|encryption|signing|master|service|client)[_-]?key)
    ) (?:[_-]?(?:\d+|b64|base64|value|prod(?:uction)?|dev|staging))?$"""
_SECRET_NAME = re.compile(_NAME)
_WORDS = (
    *(b"passw", b"passphrase", b"_pass", b"pwd", b"secret", b"token", b"credential"),
    *(b"apikey", b"api_key", b"api-key", b"accesskey", b"access_key", b"access-key"),
    *(b"privatekey", b"private_key", b"authkey", b"auth_key", b"accountkey", b"account_key"),
    *(b"encryptionkey", b"encryption_key", b"signing_key", b"master_key"),
)
"""One of these is in every name of a secret.  Searched for one by one in lower case, they take
an eighth of the time of a pattern that ignores case."""
_ASSIGNED = re.compile(
    r"""(?x) (?<![\w.-]) (?P<name>[A-Za-z_][\w.-]{1,60}) ["'\]]{0,2} [ \t]{0,20}
        (?:=>|:=|=|:) [ \t]{0,20} (?P<quote>["'`]?) (?P<value>[^\s"'`]{4,400}) (?P<end>["'`]?)"""
)
_SETTING = re.compile(
    r"""(?x) ^[ \t]* (?:export[ \t]+|ENV[ \t]+|ARG[ \t]+)? (?P<name>[A-Za-z_][\w.-]{1,100})
        [ \t]*=[ \t]* (?:"(?P<double>[^"]*)" | '(?P<single>[^']*)' | (?P<bare>[^\s\#]*))"""
)
_MOST = 1000
"""Assignments of one text; what has more is a list of something else."""
_LINE = 500
"""Bytes of a line that are read around a telling word."""


def is_secret_name(name: str) -> bool:
    """Whether a variable, label or option called `name` holds a secret."""
    return len(name) <= 200 and _SECRET_NAME.match(name) is not None


def setting(name: str, value: str) -> Secret | None:
    """The secret that a setting is, by its name; None when it is none."""
    value = value.strip()
    if not is_secret_name(name) or len(value) < 4 or is_placeholder(value):
        return None
    if value.startswith(("/", "./", "~/")) or re.fullmatch(r"\d{1,9}|\S+://[^@]*", value):
        return None
    return Secret(value)


def settings(data: bytes) -> Iterator[Match]:
    """The secrets among `NAME=value` lines, as `.env` files have them."""
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
        found = _SETTING.match(line[:4096])
        if found is not None:
            value = found["double"] or found["single"] or found["bare"] or ""
            secret = setting(found["name"], value)
            if secret is not None:
                yield Match(KIND, secret, number)


def assignments(data: bytes, *, quoted: bool) -> Iterator[Match]:
    """The secrets that a text assigns, in code (`quoted`: to a string) or in a configuration."""
    yield from islice(_assignments(data, quoted=quoted), _MOST)


def _assignments(data: bytes, *, quoted: bool) -> Iterator[Match]:
    line, counted, done = 1, 0, 0
    for word in _telling_words(data.lower()):
        if word < done:
            continue
        start = max(data.rfind(b"\n", 0, word) + 1, word - _LINE)
        end = data.find(b"\n", word, word + _LINE)
        done = end if end >= 0 else word + _LINE
        text = data[start:done].decode("utf-8", "replace")
        for found in _ASSIGNED.finditer(text):
            secret = _assigned(found, quoted=quoted)
            if secret is not None:
                line += data.count(b"\n", counted, start)
                counted = start
                yield Match(KIND, secret, line)


def _telling_words(lower: bytes) -> list[int]:
    """Where the words stand, in the order of the text."""
    places = []
    for word in _WORDS:
        at = lower.find(word)
        while at >= 0:
            places.append(at)
            at = lower.find(word, at + len(word))
    return sorted(places)


def _assigned(found: re.Match[str], *, quoted: bool) -> Secret | None:
    value = found["value"].rstrip(",;")
    if quoted and not (found["quote"] and found["quote"] == found["end"]):
        return None
    if len(value) < 8 or not is_random(value):
        return None
    return setting(found["name"], value)


def is_random(value: str) -> bool:
    """Whether a value looks made rather than written: letters with digits, and no expression."""
    if not (re.search(r"\d", value) and re.search(r"[A-Za-z]", value)):
        return False
    if re.search(r"[(){}\[\]<>|\\]|::|->", value):
        return False
    # A name in a program or a message catalogue: `settings.TOKEN_1`, `login.password2.label`.
    return re.fullmatch(r"[A-Za-z_]\w*(?:[.-][A-Za-z_]\w*)+|[A-Za-z]+[_-]?\d{0,2}", value) is None


_ON_A_COMMAND_LINE = re.compile(
    r"""(?x)
    -[-D](?P<option>[A-Za-z][\w.-]*)(?:=|\ +)(?P<given>"[^"]*"|'[^']*'|[^\s"';|&]+)
    | (?:^|[\s;"'])(?P<name>[A-Za-z_]\w*)=(?P<value>"[^"]*"|'[^']*'|[^\s"';|&]+)
    | \ -u\ ?["']?[\w.@+-]+:(?P<curl>[^\s"']+)
    | --user[= ]["']?[\w.@+-]+:(?P<user>[^\s"']+)
    | (?i:authorization):\ *(?:(?i:bearer|basic|token)\ +)?(?P<bearer>[^\s"']+)
    | (?i:[\w-]*token|x-api-key):\ *(?P<header>[^\s"']+)
    | \bmysql(?:dump|admin)?\b[^|;&]{0,200}?\ -p(?P<mysql>[^\s"';|&-][^\s"';|&]{3,})
    | \bsshpass\ +-p\ *(?P<ssh>"[^"]*"|'[^']*'|[^\s"';|&]+)
    | \becho\ +(?:-e\ +)?["']?[\w.-]+:(?P<chpasswd>[^\s"'|]+)["']?\ *\|\ *chpasswd
    """
)


def on_a_command_line(text: str) -> Iterator[Secret]:
    """The secrets that a command was given: in variables, options, headers."""
    for found in _ON_A_COMMAND_LINE.finditer(text):
        name = found["option"] or found["name"]
        value = found[found.lastgroup or 0].strip("\"'")
        if name is not None:
            secret = setting(name, value)
        else:
            secret = Secret(value) if len(value) >= 4 and not is_placeholder(value) else None
        if secret is not None:
            yield secret


def in_history(data: bytes) -> Iterator[Match]:
    """The secrets among the commands that a shell remembers."""
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
        for secret in on_a_command_line(line[:4096]):
            yield Match(KIND, secret, number)


_BUILD_ARGUMENTS = re.compile(r"(?:RUN )?\|\d+ (.*?) ?(?=/\S+ (?:-\w+ (?:\w+ )?){0,4}?-\w*c )")


def build_arguments(created_by: str) -> Iterator[tuple[str, str]]:
    """The names and values of the build arguments that Docker's builders write into the history:
    `|2 TOKEN=abc A=1 /bin/sh -c make`."""
    found = _BUILD_ARGUMENTS.match(created_by)
    if found is None:
        return
    parts = re.split(r"(?:^| )([A-Za-z_]\w*)=", found[1])
    yield from zip(parts[1::2], parts[2::2], strict=True)
