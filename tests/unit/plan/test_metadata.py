"""The instructions that change a configuration alone."""

from __future__ import annotations

import pytest

from lamina.dockerfile.source import DockerfileError
from lamina.oci.config import Execution
from tests.unit.plan.test_plan import history, planned


def execution(lines: str) -> Execution:
    return planned(f"FROM debian\n{lines}").stage.execution


def failure(lines: str) -> str:
    with pytest.raises(DockerfileError) as caught:
        execution(lines)
    return str(caught.value)


def test_onbuild_keeps_its_heredocs_and_makes_no_history() -> None:
    text = "ONBUILD RUN <<A cat <<-'B'\none\nA\n\ttwo\n\tB\nONBUILD env a=1\n"
    assert execution(text).on_build == ("RUN <<A cat <<-'B'\none\nA\n\ttwo\nB", "env a=1")
    assert history("FROM debian\n" + text) == []


@pytest.mark.parametrize("trigger", ["FROM x", "maintainer x", "ONBUILD RUN x"])
def test_what_cannot_wait(trigger: str) -> None:
    name = trigger.split()[0].upper()
    assert failure(f"ONBUILD {trigger}") == f"Dockerfile:2: ONBUILD {name} is not allowed"


@pytest.mark.parametrize(
    ("words", "line", "ports"),
    [
        ("80", "EXPOSE [80/tcp]", ["80/tcp"]),
        ("80 53/UDP", "EXPOSE [53/udp 80/tcp]", ["53/udp", "80/tcp"]),
        ("8-10", "EXPOSE [8/tcp 9/tcp 10/tcp]", ["8/tcp", "9/tcp", "10/tcp"]),
        ("80 80/tcp", "EXPOSE [80/tcp 80/tcp]", ["80/tcp"]),
        ("127.0.0.1:8080:80 [::1]:1:2/sctp", None, ["2/sctp", "80/tcp"]),
        ("8000-8001:80-81", None, ["80/tcp", "81/tcp"]),
        ("0", None, ["0/tcp"]),
    ],
)
def test_expose(words: str, line: str | None, ports: list[str]) -> None:
    assert sorted(execution(f"EXPOSE {words}").exposed_ports or {}) == sorted(ports)
    if line:
        assert history(f"FROM debian\nEXPOSE {words}") == [line]


@pytest.mark.parametrize(
    "word", ["a", "65536", "9-8", "80/x", "/tcp", "1:2:3", "x:1:2", "1-2:3-5", "1:", "-1", "1-"]
)
def test_what_is_no_port(word: str) -> None:
    assert failure(f"EXPOSE {word}") == f"Dockerfile:2: not a port: {word}"


def test_healthcheck_none_minds_no_flags_and_takes_no_arguments() -> None:
    found = execution("HEALTHCHECK --interval=1s NONE").healthcheck
    assert found is not None
    assert found.test == ("NONE",)
    assert failure("HEALTHCHECK NONE x") == "Dockerfile:2: HEALTHCHECK NONE takes nothing"
    assert "needs CMD and a command" in failure("HEALTHCHECK CMD []")


def test_retries_are_shown_as_a_character() -> None:
    assert history("FROM debian\nHEALTHCHECK --retries=10 CMD x")[0].endswith(r"'\n'}")


def test_commands_without_words() -> None:
    assert execution("CMD").cmd == ("/bin/sh", "-c", "")
    assert execution("ENTRYPOINT []").entrypoint is None
    assert execution('CMD ["a"]').args_escaped is True


def test_a_volume_is_trimmed() -> None:
    assert execution('VOLUME [" /a "]').volumes == {"/a": {}}
    assert failure("VOLUME []") == "Dockerfile:2: a volume needs a path"


def test_the_name_of_an_argument_is_not_expanded() -> None:
    assert history("FROM debian\nARG a=b\nARG $a=c") == ["ARG a=b", "ARG $a=c"]
