"""Secrets in images: in which layer, which state, and each of them once."""

from __future__ import annotations

import io
from typing import BinaryIO

import pytest

from lamina.explain.stack import Stack
from lamina.layer.contract import Listing
from lamina.layer.entry import Entry, Kind
from lamina.layer.union import Cause
from lamina.leaks import leaks as subject
from lamina.leaks.leaks import Leak, Place, Source, State, leaks
from lamina.leaks.named_secrets import KIND
from lamina.oci.config import Execution, Healthcheck, History, ImageConfig
from lamina.oci.digest import Digest
from lamina.oci.platform import Platform
from tests.fakes import secrets
from tests.fakes.stacks import FakeContents, stack_of, stack_of_files

TOKEN = secrets.github_token()
TEXT = f"token {TOKEN}\n".encode()
VALUE = "q9W!ee77x"


def places(stack: Stack) -> list[tuple[str, State, int | None, int | None, Cause | None]]:
    """Name, state, layer, hidden by, cause: of every place of the only secret."""
    (leak,) = leaks(stack).found
    return [(p.name, p.state, p.layer, p.hidden_by, p.cause) for p in leak.places]


def config(execution: Execution, *history: History) -> ImageConfig:
    scratch = ImageConfig.scratch(Platform("amd64"))
    return scratch.amend(execution=execution, history=history)


@pytest.mark.parametrize(
    ("layers", "hidden_by", "cause"),
    [
        ([{"a/f": TEXT}, {"a/.wh.f": b""}], 1, Cause.DELETED),
        ([{"a/f": TEXT}, {"b": b""}, {".wh.a": b""}], 2, Cause.DELETED),
        ([{"a/f": TEXT}, {"a/.wh..wh..opq": b""}], 1, Cause.OPAQUE),
        ([{"a/f": TEXT}, {"a/f": b"other"}], 1, Cause.OVERWRITTEN),
        ([{"a/f": TEXT}, {"a": b"file"}], 1, Cause.REPLACED),
    ],
)
def test_a_hidden_file_is_found_with_what_hides_it(
    layers: list[dict[str, bytes | None]], hidden_by: int, cause: Cause
) -> None:
    assert places(stack_of_files(layers)) == [("a/f", State.HIDDEN, 0, hidden_by, cause)]


def test_a_secret_on_a_whiteout_marker_is_found() -> None:
    stack = stack_of_files([{"a/.wh.f": TEXT}])
    assert places(stack) == [("a/.wh.f", State.HIDDEN, 0, 0, Cause.SUPERSEDED)]


def test_one_secret_in_many_places_is_one_find_the_easiest_to_read_first() -> None:
    stack = stack_of_files([{"a": TEXT, "c": b"x " + TEXT}, {".wh.a": b"", "d": TEXT}])
    assert places(stack) == [
        ("c", State.VISIBLE, 0, None, None),
        ("d", State.VISIBLE, 1, None, None),
        ("a", State.HIDDEN, 0, 1, Cause.DELETED),
    ]


def owned(path: str, mode: int, uid: int = 0, *, kind: Kind = Kind.FILE, link: str = "") -> Entry:
    size = len(TEXT) if kind is Kind.FILE else 0
    return Entry(path, kind, mode, uid, uid, size, 0, link)


def of_entries(*layers: list[Entry], text: bytes = TEXT) -> Stack:
    contents = {id(entry): text for layer in layers for entry in layer}
    listings = [Listing(Digest.of(bytes([at])), tuple(es), 0) for at, es in enumerate(layers)]
    return stack_of(listings, contents=contents)


@pytest.mark.parametrize(
    ("entries", "state"),
    [
        ([owned("f", 0o600)], State.ROOT_ONLY),
        ([owned("f", 0o600, 1000)], State.VISIBLE),
        ([owned("root", 0o700, kind=Kind.DIRECTORY), owned("root/f", 0o644)], State.ROOT_ONLY),
    ],
)
def test_what_root_alone_can_read(entries: list[Entry], state: State) -> None:
    (leak,) = leaks(of_entries(entries)).found
    assert leak.state is state


def test_a_content_that_a_hard_link_keeps_visible_is_told_by_the_links_path() -> None:
    first = [owned("f", 0o644), owned("g", 0o644, kind=Kind.HARDLINK, link="f")]
    gone = Entry(".wh.f", Kind.FILE, 0o644, 0, 0, 0, 0)
    assert places(of_entries(first, [gone])) == [("g", State.VISIBLE, 0, None, None)]


class Counting(FakeContents):
    """Knows how often a content was opened."""

    opened = 0

    def open(self, layer: int, entry: Entry) -> BinaryIO:
        self.opened += 1
        return super().open(layer, entry)


def test_every_content_is_read_once() -> None:
    stack = stack_of_files([{"a": TEXT, "b": TEXT}, {"a": TEXT}, {"c": b"other", "d": b""}])
    counting = Counting(stack.listings, stack._contents._contents)  # type: ignore[attr-defined]
    found = leaks(Stack(stack.name, stack.identity, stack.origins, counting))
    assert (counting.opened, found.texts, len(found.found)) == (2, 2, 1)


def test_binaries_are_not_read_and_of_long_texts_the_first_part() -> None:
    class Endless(FakeContents):
        read = 0

        def open(self, layer: int, entry: Entry) -> BinaryIO:
            content = (b"y" * subject.MOST_BYTES + TEXT) if entry.path == "long" else bytes(9000)
            return io.BytesIO(content)

    entries = [
        Entry("long", Kind.FILE, 0o644, 0, 0, subject.MOST_BYTES + 50, 0),
        Entry("binary", Kind.FILE, 0o644, 0, 0, 9000, 0),
    ]
    listings = [Listing(Digest.of(b""), entries, 0)]
    stack = Stack("x", "", stack_of(listings).origins, Endless(listings, {}))
    found = leaks(stack)
    assert (found.found, found.texts, found.binaries, found.cut) == ([], 1, 1, ["long"])


def test_the_configuration_is_searched() -> None:
    execution = Execution(
        env=("PATH=/bin", f"API_TOKEN={VALUE}1", f"OTHER={TOKEN}"),
        labels={"org.secret": f"{VALUE}2"},
        cmd=("serve", f"--password={VALUE}3"),
        entrypoint=("env", f"TOKEN={VALUE}4"),
        healthcheck=Healthcheck(("CMD", "curl", "-u", f"app:{VALUE}5", "http://x")),
        on_build=(f"RUN login --token {VALUE}6",),
    )
    found = leaks(stack_of([], [], config=config(execution))).found
    told = {leak.secret.value: (leak.kind, leak.places[0]) for leak in found}
    assert told == {
        f"{VALUE}1": (KIND, Place(Source.ENV, State.VISIBLE, None, "API_TOKEN")),
        TOKEN: ("github-token", Place(Source.ENV, State.VISIBLE, None, "OTHER")),
        f"{VALUE}2": (KIND, Place(Source.LABEL, State.VISIBLE, None, "org.secret")),
        f"{VALUE}3": (KIND, Place(Source.COMMAND, State.VISIBLE, None, "CMD")),
        f"{VALUE}4": (KIND, Place(Source.COMMAND, State.VISIBLE, None, "ENTRYPOINT")),
        f"{VALUE}5": (KIND, Place(Source.COMMAND, State.VISIBLE, None, "HEALTHCHECK")),
        f"{VALUE}6": (KIND, Place(Source.COMMAND, State.VISIBLE, None, "ONBUILD")),
    }


def test_the_history_is_searched_and_a_build_argument_told_once() -> None:
    history = [
        History(created_by=f"ENV GITHUB={TOKEN}", empty_layer=True),
        History(created_by=f"RUN |1 TOKEN={VALUE} /bin/sh -c make # buildkit", empty_layer=True),
        History(created_by=f"RUN |1 TOKEN={VALUE} /bin/sh -c test # buildkit", empty_layer=True),
        History(created_by="", comment=f"built by --token {VALUE}9", empty_layer=True),
    ]
    found = leaks(stack_of([], [], config=config(Execution(), *history))).found
    assert [[(place.source, place.name) for place in leak.places] for leak in found] == [
        [(Source.HISTORY, f"ENV GITHUB={TOKEN}")],
        [(Source.BUILD_ARGUMENT, "TOKEN")],
        [(Source.HISTORY, f"built by --token {VALUE}9")],
    ]


def test_what_a_form_says_wins_over_a_name() -> None:
    stack = stack_of_files(
        [{"app/.env": f"GITHUB_TOKEN={TOKEN}\n".encode()}],
        config=config(Execution(env=(f"GITHUB_TOKEN={TOKEN}",))),
    )
    (leak,) = leaks(stack).found
    assert (leak.kind, len(leak.places)) == ("github-token", 2)


def found_at(path: str, content: bytes) -> list[Leak]:
    return list(leaks(stack_of_files([{path: content}])).found)


KEY = secrets.pem().encode()


@pytest.mark.parametrize(
    ("path", "content", "count"),
    [
        ("usr/lib/python3/dist-packages/tests/key.pem", KEY, 0),
        ("usr/local/lib/python3.11/test/certdata/key.pem", KEY, 0),
        ("usr/share/doc/openssl/examples/key.pem", KEY, 0),
        ("etc/ssl/private/ssl-cert-snakeoil.key", KEY, 0),
        ("app/tests/key.pem", KEY, 1),
        ("usr/lib/app/key.pem", KEY, 1),
        ("usr/lib/app/config.py", f"password = '{VALUE}'".encode(), 0),
        ("srv/config.py", f"password = '{VALUE}'".encode(), 1),
        ("srv/config.yml", f"password: {VALUE}".encode(), 1),
        ("srv/README", f"password: {VALUE}".encode(), 0),
        ("srv/Dockerfile", f"ENV PASSWORD='{VALUE}'".encode(), 1),
        ("srv/page.html", b"\xff\xfe" + TEXT, 1),
        ("srv/binary", b"\0" + TEXT, 0),
        ("srv/long", b"x" * 1_000_000 + b" " + TEXT, 1),
    ],
)
def test_where_what_counts(path: str, content: bytes, count: int) -> None:
    assert len(found_at(path, content)) == count


def test_equal_contents_are_judged_by_the_nature_of_each_path() -> None:
    text = f"TOKEN={VALUE}\n".encode()
    assert [p[0] for p in places(stack_of_files([{"srv/notes": text, "srv/.env": text}]))] == [
        "srv/.env"
    ]


def test_who_waits_is_told_what_is_looked_at() -> None:
    told: list[str] = []
    leaks(stack_of_files([{"a": b"1"}, {"b": b"2"}]), begin=told.append)
    assert told == ["the configuration", "layer 1 of 2", "layer 2 of 2"]
