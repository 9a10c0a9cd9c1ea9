"""The busybox root file system, from a binary that is not really one."""

from __future__ import annotations

import io
import struct
import tarfile

from lamina.base.busybox import Busybox, busybox_rootfs, is_static

BINARY = b"\x7fELF...BusyBox v1.35.0 (Debian)..."
BUSYBOX = Busybox(BINARY, ("ls", "sh"), 1_700_000_000)


def members() -> dict[str, tarfile.TarInfo]:
    stream = io.BytesIO(b"".join(busybox_rootfs(BUSYBOX).chunks))
    with tarfile.open(fileobj=stream) as archive:
        return {member.name: member for member in archive}


def test_the_same_binary_makes_the_same_tar() -> None:
    assert b"".join(busybox_rootfs(BUSYBOX).chunks) == b"".join(busybox_rootfs(BUSYBOX).chunks)


def test_every_applet_is_a_link_to_the_one_program() -> None:
    found = members()
    assert found["bin/busybox"].mode == 0o755
    assert found["bin/busybox"].size == len(BINARY)
    assert {found[f"bin/{name}"].linkname for name in ("ls", "sh")} == {"busybox"}


def test_directories_come_before_what_is_in_them() -> None:
    names = list(members())
    assert names == sorted(names)
    assert names.index("var") < names.index("var/tmp")


def test_modes_are_those_of_a_system() -> None:
    found = members()
    assert found["tmp"].mode == 0o1777
    assert found["root"].mode == 0o700
    assert found["etc/passwd"].mode == 0o644
    assert found["etc/shadow"].mode == 0o600


def test_every_time_is_the_packages() -> None:
    assert {member.mtime for member in members().values()} == {1_700_000_000}
    assert busybox_rootfs(BUSYBOX).epoch == 1_700_000_000


def test_the_image_says_which_version_it_is() -> None:
    assert busybox_rootfs(BUSYBOX).labels["org.opencontainers.image.version"] == "1.35.0"


def program(*kinds: int) -> bytes:
    """A 64-bit little-endian ELF file with program headers of these kinds."""
    header = bytearray(64)
    header[:6] = b"\x7fELF\x02\x01"
    struct.pack_into("<Q", header, 32, 64)
    struct.pack_into("<HH", header, 54, 56, len(kinds))
    return bytes(header) + b"".join(struct.pack("<I52x", kind) for kind in kinds)


def test_a_program_that_asks_for_an_interpreter_is_not_static() -> None:
    assert is_static(program(1, 1))
    assert not is_static(program(1, 3, 1))
    assert not is_static(b"#!/bin/sh\n")
    assert not is_static(b"")
