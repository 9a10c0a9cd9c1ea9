"""Root file systems in memory: programs, links, directories, packages of dpkg."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256

from lamina.explain.cause import Base
from lamina.explain.stack import Stack
from lamina.layer.contract import Listing
from lamina.layer.entry import Entry, Kind
from lamina.oci.config import Execution, ImageConfig
from lamina.oci.digest import Digest
from lamina.oci.platform import Platform
from tests.fakes.elves import elf
from tests.fakes.stacks import numbered, stack_of

Tree = Mapping[str, bytes | str | None]
"""Path → content; a str is a symbolic link, None a directory.  Programs may be executed."""

LOADER = "lib64/ld-linux-x86-64.so.2"
LIBC = "lib/x86_64-linux-gnu/libc.so.6"


def glibc(*versions: str) -> dict[str, bytes | str | None]:
    """A C library and its loader, which defines these versions of symbols."""
    return {
        LOADER: elf(soname="ld-linux-x86-64.so.2"),
        LIBC: elf(soname="libc.so.6", defines=("libc.so.6", *versions)),
    }


def program(*needed: str, **options: object) -> bytes:
    """A program for glibc."""
    return elf(*needed, interpreter=f"/{LOADER}", **options)  # type: ignore[arg-type]


def dpkg(*packages: str) -> dict[str, bytes | str | None]:
    """Records of packages, each `name [depends] : path path`."""
    status, tree = "", dict[str, bytes | str | None]()
    for each in packages:
        head, _, paths = each.partition(" : ")
        name, _, depends = head.partition(" ")
        status += f"Package: {name}\nStatus: install ok installed\nVersion: 1.0\n"
        status += f"Installed-Size: 100\nDepends: {depends}\n\n"
        lines = "/.\n" + "".join(f"/{path}\n" for path in paths.split())
        tree[f"var/lib/dpkg/info/{name}.list"] = lines.encode()
    return {"var/lib/dpkg/status": status.encode(), **tree}


def system(
    *layers: Tree,
    instructions: Sequence[str] | None = None,
    base: int = 0,
    name: str = "app:1",
    execution: Execution | None = None,
    architecture: str = "amd64",
    owners: Mapping[str, int] | None = None,
) -> Stack:
    """A stack of such layers; with `base`, so many of the lowest are those of `base:1`."""
    contents: dict[int, bytes] = {}
    listings = []
    for number, layer in enumerate(layers):
        entries = []
        for offset, (path, content) in enumerate(layer.items()):
            entry = _entry(path, content, offset * 512, (owners or {}).get(path, 0))
            if isinstance(content, bytes):
                contents[id(entry)] = content
            entries.append(entry)
        diff_id = Digest.of(f"{number}{name}{sorted(layer)}".encode())
        listings.append(Listing(diff_id, tuple(entries), 1024))
    config = ImageConfig.scratch(Platform(architecture)).amend(
        execution=execution or Execution(),
        diff_ids=[each.diff_id for each in listings],
    )
    told = instructions or [f"COPY step {number}" for number in range(len(layers))]
    return stack_of(
        listings,
        numbered(told),
        name=name,
        config=config,
        contents=contents,
        base=Base("base:1", base) if base else None,
    )


def _entry(path: str, content: bytes | str | None, offset: int, uid: int) -> Entry:
    if content is None:
        return Entry(path, Kind.DIRECTORY, 0o755, uid, uid, 0, 0)
    if isinstance(content, str):
        return Entry(path, Kind.SYMLINK, 0o777, uid, uid, 0, 0, content)
    starts = content[:4] == b"\x7fELF" or content[:2] == b"#!"
    mode = 0o755 if starts else 0o644
    digest = sha256(content).digest()
    return Entry(path, Kind.FILE, mode, uid, uid, len(content), 0, sha256=digest, offset=offset)
