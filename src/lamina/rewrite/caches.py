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
from lamina.rewrite.joining import ends_openly, exits_early
from lamina.rewrite.later import Use, always_runs, wanted
from lamina.rewrite.rule import Rule
from lamina.shell.script import Command, Script

_REMOVES = {"del", "purge", "remove", "autoremove", "erase", "uninstall"}
_PARTS = ("npm", "node", "node_modules", "dnf", "yum", "microdnf")
"""Names of what the programs here are made of."""
_WORTH = 1_000_000
"""Bytes: for less of archives no command is written."""


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
    use: Use | None = None
    """How a later step would use it; None when it would not."""
    empties: tuple[str, ...] = ()
    """Verbs by which a Dockerfile empties it already."""
    setting: str = ""
    """The variable that puts it elsewhere, in small letters."""
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
    19_300_000,
    use=Use(
        ("apt-get", "apt"),
        ("update",),
        uses=(
            *("install", "reinstall", "satisfy", "source", "build-dep", "upgrade", "dist-upgrade"),
            *("full-upgrade", "download", "changelog", "show", "search", "list", "policy"),
            *("depends", "rdepends", "showsrc", "indextargets", "dselect-upgrade"),
        ),
        also=(
            *("apt-cache", "aptitude", "apt-file", "apt-show-versions", "tasksel", "nala", "gdebi"),
            *("mk-build-deps", "unattended-upgrade", "debtap", "apt-rdepends", "chdist"),
        ),
    ),
    archives="apt-get clean",
    store="/var/cache/apt",
)
DNF = Cleaning(
    "dnf-cache",
    ("dnf", "yum", "microdnf"),
    ("install", "update", "upgrade", "makecache", "groupinstall", "reinstall"),
    "{} clean all",
    ("/var/cache/dnf", "/var/cache/yum", "/var/cache/libdnf5"),
    "the cache of packages and lists",
    use=Use(("dnf", "yum", "microdnf"), (), asks=("-C", "--cacheonly")),
    empties=("clean",),
)
NPM = Cleaning(
    "npm-cache",
    ("npm",),
    ("ci", "install", "i", "add", "clean-install"),
    "{} cache clean --force",
    ("/root/.npm",),
    "the cache of packages",
    use=Use(("npm",), (), asks=("--offline", "--prefer-offline")),
    empties=("cache",),
    setting="npm_config_cache",
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
        if not filling or _is_emptied(cleaning, script, filling[-1]):
            continue
        if _is_mounted(cleaning, step) or _is_elsewhere(cleaning, step, filling[-1]):
            continue
        amount = _amount(cleaning.places, step, evidence, cleaning.usual)
        command = cleaning.command.format(filling[-1].words[0].text)
        if cleaning.store:
            stored = _amount((cleaning.store,), step, evidence, 0)
            if stored.bytes >= _WORTH and stored.basis == amount.basis == "measured":
                command = f"{cleaning.archives} && {command}"
                amount = Amount(amount.bytes + stored.bytes, "measured")
        if amount.basis == "measured" and not amount.bytes:
            continue
        reason = _reason(cleaning, document, step, filling[-1])
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
    if any(each.startswith("/root/") for each in cleaning.places) and has_cache_mount(step):
        return True  # it is in a home directory: whose, the mount's target says
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


def has_cache_mount(step: Step) -> bool:
    """Whether a RUN has a mount of type cache: somebody keeps what is fetched on purpose."""
    return any(
        part.strip().lower() == "type=cache"
        for each in step.line.flags
        if each.name == "mount"
        for part in (each.value or "").split(",")
    )


def _is_elsewhere(cleaning: Cleaning, step: Step, filling: Command) -> bool:
    """Whether the file says where the cache is to be."""
    if not cleaning.setting:
        return False
    script = step.script
    own = [name for each in script.commands for name in each.assignments] if script else []
    names = {each.lower() for each in (*step.state.env, *own)}
    flags = [each.text for each in filling.arguments if each.text.startswith("--cache")]
    return cleaning.setting in names or bool(flags)


def _amount(directories: tuple[str, ...], step: Step, evidence: Evidence, usual: int) -> Amount:
    """The bytes that a step left in some directories; what is usual there without an image."""
    places = tuple(f"{each[1:]}/" for each in directories)
    measured = evidence.shipped(step, lambda path: path.startswith(places))
    if measured.basis == "measured":
        return measured
    return estimated(usual) if usual else UNKNOWN


def _reason(cleaning: Cleaning, document: Document, step: Step, filling: Command) -> str:
    """Why a step is not edited; empty when it may be."""
    script = step.script
    if script is None or not ends_openly(script):
        return "nothing can be put behind its last command"
    if exits_early(step.state.shell) and not script.statements[-1].is_simple:
        return "its shell exits early, and would not inside what `&&` follows"
    if "{}" in cleaning.command and not _is_there(cleaning, script, filling):
        return f"{filling.name} may not be there when the step ends"
    return wanted(document, step, cleaning.use) if cleaning.use is not None else ""


def _is_there(cleaning: Cleaning, script: Script, filling: Command) -> bool:
    """Whether the program that filled the cache is found, with the same cache, in the end."""
    path = filling.words[0].value or ""
    if filling.around or filling.assignments or not always_runs(script, filling):
        return False
    if "/" in path and not path.startswith("/"):
        return False
    for each in script.commands:
        texts = [word.text for word in each.arguments]
        if each.name not in cleaning.managers and set(texts) & _REMOVES:
            return False
        if each.name in {"rm", "mv"} and any(set(_PARTS) & set(text.split("/")) for text in texts):
            return False
    return True


APT_LISTS = cleaning_rule(APT, "removes apt's package lists in the step that fetched them")
DNF_CACHE = cleaning_rule(DNF, "empties the cache of dnf or yum in the step that filled it")
NPM_CACHE = cleaning_rule(NPM, "empties npm's cache in the step that filled it")


def flag_edit(document: Document, step: Step, command: Command, word: str, flag: str) -> Edit:
    """`flag` right behind a word of a command."""
    at = next(each for each in command.words if each.value == word)
    return document.insert(step, at.end, f" {flag}")
