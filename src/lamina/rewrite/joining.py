"""Two RUN instructions as one: when that means the same, and how it is written.  Pure.

Each RUN begins with a shell of its own, in WORKDIR, with the variables of ENV, and the second
begins only when the first came to 0.  `first && second` is the same when nothing of the first
shell reaches the second: not its directory, its variables, its options, its functions, or a
process that it left behind.  What would is put into a subshell, or the two stay two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lamina.dockerfile.spaces import SPACES
from lamina.rewrite.document import DEFAULT_SHELL, Document, Step
from lamina.rewrite.finding import Edit
from lamina.rewrite.paths import SOMEWHERE, covers, removed
from lamina.shell.script import Command, Script

_LEAKS = {
    *("cd", "pushd", "popd", "export", "unset", "readonly", "declare", "typeset", "local"),
    *("umask", "ulimit", "alias", "unalias", "read", "getopts", "trap", "shopt", "exit", "return"),
    *(".", "source", "eval", "hash", "let", "mapfile", "readarray", "enable"),
}
"""Commands whose effect on the shell a subshell keeps to itself."""
_OPTIONS = {"set"}
_REPLACES = {"exec"}
_STARTERS = {
    *("service", "systemctl", "nohup", "setsid", "daemon", "start-stop-daemon", "rc-service"),
    *("coproc", "pg_ctl", "pg_ctlcluster", "mysqld_safe", "apachectl", "apache2ctl", "nginx"),
}
"""Commands that leave a process behind: it ends with its RUN."""
_DAEMON_FLAGS = {"--daemonize", "--daemon", "--fork", "--background"}
_WRAPPERS = {"command", "builtin", "sudo", "env", "nice", "time"}
"""Commands whose first word that is no option is the command that they run."""
_LOOKS = {"-v", "-V"}
_ANEW = ("type=tmpfs", "rw", "readwrite", "rw=true", "readwrite=true")
"""What a mount says that is another one, or empty again, in each RUN."""
_NOT_IN_LAYERS = ("dev/shm", "etc/hosts", "etc/resolv.conf", "etc/hostname")
"""Files that each RUN finds as they were, whatever the RUN before it wrote there."""
_OWN_SHELL = {"subshell", "substitution"}


def join(document: Document, steps: Sequence[Step]) -> tuple[Edit, ...] | str:
    """The edits that make one RUN of several that follow each other; a reason when that could
    mean something else."""
    wraps: list[bool] = []
    for place, step in enumerate(steps):
        script, line = step.script, step.number
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
    if script.has_background:
        return "leaves a process in the background"
    if any(_starts(each) for each in script.commands):
        return "starts a service, which ends with its RUN"
    if any(each in script.text for each in _NOT_IN_LAYERS):
        return "has to do with a file that no layer keeps"
    if any(set(_words_of_mount(each.value)) & set(_ANEW) for each in step.line.flags):
        return "has a mount that is another one in each RUN"
    if is_last:
        return ""
    names = {name for each in script.commands for name in _called(each)}
    if names & _OPTIONS:
        return "sets options of the shell, which `&&` would switch off"
    if names & _REPLACES:
        return "replaces its shell"
    if _loses_directory(step, script):
        return "takes away the directory that the next one begins in"
    return ""


def _called(command: Command) -> Iterator[str]:
    """The name of a command, and of the one that it runs if it is a wrapper."""
    yield command.name
    if command.name in _WRAPPERS and not {each.text for each in command.words} & _LOOKS:
        for word in command.arguments:
            if word.value is None:
                break
            if not word.value.startswith("-") and "=" not in word.value:
                yield word.value.rpartition("/")[2]
                break


def _starts(command: Command) -> bool:
    values = [each.value or "" for each in command.words]
    is_script = any(each.startswith("/etc/init.d/") for each in values[:2])
    return is_script or bool(set(_called(command)) & _STARTERS or set(values) & _DAEMON_FLAGS)


def _words_of_mount(value: str | None) -> list[str]:
    return [each.strip().lower() for each in (value or "").split(",")]


def _loses_directory(step: Step, script: Script) -> bool:
    """Whether a script may remove or move WORKDIR, which RUN makes again."""
    cwd = step.state.cwd
    moved = [word.value for each in script.named("mv") for word in each.arguments if word.value]
    if any(set(each.split("/")) & {".", ".."} and not each.strip("./") for each in moved):
        return True
    gone = [*removed(script, cwd), *(each.rstrip("/") for each in moved if each.startswith("/"))]
    return any(covers(each, cwd or SOMEWHERE) for each in gone)


def _flags(step: Step) -> list[tuple[str, str | None]]:
    return sorted(((each.name, each.value) for each in step.line.flags), key=str)


def _leaks(script: Script) -> bool:
    """Whether a script changes its shell in a way that a next command would see."""
    if script.functions or script.sets_by_expansion:
        return True
    for each in script.commands:
        if set(each.around) & _OWN_SHELL:
            continue
        if set(_called(each)) & _LEAKS or _prints_into_variable(each):
            return True
        if (each.assignments and not each.words) or "loop" in each.around:
            return True
        if not each.name and each.words:
            return True  # a name that is known only as it runs may be any of them
    return False


def _prints_into_variable(command: Command) -> bool:
    return command.name == "printf" and any(each.text.startswith("-v") for each in command.words)


def _keeps_options(step: Step, script: Script, *, wrapped: bool) -> bool:
    """Whether `-e` of a SHELL instruction acts in a script as before when `&&` follows it."""
    if step.state.shell == DEFAULT_SHELL or not exits_early(step.state.shell):
        return True
    return not wrapped and script.is_chain and all(each.is_simple for each in script.statements)


def exits_early(shell: Sequence[str]) -> bool:
    """Whether a SHELL instruction sets -e."""
    options = [each for each in shell[1:] if each.startswith("-") and not each.startswith("--")]
    return any("e" in each for each in options) or "errexit" in shell


def _between(document: Document, first: Step, second: Step, closing: str, opening: str) -> Edit:
    """What stands between two scripts as one line that continues another: comments stay."""
    # Flags may stand on lines of their own before the script: they go with the keyword.
    between = document.text[first.end : second.start].split("\n")[1:-1]
    kept = [each for each in (line.rstrip("\r") for line in between) if each.strip(SPACES)]
    rows = [f"{closing} {document.escape}", *kept, f"    && {opening}"]
    return Edit(first.end, document.place(second, 0), document.newline.join(rows))
