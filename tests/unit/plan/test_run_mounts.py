"""`RUN --mount` and the other flags of RUN, planned."""

from __future__ import annotations

import pytest

from lamina.dockerfile.source import DockerfileError
from lamina.plan.graph import BaseOp, ContextOp, RunMount, RunOp, Vertex
from lamina.plan.plan import Plan
from tests.unit.plan.test_plan import planned, runs


def run(text: str, **settings: object) -> RunOp:
    """The last RUN of a Dockerfile."""
    return runs(planned(text, **settings))[-1]


def mounts(flags: str, before: str = "WORKDIR /w", **settings: object) -> list[RunMount]:
    return list(run(f"FROM debian\n{before}\nRUN {flags} x", **settings).mounts)


def origins(text: str) -> tuple[Vertex, ...]:
    found: Plan = planned(text)
    return found.stage.tip.origins


def test_a_bind_of_the_context() -> None:
    assert mounts("--mount=target=/x,source=a/../b") == [
        RunMount("bind", "/x", "b", 0, read_only=True)
    ]
    (origin,) = origins("FROM debian\nRUN --mount=target=/x --mount=target=/y,source=z true")
    assert origin.op == ContextOp()


def test_what_a_mount_is_from() -> None:
    text = (
        "FROM debian AS a\nRUN one\nFROM debian\n"
        "RUN --mount=from=a,target=/1 --mount=from=bare,target=/2 --mount=from=0,target=/3 x"
    )
    assert [mount.origin for mount in run(text).mounts] == [0, 1, 0]
    stage, image = origins(text)
    assert isinstance(stage.op, RunOp)
    assert isinstance(image.op, BaseOp)


def test_targets() -> None:
    found = mounts("--mount=target=a/../b --mount=target=/c/ --mount=target=//d --mount=type=tmpfs")
    assert [mount.target for mount in found] == ["/w/b", "/c", "/d", "/w"]


@pytest.mark.parametrize("flag", ["target=/", "target=/a/..", "type=tmpfs,target=//"])
def test_nothing_is_mounted_over_the_root(flag: str) -> None:
    with pytest.raises(DockerfileError, match="a mount cannot take the place of /"):
        mounts(f"--mount={flag}")


def test_no_target_means_the_working_directory() -> None:
    with pytest.raises(DockerfileError, match="a mount cannot take the place of /"):
        mounts("--mount=source=a", before="WORKDIR /")


def test_caches() -> None:
    assert mounts(
        "--mount=type=cache,target=/c/ --mount=type=cache,target=rel,sharing=locked,uid=3 "
        "--mount=type=cache,id=i,target=/d,mode=0700,ro"
    ) == [
        RunMount("cache", "/c", id="/c"),
        RunMount("cache", "/w/rel", id="rel", sharing="locked", uid=3),
        RunMount("cache", "/d", id="i", read_only=True, mode=0o700),
    ]
    (found,) = mounts(
        "--mount=type=cache,target=/c", build_args={"BUILDKIT_CACHE_MOUNT_NS": "team"}
    )
    assert found.id == "team//c"
    (found,) = mounts("--mount=type=cache,target=/c,from=bare,source=s")
    assert (found.origin, found.source) == (0, "s")


def test_a_cache_source_needs_an_origin() -> None:
    with pytest.raises(DockerfileError, match="a source of a cache mount needs what it is from"):
        mounts("--mount=type=cache,target=/c,source=s")


def test_secrets() -> None:
    assert mounts(
        "--mount=type=secret,id=a/b --mount=type=secret,target=/t/name "
        "--mount=type=secret,src=s,env=E "
        "--mount=type=secret,id=i,env=E,target=rel,required,uid=1,gid=2,mode=0444"
    ) == [
        RunMount("secret", "/run/secrets/b", id="a/b", read_only=True, mode=0o400),
        RunMount("secret", "/t/name", id="name", read_only=True, mode=0o400),
        RunMount("secret", "", id="s", read_only=True, env="E", mode=0o400),
        RunMount(
            *("secret", "/w/rel"),
            id="i",
            read_only=True,
            required=True,
            env="E",
            mode=0o444,
            uid=1,
            gid=2,
        ),
    ]


def test_agents() -> None:
    found = run(
        "FROM debian\nRUN --mount=type=ssh --mount=type=ssh,id=i,target=/s --mount=type=ssh x"
    )
    assert found.mounts == (
        RunMount("ssh", "/run/buildkit/ssh_agent.0", id="default", read_only=True, mode=0o600),
        RunMount("ssh", "/s", id="i", read_only=True, mode=0o600),
        RunMount("ssh", "/run/buildkit/ssh_agent.2", id="default", read_only=True, mode=0o600),
    )
    assert found.env[-1] == "SSH_AUTH_SOCK=/run/buildkit/ssh_agent.0"
    own = run("FROM debian\nENV SSH_AUTH_SOCK=/mine\nRUN --mount=type=ssh x")
    assert [line for line in own.env if line.startswith("SSH")] == ["SSH_AUTH_SOCK=/mine"]


def test_variables() -> None:
    (found,) = mounts("--mount=type=$T,target=/$D,id=${D:-x}", before="ARG T=cache\nENV D=d")
    assert (found.kind, found.target, found.id) == ("cache", "/d", "d")


def test_the_history_has_no_mounts() -> None:
    found = planned("FROM debian\nRUN --mount=type=cache,target=/c --network=none x")
    assert found.stage.history[-1].created_by == "RUN /bin/sh -c x # buildkit"
    assert found.stage.tip.title == "RUN x"


def test_mounts_with_heredocs_and_json() -> None:
    flags = "--mount=type=tmpfs,target=/t"
    assert run(f"FROM debian\nRUN {flags} <<E\necho\nE\n").mounts[0].target == "/t"
    assert run(f'FROM debian\nRUN {flags} ["a", "b"]').args == ("a", "b")


@pytest.mark.parametrize(
    ("text", "column", "problem"),
    [
        ("RUN --mount=type=foo x", 13, "no type of mounts is called foo"),
        ("RUN --mount=type=ssh --mount=target=/x,uid=1 x", 40, "a mount of type bind has no uid"),
        ("RUN --mount x", 5, "an option of the mount is empty"),
        ("RUN --mount=target=${x:?why} x", 20, "x: why"),
        ("RUN --mount=from=nope,target=/x y", 18, "no image nope in the store"),
        ("RUN --network=moon x", 5, "not a network: moon"),
        ("RUN --security=loose x", 5, "not a security mode: loose"),
        ("RUN --security=insecure x", 5, "RUN --security=insecure is not allowed in this build"),
        ("RUN --device=gpu x", 5, "RUN --device is not supported"),
        ("RUN --security=sandbox --security=sandbox x", 24, "--security is given twice"),
    ],
)
def test_errors_point(text: str, column: int, problem: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        planned(f"FROM debian\n{text}")
    assert str(caught.value) == f"Dockerfile:2: {problem}"
    assert (caught.value.span.line, caught.value.span.column) == (2, column)


def test_privileges_are_granted_by_the_build() -> None:
    text = "FROM debian\nRUN --security={} x"
    assert run(text.format("insecure"), insecure=True).insecure
    assert not run(text.format("sandbox")).insecure


def test_the_network() -> None:
    assert run("FROM debian\nRUN --network=none x").network == "none"
    assert run("FROM debian\nRUN x", network="none").network == "none"
    assert run("FROM debian\nRUN --network=host x", network="none").network == "host"
