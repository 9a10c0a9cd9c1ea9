"""Queries over a store: what the tables hold, what is read for them, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from typing import Any

import pytest

from lamina.explain.stack import image_stack
from lamina.layer.contract import Listing
from lamina.layer.listing import Columns
from lamina.oci.digest import Digest
from lamina.query.database import BadQuery
from lamina.query.schema import TABLES
from lamina.query.sql import query
from lamina.store.contract import Store
from lamina.store.root import open_store
from tests.rights import needs_rights
from tests.unit.cli import sample
from tests.unit.query.material import fill


@pytest.fixture
def full(store: Store) -> Store:
    fill(store)
    return store


def rows(store: Store, sql: str) -> list[tuple[Any, ...]]:
    return query(store, sql).rows()


# what the tables hold


def test_an_image_with_two_names_has_two_rows_and_one_key(full: Store) -> None:
    image = full.images.find("app:1")
    assert rows(full, "select * from images order by name") == [
        (
            "app:1",
            "app:1",
            "app",
            "1",
            str(image.config.digest),
            str(image.manifest.digest),
            datetime(2026, 2, 6, 10, 12, 13, 123456),
            "linux/amd64",
            4,
            84_412,
            34_211,
            50_201,
        ),
        *rows(full, "select * from images where name = 'base:latest'"),
        *rows(full, "select * from images where repository = 'ghcr.io/me/app' and image = 'app:1'"),
    ]
    assert rows(full, "select count(*), count(distinct image) from images") == [(3, 2)]
    assert rows(full, "select distinct image from files order by 1") == [
        ("app:1",),
        ("base:latest",),
    ]


def test_an_image_without_a_name_goes_by_its_id(store: Store) -> None:
    image = sample.make(store, None, [("COPY a", {"a": b"1"})])
    short = image.config.digest.short
    assert rows(store, "select image, name, repository, tag from images") == [
        (short, None, None, None)
    ]
    assert rows(store, "select image, path from files") == [(short, "/a")]


def test_bytes_add_up_to_those_of_explain(full: Store) -> None:
    for name in ("app:1", "base:latest"):
        account = image_stack(full, full.images.find(name), name).account
        by_layer = [(layer.bytes, layer.hidden_bytes) for layer in account.layers]
        assert rows(full, f"select size, visible_bytes from images where name = '{name}'") == [
            (account.bytes, account.visible_bytes)
        ]
        assert by_layer == rows(
            full, f"select size, hidden_bytes from layers where image = '{name}' order by layer"
        )
        assert by_layer == rows(
            full,
            "select sum(size), coalesce(sum(size) filter (not visible), 0)"
            f" from files where image = '{name}' group by layer order by layer",
        )


def test_every_entry_says_what_it_is(full: Store) -> None:
    found = rows(
        full,
        "select path, name, type, size, mode, mode_octal, mtime, link, visible, hidden_by,"
        " hidden_kind from files where image = 'app:1' and path in"
        " ('/bin/alias', '/lib', '/home/.wh.big.bin', '/home/big.bin', '/home/caf\\xe9', '/tmp')"
        " order by layer, path",
    )
    then = datetime(2023, 11, 14, 22, 13, 20)
    shown: tuple[Any, ...] = (True, None, None)
    assert found == [
        ("/bin/alias", "alias", "hardlink", 0, 420, "0644", then, "/bin/su", *shown),
        ("/lib", "lib", "symlink", 0, 511, "0777", then, "usr/lib", *shown),
        ("/tmp", "tmp", "directory", 0, 1023, "1777", then, None, *shown),
        ("/home/big.bin", "big.bin", "file", 50_000, 420, "0644", then, None, False, 4, "deleted"),
        ("/home/caf\\xe9", "caf\\xe9", "file", 10, 420, "0644", then, None, *shown),
        (
            *("/home/.wh.big.bin", ".wh.big.bin", "whiteout", 0, 420, "0644"),
            *(then, None, False, None, None),
        ),
    ]


def test_the_digest_of_a_file_is_that_of_its_content(full: Store) -> None:
    sql = "select sha256 from files where image = 'app:1' and path = '/home/big.bin'"
    assert rows(full, sql) == [(Digest.of(b"b" * 50_000).hex,)]
    assert rows(full, "select count(sha256) from files where type <> 'file'") == [(0,)]
    assert rows(full, "select count(*) from files where type = 'file' and sha256 is null") == [(0,)]


def test_history_settings_and_containers(full: Store) -> None:
    assert rows(full, "select line, layer, instruction from history where image = 'app:1'") == [
        (1, 1, "ADD rootfs /"),
        (2, 2, "RUN apt-get update"),
        (3, None, "ENV API_TOKEN=abc"),
        (4, 3, "RUN make big"),
        (5, 4, "RUN rm /home/big.bin"),
    ]
    assert rows(full, "select key, name, value from config where image = 'app:1'") == [
        ("env", "PATH", "/bin"),
        ("env", "API_TOKEN", "abc"),
        ("label", "stage", "demo"),
        ("cmd", "1", "sh"),
        ("cmd", "2", "-c"),
        ("cmd", "3", "true"),
        ("port", None, "80/tcp"),
        ("user", None, "nobody"),
        ("workdir", None, "/home"),
    ]
    sql = "select name, image, status, exit_status, command, size_rw, finished from containers"
    assert rows(full, sql) == [
        ("web", "app:1", "exited", 3, "sh -c true", 7, datetime(2026, 1, 4, 0, 0, 2))
    ]


def test_packages_are_read_from_the_merged_tree(full: Store) -> None:
    assert rows(full, "select image, name, version, bytes from packages order by all") == [
        ("app:1", "bash", "5.2", 10_240),
        ("app:1", "zlib1g", "1.2", 10_240),
        ("base:latest", "bash", "5.1", 10_240),
        ("base:latest", "zlib1g", "1.2", 10_240),
    ]


@pytest.mark.parametrize("table", [table.name for table in TABLES])
def test_every_column_can_be_read(full: Store, table: str) -> None:
    whole = query(full, f"from {table}")
    assert len(whole) > 0
    assert rows(full, f"select count(*) from {table}") == [(len(whole),)]
    for number, column in enumerate(whole.columns):
        alone = rows(full, f"select {column} from {table}")
        assert alone == [(row[number],) for row in whole.rows()], column


def test_an_empty_store_has_empty_tables(store: Store) -> None:
    for table in TABLES:
        assert rows(store, f"from {table.name}") == []
        assert rows(store, f"select count(*) from {table.name}") == [(0,)]


def test_what_an_image_wrote_is_data(store: Store) -> None:
    sample.hostile(store)
    found = rows(store, "select path from files where type = 'file'")
    assert found == [(f"/etc/{sample.ESC}\u202e",), ("/etc/\\xe9.txt",)]


# the answer


def test_an_answer_is_had_as_arrow_and_as_a_frame(full: Store) -> None:
    found = query(full, "select image, sum(size) as bytes from files group by image order by 1")
    assert str(found.arrow().schema.field("bytes").type) == "int64"
    frame = found.df()
    assert list(frame["bytes"]) == [84_412, 4201]
    assert found.rows(1) == [("app:1", 84_412)]


def test_columns_of_one_name_are_told_apart(store: Store) -> None:
    assert query(store, "select 1 as a, 2 as a, 3 as a_1").columns == ("a", "a_1", "a_1_1")


def test_sums_that_need_more_than_64_bits_stay_what_they_are(store: Store) -> None:
    assert rows(store, "select sum(x) from (values (9223372036854775807), (1)) t(x)") == [(2**63,)]
    assert rows(store, "select sum(x) from (values (-5), (null)) t(x) group by x order by 1") == [
        (-5,),
        (None,),
    ]


# what is read


def test_only_what_a_query_reads_is_read(full: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> Listing:
        raise AssertionError("a layer was read")

    monkeypatch.setattr(type(full.layers), "columns", refuse)
    monkeypatch.setattr(type(full.layers), "hashed", refuse)
    assert rows(full, "select count(*) as files, sum(size) from images") == [(3, 173_025)]
    assert rows(full, "select count(*), sum(entries) from layers") == [(5, 23)]
    assert len(rows(full, "select * from history, config, containers")) > 0
    assert rows(full, "describe files") != []
    with pytest.raises(AssertionError, match="a layer was read"):
        rows(full, "select count(*) from files")


def test_contents_are_hashed_only_for_who_asks(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    columns = type(store.layers).columns

    def note(layers: Any, diff_id: Digest, *, hashed: bool = False) -> Columns:
        asked.append(hashed)
        return columns(layers, diff_id, hashed=hashed)  # type: ignore[call-arg, unused-ignore]

    sample.seed(store)
    monkeypatch.setattr(type(store.layers), "columns", note)
    rows(store, "select visible, hidden_by, sum(size) from files group by all")
    rows(store, "select hidden_kind, count(*) from files group by all")
    assert asked == [False] * len(asked)
    rows(store, "select sha256 from files")
    assert asked[-1]


def test_pandas_is_left_alone(full: Store) -> None:
    code = (
        "import sys; from pathlib import Path; from lamina.store.root import open_store;"
        " from lamina.query.sql import query;"
        " query(open_store(Path(sys.argv[1])), 'from files, images').rows();"
        " query(open_store(Path(sys.argv[1])), 'select sum(size) from layers').rows();"
        " assert not {'pandas', 'pyarrow.compute', 'pyarrow.dataset'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-P", "-c", code, str(full.root)], check=True)


# what is damaged


def damage(store: Store, name: str) -> Digest:
    """Make an image's highest layer unreadable for good; returns its diff_id."""
    diff_id = store.images.find(name).layers[-1]
    place = store.layers.directory(diff_id)
    (place / "listing").write_bytes(b"nothing")
    (place / "headers").write_bytes(b"nothing")
    return diff_id


@needs_rights
def test_a_damaged_image_is_left_out_and_named(full: Store) -> None:
    diff_id = damage(full, "app:1")
    found = query(full, "select distinct image from files")
    assert found.rows() == [("base:latest",)]
    [warning] = found.warnings
    assert warning.startswith(f"app:1 is left out: layer {diff_id.short} is damaged")
    found = query(full, "select image, size, visible_bytes from images order by name")
    assert found.rows()[0] == ("app:1", 84_412, None)
    assert len(found.warnings) == 1
    assert query(full, "select image, instruction from layers").warnings == ()
    assert len(query(full, "from packages").warnings) == 1


def test_a_listing_that_can_be_made_anew_is(full: Store) -> None:
    before = rows(full, "select path, visible, sha256 from files order by all")
    place = full.layers.directory(full.images.find("app:1").layers[-1])
    (place / "listing").write_bytes(b"nothing")
    found = query(full, "select path, visible, sha256 from files order by all")
    assert (found.rows(), found.warnings) == (before, ())


def test_an_image_without_its_config_is_left_out(full: Store) -> None:
    full.blobs.delete(full.images.find("app:1").config.digest)
    found = query(full, "select distinct image from images")
    assert found.rows() == [("base:latest",)]
    assert len(found.warnings) == 1


# what is refused


@pytest.mark.parametrize(
    ("sql", "message", "hint"),
    [
        ("", "the query is empty", "lamina sql"),
        (" -- nothing", "the query is empty", "lamina sql"),
        ("select 1; select 2", "more than one statement", "one query at a time"),
        ("drop table files", "not a query that reads", "only SELECT"),
        ("create table x as select 1", "not a query that reads", "only SELECT"),
        ("set threads = 1", "not a query that reads", "only SELECT"),
        ("pragma database_list", "not a query that reads", "only SELECT"),
        ("select pth from files", 'referenced column "pth" not found', '"path"'),
        ("select * from filse", "table with name filse does not exist", 'did you mean "files"?'),
        ("selec 1", 'syntax error at or near "selec"', "│ selec 1\n  │ ^"),
        ("select\n1 +\nfrom files", 'syntax error at or near "from"', "│ from files\n  │ ^"),
        ("select path::int from files", "could not convert string", ""),
        ("select error('\x1b[31mred')", r"\e[31mred", ""),
        ("select ?", "values were not provided", ""),
    ],
)
def test_mistakes_are_told_in_a_sentence(full: Store, sql: str, message: str, hint: str) -> None:
    with pytest.raises(BadQuery) as caught:
        query(full, sql)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert hint in caught.value.hint


ESCAPES = {
    "a file by its name": "select * from '{secret}'",
    "a csv": "select * from read_csv('{secret}')",
    "a text": "select content from read_text('{secret}')",
    "bytes": "select content from read_blob('{secret}')",
    "names of files": "select * from glob('{secret}')",
    "a json file": "select * from read_json('{secret}')",
    "a database": "attach '{secret}' as other",
    "a copy": "copy (select 1) to '{secret}'",
    "an export": "export database '{secret}'",
    "the network": "select * from read_csv('http://127.0.0.1:1/x')",
    "an extension": "load httpfs",
    "an extension from afar": "install httpfs",
    "the environment": "select getenv('HOME')",
    "a variable of Python's": "select * from source",
    "a setting": "set enable_external_access = true",
    "a setting by a function": "select set_config('enable_external_access', 'true')",
    "an inner query": "select * from query('select * from read_text(''{secret}'')')",
}


@pytest.mark.parametrize("name", ESCAPES)
def test_a_query_sees_nothing_but_its_tables(full: Store, name: str) -> None:
    secret = full.root.parent / "secret.csv"
    secret.write_text("a,b\n1,2\n")
    with pytest.raises(BadQuery):
        query(full, ESCAPES[name].format(secret=secret))
    assert secret.read_text() == "a,b\n1,2\n"
    assert sorted(path.name for path in full.root.parent.iterdir()) == ["root", "secret.csv"]


@needs_rights
def test_a_query_leaves_the_store_as_it_was(full: Store) -> None:
    def census() -> dict[str, bytes]:
        return {
            str(path): path.read_bytes() for path in sorted(full.root.rglob("*")) if path.is_file()
        }

    before = census()
    for table in TABLES:
        rows(full, f"from {table.name}")
    assert census() == before
    assert rows(open_store(full.root), "select count(*) from images") == [(3,)]
