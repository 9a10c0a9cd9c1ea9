"""`lamina sql`."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lamina.cli.main import run
from lamina.store.contract import Store
from tests.golden.golden import check
from tests.rights import needs_rights
from tests.unit.cli import sample
from tests.unit.query.material import fill
from tests.unit.query.test_sql import damage

Lamina = Callable[..., tuple[int, str, str]]
LARGEST = (
    "select path, size, visible from files where size > 0 order by size desc, path, image, layer"
)


@pytest.fixture
def lamina(store: Store, capsys: pytest.CaptureFixture[str]) -> Lamina:
    """Run `lamina sql` on a full store: (exit status, standard output, standard error)."""
    fill(store)

    def call(*arguments: str) -> tuple[int, str, str]:
        status = run(["--root", str(store.root), "sql", *arguments])
        return status, *capsys.readouterr()

    return call


def test_a_table_is_printed(lamina: Lamina) -> None:
    status, out, err = lamina(LARGEST, "--limit", "3")
    assert (status, err) == (0, "")
    check("cli/sql-table.txt", out)
    assert len(lamina(LARGEST, "--limit", "0")[1].splitlines()) == 12


def test_without_a_query_the_tables_are_shown(lamina: Lamina) -> None:
    status, out, _ = lamina()
    assert status == 0
    check("cli/sql-schema.txt", out)


def test_csv_has_every_row(lamina: Lamina) -> None:
    out = lamina("select path, hidden_by, link, visible from files order by 1", "-o", "csv")[1]
    found = list(csv.reader(io.StringIO(out)))
    assert found[0] == ["path", "hidden_by", "link", "visible"]
    assert ["/lib", "", "usr/lib", "true"] in found
    assert len(found) == 24


def test_json_is_an_array_of_objects(lamina: Lamina) -> None:
    out = lamina("select image, created, size from images order by name", "-o", "json")[1]
    assert json.loads(out)[1] == {
        "image": "base:latest",
        "created": "2026-01-05T10:00:00",
        "size": 4201,
    }
    assert json.loads(lamina("select 1 where false", "-o", "json")[1]) == []


def test_parquet_goes_to_a_file(lamina: Lamina, tmp_path: Path) -> None:
    from pyarrow import parquet  # type: ignore[import-untyped]

    path = tmp_path / "files.parquet"
    assert lamina("from files", "-o", "parquet", "--file", str(path))[:2] == (0, "")
    assert parquet.read_table(path).num_rows == 23
    assert sorted(each.name for each in tmp_path.iterdir()) == ["files.parquet", "root"]


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_a_file_holds_what_a_pipe_would_get(lamina: Lamina, tmp_path: Path, form: str) -> None:
    path = tmp_path / "answer"
    assert lamina(LARGEST, "-o", form, "--file", str(path))[:2] == (0, "")
    assert path.read_text() == lamina(LARGEST, "-o", form)[1]


def test_a_query_comes_from_standard_input(lamina: Lamina, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("select count(*) as n from images;\n"))
    assert lamina("-")[1] == "n\n3\n"


def test_a_mistake_is_told_and_nothing_is_written(lamina: Lamina, tmp_path: Path) -> None:
    status, out, err = lamina("select pth\nfrom files", "--file", str(tmp_path / "answer"))
    assert (status, out) == (1, "")
    assert err.startswith('lamina: referenced column "pth" not found in FROM clause\n  candidate')
    assert sorted(each.name for each in tmp_path.iterdir()) == ["root"]


@needs_rights
def test_a_damaged_image_is_a_warning(lamina: Lamina, store: Store) -> None:
    damage(store, "app:1")
    status, out, err = lamina("select count(*) as n from files where image = 'base:latest'")
    assert (status, out) == (0, "n\n8\n")
    assert err.startswith("lamina: app:1 is left out: layer ")
    assert len(err.splitlines()) == 1


def on_a_terminal(store: Store, *arguments: str) -> str:
    """What `lamina sql` prints on a terminal of 60 columns."""
    leader, follower = pty.openpty()
    code = "import sys; from lamina.cli.main import run; sys.exit(run(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "--root", str(store.root), "sql", *arguments]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=follower,
        stderr=follower,
        check=False,
        env={**os.environ, "COLUMNS": "60", "NO_COLOR": "1", "PYTHONUTF8": "1"},
    )
    os.close(follower)
    printed = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:  # the other side has closed it
            break
        if not piece:
            break
        printed += piece
    os.close(leader)
    return f"{printed.decode()}status {done.returncode}\n".replace("\r\n", "\n")


def test_no_escape_sequence_reaches_a_terminal(store: Store) -> None:
    sample.hostile(store)
    for form in ("table", "csv", "json"):
        out = on_a_terminal(store, "select * from files, history, config", "-o", form)
        assert "\x1b" not in out
        assert "\u202e" not in out
        assert out.endswith("status 0\n")


def test_parquet_is_kept_from_a_terminal(store: Store) -> None:
    out = on_a_terminal(store, "from files", "-o", "parquet")
    assert out.startswith("lamina: parquet is not written to a terminal")
    assert out.endswith("status 2\n")


def test_on_a_terminal_texts_give_way(store: Store) -> None:
    fill(store)
    out = on_a_terminal(store, "select image, path, size, mtime from files order by size desc")
    lines = out.splitlines()
    assert max(map(len, lines[:-1])) <= 60
    assert lines[1].startswith("app:1")
    assert "50000  2023-11-14 22:13:20" in lines[1]


def test_a_missing_library_is_a_sentence(lamina: Lamina, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in sys.modules if each.startswith("lamina.query.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "duckdb", None)
    assert lamina("select 1") == (
        1,
        "",
        "lamina: queries need duckdb, which is not installed\n  pip install 'lamina[sql]'\n",
    )
