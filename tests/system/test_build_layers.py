"""`lamina build --slim` and `--layers` on the real kernel."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lamina.engine import open_engine
from lamina.explain.stack import open_stack
from tests.system.conftest import Lamina, Registry, Tool

pytestmark = pytest.mark.system

MANY = """\
FROM busybox
RUN mkdir /app && head -c 300000 /dev/zero > /app/kept && echo one > /app/log
RUN head -c 2000000 /dev/urandom > /tmp/big && ln /tmp/big /app/linked
ENV A=1
RUN rm /tmp/big && echo two >> /app/log
COPY file /srv/
RUN chmod 600 /app/kept
CMD ["cat", "/app/log"]
"""


@pytest.fixture
def context(tmp_path: Path) -> Path:
    place = tmp_path / "context"
    place.mkdir()
    (place / "file").write_text("from the context")
    (place / "Dockerfile").write_text(MANY)
    return place


def explained(lamina: Lamina, name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(lamina("explain", name, "--format", "json").stdout)
    return document


def layers(lamina: Lamina, name: str) -> tuple[str, ...]:
    return tuple(map(str, open_engine(lamina.root).store.images.find(name).layers))


def test_slim_ships_no_hidden_byte_and_shows_the_same(busybox_store: Lamina, context: Path) -> None:
    busybox_store("build", "-t", "plain", str(context))
    said = busybox_store("build", "--slim", "-t", "slim", str(context)).stderr
    assert "join layers where one hides bytes of another" in said
    assert "of it hidden" not in said
    before, after = explained(busybox_store, "plain"), explained(busybox_store, "slim")
    assert before["hidden_bytes"] > 300_000
    assert after["hidden_bytes"] == 0
    assert after["bytes"] == before["visible_bytes"]
    busybox_store("verify", "plain", "slim")
    assert busybox_store("run", "--rm", "slim").stdout == "one\ntwo\n"


@pytest.mark.parametrize(("way", "count"), [("instruction", 6), ("stage", 2), ("one", 1)])
def test_ways(busybox_store: Lamina, context: Path, way: str, count: int) -> None:
    busybox_store("build", "-t", "plain", str(context))
    busybox_store("build", "--layers", way, "-t", "t", str(context))
    assert len(layers(busybox_store, "t")) == count
    busybox_store("verify", "plain", "t")
    base = layers(busybox_store, "busybox")[0]
    assert (layers(busybox_store, "t")[0] == base) == (way != "one")
    assert (explained(busybox_store, "t")["hidden_bytes"] == 0) == (way != "instruction")


def test_steps_stay_cached_and_the_second_build_writes_nothing(
    busybox_store: Lamina, context: Path
) -> None:
    busybox_store("build", "--slim", "-t", "first", str(context))
    (context / "file").write_text("changed")
    said = busybox_store("build", "--slim", "-t", "t", str(context)).stderr
    assert said.count("CACHED") == 4  # the base, and three RUN
    again = busybox_store("build", "--slim", "-t", "again", str(context)).stderr
    assert "DONE" not in again.partition("#5")[0]
    assert layers(busybox_store, "t") == layers(busybox_store, "again")
    ids = [
        open_engine(busybox_store.root).store.images.find(name).config.digest
        for name in ("t", "again")
    ]
    assert ids[0] == ids[1]


def test_a_build_that_hides_nothing_is_the_same_image(
    busybox_store: Lamina, tmp_path: Path
) -> None:
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN echo 1 > /a\nRUN echo 2 > /b\n")
    busybox_store("build", "-t", "plain", str(tmp_path))
    busybox_store("build", "--slim", "-t", "slim", str(tmp_path))
    assert layers(busybox_store, "plain") == layers(busybox_store, "slim")


def test_joined_layers_go_when_they_are_pruned_and_come_again(
    busybox_store: Lamina, context: Path
) -> None:
    busybox_store("build", "--slim", "-t", "t", str(context))
    first = layers(busybox_store, "t")
    assert "layers of an image joined" in busybox_store("build", "cache", "ls").stdout
    busybox_store("rmi", "t")
    busybox_store("build", "cache", "prune", "-af")
    busybox_store("prune", "-f")
    assert set(layers(busybox_store, "busybox")) == {
        str(each) for each in open_engine(busybox_store.root).store.layers
    }
    (context / "Dockerfile").write_text(MANY.replace("urandom", "zero"))
    busybox_store("build", "--slim", "-t", "t", str(context))
    busybox_store("verify")
    assert len(layers(busybox_store, "t")) == len(first)


def test_outputs_have_the_joined_layers(
    busybox_store: Lamina, context: Path, registry: Registry, tmp_path: Path
) -> None:
    busybox_store("build", "-t", "plain", str(context))
    name = f"{registry.host}/joined:1"
    archive = tmp_path / "image.tar"
    busybox_store(
        *("build", "--slim", "--push", "-t", name, "-o", f"type=oci,dest={archive}"),
        *("--cache-to", "type=inline", str(context)),
    )
    for place in (f"docker://{name}", f"oci-archive:{archive}"):
        busybox_store("verify", "plain", place)
        assert explained(busybox_store, place)["hidden_bytes"] == 0
    # Of the steps' own layers those are told that the image has.
    store = open_engine(busybox_store.root).store
    busybox_store("pull", name)
    stack = open_stack(store, name)
    assert stack.config is not None
    document = json.loads(stack.config.raw).get("dev.lamina.cache.v1", {"steps": []})
    had = {str(each) for each in stack.config.diff_ids}
    assert {step["layer"] for step in document["steps"]} <= had


def test_docker_runs_it(busybox_store: Lamina, context: Path, docker: Tool, tmp_path: Path) -> None:
    archive = tmp_path / "image.tar"
    busybox_store("build", "--slim", "-o", f"type=docker,dest={archive}", "-t", "t", str(context))
    docker("load", "-i", str(archive))
    try:
        assert docker("run", "--rm", "--network", "none", "t") == "one\ntwo\n"
    finally:
        docker("rmi", "-f", "t")


def test_what_does_not_go_together(busybox_store: Lamina, context: Path) -> None:
    done = busybox_store("build", "--slim", "--layers", "instruction", str(context), check=False)
    assert done.returncode == 2
    assert "leave --layers instruction out" in done.stderr
