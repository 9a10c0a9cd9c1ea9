"""A record at a glance: the one that is meant, or none."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from lamina.oci.digest import Digest
from lamina.store.container_contract import ContainerRecord
from lamina.store.containers import DirContainers
from lamina.store.glance import glance

WEB, OTHER = "ab" * 32, "cd" * 32


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    containers = DirContainers(tmp_path)
    image = Digest("sha256:" + "0" * 64)
    for identity, name in ((WEB, "web"), (OTHER, "other")):
        labels = {"points-to": "web", "odd": 'ü"\n'}
        containers.create(ContainerRecord(identity, name, "bb", image, (), "", labels=labels))
    return tmp_path


@pytest.mark.parametrize("text", ["web", WEB])
def test_by_name_and_by_id(directory: Path, text: str) -> None:
    found = glance(str(directory), text)
    assert found is not None
    assert (found["id"], found["labels"]["odd"]) == (WEB, 'ü"\n')


@pytest.mark.parametrize("text", ["", "we", WEB[:12], "/web", "absent", "bb", 'w"eb'])
def test_all_else_is_for_those_who_look_closely(directory: Path, text: str) -> None:
    assert glance(str(directory), text) is None


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"id": 3}', b'"web"', b"\xff web"])
def test_a_damaged_record_is_none(directory: Path, damage: bytes) -> None:
    (directory / WEB / "record.json").write_bytes(damage + b'"web"')
    assert glance(str(directory), "web") is None


def test_it_agrees_with_the_record(directory: Path) -> None:
    record = DirContainers(directory).find("web")
    found = glance(str(directory), "web")
    assert found is not None
    found.pop("checksum")
    assert msgspec.convert(found, ContainerRecord, dec_hook=lambda kind, text: kind(text)) == record
