"""The program that a group asks for devices, executed step by step as the kernel would."""

from __future__ import annotations

import itertools
import struct

import pytest

from lamina.linux.bpf import device_program
from lamina.linux.devices import ANY, DEFAULT, DeviceRule

MAKE, READ, WRITE = 1, 2, 4
BLOCK, CHARACTER = 1, 2


def allows(program: bytes, kind: int, access: int, major: int, minor: int) -> bool:
    """What the program answers; a small interpreter of the instructions that it uses."""
    context = struct.pack("<III", access << 16 | kind, major, minor)
    code = [struct.unpack_from("<BBhi", program, at) for at in range(0, len(program), 8)]
    registers = [0] * 11
    at = 0
    while True:
        operation, both, offset, value = code[at]
        target, source = both & 15, both >> 4
        at += 1
        match operation:
            case 0x61:
                assert source == 1, "register 1 is the context until the tests begin"
                registers[target] = struct.unpack_from("<I", context, offset)[0]
            case 0xB4:
                registers[target] = value
            case 0xBC:
                registers[target] = registers[source]
            case 0x54:
                registers[target] &= value
            case 0x74:
                registers[target] >>= value
            case 0x55:
                at += offset if registers[target] != value else 0
            case 0x95:
                return bool(registers[0])
            case _:
                pytest.fail(f"unknown instruction {operation:#x}")


def expected(rules: tuple[DeviceRule, ...], kind: int, access: int, *numbers: int) -> bool:
    letters = {
        letter for letter, bit in zip("mrw", (MAKE, READ, WRITE), strict=True) if access & bit
    }
    return any(
        rule.kind in ("a", "bc"[kind - 1])
        and letters <= set(rule.permissions)
        and all(
            want in (ANY, has) for want, has in zip((rule.major, rule.minor), numbers, strict=True)
        )
        for rule in rules
    )


@pytest.mark.parametrize(
    "rules",
    [
        (),
        DEFAULT,
        (DeviceRule("a", ANY, ANY, "rwm"),),
        (DeviceRule("a", ANY, ANY, "r"), DeviceRule("b", 8, ANY, "rw")),
        (DeviceRule("c", 1, 3, "r"), DeviceRule("c", 1, ANY, "m"), DeviceRule("b", 8, 0, "w")),
    ],
)
def test_it_allows_what_a_rule_allows(rules: tuple[DeviceRule, ...]) -> None:
    program = device_program(rules)
    numbers = [(1, 3), (1, 5), (1, 11), (5, 2), (8, 0), (8, 1), (136, 0), (136, 300)]
    for kind, access, (major, minor) in itertools.product((BLOCK, CHARACTER), range(1, 8), numbers):
        answer = allows(program, kind, access, major, minor)
        assert answer == expected(rules, kind, access, major, minor), (kind, access, major, minor)
