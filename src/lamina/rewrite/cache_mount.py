"""A cache that stays beside the builds, instead of one that is thrown away.  Pure.

With `--mount=type=cache` the next build finds what the last one fetched, and no layer gets it.
It is a suggestion: classic builders refuse the flag, and what is cleaned up works everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator

from lamina.rewrite.caches import verb
from lamina.rewrite.document import Document, Step
from lamina.rewrite.evidence import Evidence
from lamina.rewrite.finding import Amount, Edit, Finding
from lamina.rewrite.install_flags import pip_verb
from lamina.rewrite.rule import Rule
from lamina.shell.script import Command

_ROOT = {"", "root", "0", "root:root", "0:0"}


def _judge(document: Document, evidence: Evidence) -> Iterator[Finding]:
    for step in document.steps:
        script = step.script
        if script is None or step.has_mounts or step.state.user not in _ROOT:
            continue
        if any(
            each.name == "cache" or verb(each) in {"cache", "clean"} for each in script.commands
        ):
            continue
        targets = {target for each in script.commands if (target := _cache_of(step, each))}
        if len(targets) != 1:
            continue
        (target,) = targets
        at = step.start + len(step.line.word)
        yield Finding(
            CACHE_MOUNT.name,
            "suggestion",
            step.line.span,
            f"a mount of type cache would keep {target} for the next build and out of the layer",
            Amount(0, "measured"),
            (Edit(at, at, f" --mount=type=cache,target={target}"),),
            reason="BuildKit and Lamina know it, classic builders do not",
        )


def _cache_of(step: Step, command: Command) -> str:
    texts = {each.value for each in command.words}
    if pip_verb(command) in {"install", "wheel"}:
        known = {"PIP_NO_CACHE_DIR", "PIP_CACHE_DIR"} & {*step.state.env, *command.assignments}
        return "" if known or texts & {"--no-cache-dir", "--cache-dir"} else "/root/.cache/pip"
    if command.name == "npm" and verb(command) in {"ci", "install", "i"}:
        return "/root/.npm"
    if command.name == "go" and verb(command) in {"build", "install", "test"}:
        return "/root/.cache/go-build"
    if command.name == "cargo" and verb(command) in {"build", "install"}:
        return "/usr/local/cargo/registry"
    return ""


CACHE_MOUNT = Rule(
    "cache-mount",
    "keeps what installers fetch in a mount of type cache",
    _judge,
    ("root/.cache/**", "root/.npm/**", "usr/local/cargo/registry/**"),
)
