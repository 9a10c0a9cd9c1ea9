"""Build tools in a stage of their own, where the image uses their result alone.  Pure.

Safe in one shape: a file of one stage that installs nothing but compilers, copies nothing but
source files of C that neither start a program nor read a file, makes one program with no library
but the C library of the same base, and starts that program.  In any other it is a suggestion:
what else an image's users do with it only they know.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence

from lamina.dockerfile.spaces import words as split_words
from lamina.rewrite.caches import verb
from lamina.rewrite.document import QUIET, Document, Step
from lamina.rewrite.evidence import Evidence
from lamina.rewrite.finding import Edit, Finding
from lamina.rewrite.rule import Rule

_TOOLS = {
    *("gcc", "g++", "make", "cmake", "build-essential", "libc6-dev", "musl-dev", "clang", "tcc"),
    *("binutils", "build-base", "golang", "golang-go", "cargo", "rustc", "ninja-build"),
}
_COMPILERS = {"gcc", "cc", "tcc", "clang"}
_FLAGS = re.compile(
    r"-(O[0-3sgz]?|g[0-3]?|W(all|extra|error|pedantic|no-[\w-]+)|pedantic|std=[\w+]+|[DIU][\w=./\-]+"
    r"|s|pipe|static|f(PIC|PIE|pic|pie|no-pie|stack-protector(-strong|-all)?)|pie|no-pie)"
)
"""Flags of a compiler that add nothing to what a program needs as it runs."""
_REACHES = re.compile(
    r"system|popen|exec|spawn|fork|dlopen|dlsym|open|stat|access|readdir|scandir|glob|syscall"
    r"|asm|#\s*include\s*[<\"][./]|iconv|locale|gettext|getpw|getgr|getaddrinfo|gethost|mmap"
)
"""Words in a source by which it may start programs or read files."""
_MANAGERS = {"apt-get", "apt", "apk"}
_C_LIBRARY = {"-lm", "-lpthread", "-lc", "-ldl", "-lrt"}
_SOURCES = (".c", ".h")
_CACHES = ("/var/lib/apt/lists", "/var/cache")
"""Other rules count these."""
_STAGE = "build"
_KEPT = QUIET | {"ENV", "WORKDIR", "USER", "VOLUME", "ARG", "SHELL"}
"""Instructions that the second stage takes over."""


def _judge(document: Document, evidence: Evidence) -> Iterator[Finding]:
    stage = document.stages[-1] if document.stages else None
    if stage is None or stage.base is not None:
        return
    installing = [each for each in stage.steps if _tools(each)]
    if not installing:
        return
    first = installing[0]
    if any(_removes_tools(each) for each in stage.steps):
        return
    edits = _split(document, stage.steps, evidence)
    amount = evidence.shipped(first, lambda path: not f"/{path}".startswith(_CACHES))
    tools = ", ".join(sorted(_tools(first)))
    if isinstance(edits, str):
        yield Finding(
            BUILD_STAGE.name,
            "suggestion",
            first.line.span,
            f"{tools} ship with what they make",
            amount,
            reason=edits,
            advice="build in a stage of its own, and COPY --from it what is used",
        )
    else:
        yield Finding(
            BUILD_STAGE.name,
            "edit",
            first.line.span,
            f"{tools} ship with the one program that they make and that the image starts",
            amount,
            edits,
        )


def _tools(step: Step) -> set[str]:
    """The build tools that a step installs."""
    return {
        str(word.value)
        for each in step.commands(*_MANAGERS)
        if verb(each) in {"install", "add"}
        for word in each.arguments
        if word.value in _TOOLS
    }


def _removes_tools(step: Step) -> bool:
    return any(
        verb(each) in {"purge", "remove", "autoremove", "del"} for each in step.commands(*_MANAGERS)
    )


def _split(document: Document, steps: Sequence[Step], evidence: Evidence) -> tuple[Edit, ...] | str:
    """The edits that part a stage in two; a reason when that could be missed."""
    if len(document.stages) != 1:
        return "there are stages already"
    runs = [each for each in steps if each.keyword == "RUN"]
    result = _result(runs[-1])
    if not result:
        return "the last RUN is not one compiler that makes one program"
    for each in runs[:-1]:
        if not _only_installs(each):
            return f"line {each.line.span.line} does more than install build tools"
    for each in steps:
        if each.keyword == "COPY" and not _brings_sources(each):
            return f"line {each.line.span.line} copies more than source files of C"
        if each.keyword not in _KEPT | {"RUN", "COPY"}:
            return f"line {each.line.span.line} is {each.keyword}"
        if each.keyword == "USER" and each.index < runs[-1].index:
            return f"line {each.line.span.line} sets who builds"
        if each.keyword == "COPY" and each.index > runs[-1].index:
            return f"line {each.line.span.line} copies after the build"
        if each.keyword == "HEALTHCHECK" and each.line.text.split()[:1] != ["NONE"]:
            return f"line {each.line.span.line} runs something in the container"
    starting = [each for each in steps if each.keyword in {"CMD", "ENTRYPOINT"}]
    program = [each.line.json for each in starting]
    if not program or program[0] is None or program[0][:1] != (result,) or len(program) != 1:
        return f"the image does not start {result}, and nothing else"
    if any("/" in word for word in program[0][1:]):
        return "the program is given a path"
    if reason := _reaches(steps, evidence):
        return reason
    return _parting(document, steps, runs[-1], result)


def _result(step: Step) -> str:
    """The absolute path of the program that a step compiles; empty when it does not just that."""
    script = step.script
    if script is None or len(script.commands) != 1 or step.has_mounts or step.line.flags:
        return ""
    command = script.commands[0]
    values = [each.value for each in command.words]
    if command.name not in _COMPILERS or command.around or command.assignments or None in values:
        return ""
    words = [str(each) for each in values]
    if not _plain(words[1:]) or command.redirects or "-o" not in words[:-1]:
        return ""
    target = words[words.index("-o") + 1]
    if not target.startswith("/") and not step.state.cwd:
        return ""
    return posixpath.normpath(posixpath.join(step.state.cwd, target))


def _plain(words: Sequence[str]) -> bool:
    """Whether a compiler makes a program that needs nothing but the C library."""
    return all(
        each == "-o"
        or each in _C_LIBRARY
        or not each.startswith(("-", "@"))
        or _FLAGS.fullmatch(each)
        for each in words
    )


def _reaches(steps: Sequence[Step], evidence: Evidence) -> str:
    """Why the program may start others or read files; empty when its sources show that it does
    not: then no tool, and nothing that was copied, is missed."""
    for step in steps:
        if step.keyword != "COPY":
            continue
        for name in list(step.line.json or split_words(step.line.text))[:-1]:
            data = evidence.context.read(posixpath.normpath(name)) if evidence.context else None
            if data is None:
                return f"{name} cannot be looked at"
            if found := _REACHES.search(data.decode("utf-8", "replace")):
                return f"{name} may start programs or read files ({found[0]})"
    return ""


def _only_installs(step: Step) -> bool:
    if step.script is None or step.line.flags:
        return False
    for each in step.script.commands:
        if each.name == "rm" and all(
            word.text.startswith(("-", *_CACHES)) for word in each.arguments
        ):
            continue
        if each.name not in _MANAGERS or each.around:
            return False
        packages = [
            word.value
            for word in each.arguments
            if word.value is None or not word.value.startswith("-")
        ][1:]
        if verb(each) in {"install", "add"} and set(packages) - _TOOLS:
            return False
        if verb(each) not in {"install", "add", "update", "clean"}:
            return False
    return True


def _brings_sources(step: Step) -> bool:
    words = list(step.line.json or split_words(step.line.text))
    return not step.line.heredocs and all(each.endswith(_SOURCES) for each in words[:-1])


def _parting(
    document: Document, steps: Sequence[Step], last: Step, result: str
) -> tuple[Edit, ...] | str:
    head = document.stages[0].head
    words = head.words()
    if len(words) != 1:
        return "the stage has a name"
    row = document.dockerfile.source.lines[head.span.line - 1]
    end = document.offset(head.span.line, len(row.rstrip()) + 1)
    if head.span.last_line not in {0, head.span.line}:
        return "its FROM has several lines"
    newline = document.newline
    kept = [
        document.text[each.start : each.end]
        for each in steps
        if each.index < last.index and each.keyword in _KEPT
    ]
    copied = f"COPY --from={_STAGE} {result} {result}"
    rows = ["", "", row.strip(), *kept, copied]
    return (
        Edit(end, end, f" AS {_STAGE}"),
        Edit(last.end, last.end, newline.join(rows)),
    )


BUILD_STAGE = Rule(
    "build-stage",
    "builds in a stage of its own, of which the image takes the result",
    _judge,
    ("**",),
)
