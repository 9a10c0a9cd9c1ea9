"""docs/sql.md: every table is as it is described, every query runs and finds what it says."""

from __future__ import annotations

import os
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from lamina.query.schema import TABLES
from lamina.query.sql import query
from lamina.store.contract import Store
from tests.unit.query.material import fill

TEXT = (Path(__file__).parents[3] / "docs/sql.md").read_text()
SECTIONS = re.findall(
    r"^### (.+?)\n(.*?)(?=^##|\Z)", TEXT.partition("## Ten queries")[2], re.M | re.S
)
QUERIES = {name: section.partition("```sql\n")[2].partition("```")[0] for name, section in SECTIONS}

OWNER = f"{os.getuid()}:{os.getgid()}"
FOUND: dict[str, list[tuple[Any, ...]]] = {
    "The largest files that ship and that nobody can see": [
        ("app:1", 3, "/home/big.bin", 50_000, "deleted", 4),
        ("app:1", 1, "/var/lib/dpkg/status", 194, "overwritten", 2),
        ("app:1", 1, "/etc/shadow", 7, "duplicated", 4),
    ],
    "Which instructions bring the most bytes, and how many of them for nothing": [
        ("RUN make big", 1, 50_010, 50_000),
        ("RUN apt-get update", 1, 30_194, 0),
        ("ADD rootfs /", 1, 4201, 201),
        ("RUN rm /home/big.bin", 1, 7, 0),
    ],
    "Programs that run with their owner's rights": [
        ("app:1", "/bin/su", "4755", OWNER),
        ("base:latest", "/bin/su", "4755", OWNER),
    ],
    "The same content, shipped again and again": [
        (2, 7, 7, "/etc/shadow", ["app:1"]),
    ],
    "Packages whose versions differ from image to image": [
        ("dpkg", "bash", ["5.2 in app:1", "5.1 in base:latest"]),
    ],
    "What apt, apk, dnf and pip leave behind": [
        ("app:1", "RUN apt-get update", 1, 30_000, True),
    ],
    "How the store grew": [
        (datetime(2026, 1, 1), 1, 4201, 4201),
        (datetime(2026, 2, 1), 3, 80_211, 84_412),
    ],
    "What everybody can write to": [
        ("app:1", "/var/cache", "directory", "0777", OWNER),
        ("base:latest", "/var/cache", "directory", "0777", OWNER),
    ],
    "Settings that look like secrets, and the containers that run with them": [
        ("app:1", "env", "API_TOKEN", ["web"]),
    ],
}
SHARED = "Layers that several images share"


def test_there_are_ten() -> None:
    assert QUERIES.keys() == {*FOUND, SHARED}
    assert len(QUERIES) == TEXT.count("```sql") == 10


@pytest.mark.parametrize("name", FOUND)
def test_a_query_finds_what_is_there(store: Store, name: str) -> None:
    fill(store)
    found = query(store, QUERIES[name])
    assert found.rows() == FOUND[name]
    assert found.warnings == ()


def test_the_shared_layer_is_found(store: Store) -> None:
    fill(store)
    base = str(store.images.find("base").layers[0])
    assert query(store, QUERIES[SHARED]).rows() == [
        (base[:19], "ADD rootfs /", 4201, ["app:1", "base:latest"])
    ]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_the_tables_are_described_as_they_are(store: Store, table: Any) -> None:
    section = TEXT.partition(f"### {table.name}\n")[2].partition("\n##")[0]
    described = re.findall(r"^\| (\w+) \| (\w+) \| (.*?) ?\|$", section, re.M)
    rows = [row for row in described if row[0] != "column"]
    assert rows == [(each.name, each.type, each.meaning) for each in table.columns]
    assert table.meaning in section.replace("\nOne", "\none")
    told = query(store, f"describe {table.name}").rows()
    assert [(name, kind) for name, kind, *_ in told] == [
        (each.name, each.type) for each in table.columns
    ]
