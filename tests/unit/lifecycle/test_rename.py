"""Other names for containers."""

from __future__ import annotations

import pytest

from lamina.lifecycle.naming import BadName
from lamina.lifecycle.rename import SameName, rename
from lamina.oci.digest import Digest
from lamina.store.container_contract import ContainerRecord
from lamina.store.contract import Store
from lamina.store.errors import NameTaken
from lamina.store.root import open_store

NOW = "2026-01-01T00:00:00.000000000Z"


@pytest.fixture
def store(tmp_path: object) -> Store:
    opened = open_store(tmp_path / "root")  # type: ignore[operator]
    image = Digest("sha256:" + "0" * 64)
    for identity, name in (("a" * 64, "one"), ("b" * 64, "two")):
        opened.containers.create(ContainerRecord(identity, name, "bb", image, (), NOW))
    return opened


@pytest.mark.parametrize("name", ["three", "/three", "a.b-c_1"])
def test_it_goes_by_the_new_name_alone(store: Store, name: str) -> None:
    record = rename(store, store.containers.find("one"), name, NOW)
    assert record.name == name.removeprefix("/")
    assert store.containers.find(name).id == "a" * 64
    assert [each.name for each in store.containers] == [record.name, "two"]
    (event,) = store.events.read()
    assert (event.action, event.attributes["oldName"]) == ("rename", "/one")


def test_a_name_that_another_one_has_stays_there(store: Store) -> None:
    with pytest.raises(NameTaken):
        rename(store, store.containers.find("one"), "two", NOW)
    assert store.containers.find("one").id == "a" * 64


@pytest.mark.parametrize("name", ["", "a", "-ab", "a b", "../x", "a/b", "ab\n", "/"])
def test_what_is_no_name(store: Store, name: str) -> None:
    with pytest.raises(BadName):
        rename(store, store.containers.find("one"), name, NOW)


def test_its_own_name_is_no_new_one(store: Store) -> None:
    with pytest.raises(SameName):
        rename(store, store.containers.find("one"), "one", NOW)
