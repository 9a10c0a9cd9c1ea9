"""How a command ends: its errors as sentences and exit statuses, and the end of the process."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import NoReturn

from lamina.errors import EngineError

EXIT_STATUS = {"check-failed": 3}
"""By kind of error; every other kind exits 1, and a usage error 2."""


def guarded(work: Callable[[], int], *, debug: bool = False) -> int:
    """The exit status of a command; no expected error escapes, unless for `debug`."""
    try:
        return work()
    except EngineError as error:
        if debug:
            raise
        report(str(error), error.hint)
        return EXIT_STATUS.get(error.kind, 1)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output has gone; say nothing more, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        if debug:
            raise
        report(_os_error(error), "")
        return 1


def end(status: int) -> NoReturn:
    """End the process, with everything written."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        status = 141
    # Everything is closed and written; taking the interpreter apart would only take time.
    os._exit(status)


def report(message: str, hint: str) -> None:
    print(f"lamina: {message}", file=sys.stderr)
    if hint:
        print(f"  try: {hint}" if hint.startswith("lamina ") else f"  {hint}", file=sys.stderr)


def _os_error(error: OSError) -> str:
    where = f": {error.filename}" if error.filename else ""
    return f"{error.strerror or error}{where}"
