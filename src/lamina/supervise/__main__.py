"""The program beside a detached container: `python -I -S __main__.py`.

Started by exec from the process that made the container, so that it is the
same process to the kernel and the container's parent.  What it is told comes as
a marshalled dictionary on descriptor 3.
"""

from __future__ import annotations

import marshal
import os
import sys

DESCRIPTOR = 3


def main() -> None:
    """Watch the container to its end, then become the program that puts things in order."""
    # The package's own __init__ brings `typing` with it, which is a megabyte that we do not use.
    package = type(sys)("lamina")
    package.__path__ = [os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]
    sys.modules["lamina"] = package
    from lamina.supervise.watch import Watch

    with open(DESCRIPTOR, "rb") as stream:
        task = marshal.loads(stream.read())  # noqa: S302 - written by ourselves a moment ago
    watch = Watch(task)
    status = watch.run()
    if watch.restarting:
        watch.pause_before_restart()
    if not watch.restarting:
        watch.farewell()
    then = [*task["then"], str(status)]
    os.execv(then[0], then)  # noqa: S606


if __name__ == "__main__":
    main()
