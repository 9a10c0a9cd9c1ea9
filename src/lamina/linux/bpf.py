"""The rule for devices of a control group of version 2: a program that the kernel asks."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable

from lamina.linux import syscall
from lamina.linux.devices import ANY, DeviceRule

_BPF = {"x86_64": 321, "aarch64": 280}.get(os.uname().machine, -1)
_PROG_LOAD, _PROG_ATTACH = 5, 8
_PROG_TYPE_CGROUP_DEVICE = 15
_CGROUP_DEVICE = 6
_ALLOW_MULTI = 2
_KINDS = {"b": 1, "c": 2}
_ACCESS = {"m": 1, "r": 2, "w": 4}
_INSTRUCTION = struct.Struct("<BBhi")

# Registers: 1 is the context and then at will, 2 the access asked for, 3 the kind of
# device, 4 and 5 its numbers, 0 the answer.
_LOAD, _MOVE, _MOVE_FROM, _AND, _SHIFT_RIGHT = 0x61, 0xB4, 0xBC, 0x54, 0x74
_UNLESS_EQUAL, _EXIT = 0x55, 0x95


def device_program(rules: Iterable[DeviceRule]) -> bytes:
    """eBPF instructions that allow what a rule allows, and nothing else.

    An access that asks for several things is allowed when one rule allows all of them.
    """
    code = [
        _instruction(_LOAD, 2, 1, 0),  # access << 16 | kind
        _instruction(_MOVE_FROM, 3, 2),
        _instruction(_AND, 3, value=0xFFFF),
        _instruction(_SHIFT_RIGHT, 2, value=16),
        _instruction(_LOAD, 4, 1, 4),
        _instruction(_LOAD, 5, 1, 8),
    ]
    for rule in rules:
        code += _tests(rule)
    code += [_instruction(_MOVE, 0, value=0), _instruction(_EXIT)]
    return b"".join(code)


def _tests(rule: DeviceRule) -> list[bytes]:
    """What leads to a yes, or else past it."""
    compared = [(3, _KINDS.get(rule.kind, ANY)), (4, rule.major), (5, rule.minor)]
    if rule.kind == "a":
        compared = []
    checks = [(register, value) for register, value in compared if value != ANY]
    forbidden = 7 & ~sum(_ACCESS[letter] for letter in rule.permissions)
    length = len(checks) + (3 if forbidden else 0) + 2
    code: list[bytes] = []
    for register, value in checks:
        code.append(_instruction(_UNLESS_EQUAL, register, 0, length - len(code) - 1, value))
    if forbidden:
        code.append(_instruction(_MOVE_FROM, 1, 2))
        code.append(_instruction(_AND, 1, value=forbidden))
        code.append(_instruction(_UNLESS_EQUAL, 1, 0, 2, 0))
    return [*code, _instruction(_MOVE, 0, value=1), _instruction(_EXIT)]


def _instruction(
    code: int, target: int = 0, source: int = 0, offset: int = 0, value: int = 0
) -> bytes:
    return _INSTRUCTION.pack(code, source << 4 | target, offset, value)


def load_device_program(program: bytes) -> int:
    """bpf(BPF_PROG_LOAD): a descriptor of the program.  Raises OSError."""
    code = ctypes.create_string_buffer(program, len(program))
    licence = ctypes.create_string_buffer(b"Apache-2.0")
    attributes = struct.pack(
        "=IIQQ",
        _PROG_TYPE_CGROUP_DEVICE,
        len(program) // _INSTRUCTION.size,
        ctypes.addressof(code),
        ctypes.addressof(licence),
    )
    return _bpf(_PROG_LOAD, attributes)


def attach_device_program(group: str, program: int) -> None:
    """bpf(BPF_PROG_ATTACH): what lies below the group's directory asks the program, and those
    of the groups above.  Raises OSError."""
    directory = os.open(group, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _bpf(_PROG_ATTACH, struct.pack("=IIII", directory, program, _CGROUP_DEVICE, _ALLOW_MULTI))
    finally:
        os.close(directory)


def _bpf(command: int, attributes: bytes) -> int:
    words = (ctypes.c_long(_BPF), ctypes.c_int(command), attributes, ctypes.c_uint(len(attributes)))
    result: int = syscall.libc.syscall(*words)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"bpf: {os.strerror(code)}")
    return result
