"""Seccomp filters: the profile compiled by libseccomp, and kept."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from lamina.errors import Unsupported
from lamina.linux import seccomp_profile as profile
from lamina.sha256 import sha256

_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_NE, _EQ, _MASKED_EQ = 1, 4, 7
_OPTIMIZE, _BINARY_TREE = 8, 2
_UNKNOWN = -1
"""The number of a call that this version of libseccomp does not know."""
_ARCHITECTURES = {
    # the native one is there already: only those that run beside it
    "x86_64": (0x40000003, 0x4000003E),  # x86, x32
    "aarch64": (0x40000028,),  # arm
}
_FORMAT = 1
"""Raised when a filter is compiled differently from the same profile."""
_IN_MEMORY: dict[tuple[frozenset[str], str], bytes] = {}


class NoLibseccomp(Unsupported):
    """libseccomp is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "containers need libseccomp for their system call filter, and it is not installed",
            hint="apt install libseccomp2   (or run with --security-opt seccomp=unconfined)",
        )


class _Comparison(ctypes.Structure):
    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("a", ctypes.c_uint64),
        ("b", ctypes.c_uint64),
    )


def filter_for(capabilities: Iterable[str], cache: Path | None, text: str = "") -> bytes:
    """The filter (an array of `struct sock_filter`) of a container with `capabilities`.

    `text` is a profile (linux/seccomp_json.py), empty for Docker's default.  Compiling takes
    milliseconds, so the result is kept in memory and, when `cache` is given, in a file of
    that directory.  Raises NoLibseccomp, BadProfile.
    """
    held = frozenset(capabilities)
    relevant = held if text else held.intersection(profile.BY_CAPABILITY)
    key = (relevant, text)
    if key not in _IN_MEMORY:
        path = cache / f"seccomp-{_fingerprint(relevant, text)}.bpf" if cache else None
        _IN_MEMORY[key] = _kept(path) or _compile_and_keep(relevant, text, path)
    return _IN_MEMORY[key]


def _fingerprint(capabilities: frozenset[str], text: str) -> str:
    # All of the profile: whoever changes any of it must never be given the filter of before.
    # That takes 60 µs, so there is no need of a cheaper sign that might miss a change.
    whole = sorted((name, value) for name, value in vars(profile).items() if name.isupper())
    host = (os.uname().machine, os.uname().release if text else "")
    parts = (_FORMAT, *host, sorted(capabilities), text, whole)
    return sha256(repr(parts).encode()).hex()[:16]


def _kept(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        raw = path.read_bytes()
    except OSError:
        return None
    # The file ends with its own digest: half a filter must never be loaded.
    body, digest = raw[:-32], raw[-32:]
    return body if sha256(body) == digest else None


def _compile_and_keep(capabilities: frozenset[str], text: str, path: Path | None) -> bytes:
    program = compile_profile(text, capabilities) if text else compile_filter(capabilities)
    if path is not None:
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            temporary.write_bytes(program + sha256(program))
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)  # a full disk: the next run compiles again
    return program


def compile_filter(capabilities: Iterable[str]) -> bytes:
    """Compile the profile for a container with `capabilities`.  Raises NoLibseccomp."""
    held = frozenset(capabilities)
    library = _library()
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(_ERRNO | errno.EPERM)))
    try:
        for architecture in _ARCHITECTURES.get(os.uname().machine, ()):
            library.seccomp_arch_add(context, architecture)
        library.seccomp_attr_set(context, _OPTIMIZE, _BINARY_TREE)
        _add_rules(library, context, held)
        return _newer_calls(profile.NEWER_FIRST, profile.NEWER_ALLOWED) + _export(library, context)
    finally:
        library.seccomp_release(context)


def compile_profile(text: str, capabilities: Iterable[str]) -> bytes:
    """Compile the profile `text` (linux/seccomp_json.py) for a container with `capabilities`.

    A call that is newer than all that the profile names answers ENOSYS unless the profile
    allows by default: programs fall back on an older call then.

    Raises NoLibseccomp, BadProfile.
    """
    from lamina.linux.seccomp_json import ALLOW, LOG, TRACE, BadProfile, rules_of

    host = os.uname()
    rules = rules_of(text, capabilities, machine=host.machine, kernel=host.release)
    library = _library()
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(rules.default)))
    largest, newer = 0, set()
    try:
        for architecture in rules.architectures:
            library.seccomp_arch_add(context, architecture)
        library.seccomp_attr_set(context, _OPTIMIZE, _BINARY_TREE)
        for rule in rules.rules:
            for name in rule.names:
                number = library.seccomp_syscall_resolve_name(name.encode())
                if number == _UNKNOWN:
                    if rule.action == ALLOW and not rule.comparisons and name in profile.NEWER:
                        newer.add(profile.NEWER[name])
                    continue
                largest = max(largest, number)
                code = _add_rule(library, context, rule.action, number, rule.comparisons)
                if code and code != -errno.EEXIST:
                    raise BadProfile(f"the rule for {name}: {os.strerror(-code)}")
        program = _export(library, context)
    finally:
        library.seccomp_release(context)
    if rules.default & 0xFFFF0000 in {ALLOW, LOG, TRACE}:
        return program
    first = profile.NEWER_FIRST if newer else max(largest + 1, profile.NEWER_FIRST)
    return _newer_calls(first, sorted(newer)) + program


def _library() -> Any:
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        raise NoLibseccomp from None
    library.seccomp_init.restype = ctypes.c_void_p
    return library


def _add_rules(library: Any, context: ctypes.c_void_p, held: frozenset[str]) -> None:
    def rule(action: int, name: str, *comparisons: tuple[int, int, int, int]) -> None:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number != _UNKNOWN:
            _add_rule(library, context, action, number, comparisons)

    names = f"{profile.ALWAYS} {profile.BY_MACHINE.get(os.uname().machine, '')}".split()
    for capability in held & profile.BY_CAPABILITY.keys():
        names += profile.BY_CAPABILITY[capability].split()
    for name in dict.fromkeys(names):
        rule(_ALLOW, name)
    if "SYS_ADMIN" not in held:
        rule(_ALLOW, "clone", (0, _MASKED_EQ, profile.NAMESPACE_FLAGS, 0))
        # Its flags are in memory, out of a filter's sight; libc falls back on clone.
        rule(_ERRNO | errno.ENOSYS, "clone3")
    rule(_ALLOW, "socket", (0, _NE, profile.AF_VSOCK, 0))
    for persona in profile.PERSONALITIES:
        rule(_ALLOW, "personality", (0, _EQ, persona, 0))


def _add_rule(
    library: Any,
    context: ctypes.c_void_p,
    action: int,
    number: int,
    comparisons: Sequence[tuple[int, int, int, int]],
) -> int:
    array = (_Comparison * len(comparisons))(*(_Comparison(*each) for each in comparisons))
    code: int = library.seccomp_rule_add_array(
        context, ctypes.c_uint32(action), number, len(comparisons), array
    )
    return code


def _export(library: Any, context: ctypes.c_void_p) -> bytes:
    fd = os.memfd_create("seccomp")
    try:
        code = library.seccomp_export_bpf(context, fd)
        if code:
            raise OSError(-code, "seccomp_export_bpf: " + os.strerror(-code))
        return os.pread(fd, os.fstat(fd).st_size, 0)
    finally:
        os.close(fd)


def _newer_calls(first: int, allowed: Sequence[int]) -> bytes:
    """Instructions that decide on the calls from `first` on and let others pass."""
    load, jump_ge, jump_eq, give = 0x20, 0x35, 0x15, 0x06
    x32_bit = 0x40000000
    count = len(allowed)
    instructions = [
        (load, 0, 0, 0),  # the number
        (jump_ge, count + 3, 0, x32_bit),
        (jump_ge, 0, count + 2, first),
        *((jump_eq, count - index, 0, number) for index, number in enumerate(allowed)),
        (give, 0, 0, _ERRNO | errno.ENOSYS),
        (give, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("HBBI", *each) for each in instructions)
