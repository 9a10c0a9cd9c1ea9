"""How a build came to be: its steps and materials, and nothing secret."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from lamina.attest.provenance import Build, Options, Recipe, predicate
from lamina.build.build import Product, Variant
from lamina.build.provenance import Circumstances, builds
from lamina.context.directory import Nothing
from lamina.context.tree import Tree
from lamina.oci.digest import Digest
from lamina.oci.reference import Reference
from lamina.plan.graph import RemoteOp
from tests.unit.plan.test_plan import HOST, IMAGES, planned


class Lease:
    """Keeps nothing."""

    def protect(self, *digests: Digest) -> None:
        pass

    def fileno(self) -> int:
        return -1


def nothing_fetched(op: RemoteOp) -> Tree:
    return Nothing()


def built(text: str, known: dict[str, Any] | None = None, **settings: Any) -> Build:
    """How an image came to be that is planned and never carried out."""
    plan = planned(text, **settings)
    image = IMAGES["debian"]
    variant = Variant(HOST, plan, image.manifest, image.config, 0, 0)
    circumstances = Circumstances(
        Recipe("Dockerfile", text.encode()),
        list(IMAGES.items()),
        nothing_fetched,
        "0123",
        "2026-01-02T03:04:05Z",
        "2026-01-02T03:04:06Z",
        **(known or {}),
    )
    (found,) = builds(Product((variant,), {}, Lease(), (), ()), circumstances)
    return found


def told(build: Build) -> str:
    """All that is told in the fullest mode, but for the Dockerfile itself."""
    bare = msgspec.structs.replace(build, recipe=Recipe("Dockerfile", b""))
    return json.dumps(predicate(bare, Options("max")))


def test_what_was_asked_for() -> None:
    build = built(
        "FROM debian AS base\nARG VERSION\nRUN make\n",
        {"contexts": {"lib": "https://example.org/lib.git#main", "here": ""}},
        build_args={"VERSION": "2", "HTTP_PROXY": "http://proxy"},
        labels={"a": "b"},
        target="base",
        network="none",
    )
    assert build.arguments == {
        "build-arg:VERSION": "2",
        "context:here": "local",
        "context:lib": "https://example.org/lib.git#main",
        "force-network-mode": "none",
        "label:a": "b",
        "target": "base",
    }
    assert build.hermetic


def test_steps_name_their_inputs_and_come_after_them() -> None:
    build = built("FROM debian AS a\nRUN one\nFROM bare\nCOPY --from=a /x /y\nCOPY z /z\n")
    seen: set[str] = set()
    for step in build.steps:
        assert set(step.inputs) <= seen
        seen.add(step.id)
    assert [step.op["type"] for step in build.steps] == [
        *("base", "base", "run", "copy", "context", "copy")
    ]
    assert build.locals == ["context", "dockerfile"]
    assert not build.hermetic


def test_base_images_are_materials_by_the_digest_that_their_registry_knows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image = IMAGES["debian"]
    digest = Digest.of(b"there")
    reference = Reference.parse("ghcr.io/x/debian:12")
    others = (f"docker.io/y@{Digest.of(b'else')}", f"ghcr.io/x/debian@{digest}")
    row = msgspec.structs.replace(image.row, reference=reference, repo_digests=others)
    monkeypatch.setitem(IMAGES, "debian", msgspec.structs.replace(image, row=row))
    found = {each.uri: each.digest for each in built("FROM debian\n").materials}
    url = "pkg:docker/ghcr.io/x/debian@12?platform=linux%2Famd64"
    assert found[url] == {"sha256": digest.hex}


SECRET = "correct-horse"


@pytest.mark.parametrize(
    ("text", "known", "settings"),
    [
        ("FROM debian\nARG API_TOKEN\nRUN x\n", {}, {"build_args": {"API_TOKEN": SECRET}}),
        ("FROM debian\nARG db-password\nRUN x\n", {}, {"build_args": {"db-password": SECRET}}),
        (f"FROM debian\nARG TOKEN={SECRET}\nRUN x\n", {}, {}),
        (f"FROM debian\nENV TOKEN={SECRET}\nRUN x\n", {}, {}),
        # It went from one variable into another, and into a path.
        (
            "FROM debian\nARG TOKEN\nENV URL=https://$TOKEN@h/p\nRUN x\nWORKDIR /$TOKEN\n",
            {},
            {"build_args": {"TOKEN": SECRET}},
        ),
        (
            "FROM debian\nRUN x\n",
            {},
            {"build_args": {"https_proxy": f"http://me:{SECRET}@proxy"}},
        ),
        (
            f"FROM debian\nENV URL=https://me:{SECRET}@example.org/\nRUN x\n",
            {},
            {},
        ),
        (
            f"FROM debian\nRUN echo {SECRET}\n",
            {"secrets": {"s": f"first line\n  {SECRET}\n".encode()}},
            {},
        ),
    ],
)
def test_nothing_secret_is_told(text: str, known: Any, settings: Any) -> None:
    assert SECRET not in told(built(text, known, **settings))


def test_what_is_not_secret_stays_as_it_is() -> None:
    build = built(
        "FROM debian\nARG KEYBOARD\nRUN echo a b\n", build_args={"KEYBOARD": "de", "TOKEN": "a"}
    )
    # A secret of one letter hides nothing: it stands everywhere.
    assert build.steps[-1].op["args"] == ["/bin/sh", "-c", "echo a b"]
    assert build.arguments["build-arg:KEYBOARD"] == "de"
