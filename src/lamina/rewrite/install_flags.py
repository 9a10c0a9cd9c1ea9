"""Flags by which pip, apk and apt write less.  Pure.

`pip install --no-cache-dir` and `apk add --no-cache` are safe: what they install is the same,
only the copies of what they fetched do not stay; `apk update` before them has nothing left to
do.  `apt-get install --no-install-recommends` is not: it installs less, and whether that is
missed only its user knows.
"""

from __future__ import annotations

from collections.abc import Iterator

from lamina.rewrite.caches import flag_edit, has_cache_mount, verb
from lamina.rewrite.document import Document, Step
from lamina.rewrite.evidence import Evidence, estimated
from lamina.rewrite.finding import UNKNOWN, Edit, Finding
from lamina.rewrite.later import Use, wanted
from lamina.rewrite.rule import Rule
from lamina.shell.script import Command, Script

_PIP = ".cache/pip"
_INDEXES = 2_600_000
"""Bytes of Alpine's two indexes, main and community."""
_APK = Use(
    ("apk",),
    ("update",),
    uses=("add", "upgrade", "fetch", "search", "policy", "list", "fix", "version", "dot"),
    fresh=("--no-cache", "-U", "--update", "--update-cache"),
)


def _pip(document: Document, evidence: Evidence) -> Iterator[Finding]:
    for step in document.shipped_steps:
        if step.script is None or _has_pip_cache_set(step, step.script):
            continue
        found = [each for each in step.script.commands if _installs_by_pip(each)]
        if not found:
            continue
        amount = evidence.shipped(step, lambda path: f"/{_PIP}/" in f"/{path}")
        if amount.basis == "measured" and not amount.bytes:
            continue
        yield Finding(
            PIP_CACHE.name,
            "edit",
            step.line.span,
            "pip install leaves a copy of all that it fetched and built in ~/.cache/pip",
            amount,
            tuple(
                flag_edit(document, step, each, pip_verb(each), "--no-cache-dir") for each in found
            ),
        )


def pip_verb(command: Command) -> str:
    """The verb of pip: `pip install`, `python -m pip install`; empty when this is no pip."""
    words = [each.value for each in command.words]
    name = command.name
    if name.startswith("python") and words[1:3] == ["-m", "pip"]:
        words = words[2:]
    elif not (name == "pip" or (name.startswith("pip") and name[3:].replace(".", "").isdigit())):
        return ""
    for each in words[1:]:
        if each is None:
            return ""
        if not each.startswith("-"):
            return each
    return ""


def _installs_by_pip(command: Command) -> bool:
    if pip_verb(command) not in {"install", "wheel"}:
        return False
    named = ("--no-cache-dir", "--cache-dir", "--no-cache")
    return not any(each.text.startswith(named) for each in command.words)


def _has_pip_cache_set(step: Step, script: Script) -> bool:
    if "PIP_NO_CACHE_DIR" in step.state.env or "PIP_CACHE_DIR" in step.state.env:
        return True
    if has_cache_mount(step):
        return True
    names = {name for each in script.commands for name in each.assignments}
    if names & {"PIP_NO_CACHE_DIR", "PIP_CACHE_DIR"}:
        return True
    removed = [word.text for each in script.named("rm") for word in each.arguments]
    return any(".cache" in each for each in removed) or any(
        verb(each) == "cache" for each in script.named("pip", "pip3")
    )


def _apk(document: Document, evidence: Evidence) -> Iterator[Finding]:
    for step in document.shipped_steps:
        script = step.script
        if script is None or _keeps_apk_cache(step, script):
            continue
        adding = [each for each in script.named("apk") if verb(each) == "add"]
        adding = [each for each in adding if "--no-cache" not in _texts(each)]
        updating = [each for each in script.named("apk") if verb(each) == "update"]
        if not adding or not all("--no-cache" not in _texts(each) for each in updating):
            continue
        amount = evidence.shipped(step, lambda path: path.startswith("var/cache/apk/"))
        if amount.basis == "measured" and not amount.bytes:
            continue
        edits: list[Edit] = [flag_edit(document, step, e, "add", "--no-cache") for e in adding]
        without = [_without(document, step, script, each) for each in updating]
        usual = estimated(_INDEXES) if updating else UNKNOWN
        reason = _why_not(document, step, script)
        if None in without:
            reason = "more hangs on its apk update than the add"
        yield Finding(
            APK_CACHE.name,
            "suggestion" if reason else "edit",
            step.line.span,
            "apk leaves its indexes in /var/cache/apk; with --no-cache it fetches and forgets them",
            amount if amount.basis == "measured" else usual,
            () if reason else (*edits, *(each for each in without if each is not None)),
            reason=reason,
            advice="write apk add --no-cache, and no apk update",
        )


def _why_not(document: Document, step: Step, script: Script) -> str:
    """Why the indexes may be wanted; empty when they are not."""
    for each in script.named("apk"):
        values = {word.value for word in each.arguments}
        if values & set(_APK.uses) - {"add"}:
            return f"apk {verb(each)} reads them too"
        if any((value or "").endswith(".apk") for value in values):
            return "to add a file it need not fetch them"
    return wanted(document, step, _APK)


def _texts(command: Command) -> set[str]:
    return {each.text for each in command.words}


def _keeps_apk_cache(step: Step, script: Script) -> bool:
    """Whether the indexes are removed already, or lie on a mount."""
    if has_cache_mount(step):
        return True
    return any(
        word.text.startswith("/var/cache/apk")
        for each in script.named("rm")
        for word in each.arguments
    )


def _without(document: Document, step: Step, script: Script, command: Command) -> Edit | None:
    """`apk update &&` taken out; None where more than the chain hangs on it."""
    for place, each in enumerate(script.statements[:-1]):
        if place and script.statements[place - 1].connector == "||":
            continue
        if (each.start, each.end) == (command.start, command.end) and each.connector == "&&":
            start = document.place(step, each.start)
            end = document.place(step, script.statements[place + 1].start)
            return Edit(start, end, "") if "#" not in document.text[start:end] else None
    return None


def _recommends(document: Document, evidence: Evidence) -> Iterator[Finding]:
    for step in document.shipped_steps:
        found = [
            each
            for each in step.commands("apt-get", "apt")
            if verb(each) == "install" and "--no-install-recommends" not in _texts(each)
        ]
        if not found or any("Recommends" in each.text for e in found for each in e.words):
            continue
        yield Finding(
            APT_RECOMMENDS.name,
            "suggestion",
            step.line.span,
            "apt-get install brings packages that are only recommended",
            UNKNOWN,
            tuple(
                flag_edit(document, step, each, "install", "--no-install-recommends")
                for each in found
            ),
            reason="whether anything uses them cannot be seen",
        )


PIP_CACHE = Rule(
    "pip-cache", "installs with pip --no-cache-dir", _pip, ("**/.cache/pip/**", "root/.cache/**")
)
APK_CACHE = Rule("apk-cache", "installs with apk --no-cache", _apk, ("var/cache/apk/**",))
APT_RECOMMENDS = Rule(
    "apt-recommends", "installs with apt-get --no-install-recommends", _recommends, ("**",)
)
