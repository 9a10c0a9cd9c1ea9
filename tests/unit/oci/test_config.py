from __future__ import annotations

import json
from typing import Any

import pytest

from lamina.oci.config import Execution, Healthcheck, History, ImageConfig
from lamina.oci.digest import Digest
from lamina.oci.document import BadDocument
from lamina.oci.platform import Platform

A, B = Digest.of(b"a"), Digest.of(b"b")


def document(**more: Any) -> dict[str, Any]:
    return {
        "architecture": "arm64",
        "os": "linux",
        "variant": "v8",
        "docker_version": "20.10",
        "container_config": {"Cmd": ["x"]},
        "config": {
            "Env": ["PATH=/bin", "EMPTY=", "BARE"],
            "Cmd": None,
            "Future": {"deep": 1},
            "Healthcheck": {"Test": ["CMD", "true"], "Interval": 1_000_000_000},
        },
        "rootfs": {"type": "layers", "diff_ids": [str(A), str(B)]},
        "history": [
            {"created_by": "base"},
            {"created_by": "ENV X=1", "empty_layer": True},
            {"created_by": "RUN b"},
        ],
        **more,
    }


def parse(**more: Any) -> ImageConfig:
    return ImageConfig.parse(json.dumps(document(**more)).encode())


def test_reading() -> None:
    config = parse()
    assert config.platform == Platform("arm64", variant="v8")
    assert config.diff_ids == (A, B)
    assert config.execution.environment() == {"PATH": "/bin", "EMPTY": "", "BARE": ""}
    assert config.execution.cmd is None
    assert config.execution.healthcheck == Healthcheck(("CMD", "true"), 10**9)
    assert [line.created_by for line in config.causes] == ["base", "RUN b"]


def test_unknown_fields_survive_a_change() -> None:
    before = parse()
    after = before.amend(
        created="2026-01-02T03:04:05Z",
        execution=Execution(cmd=("sh",), labels={"k": "v"}),
        diff_ids=[A],
        history=[History(created_by="all")],
    )
    raw = json.loads(after.raw)
    assert raw["docker_version"] == "20.10"
    assert raw["container_config"] == {"Cmd": ["x"]}
    assert raw["config"] == {"Cmd": ["sh"], "Labels": {"k": "v"}, "Future": {"deep": 1}}
    assert after.created == "2026-01-02T03:04:05Z"
    assert after.diff_ids == (A,)
    assert before.diff_ids == (A, B)


def test_the_id_is_of_the_bytes() -> None:
    config = parse()
    assert config.digest == Digest.of(config.raw)
    assert config.descriptor().digest == config.digest


def test_chain_ids() -> None:
    assert parse().chain_ids == (A, Digest.of(f"{A} {B}".encode()))


def test_scratch_has_no_layers() -> None:
    config = ImageConfig.scratch(Platform("arm", variant="v7"))
    assert config.diff_ids == ()
    assert config.causes == ()
    assert str(config.platform) == "linux/arm/v7"


def test_an_image_without_history_has_a_cause_for_each_layer() -> None:
    assert parse(history=None).causes == (History(), History())


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"history": [{"created_by": "one"}]}, "1 layers in its history and has 2"),
        ({"rootfs": {"type": "weird"}}, "unknown type 'weird'"),
        ({"rootfs": {"type": "layers", "diff_ids": ["sha256:zz"]}}, "not a sha256 digest"),
        ({"config": {"Env": "A=b"}}, "not valid"),
    ],
)
def test_bad_configs_are_refused(more: dict[str, Any], says: str) -> None:
    with pytest.raises(BadDocument, match=says):
        parse(**more)
