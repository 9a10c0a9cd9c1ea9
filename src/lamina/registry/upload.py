"""Sending a blob (distribution-spec 1.1, "Pushing blobs").

A blob whose digest is known goes in one PUT and starts afresh when the
connection breaks.  One whose digest is known only at its end goes in
segments, each a PATCH that streams while it is made.  What was sent last is
kept in memory, so that a broken segment goes on from where the registry says
that it stands; one that has lost more is given up.
"""

from __future__ import annotations

import hashlib
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from urllib.parse import urlencode

import msgspec

from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.registry.errors import (
    Interrupted,
    RegistryError,
    ServerFailed,
    Subject,
    TimedOut,
    TooManyRequests,
    WrongBytes,
)
from lamina.registry.exchange import joined
from lamina.registry.session import Session
from lamina.registry.transport import Body, Response

SEGMENT = 80 << 20
"""Bytes of an unnamed blob in one PATCH.  A registry syncs its disk after each; proxies that
limit requests begin to at 100 MB."""
KEPT = 16 << 20
"""Bytes of it that stay in memory: more than the buffers on the way to a registry hold."""
_PASSING = (Interrupted, ServerFailed, TooManyRequests)
_RANGE = re.compile(r"(?:bytes=)?0-(\d+)")


class Uploader(msgspec.Struct, frozen=True):
    """Sends blobs to one repository."""

    session: Session
    path: str
    """The repository's path in the API: `/v2/<repository>`."""
    scopes: frozenset[str]
    subject: Subject
    segment: int = SEGMENT
    kept: int = KEPT

    def mount(self, digest: Digest, origin: str) -> str | None:
        """Take a blob over from the repository `origin`.

        None when the registry did it; else the place of the upload that it
        opened instead.
        """
        query = urlencode({"mount": str(digest), "from": origin})
        scopes = self.scopes | {f"repository:{origin}:pull"}
        response = self._ask("POST", f"{self.path}/blobs/uploads/?{query}", (201, 202), scopes)
        return None if response.status == 201 else self._location(response)

    def begin(self) -> str:
        """Open an upload; returns its place."""
        return self._location(self._ask("POST", f"{self.path}/blobs/uploads/", (202,)))

    def cancel(self, place: str) -> None:
        """Give an upload up; a registry that cannot is left to its own clean-up."""
        try:
            self._ask("DELETE", place, (202, 204), repeat=False)
        except RegistryError:
            pass

    def whole(
        self, descriptor: Descriptor, open_chunks: Callable[[], Iterable[bytes]], place: str = ""
    ) -> None:
        """Send a blob in one PUT, to the upload at `place` if one is open.

        Raises WrongBytes when the chunks are not those of the descriptor.
        """
        for pause in (*self.session.exchange.pauses(), None):
            place = place or self.begin()
            body = Body(lambda: _exact(open_chunks(), descriptor), descriptor.size)
            try:
                response = self._ask("PUT", _finish(place, descriptor.digest), (201,), body=body)
                self._check_stored(response, descriptor.digest)
                return
            except _PASSING:
                self.cancel(place)
                if pause is None:
                    raise
                place = ""
                self.session.exchange.sleep(pause)
            except BaseException as error:
                self._give_up(place, error)
                raise

    def unnamed(self, media_type: str, chunks: Iterable[bytes]) -> Descriptor:
        """Send a blob that is still being made; returns its descriptor.

        Raises Interrupted, or what else broke the connection, when the registry
        has lost more of it than is kept in memory.
        """
        place = self.begin()
        tally = _Tally(iter(chunks))
        try:
            while True:
                segment = _Segment(tally, self.segment, self.kept)
                place = self._patch(place, segment)
                if segment.ended:
                    break
            digest = Digest.from_raw(tally.hash.digest())
            response = self._ask("PUT", _finish(place, digest), (201,), repeat=True)
            self._check_stored(response, digest)
        except BaseException as error:
            self._give_up(place, error)
            raise
        return Descriptor(media_type, digest, tally.size)

    def _give_up(self, place: str, error: BaseException) -> None:
        """`cancel`, unless the registry does not answer or the user does not want to wait."""
        if not isinstance(error, (TimedOut, KeyboardInterrupt)):
            self.cancel(place)

    def document(self, descriptor: Descriptor, raw: bytes, tag: str) -> bool:
        """Store a manifest under its digest, and under `tag` if given.

        Returns whether the registry lists it by its subject (`OCI-Subject`).
        """
        response = self.session.request(
            "PUT",
            f"{self.path}/manifests/{tag or descriptor.digest}",
            subject=self.subject,
            ok=(201,),
            scopes=self.scopes,
            headers={"Content-Type": descriptor.media_type},
            body=Body.of(raw),
        )
        response.close()
        self._check_stored(response, descriptor.digest)
        return "oci-subject" in response.headers

    def _patch(self, place: str, segment: _Segment) -> str:
        """Send one segment; returns the place for the next."""
        if segment.empty():
            return place
        skip = 0
        for pause in (*self.session.exchange.pauses(), None):
            body = Body(lambda: segment.pieces(skip), segment.length(skip))  # noqa: B023
            try:
                response = self._ask("PATCH", place, (202, 204), body=body)
                return self._location(response)
            except _PASSING:
                if pause is None:
                    raise
                self.session.exchange.sleep(pause)
                place, stands = self._standing(place)
                skip = stands - segment.start
                if not segment.dropped <= skip <= segment.known:
                    raise
                if segment.ended and skip == segment.known:
                    return place
        raise AssertionError("unreachable")

    def _standing(self, place: str) -> tuple[str, int]:
        """How many bytes of an upload the registry has."""
        response = self._ask("GET", place, (204,))
        told = _RANGE.fullmatch(response.headers.get("range", "").strip())
        # Registries answer 0-0 for nothing as for one byte; a segment's first byte alone is
        # never what a broken connection leaves.
        stands = int(told[1]) + 1 if told and told[1] != "0" else 0
        return self._location(response, place), stands

    def _ask(
        self,
        method: str,
        path: str,
        ok: tuple[int, ...],
        scopes: frozenset[str] | None = None,
        body: Body | None = None,
        repeat: bool | None = None,
    ) -> Response:
        response = self.session.request(
            method,
            path,
            subject=self.subject,
            ok=ok,
            scopes=self.scopes if scopes is None else scopes,
            headers=None if body is None else _OCTETS,
            body=body,
            repeat=body is None if repeat is None else repeat,
        )
        response.close()
        return response

    def _location(self, response: Response, default: str = "") -> str:
        location = response.headers.get("location", "")
        if not location and not default:
            raise WrongBytes(f"{self.subject.host} opens an upload but does not say where")
        return joined(response.url, location) if location else default

    def _check_stored(self, response: Response, digest: Digest) -> None:
        told = response.headers.get("docker-content-digest")
        if told and told != str(digest):
            raise WrongBytes(f"{self.subject.name} stored {digest} as {told[:100]}")


_OCTETS: Mapping[str, str] = {"Content-Type": "application/octet-stream"}


def _finish(place: str, digest: Digest) -> str:
    return place + ("&" if "?" in place else "?") + urlencode({"digest": str(digest)})


def _exact(chunks: Iterable[bytes], descriptor: Descriptor) -> Iterator[bytes]:
    """The chunks, held to the descriptor's size: a wrong one would hang the registry or us."""
    left = descriptor.size
    for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            break
        yield chunk
    if left:
        raise WrongBytes(
            f"blob {descriptor.digest} has {'more' if left < 0 else 'fewer'} bytes here than"
            f" the {descriptor.size} of its descriptor"
        )


class _Tally:
    """Counts and hashes what is taken from an iterator, a segment at a time."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self.chunks = chunks
        self.hash = hashlib.sha256()
        self.size = 0

    def take(self) -> bytes | None:
        """The next chunk; None at the end."""
        chunk = next(self.chunks, None)
        if chunk is not None:
            self.hash.update(chunk)
            self.size += len(chunk)
        return chunk


class _Segment:
    """A part of a blob that is taken from its source once; its end can be sent again.

    It has at least `size` bytes unless the source ends before.
    """

    def __init__(self, tally: _Tally, size: int, keep: int) -> None:
        self._tally = tally
        self._size = size
        self._keep = keep
        self._pieces: deque[bytes] = deque()
        """The last ones, at least `keep` bytes of them; `_first` of them are gone."""
        self._first = 0
        self.start = tally.size
        self.known = 0
        """Bytes taken from the source so far."""
        self.dropped = 0
        """Bytes that cannot be sent again."""
        self.ended = False
        """Whether the source has no more after this segment."""

    def empty(self) -> bool:
        """Whether there is nothing to send; takes the first chunk to know."""
        return not self._grow() and not self.known

    def length(self, skip: int) -> int | None:
        """Bytes from `skip` on; None while the segment still grows."""
        return self.known - skip if self._full() else None

    def pieces(self, skip: int) -> Iterator[bytes]:
        """The bytes from `skip` on, which is not before `dropped`: those kept, then new ones."""
        number, place = self._first, self.dropped
        while number < self._first + len(self._pieces) or self._grow():
            piece = self._pieces[number - self._first]
            number += 1
            place += len(piece)
            if place > skip:
                yield piece[skip - place :] if place - len(piece) < skip else piece

    def _full(self) -> bool:
        return self.ended or self.known >= self._size

    def _grow(self) -> bool:
        """Take one more chunk; False when the segment is complete."""
        while not self._full():
            chunk = self._tally.take()
            if chunk is None:
                self.ended = True
            elif chunk:
                self._pieces.append(chunk)
                self.known += len(chunk)
                while self.known - self.dropped - len(self._pieces[0]) >= self._keep:
                    self.dropped += len(self._pieces.popleft())
                    self._first += 1
                return True
        return False
