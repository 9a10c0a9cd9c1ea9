"""`run` read without click: as click reads it, or not at all; and what it loads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.cli import run as run_
from lamina.cli.declared import Option
from lamina.cli.quick_run import read
from lamina.cli.running import OPTIONS

UNDERSTOOD = (
    "web",
    "web sh -c x --rm",
    "web -- true",
    "-- web --rm",
    "--rm -it web sh",
    "-itd --name=a web",
    "-eA=1 -e B=2 --env C --env=D=x=y web env",
    "-itv/x:/y -v a:/b:ro web",
    "-p80:80 -p 8080:80/udp -P web",
    "--network host --net=none web true",
    "--no-sig-proxy --sig-proxy web",
    "-a stdin --attach stdout web",
    "--pull never --platform linux/arm64 web",
    "-m 64m --memory-swap -1 --cpus 1.5 --pids-limit -1 -c 5 web",
    "--oom-score-adj -500 --stop-timeout=3 --health-retries 0 web",
    "--entrypoint= -h a -u 1:2 -w /tmp -l a=b web",
    "--cidfile /x/id --env-file /none web",
    "--dry-run --format json web",
    "--name - web",
    "--env -x web",
)
LEFT_TO_CLICK = (
    "",
    "--rm",
    "-e",
    "--help",
    "--rm=true web",
    "--nonsense web",
    "-X web",
    "-iX web",
    "--pull sometimes web",
    "--pids-limit many web",
    "--pids-limit 1_0 web",
    "-a STDIN web",
    "--env-file / web",
    "--nam x web",
)


def by_click(words: list[str]) -> dict[str, Any]:
    return run_.command.make_context("run", list(words)).params


@pytest.mark.parametrize("line", UNDERSTOOD)
def test_what_is_understood_means_what_it_means_to_click(line: str) -> None:
    found = read(["run", *line.split()])
    assert found is not None
    assert found[1] == by_click(line.split())


@pytest.mark.parametrize("line", LEFT_TO_CLICK)
def test_all_else_is_left_to_click(line: str) -> None:
    assert read(["run", *line.split()]) is None


def test_the_root_may_be_named_before() -> None:
    found = read(["--root", "/x", "run", "web"])
    assert found is not None and found[0] == "/x"
    assert read(["--debug", "run", "web"]) is None
    assert read(["ps", "run", "web"]) is None
    assert read([]) is None


def _given(option: Option) -> st.SearchStrategy[list[str]]:
    """Ways to write an option, also wrong ones."""
    word = st.sampled_from([half for each in option.words for half in each.split("/")])
    if option.kind == "flag":
        return word.map(lambda each: [each])
    if option.choices:
        value = st.sampled_from([*option.choices, "neither"])
    elif option.kind == "number":
        value = st.sampled_from(["0", "7", "-1", "+3", "x", ""])
    else:
        value = st.sampled_from(["a", "A=b", "-x", "--", "", "/", "a b"])
    return st.builds(_written, word, value, st.sampled_from([" ", "="]))


def _written(word: str, value: str, between: str) -> list[str]:
    if between == " ":
        return [word, value]
    return [f"{word}={value}" if word.startswith("--") else word + value]


@given(
    st.lists(st.sampled_from(OPTIONS).flatmap(_given), max_size=4),
    st.lists(st.sampled_from(["web", "-i", "--", "true", "--rm", "-"]), max_size=3),
)
def test_any_words_mean_what_they_mean_to_click(given: list[list[str]], rest: list[str]) -> None:
    words = [each for part in given for each in part] + rest
    found = read(["run", *words])
    if found is not None:
        assert found[1] == by_click(words)


def _with_words(option: Option) -> st.SearchStrategy[tuple[Option, list[str]]]:
    return st.tuples(st.just(option), _given(option))


@given(st.lists(st.sampled_from(OPTIONS).flatmap(_with_words), max_size=4))
def test_what_click_understands_is_read(given: list[tuple[Option, list[str]]]) -> None:
    words = [*(each for _, part in given for each in part), "web"]
    try:
        wanted = by_click(words)
    except click.ClickException:
        return
    found = read(["run", *words])
    # What is not read takes the long way: right, and slow.  Of an option that is given twice
    # click looks at the last value alone.
    twice = len({option.words for option, _ in given}) < len(given)
    assert found is not None or twice or any(_is_odd(each) for each in words), wanted


def _is_odd(word: str) -> bool:
    return word.startswith("+") or word.endswith(("=+3", "+3"))


def test_it_does_without_the_library_that_reads_options() -> None:
    code = "import sys, lamina.cli.entry, lamina.cli.quick_run; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert not {"click", "rich", "urllib3"} & set(done.stdout.split())


def test_a_path_is_one() -> None:
    found = read(["run", "--cidfile", "/x/id", "web"])
    assert found is not None and found[1]["cidfile"] == Path("/x/id")
