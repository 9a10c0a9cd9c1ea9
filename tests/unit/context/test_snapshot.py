"""What is known of a context from earlier builds is what reading it again would say."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.context.directory import Context
from lamina.context.errors import ContextChanged, Unreadable
from lamina.context.known import DigestCache, Directory
from lamina.context.tree import ROOT, Tree
from lamina.copying import select
from lamina.copying.select import Selected
from lamina.dockerfile.ignore import Ignore
from lamina.layer.entry import Kind
from tests.unit.context.conftest import watch

SOON = 10**9
"""Nanoseconds: a build that begins so much later believes every time that it sees."""


class Plain:
    """The same tree by its entries alone, for whoever knows nothing of fingerprints."""

    def __init__(self, tree: Tree) -> None:
        self.lookup, self.children = tree.lookup, tree.children
        self.digest, self.open = tree.digest, tree.open


def fingerprint(root: Path, cache: DigestCache | None = None, rules: str = "") -> str:
    context = Context(root, Ignore.parse(rules), cache)
    return select.digest(context, [Selected("", ROOT)], owners=False).hex


def by_entries(root: Path, rules: str = "") -> str:
    tree = Plain(Context(root, Ignore.parse(rules)))
    return select.digest(tree, [Selected("", ROOT)], owners=False).hex


NAMES = st.sampled_from(["a", "b", "a/x", "a/y", "a/x/z", "b/q", "\udcff", "a b"])
RULES = st.sampled_from(["", "a", "*\n!a", "a/x\n!a/x/z", "**/z", "b\n!**/q"])


def change(root: Path, number: int, name: str, what: str) -> None:
    """One change; sizes differ each time, so that two within a tick of the clock do."""
    path = root / name
    try:
        if what == "remove" and path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif what == "remove":
            path.unlink()
        elif what == "write":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x" * number)
        elif what == "link":
            path.symlink_to("t" * number)
        elif what == "directory":
            path.mkdir(parents=True)
        elif what == "mode":
            path.chmod(0o700 | number % 8)
        elif what == "touch":
            os.utime(path, (number, number))
        elif what == "move":
            path.rename(root / f"moved-{number}")
    except OSError:
        pass


@given(
    st.lists(
        st.lists(
            st.tuples(
                NAMES,
                st.sampled_from(["write", "remove", "link", "directory", "mode", "touch", "move"]),
            ),
            max_size=5,
        ),
        max_size=4,
    ),
    st.lists(RULES, min_size=4, max_size=4),
)
def test_a_cache_never_says_another_thing(
    builds: list[list[tuple[str, str]]], rules: list[str]
) -> None:
    with tempfile.TemporaryDirectory() as place:
        root, cache = Path(place) / "context", Path(place) / "kept" / "cache"
        root.mkdir()
        cache.parent.mkdir()
        number = 1
        for changes, rule in zip(builds, rules, strict=False):
            for name, what in changes:
                number += 1
                change(root, number, name, what)
            known = DigestCache(cache, time.time_ns() + SOON)
            found = fingerprint(root, known, rule)
            known.save()
            assert found == fingerprint(root, rules=rule) == by_entries(root, rule)


def test_a_clone_and_a_copy_are_the_same(root: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    kept = DigestCache(cache, time.time_ns() + SOON)
    before = fingerprint(root, kept)
    kept.save()
    for path in root.rglob("*"):
        os.utime(path, (1, 1), follow_symlinks=False)
    assert fingerprint(root, DigestCache(cache, time.time_ns() + SOON)) == before
    shutil.copytree(root, tmp_path / "clone", symlinks=True)
    assert fingerprint(tmp_path / "clone") == before


def test_a_change_of_the_same_size_and_time_is_seen(root: Path, tmp_path: Path) -> None:
    cache, file = tmp_path / "cache", root / "src" / "a.c"
    kept = DigestCache(cache, time.time_ns() + SOON)
    before = fingerprint(root, kept)
    kept.save()
    status = file.stat()
    # The clock that files are stamped with has gone on.
    while (root / "src" / "b.c").stat().st_ctime_ns == status.st_ctime_ns:
        (root / "src" / "b.c").touch()
    file.write_text("A")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert file.stat().st_mtime_ns == status.st_mtime_ns
    assert fingerprint(root, DigestCache(cache, time.time_ns() + SOON)) != before


def test_a_file_put_in_the_place_of_another_is_seen(root: Path, tmp_path: Path) -> None:
    cache, file = tmp_path / "cache", root / "src" / "a.c"
    kept = DigestCache(cache, time.time_ns() + SOON)
    before = fingerprint(root, kept)
    kept.save()
    other = root / "src" / "other"
    other.write_text("A")
    shutil.copystat(file, other)
    other.rename(file)
    assert fingerprint(root, DigestCache(cache, time.time_ns() + SOON)) != before


def test_other_rules_know_the_same_digests(root: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    kept = DigestCache(cache, time.time_ns() + SOON)
    fingerprint(root, kept)
    kept.save()
    with watch(root) as opened:
        fingerprint(root, DigestCache(cache, time.time_ns() + SOON), "src/b.c")
    assert opened == []


def test_what_rules_bring_back_from_deeper_is_looked_for_each_time(
    root: Path, tmp_path: Path
) -> None:
    cache, rules = tmp_path / "cache", "src\n!**/*.new"
    (root / "src" / "deep" / "x.new").write_text("")
    for rule in ("", "src/deep", rules):
        kept = DigestCache(cache, time.time_ns() + SOON)
        assert fingerprint(root, kept, rule) == fingerprint(root, rules=rule)
        kept.save()
    (root / "src" / "deep" / "x.new").rename(root / "src" / "deep" / "x.old")
    found = fingerprint(root, DigestCache(cache, time.time_ns() + SOON), rules)
    assert found == fingerprint(root, rules=rules)


def test_a_file_alone_is_known_too(root: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"

    def read() -> list[str]:
        kept = DigestCache(cache, time.time_ns() + SOON)
        context = Context(root, Ignore(), kept)
        entry = context.lookup("src/a.c")
        assert entry is not None
        with watch(root) as opened:
            context.digest(entry)
        kept.save()
        return opened

    assert [read(), read()] == [["src/a.c"], []]
    (root / "src" / "a.c").write_text("longer")
    assert [read(), read()] == [["src/a.c"], []]


def test_what_is_gone_is_forgotten(root: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    sizes: list[int] = []
    for number in range(3):
        name = root / f"generated-{number}"
        (name / "deep").mkdir(parents=True)
        (name / "deep" / "f").write_text("")
        kept = DigestCache(cache, time.time_ns() + SOON)
        fingerprint(root, kept)
        kept.save()
        sizes.append(cache.stat().st_size)
        shutil.rmtree(name)
    assert len(set(sizes)) == 1


def test_a_build_that_learned_nothing_writes_nothing(root: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    for _ in range(2):
        kept = DigestCache(cache, time.time_ns() + SOON)
        fingerprint(root, kept)
        kept.save()
        cache.chmod(0o400)
    assert cache.stat().st_mode & 0o777 == 0o400


def test_a_build_sees_one_state_of_a_file(root: Path) -> None:
    context = Context(root, Ignore())
    before = context.fingerprint(ROOT)
    (root / "src" / "new").write_text("")
    (root / "src" / "a.c").write_text("longer")
    (root / "link").unlink()
    (root / "link").symlink_to("src/b.c")
    assert context.fingerprint(ROOT) == before
    assert context.lookup("src/new") is None
    entry = context.lookup("src/a.c")
    assert entry is not None
    with pytest.raises(ContextChanged, match=r"src/a\.c changed while the build was reading it"):
        context.open(entry)
    with pytest.raises(ContextChanged, match="link changed"):
        context.children("")


def test_a_directory_that_is_gone_has_changed(root: Path) -> None:
    context = Context(root, Ignore())
    context.children("")
    shutil.rmtree(root / "src")
    with pytest.raises(ContextChanged, match="src changed"):
        context.fingerprint(ROOT)


def test_a_link_in_the_place_of_a_file_is_not_followed(root: Path) -> None:
    context = Context(root, Ignore())
    entry = context.lookup("src/a.c")
    assert entry is not None
    (root / "src" / "a.c").unlink()
    (root / "src" / "a.c").symlink_to("/etc/passwd")
    with pytest.raises(ContextChanged):
        context.open(entry)
    with pytest.raises(ContextChanged):
        context.digest(entry)


def test_many_bytes_are_hashed_by_several_threads(root: Path) -> None:
    for number in range(200):
        (root / f"large-{number}").write_bytes(str(number).encode() * 30_000)
    assert fingerprint(root) == by_entries(root)


def test_a_change_among_many_bytes_is_seen(root: Path) -> None:
    for number in range(200):
        (root / f"large-{number}").write_bytes(b"x" * 100_000)
    context = Context(root, Ignore())
    context.children("")
    (root / "large-150").write_bytes(b"y" * 100_001)
    with pytest.raises(ContextChanged, match="large-150 changed"):
        context.fingerprint(ROOT)


def test_a_socket_is_passed_over(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        before = fingerprint(root)
        monkeypatch.chdir(root)  # the name of a socket is short
        listener.bind("socket")
        assert Context(root, Ignore()).lookup("socket") is None
        assert fingerprint(root) == before


def test_a_pipe_is_not_read(root: Path) -> None:
    os.mkfifo(root / "pipe")
    context = Context(root, Ignore())
    entry = context.lookup("pipe")
    assert entry is not None
    assert entry.kind is Kind.FIFO
    assert fingerprint(root) == by_entries(root)


@pytest.mark.parametrize(("path", "shown"), [("src/a.c", "src/a.c"), ("src", "src"), ("", "the d")])
def test_what_may_not_be_read(root: Path, path: str, shown: str) -> None:
    for each in (*root.parents,):
        if each.stat().st_uid == os.getuid() and each != Path("/tmp"):
            each.chmod(each.stat().st_mode | 0o755)
    (root / path).chmod(0)
    own = os.geteuid()
    if own == 0:
        os.seteuid(65534)
    try:
        with pytest.raises(Unreadable, match=f"no permission to read {shown}"):
            fingerprint(root)
        if path == "src/a.c":
            context = Context(root, Ignore())
            entry = context.lookup(path)
            assert entry is not None
            with pytest.raises(Unreadable):
                context.open(entry)
        fingerprint(root, rules="src") if path else None
    finally:
        os.seteuid(own)


SCRIPT = """
import sys, time
from pathlib import Path
from lamina.context import scan
from lamina.context.directory import Context
from lamina.context.known import DigestCache
from lamina.context.tree import ROOT
from lamina.dockerfile.ignore import Ignore

scan.SHARED_FROM = 0
forks = []
sys.addaudithook(lambda event, arguments: forks.append(event) if event == "os.fork" else None)
for _ in range(2):
    known = DigestCache(Path(sys.argv[2]), time.time_ns() + 10**9)
    print(Context(Path(sys.argv[1]), Ignore(), known).fingerprint(ROOT).hex())
    known.save()
print(len(forks))
"""


def shared(root: Path, cache: Path, affinity: set[int]) -> list[str]:
    """Two fingerprints by a process that shares the work, and how often it did."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(root), str(cache)],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, affinity),
    )
    return done.stdout.split()


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two processors")
def test_a_second_process_finds_the_same(root: Path, tmp_path: Path) -> None:
    for number in range(9):
        (root / str(number)).mkdir()
        (root / str(number) / "f").write_text(str(number))
    both = os.sched_getaffinity(0)
    first, second, forks = shared(root, tmp_path / "cache", both)
    assert (second, forks) == (first, "2")
    (root / "3" / "f").write_text("changed")
    changed, again, _ = shared(root, tmp_path / "cache", both)
    assert changed == again == fingerprint_of(root) != first
    assert shared(root, tmp_path / "cache", {min(both)}) == [changed, changed, "0"]


def fingerprint_of(root: Path) -> str:
    return Context(root, Ignore()).fingerprint(ROOT).hex()


def test_columns() -> None:
    directory = Directory(b"a\0b\0", b"1" * 36 + b"2" * 36, bytearray(64))
    directory.learn(1, b"d" * 32)
    assert list(directory.hashed()) == [
        (b"a", b"1" * 36, bytes(32)),
        (b"b", b"2" * 36, b"d" * 32),
    ]
    later = Directory(b"b\0a\0c\0", b"2" * 36 + b"3" * 36 + b"1" * 36, bytearray(96))
    later.carry(directory)
    assert [digest for _, _, digest in later.hashed()] == [b"d" * 32, bytes(32), bytes(32)]
    assert not later.looks_like(directory)
