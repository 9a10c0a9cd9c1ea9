"""What can be wrong with a container when somebody wants something of it."""

from __future__ import annotations

from lamina.errors import Conflict, Unavailable


class NotRunning(Conflict):
    """The container does not run."""

    def __init__(self, name: str) -> None:
        super().__init__(f"container {name} is not running", hint=f"lamina start {name}")


class AlreadyRunning(Conflict):
    """The container runs, or is about to."""

    def __init__(self, name: str) -> None:
        super().__init__(f"container {name} is running already")


class StillRunning(Conflict):
    """A running container is only removed by force."""

    def __init__(self, name: str) -> None:
        super().__init__(f"container {name} is running", hint=f"lamina rm -f {name}")


class IsPaused(Conflict):
    """The container is paused."""

    def __init__(self, name: str) -> None:
        super().__init__(f"container {name} is paused", hint=f"lamina unpause {name}")


class WatcherLost(Unavailable):
    """The process beside the container ended before the container did."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the process that watched container {name} was killed, and the container with it"
        )
