"""What the kernel's registry of emulators says, read from files like its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.linux.binfmt import Handler, handlers, parse, program_head

MAGIC = "7f454c460201010000000000000000000200b700"
MASK = "ffffffffffffff00fffffffffffffffffeffffff"
RULE = f"""\
enabled
interpreter /usr/bin/qemu-aarch64-static
flags: POCF
offset 0
magic {MAGIC}
mask {MASK}
"""


def registry(place: Path, status: str = "enabled", **rules: str) -> Path:
    place.mkdir()
    (place / "register").write_text("")
    (place / "status").write_text(status + "\n")
    for name, text in rules.items():
        (place / name).write_text(text)
    return place


def test_a_rule() -> None:
    found = parse("qemu-aarch64", RULE)
    assert found == Handler(
        "qemu-aarch64",
        "/usr/bin/qemu-aarch64-static",
        bytes.fromhex(MAGIC),
        bytes.fromhex(MASK),
        0,
        "POCF",
    )
    assert found.reaches_containers


def test_which_programs_a_rule_takes() -> None:
    found = parse("qemu-aarch64", RULE)
    assert found is not None
    head = bytearray(program_head("arm64"))
    assert found.takes(bytes(head))
    head[16] = 3  # position-independent: the mask leaves that bit out
    assert found.takes(bytes(head))
    assert [
        each for each in ("amd64", "arm", "riscv64", "s390x") if found.takes(program_head(each))
    ] == []
    assert not found.takes(b"\x7fELF")
    assert not found.takes(program_head("pdp11"))


def test_a_rule_without_a_mask_takes_what_is_equal() -> None:
    found = parse("x", "enabled\ninterpreter /x\nflags: \noffset 1\nmagic 454c46\n")
    assert found is not None
    assert found.takes(b"\x7fELF")
    assert not found.takes(b"\x7fELG")
    assert not found.reaches_containers


@pytest.mark.parametrize(
    "text", ["disabled\n" + RULE.partition("\n")[2], "enabled\ninterpreter /x\nextension .py\n", ""]
)
def test_what_is_no_rule_for_programs(text: str) -> None:
    assert parse("x", text) is None


def test_the_registry(tmp_path: Path) -> None:
    place = registry(tmp_path / "on", arm=RULE, off="disabled\n", python="enabled\nextension .py\n")
    assert [each.name for each in handlers(place)] == ["arm"]
    assert handlers(registry(tmp_path / "off", status="disabled", arm=RULE)) == []
    assert handlers(tmp_path / "not mounted") == []


def test_heads_differ_in_byte_order() -> None:
    assert program_head("arm64")[18:20] == b"\xb7\x00"
    assert program_head("s390x")[5] == 2
    assert program_head("s390x")[18:20] == b"\x00\x16"
