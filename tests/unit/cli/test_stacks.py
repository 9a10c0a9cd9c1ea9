"""An image is found wherever it lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.cli.app import App
from lamina.cli.main import run
from lamina.cli.stacks import opened_stack
from lamina.errors import EngineError
from lamina.explain.stack import Stack
from lamina.store.contract import Store
from tests.unit.cli import sample


@pytest.fixture
def places(store: Store, tmp_path: Path) -> list[str]:
    """The seed's image as every kind of file."""
    sample.seed(store)
    archive, oci, layout = (tmp_path / name for name in ("seed.tar", "oci.tar", "layout"))
    for form, path in (("docker", archive), ("oci-archive", oci), ("oci-dir", layout)):
        formed = [] if form == "docker" else ["--format", form]
        assert run(["--root", str(store.root), "save", *formed, "-o", str(path), "seed"]) == 0
    return [str(archive), f"docker-archive:{archive}", f"oci-archive:{oci}", f"oci:{layout}"]


def facts(stack: Stack) -> tuple[object, ...]:
    entries = [
        (layer, entry, fate.hidden_by[at])
        for layer, (listing, fate) in enumerate(zip(stack.listings, stack.fates, strict=True))
        for at, entry in enumerate(listing.entries)
    ]
    return entries, stack.origins, stack.base, stack.account.hidden_bytes


def test_an_archive_tells_what_the_store_tells(store: Store, places: list[str]) -> None:
    app = App(store.root)
    with opened_stack(app, "seed") as stored:
        for place in places:
            with opened_stack(app, place) as stack:
                assert facts(stack) == facts(stored)
                for layer, listing in enumerate(stack.listings):
                    for entry in listing.entries:
                        if entry.size:
                            with stack.open(layer, entry) as a, stored.open(layer, entry) as b:
                                assert a.read() == b.read()
                assert stack.read("/etc/passwd") == b"root:x:0:0::/root:/bin/sh\n"


def test_an_archive_needs_no_store_and_makes_none(places: list[str], tmp_path: Path) -> None:
    with opened_stack(App(tmp_path / "none"), places[0]) as stack:
        assert stack.account.hidden_bytes == 51_200
        assert stack.base is None
    assert not (tmp_path / "none").exists()


def test_a_name_that_begins_like_a_place_is_a_name(store: Store) -> None:
    sample.make(store, "oci:1.0", [("COPY a", {"a": b"1"})])
    with opened_stack(App(store.root), "oci:1.0") as stack:
        assert stack.name == "oci:1.0"


def test_a_damaged_archive_is_named(store: Store, places: list[str]) -> None:
    archive = Path(places[0])
    raw = bytearray(archive.read_bytes())
    raw[raw.index(b"#" * 1000) + 10] ^= 1
    archive.write_bytes(raw)
    with (
        pytest.raises(EngineError, match="came as other bytes"),
        opened_stack(App(store.root), places[0]) as stack,
    ):
        stack.account  # noqa: B018 - reads the layers


@pytest.mark.parametrize("text", ["./nothing-there.tar", "docker-archive:", "docker://NOT A NAME"])
def test_a_place_where_nothing_is(store: Store, text: str) -> None:
    with pytest.raises((EngineError, OSError)), opened_stack(App(store.root), text):
        pass


@pytest.mark.parametrize(
    "command",
    [
        "explain {} --format json",
        "explain {} /home/50M.file",
        "blame {}",
        "ls {} /etc",
        "tree {}",
        "find {} --hidden",
        "cat {} /etc/passwd",
        "diff debian:bookworm {}",
        "leaks {}",
        "recover {} /home/50M.file --list",
    ],
)
def test_every_command_that_looks_into_an_image_takes_an_archive(
    store: Store, places: list[str], capsys: pytest.CaptureFixture[str], command: str
) -> None:
    capsys.readouterr()
    printed = []
    for name in ("seed", places[0]):
        assert run(["--root", str(store.root), *command.format(name).split()]) == 0
        printed.append(capsys.readouterr().out.replace("seed:latest", "seed.tar"))
    assert printed[0] == printed[1]


def test_explain_leaves_contents_of_an_archive_unread(
    store: Store, places: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A byte that no answer depends on may be wrong: only `load` and its kin would notice."""
    capsys.readouterr()
    assert run(["--root", str(store.root), "explain", places[0], "--format", "json"]) == 0
    before = capsys.readouterr().out
    archive = Path(places[0])
    raw = bytearray(archive.read_bytes())
    raw[raw.index(b"#" * 1000) + 10] ^= 1
    archive.write_bytes(raw)
    assert run(["--root", str(store.root), "explain", places[0], "--format", "json"]) == 0
    assert capsys.readouterr().out == before


def test_an_archive_that_is_cut_off_is_named(
    store: Store, places: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    archive = Path(places[0])
    archive.write_bytes(archive.read_bytes()[:100_000])
    assert run(["--root", str(store.root), "explain", places[0]]) == 1
    assert "cut off" in capsys.readouterr().err
