"""Nothing that hadolint says is lost but what is declared to be the same: on every Dockerfile
that this project has."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.dockerfile.check_walk import Surroundings
from lamina.dockerfile.checks import findings
from lamina.dockerfile.source import DockerfileError
from lamina.rewrite.document import Document
from lamina.rewrite.hadolint import Answer, Said, find_program
from lamina.rewrite.lint import problems
from lamina.rewrite.lint_rule import View
from lamina.rewrite.lint_rules import own_problems
from lamina.rewrite.problem import SAME, WIDER
from tests.conformance.cases import identified
from tests.slimming.cases import identified as slimmed

HERE = Path(__file__).parents[3]
PROGRAM = find_program(sys.executable, os.environ)
AROUND = Surroundings(
    platform="linux/amd64", build_platform="linux/amd64", is_image_name=lambda name: bool(name)
)
_BATCH = 64
_REPEATED = {"DL4003", "DL4004", "DL3012"}
_DECLARED = {name for group in (*SAME.values(), *WIDER.values()) for name in group}


def corpus() -> Iterator[tuple[str, str]]:
    """A name and a text for each."""
    yield from ((name, case.dockerfile) for name, case in identified().items())
    yield from ((f"slimming: {name}", case.dockerfile) for name, case in slimmed().items())
    for path in sorted(HERE.glob("demo/*/Dockerfile")):
        yield str(path), path.read_text()
    for page in (path for path in ("checks", "lint") if (HERE / f"docs/{path}.md").exists()):
        examples = re.findall(
            r"^```dockerfile\n(.*?)```", (HERE / f"docs/{page}.md").read_text(), re.M | re.S
        )
        yield from ((f"{page} {number}", text) for number, text in enumerate(examples))


def readable() -> list[tuple[str, str, Document]]:
    found = []
    for name, text in corpus():
        try:
            found.append((name, text, Document.read(text)))
        except DockerfileError:
            continue
    return found


def raw(directory: Path, texts: list[str]) -> list[list[Said] | None]:
    """What hadolint by itself says of each; None where it cannot read it, or fails."""
    files = []
    for number, text in enumerate(texts):
        files.append(directory / f"{number}.Dockerfile")
        files[-1].write_text(text)
    ran = subprocess.run(
        [PROGRAM or "", "--no-fail", "-c", os.devnull, "--format", "json", *map(str, files)],
        capture_output=True,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    try:
        rows = json.loads(ran.stdout)
    except ValueError:
        return [None] if len(texts) == 1 else [each for t in texts for each in raw(directory, [t])]
    said: list[list[Said] | None] = []
    for file in files:
        of_file = [
            Said(row["code"], row["level"], row["line"], row["message"])
            for row in rows
            if row["file"] == str(file)
        ]
        said.append(None if any(each.code == "DL1000" for each in of_file) else of_file)
    return said


@pytest.mark.skipif(PROGRAM is None, reason="needs hadolint: pip install 'lamina[lint]'")
def test_nothing_that_hadolint_says_is_lost(tmp_path: Path) -> None:
    files = readable()
    assert len(files) > 400
    compared = merged = 0
    for begin in range(0, len(files), _BATCH):
        batch = files[begin : begin + _BATCH]
        for (name, _, document), said in zip(
            batch, raw(tmp_path, [text for _, text, _ in batch]), strict=True
        ):
            if said is None:
                continue
            dockerfile = document.dockerfile
            own, _ = own_problems(View(document))
            found = problems(
                dockerfile,
                own=own,
                checks=findings(dockerfile, AROUND),
                hadolint=Answer(tuple(said)),
            )
            for each in said:
                tells = [
                    problem
                    for problem in found
                    if each.code in problem.names
                    and (problem.first_line == each.line or each.code in _REPEATED)
                ]
                assert tells, f"{name}: {each}"
                compared += 1
                merged += tells[0].rule != each.code
                assert tells[0].rule == each.code or each.code in _DECLARED
    assert compared > 400
    assert merged > 100
