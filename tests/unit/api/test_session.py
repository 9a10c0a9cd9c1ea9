"""The store and its images from Python."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

import lamina
from lamina.errors import NotFound
from lamina.lifecycle.naming import BadName
from lamina.store.contract import Store
from tests.unit.cli import sample


@pytest.fixture
def engine(store: Store) -> lamina.Session:
    sample.seed(store)
    return lamina.open(store.root)


@pytest.fixture
def seed(engine: lamina.Session) -> lamina.Image:
    return engine.image("seed")


def test_the_root_comes_from_the_environment(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMINA_ROOT", str(store.root))
    with lamina.open() as engine:
        assert engine.root == store.root


def test_images_are_listed_with_their_names(engine: lamina.Session) -> None:
    assert [row.name for row in engine.images()] == ["debian:bookworm", "seed:latest"]
    assert engine.images()[1].id == engine.image("seed").id
    assert engine.images()[1].size == 206_226


def test_the_bytes_of_an_image_add_up(seed: lamina.Image) -> None:
    assert (seed.size, seed.visible_bytes, seed.hidden_bytes) == (206_226, 155_026, 51_200)
    assert [layer.number for layer in seed.layers] == [1, 2, 3, 4]
    assert [layer.size for layer in seed.layers] == [155_026, 0, 51_200, 0]
    assert sum(layer.hidden_bytes for layer in seed.layers) == seed.hidden_bytes
    assert seed.layers[3].instruction == "RUN rm -rf 50M.file"


def test_files_are_those_that_a_container_sees(seed: lamina.Image) -> None:
    files = seed.files()
    assert [each.path for each in files][:4] == ["/bin", "/bin/dash", "/bin/sh", "/etc"]
    assert all(each.visible for each in files)
    dash, shell = files[1], files[2]
    assert (dash.type, dash.size, dash.sha256) == ("file", shell.size, shell.sha256)
    assert shell.mtime == datetime(1970, 1, 1, tzinfo=UTC)
    # A content with two names is there once.
    assert sum(each.size for each in files) - dash.size == seed.visible_bytes
    assert [each.path for each in seed.files("/home")] == ["/home"]


def test_hidden_files_are_told_apart(seed: lamina.Image) -> None:
    (hidden,) = seed.files(hidden=True)
    assert (hidden.path, hidden.layer, hidden.hidden_by, hidden.hidden_kind) == (
        "/home/50M.file",
        3,
        4,
        "deleted",
    )
    assert not hidden.visible
    (lost,) = seed.waste()
    assert (lost.path, lost.size, lost.kind) == ("/home/50M.file", 51_200, "deleted")
    assert (lost.shipped_by, lost.hidden_by) == (3, 4)
    assert lost.instruction == "RUN rm -rf 50M.file"


def test_a_layer_s_files_are_all_that_it_ships(seed: lamina.Image) -> None:
    assert [each.path for each in seed.files(layer=3)] == ["/home", "/home/50M.file"]
    with pytest.raises(NotFound, match="no layer 9 in seed"):
        seed.files(layer=9)
    with pytest.raises(NotFound, match="no layer 0 in seed"):
        seed.files(layer=0)


def test_contents_are_read_seen_or_not(seed: lamina.Image) -> None:
    assert seed.read("/etc/passwd").startswith(b"root:x:0:0:")
    assert seed.read("/home/50M.file", hidden=True) == bytes(51_200)
    assert seed.read("/home/50M.file", layer=3) == bytes(51_200)
    with seed.open("/bin/dash") as file:
        assert file.read(3) == b"###"
    with pytest.raises(NotFound, match="layer 4 hides it"):
        seed.open("/home/50M.file")


def test_blame_names_who_wrote_a_file(store: Store, engine: lamina.Session) -> None:
    steps: list[tuple[str, sample.Files | None]] = [
        ("COPY a", {"a": b"first", "b": b"same"}),
        ("RUN change", {"a": b"other", "b": b"same"}),
    ]
    sample.make(store, "blamed", steps)
    a, b = engine.image("blamed").blame()
    assert (a.path, a.layer, a.instruction, a.content_layer) == ("/a", 2, "RUN change", 2)
    assert (b.path, b.layer, b.content_layer, b.content_instruction) == ("/b", 2, 1, "COPY a")


def test_a_search_goes_from_the_top_down(seed: lamina.Image) -> None:
    steps = seed.search("/home/50M.file")
    assert [(each.layer, each.what, each.size) for each in steps] == [
        (4, "whiteout", 0),
        (3, "file", 51_200),
        (2, "", 0),
        (1, "", 0),
    ]
    assert [each.reached for each in steps] == [True, False, False, False]
    assert not any(each.shown for each in steps)


def test_two_images_are_compared(engine: lamina.Session, seed: lamina.Image) -> None:
    base = engine.image("debian:bookworm")
    found = base.compare(seed)
    assert [(each.path, each.verdict, each.layer) for each in found.files] == [
        ("/home", "added", 4)
    ]
    assert [(each.setting, each.key, each.new) for each in found.settings] == [
        ("label", "stage", "demo")
    ]
    assert found
    assert not base.compare(base)
    assert "<h4>files</h4>" in found._repr_html_()
    assert base.compare(base)._repr_html_() == "<p>no differences</p>"
    assert repr(found).startswith("<Comparison: 1 files")


def test_secrets_are_found_and_not_told(store: Store, engine: lamina.Session) -> None:
    token = "ghp_" + "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zA1bC3"
    steps: list[tuple[str, sample.Files | None]] = [
        ("COPY .env", {"app": None, "app/.env": f"TOKEN={token}\n".encode()}),
        ("RUN rm .env", {"app": None, "app/.wh..env": b""}),
    ]
    sample.make(store, "leaky", steps)
    (found,) = [each for each in engine.image("leaky").leaks() if each.source == "file"]
    assert (found.name, found.line, found.layer, found.hidden_by) == ("/app/.env", 1, 1, 2)
    assert found.state == "hidden"
    assert token not in repr(found)
    assert found.redacted.startswith("ghp_…")


def test_sql_asks_the_same_store(engine: lamina.Session, seed: lamina.Image) -> None:
    query = "select sum(size) from files where image like 'seed%' and not visible"
    assert engine.sql(query).rows() == [(seed.hidden_bytes,)]


def test_a_container_has_its_own_layer_on_top(store: Store, engine: lamina.Session) -> None:
    record = sample.container(store, store.images.find("seed"))
    upper = store.containers.directory(record.id) / "upper"
    (upper / "new").write_bytes(b"n" * 7)
    image = engine.container("web")
    assert image.layers[-1].diff_id == ""
    (new,) = [each for each in image.files() if each.layer == 5 and each.type == "file"]
    assert (new.path, new.size, new.sha256) == ("/new", 7, "")


def test_an_archive_is_read_where_it_lies(
    store: Store, engine: lamina.Session, seed: lamina.Image, tmp_path: Path
) -> None:
    from lamina.cli.main import run

    archive = tmp_path / "seed.tar"
    assert run(["--root", str(store.root), "save", "-o", str(archive), "seed"]) == 0
    with lamina.open_archive(archive) as image:
        assert image.files() == seed.files()
        assert image.waste() == seed.waste()
        assert image.read("/etc/passwd") == seed.read("/etc/passwd")
    with lamina.open(tmp_path / "other") as other:
        assert [row.name for row in other.load(archive)] == ["seed:latest"]
        assert other.image("seed").id == seed.id


def test_tables_and_images_show_themselves_in_a_notebook(
    store: Store, engine: lamina.Session, seed: lamina.Image
) -> None:
    page = seed._repr_html_()
    assert "RUN rm -rf 50M.file" in page
    assert "51.2 kB hidden" in page
    table = seed.files()._repr_html_()
    assert table.count("<tr>") == 1 + len(seed.files())
    assert seed.files()[:0]._repr_html_() == "<p>no rows</p>"
    printed = repr(seed.files()).splitlines()
    assert printed[0].split()[:4] == ["path", "type", "size", "mode"]
    assert printed[1].split()[:3] == ["/bin", "directory", "0"]
    assert printed[-1] == f"<{len(seed.files())} File rows>"
    assert seed.files().to_dicts()[0]["path"] == "/bin"
    sample.hostile(store)
    hostile = engine.image("hostile")
    for shown in (hostile._repr_html_(), hostile.files()._repr_html_(), repr(hostile.files())):
        assert "\x1b" not in shown
        assert "\u202e" not in shown


def test_what_an_image_wrote_does_not_become_a_page(store: Store) -> None:
    evil = "<script>alert(1)</script>"
    sample.make(store, "evil", [(f"RUN {evil}", {evil.replace("/", "_"): b"x"})])
    image = lamina.open(store.root).image("evil")
    for shown in (image._repr_html_(), image.files()._repr_html_()):
        assert "<script" not in shown


def test_importing_lamina_imports_nothing_else() -> None:
    code = (
        "import sys; before = set(sys.modules); import lamina;"
        "print(*sorted(set(sys.modules) - before - {'typing', '__future__'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [name for name in done.stdout.split() if name.startswith("lamina")] == ["lamina"]


def test_the_public_names_are_there() -> None:
    assert {name for name in lamina.__all__ if getattr(lamina, name) is None} == set()
    assert set(dir(lamina)) == set(lamina.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        lamina.nothing  # noqa: B018


def test_slim_takes_out_what_is_hidden_and_shows_the_same(engine: lamina.Session) -> None:
    seed = engine.image("seed")
    small = engine.slim("seed", "seed:slim")
    assert (small.name, small.size, small.hidden_bytes) == ("seed:slim", seed.visible_bytes, 0)
    assert small.tree_digest() == seed.tree_digest()
    assert len(engine.slim("seed", "flat", squash_from=1).layers) == 1
    assert engine.image("flat").tree_digest() == seed.tree_digest()
    assert engine.image("debian:bookworm").tree_digest() != seed.tree_digest()
    with pytest.raises(NotFound, match="no layer 9"):
        engine.slim("seed", "x", squash_from=9)


def test_a_container_has_a_name_that_is_one(engine: lamina.Session) -> None:
    before = [each.id for each in engine.containers()]
    for name in ("a b", "x", "/", "../x"):
        with pytest.raises(BadName, match=r"Invalid container name \("):
            engine.start("seed", "true", name=name)
    assert [each.id for each in engine.containers()] == before
