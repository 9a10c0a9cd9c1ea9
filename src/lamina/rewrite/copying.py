"""COPY with an owner and a mode at once, in place of a RUN that changes them later.  Pure.

A changed owner or mode copies the whole file into the layer of the RUN.  Safe when the RUN
changes exactly what the COPY brought: nothing was at its target before, nothing came there in
between, and the owner exists already when the COPY is made.  What of that only a built image
can tell is a suggestion without one.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence

from lamina.dockerfile.spaces import words as split_words
from lamina.rewrite.document import QUIET, Document, Step
from lamina.rewrite.evidence import Evidence
from lamina.rewrite.finding import UNKNOWN, Amount, Edit, Finding
from lamina.rewrite.rule import Rule
from lamina.shell.script import Command, Script

_BETWEEN = QUIET | {"COPY", "ENV", "ARG", "WORKDIR", "USER"}
"""What may stand between the COPY and the RUN: nothing that changes files but a COPY."""
_FLAGS = {"from", "chown", "chmod", "exclude"}
"""Flags of COPY beside which a target is made as ever: --link and --parents make it otherwise."""
_RECURSIVE = {"-R", "--recursive"}
_OWNER = re.compile(r"[\w.-]+:[\w.-]+")
_OCTAL = re.compile(r"0?[0-7]{3,4}")
_ADDS_USER = {"useradd", "adduser"}
_ADDS_GROUP = {"groupadd", "addgroup"}
_GROUP_FLAGS = {"-g", "--gid", "-G", "--ingroup", "-N", "--no-user-group"}


def _chown(document: Document, evidence: Evidence) -> Iterator[Finding]:
    for step in document.shipped_steps:
        asked = _first(step, "chown")
        if asked is None:
            continue
        recursive, owner, target = asked
        copies = [each for each in _before(document, step, target) if _is_within(each, target)]
        plain = [each for each in copies if each.flag("chown") is None]
        if not recursive or not copies or plain != copies:
            continue
        reason = _why_not_owner(document, evidence, copies, step, owner, target)
        made = _made_by_workdir(document, copies[0], target)
        edits = _edits(document, step, copies, f"--chown={owner}", keep="-R" if made else "")
        if edits is None:
            reason = reason or "more hangs on the command"
        amount = _sum(evidence, copies, step)
        yield Finding(
            COPY_CHOWN.name,
            "suggestion" if reason else "edit",
            copies[0].line.span,
            f"line {step.line.span.line} changes the owner of what COPY brings, which copies it "
            "again",
            amount,
            edits or (),
            reason=reason,
            advice=f"write COPY --chown={owner}",
        )


def _chmod(document: Document, evidence: Evidence) -> Iterator[Finding]:
    for step in document.shipped_steps:
        asked = _first(step, "chmod")
        if asked is None:
            continue
        recursive, mode, target = asked
        copies = [each for each in _before(document, step, "") if _file(each) == target]
        if recursive or len(copies) != 1 or copies[0].flag("chmod") is not None:
            continue
        after = evidence.left(step, target)
        if after is not None:
            mode = f"{after.mode & 0o7777:04o}"
        # What setuid is in BuildKit's --chmod has changed over time.
        octal = _OCTAL.fullmatch(mode) is not None and int(mode, 8) <= 0o777
        edits = _edits(document, step, copies, f"--chmod={mode}", keep="") if octal else None
        reason = _why_not_mode(document, evidence, copies[0], step, target)
        if edits is None:
            reason = reason or "more hangs on the command"
        yield Finding(
            COPY_CHMOD.name,
            "suggestion" if reason else "edit",
            copies[0].line.span,
            f"line {step.line.span.line} changes the mode of what COPY brings, which copies it "
            "again",
            _sum(evidence, copies, step),
            edits or (),
            reason=reason,
            advice="write COPY --chmod with the mode in figures",
        )


def _why_not_mode(
    document: Document, evidence: Evidence, copy: Step, step: Step, target: str
) -> str:
    """Why a COPY cannot have the mode; empty when it can."""
    left = evidence.left(copy, target)
    if left is None or left.kind.name != "FILE":
        return "without the image it is not known to be one file"
    if {each.name for each in copy.line.flags} - _FLAGS:
        return f"line {copy.line.span.line} has flags that make its target otherwise"
    if not evidence.found_below(copy, posixpath.dirname(target)):
        return f"COPY makes {posixpath.dirname(target)} too"
    for each in _before(document, step, ""):
        if each.index > copy.index and evidence.left(each, target) is not None:
            return f"line {each.line.span.line} brings it again"
    return ""


def _first(step: Step, name: str) -> tuple[bool, str, str] | None:
    """Whether it is recursive, the owner or mode, and the one absolute path of the chown or
    chmod that a RUN begins with; None when it begins otherwise."""
    script = step.script if not step.has_mounts else None
    if script is None or not script.is_chain or not script.commands:
        return None
    command, top = script.commands[0], script.statements[0]
    if command.name != name or (command.start, command.end) != (top.start, top.end):
        return None
    values = [each.value for each in command.arguments]
    flags = [each for each in values if each and each.startswith("-")]
    rest = [each for each in values if each is None or not each.startswith("-")]
    if None in rest or len(rest) != 2 or set(flags) - _RECURSIVE or command.redirects:
        return None
    owner, path = str(rest[0]), str(rest[1])
    if not path.startswith("/") and not step.state.cwd:
        return None
    if name == "chown" and not _OWNER.fullmatch(owner):
        return None
    return bool(flags), owner, posixpath.normpath(posixpath.join(step.state.cwd, path))


def _before(document: Document, step: Step, target: str) -> list[Step]:
    """The COPYs since the last step that may have changed files otherwise, or may have brought
    something to a target from above."""
    found: list[Step] = []
    for each in reversed([e for e in document.stages[step.stage].steps if e.index < step.index]):
        if each.keyword not in _BETWEEN or (target and _may_reach(each, target)):
            break
        if each.keyword == "COPY":
            found.insert(0, each)
    return found


def _may_reach(step: Step, target: str) -> bool:
    """Whether a COPY may bring something to a target and not by its name."""
    if step.keyword != "COPY":
        return False
    found = _destination(step)
    return found is None or (found[1] != target and target.startswith(found[1].rstrip("/") + "/"))


def _destination(step: Step) -> tuple[list[str], str, bool] | None:
    """Sources, absolute target and whether that is a directory; None when not known."""
    line = step.line
    found = list(line.json) if line.json is not None else list(split_words(line.text))
    if line.heredocs or len(found) < 2 or set("".join(found)) & set("$\"'\\`"):
        return None
    *sources, target = found
    if not target.startswith("/") and not step.state.cwd:
        return None
    directory = target.endswith("/") or target in {".", ".."} or len(sources) > 1
    return sources, posixpath.normpath(posixpath.join(step.state.cwd, target)), directory


def _is_within(step: Step, directory: str) -> bool:
    found = _destination(step)
    return found is not None and (
        found[1] == directory or found[1].startswith(directory.rstrip("/") + "/")
    )


def _file(step: Step) -> str:
    """The path that a COPY of one source makes if that is a file."""
    found = _destination(step)
    if found is None or len(found[0]) != 1 or set(found[0][0]) & set("*?["):
        return ""
    source, target, directory = found[0][0], found[1], found[2]
    return posixpath.join(target, posixpath.basename(source)) if directory else target


def _made_by_workdir(document: Document, step: Step, target: str) -> Step | None:
    """The WORKDIR that made the target before the COPY."""
    for each in document.shipped_steps:
        if each.index >= step.index:
            break
        if each.keyword == "WORKDIR" and _workdir(each) == target:
            return each
    return None


def _workdir(step: Step) -> str:
    """The directory of a WORKDIR; empty when it is not known."""
    if set(step.line.text) & set("$\\`'\""):
        return ""
    return posixpath.normpath(posixpath.join(step.state.cwd or "/", step.line.text))


def _why_not_owner(
    document: Document,
    evidence: Evidence,
    copies: Sequence[Step],
    step: Step,
    owner: str,
    target: str,
) -> str:
    """Why the COPYs cannot have the owner; empty when they can."""
    user, _, group = owner.partition(":")
    first = copies[0]
    if not _exists(document, evidence, first, user, "etc/passwd"):
        return f"the user {user} is not known to exist at line {first.number}"
    if not _exists(document, evidence, first, group, "etc/group"):
        return f"the group {group} is not known to exist at line {first.number}"
    for each in copies:
        if {flag.name for flag in each.line.flags} - _FLAGS:
            return f"line {each.number} has flags that make its target otherwise"
    for each in document.shipped_steps:
        if each.keyword == "WORKDIR" and each.index < step.index and _is_inside(each, target):
            return f"line {each.number} makes a directory in {target}"
    return _what_is_there(document, evidence, first, target)


def _is_inside(step: Step, target: str) -> bool:
    made = _workdir(step)
    return not made or made.startswith(target.rstrip("/") + "/")


def _what_is_there(document: Document, evidence: Evidence, first: Step, target: str) -> str:
    """Why something may be at a target before the first COPY; empty when nothing is."""
    made = _made_by_workdir(document, first, target)
    there = (
        evidence.found_below(first, target)
        if made is None
        else _any(evidence.found_below(made, target), evidence.found_inside(first, target))
    )
    if there is None:
        for each in document.shipped_steps:
            if each.index >= first.index:
                break
            if (
                each.keyword in {"RUN", "ADD"}
                or _may_reach(each, target)
                or (each.keyword == "COPY" and _is_within(each, target))
            ):
                return f"line {each.number} may have put something into {target}"
        if document.stages[first.stage].head.words()[0] != "scratch":
            return f"without the image it is not known whether its base has {target}"
    if there:
        return f"{target} has something in it already"
    parent = posixpath.dirname(target)
    if made is None and parent != "/" and not evidence.found_below(first, parent):
        return f"COPY would make {parent} with that owner too"
    return ""


def _any(one: bool | None, other: bool | None) -> bool | None:
    return None if one is None or other is None else one or other


def _exists(document: Document, evidence: Evidence, step: Step, name: str, table: str) -> bool:
    """Whether a user or group exists before a step."""
    if name.isdecimal() or name == "root":
        return True
    text = evidence.text_below(step, table)
    if text is not None:
        return any(line.split(":")[0] == name for line in text.splitlines())
    adding = _ADDS_USER if table == "etc/passwd" else _ADDS_USER | _ADDS_GROUP
    for each in document.shipped_steps:
        if each.index >= step.index:
            break
        if each.script is not None and any(
            _adds(c, name, adding, table) for c in _sure(each.script)
        ):
            return True
    return False


def _sure(script: Script) -> list[Command]:
    """Commands that were carried out when the RUN came to its end."""
    return [each for each in script.commands if not each.around] if script.is_chain else []


def _adds(command: Command, name: str, adding: set[str], table: str) -> bool:
    values = {each.value for each in command.arguments}
    if command.name not in adding or name not in values:
        return False
    # A user has a group of its own name when nobody says another.
    return command.name in _ADDS_GROUP or table == "etc/passwd" or not values & _GROUP_FLAGS


def _edits(
    document: Document, step: Step, copies: Sequence[Step], flag: str, *, keep: str
) -> tuple[Edit, ...] | None:
    """The flag for each COPY, and the RUN without its first command; with `keep`, the flag of
    that name alone is taken from it.  None when that cannot be written."""
    edits = []
    for each in copies:
        at = each.start + len(each.line.word)
        edits.append(Edit(at, at, f" {flag}"))
    script = step.script
    assert script is not None, "its first command was read"
    if keep:
        word = next(each for each in script.commands[0].arguments if each.value in _RECURSIVE)
        start = document.place(step, word.start)
        # The blank before it goes too; when it begins a line of its own, that line's stay.
        start -= document.text[start - 1] == " "
        return (*edits, Edit(start, document.behind(step, word.end), ""))
    if len(script.statements) == 1:
        return (*edits, _whole_line(document, step))
    start = document.place(step, 0)
    end = document.place(step, script.statements[1].start)
    if "#" in document.text[start:end]:
        return None
    return (*edits, Edit(start, end, ""))


def _whole_line(document: Document, step: Step) -> Edit:
    """An instruction with the end of its line, or with that before it at the end of the file."""
    text = document.text
    start = text.rfind("\n", 0, step.start) + 1
    end = text.find("\n", step.end)
    if end < 0:
        return Edit(max(start - len(document.newline), 0), len(text), "")
    return Edit(start, end + 1, "")


def _sum(evidence: Evidence, copies: Sequence[Step], step: Step) -> Amount:
    hidden = [evidence.hidden(each, step) for each in copies]
    if None in hidden:
        return UNKNOWN
    return Amount(sum(each or 0 for each in hidden), "measured")


COPY_CHOWN = Rule("copy-chown", "gives COPY the owner that a later RUN sets", _chown)
COPY_CHMOD = Rule("copy-chmod", "gives COPY the mode that a later RUN sets", _chmod)
