"""Opening a store: made once, cheap afterwards, and nobody else's directory."""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lamina.store.errors import NewerFormat, NoSpace, NotPermitted, writing
from lamina.store.root import NotAStore, open_store
from tests.fakes.images import make_image
from tests.rights import needs_rights


def test_a_new_store_is_private_and_an_oci_layout(tmp_path: Path) -> None:
    store = open_store(tmp_path / "a" / "b")
    assert store.root.stat().st_mode & 0o7777 == 0o700
    assert json.loads((store.root / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    assert json.loads((store.root / "index.json").read_bytes())["manifests"] == []
    assert (store.root / "blobs" / "sha256").is_dir()
    assert (store.root / "format").read_text() == "2\n"


def test_an_empty_directory_becomes_a_store(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir(mode=0o755)
    assert open_store(tmp_path / "root").root.stat().st_mode & 0o7777 == 0o700


def test_opening_again_changes_nothing(tmp_path: Path) -> None:
    make_image(open_store(tmp_path), "a", {"file": b"1"})
    before = {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert open_store(tmp_path).images.find("a").row.size == 1
    assert {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_opening_reads_one_file(tmp_path: Path) -> None:
    open_store(tmp_path)
    pid = os.fork()
    if pid == 0:  # an audit hook stays as long as its process
        opened: list[str] = []
        sys.addaudithook(lambda event, _: opened.append(event) if event == "open" else None)
        open_store(tmp_path)
        os._exit(len(opened))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1


@pytest.mark.parametrize("text", ["3\n", "99", "one", "", "-1"])
def test_a_newer_format_is_refused(tmp_path: Path, text: str) -> None:
    open_store(tmp_path)
    (tmp_path / "format").write_text(text)
    with pytest.raises(NewerFormat) as caught:
        open_store(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_an_older_format_is_taken_over(tmp_path: Path) -> None:
    make_image(open_store(tmp_path, layer_form="tree"), "a", {"file": b"1"})
    (tmp_path / "format").write_text("1\n")
    assert open_store(tmp_path).images.find("a").row.size == 1
    assert (tmp_path / "format").read_text() == "2\n"


def test_a_directory_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(NotAStore, match=r"thesis\.tex"):
        open_store(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(NotAStore):
        open_store(tmp_path / "file")
    with pytest.raises(NotAStore):
        open_store(tmp_path / "file" / "below")


def test_a_half_made_store_is_finished(tmp_path: Path) -> None:
    open_store(tmp_path)
    (tmp_path / "format").unlink()
    (tmp_path / "steps").rmdir()
    (tmp_path / ".tmp-dead").write_text("x")
    open_store(tmp_path)
    assert (tmp_path / "format").exists()
    assert (tmp_path / "steps").is_dir()


def test_many_open_it_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        stores = list(pool.map(lambda _: open_store(tmp_path / "root"), range(24)))
    make_image(stores[0], "a")
    assert all(len(each.refs.rows()) == 1 for each in stores)


@pytest.mark.parametrize(
    ("code", "kind"),
    [("ENOSPC", NoSpace), ("EDQUOT", NoSpace), ("EACCES", NotPermitted), ("EROFS", NotPermitted)],
)
def test_what_the_kernel_refuses_is_told(code: str, kind: type[Exception]) -> None:
    import errno

    with pytest.raises(kind, match="/some/where"), writing(Path("/some/where")):
        raise OSError(getattr(errno, code), "refused")
    with pytest.raises(IsADirectoryError), writing(Path("/some/where")):
        raise IsADirectoryError


@needs_rights
def test_somebody_elses_store(tmp_path: Path) -> None:
    store = open_store(tmp_path / "root")
    tmp_path.chmod(0o755)
    pid = os.fork()
    if pid == 0:
        os.setuid(65534)
        for path in (store.root, tmp_path / "new"):
            try:
                open_store(path)
            except NotPermitted:
                continue
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
