"""Programs of other processors: whether the kernel was told who runs them (binfmt_misc).

https://docs.kernel.org/admin-guide/binfmt-misc.html
"""

from __future__ import annotations

import struct
from pathlib import Path

import msgspec

REGISTRY = Path("/proc/sys/fs/binfmt_misc")
_NOT_RULES = ("register", "status")
_ELF = {
    # OCI's name: (32 or 64 bits, byte order, e_machine of the ELF specification)
    "386": (1, "<", 3),
    "amd64": (2, "<", 62),
    "arm": (1, "<", 40),
    "arm64": (2, "<", 183),
    "loong64": (2, "<", 258),
    "mips64le": (2, "<", 8),
    "ppc64le": (2, "<", 21),
    "riscv64": (2, "<", 243),
    "s390x": (2, ">", 22),
}


class Handler(msgspec.Struct, frozen=True):
    """A rule of the kernel's: what begins like `magic`, but for bits not in `mask`, is run by
    `interpreter`."""

    name: str
    interpreter: str
    magic: bytes
    mask: bytes = b""
    offset: int = 0
    flags: str = ""

    @property
    def reaches_containers(self) -> bool:
        """Whether the interpreter is open already (flag F): a container has no file of it."""
        return "F" in self.flags

    def takes(self, head: bytes) -> bool:
        """Whether a program that begins so is one of its own."""
        part = head[self.offset : self.offset + len(self.magic)]
        mask = self.mask or b"\xff" * len(self.magic)
        return len(part) == len(self.magic) and all(
            have & bits == want & bits
            for have, want, bits in zip(part, self.magic, mask, strict=True)
        )


def handlers(registry: Path = REGISTRY) -> list[Handler]:
    """Every rule that is in force; none where the kernel has no registry, or none is mounted."""
    try:
        if (registry / "status").read_text().strip() != "enabled":
            return []
        paths = sorted(path for path in registry.iterdir() if path.name not in _NOT_RULES)
        found = [parse(path.name, path.read_text()) for path in paths]
    except OSError:
        return []
    return [each for each in found if each is not None]


def parse(name: str, text: str) -> Handler | None:
    """A rule as its file in the registry tells of it; None for one that is disabled, or that
    goes by the extension of a name."""
    first, *lines = text.splitlines() or [""]
    fields = dict(line.partition(" ")[::2] for line in lines)
    if first != "enabled" or "magic" not in fields:
        return None
    return Handler(
        name,
        fields.get("interpreter", ""),
        bytes.fromhex(fields["magic"]),
        bytes.fromhex(fields.get("mask", "")),
        int(fields.get("offset", "0")),
        fields.get("flags:", ""),
    )


def program_head(architecture: str) -> bytes:
    """How a program for an architecture (as OCI names it) begins; empty for one that is not
    known."""
    if architecture not in _ELF:
        return b""
    bits, order, machine = _ELF[architecture]
    ident = b"\x7fELF" + bytes([bits, 1 if order == "<" else 2, 1]) + bytes(9)
    return ident + struct.pack(f"{order}HHI", 2, machine, 1) + bytes(40)
