"""A Dockerfile rewritten to a fixed point, with its evidence, and the patch."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.dockerfile.source import DockerfileError
from lamina.oci.config import History, ImageConfig
from lamina.oci.platform import Platform
from lamina.rewrite.document import Document
from lamina.rewrite.evidence import AnotherImage, Evidence, evidence_of
from lamina.rewrite.finding import Edit, Finding
from lamina.rewrite.rewrite import Rewritten, patch, rewrite
from lamina.rewrite.rule import Rule
from tests.conformance.cases import GROUPS
from tests.fakes.stacks import Files, stack_of_files

ROOT = Path(__file__).parents[3]
SEED = (ROOT / "demo" / "seed" / "Dockerfile").read_text()
BIG = 52_428_800
CASES = {
    f"{group}-{number}-{case.name}": case.dockerfile
    for group, cases in GROUPS.items()
    for number, case in enumerate(cases)
}
LINES = (
    "# a comment",
    "",
    "RUN apt-get update",
    "RUN apt-get update && apt-get install -y gcc",
    "RUN apt-get install -y make",
    "RUN rm -rf /var/lib/apt/lists/*",
    "RUN dd if=/dev/zero of=big bs=1M count=50",
    "RUN rm big",
    "RUN cd /tmp && curl -O https://x.org/a.tgz; tar xf a.tgz",
    "RUN rm -rf /tmp/a.tgz",
    "RUN apk update && \\\n    apk add \\\n    # why\n    gcc",
    "RUN set -ex; apk add curl",
    "RUN pip install -r requirements.txt",
    "RUN npm ci",
    "RUN chown -R app:app /app",
    "RUN chmod 755 /app/x",
    "RUN <<E\napt-get update\nE",
    'RUN ["apt-get", "update"]',
    "RUN --network=none \\\n  rm big",
    "COPY . /app",
    "COPY --chown=1 a /app/x",
    "WORKDIR /app",
    "USER app",
    "ENV A=b",
    "ARG A=b",
    "MAINTAINER you <you@x.org>",
    'SHELL ["/bin/bash", "-ec"]',
    "ONBUILD RUN apt-get update",
    "CMD npm start",
    "FROM a AS next",
    "FROM next",
)


def rewritten(text: str, **given: object) -> Rewritten:
    return rewrite(dedent(text), Evidence(), **given)  # type: ignore[arg-type]


def rules(findings: Sequence[Finding]) -> list[tuple[str, int]]:
    return [(each.rule, each.span.line) for each in findings]


def built(
    text: str, layers: Sequence[Files], *, base: Sequence[str] = (), of: str = ""
) -> Evidence:
    """What an image tells that the file made, or that `of` did: a layer for each RUN, COPY and
    ADD, on those of `base`."""
    history = [History(created_by=each) for each in base]
    for step in Document.read(of or text).shipped_steps:
        shell = "/bin/sh -c " if step.keyword == "RUN" else ""
        is_empty = step.keyword not in ("RUN", "COPY", "ADD")
        line = f"{step.keyword} {shell}{step.line.text}"
        history.append(History(created_by=line, empty_layer=is_empty))
    stack = stack_of_files(layers)
    config = ImageConfig.scratch(Platform("amd64")).amend(
        diff_ids=[each.diff_id for each in stack.listings], history=history
    )
    return evidence_of(Document.read(text), stack_of_files(layers, config=config))


def test_the_seed_becomes_what_its_author_wrote_by_hand() -> None:
    done = rewritten(SEED)
    assert done.new == dedent(
        """\
        FROM debian:bookworm
        # the base image
        LABEL org.opencontainers.image.authors="xiongkun"
        # who made it
        WORKDIR /home
        RUN dd if=/dev/zero of=50M.file bs=1M count=50 \\
        # a test file of 50 MB
            && rm -rf 50M.file
        # and away with it
        """
    )
    assert rules(done.made) == [("maintainer-label", 3), ("chain-hidden", 6)]
    (chained,) = [each for each in done.made if each.rule == "chain-hidden"]
    assert (chained.amount.bytes, chained.amount.basis) == (BIG, "estimated")


@pytest.mark.parametrize("name", CASES)
def test_every_dockerfile_of_the_conformance_cases(name: str) -> None:
    text = CASES[name]
    try:
        Document.read(text)
    except DockerfileError:
        with pytest.raises(DockerfileError):
            rewrite(text, Evidence())
        return
    holds(text)


def holds(text: str) -> None:
    """The result parses, stays as it is, and differs where something was edited alone."""
    done = rewrite(text, Evidence())
    assert (done.new == text) == (not done.made)
    again = rewrite(done.new, Evidence())
    assert (again.new, again.made) == (done.new, ())
    count = text.count("\n") + 1
    assert all(1 <= each.span.line <= count for each in (*done.made, *done.suggested))
    before, after = Document.read(text), Document.read(done.new)
    assert [each.number for each in before.steps] == [each.line.span.line for each in before.steps]
    kept = {each.line.text for each in before.steps} if not done.made else set()
    assert kept <= {each.line.text for each in after.steps}


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(LINES), max_size=9), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_any_file_of_such_lines(lines: list[str], newline: str, ended: bool) -> None:
    text = "\n".join(["FROM a", *lines]) + ("\n" if ended else "")
    text = text.replace("\n", newline)
    try:
        Document.read(text)
    except DockerfileError:
        return
    holds(text)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="RUN \\\n#&|;'\"$()<>`apt-get update\r\t", max_size=60))
def test_any_text_after_from(text: str) -> None:
    try:
        Document.read(f"FROM a\n{text}")
    except DockerfileError:
        return
    holds(f"FROM a\n{text}")


def test_lines_are_those_of_the_file_as_it_was() -> None:
    done = rewritten(
        """\
        FROM debian
        RUN dd if=/dev/zero of=/a bs=1M count=9


        RUN rm /a
        COPY x /x
        RUN dd if=/dev/zero of=/b bs=1M count=9
        COPY y /y
        RUN rm /b
        """
    )
    assert rules(done.made) == [("chain-hidden", 2)]
    assert "line 5 hides" in done.made[0].message
    assert rules(done.suggested) == [("chain-hidden", 7)]
    assert "line 9 hides" in done.suggested[0].message


def test_bytes_are_measured_where_there_is_an_image() -> None:
    text = "FROM debian\nRUN make-it\nRUN take-it-away\n"
    layers: list[Files] = [
        {"bin/sh": b"x"},
        {"srv": None, "srv/big": bytes(2_000_000)},
        {"srv": None, "srv/.wh.big": b""},
    ]
    assert not rewritten(text).made
    done = rewrite(text, built(text, layers, base=["ADD base /"]))
    assert rules(done.made) == [("chain-hidden", 2)]
    assert (done.made[0].amount.bytes, done.made[0].amount.basis) == (2_000_000, "measured")
    # The layers of both are those of the one RUN now, which hides nothing of itself.
    assert not done.suggested


def test_an_image_of_another_file_is_no_evidence() -> None:
    layers: list[Files] = [{"a": b""}, {"b": b""}]
    built("FROM debian\nRUN a\n", layers, base=["ADD base /"])
    with pytest.raises(AnotherImage) as caught:
        built("FROM debian\nRUN b\n", layers, base=["ADD base /"], of="FROM debian\nRUN a\n")
    assert "Dockerfile:2" in str(caught.value)


@pytest.mark.parametrize("of", ["", "ONBUILD COPY . /x\n"])
def test_a_history_with_or_without_onbuild_is_that_of_the_file(of: str) -> None:
    """BuildKit leaves it out, docker's classic builder does not."""
    layers: list[Files] = [{"bin/sh": b""}, {"a": b"a"}]
    text = "FROM debian\nONBUILD COPY . /x\nRUN a\n"
    evidence = built(text, layers, base=["ADD base /"], of=f"FROM debian\n{of}RUN a\n")
    assert evidence.layers[2] == {1}


def _breaks(document: Document, evidence: Evidence) -> Iterator[Finding]:
    step = document.steps[0]
    if step.keyword == "RUN":
        edit = Edit(step.start, step.start + 3, "NAY")
        yield Finding("breaks", "edit", step.line.span, "x", edits=(edit,))


def test_an_edit_whose_result_does_not_parse_is_a_suggestion(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from lamina.rewrite import rewrite as module
    from lamina.rewrite import rules as table

    more = (Rule("breaks", "breaks it", _breaks), *table.RULES)
    monkeypatch.setattr(table, "RULES", more)
    monkeypatch.setattr(module, "RULES", more)
    text = "FROM a\nRUN dd of=/b bs=1M count=9\nRUN rm /b\n"
    done = rewritten(text)
    assert rules(done.made) == [("chain-hidden", 2)]
    assert rules(done.suggested) == [("breaks", 2)]
    assert done.suggested[0].severity == "suggestion"


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("end", ["", "\n"])
@pytest.mark.parametrize("name", ["Dockerfile", "images/Docker file"])
@pytest.mark.parametrize("tool", ["patch", "git"])
def test_the_patch_makes_the_new_file(
    newline: str, end: str, name: str, tool: str, tmp_path: Path
) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"needs {tool}")
    text = (SEED.rstrip("\n").rpartition("\n")[0] + end).replace("\n", newline)
    done = rewrite(text, Evidence())
    place = tmp_path / name
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(text.encode())
    command = {"patch": ["patch", "-p0", "--binary"], "git": ["git", "apply", "-p0"]}[tool]
    told = subprocess.run(
        command, cwd=tmp_path, input=patch(done, name).encode(), capture_output=True, check=False
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert place.read_bytes() == done.new.encode() != text.encode()


def test_nothing_to_do_is_an_empty_patch() -> None:
    assert patch(rewritten("FROM a\nRUN b\n"), "Dockerfile") == ""
