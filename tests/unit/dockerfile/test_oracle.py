"""Every text is accepted or refused, and split, as BuildKit's own parser does it.

The parser is that of the package `dockerfile` from PyPI: BuildKit's Go code, as it was in
2023.  Where Lamina reads a text otherwise, OTHERWISE says so, and why.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lamina.dockerfile.instruction import KEYWORDS, Dockerfile, Instruction
from lamina.dockerfile.parse import parse, parse_line
from lamina.dockerfile.source import DockerfileError
from lamina.dockerfile.words import name_values, quoted_words

oracle = pytest.importorskip("dockerfile", reason="needs the package dockerfile from PyPI")

GOLDEN = Path(__file__).parents[2] / "golden" / "dockerfile"
TEXTS = {
    path.parent.name: path.read_bytes().decode() for path in sorted(GOLDEN.glob("*/Dockerfile"))
}

OTHERWISE: dict[str, tuple[str, Callable[[str], bool]]] = {
    "check directive": (
        "the older parser does not know it, so it ends the directives",
        lambda text: re.search(r"#\s*check\s*=", text, re.IGNORECASE) is not None,
    ),
    "text behind a JSON array": (
        "the older parser ignored it; now the whole is the shell form",
        lambda text: re.search(r"\[.*\][^\]\n]*[^ \t\r\n]", text) is not None,
    ),
    "escape in a flag": (
        "the older parser took the backslash whatever the file's escape is",
        lambda text: "`" in text and re.search(r"--\S*[\\`]", text) is not None,
    ),
    "bytes of a flag": (
        "the older parser read flags byte by byte, and broke what is not ASCII",
        lambda text: re.search(r"--.*[^\x00-\x7f]", text) is not None,
    ),
    "bytes of HEALTHCHECK": (
        "BuildKit looks for blanks in its first word byte by byte, and breaks what is not ASCII",
        lambda text: re.search(r"HEALTHCHECK[^\n]*[^\x00-\x7f]", text, re.I) is not None,
    ),
    "escape that ends a trigger": (
        "here a trigger is read again as it is kept, and there its last escape continues it",
        lambda text: re.search(r"ONBUILD.*\\[ \t]+\\", text, re.I | re.S) is not None,
    ),
    "blanks of a directive": (
        "the older parser took fewer characters for blanks before a directive's name",
        lambda text: re.search(r"#[^\S\t\n\f\r ]+\w", text) is not None,
    ),
}
EXAMPLES = {
    "check directive": "# check=skip=all\n# escape=`\nFROM a\nRUN x `\n y",
    "text behind a JSON array": 'FROM a\nRUN ["a"] x',
    "escape in a flag": "# escape=`\nFROM a\nRUN --x=a\\b c",
    "bytes of a flag": "FROM a\nRUN --x=é c",
    "bytes of HEALTHCHECK": "FROM a\nHEALTHCHECK à",
    "escape that ends a trigger": "FROM a\nONBUILD RUN \\ \\\n",
    "blanks of a directive": "#\vescape=`\nFROM a\nRUN a`\n b",
}

Split = tuple[Any, ...]


def mine(text: str) -> list[Split] | None:
    """What Lamina makes of a text; None when it refuses it."""
    try:
        found = parse(text)
        return [split(found, each) for each in found.instructions]
    except DockerfileError:
        return None


def split(found: Dockerfile, line: Instruction) -> Split:
    flags = tuple(
        f"--{flag.name}" + ("" if flag.value is None else f"={flag.value}") for flag in line.flags
    )
    inner, kept = line, None
    if line.keyword == "ONBUILD":
        kept = line.text + "".join(f"\n{doc.content}{doc.name}" for doc in line.heredocs)
        inner = parse_line(found.source, kept, line.span, found.escape)
        if inner.keyword == "ONBUILD":
            raise DockerfileError(found.source, line.span, "the planner refuses it")
    return (
        line.keyword,
        inner.keyword if kept is not None else None,
        inner.json is not None,
        line.original,
        line.offsets[0][1],
        line.span.last_line,
        flags,
        values(found, inner),
        tuple((doc.name, doc.content) for doc in line.heredocs) if kept is None else (),
    )


def values(found: Dockerfile, line: Instruction) -> tuple[str, ...]:
    """The arguments as BuildKit's parser splits them."""
    if line.keyword in ("ENV", "LABEL"):
        pairs = name_values(found.source, line, found.escape)
        return tuple(text for pair in pairs for text in pair)
    if line.keyword == "HEALTHCHECK":
        kind, *rest = re.split(r"[\t\v\f\r ]+", line.text, maxsplit=1)
        return (kind, *(line.json if line.json is not None else rest))
    if line.json is not None:
        return line.json
    if line.keyword in ("ADD", "COPY", "EXPOSE", "FROM", "VOLUME"):
        return line.words()
    if line.keyword == "ARG":
        return tuple(quoted_words(line.text, found.escape))
    return (line.text,) if line.text else ()


def theirs(text: str) -> list[Split] | None:
    """What BuildKit makes of it; None when its parser, or the step behind it, refuses it."""
    try:
        found = oracle.parse_string(text)
    except oracle.GoParseError:
        return None
    if any(refused_later(each) for each in found):
        return None
    return [
        (
            each.cmd.upper(),
            each.sub_cmd.upper() if each.sub_cmd else None,
            each.json,
            each.original.split("\n")[0],
            each.start_line,
            each.end_line,
            each.flags,
            each.value,
            tuple((doc.name, doc.content) for doc in each.heredocs),
        )
        for each in found
    ]


def refused_later(each: Any) -> bool:
    """What BuildKit's parser lets through, and its next step does not."""
    keyword = (each.sub_cmd or each.cmd or "").upper()
    if keyword not in KEYWORDS or (each.sub_cmd and keyword == "ONBUILD"):
        return True
    if keyword in ("RUN", "CMD", "ENTRYPOINT"):
        return False
    if keyword in ("ENV", "LABEL") and "" in each.value[::2]:
        return True
    # `[]` is an array, and a planner's matter.
    return not each.json and each.value in ((), ("",))


def is_exempt(text: str) -> bool:
    return any(applies(text) for _, applies in OTHERWISE.values())


@pytest.mark.parametrize("case", sorted(TEXTS))
def test_golden_texts(case: str) -> None:
    if not is_exempt(TEXTS[case]):
        assert mine(TEXTS[case]) == theirs(TEXTS[case])
    assert mine(TEXTS[case]) is not None


@pytest.mark.parametrize("name", OTHERWISE)
def test_what_is_read_otherwise(name: str) -> None:
    """When this fails, BuildKit's parser has caught up: the row can go."""
    assert OTHERWISE[name][1](EXAMPLES[name])
    try:
        assert mine(EXAMPLES[name]) != theirs(EXAMPLES[name])
    except UnicodeDecodeError:
        pass  # the package cannot give back what the parser has broken


# fmt: off
ARGUMENTS = [
    "", " ", "\t", "a", "a b", " a  b ", "a\tb", "a\\ b", "a=b", "a=b c=d", "a = b", "=", "=a",
    "a=", "a b=c", "'a b'", '"a b"', "'a", 'a"', 'a="b c" d', "a=\\", "a='b\\' c", 'a="b\\" c" d',
    "a\\", '["a"]', '["a", "b"]', '[ "a" ]', "[]", '["a"', "['a']", '["a",]', "[1]", '["a", 1]',
    "[null]", '["\\u00e9"]', '["\\ud800"]', '["\\ud83d\\ude00"]', '["\\x"]', '["a\\n"]', "[[]]",
    '{"a": 1}', "--a b", "--a=b c", "--a", "--a=b", "--a='b c' d", '--a="b" c', "--a= b", "-- a",
    "--", "-a b", "--a=\\b c", "--a --b=c d", "--A=b c", "a --b", "a # b", "# b", "a\\\nb",
    "a \\\n  b", "a \\ \n b", "\\\na", "a \\\n\n b", "a \\\n # c\n b", "a \\\\\nb", "a\\\n",
    "a \\\n\\\nb", "a\\\n# c", "\xa0a", "a\xa0b", "a\r", "a\x0bb", "a\x0cb", "a\x1cb", "a\x85b",
    "a\u2003b", "é", "\ta", "a \n\n\nFROM b", "<<E\nx\nE", "<<E b\nx\nE", "b <<E\nx\nE",
    "<<-E b\n\tx\n\tE", "<<'E' b\n$x\nE", '<<"E F" b\nE F', "<<E <<F b\nx\nE\ny\nF", "<<E b\nx",
    "<<E", "<< E b", "<<E<<F b", "3<<E b\nE", "x<<E b", "<<E b\nE ", "<<E b\r\nx\r\nE\r\n",
    "<<\\E b\nE", "<<E\\F b\nEF", "<<E'F' b\nEF", "<<'' b", "<<- b", "<<-E b\n E\nE", "'<<E' b",
    '"<<E"', "a \\\n <<E b\nx\nE", "<<$E b\n$E", "<<${E} b\n${E}", "<<E 'b\nE", "<<E # b\nE",
    "CMD a", "CMD", "NONE", "NONE a", 'CMD ["a"]', "CMD  [1]", "RUN a", 'run ["a"]', "env a",
    "copy a", "COPY <<E b\nx\nE", "RUN --a=b c", "FOO a", "ONBUILD RUN a", "a as b", "a AS b c",
    "80/tcp 90-91",
]
# fmt: on


@pytest.mark.parametrize("keyword", KEYWORDS)
def test_every_instruction_with_odd_arguments(keyword: str) -> None:
    for shown in (keyword, keyword.lower(), keyword.capitalize()):
        for text in (f"FROM x\n{shown} {each}\n" for each in ARGUMENTS):
            if not is_exempt(text):
                assert mine(text) == theirs(text), text


# fmt: off
TOPS = [
    "", "\ufeff", "# c\n", "#\n", "\n", "  \n", "# syntax=a\n", "#escape=`\n", "# escape = ` \n",
    "# ESCAPE=\\\n", " # escape=`\n", "# escape=x\n", "# escape=\n", "# syntax=a\n# escape=`\n",
    "# c\n# escape=`\n", "\n# escape=`\n", "# escape=`\n# escape=`\n", "# unknown=a\n# escape=`\n",
    "#!x\n# escape=`\n", "// escape=`\n", "# syntax=a\n# syntax=b\n", "\ufeff# escape=`\n", "\\\n",
    "# escape=`\r\n", "#\tescape=`\n", "#escape=`extra\n", "# escape=\\\\\n",
    "ARG x\n# escape=`\n",
]
# fmt: on
# fmt: off
BODIES = [
    "", "FROM a", "FROM a\nRUN b `\n c", "FROM a\nRUN b \\\n c", "FROM a\nENV a=`b c",
    "from a\nrUn b", "FROM a\nENV a=b` c", "FROM a\nFOO", "FROM", "FROM a\n\\\n",
    "FROM a\n  RUN b", "FROM a\r\nRUN b\r\n", "FROM a\nRUN b ``\n c", "FROM a\nRUN b \\\\\n",
    "\\\nFROM a", "FROM a\n \\\nRUN b", "FROM\xa0a", "#",
]
# fmt: on


@pytest.mark.parametrize("top", TOPS)
def test_tops_of_files(top: str) -> None:
    for body in BODIES:
        if not is_exempt(top + body):
            assert mine(top + body) == theirs(top + body), top + body


# fmt: off
PIECES = st.sampled_from([
    *KEYWORDS, "run", "FROM a\n", "RUN ", "COPY ", "ONBUILD ", "ENV ", "--a", "--a=b", "a", "b",
    "E", "<<E", "<<-E", "<<'E'", "\nE\n", "\n", "\n", "\\\n", "`\n", "\\", "#", "# c\n", " ", "  ",
    "\t", "=", '"', "'", "[", "]", ",", '["a"]', "$x", "${", "}", "\r\n", "\xa0", "é", "\x85",
    "\x1c",
])
# fmt: on
OFTEN = settings(max_examples=400)


@OFTEN
@given(st.lists(PIECES, max_size=24).map("".join))
@example("RUN <<E \\\n\n")
@example("HEALTHCHECK CMD [")
@example('RUN --a"RUN ')
@example('RUN ["a"]\x1c')
def test_any_pieces(text: str) -> None:
    text = "FROM a\n" + text
    if not is_exempt(text):
        assert mine(text) == theirs(text)


@OFTEN
@given(st.text(alphabet="FROMRUNCPYab \\\n\r\t#<='\"[]-E,$", max_size=60))
def test_any_characters(text: str) -> None:
    text = "FROM a\n" + text
    if not is_exempt(text):
        assert mine(text) == theirs(text)


BEGINS = ["RUN ", "COPY ", "ADD ", "ONBUILD RUN ", "ENV ", "LABEL ", "ARG ", "CMD "]


@OFTEN
@given(st.sampled_from(BEGINS), st.text(alphabet="<E-'\"\\${}ab= \n\t:#,[]", max_size=30))
def test_any_arguments(begin: str, text: str) -> None:
    text = "FROM a\n" + begin + text
    if not is_exempt(text):
        assert mine(text) == theirs(text)
