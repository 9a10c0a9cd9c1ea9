"""What is installed before what changes often is copied: a change then installs nothing.  Pure.

Safe when the installer is seen to read nothing but the files that its words and their contents
name, and writes nowhere that the COPY behind it writes.  For that the files are looked at;
without them it is a suggestion.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import msgspec

from lamina.dockerfile.spaces import words as split_words
from lamina.rewrite.caches import verb
from lamina.rewrite.document import Document, Step
from lamina.rewrite.evidence import Evidence, Files
from lamina.rewrite.finding import Amount, Edit, Finding
from lamina.rewrite.rule import Rule
from lamina.shell.script import Command

_PLAIN_REQUIREMENT = re.compile(r"[A-Za-z0-9][\w.\-]*(\[[\w,.\-]+\])?\s*([=<>!~][^/\\]*)?(;.*)?")
_PIP_FLAGS = {
    *("-r", "--requirement", "--no-cache-dir", "-U", "--upgrade", "-q", "--quiet", "--no-deps"),
    *("--no-compile", "--disable-pip-version-check", "--no-input", "--require-hashes"),
    *("--break-system-packages", "--user", "--prefer-binary", "--root-user-action=ignore"),
}
_NPM_FLAGS = {"--omit=dev", "--production", "--only=production", "--no-audit", "--no-fund"}
_NPM_FLAGS |= {"--ignore-scripts", "--force"}
_QUIET_SETTINGS = {"PIP_NO_CACHE_DIR", "PIP_DISABLE_PIP_VERSION_CHECK", "PIP_NO_INPUT"}
_QUIET_SETTINGS |= {"PIP_DEFAULT_TIMEOUT", "PIP_ROOT_USER_ACTION", "PIP_PROGRESS_BAR"}
_NAME = re.compile(r"[A-Za-z0-9][\w.\-]*")
_ARCHIVES = (".whl", ".zip", ".tar", ".tgz", ".tbz", ".txz", ".tlz", ".gz", ".bz2", ".xz", ".lzma")
"""What pip takes for a file where one of that name is there."""
_CACHES = (
    "/root/.cache",
    "/root/.npm",
    "~/.cache",
    "~/.npm",
    "/var/cache/",
    "/var/lib/apt/",
)
_HOOKS = {"preinstall", "install", "postinstall", "preprepare", "prepare", "postprepare"}
_LOCKS = ("package-lock.json", "npm-shrinkwrap.json")


def _judge(document: Document, evidence: Evidence) -> Iterator[Finding]:
    for stage in document.stages:
        for copy, run in pairwise(stage.steps):
            if not _copies_all(copy) or run.keyword != "RUN" or run.script is None:
                continue
            needed = _needed(run, evidence.context)
            if needed is None:
                continue
            files, reason = needed
            reason = reason or _why_not(run, evidence.context)
            yield Finding(
                COPY_BEFORE_INSTALL.name,
                "suggestion" if reason else "edit",
                copy.line.span,
                f"a change of any file copied here installs all of line {run.line.span.line} again",
                Amount(0, "measured"),
                _edits(document, copy, run, files) if files else (),
                reason=reason,
                advice="copy what the installer reads, install, then copy the rest",
            )


def _copies_all(step: Step) -> bool:
    if step.keyword != "COPY" or step.line.heredocs or not step.state.cwd:
        return False
    if any(each.name not in {"chown", "link"} for each in step.line.flags):
        return False
    words = list(step.line.json or split_words(step.line.text))
    if len(words) != 2 or words[0] not in {".", "./"} or set(words[1]) & set("$\"'\\`"):
        return False
    return posixpath.normpath(posixpath.join(step.state.cwd, words[1])) == step.state.cwd


def _needed(run: Step, context: Files | None) -> tuple[list[str], str] | None:
    """The files that the one installer of a step reads, and why that is not all; None when it
    installs nothing, or does more than that."""
    script = run.script
    if script is None or not script.is_chain or run.has_mounts:
        return None
    commands = [each for each in script.commands if not _empties_caches(each)]
    if any(each.around for each in commands) or not commands:
        return None
    cleaning = [e for e in commands if e.name in {"npm", "pip", "pip3"} and verb(e) == "cache"]
    rest = [each for each in commands if each not in cleaning]
    if len(rest) != 1 or rest[0].assignments or rest[0].redirects:
        return None
    values = [each.value for each in rest[0].words]
    if None in values:
        return None
    words = [str(each) for each in values]
    if words[0] in {"pip", "pip3"} and words[1:2] == ["install"]:
        return _pip(words[2:], context)
    if words[0] == "npm" and words[1:2] in (["ci"], ["install"]):
        files, reason = _npm(words[2:], context) or ([], "")
        if reason == "" and words[1] == "install":
            reason = "npm install may write the package-lock.json that is copied behind it"
        return (files, reason) if files or reason else None
    return None


def _empties_caches(command: Command) -> bool:
    """Whether it is an `rm` that cannot meet what is copied."""
    return command.name == "rm" and all(
        word.text.startswith(("-", *_CACHES)) and ".." not in word.text and "$" not in word.text
        for word in command.arguments
    )


def _pip(words: list[str], context: Files | None) -> tuple[list[str], str] | None:
    asks = {"-r", "--requirement"}
    files = [word for flag, word in pairwise(words) if flag in asks]
    others = [word for word in words if word not in files]
    if not files or set(others) - _PIP_FLAGS or any(f.startswith(("/", "..")) for f in files):
        return None
    if not all(_NAME.fullmatch(each) for each in files):
        return None
    for name in files:
        data = context.read(name) if context is not None else None
        if data is None:
            return files, f"{name} cannot be looked at"
        for line in data.decode("utf-8", "replace").splitlines():
            text = line.split(" #")[0].strip()
            if not text or text.startswith("#"):
                continue
            if not _PLAIN_REQUIREMENT.fullmatch(text) or text.lower().endswith(_ARCHIVES):
                return files, f"{name} names more than packages: {text[:40]!r}"
    return files, ""


def _npm(words: list[str], context: Files | None) -> tuple[list[str], str] | None:
    if set(words) - _NPM_FLAGS:
        return None
    data = context.read("package.json") if context is not None else None
    if context is None or data is None:
        return [], "package.json cannot be looked at"
    files = ["package.json", *(each for each in _LOCKS if context.has(each))]
    try:
        found: Any = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return files, "package.json cannot be read"
    scripts = (found.get("scripts") or {}) if isinstance(found, dict) else None
    if not isinstance(scripts, dict):
        return files, "package.json cannot be read"
    if _HOOKS & scripts.keys() or "workspaces" in found:
        return files, "package.json runs something of its own when it is installed"
    told = data.decode("utf-8", "replace")
    if any(mark in told for mark in ('"file:', '"link:', '"./', '"../')) or context.has(".npmrc"):
        return files, "package.json names more than packages"
    if context.has("binding.gyp"):
        return files, "binding.gyp makes npm build the package itself"
    return files, "" if "--ignore-scripts" in words else _why_not_locked(context, files[1:])


def _why_not_locked(context: Files, locks: list[str]) -> str:
    """Why a package may read more of the project; empty when the lock tells that none does.

    A package's own script may: a client is generated from a schema that lies in the project.
    """
    for name in locks:
        try:
            lock: Any = msgspec.json.decode(context.read(name) or b"")
            packages = [dict(each) for each in lock["packages"].values()]
        except (msgspec.DecodeError, ValueError, KeyError, TypeError, AttributeError):
            return f"{name} does not tell which packages run scripts"
        for each in packages:
            if each.get("link") or str(each.get("resolved", "")).startswith("file:"):
                return f"{name} names more than packages"
            systems = each.get("os", ["linux"])
            if each.get("hasInstallScript") and "linux" in systems:
                return f"{name} has packages that run scripts, which may read any file"
    return "" if locks else "without a lock it is not known which packages run scripts"


def _why_not(run: Step, context: Files | None) -> str:
    """Why an installer may do more than its words say; empty when it does not."""
    settings = [each for each in run.state.env if each.lower().startswith(("pip_", "npm_config_"))]
    if loud := [each for each in settings if each not in _QUIET_SETTINGS]:
        return f"{loud[0]} changes what is installed, or where"
    if context is not None and context.has("node_modules"):
        return "the context has a node_modules that COPY would lay over it"
    return ""


def _edits(document: Document, copy: Step, run: Step, files: list[str]) -> tuple[Edit, ...]:
    flags = "".join(
        f" --{each.name}" + (f"={each.value}" if each.value is not None else "")
        for each in copy.line.flags
    )
    first = f"{copy.line.word}{flags} {' '.join(files)} ./"
    whole = document.text[copy.start : copy.end]
    return (
        Edit(copy.start, copy.end, first),
        Edit(run.end, run.end, f"{document.newline}{whole}"),
    )


COPY_BEFORE_INSTALL = Rule(
    "copy-before-install", "installs what an installer reads before the rest is copied", _judge
)
