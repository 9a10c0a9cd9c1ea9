"""Two RUN instructions as one: when that means the same, and how it is written.  Pure.

Each RUN begins with a shell of its own, in WORKDIR, with the variables of ENV, and the second
begins only when the first came to 0.  `first && second` is the same when nothing of the first
shell reaches the second: not its directory, its variables, its options, its functions, or a
process that it left behind.  What would is put into a subshell, or the two stay two.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from lamina.dockerfile.spaces import SPACES
from lamina.rewrite.document import DEFAULT_SHELL, Document, Step
from lamina.rewrite.finding import Edit
from lamina.shell.script import Script

_LEAKS = {
    *("cd", "pushd", "popd", "export", "unset", "readonly", "declare", "typeset", "local"),
    *("umask", "ulimit", "alias", "unalias", "read", "getopts", "trap", "shopt", "exit", "return"),
    *(".", "source", "eval", "hash"),
}
"""Commands whose effect on the shell a subshell keeps to itself."""
_OPTIONS = {"set"}
_REPLACES = {"exec"}
_STARTERS = {"service", "systemctl", "nohup", "setsid", "daemon", "start-stop-daemon", "rc-service"}
"""Commands that leave a process behind: it ends with its RUN."""
_OWN_SHELL = {"subshell", "substitution"}


def join(document: Document, steps: Sequence[Step]) -> tuple[Edit, ...] | str:
    """The edits that make one RUN of several that follow each other; a reason when that could
    mean something else."""
    wraps: list[bool] = []
    for place, step in enumerate(steps):
        script, line = step.script, step.line.span.line
        is_last = place == len(steps) - 1
        if script is None:
            return f"line {line} is not a shell command that could be read"
        if reason := _obstacle(steps[0], step, script, is_last=is_last):
            return f"line {line} {reason}"
        wraps.append(_leaks(script) or (place > 0 and not script.is_chain))
        if not is_last and not _keeps_options(step, script, wrapped=wraps[-1]):
            return f"line {line} depends on -e of its SHELL"
    edits: list[Edit] = []
    if wraps[0]:
        at = document.place(steps[0], 0)
        edits.append(Edit(at, at, "( "))
    for place in range(1, len(steps)):
        closing = " )" if wraps[place - 1] else ""
        opening = "( " if wraps[place] else ""
        edits.append(_between(document, steps[place - 1], steps[place], closing, opening))
    if wraps[-1]:
        edits.append(document.insert(steps[-1], len(steps[-1].line.text), " )"))
    return tuple(edits)


def are_adjacent(first: Step, second: Step) -> bool:
    """Whether nothing but comments stands between two RUN instructions of one stage."""
    return (
        first.keyword == second.keyword == "RUN"
        and first.stage == second.stage
        and second.index == first.index + 1
    )


def ends_openly(script: Script) -> bool:
    """Whether `&& command` can be written behind a script, and comes last then."""
    if not script.statements or script.has_comment or script.has_heredoc:
        return False
    final = script.statements[-1]
    if final.connector != "":
        return False
    at_top = [each for each in script.commands if not set(each.around) & _OWN_SHELL]
    if any(each.name in {"exec", "exit", "return"} for each in at_top):
        return False
    # `set -e` does not hold inside a compound or a function that `&&` follows.
    sets = any(each.name in _OPTIONS for each in script.commands)
    return final.is_simple and not script.functions if sets else True


def _obstacle(first: Step, step: Step, script: Script, *, is_last: bool) -> str:
    """Why a step cannot be part of a longer one; empty when it can."""
    if _flags(first) != _flags(step):
        return "has other flags"
    if not script.statements or script.statements[-1].connector != "":
        return "does not end with a command"
    if script.has_comment or script.has_heredoc:
        return "has a comment or a document of the shell in it"
    if any(each.connector == "&" for each in script.statements) or _has_lone_ampersand(script):
        return "leaves a process in the background"
    if any(each.name in _STARTERS for each in script.commands):
        return "starts a service, which ends with its RUN"
    if is_last:
        return ""
    if any(each.name in _OPTIONS for each in script.commands):
        return "sets options of the shell, which `&&` would switch off"
    if any(each.name in _REPLACES for each in script.commands):
        return "replaces its shell"
    return ""


def _flags(step: Step) -> list[tuple[str, str | None]]:
    return sorted(((each.name, each.value) for each in step.line.flags), key=str)


def _has_lone_ampersand(script: Script) -> bool:
    """Whether something inside a compound goes to the background."""
    covered = [(each.start, each.end) for each in script.commands]
    for match in re.finditer(r"(?<![&>|<])&(?![&>])", script.text):
        if not any(start <= match.start() < end for start, end in covered):
            return True
    return False


def _leaks(script: Script) -> bool:
    """Whether a script changes its shell in a way that a next command would see."""
    if script.functions:
        return True
    for each in script.commands:
        if set(each.around) & _OWN_SHELL:
            continue
        if each.name in _LEAKS or (each.assignments and not each.words) or "loop" in each.around:
            return True
        if not each.name and each.words:
            return True  # a name that is known only as it runs may be any of them
    return False


def _keeps_options(step: Step, script: Script, *, wrapped: bool) -> bool:
    """Whether `-e` of a SHELL instruction acts in a script as before when `&&` follows it."""
    if step.state.shell == DEFAULT_SHELL or not _exits_early(step.state.shell):
        return True
    return not wrapped and script.is_chain and all(each.is_simple for each in script.statements)


def _exits_early(shell: Sequence[str]) -> bool:
    options = [each for each in shell[1:] if each.startswith("-") and not each.startswith("--")]
    return any("e" in each for each in options) or "errexit" in shell


def _between(document: Document, first: Step, second: Step, closing: str, opening: str) -> Edit:
    """What stands between two scripts as one line that continues another: comments stay."""
    start, end = first.end, document.place(second, 0)
    lines = [each.rstrip("\r") for each in document.text[start:end].split("\n")]
    kept = [each for each in lines[1:-1] if each.strip(SPACES)]
    rows = [f"{closing} {document.escape}", *kept, f"    && {opening}"]
    return Edit(start, end, document.newline.join(rows))
