"""What package managers leave in a layer that nobody reads again: lists, archives, caches.  Pure.

Safe: each of these is a copy of what a mirror has, the manager fetches it again when it is
asked to, and nothing but the manager reads it.  Where a later step might want it without
asking (`install` without `update`, `--offline`, a script that cannot be read), nothing is
edited.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from lamina.rewrite.document import Document, Step
from lamina.rewrite.evidence import Evidence, estimated
from lamina.rewrite.finding import UNKNOWN, Amount, Edit, Finding
from lamina.rewrite.joining import ends_openly
from lamina.rewrite.rule import Rule
from lamina.shell.script import Command, Script

_SHELLS = {"sh", "bash", "ash", "dash"}
_WORTH = 1_000_000
"""Bytes: for less of archives no command is written."""
_SYSTEM = ("/bin/", "/sbin/", "/usr/")


class Cleaning(msgspec.Struct, frozen=True):
    """A cache, what fills it and what empties it."""

    rule: str
    managers: tuple[str, ...]
    fills: tuple[str, ...]
    """Verbs of commands that fill it."""
    command: str
    """What empties it; `{}` is the manager's name."""
    places: tuple[str, ...]
    """Directories that the command empties."""
    noun: str
    usual: int = 0
    """Bytes that it usually has; 0 when that depends."""
    uses: tuple[str, ...] = ()
    """Verbs of commands that use it and do not fill it."""
    offline: tuple[str, ...] = ()
    """Flags by which a command asks for what is there."""
    empties: tuple[str, ...] = ()
    """Verbs by which a Dockerfile empties it already."""
    archives: str = ""
    """What empties `store`, which most bases keep empty by themselves: it is written only where
    an image shows that this one does not."""
    store: str = ""


APT = Cleaning(
    "apt-lists",
    ("apt-get", "apt"),
    ("update",),
    "rm -rf /var/lib/apt/lists/*",
    ("/var/lib/apt/lists",),
    "package lists",
    19_900_000,  # Debian 12 as official images have it: main, compressed, no translations
    archives="apt-get clean",
    store="/var/cache/apt",
    uses=("install", "source", "build-dep", "upgrade", "dist-upgrade", "full-upgrade", "download"),
)
DNF = Cleaning(
    "dnf-cache",
    ("dnf", "yum", "microdnf"),
    ("install", "update", "upgrade", "makecache", "groupinstall", "reinstall"),
    "{} clean all",
    ("/var/cache/dnf", "/var/cache/yum", "/var/cache/libdnf5"),
    "the cache of packages and lists",
    offline=("-C", "--cacheonly"),
    empties=("clean",),
)
NPM = Cleaning(
    "npm-cache",
    ("npm",),
    ("ci", "install", "i", "add", "clean-install"),
    "npm cache clean --force",
    ("/root/.npm",),
    "the cache of packages",
    offline=("--offline", "--prefer-offline"),
    empties=("cache",),
)


def cleaning_rule(cleaning: Cleaning, what: str) -> Rule:
    """The rule that empties a cache in the step that filled it."""
    return Rule(
        cleaning.rule,
        what,
        lambda document, evidence: _judge(cleaning, document, evidence),
        tuple(f"{each[1:]}/**" for each in (*cleaning.places, cleaning.store) if each),
    )


def _judge(cleaning: Cleaning, document: Document, evidence: Evidence) -> Iterator[Finding]:
    for step in document.shipped_steps:
        script = step.script
        if script is None:
            continue
        filling = [
            each for each in script.named(*cleaning.managers) if verb(each) in cleaning.fills
        ]
        if not filling or _is_emptied(cleaning, script, filling[-1]) or _is_mounted(cleaning, step):
            continue
        amount = _amount(cleaning.places, step, evidence, cleaning.usual)
        command = cleaning.command.format(filling[-1].name)
        if cleaning.store:
            stored = _amount((cleaning.store,), step, evidence, 0)
            if stored.bytes >= _WORTH and stored.basis == amount.basis == "measured":
                command = f"{cleaning.archives} && {command}"
                amount = Amount(amount.bytes + stored.bytes, "measured")
        if amount.basis == "measured" and not amount.bytes:
            continue
        reason = _reason(cleaning, document, step, script)
        yield Finding(
            cleaning.rule,
            "suggestion" if reason else "edit",
            step.line.span,
            f"{filling[-1].name} {verb(filling[-1])} leaves {cleaning.noun}",
            amount,
            () if not ends_openly(script) else (document.append(step, command),),
            reason=reason,
            advice=f"end the step with: {command}",
        )


def verb(command: Command) -> str:
    """The first word of a command's arguments that is no option; empty when there is none."""
    for each in command.arguments:
        if each.value is None:
            return ""
        if not each.value.startswith("-"):
            return each.value
    return ""


def _is_emptied(cleaning: Cleaning, script: Script, filling: Command) -> bool:
    for each in script.commands:
        if each.start < filling.start:
            continue
        if each.name in cleaning.managers and verb(each) in cleaning.empties:
            return True
        removed = [word.text.strip("'\"") for word in each.arguments]
        if each.name in {"rm", "find"} and any(
            text.startswith(place) or place.startswith(text.rstrip("/*") + "/")
            for text in removed
            for place in _written(cleaning)
            if text.startswith(("/", "~", "$"))
        ):
            return True
    return False


def _written(cleaning: Cleaning) -> list[str]:
    """The places, and as a shell writes those of the home directory."""
    homes = [
        each.replace("/root", home, 1)
        for each in cleaning.places
        if each.startswith("/root/")
        for home in ("~", "$HOME", "${HOME}")
    ]
    return [*cleaning.places, *homes]


def _is_mounted(cleaning: Cleaning, step: Step) -> bool:
    """Whether the cache lies on a mount, which no layer gets."""
    mounts = [each.value or "" for each in step.line.flags if each.name == "mount"]
    targets = [
        part.partition("=")[2].rstrip("/")
        for mount in mounts
        for part in mount.split(",")
        if part.partition("=")[0] in {"target", "dst", "destination"}
    ]
    return any(
        place == target or place.startswith(f"{target}/")
        for target in targets
        for place in cleaning.places
    )


def _amount(directories: tuple[str, ...], step: Step, evidence: Evidence, usual: int) -> Amount:
    """The bytes that a step left in some directories; what is usual there without an image."""
    places = tuple(f"{each[1:]}/" for each in directories)
    measured = evidence.shipped(step, lambda path: path.startswith(places))
    if measured.basis == "measured":
        return measured
    return estimated(usual) if usual else UNKNOWN


def _reason(cleaning: Cleaning, document: Document, step: Step, script: Script) -> str:
    """Why a step is not edited; empty when it may be."""
    if not ends_openly(script):
        return "nothing can be put behind its last command"
    for later in document.later(step):
        line = later.number
        if later.keyword in {"CMD", "ENTRYPOINT"} and set(later.line.words()) & set(
            cleaning.managers
        ):
            return f"line {line} runs {cleaning.managers[0]} in the container"
        if later.keyword == "ONBUILD":
            return f"line {line} runs in images that are built on this one"
        if later.keyword != "RUN":
            continue
        if later.script is None:
            return f"line {line} is not a shell command that could be read"
        if found := _wants(cleaning, later.script):
            return f"line {line} {found}"
    return ""


def _wants(cleaning: Cleaning, script: Script) -> str:
    """How a later step uses the cache as it is; empty when it does not."""
    filled = False
    for each in script.commands:
        if each.name in cleaning.managers:
            filled = filled or verb(each) in cleaning.fills
            if any(word.value in cleaning.offline for word in each.arguments):
                return f"asks {each.name} for what is there"
            if verb(each) in cleaning.uses and not filled:
                return f"uses the lists: {each.name} {verb(each)} without update"
        path = each.words[0].value if each.words else ""
        if path is None or (path and "/" in path and not path.startswith(_SYSTEM)):
            return "runs a script that is not in this file"
        if each.name in _SHELLS and each.arguments and each.arguments[0].value != "-c":
            return "runs a script that is not in this file"
        if each.name in _SHELLS and each.arguments:
            return "runs a shell of its own"
    return ""


APT_LISTS = cleaning_rule(APT, "removes apt's package lists in the step that fetched them")
DNF_CACHE = cleaning_rule(DNF, "empties the cache of dnf or yum in the step that filled it")
NPM_CACHE = cleaning_rule(NPM, "empties npm's cache in the step that filled it")


def flag_edit(document: Document, step: Step, command: Command, word: str, flag: str) -> Edit:
    """`flag` right behind a word of a command."""
    at = next(each for each in command.words if each.value == word)
    return document.insert(step, at.end, f" {flag}")
