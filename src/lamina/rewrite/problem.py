"""What a linter says of a Dockerfile: one problem, whoever found it.  Pure."""

from __future__ import annotations

from typing import Literal

import msgspec

from lamina.dockerfile.source import Span
from lamina.rewrite.finding import UNKNOWN, Amount

Severity = Literal["error", "warning", "info", "style"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info", "style")
"""The gravest first."""
Origin = Literal["lamina", "build checks", "hadolint"]


class Problem(msgspec.Struct, frozen=True):
    """Something that would better be otherwise."""

    rule: str
    origin: Origin
    severity: Severity
    message: str
    """What is so, in one sentence without a full stop."""
    span: Span
    """The place itself."""
    first_line: int
    last_line: int
    """The lines of its instruction."""
    advice: str = ""
    """What to do."""
    url: str = ""
    """A page about the rule; empty when there is none."""
    amount: Amount = UNKNOWN
    """What it costs."""
    also: tuple[str, ...] = ()
    """The names of rules of the others that say the same."""

    @property
    def names(self) -> tuple[str, ...]:
        """Every rule that says it."""
        return (self.rule, *self.also)


_SAME = (
    # The first name is ours where we have one.
    ("maintainer-label", "MaintainerDeprecated", "DL4000"),
    ("JSONArgsRecommended", "DL3025"),
    ("WorkdirRelativePath", "DL3000"),
    ("DuplicateStageName", "DL3024"),
    ("FromPlatformFlagConstDisallowed", "DL3029"),
    ("ReservedStageName", "DL3063"),
    ("SecretsUsedInArgOrEnv", "DL3064"),
    ("RedundantTargetPlatform", "DL3065"),
    ("untagged-base", "DL3006"),
    ("latest-tag", "DL3007"),
    ("chain-hidden", "hidden-bytes"),
    ("apt-lists", "left-apt-lists", "DL3009"),
    ("apt-recommends", "DL3015"),
    ("apk-cache", "left-apk-cache", "DL3019"),
    ("pip-cache", "left-python-cache", "DL3042"),
    ("npm-cache", "left-node-cache"),
    ("left-zypper-cache", "DL3036"),
)
"""Rules that say the same of the same instruction."""
_WIDER = (
    ("MultipleInstructionsDisallowed", "DL4003", "DL4004", "DL3012"),
    ("dnf-cache", "left-dnf-cache", "DL3032", "DL3040"),
)
"""The first says what the others say each of one keyword or program."""
SAME = {name: frozenset(group) for group in _SAME for name in group}
"""Rule → all the rules that say the same, itself among them."""
WIDER = {group[0]: frozenset(group) for group in _WIDER}
"""Rule → those that say a part of it, and itself."""
_SUBJECTS = {name: group[0] for group in (*_SAME, *_WIDER) for name in group}


def names_of(rule: str) -> frozenset[str]:
    """A rule and all that go with it when nobody wants to hear of it."""
    return SAME.get(rule) or WIDER.get(rule) or frozenset((rule,))


def subject_of(rule: str) -> str:
    """A name for what a rule is about, one for all that say the same of an instruction."""
    return _SUBJECTS.get(rule, rule)


def gravest(*severities: Severity) -> Severity:
    """The gravest of some."""
    return min(severities, key=SEVERITIES.index)


def is_as_grave(severity: Severity, threshold: str) -> bool:
    """Whether a severity is `threshold` or graver; nothing is as grave as `none`."""
    return threshold != "none" and SEVERITIES.index(severity) <= _ORDER[threshold]


_ORDER: dict[str, int] = {name: place for place, name in enumerate(SEVERITIES)}
