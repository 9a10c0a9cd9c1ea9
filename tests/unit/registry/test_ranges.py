"""A blob over several connections at once: in order, within bounds, and never worse than one.

The clock stands still and patience is nothing, so that every stream counts as slow; the one
stream waits after its first piece until the first range has come, or has failed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from msgspec.structs import replace

from lamina.errors import Corrupt, NotFound
from lamina.registry import errors
from lamina.registry.client import Repository, _opener
from lamina.registry.download import Opener
from lamina.registry.ranges import Blob, Spread, _Meter
from lamina.registry.transport import PIECE, Response
from tests.contract.source_sink import describe, material, read
from tests.fakes import registry as fake
from tests.fakes.registry import FakeRegistry
from tests.unit.registry.conftest import Client, Naps

BLOB = material(6_000_000)
DESCRIPTOR = describe(BLOB)
SPREAD = Spread(connections=4, part=500_000, patience=0.0, clock=lambda: 0.0)
FIRST = PIECE + SPREAD.part
"""Where the first part begins: the stream is judged after its first piece."""


@dataclass
class Paced:
    """Places that give the first range sooner than more of their one stream; they keep count."""

    came: threading.Event = field(default_factory=threading.Event)
    asked: list[tuple[int, int | None]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    opened: int = 0

    def place(self, open_: Opener) -> Opener:
        def paced(start: int, stop: int | None) -> Response:
            with self.lock:
                self.asked.append((start, stop))
            first = stop is not None and start == self.asked[0][0] + PIECE + stop - start
            try:
                response = open_(start, stop)
            except errors.RegistryError:
                if first:
                    self.came.set()
                raise
            with self.lock:
                self.opened += 1
            return PacedResponse(response, self, stream=stop is None, first=first)

        return paced

    @property
    def ranges(self) -> list[tuple[int, int]]:
        return [(start, stop) for start, stop in self.asked if stop is not None]


class PacedResponse:
    def __init__(self, inner: Response, paced: Paced, *, stream: bool, first: bool) -> None:
        self._inner = inner
        self._paced = paced
        self._stream = stream
        self._first = first
        self.status: int = inner.status
        self.url: str = inner.url
        self.headers: Mapping[str, str] = inner.headers

    def pieces(self, size: int = PIECE) -> Iterator[bytes]:
        for piece in self._inner.pieces(size):
            yield piece
            # A generator goes on when the piece before has been taken, or put by.
            if self._first:
                self._paced.came.set()
            if self._stream:
                assert self._paced.came.wait(20)

    def read(self, limit: int) -> bytes:
        return self._inner.read(limit)

    def close(self) -> None:
        with self._paced.lock:
            self._paced.opened -= 1
        if self._first:
            self._paced.came.set()
        self._inner.close()

    def abort(self) -> None:
        self._inner.abort()


@contextmanager
def several(
    repository: Repository, paced: Paced, *, spread: Spread = SPREAD, offset: int = 0
) -> Iterator[Iterator[bytes]]:
    """As `Repository.blob`, with paced places; leaves no thread and no answer open."""
    places = [
        paced.place(_opener(place, DESCRIPTOR))
        for place in (*repository.mirrors, repository.origin)
    ]
    blob = Blob(DESCRIPTOR, places, repository.exchange, spread, name="app", offset=offset)
    try:
        blob.start()
        yield blob.pieces()
    finally:
        blob.close()
        assert [each.name for each in threading.enumerate() if each.name == "range"] == []
        assert paced.opened == 0


@pytest.fixture(autouse=True)
def image(registry: FakeRegistry) -> None:
    registry.add_blob("team/app", BLOB)


@pytest.fixture
def paced() -> Paced:
    return Paced()


def spoilt(
    client: Client, registry: FakeRegistry, paced: Paced, change: fake.Fault, times: int = 1
) -> bytes:
    """The blob, where the first ranges asked for are answered otherwise."""
    with several(client(), paced) as body:
        first = next(body)
        registry.fault("GET", "/blobs/", change, times=times)
        return first + b"".join(body)


# --- what comes out -------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [0, 1, 2_345_678])
def test_the_ranges_come_out_in_order(client: Client, paced: Paced, offset: int) -> None:
    with several(client(), paced, offset=offset) as body:
        assert b"".join(body) == BLOB[offset:]
    assert paced.asked[0] == (offset, None)
    first = offset + FIRST
    expected = [
        (start, min(start + SPREAD.part, len(BLOB)))
        for start in range(first, len(BLOB), SPREAD.part)
    ]
    assert sorted(paced.ranges) == expected
    assert len(paced.asked) == 1 + len(expected)


def test_several_ranges_are_in_flight_at_once(
    client: Client, registry: FakeRegistry, paced: Paced
) -> None:
    assert spoilt(client, registry, paced, fake.together(3), times=3) == BLOB
    assert len(paced.ranges) > 3


@pytest.mark.parametrize("connections", [2, 3, 6])
def test_no_more_than_the_window_is_asked_for(
    client: Client, paced: Paced, connections: int
) -> None:
    spread = replace(SPREAD, connections=connections)
    window = connections * spread.part
    taken = 0
    with several(client(), paced, spread=spread) as body:
        for piece in body:
            taken += len(piece)
            with paced.lock:
                reached = max((stop for _, stop in paced.ranges), default=0)
            # The stream is judged when its first piece is taken, and may be a piece ahead.
            assert reached <= max(taken, PIECE) + window
    assert taken == len(BLOB)


def test_a_part_that_breaks_is_taken_up_where_it_broke(
    client: Client, registry: FakeRegistry, paced: Paced, naps: Naps
) -> None:
    spread = replace(SPREAD, connections=2, part=2_000_000)
    with several(client(), paced, spread=spread) as body:
        first = next(body)
        registry.fault("GET", "/blobs/", fake.break_after(1_500_000))
        assert first + b"".join(body) == BLOB
    start = PIECE + spread.part
    again = [each for each in paced.ranges if each[1] == start + spread.part]
    assert again == [(start, start + spread.part), (again[1][0], start + spread.part)]
    assert start < again[1][0] <= start + 1_500_000
    assert len(naps.seconds) == 1


# --- a registry that will not ---------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda answer: fake.Answer(200, {"Content-Length": str(len(BLOB))}, BLOB),
        fake.error(416, "RANGE_INVALID"),
        fake.error(403, "DENIED"),
        fake.with_headers(Content_Range=f"bytes 0-499999/{len(BLOB)}"),
        fake.with_headers(Content_Range=f"bytes {FIRST}-{FIRST + 1}/{len(BLOB)}"),
        fake.with_headers(Content_Range=f"bytes {FIRST}-{FIRST + 499_999}/77"),
        fake.with_headers(Content_Length="499999"),
        fake.with_headers(Content_Length="500001"),
    ],
    ids=["200", "416", "403", "offset", "end", "total", "short", "long"],
)
def test_ranges_that_are_refused_or_wrong_leave_the_one_stream(
    client: Client, registry: FakeRegistry, paced: Paced, change: fake.Fault
) -> None:
    assert spoilt(client, registry, paced, change, times=99) == BLOB
    assert [each for each in paced.asked if each[1] is None] == [(0, None)]
    assert len(paced.ranges) <= SPREAD.connections - 1


def test_a_registry_that_does_not_offer_ranges_is_not_asked_for_any(
    client: Client, registry: FakeRegistry, paced: Paced
) -> None:
    registry.ranges = False
    paced.came.set()
    with several(client(), paced) as body:
        assert b"".join(body) == BLOB
    assert paced.asked == [(0, None)]


def test_ranges_that_end_in_the_middle_leave_the_rest_to_one_stream(
    client: Client, registry: FakeRegistry, paced: Paced
) -> None:
    with several(client(), paced) as body:
        taken = b""
        for piece in body:
            taken += piece
            if len(taken) == FIRST + 4 * SPREAD.part:
                registry.fault("GET", "/blobs/", fake.error(403, "DENIED", "too many"), times=1)
    assert taken == BLOB
    [start] = [start for start, stop in paced.asked[1:] if stop is None]
    assert start >= FIRST + 4 * SPREAD.part


def test_ranges_that_never_come_do_not_hold_up_the_one_stream(
    client: Client, registry: FakeRegistry, paced: Paced
) -> None:
    paced.came.set()
    spread = replace(SPREAD, part=PIECE)
    with several(client(idle_timeout=600.0), paced, spread=spread) as body:
        taken = next(body)
        registry.fault("GET", "/blobs/", fake.hang(1000), times=99)
        taken += b"".join(body)
    assert taken == BLOB
    assert [each for each in paced.asked if each[1] is None] == [(0, None)]


# --- errors ---------------------------------------------------------------------------------


def fail_late(
    client: Client, registry: FakeRegistry, paced: Paced, change: fake.Fault, times: int
) -> bytes:
    """The blob, where ranges after the first ones are answered otherwise."""
    taken = b""
    with several(client(), paced) as body:
        for piece in body:
            taken += piece
            if len(taken) == FIRST + 2 * SPREAD.part:
                registry.fault("GET", "/blobs/", change, times=times)
    return taken


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (fake.with_headers(Content_Range=f"bytes 0-9/{len(BLOB)}"), "another offset"),
        (fake.with_headers(Content_Length="1234567"), "sends 1234567"),
        (fake.unframed(BLOB), "is longer than the"),
        (fake.unframed(b"short"), "ended after"),
    ],
    ids=["offset", "length", "long", "short"],
)
def test_wrong_bytes_in_a_later_range_are_raised(
    client: Client, registry: FakeRegistry, paced: Paced, change: fake.Fault, words: str
) -> None:
    with pytest.raises(Corrupt, match=words):
        fail_late(client, registry, paced, change, times=1)


def test_a_range_that_always_breaks_is_given_up(
    client: Client, registry: FakeRegistry, paced: Paced
) -> None:
    with pytest.raises(errors.Interrupted, match="the connection broke"):
        fail_late(client, registry, paced, fake.break_after(0), times=999)


def test_a_blob_that_vanishes_is_not_found(
    client: Client, registry: FakeRegistry, paced: Paced
) -> None:
    with pytest.raises(NotFound):
        fail_late(client, registry, paced, fake.error(404, "BLOB_UNKNOWN"), times=99)


def test_a_mirror_that_fails_in_the_middle_is_left(
    client: Client, registry: FakeRegistry, paced: Paced
) -> None:
    with FakeRegistry() as mirror:
        mirror.add_blob("team/app", BLOB)
        repository = client(mirrors={registry.host: (mirror.host,)})
        taken = b""
        with several(repository, paced) as body:
            for piece in body:
                taken += piece
                if len(taken) == FIRST + 2 * SPREAD.part:
                    mirror.fault("GET", "/blobs/", fake.break_after(0), times=999)
    assert taken == BLOB
    [asked] = registry.asked("GET", "/blobs/")
    assert int(asked.headers["range"].strip("bytes=-")) >= FIRST + 2 * SPREAD.part


def test_a_mirror_that_the_stream_leaves_gives_no_ranges_either(
    client: Client, registry: FakeRegistry, paced: Paced
) -> None:
    with FakeRegistry() as mirror:
        mirror.add_blob("team/app", BLOB)
        mirror.fault("GET", "/blobs/", fake.break_after(1_200_000))
        repository = client(mirrors={registry.host: (mirror.host,)})
        with several(repository, paced) as body:
            first = next(body)
            mirror.fault("GET", "/blobs/", fake.together(3), times=3)
            mirror.fault("GET", "/blobs/", fake.error(404, "BLOB_UNKNOWN"), times=999)
            assert first + b"".join(body) == BLOB
    assert len(paced.ranges) == 3
    assert len(registry.asked("GET", "/blobs/")) == 1


def test_each_range_follows_its_redirect(
    client: Client, registry: FakeRegistry, paced: Paced
) -> None:
    with FakeRegistry() as other:
        other.add_blob("any", BLOB)
        target = f"{other.url}/elsewhere/{DESCRIPTOR.digest}?signature=x"
        registry.fault("GET", "/blobs/", fake.say(307, Location=target), times=99)
        with several(client(), paced) as body:
            assert b"".join(body) == BLOB
        asked = [seen.headers.get("range") for seen in other.requests]
        assert asked[0] is None
        assert sorted(asked[1:], key=str) == sorted(
            (f"bytes={start}-{stop - 1}" for start, stop in paced.ranges), key=str
        )


# --- the reader goes away -------------------------------------------------------------------


def test_a_reader_that_stops_ends_every_thread_and_connection(
    client: Client, registry: FakeRegistry, paced: Paced
) -> None:
    spread = replace(SPREAD, part=1_500_000)
    with several(client(idle_timeout=600.0), paced, spread=spread) as body:
        taken = len(next(body))
        registry.fault("GET", "/blobs/", fake.hang(1_200_000), times=99)
        while taken <= PIECE + spread.part:
            taken += len(next(body))
        taken += len(next(body))
        assert taken == PIECE + spread.part + PIECE
        assert paced.opened >= 1
    # `several` has seen that nothing is left, long before the registry's silence counts.


def test_a_generator_that_is_closed_ends_every_thread(client: Client, paced: Paced) -> None:
    with several(client(), paced) as body:
        next(body)
        next(body)
        body.close()  # type: ignore[attr-defined]
        assert not [each for each in threading.enumerate() if each.name == "range"]
        assert paced.opened == 0


# --- when -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 300_000])
def test_a_small_blob_is_one_request(client: Client, registry: FakeRegistry, size: int) -> None:
    data = BLOB[:size]
    registry.add_blob("team/app", data)
    assert read(replace(client(), spread=SPREAD), describe(data)) == data
    assert len(registry.asked("GET", "/blobs/")) == (1 if size else 0)


def test_what_is_left_must_be_worth_two_ranges(client: Client, paced: Paced) -> None:
    spread = replace(SPREAD, part=(len(BLOB) - PIECE) // 2 + 1)
    paced.came.set()
    with several(client(), paced, spread=spread) as body:
        assert b"".join(body) == BLOB
    assert paced.ranges == []


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def judged(arriving: float, reading: float, *, pieces: int = 40) -> list[int]:
    """After which pieces of 1 MiB a stream is found slow: seconds to come, and to be read."""
    clock = Clock()
    meter = _Meter(Spread(clock=clock))

    def stream() -> Iterator[bytes]:
        for _ in range(pieces):
            clock.now += arriving
            yield bytes(PIECE)

    found = []
    for place, _ in enumerate(meter.reading(stream()), 1):
        clock.now += reading
        if meter.slow():
            found.append(place)
    return found


def test_a_slow_network_is_seen_soon() -> None:
    assert judged(0.2, 0.0)[0] == 1
    assert judged(0.05, 0.001)[0] in (2, 3)
    assert judged(0.015, 0.001)[0] == 7


@pytest.mark.parametrize(
    ("arriving", "reading"), [(0.001, 0.0), (0.012, 0.001), (0.2, 0.3), (0.05, 0.06)]
)
def test_a_fast_network_and_a_slow_reader_keep_to_one_stream(
    arriving: float, reading: float
) -> None:
    assert judged(arriving, reading) == []


def test_a_network_that_becomes_slow_is_seen() -> None:
    clock = Clock()
    meter = _Meter(Spread(clock=clock))

    def stream() -> Iterator[bytes]:
        for place in range(100):
            clock.now += 0.001 if place < 80 else 0.1
            yield bytes(PIECE)

    found = [place for place, _ in enumerate(meter.reading(stream())) if meter.slow()]
    assert found[0] in (80, 81)


def test_a_repository_gives_its_blobs_so(client: Client) -> None:
    """At whatever pace the loopback has: with ranges, or too fast for them."""
    assert read(replace(client(), spread=SPREAD), DESCRIPTOR) == BLOB
