"""Reading a blob, or a part of it, to its end, over as many connections as that takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from lamina.oci.descriptor import Descriptor
from lamina.registry.errors import (
    Interrupted,
    NotSupported,
    RegistryError,
    TimedOut,
    Unreachable,
    WrongBytes,
)
from lamina.registry.exchange import Exchange
from lamina.registry.transport import Response

Opener = Callable[[int, int | None], Response]
"""Asks one place for the blob from an offset on, up to another or to its end: an answer with
status 200 or 206."""
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


def range_headers(start: int, stop: int | None) -> dict[str, str]:
    """The headers that ask for the bytes from `start` to before `stop`, or to the end
    (RFC 9110, 14.2)."""
    if stop is not None:
        return {"Range": f"bytes={start}-{stop - 1}"}
    return {"Range": f"bytes={start}-"} if start else {}


class NoRanges(NotSupported):
    """The registry was asked for a range and sends the whole."""

    status = 200


class Download:
    """The bytes of one blob from an offset on, to its end or as a part of it to before `stop`.

    A broken connection is taken up again where it broke, at the same place
    first, at the next one when that no longer helps.  A server that does not
    know ranges sends the blob from its start, and what is known is skipped;
    for a part that is NoRanges.  Neither more nor fewer bytes come out than
    the descriptor says, or than the part has.
    """

    def __init__(
        self,
        descriptor: Descriptor,
        places: Sequence[Opener],
        exchange: Exchange,
        *,
        name: str,
        offset: int = 0,
        stop: int | None = None,
    ) -> None:
        self._descriptor = descriptor
        self._places = list(places)
        self._exchange = exchange
        self._name = name
        self._offset = offset
        self._stop = stop
        self._end = descriptor.size if stop is None else stop
        self._response: Response | None = None
        self._aborted = False

    @property
    def offset(self) -> int:
        """Of the first byte that has not come yet."""
        return self._offset

    @property
    def places(self) -> Sequence[Opener]:
        """Those that are left, first the one that is asked."""
        return self._places

    @property
    def ranges(self) -> bool:
        """Whether the answer that is being read says that its server knows ranges."""
        if self._response is None:
            return False
        told = self._response.headers.get("accept-ranges", "")
        return self._response.status == 206 or "bytes" in told.lower()

    def start(self) -> None:
        """Open the first place that has the blob.  Raises what the last one raises."""
        if self._offset < self._end:
            self._response = self._open()

    def close(self) -> None:
        """Give the connection back."""
        if self._response is not None:
            self._response.close()
            self._response = None

    def abort(self) -> None:
        """Let `pieces`, in whatever thread it runs, raise Interrupted soon: what it waits for
        from an answer comes no more.  An answer that has not begun is still waited for."""
        self._aborted = True
        response = self._response
        if response is not None:
            response.abort()

    def pieces(self) -> Iterator[bytes]:
        """The bytes.  Raises WrongBytes, and RegistryError when no place gives the rest."""
        pauses = self._exchange.pauses()
        while self._offset < self._end:
            before = self._offset
            try:
                if self._response is None and not self._aborted:
                    self._response = self._open()
                # Asked only now: `abort` has seen the answer, or is seen here.
                if self._response is None or self._aborted:
                    raise Interrupted(f"{self._what} is no longer wanted")
                yield from self._read(self._response)
            except (Interrupted, TimedOut, Unreachable) as error:
                self.close()
                if self._aborted:
                    raise
                if self._offset > before:
                    pauses = self._exchange.pauses()
                pause = next(pauses, None)
                if isinstance(error, TimedOut) or pause is None:
                    self.leave_place(error)
                    pauses, pause = self._exchange.pauses(), 0.0
                self._exchange.sleep(pause)
        self.close()

    def leave_place(self, error: RegistryError) -> None:
        """Ask the first place no more, for `error`, which is raised when no other is left."""
        if len(self._places) == 1:
            raise error
        del self._places[0]

    def _open(self) -> Response:
        while True:
            try:
                response = self._places[0](self._offset, self._stop)
            except RegistryError as error:
                self.leave_place(error)
                continue
            try:
                self._check(response)
            except RegistryError as error:
                response.close()
                self.leave_place(error)
                continue
            return response

    def _check(self, response: Response) -> None:
        """Refuse an answer that promises other bytes than the descriptor, before reading it."""
        start = 0
        if response.status == 206:
            start = self._check_range(response.headers.get("content-range", ""))
        elif self._stop is not None:
            raise NoRanges(f"{self._what} comes only as a whole")
        length = response.headers.get("content-length", "")
        due = self._end - start
        if length.isdigit() and int(length) != due:
            raise WrongBytes(
                f"{self._what} has {due} bytes {self._by(start)}, and the registry sends {length}",
                hint="the registry, or a proxy before it, is damaged",
            )

    def _check_range(self, header: str) -> int:
        """The offset that a Content-Range tells.  Raises WrongBytes when it is not as asked."""
        told = _RANGE.fullmatch(header.strip())
        if told is None or int(told[1]) != self._offset:
            raise WrongBytes(f"{self._what} came from another offset than {self._offset}")
        if int(told[2]) != self._end - 1 or told[3] not in ("*", str(self._descriptor.size)):
            raise WrongBytes(
                f"{self._what} came as another range than {self._offset}-{self._end - 1} of"
                f" {self._descriptor.size} bytes: {told[0]}"
            )
        return self._offset

    def _read(self, response: Response) -> Iterator[bytes]:
        skip = self._offset if response.status == 200 else 0
        for piece in response.pieces():
            if skip >= len(piece):
                skip -= len(piece)
                continue
            fresh = piece[skip:] if skip else piece
            skip = 0
            if self._offset + len(fresh) > self._end:
                raise WrongBytes(f"{self._what} is longer than the {self._due}")
            self._offset += len(fresh)
            yield fresh
        if self._offset < self._end:
            raise WrongBytes(f"{self._what} ended after {self._offset} of the {self._due}")

    def _by(self, start: int) -> str:
        if self._stop is not None:
            return f"from {start} to the end of a range"
        return "left by its descriptor" if start else "by its descriptor"

    @property
    def _due(self) -> str:
        if self._stop is None:
            return f"{self._end} bytes of its descriptor"
        return f"{self._end} bytes to the end of a range"

    @property
    def _what(self) -> str:
        return f"blob {self._descriptor.digest} of {self._name}"
