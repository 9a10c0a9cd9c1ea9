"""Tar archives for tests, made by the standard library's `tarfile`: a second opinion on ours."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from hypothesis import strategies as st

from lamina.oci.digest import Digest

FORMATS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
HOUR = 3600
EPOCH = 1_700_000_000


@dataclass(frozen=True)
class Member:
    """One member of an archive, as a test writes it."""

    name: str
    type: bytes = tarfile.REGTYPE
    content: bytes = b""
    link: str = ""
    mode: int = 0o644
    uid: int = field(default_factory=os.getuid)
    gid: int = field(default_factory=os.getgid)
    mtime: float = EPOCH
    device: tuple[int, int] = (0, 0)
    xattrs: tuple[tuple[str, str], ...] = ()

    def info(self) -> tarfile.TarInfo:
        info = tarfile.TarInfo(self.name)
        info.type, info.size, info.linkname = self.type, len(self.content), self.link
        info.mode, info.uid, info.gid, info.mtime = self.mode, self.uid, self.gid, self.mtime
        info.devmajor, info.devminor = self.device
        info.pax_headers = {f"SCHILY.xattr.{name}": value for name, value in self.xattrs}
        return info


def file(
    name: str, content: bytes = b"", *, mode: int = 0o644, mtime: float = EPOCH, xattr: str = ""
) -> Member:
    xattrs = (("user.note", xattr),) if xattr else ()
    return Member(name, content=content, mode=mode, mtime=mtime, xattrs=xattrs)


def folder(name: str, *, mode: int = 0o755, mtime: float = EPOCH) -> Member:
    return Member(name, tarfile.DIRTYPE, mode=mode, mtime=mtime)


def symlink(name: str, target: str) -> Member:
    return Member(name, tarfile.SYMTYPE, link=target, mode=0o777)


def hardlink(name: str, target: str) -> Member:
    return Member(name, tarfile.LNKTYPE, link=target)


def fifo(name: str) -> Member:
    return Member(name, tarfile.FIFOTYPE)


def device(name: str, major: int, minor: int, *, block: bool = False) -> Member:
    kind = tarfile.BLKTYPE if block else tarfile.CHRTYPE
    return Member(name, kind, device=(major, minor))


def archive(*members: Member, form: int = tarfile.PAX_FORMAT) -> bytes:
    """The members as one tar, in that order, with its end blocks."""
    out = io.BytesIO()
    with tarfile.open(
        fileobj=out, mode="w", format=form, encoding="utf-8", errors="surrogateescape"
    ) as tar:
        for member in members:
            tar.addfile(member.info(), io.BytesIO(member.content))
    return out.getvalue()


def diff_id(tar: bytes) -> Digest:
    return Digest.of(tar)


def cut(data: bytes, size: int) -> Iterator[bytes]:
    """`data` in pieces of `size` bytes."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


def pieces(data: bytes, sizes: Iterable[int]) -> Iterator[bytes]:
    """`data` in pieces of the given sizes, the rest in one."""
    at = 0
    for size in sizes:
        yield data[at : at + size]
        at += size
    yield data[at:]


NAMES = st.text(
    st.characters(exclude_characters="\0/", codec="utf-8"), min_size=1, max_size=12
).filter(lambda name: name not in (".", "..") and not name.startswith(".wh."))
"""One component of a path."""
LONG_NAMES = NAMES.map(lambda name: (name * 30).encode()[:250].decode("utf-8", "ignore"))


def _paths(names: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(names, min_size=1, max_size=4).map("/".join)


ANY_PATHS = _paths(st.one_of(NAMES, LONG_NAMES))
FEW_PATHS = _paths(st.sampled_from(["a", "b", "c", ".wh.a", ".wh.b", ".wh..wh..opq"]))
"""Paths that meet: the same name twice, a file where a directory was, markers."""
XATTRS = st.dictionaries(
    st.from_regex(r"user\.[a-z]{1,8}", fullmatch=True), st.text(max_size=20), max_size=2
).map(lambda found: tuple(sorted(found.items())))


def members(
    paths: st.SearchStrategy[str], *, pax: bool = True, extractable: bool = False
) -> st.SearchStrategy[Member]:
    """Members of every type; `extractable` keeps to what any user may make on any disk."""
    ids = st.just(os.getuid()) if extractable else st.integers(0, (1 << 31) if pax else 0o7777777)
    times = st.integers(0, (1 << 33) - 1)
    devices = st.tuples(st.integers(0, 255), st.integers(0, 255))
    common = {
        "mode": st.integers(0, 0o777 if extractable else 0o7777),
        "uid": ids,
        "gid": st.just(os.getgid()) if extractable else ids,
        "mtime": times,
    }
    xattrs = XATTRS if pax and not extractable else st.just(())
    kinds = [
        st.builds(Member, paths, content=st.binary(max_size=1500), xattrs=xattrs, **common),
        st.builds(Member, paths, st.just(tarfile.DIRTYPE), **common),
        st.builds(Member, paths, st.just(tarfile.SYMTYPE), link=paths, **common),
        st.builds(Member, paths, st.just(tarfile.LNKTYPE), link=paths, **common),
        st.builds(Member, paths, st.just(tarfile.FIFOTYPE), **common),
    ]
    if not extractable:
        kinds += [
            st.builds(Member, paths, st.just(kind), device=devices, **common)
            for kind in (tarfile.CHRTYPE, tarfile.BLKTYPE)
        ]
    return st.one_of(kinds)
