"""A secret, told without telling it; and what only looks like one.  Pure."""

from __future__ import annotations

import re

import msgspec

from lamina.sha256 import sha256

_SHOWN = 4
_PLACEHOLDERS = re.compile(
    r"""(?ix)
    \$[{(\d] | \$[a-z_]\w*(?:$|[/:.,]) | <.*> | \{\{?\ *\w | %[({sd] | %\w+% | @\{ | @\w+@
      | !(?:vault|ref|sub|env|secret)\b | \#\{ | env[:.(] | process\.env | file: | secret: | vault:
      | .*(?:example|changeme|change[_.-]?(?:me|it|this)|placeholder|replace[_.-]?(?:me|with|this)
             |redacted|\byour[_.-]?|xxxx|\*\*\*|\.\.\.|dummy|sample|insert[_.-]|todo|fixme
             |<[\w -]+>|\$\{|\{\{|\$\(|not[_.-]?(?:a[_.-]?)?(?:real|set|secret|used)
             |unique[ ]phrase)
      | (?:my|the|some|a|test|db|user|root|admin|fake|default|super|top)?[_.-]?
        (?:password|passwd|passphrase|pass|pwd|secret|token|api[_.-]?key|key|value|string
           |credentials?)
        [_.-]?(?:here|value|string|\d{0,4})$
      | (?:null|nil|none|true|false|yes|no|on|off|undefined|unset|empty|optional|required|disabled
           |enabled|auto|default|prompt|ask|stdin|basic|bearer|oauth2?|plain|text|hidden|anonymous
           |guest|root|admin|user|username|test(?:ing)?\d{0,3}|demo|foo(?:bar|baz)?|bar|baz|hunter2
           |str(?:ing)?|int|bool|bytes|object|postgres|mysql|nobody|unknown|tiger|s3cr3t|passw0rd)$
    """
)
_RUNS = "0123456789 abcdefghijklmnopqrstuvwxyz qwertyuiop 1234567890 9876543210"


class Secret(msgspec.Struct, frozen=True):
    """A value that nobody should see: its `repr` and its text are redacted."""

    value: str

    @property
    def fingerprint(self) -> str:
        """The first 8 hexadecimal digits of its sha256: two finds of one secret have the same."""
        try:
            raw = self.value.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:  # surrogates that stand for no byte: JSON may have them
            raw = self.value.encode("utf-8", "surrogatepass")
        return sha256(raw).hex()[:8]

    @property
    def start(self) -> str:
        """Its first four characters; fewer of a short one, so that most of it stays unsaid."""
        return self.value[: min(_SHOWN, len(self.value) // 4)]

    @property
    def redacted(self) -> str:
        """Its start, its length in characters and its fingerprint."""
        return f"{self.start}… ({len(self.value)} characters, sha256 {self.fingerprint})"

    def __repr__(self) -> str:
        return f"Secret({self.redacted!a})"

    __str__ = __repr__


class Match(msgspec.Struct, frozen=True):
    """A secret in a text."""

    kind: str
    """A slug: `private-key`, `github-token`."""
    secret: Secret
    line: int = 0
    """Counted from 1; 0 where the whole file is meant."""


def is_placeholder(value: str) -> bool:
    """Whether a value stands for a secret that is filled in elsewhere, or for none at all:
    `changeme`, `xxxx`, `<token>`, `${VAR}`, `AKIAIOSFODNN7EXAMPLE`, `12345678`."""
    text = value.strip().lower()
    if len(set(text)) < 3 or _PLACEHOLDERS.match(text):
        return True
    return len(text) >= 4 and text in _RUNS
