"""What a tree has of its entries where not everything can be given to files."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from lamina.layer.apply import Applied, apply_tar
from lamina.layer.entry import Entry, Kind
from lamina.layer.rights import Rights
from lamina.layer.tar import TarReader
from lamina.layer.tarwriter import write_tar
from lamina.layer.whiteout import here
from lamina.store.treecheck import check_tree

ONE_ID = Rights(devices=False, owners=False, attributes=False)
ENTRIES = (
    Entry("dev", Kind.DIRECTORY, 0o755, 0, 0, 0, 0),
    Entry("dev/null", Kind.CHAR, 0o666, 0, 0, 0, 0, device=(1, 3)),
    Entry("dev/same", Kind.HARDLINK, 0o666, 0, 0, 0, 0, link="dev/null"),
    Entry("dev/null", Kind.CHAR, 0o600, 0, 0, 0, 0, device=(1, 3)),
    Entry("mine", Kind.FILE, 0o4755, 33, 44, 3, 0, xattrs=(("security.selinux", b"x"),)),
    Entry("link", Kind.SYMLINK, 0o777, 70000, 70000, 0, 0, link="mine"),
)


def applied(root: Path) -> Applied:
    tar = b"".join(write_tar(ENTRIES, lambda entry: [b"abc"]))
    return apply_tar(
        TarReader(iter([tar])),
        root,
        root.with_name("extra"),
        whiteouts=here(os.geteuid()),
        shared=None,
        rights=ONE_ID,
    )


def test_what_cannot_be_given_is_left_out(tmp_path: Path) -> None:
    root = tmp_path / "fs"
    root.mkdir()
    applied(root)
    assert sorted(os.listdir(root / "dev")) == []
    status = (root / "mine").stat()
    assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (os.geteuid(), 0o4755)
    assert os.listxattr(root / "mine") == []


def test_entries_stay_what_they_are(tmp_path: Path) -> None:
    root = tmp_path / "fs"
    root.mkdir()
    found = {entry.path: entry for entry in applied(root).entries}
    assert (found["mine"].uid, found["mine"].gid) == (33, 44)
    assert found["mine"].xattrs == (("security.selinux", b"x"),)
    assert found["dev/null"].device == (1, 3)


def test_the_check_asks_for_no_more_than_was_given(tmp_path: Path) -> None:
    root = tmp_path / "fs"
    root.mkdir()
    entries = applied(root).entries
    marks = here(os.geteuid())
    assert list(check_tree(root, entries, marks, ONE_ID)) == []
    problems = list(check_tree(root, entries, marks, Rights()))
    assert "'dev/null' is missing" in problems
    assert any("33:44" in problem for problem in problems)


def test_attributes_that_a_namespace_takes() -> None:
    many = Rights(devices=False, attributes=False)
    assert many.takes("user.note")
    assert many.takes("security.capability")
    assert many.takes("system.posix_acl_access")
    assert not ONE_ID.takes("system.posix_acl_access")
    assert not many.takes("trusted.note")
    assert Rights().takes("trusted.note")
