"""The rules, and what they say of a Dockerfile.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from lamina.errors import Invalid
from lamina.rewrite.build_stage import BUILD_STAGE
from lamina.rewrite.cache_mount import CACHE_MOUNT
from lamina.rewrite.caches import APT_LISTS, DNF_CACHE, NPM_CACHE
from lamina.rewrite.chain import APT_UPDATE_APART, CHAIN_HIDDEN
from lamina.rewrite.copying import COPY_CHMOD, COPY_CHOWN
from lamina.rewrite.document import Document
from lamina.rewrite.evidence import Evidence
from lamina.rewrite.finding import Finding
from lamina.rewrite.install_flags import APK_CACHE, APT_RECOMMENDS, PIP_CACHE
from lamina.rewrite.maintainer import MAINTAINER_LABEL
from lamina.rewrite.ordering import COPY_BEFORE_INSTALL
from lamina.rewrite.rule import Rule

RULES: tuple[Rule, ...] = (
    CHAIN_HIDDEN,
    APT_UPDATE_APART,
    CACHE_MOUNT,
    APT_LISTS,
    DNF_CACHE,
    NPM_CACHE,
    PIP_CACHE,
    APK_CACHE,
    APT_RECOMMENDS,
    COPY_CHOWN,
    COPY_CHMOD,
    COPY_BEFORE_INSTALL,
    BUILD_STAGE,
    MAINTAINER_LABEL,
)
"""In the order in which their edits are made where two want the same place."""


class NoSuchRule(Invalid):
    """A rule that is not there was asked for."""

    def __init__(self, name: str) -> None:
        near = get_close_matches(name, [each.name for each in RULES], 1)
        hint = f"did you mean {near[0]}?" if near else "docs/rewrite.md has them all"
        super().__init__(f"no rule is called {name!r}", hint=hint)


def check_names(names: Iterable[str]) -> None:
    """Raise NoSuchRule for a name that no rule has."""
    for name in names:
        if all(each.name != name for each in RULES):
            raise NoSuchRule(name)


def judge(document: Document, evidence: Evidence) -> Sequence[Finding]:
    """Everything that the rules find, by line; without an image give `Evidence()`.

    Raises NoShellParser.
    """
    found = [each for rule in RULES for each in rule.judge(document, evidence)]
    return sorted(found, key=lambda each: each.span.line)
