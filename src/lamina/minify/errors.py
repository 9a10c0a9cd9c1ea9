"""What keeps an image from being minified."""

from __future__ import annotations

from lamina.errors import Invalid, Unavailable, Unsupported


class BadProbe(Invalid):
    """The text is not a probe that we know."""


class ProbeFailed(Invalid):
    """A probe does not pass on the image as it is: there is nothing to hold a smaller one to."""

    def __init__(self, probe: str, why: str, said: str) -> None:
        super().__init__(
            f"{probe} fails on the image as it is: {why}",
            hint=said or "mend the probe or the image first: nothing was changed",
        )


class NotAnswering(Unavailable):
    """A probe got no answer in time."""


class NothingRecorded(Unsupported):
    """A container ran and no file of it was seen in use: the recording does not work here."""

    def __init__(self, how: str) -> None:
        super().__init__(
            f"no use of any file was recorded ({how})",
            hint="the store's file system may be mounted noatime; fanotify needs CAP_SYS_ADMIN",
        )
