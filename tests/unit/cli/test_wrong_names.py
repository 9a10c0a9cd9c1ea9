"""What commands say of names that nothing has."""

from __future__ import annotations

import pytest

from lamina.store.contract import Store
from tests.unit.cli import sample
from tests.unit.cli.conftest import Lamina

OF_CONTAINERS = (
    *("attach", "commit", "diff", "export", "kill", "logs", "pause", "port", "restart", "rm"),
    *("start", "stats", "stop", "top", "unpause", "update", "wait", "container inspect"),
    *("exec {} true", "exec -d {} true", "rename {} other", "cp {}:/x /tmp/y", "cp /etc {}:/x"),
)
OF_IMAGES = (
    "rmi",
    "history",
    "tag {} x",
    "save {}",
    "tree",
    "ls",
    "cat {} /x",
    "explain",
    "verify",
)
OTHERS = {
    "network rm": "network nope not found",
    "network inspect": "network nope not found",
    "volume rm": "no such volume: nope",
    "volume inspect": "no such volume: nope",
    "inspect": "no image or container nope",
}


def arguments(text: str, name: str) -> list[str]:
    return (text if "{}" in text else f"{text} {{}}").format(name).split(" ")


def sentence(error: str) -> str:
    """The one sentence of an error, which has at most a hint on a second line."""
    first, *hint = error.splitlines()
    assert len(hint) <= 1 and all(line.startswith("  ") for line in hint), error
    return first


@pytest.mark.parametrize("text", OF_CONTAINERS)
@pytest.mark.parametrize(("name", "said"), [("nope", "no container nope"), ("", "no container ''")])
def test_of_containers(store: Store, lamina: Lamina, text: str, name: str, said: str) -> None:
    if text.startswith("cp") and not name:
        pytest.skip("that is a file of this host")
    sample.seed(store)
    status, out, error = lamina(*arguments(text, name))
    assert (status, sentence(error)) == (1, f"lamina: {said}")
    assert out in ("", "[]\n")


@pytest.mark.parametrize("text", OF_IMAGES)
def test_of_images(store: Store, lamina: Lamina, text: str) -> None:
    sample.seed(store)
    status, out, error = lamina(*arguments(text, "nope"))
    assert (status, out, sentence(error)) == (1, "", "lamina: no image nope in the store")


@pytest.mark.parametrize("text", OTHERS)
def test_of_others(store: Store, lamina: Lamina, text: str) -> None:
    status, _, error = lamina(*arguments(text, "nope"))
    assert (status, sentence(error)) == (1, f"lamina: {OTHERS[text]}")


def test_a_missing_option_is_one_sentence(lamina: Lamina) -> None:
    status, _, error = lamina("convert", "nope")
    assert status == 2
    assert sentence(error) == "lamina: missing option '--layer-form'. Choose from: image, tree"
