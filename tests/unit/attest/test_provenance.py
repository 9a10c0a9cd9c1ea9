"""Provenance: which fields each version and mode has, and what each mode keeps to itself."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

import msgspec
import pytest

from lamina.attest.provenance import (
    BUILD_TYPE,
    Build,
    BuildStep,
    Material,
    Options,
    Recipe,
    predicate,
)

BASE = Material("pkg:docker/debian@bookworm?platform=linux%2Famd64", {"sha256": "b" * 64})
BUILD = Build(
    Recipe("Dockerfile", b"FROM debian:bookworm\n"),
    {"build-arg:VERSION": "2", "label:a": "b", "target": "app"},
    [BASE, BASE],
    "linux/amd64",
    "0123",
    "2026-01-02T03:04:05Z",
    "2026-01-02T03:04:06Z",
    locals=["context", "dockerfile"],
    secrets=["token"],
    agents=["default"],
    steps=[BuildStep("step0", "base debian", {"base": {"name": "debian"}})],
    vcs={"source": "https://example.org/app.git", "revision": "c" * 40},
)
MAX = Options("max")


def found(build: Build = BUILD, options: Options = MAX) -> Any:
    # As it is stored: JSON.
    return json.loads(json.dumps(predicate(build, options)))


def test_version_02_has_buildkits_fields() -> None:
    document = found()
    metadata = document["metadata"]
    own = metadata.pop(f"{BUILD_TYPE}#metadata")
    assert document["builder"] == {"id": ""}
    assert document["buildType"] == BUILD_TYPE
    assert document["materials"] == [{"uri": BASE.uri, "digest": {"sha256": "b" * 64}}]
    assert document["invocation"] == {
        "configSource": {"entryPoint": "Dockerfile"},
        "parameters": {
            "frontend": "dockerfile.v0",
            "args": BUILD.arguments,
            "secrets": [{"id": "token", "optional": True}],
            "ssh": [{"id": "default", "optional": True}],
            "locals": [{"name": "context"}, {"name": "dockerfile"}],
        },
        "environment": {"platform": "linux/amd64"},
    }
    assert metadata == {
        "buildInvocationID": "0123",
        "buildStartedOn": "2026-01-02T03:04:05Z",
        "buildFinishedOn": "2026-01-02T03:04:06Z",
        "completeness": {"parameters": True, "environment": True, "materials": False},
        "reproducible": False,
    }
    assert b64decode(own["source"]["infos"][0]["data"]) == BUILD.recipe.text
    assert own["vcs"] == BUILD.vcs
    assert document["buildConfig"]["steps"][0]["id"] == "step0"


def test_min_keeps_arguments_source_and_steps_to_itself() -> None:
    document = found(options=Options("min"))
    assert document["invocation"]["parameters"] == {
        "frontend": "dockerfile.v0",
        "args": {"target": "app"},
        "locals": [{"name": "context"}, {"name": "dockerfile"}],
    }
    assert document["metadata"]["completeness"]["parameters"] is False
    assert "buildConfig" not in document
    own = document["metadata"][f"{BUILD_TYPE}#metadata"]
    assert set(own) == {"hermetic", "vcs"}


def test_version_1_says_the_same_in_its_own_places() -> None:
    document = found(options=Options("max", "v1", "https://ci.example", True))
    definition, run = document["buildDefinition"], document["runDetails"]
    old = found()
    assert definition["buildType"] == BUILD_TYPE
    assert definition["externalParameters"]["request"] == old["invocation"]["parameters"]
    assert definition["externalParameters"]["configSource"] == {"path": "Dockerfile"}
    assert definition["resolvedDependencies"] == old["materials"]
    assert definition["internalParameters"]["buildConfig"] == old["buildConfig"]
    assert run["builder"] == {"id": "https://ci.example"}
    assert run["metadata"]["invocationId"] == "0123"
    assert run["metadata"][f"{BUILD_TYPE}#metadata"]["reproducible"] is True


@pytest.mark.parametrize("version", ["v0.2", "v1"])
def test_a_context_that_was_fetched_is_a_material(version: Any) -> None:
    context = Material("https://example.org/app.git#main", {"sha1": "d" * 40})
    build = msgspec.structs.replace(
        BUILD, recipe=Recipe("Dockerfile", b"", context), locals=(), hermetic=True
    )
    document = found(build, Options("min", version))
    text = json.dumps(document)
    assert text.count("d" * 40) == 2
    assert '"materials": true' in text


def test_a_build_with_a_network_has_not_named_all_that_went_in() -> None:
    build = msgspec.structs.replace(BUILD, locals=())
    assert found(build)["metadata"]["completeness"]["materials"] is False
