"""Reports for people and for programs."""

from __future__ import annotations

import json

import pytest

from lamina.explain.cause import Base, Origin
from lamina.explain.lookup import search
from lamina.explain.stack import NoSuchLayer, Stack
from lamina.layer.contract import Listing
from lamina.layer.entry import Entry, Kind
from lamina.layer.union import Union
from lamina.report import account as reports
from lamina.report import layer as layer_report
from lamina.report import search as search_report
from lamina.report.paper import Cell, Paper
from lamina.report.search import Subject, happened
from tests.fakes.stacks import numbered, stack_of
from tests.golden.golden import check
from tests.unit.layer.stacks import listing

MEGA = 1_000_000
LAYERS = [
    listing(f"f bin/sh {90 * MEGA}", f"f bin/dup {4 * MEGA} same", "f etc/a 100 old"),
    listing(f"f lib/x {10 * MEGA}", f"f lib/x {12 * MEGA}"),
    listing("d home"),
    listing("d home", "f home/50M.file 52428800"),
    listing("d home", "w home/50M.file", f"f bin/dup {4 * MEGA} same", "f etc/a 120 new"),
    listing("w lib", "f srv/日本/a\x1b[2J\u202e 900"),
]
INSTRUCTIONS = [
    "ADD file:1 in /",
    "COPY lib /lib",
    "WORKDIR /home",
    "RUN dd if=/dev/zero of=50M.file bs=1M count=50 && echo longer than most terminals",
    "RUN rm -rf 50M.file",
    "COPY 日本 \x1b[31m /srv",
]


COPIED = "copied up, the content is the image's"


def origins(count: int = len(INSTRUCTIONS)) -> list[Origin]:
    return numbered(INSTRUCTIONS[:count])


def report(*, base: Base | None = None) -> Stack:
    return stack_of(LAYERS, origins(), name="seed:latest", base=base)


@pytest.mark.parametrize(
    ("name", "paper"),
    [
        ("wide", Paper(130)),
        ("narrow", Paper(80)),
        ("ascii", Paper(100, unicode=False)),
        ("colour", Paper(100, colored=True)),
    ],
)
def test_the_report_of_an_image(name: str, paper: Paper) -> None:
    check(f"cli/explain-{name}.txt", reports.as_text(report(), paper, limit=10))


def test_base_layers_stand_in_one_row() -> None:
    text = reports.as_text(report(base=Base("debian:bookworm", 2)), Paper(110), limit=2)
    check("cli/explain-base.txt", text)


def test_nothing_hidden_is_said_in_one_line() -> None:
    clean = stack_of([listing("f a 7")], origins(1), name="a:1")
    text = reports.as_text(clean, Paper(), limit=10)
    assert text.splitlines()[0] == "a:1   7 B, all of it visible"
    assert "hidden by" not in text and "less" not in text


def test_no_layers_at_all() -> None:
    scratch = stack_of([], name="s:1")
    assert reports.as_text(scratch, Paper(), limit=10).startswith("s:1   0 B, all of it visible\n")


def test_a_container_stands_on_its_image() -> None:
    layers = [
        listing("f etc/passwd 900", "f etc/issue 20"),
        listing("f etc/passwd 910", "w etc/issue"),
    ]
    named = [*origins(1), Origin("rw", "sh -c true")]
    found = stack_of(layers, named, name="web", identity="c0ffee", base=Base("debian:bookworm", 1))
    check("cli/explain-container.txt", reports.as_text(found, Paper(), limit=10))
    document = reports.as_json(found)
    assert document["container"] == "web" and document["layers"][1]["diff_id"] is None


def test_the_json_has_what_programs_need_and_adds_up() -> None:
    document = reports.as_json(report())
    assert json.loads(json.dumps(document)) == document
    assert document["bytes"] == document["visible_bytes"] + document["hidden_bytes"]
    assert document["hidden_bytes"] == 52428800 + 22 * MEGA + 4 * MEGA + 100
    for layer, listed in zip(document["layers"], LAYERS, strict=True):
        assert layer["diff_id"] == str(listed.diff_id)
        assert layer["bytes"] == layer["visible_bytes"] + layer["hidden_bytes"]
        assert layer["hidden_bytes"] == sum(layer["hidden_by"].values())
    assert document["layers"][3]["created_by"].endswith("# buildkit")
    assert document["layers"][1]["hidden_by"] == {"2": 10 * MEGA, "6": 12 * MEGA}
    assert document["layers"][4]["hides"] == {"1": 4 * MEGA + 100, "4": 52428800}
    assert document["findings"][0] == {
        "cause": "deleted",
        "path": "/home/50M.file",
        "files": 1,
        "bytes": 52428800,
        "layer": "4",
        "hidden_by": "5",
    }


def test_one_layer_lists_its_files() -> None:
    check("cli/explain-layer.txt", layer_report.as_text(report(), [1], Paper(), limit=1))
    document = layer_report.as_json(report(), 1)
    assert [(file["bytes"], file["cause"], file["hidden_by"]) for file in document["files"]] == [
        (12 * MEGA, "deleted", "6"),
        (10 * MEGA, "superseded", "2"),
    ]
    assert document["findings"] == []


def test_a_layer_tells_what_it_hides() -> None:
    check("cli/explain-layers.txt", layer_report.as_text(report(), [2, 4, 5], Paper(), limit=10))
    document = layer_report.as_json(report(), 4)
    assert [(each["path"], each["layer"]) for each in document["findings"]] == [
        ("/home/50M.file", "4"),
        ("/bin/dup", "1"),
        ("/etc/a", "1"),
    ]


def test_a_layer_that_is_not_there() -> None:
    with pytest.raises(NoSuchLayer, match="no layer 7 in seed:latest") as caught:
        report().place("7")
    assert caught.value.hint == "it has layers 1 to 6"


def test_all_kinds_of_waste_go_by_their_names() -> None:
    layers = [
        listing(
            *("f o 9 old", "f d 8 same", "f x 7 x", "d q", "f q/y 6 y", "f t 5 t"),
            *("f s 4 first", "f s 3 second"),
        ),
        listing("f o 9 new", "f d 8 same", "w x", "d q", "o q", "d t"),
    ]
    text = reports.as_text(stack_of(layers), Paper(), limit=10)
    told = [line.split()[0] for line in text.splitlines() if "1 file" in line]
    assert told == ["overwritten", "duplicated", "deleted", "opaque", "replaced", "superseded"]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("deleted", "/home/50M.file"),
        ("directory", "home"),
        ("in-a-deleted-directory", "lib/x"),
        ("duplicated", "bin/dup"),
        ("hostile", "srv/日本/a\x1b[2J\u202e"),
    ],
)
def test_the_report_of_a_path(name: str, path: str) -> None:
    found = search(Union.of(LAYERS), path, name="seed:latest")
    subject = Subject("seed:latest", origins())
    check(f"cli/explain-path-{name}.txt", search_report.as_text(found, subject, Paper(110)))


def test_the_json_of_a_path() -> None:
    found = search(Union.of(LAYERS), "home/50M.file", name="seed:latest")
    document = search_report.as_json(found, Subject("seed:latest", origins()))
    assert json.loads(json.dumps(document)) == document
    assert (document["state"], document["deleted_by"]) == ("deleted", "5")
    assert [(step["layer"], step["kind"], step["barrier"]) for step in document["steps"]] == [
        ("6", None, None),
        ("5", None, "whiteout"),
        ("4", "file", None),
        ("3", None, None),
        ("2", None, None),
        ("1", None, None),
    ]


def file(path: str, size: int, *, mode: int = 0o644, uid: int = 0) -> Entry:
    return Entry(path, Kind.FILE, mode, uid, 0, size, 0)


@pytest.mark.parametrize(
    ("path", "same", "words"),
    [
        ("read", False, ""),
        ("changed", False, "copied up when first written; last change 09:41:02"),
        (
            "mode",
            True,
            "copied up, the content is the image's; mode 0644 → 0600, owner root:root → 5:root",
        ),
        ("touched", True, f"{COPIED}; 09:41:02"),
        ("deleted", False, "deleted here; the image still has it"),
        ("added", False, "new, only here; 09:41:02"),
        ("dir", False, "something in it changed here; 09:41:02"),
        ("typed", False, "replaced here: the image has a directory; 09:41:02"),
    ],
)
def test_what_a_container_did_to_a_path(path: str, same: bool, words: str) -> None:
    own = (
        file("changed", 5),
        file("mode", 3, mode=0o600, uid=5),
        file("touched", 3),
        file(".wh.deleted", 0),
        file("added", 1),
        file("dir/new", 1),
        file("typed", 1),
    )
    image = listing(
        "f read 3", "f changed 3", "f mode 3", "f touched 3", "f deleted 3", "d dir", "d typed"
    )
    layers = [image, Listing(image.diff_id, own, 0)]
    found = search(Union.of(layers), path, name="web")
    below = search(Union.of([image]), path, name="web").found if path != "added" else None
    told = happened(found, below.entry if below else None, same_content=same, when="09:41:02")
    assert told == words
    subject = Subject("web", [*origins(1), Origin("rw", "sh")], told, sharers=2)
    check(f"cli/explain-rw-{path}.txt", search_report.as_text(found, subject, Paper(140)))


def test_a_grid_gives_way_in_one_column() -> None:
    rows = [[Cell("a" * 10), Cell("b" * 40)], [Cell(""), Cell("c")]]
    assert Paper(30).grid(rows, stretch=1) == (
        "   aaaaaaaaaa   " + "b" * 13 + "…\n" + " " * 16 + "c\n"
    )
    assert Paper(30).grid([], stretch=0) == ""


def test_a_sentence_takes_as_many_lines_as_it_needs() -> None:
    text = Paper(20).prose("to ship 52.4 MB less: chain \x1b[31m them", "deleted")
    assert text == "   to ship 52.4 MB\n   less: chain\n   \\e[31m them\n"
    assert all(len(line) <= 20 for line in text.splitlines())
    assert Paper(12).prose("averylongwordindeed") == "   averylongwordindeed\n"
