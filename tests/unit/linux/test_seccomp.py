"""The system call filter: compiled, kept, and deciding as Docker's does."""

from __future__ import annotations

import platform
import struct
from pathlib import Path

import pytest

from lamina.linux import capability, seccomp, seccomp_profile

X86_64, X86, AARCH64 = 0xC000003E, 0x40000003, 0xC00000B7
ALLOW, EPERM, ENOSYS = 0x7FFF0000, 0x00050001, 0x00050026


def decide(program: bytes, number: int, *args: int, architecture: int = X86_64) -> int:
    """What the filter answers: an interpreter of the classic BPF that seccomp takes."""
    padded = (*args, 0, 0, 0, 0, 0, 0)[:6]
    data = struct.pack("<iIQ6Q", number, architecture, 0, *padded)
    code = list(struct.iter_unpack("HBBI", program))
    accumulator = at = 0
    while True:
        operation, true, false, value = code[at]
        at += 1
        match operation:
            case 0x20:
                (accumulator,) = struct.unpack_from("<I", data, value)
            case 0x15:
                at += true if accumulator == value else false
            case 0x25:
                at += true if accumulator > value else false
            case 0x35:
                at += true if accumulator >= value else false
            case 0x05:
                at += value
            case 0x54:
                accumulator &= value
            case 0x06:
                return int(value)
            case _:
                raise AssertionError(f"unknown operation {operation:#x}")


@pytest.fixture(scope="module")
def default() -> bytes:
    try:
        return seccomp.compile_filter(capability.DEFAULT)
    except seccomp.NoLibseccomp as error:
        pytest.skip(str(error))


needs_x86 = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="the numbers here are those of x86-64"
)


@needs_x86
def test_what_programs_need_is_allowed(default: bytes) -> None:
    for number in (0, 1, 2, 59, 56, 57, 231, 257, 262, 161, 101, 436, 439):
        assert decide(default, number) == ALLOW, number


@needs_x86
def test_what_reaches_the_host_is_not(default: bytes) -> None:
    for number in (165, 166, 272, 308, 246, 250, 298, 321, 175, 169, 425, 428, 430, 442):
        assert decide(default, number) == EPERM, number


@needs_x86
def test_arguments_decide(default: bytes) -> None:
    socket, clone, clone3, personality = 41, 56, 435, 135
    assert decide(default, socket, 2) == ALLOW
    assert decide(default, socket, 40) == EPERM
    assert decide(default, clone, 0x01200011) == ALLOW
    for flag in (0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000, 0x20000):
        assert decide(default, clone, flag | 17) == EPERM, hex(flag)
    assert decide(default, clone3) == ENOSYS
    assert decide(default, personality, 0xFFFFFFFF) == ALLOW
    assert decide(default, personality, 0x40000) == EPERM


@needs_x86
def test_later_calls_are_allowed_by_number_or_unknown(default: bytes) -> None:
    for number in range(451, 600):
        expected = ALLOW if number in seccomp_profile.NEWER_ALLOWED else ENOSYS
        assert decide(default, number) == expected, number


@needs_x86
def test_the_other_numbering_of_the_same_machine_is_held_to_the_same(default: bytes) -> None:
    mount_32, read_32, x32 = 21, 3, 0x40000000
    assert decide(default, mount_32, architecture=X86) == EPERM
    assert decide(default, read_32, architecture=X86) == ALLOW
    assert decide(default, x32 | 165) == EPERM
    assert decide(default, 0, architecture=AARCH64) not in {ALLOW, EPERM}, "killed"


@needs_x86
def test_capabilities_open_what_goes_with_them() -> None:
    try:
        admin = seccomp.compile_filter({"SYS_ADMIN"})
    except seccomp.NoLibseccomp as error:
        pytest.skip(str(error))
    assert decide(admin, 165) == ALLOW
    assert decide(admin, 56, 0x10000000) == ALLOW
    assert decide(admin, 161) == EPERM, "chroot goes with SYS_CHROOT"


def test_a_filter_is_kept_and_a_damaged_one_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, default: bytes
) -> None:
    made = []

    def compile_once(capabilities: frozenset[str]) -> bytes:
        made.append(capabilities)
        return b"12345678"

    monkeypatch.setattr(seccomp, "compile_filter", compile_once)
    for expected in (1, 1):
        monkeypatch.setattr(seccomp, "_IN_MEMORY", {})
        assert seccomp.filter_for({"KILL", "SYS_TIME"}, tmp_path) == b"12345678"
        assert len(made) == expected
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(kept.read_bytes()[1:])
    monkeypatch.setattr(seccomp, "_IN_MEMORY", {})
    assert seccomp.filter_for({"SYS_TIME"}, tmp_path) == b"12345678"
    assert len(made) == 2
    assert [path.name for path in tmp_path.iterdir()] == [kept.name], "nothing temporary is left"


def test_no_kept_filter_is_taken_for_another_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seccomp, "compile_filter", lambda _: seccomp_profile.ALWAYS.encode())
    changes = {
        "ALWAYS": "read",
        "BY_CAPABILITY": {"KILL": "kill"},
        "BY_MACHINE": {},
        "NEWER": {"mseal": 462},
        "NEWER_FIRST": 452,
        "NEWER_ALLOWED": (452,),
        "PERSONALITIES": (0,),
        "NAMESPACE_FLAGS": 1,
        "AF_VSOCK": 41,
    }
    assert changes.keys() == {name for name in vars(seccomp_profile) if name.isupper()}
    for name, value in changes.items():
        monkeypatch.setattr(seccomp_profile, name, value)
        monkeypatch.setattr(seccomp, "_IN_MEMORY", {})
        before = len(list(tmp_path.iterdir()))
        assert seccomp.filter_for({"KILL"}, tmp_path) == seccomp_profile.ALWAYS.encode()
        assert len(list(tmp_path.iterdir())) == before + 1, name


def test_the_profile_names_no_call_twice_and_none_that_is_dangerous() -> None:
    names = seccomp_profile.ALWAYS.split()
    assert len(names) == len(set(names))
    dangerous = "mount umount2 unshare setns keyctl bpf kexec_load init_module io_uring_setup"
    assert not set(names) & set(dangerous.split())
