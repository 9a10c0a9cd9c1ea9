"""COPY and ADD on the real kernel: what a copy costs, keeps and leaves behind."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from lamina.engine import open_engine
from lamina.layer.entry import Kind
from lamina.oci.digest import Digest
from tests.rights import AS_USER
from tests.system.conftest import Lamina
from tests.system.test_build import built, cached, content, files, image, nothing_left

pytestmark = pytest.mark.system

RAW = struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0)
"""A file capability: cap_net_raw, permitted and effective."""


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A small tree."""
    place = tmp_path / "context"
    (place / "tree" / "sub").mkdir(parents=True)
    for number in range(40):
        (place / "tree" / "sub" / f"f{number}").write_text(f"content {number}\n")
    (place / "tree" / "top").write_text("top\n")
    for path in (place / "tree").rglob("*"):
        os.utime(path, (1_600_000_000, 1_600_000_000))
    return place


def on_disk(lamina: Lamina, path: str, *, layer: int = -1) -> os.stat_result:
    """A file of a layer in tree form, as it lies in the store."""
    diff_id = image(lamina).layers[layer]
    return (lamina.root / "layers" / diff_id.hex / "fs" / path).lstat()


def test_files_that_did_not_change_are_not_written_again(
    busybox_store: Lamina, context: Path
) -> None:
    text = "FROM busybox\nCOPY tree /tree\n"
    built(busybox_store, context, text)
    before = {path: on_disk(busybox_store, path).st_ino for path in files(busybox_store)}
    (context / "tree" / "sub" / "f7").write_text("other\n")
    assert cached(built(busybox_store, context, text)) == []
    after = {path: on_disk(busybox_store, path).st_ino for path in files(busybox_store)}
    changed = {path for path in before if before[path] != after[path]}
    assert {path for path in changed if not (context / path).is_dir()} == {"tree/sub/f7"}
    assert content(busybox_store, "tree/sub/f7") == "other\n"
    assert content(busybox_store, "tree/sub/f8") == "content 8\n"
    busybox_store("verify", "t")
    nothing_left(busybox_store)


def test_a_layer_of_known_files_is_the_layer_that_a_walk_finds(
    busybox_store: Lamina, context: Path, tmp_path: Path
) -> None:
    text = "FROM busybox\nCOPY --chmod=u=rwX,go=rX tree /tree\nCOPY --chown=7:8 tree/top /etc/top\n"
    built(busybox_store, context, text)
    first = image(busybox_store).layers
    built(busybox_store, context, text, "--no-cache")
    assert image(busybox_store).layers == first
    other = Lamina(tmp_path / "other")
    busybox_store("save", "-o", str(tmp_path / "t.tar"), "t")
    other("load", "-i", str(tmp_path / "t.tar"))
    assert image(other).layers == first
    for lamina in (busybox_store, other):
        lamina("verify", "t")


def linked(lamina: Lamina, context: Path, base: str) -> tuple[Digest, str]:
    text = f"FROM {base}\nCOPY --link --chown=5:6 tree /some/where/\n"
    output = built(lamina, context, text)
    return image(lamina).layers[-1], output


def test_a_linked_layer_is_the_same_over_every_base(busybox_store: Lamina, context: Path) -> None:
    lamina = busybox_store
    (context / "Dockerfile").write_text("FROM busybox\nRUN mkdir /real && ln -s real /some\n")
    lamina("build", "-t", "other", str(context))
    over_scratch, _ = linked(lamina, context, "scratch")
    over_busybox, output = linked(lamina, context, "busybox")
    over_other, again = linked(lamina, context, "other")
    assert over_scratch == over_busybox == over_other
    assert cached(output) == cached(again) == [1]
    found = files(lamina, above=len(image(lamina).layers) - 1)
    assert found["some"].kind is Kind.DIRECTORY  # no link of the base is followed
    assert {(found[path].uid, found[path].mode) for path in ("some", "some/where")} == {(5, 0o755)}


def test_without_link_the_destination_is_followed(busybox_store: Lamina, context: Path) -> None:
    built(
        busybox_store,
        context,
        "FROM busybox\nRUN mkdir /real && ln -s real /some\nCOPY tree/top /some/where/\n",
    )
    assert "real/where/top" in files(busybox_store, above=2)


def test_names_are_those_of_the_image(busybox_store: Lamina, context: Path) -> None:
    made = (
        "FROM busybox\nRUN echo 'me:x:12:34::/:' >> /etc/passwd && echo 'us:x:56:' >> /etc/group\n"
    )
    built(
        busybox_store,
        context,
        f"{made}COPY --chown=me tree/top /a\nCOPY --chown=me:us tree/top /b\n"
        "COPY --chown=root:56 tree/top /c\nUSER me\nWORKDIR /home/me/deep\n",
    )
    found = files(busybox_store, above=2)
    owners = {path: (found[path].uid, found[path].gid) for path in ("a", "b", "c", "home/me/deep")}
    assert owners == {"a": (12, 34), "b": (12, 56), "c": (0, 56), "home/me/deep": (12, 34)}
    output = built(
        busybox_store, context, "FROM busybox\nCOPY --chown=nosuch tree /x\n", check=False
    )
    assert "Dockerfile:2" in output
    assert "unable to find user nosuch: no matching entries in passwd file" in output
    nothing_left(busybox_store)


def test_a_stage_gives_what_it_has(busybox_store: Lamina, context: Path) -> None:
    node = "touch n" if AS_USER else "mknod n c 1 3"
    script = (
        "mkdir -p /src/d && cd /src && echo x > one && ln one d/two && chmod 6755 one &&"
        f" mkfifo p && {node} && ln -s one l && chown -h 5:6 one l p n d && chmod 1770 d"
        " && touch -d @1500000000 one d"
    )
    built(
        busybox_store,
        context,
        f"FROM busybox AS from\nRUN {script}\nFROM scratch\nCOPY --from=from /src /dst\n",
    )
    found = files(busybox_store, above=0)
    assert {path: (each.kind, each.uid) for path, each in found.items()} == {
        "dst": (Kind.DIRECTORY, 0),
        "dst/d": (Kind.DIRECTORY, 5),
        "dst/d/two": (Kind.FILE, 5),
        "dst/l": (Kind.SYMLINK, 5),
        "dst/n": (Kind.FILE if AS_USER else Kind.CHAR, 5),
        "dst/one": (Kind.HARDLINK, 5),
        "dst/p": (Kind.FIFO, 5),
    }
    assert found["dst/one"].link == "dst/d/two"
    # chown(1) took the set-id bits away: what is left is what is copied.
    assert (found["dst/d"].mode, found["dst/d"].mtime // 10**9) == (0o1770, 1_500_000_000)


def test_attributes_come_from_stages_and_archives(busybox_store: Lamina, context: Path) -> None:
    import tarfile

    with tarfile.open(context / "t.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        member = tarfile.TarInfo("ping")
        member.mode = 0o755
        member.pax_headers = {
            "SCHILY.xattr.security.capability": RAW.decode("latin-1"),
            "SCHILY.xattr.user.k": "v",
        }
        tar.addfile(member)
    built(
        busybox_store,
        context,
        "FROM scratch AS one\nADD t.tar /\n"
        "FROM scratch AS two\nCOPY --from=one --chown=5:6 --chmod=4755 / /\n"
        "FROM scratch\nCOPY --from=two / /\n",
    )
    found = files(busybox_store, above=0)["ping"]
    assert dict(found.xattrs) == {"security.capability": RAW, "user.k": b"v"}
    assert (found.uid, found.mode) == (5, 0o4755)


def test_names_of_one_file_are_not_those_of_a_shared_one(
    busybox_store: Lamina, context: Path
) -> None:
    text = "FROM busybox\nCOPY tree /tree\n"
    built(busybox_store, context, text)
    os.link(context / "tree" / "top", context / "tree" / "twin")
    built(busybox_store, context, text)
    found = files(busybox_store)
    assert (found["tree/top"].kind, found["tree/twin"].kind) == (Kind.FILE, Kind.HARDLINK)
    status = on_disk(busybox_store, "tree/top")
    assert (status.st_nlink, status.st_ino) == (2, on_disk(busybox_store, "tree/twin").st_ino)
    busybox_store("verify", "t")


def test_what_fails_leaves_nothing_and_points_at_its_place(
    busybox_store: Lamina, context: Path
) -> None:
    for text, problem in (
        ("FROM busybox\nCOPY tree /etc/passwd\n", "/etc/passwd is not a directory"),
        ("FROM busybox\nCOPY tree/top /etc/passwd/x\n", "/etc/passwd is not a directory"),
        ("FROM busybox\nCOPY tree/tip /x\n", "did you mean tree/top?"),
        ("FROM busybox\nCOPY tree/tip/* /x\n", "tree/tip/* is not in the context"),
        (f"FROM busybox\nCOPY tree/top /{'n' * 256}\n", "not a path"),
    ):
        output = built(busybox_store, context, text, check=False)
        assert "Dockerfile:2" in output
        assert problem in output
        nothing_left(busybox_store)
    assert len(list(open_engine(busybox_store.root).store.layers)) == 1


def test_what_is_excluded_does_not_miss(busybox_store: Lamina, context: Path) -> None:
    text = "FROM busybox\nCOPY --exclude=sub/f1* --exclude=!sub/f12 . /all\n"
    (context / "Dockerfile").write_text(text)
    built(busybox_store, context, text)
    found = files(busybox_store)
    assert "all/tree/sub/f11" in found  # patterns are relative to the source, which is all
    text = "FROM busybox\nCOPY --exclude=sub/f1* --exclude=!sub/f12 tree /all\n"
    built(busybox_store, context, text)
    found = files(busybox_store)
    assert [name for name in found if "/f1" in name] == ["all/sub/f12"]
    (context / "tree" / "sub" / "f11").write_text("not copied")
    assert cached(built(busybox_store, context, text)) == [1]
    (context / "tree" / "sub" / "f12").write_text("copied")
    assert cached(built(busybox_store, context, text)) == []
