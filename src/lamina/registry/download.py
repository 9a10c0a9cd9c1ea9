"""Reading a blob to its end, over as many connections as that takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from lamina.oci.descriptor import Descriptor
from lamina.registry.errors import Interrupted, RegistryError, TimedOut, Unreachable, WrongBytes
from lamina.registry.exchange import Exchange
from lamina.registry.transport import Response

Opener = Callable[[int], Response]
"""Asks one place for the blob from an offset on: an answer with status 200 or 206."""
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


def range_headers(offset: int) -> dict[str, str]:
    """The headers that ask for the bytes from `offset` on (RFC 9110, 14.2)."""
    return {"Range": f"bytes={offset}-"} if offset else {}


class Download:
    """The bytes of one blob from an offset on.

    A broken connection is taken up again where it broke, at the same place
    first, at the next one when that no longer helps.  A server that does not
    know ranges sends the blob from its start, and what is known is skipped.
    Neither more nor fewer bytes come out than the descriptor says.
    """

    def __init__(
        self,
        descriptor: Descriptor,
        places: Sequence[Opener],
        exchange: Exchange,
        *,
        name: str,
        offset: int = 0,
    ) -> None:
        self._descriptor = descriptor
        self._places = list(places)
        self._exchange = exchange
        self._name = name
        self._offset = offset
        self._response: Response | None = None

    def start(self) -> None:
        """Open the first place that has the blob.  Raises what the last one raises."""
        if self._offset < self._descriptor.size:
            self._response = self._open()

    def close(self) -> None:
        """Give the connection back."""
        if self._response is not None:
            self._response.close()
            self._response = None

    def pieces(self) -> Iterator[bytes]:
        """The bytes.  Raises WrongBytes, and RegistryError when no place gives the rest."""
        pauses = self._exchange.pauses()
        while self._offset < self._descriptor.size:
            before = self._offset
            if self._response is None:
                self._response = self._open()
            try:
                yield from self._read(self._response)
            except (Interrupted, TimedOut, Unreachable) as error:
                self.close()
                if self._offset > before:
                    pauses = self._exchange.pauses()
                pause = next(pauses, None)
                if isinstance(error, TimedOut) or pause is None:
                    self._next_place(error)
                    pauses, pause = self._exchange.pauses(), 0.0
                self._exchange.sleep(pause)
        self.close()

    def _next_place(self, error: RegistryError) -> None:
        if len(self._places) == 1:
            raise error
        del self._places[0]

    def _open(self) -> Response:
        while True:
            try:
                response = self._places[0](self._offset)
            except RegistryError as error:
                self._next_place(error)
                continue
            try:
                self._check(response)
            except RegistryError as error:
                response.close()
                self._next_place(error)
                continue
            return response

    def _check(self, response: Response) -> None:
        """Refuse an answer that promises other bytes than the descriptor, before reading it."""
        start = 0
        if response.status == 206:
            told = _RANGE.fullmatch(response.headers.get("content-range", "").strip())
            start = int(told[1]) if told else -1
            if start != self._offset:
                raise WrongBytes(f"{self._what} came from another offset than {self._offset}")
        length = response.headers.get("content-length", "")
        due = self._descriptor.size - start
        if length.isdigit() and int(length) != due:
            raise WrongBytes(
                f"{self._what} has {due} bytes left by its descriptor,"
                f" and the registry sends {length}"
                if start
                else f"{self._what} has {due} bytes by its descriptor,"
                f" and the registry sends {length}",
                hint="the registry, or a proxy before it, is damaged",
            )

    def _read(self, response: Response) -> Iterator[bytes]:
        skip = self._offset if response.status == 200 else 0
        for piece in response.pieces():
            if skip >= len(piece):
                skip -= len(piece)
                continue
            fresh = piece[skip:] if skip else piece
            skip = 0
            if self._offset + len(fresh) > self._descriptor.size:
                raise WrongBytes(
                    f"{self._what} is longer than the {self._descriptor.size} bytes"
                    " of its descriptor"
                )
            self._offset += len(fresh)
            yield fresh
        if self._offset < self._descriptor.size:
            raise WrongBytes(
                f"{self._what} ended after {self._offset} of the {self._descriptor.size} bytes"
                " of its descriptor"
            )

    @property
    def _what(self) -> str:
        return f"blob {self._descriptor.digest} of {self._name}"
