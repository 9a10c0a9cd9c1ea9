"""Which process a number stands for: pids are used again, a pid with its start is not."""

from __future__ import annotations

_BOOT = "/proc/sys/kernel/random/boot_id"


def started(pid: int, proc: str = "/proc") -> int:
    """When a process was started, in clock ticks since boot (proc(5), stat, field 22).

    0 when it is gone, or has ended and only waits for its parent to notice.
    """
    try:
        with open(f"{proc}/{pid}/stat", "rb") as stream:
            text = stream.read()
    except OSError:
        return 0
    # The command's name, in parentheses, may hold spaces and parentheses itself.
    fields = text[text.rfind(b")") + 2 :].split()
    return 0 if fields[0] in (b"Z", b"X") else int(fields[19])


def lives(pid: int, since: int, proc: str = "/proc") -> bool:
    """Whether the process that had this pid, started then, still runs."""
    return pid > 0 and since > 0 and started(pid, proc) == since


def boot() -> str:
    """This boot of the machine; empty where the kernel does not tell."""
    try:
        with open(_BOOT, "rb") as stream:
            return stream.read().decode().strip()
    except OSError:
        return ""
