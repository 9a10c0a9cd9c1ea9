"""Every error that reading a Dockerfile can raise, as it is printed."""

from __future__ import annotations

import pytest

from lamina.dockerfile.checks import options
from lamina.dockerfile.parse import parse
from lamina.dockerfile.source import DockerfileError
from lamina.dockerfile.words import name_values
from lamina.text import escape_lines
from tests.golden.golden import check

REFUSED = {
    "nothing": "",
    "comments alone": "# a\n\n# b\n",
    "directive twice": "# syntax=a\n# SYNTAX=b\nFROM a",
    "escape that is none": "# escape=x\nFROM a",
    "check option": "# syntax=a\n# check=skipp=all\nFROM a",
    "unknown instruction": "FROM a\nfoo bar",
    "instruction misspelt": "FROM a\n\n  # c\n  COPPY x y",
    "control characters": "FROM a\nRU\x1b[31mN x\xff",
    "no argument": "FROM a\nWORKDIR \\\n",
    "nothing after an escape": "FROM a\n\\\n",
    "JSON array": 'FROM a\nCMD ["a", 1]',
    "JSON array behind flags": "FROM a\nCOPY --link \\\n  [null]",
    "JSON of HEALTHCHECK": "FROM a\nHEALTHCHECK CMD [{}]",
    "heredoc without end": "FROM a\nCOPY a \\\n  <<-'E F' /\nx\n",
    "unknown trigger": "FROM a\nONBUILD RUNN make",
    "no trigger": "FROM a\nONBUILD",
    "trigger's JSON": "FROM a\nONBUILD \\\n  SHELL [2]",
    "ENV without value": "FROM a\nENV name",
    "LABEL without equals": "FROM a\nLABEL a=b \\\n  c d=e",
    "ENV without name": "FROM a\nENV =a",
    "long line": "FROM a\n" + "x" * 65536,
    "far in a long line": f"FROM a\nENV {'a=b ' * 100}no {'c=d ' * 100}",
}


def printed(error: DockerfileError) -> str:
    """As the command line shows it."""
    return f"{escape_lines(str(error))}\n{escape_lines(error.excerpt)}\n"


def refusal(text: str) -> DockerfileError:
    with pytest.raises(DockerfileError) as caught:
        found = parse(text)
        options(found, {})
        for line in found.instructions:
            if line.keyword in ("ENV", "LABEL"):
                name_values(found.source, line, found.escape)
    return caught.value


def test_errors_as_they_are_printed() -> None:
    told = [f"--- {name}\n{printed(refusal(text))}" for name, text in REFUSED.items()]
    check("dockerfile/errors.txt", "\n".join(told))
