"""How an image was built, as SLSA provenance: version 0.2 as BuildKit has it, or version 1.

https://slsa.dev/spec/v0.2/provenance and https://slsa.dev/spec/v1.0/provenance; where the
fields of BuildKit's own notation (its docs/attestations/slsa-definitions.md) say the same
thing they have its names.  What this build alone knows is described in docs/attestations.md.
Pure.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

Mode = Literal["min", "max"]
Version = Literal["v0.2", "v1"]
PREDICATES: Mapping[Version, str] = {
    "v0.2": "https://slsa.dev/provenance/v0.2",
    "v1": "https://slsa.dev/provenance/v1",
}
BUILD_TYPE = "https://lamina.dev/build/dockerfile@v1"
"""What the rest of the document means: see docs/attestations.md."""
_METADATA = "https://lamina.dev/build/dockerfile@v1#metadata"
_FRONTEND = "dockerfile.v0"
_ONLY_MAX = ("build-arg:", "label:")
"""Beginnings of arguments that only the mode max tells, as in BuildKit."""


class Material(msgspec.Struct, frozen=True):
    """Something from outside that went into the image."""

    uri: str
    """A package URL of an image, or an address without a password."""
    digest: Mapping[str, str]
    """By algorithm, hexadecimal: `sha256`, or `sha1` of a git commit."""


class BuildStep(msgspec.Struct, frozen=True, omit_defaults=True):
    """One vertex of the build's graph."""

    id: str
    name: str
    """For people."""
    op: Any
    """What it does, as JSON values, without anything secret."""
    inputs: tuple[str, ...] = ()
    """The ids of what it starts from and reads."""
    layer: str = ""
    """The diff_id of what it made."""


class Recipe(msgspec.Struct, frozen=True):
    """The Dockerfile, and where it is from."""

    name: str
    """Its path in the context."""
    text: bytes
    context: Material | None = None
    """Of a context that was fetched; None for a local one."""


class Build(msgspec.Struct, frozen=True):
    """One build of an image for one platform.  Nothing secret is in it."""

    recipe: Recipe
    arguments: Mapping[str, str]
    """`build-arg:NAME`, `label:NAME`, `target` and so on."""
    materials: Sequence[Material]
    platform: str
    """Of the machine that built."""
    invocation: str
    """A random id of this run."""
    started: str
    """RFC 3339."""
    finished: str
    locals: Sequence[str] = ()
    """The names of contexts that lay on this machine: nobody else can have them."""
    secrets: Sequence[str] = ()
    """The ids of the secrets that steps could read."""
    agents: Sequence[str] = ()
    """The ids of ssh agents."""
    hermetic: bool = False
    """Whether no step could reach a network."""
    steps: Sequence[BuildStep] = ()
    vcs: Mapping[str, str] = {}
    """The repository (`source`) and commit (`revision`) that a local context is a checkout of."""


class Options(msgspec.Struct, frozen=True):
    """What is told, and in which version."""

    mode: Mode = "min"
    version: Version = "v0.2"
    builder: str = ""
    """A URI that stands for whoever runs the build."""
    reproducible: bool = False


def predicate(build: Build, options: Options) -> dict[str, Any]:
    """The provenance (JSON values) of a build, in the version asked for."""
    return _version_1(build, options) if options.version == "v1" else _version_02(build, options)


def _version_02(build: Build, options: Options) -> dict[str, Any]:
    found: dict[str, Any] = {
        "builder": {"id": options.builder},
        "buildType": BUILD_TYPE,
        "materials": _materials(build),
        "invocation": {
            "configSource": _config_source(build),
            "parameters": _parameters(build, options),
            "environment": {"platform": build.platform},
        },
        "metadata": {
            "buildInvocationID": build.invocation,
            "buildStartedOn": build.started,
            "buildFinishedOn": build.finished,
            "completeness": _completeness(build, options),
            "reproducible": options.reproducible,
            _METADATA: _metadata(build, options),
        },
    }
    if options.mode == "max":
        found["buildConfig"] = _build_config(build)
    return found


def _version_1(build: Build, options: Options) -> dict[str, Any]:
    internal: dict[str, Any] = {"builderPlatform": build.platform}
    if options.mode == "max":
        internal["buildConfig"] = _build_config(build)
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {
                "configSource": _config_source(build, path="path"),
                "request": _parameters(build, options),
            },
            "internalParameters": internal,
            "resolvedDependencies": _materials(build),
        },
        "runDetails": {
            "builder": {"id": options.builder},
            "metadata": {
                "invocationId": build.invocation,
                "startedOn": build.started,
                "finishedOn": build.finished,
                _METADATA: {
                    **_metadata(build, options),
                    "completeness": _completeness(build, options),
                    "reproducible": options.reproducible,
                },
            },
        },
    }


def _materials(build: Build) -> list[dict[str, Any]]:
    found = {each.uri: each for each in build.materials}
    if build.recipe.context is not None:
        found.setdefault(build.recipe.context.uri, build.recipe.context)
    return [msgspec.to_builtins(each) for _, each in sorted(found.items())]


def _config_source(build: Build, *, path: str = "entryPoint") -> dict[str, Any]:
    context = build.recipe.context
    fetched = msgspec.to_builtins(context) if context is not None else {}
    return {**fetched, path: build.recipe.name}


def _parameters(build: Build, options: Options) -> dict[str, Any]:
    arguments = {
        name: value
        for name, value in build.arguments.items()
        if options.mode == "max" or not name.startswith(_ONLY_MAX)
    }
    found: dict[str, Any] = {"frontend": _FRONTEND, "args": arguments}
    if options.mode == "max":
        if build.secrets:
            found["secrets"] = [{"id": each, "optional": True} for each in build.secrets]
        if build.agents:
            found["ssh"] = [{"id": each, "optional": True} for each in build.agents]
    if build.locals:
        found["locals"] = [{"name": each} for each in build.locals]
    return found


def _completeness(build: Build, options: Options) -> dict[str, bool]:
    told = all(not name.startswith(_ONLY_MAX) for name in build.arguments)
    return {
        "parameters": options.mode == "max" or (told and not build.secrets and not build.agents),
        "environment": True,
        "materials": build.hermetic and not build.locals,
    }


def _metadata(build: Build, options: Options) -> dict[str, Any]:
    found: dict[str, Any] = {"hermetic": build.hermetic}
    if build.vcs:
        found["vcs"] = dict(build.vcs)
    if options.mode == "max":
        document = {
            "filename": build.recipe.name,
            "language": "Dockerfile",
            "data": b64encode(build.recipe.text).decode(),
        }
        found["source"] = {"infos": [document]}
    return found


def _build_config(build: Build) -> dict[str, Any]:
    return {"steps": [msgspec.to_builtins(each) for each in build.steps]}
