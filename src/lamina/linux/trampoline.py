"""A program of a hundred bytes that stands between us and the container's program.

Whatever a container executes can find out what executed it: an entry point,
script interpreter or ELF interpreter named `/proc/self/exe` runs the program
that calls execve.  If that were the host's Python, the container could run it
with libraries of its own and open it for writing (CVE-2019-5736).  So the
container's first process first becomes this program, which lies in sealed
memory and only calls execve again.

It takes `argv = (path, argument 0, argument 1, …)`, marks descriptor 3
close-on-exec and executes `path`.  When that fails it writes the kernel's
negative error number to descriptor 3, eight bytes in the machine's order.
Without a descriptor 3 it ends at once: then the container has executed it.
"""

from __future__ import annotations

import os
import struct

from lamina.errors import Unsupported
from lamina.linux.sealed_program import elf, sealed

STATUS_FD = 3

_X86_64 = bytes.fromhex(
    "4c8b2424"  # mov r12, [rsp]            argc
    "4c8d6c2408"  # lea r13, [rsp+8]        argv
    "4f8d74e508"  # lea r14, [r13+r12*8+8]  envp
    "b848000000bf03000000be02000000ba010000000f05"  # fcntl(3, F_SETFD, FD_CLOEXEC)
    "85c07827"  # test eax, eax; js exit
    "b83b000000498b7d00498d75084c89f20f05"  # execve(argv[0], argv + 1, envp)
    "50b801000000bf030000004889e6ba080000000f05"  # write(3, &result, 8)
    "b8e7000000bf7f0000000f05"  # exit_group(127)
)
_AARCH64 = struct.pack(
    "<24I",
    *(0xF94003F3, 0x910023F4, 0x8B130E95, 0x910022B5),  # argc, argv, envp
    *(0xD2800060, 0xD2800041, 0xD2800022, 0xD2800328, 0xD4000001),  # fcntl
    0xB7F80180,  # tbnz x0, #63, exit
    *(0xF9400280, 0x91002281, 0xAA1503E2, 0xD2801BA8, 0xD4000001),  # execve
    *(0xF81F0FE0, 0xD2800060, 0x910003E1, 0xD2800102, 0xD2800808, 0xD4000001),  # write
    *(0xD2800FE0, 0xD2800BC8, 0xD4000001),  # exit_group
)
_CODE = {"x86_64": (62, _X86_64), "aarch64": (183, _AARCH64)}


_MADE: list[int] = []
"""Its descriptor, once somebody has asked for it."""


def program(machine: str) -> bytes:
    """The ELF file for `machine` (as uname names it).  Raises Unsupported."""
    if machine not in _CODE:
        raise Unsupported(
            f"containers cannot run on {machine} yet", hint="x86_64 and aarch64 are supported"
        )
    return elf(*_CODE[machine])


def descriptor() -> int:
    """The program in sealed memory, open for as long as this process lives."""
    if not _MADE:
        _MADE.append(sealed("lamina-exec", program(os.uname().machine)))
    return _MADE[0]
