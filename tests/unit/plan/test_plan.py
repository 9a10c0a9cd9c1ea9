"""From instructions to a graph, a configuration and a history."""

from __future__ import annotations

import pytest

from lamina.dockerfile.parse import parse
from lamina.dockerfile.source import DockerfileError
from lamina.errors import NotFound
from lamina.oci.config import Execution, ImageConfig
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.manifest import Manifest
from lamina.oci.platform import Platform
from lamina.plan.drafts import NoSuchStage
from lamina.plan.graph import BaseOp, CopyOp, MakeDirOp, RunOp, in_order
from lamina.plan.plan import Plan, plan
from lamina.plan.stage import Settings
from lamina.store.contract import Image, NamedImage

HOST = Platform("amd64")
LAYER = Digest.of(b"layer")
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def image(execution: Execution) -> Image:
    config = ImageConfig.scratch(HOST).amend(
        execution=execution, diff_ids=[LAYER], created="2026-01-02T03:04:05Z"
    )
    layer = Descriptor("application/vnd.oci.image.layer.v1.tar+gzip", Digest.of(b"gz"), 2)
    manifest = Manifest.build(config.descriptor(), [layer])
    row = NamedImage(None, manifest.descriptor, config.digest, 1, "")
    return Image(row, manifest, config)


IMAGES = {
    "debian": image(Execution(env=(PATH, "LANG=C"), cmd=("bash",), user="me")),
    "bare": image(Execution()),
    "trigger": image(Execution(on_build=("RUN make", "ENV BUILT=1"))),
    "scripted": image(Execution(on_build=("RUN <<E cat\none\nE",))),
    "broken": image(Execution(on_build=("RUNN make",))),
}


def planned(text: str, **settings: object) -> Plan:
    asked: list[str] = []

    def resolve(name: str, platform: str) -> Image:
        asked.append(f"{name} {platform}".strip())
        if name not in IMAGES:
            raise NotFound(f"no image {name} in the store", hint="lamina pull " + name)
        return IMAGES[name]

    return plan(parse(text), Settings(HOST, HOST, **settings), resolve)  # type: ignore[arg-type]


def history(text: str, **settings: object) -> list[str]:
    return [line.created_by for line in planned(text, **settings).stage.history]


def runs(found: Plan) -> list[RunOp]:
    return [vertex.op for vertex in in_order(found.stage.tip) if isinstance(vertex.op, RunOp)]


def copies(found: Plan) -> list[CopyOp]:
    return [vertex.op for vertex in in_order(found.stage.tip) if isinstance(vertex.op, CopyOp)]


def test_the_seed() -> None:
    found = planned(
        "FROM debian\nMAINTAINER me\nWORKDIR /home\n"
        "RUN dd if=/dev/zero of=50M.file bs=1M count=50\nRUN rm -rf 50M.file"
    )
    assert [line.created_by for line in found.stage.history] == [
        "MAINTAINER me",
        "WORKDIR /home",
        "RUN /bin/sh -c dd if=/dev/zero of=50M.file bs=1M count=50 # buildkit",
        "RUN /bin/sh -c rm -rf 50M.file # buildkit",
    ]
    assert [line.vertex is not None for line in found.stage.history] == [False, True, True, True]
    base, workdir, first, _ = in_order(found.stage.tip)
    assert base.op == BaseOp("debian", (LAYER,))
    assert workdir.op == MakeDirOp("/home", "me")
    assert isinstance(first.op, RunOp)
    assert first.op.cwd == "/home"
    assert first.op.user == "me"
    assert first.op.env == (PATH, "LANG=C")
    assert found.stage.author == "me"


def test_history_is_written_as_buildkit_writes_it() -> None:
    assert history(
        'FROM debian\nENV A=1 B="x y"\nLABEL k=v "a b"=\'c\'\nEXPOSE 80 53/udp\nVOLUME /a ["/b"]\n'
        'USER x:y\nSHELL ["/bin/bash", "-c"]\nCMD echo "hi"\nENTRYPOINT ["a", "b\\n"]\n'
        "STOPSIGNAL SIGINT\nARG X=1 Y\nCOPY --chown=1:2 --chmod=755 a b /c/\nADD x.tar /\n"
        'RUN ["true", "x"]\nRUN echo\nONBUILD RUN x\nWORKDIR /\nHEALTHCHECK --retries=3 CMD x\n'
    ) == [
        "ENV A=1 B=x y",
        "LABEL k=v a b=c",
        "EXPOSE [53/udp 80/tcp]",
        "VOLUME [/a [/b]]",
        "USER x:y",
        "SHELL [/bin/bash -c]",
        'CMD ["/bin/bash" "-c" "echo \\"hi\\""]',
        'ENTRYPOINT ["a" "b\\n"]',
        "STOPSIGNAL SIGINT",
        "ARG X=1 Y",
        "COPY --chown=1:2 --chmod=755 a b /c/ # buildkit",
        "ADD x.tar / # buildkit",
        "RUN |2 X=1 Y= true x # buildkit",
        "RUN |2 X=1 Y= /bin/bash -c echo # buildkit",
        "WORKDIR /",
        'HEALTHCHECK &{["CMD-SHELL" "x"] "0s" "0s" "0s" "0s" \'\\x03\'}',
    ]


def test_variables_are_those_before_the_instruction() -> None:
    stage = planned("FROM debian\nENV A=1\nENV A=2 B=$A\nENV PATH=/x:$PATH").stage
    assert stage.execution.environment() == {
        "PATH": "/x:" + PATH.removeprefix("PATH="),
        "LANG": "C",
        "A": "2",
        "B": "1",
    }


def test_path_is_always_set() -> None:
    assert planned("FROM bare").stage.execution.env == (PATH,)
    assert planned("FROM scratch").stage.execution.env == (PATH,)
    assert planned("FROM scratch").stage.execution.working_dir == "/"


def test_arguments() -> None:
    text = "ARG V=1\nARG W=$V-2\nFROM debian\nARG V\nARG W\nARG X=3\nARG Z\nRUN a"
    (op,) = runs(planned(text))
    assert op.env[2:] == ("V=1", "W=1-2", "X=3")
    (op,) = runs(planned(text, build_args={"V": "9", "Z": "z", "HTTP_PROXY": "p"}))
    assert op.env[2:] == ("V=9", "W=9-2", "X=3", "Z=z")


def test_an_argument_of_the_whole_file_means_nothing_in_a_stage_that_does_not_ask() -> None:
    (op,) = runs(planned("ARG V=1\nFROM debian\nRUN a"))
    assert op.env == (PATH, "LANG=C")


def test_proxies_are_seen_by_run_and_by_nothing_else() -> None:
    without = planned("FROM debian\nRUN a")
    found = planned("FROM debian\nRUN a", build_args={"http_proxy": "http://p"})
    assert found.stage.tip.proxies == ("http_proxy=http://p",)
    assert found.stage.tip.digest == without.stage.tip.digest
    assert found.unused_args == ()


def test_unused_arguments_are_named() -> None:
    assert planned("FROM debian\nARG A", build_args={"A": "1", "B": "2"}).unused_args == ("B",)


def test_platform_arguments() -> None:
    text = (
        "FROM debian AS x\nARG TARGETPLATFORM\nARG TARGETARCH\nARG BUILDOS\nARG TARGETSTAGE\nRUN a"
    )
    (op,) = runs(planned(text))
    assert op.env[2:] == (
        "TARGETPLATFORM=linux/amd64",
        "TARGETARCH=amd64",
        "BUILDOS=linux",
        "TARGETSTAGE=x",
    )


@pytest.mark.parametrize(
    ("last", "target", "value"),
    [("FROM a", "", "default"), ("FROM a AS Z", "", "z"), ("FROM a", "A", "A")],
)
def test_the_target_stage_is_one_for_all_stages(last: str, target: str, value: str) -> None:
    (op,) = runs(planned(f"FROM debian AS a\nARG TARGETSTAGE\nRUN x\n{last}", target=target))
    assert f"TARGETSTAGE={value}" in op.env


def test_stages_that_the_target_does_not_need_are_skipped() -> None:
    text = (
        "FROM debian AS a\nRUN a\nFROM nosuch AS b\nRUN b\nFROM a AS c\nCOPY --from=0 /x /y\nRUN c"
    )
    assert [op.args[-1] for op in runs(planned(text))] == ["a", "c"]
    assert [op.args[-1] for op in runs(planned(text, target="A"))] == ["a"]
    assert [op.args[-1] for op in runs(planned(text, target="0"))] == ["a"]
    with pytest.raises(NoSuchStage) as caught:
        planned(text, target="d")
    assert caught.value.hint == "it has: a, b, c"


def test_a_stage_continues_the_history_and_configuration_of_another() -> None:
    found = planned("FROM debian AS a\nENV A=1\nRUN a\nFROM a\nRUN b")
    assert len(found.stage.history) == 3
    assert found.image is IMAGES["debian"]
    assert found.stage.execution.environment()["A"] == "1"


def test_an_argument_goes_on_in_stages_that_begin_with_its_own() -> None:
    found = planned("FROM debian AS a\nARG X=1\nARG Y\nFROM a\nENV Z=$X\nRUN b")
    assert found.stage.execution.environment()["Z"] == "1"
    assert found.stage.history[-1].created_by.startswith("RUN |2 X=1 Y= ")


def test_equal_work_is_one_vertex() -> None:
    found = planned(
        "FROM debian AS a\nRUN x\nFROM debian AS b\nRUN x\nFROM debian\n"
        "COPY --from=a / /a/\nCOPY --from=b / /b/"
    )
    assert len(runs(found)) == 1


def test_copy_from_an_image() -> None:
    found = planned("FROM scratch\nCOPY --from=debian /a /b")
    (origin,) = found.stage.tip.origins
    assert origin.op == BaseOp("debian", (LAYER,))


def test_a_flag_may_be_empty() -> None:
    found = planned("FROM --platform= debian\nHEALTHCHECK --interval= --retries= CMD true\n")
    health = found.stage.execution.healthcheck
    assert health is not None
    assert (health.interval, health.retries) == (0, 0)


def test_destinations() -> None:
    text = "FROM debian\nWORKDIR /w/x\nCOPY a {}\n"
    for dest, target in [
        ("b", "/w/x/b"),
        ("b/", "/w/x/b/"),
        (".", "/w/x/"),
        ("./", "/w/x/"),
        ("/", "/"),
        ("/c", "/c"),
        ("../y", "/w/y"),
        ("/../../c/", "/c/"),
    ]:
        (op,) = copies(planned(text.format(dest)))
        assert op.dest == target, dest


def test_workdir_is_relative_to_the_one_before() -> None:
    stage = planned("FROM debian\nENV D=b\nWORKDIR /a\nWORKDIR $D\nWORKDIR ../c").stage
    assert stage.execution.working_dir == "/a/c"


def test_heredocs() -> None:
    found = planned(
        "FROM debian\nENV X=1\nRUN <<E\na $X\nE\nRUN <<-E\n\t#!/bin/x\n\tb\nE\n"
        "RUN cat <<E | sh\nc\nE\nCOPY <<E <<'F' /d/\n$X\nE\n$X\nF\n"
    )
    first, second, third = runs(found)
    assert first.args == ("/bin/sh", "-c", "a $X\n")
    assert (second.args, second.script) == (("/bin/sh", "-c", "/dev/pipes/E"), "#!/bin/x\nb\n")
    assert third.args == ("/bin/sh", "-c", "cat <<E | sh\nc\nE")
    (op,) = copies(found)
    assert [(doc.name, doc.content) for doc in op.documents] == [("E", "1\n"), ("F", "$X\n")]


def test_entrypoint_takes_the_command_of_the_base_away() -> None:
    assert planned('FROM debian\nENTRYPOINT ["a"]').stage.execution.cmd is None
    assert planned('FROM debian\nCMD ["c"]\nENTRYPOINT ["a"]').stage.execution.cmd == ("c",)


def test_triggers_of_the_base_are_carried_out() -> None:
    found = planned("FROM trigger\nRUN x")
    assert [op.args[-1] for op in runs(found)] == ["make", "x"]
    assert found.stage.execution.environment()["BUILT"] == "1"
    assert found.stage.execution.on_build is None


def test_a_trigger_brings_its_heredoc() -> None:
    (op,) = runs(planned("FROM scripted"))
    assert op.args[-1] == "<<E cat\none\nE"


def test_a_trigger_that_cannot_be_read_points_at_the_from() -> None:
    with pytest.raises(DockerfileError) as caught:
        planned("FROM debian AS a\nFROM broken")
    assert str(caught.value) == "Dockerfile:2: in 'RUNN make': unknown instruction RUNN"


def test_healthcheck() -> None:
    found = planned(
        "FROM debian\nHEALTHCHECK --interval=1m30s --timeout=500ms --start-period=2h --retries=5 "
        'CMD ["a", "b"]'
    ).stage.execution.healthcheck
    assert found is not None
    assert found.test == ("CMD", "a", "b")
    assert (found.interval, found.timeout, found.start_period) == (
        90 * 10**9,
        5 * 10**8,
        72 * 10**11,
    )
    assert found.retries == 5


def test_labels_of_the_command_line_come_last() -> None:
    stage = planned("FROM debian\nLABEL a=1", labels={"a": "2"}).stage
    assert stage.execution.labels == {"a": "2"}


@pytest.mark.parametrize(
    ("text", "line", "column", "problem"),
    [
        ("RUN x\nFROM debian", 1, 1, "RUN before the first FROM"),
        ("ARG X", 1, 1, "there is no FROM"),
        ("FROM debian as", 1, 13, "FROM takes an image, and AS with a name"),
        ("FROM debian as 0x", 1, 16, "not a name for a stage: 0x"),
        ("FROM $NO", 1, 6, "$NO is empty here: no image to start from"),
        ("FROM nosuch", 1, 6, "no image nosuch in the store"),
        ("FROM --plat=x debian", 1, 6, "FROM has no flag --plat"),
        ("FROM debian\nRUN --foo=1 x", 2, 5, "RUN has no flag --foo"),
        ("FROM debian\nRUN --network=moon x", 2, 5, "not a network: moon"),
        ("FROM debian\nENV a", 2, 1, "ENV needs a name and a value"),
        ("FROM debian\nENV a=1 b", 2, 9, "'b' is not of the form name=value"),
        ("FROM debian\nENV a=${b", 2, 7, "in '${b' a } is missing"),
        ("FROM --platform debian", 1, 6, "--platform needs a value"),
        ("ARG P\nFROM --platform=$P debian", 2, 6, "$P is empty here: no platform"),
        ("FROM debian\nCOPY a", 2, 6, "COPY needs a source and a destination"),
        ("FROM debian\nCOPY --from=$x a b", 2, 6, "--from cannot have a variable"),
        ("FROM debian\nCOPY --from=1 a b", 2, 13, "no stage 1 comes before this one"),
        ("FROM debian AS me\nCOPY --from=me a b", 2, 13, "no stage me comes before this one"),
        ("FROM debian\nCOPY --chmod=99 a b", 2, 6, "not a mode: 99"),
        ("FROM debian\nCOPY --chown a b", 2, 6, "--chown needs a value"),
        ("FROM debian\nEXPOSE 80 http", 2, 11, "not a port: http"),
        ("FROM debian\nSTOPSIGNAL what?", 2, 12, "not a signal: what?"),
        ("FROM debian\nSHELL bash", 2, 7, "SHELL needs its words as JSON"),
        ("FROM debian\nHEALTHCHECK x", 2, 13, "HEALTHCHECK needs CMD and a command, or NONE"),
        ("FROM debian\nHEALTHCHECK --timeout=x CMD a", 2, 23, "not a duration: x"),
        ("FROM debian\nONBUILD FROM x", 2, 9, "ONBUILD FROM is not allowed"),
        ("FROM debian\nENV --x a=b", 2, 5, "ENV has no flag --x"),
    ],
)
def test_errors_point(text: str, line: int, column: int, problem: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        planned(text)
    assert str(caught.value) == f"Dockerfile:{line}: {problem}"
    assert (caught.value.span.line, caught.value.span.column) == (line, column)


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("FROM debian\n# caf\udce9\nRUN echo caf\udce9\n", 3, 13),
        ("FROM debian\nENV \\\n  A=\udcff\n", 3, 5),
        ("FROM debian\nRUN <<E\n\udcff\nE\n", 2, 1),
        ("ARG A=\udcff\nFROM debian\n", 1, 7),
    ],
)
def test_bytes_that_are_no_text_fit_into_no_configuration(
    text: str, line: int, column: int
) -> None:
    with pytest.raises(DockerfileError, match="is not UTF-8") as caught:
        planned(text)
    assert (caught.value.span.line, caught.value.span.column) == (line, column)
