"""The parent of a program that was executed with `exec -d`: `python -I -S exec_end.py PID`.

It tells of the program's end, and does nothing else until then; so it is as small as the
program beside a container (supervise/__main__.py), and has its task as that has it, from
descriptor 3.  Nothing there says that the program did not begin.
"""

from __future__ import annotations

import marshal
import os
import sys

DESCRIPTOR = 3


def main() -> None:
    """Wait for the program, and note in the journal of the store how it ended."""
    # As in supervise/__main__.py.
    package = type(sys)("lamina")
    package.__path__ = [os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]
    sys.modules["lamina"] = package
    from lamina.store.journal import append_line, container_line
    from lamina.supervise.log import timestamp

    with open(DESCRIPTOR, "rb") as stream:
        raw = stream.read()
    if not raw:
        return
    task = marshal.loads(raw)  # noqa: S302 - written by ourselves a moment ago
    _, ended = os.waitpid(int(sys.argv[1]), 0)
    code = os.waitstatus_to_exitcode(ended)
    attributes = {**task["attributes"], "exitCode": str(code if code >= 0 else 128 - code)}
    append_line(task["events"], container_line(timestamp(), "exec_die", task["id"], attributes))


if __name__ == "__main__":
    main()
