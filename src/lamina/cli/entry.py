"""The `lamina` console script: what must be set before anything else is imported."""

from __future__ import annotations

import gc
import os
import sys

_STREAMS = 3


def main() -> None:
    """Run the command line and end the process."""
    # Imports and commands make many objects and hardly a cycle: looking for cycles among
    # them costs a start 4 ms.
    gc.set_threshold(50_000)
    _fill_streams()
    if "exec" in sys.argv[1:4]:
        from lamina.cli.quick import run

        status = run(sys.argv[1:])
        if status is not None:
            # As in lamina.cli.failure: taking the interpreter apart would only take time.
            os._exit(status)
    elif "run" in sys.argv[1:4]:
        words, ahead = sys.argv[1:], None
        command = words[2:3] if words[0] == "--root" else words[:1]
        # An ordinary user's command line has another namespace to go to first.
        if os.geteuid() == 0 and command == ["run"]:
            from lamina.lifecycle.ahead import fork_ahead

            ahead = fork_ahead(_load_msgspec)
        _load_msgspec()
        from lamina.cli.quick_run import run as run_quickly

        run_quickly(words, ahead)
    from lamina.cli.main import main as run_and_exit

    run_and_exit()


def _fill_streams() -> None:
    """Standard streams that are closed become the null device: what is opened next would get
    their numbers, and be taken for them."""
    if None not in (sys.stdin, sys.stdout, sys.stderr):
        return
    while (fd := os.open(os.devnull, os.O_RDWR)) < _STREAMS:
        os.set_inheritable(fd, True)
    os.close(fd)
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def _load_msgspec() -> None:
    # It asks typing_extensions, where that is installed, for what typing has since 3.11; and
    # that takes longer to import than msgspec itself.
    absent = "typing_extensions" not in sys.modules
    if absent:
        sys.modules["typing_extensions"] = None  # type: ignore[assignment]
    import msgspec  # noqa: F401

    if absent:
        del sys.modules["typing_extensions"]
