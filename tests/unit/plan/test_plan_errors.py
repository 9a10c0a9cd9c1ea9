"""Errors of planning a Dockerfile, as they are printed with their place."""

from __future__ import annotations

import pytest

from lamina.dockerfile.source import DockerfileError
from tests.golden.golden import check
from tests.unit.dockerfile.test_errors import printed
from tests.unit.plan.test_plan import planned

REFUSED = {
    "no FROM": "ARG X",
    "RUN before FROM": "ARG X\nRUN a\nFROM debian",
    "FROM with two words": "FROM debian base",
    "FROM with four words": "FROM debian AS a b",
    "stage name": "FROM debian AS 0x",
    "empty base": "ARG X\nFROM $X",
    "bad variable in FROM": "FROM ${X",
    "required argument": "FROM debian:${TAG:?which}",
    "bad variable in ARG": "ARG X=${:y}\nFROM debian",
    "no such image": "FROM nosuch AS x",
    "flag of FROM": "FROM --platfrom=x debian",
    "stage that is later": "FROM debian AS a\nFROM debian\nCOPY --from=2 a b",
    "stage itself": "FROM debian AS me\nCOPY --from=me a b",
    "variable in --from": "FROM debian\nCOPY --from=$x a b",
    "image of --from": "FROM debian\nCOPY --from=nosuch a b",
    "flag that is none": "FROM debian\nENV --x a=b",
    "flag misspelt": "FROM debian\nRUN --netwrok=none a",
    "flag twice": "FROM debian\nHEALTHCHECK --retries=1 --retries=2 CMD a",
    "unclosed quote": "FROM debian\nWORKDIR 'a",
    "unset variable": "FROM debian\nUSER ${WHO?}",
    "empty variable": "FROM debian\nENV A=\nUSER ${A:?}",
    "unknown modifier": "FROM debian\nLABEL a=${b:=c}",
    "pattern": "FROM debian\nENV a=${PATH#\\x}",
    "bad name in ENV": "FROM debian\nENV $NO=a",
    "bad name in LABEL": "FROM debian\nLABEL $NO=a",
    "ARG without name": "FROM debian\nARG a =b",
    "port": "FROM debian\nEXPOSE 80 http",
    "volume": 'FROM debian\nVOLUME ["/a", " "]',
    "signal": "FROM debian\nSTOPSIGNAL what?",
    "SHELL without JSON": "FROM debian\nSHELL bash -c",
    "SHELL without words": "FROM debian\nSHELL []",
    "ONBUILD FROM": "FROM debian\nONBUILD \\\n  FROM x",
    "HEALTHCHECK of another kind": "FROM debian\nHEALTHCHECK EXEC a",
    "HEALTHCHECK without command": "FROM debian\nHEALTHCHECK --retries=1 CMD",
    "HEALTHCHECK NONE with words": "FROM debian\nHEALTHCHECK NONE a",
    "duration": "FROM debian\nHEALTHCHECK --timeout=3 CMD a",
    "short duration": "FROM debian\nHEALTHCHECK --interval=1us CMD a",
    "retries": "FROM debian\nHEALTHCHECK --retries=many CMD a",
    "network": "FROM debian\nRUN --network=moon a",
    "RUN of nothing": "FROM debian\nRUN []",
    "COPY of one": "FROM debian\nCOPY a",
    "document's name": "FROM debian\nCOPY <<a/b /\na/b",
    "document's variable": "FROM debian\nCOPY <<E /\n${x\nE",
    "trigger of the base": "FROM broken",
}


def refusal(text: str) -> DockerfileError:
    with pytest.raises(DockerfileError) as caught:
        planned(text)
    return caught.value


def test_errors_as_they_are_printed() -> None:
    told = [f"--- {name}\n{printed(refusal(text))}" for name, text in REFUSED.items()]
    check("dockerfile/plan-errors.txt", "\n".join(told))
