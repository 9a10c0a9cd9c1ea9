"""The secrets in one file's content, by all that is known of it.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from lamina.leaks.named_secrets import assignments
from lamina.leaks.private_keys import LITERALS, private_keys
from lamina.leaks.secret import Match
from lamina.leaks.secret_files import KnownFile, known_file
from lamina.leaks.tokens import tokens

_PACKAGES = re.compile(
    r"""(?x) (?:^|/)(?:site-packages|dist-packages|node_modules|gems|vendor|go/pkg/mod
        |\.cargo/registry|\.m2/repository|lib/(?:python|ruby|perl|node|php)[\d.]*)/
      | ^(?:usr/)?lib(?:32|64|x32|exec)?/ | ^usr/(?:share|include)/(?!nginx/)
      | ^usr/local/(?:lib(?:exec)?|share|include|go)/ | ^usr/src/linux | ^var/lib/(?:dpkg|apt|rpm)/
      | ^lib/apk/"""
)
_MADE_UP = re.compile(
    r"(?:^|[/._-])(?:tests?|testing|testdata|test[-_]data|fixtures?|examples?|samples?|docs?"
    r"|mocks?|vectors|certdata)(?:[/._-]|$)"
)
_SNAKE_OIL = "snakeoil"
"""Debian's package ssl-cert makes a certificate that its own name warns of."""
_CONFIGURATION = {
    *("conf", "cfg", "cnf", "ini", "json", "properties", "toml", "xml", "yaml", "yml", "config"),
    *("service", "tf", "hcl"),
}
_CODE = {
    *("py", "js", "ts", "jsx", "tsx", "mjs", "cjs", "rb", "php", "go", "java", "kt", "scala", "cs"),
    *("sh", "bash", "pl", "lua", "rs", "groovy", "gradle", "swift", "ipynb", "sql", "dockerfile"),
}


class Nature(msgspec.Struct, frozen=True):
    """What a file's path says of its content.  Equal contents of one nature have equal finds."""

    known: KnownFile | None
    in_package: bool
    """Whether it belongs to a package: what somebody published is nobody's secret, unless it
    has the form of one."""
    made_up: bool
    """A package's test data, examples and documents, and snake oil: nothing counts."""
    assigns: bool | None
    """Whether values assigned to telling names are looked for: False in a configuration, True
    in code, where they must be quoted; None in other files."""


def nature(path: str) -> Nature:
    """Judge a file by its path."""
    known = known_file(path)
    in_package = _PACKAGES.search(path) is not None
    made_up = (in_package and _MADE_UP.search(path.lower()) is not None) or _SNAKE_OIL in path
    return Nature(known, in_package, made_up, None if in_package else _assigns(path))


def _assigns(path: str) -> bool | None:
    name = path.rpartition("/")[2].lower()
    suffix = name.rpartition(".")[2]
    if suffix in _CONFIGURATION:
        return False
    return True if suffix in _CODE or name.startswith("dockerfile") else None


def in_content(data: bytes, nature: Nature) -> Iterator[Match]:
    """The secrets in a content; a kind may name one secret twice."""
    if nature.made_up:
        return
    if nature.known is not None:
        yield from nature.known.read(data)
        if nature.known.binary:
            return
    if any(literal in data for literal in LITERALS):
        yield from private_keys(data)
    yield from tokens(data, in_package=nature.in_package)
    if nature.assigns is not None:
        yield from assignments(data, quoted=nature.assigns)
