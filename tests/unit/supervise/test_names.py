"""The server of names: what it answers, and that nothing that comes in stops it."""

from __future__ import annotations

import os
import select
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamina.network.state import Endpoint, Member, State
from lamina.supervise import names
from lamina.supervise.names import BadQuestion, NameServer, Question

WEB = Member(
    "c" * 64,
    *("web", "h", 1, 1, ""),
    (Endpoint("n1", "lan", "e", "v", "eth0", "m", "10.0.0.2", 24, aliases=("WWW",)),),
)
DB = Member(
    "d" * 64,
    *("db", "h", 1, 1, ""),
    (Endpoint("n1", "lan", "e", "v", "eth0", "m", "10.0.0.3", 24, ip6="fd00::3", prefix6=64),),
)
APART = Member(
    "e" * 64, *("apart", "h", 1, 1, ""), (Endpoint("n2", "x", "e", "v", "eth0", "m", "10.0.1.2"),)
)


def query(name: str, kind: int = 1, *, extra: bytes = b"", flags: int = 0x0100) -> bytes:
    counts = struct.pack("!HHHH", 1, 0, 0, 1 if extra else 0)
    labels = b"".join(bytes([len(x)]) + x.encode() for x in name.split(".") if x)
    return (
        b"\x12\x34"
        + struct.pack("!H", flags)
        + counts
        + labels
        + b"\0"
        + struct.pack("!HH", kind, 1)
        + extra
    )


class Served:
    """A server on sockets of this host, and who asks it."""

    def __init__(self, directory: Path, servers: tuple[str, ...] = ()) -> None:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        tcp = socket.create_server(("127.0.0.1", 0))
        self.udp, self.tcp = udp.getsockname(), tcp.getsockname()
        self.server = NameServer(
            {
                "udp": udp.detach(),
                "tcp": tcp.detach(),
                "directory": str(directory),
                "container": WEB.container,
                "servers": servers,
            }
        )
        self.asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.asking.connect(self.udp)

    def turn(self, wait: float = 0.2) -> None:
        if select.select(self.server.filenos(), [], [], wait)[0]:
            self.server.handle()

    def ask(self, message: bytes) -> bytes:
        """The answer; empty when there is none."""
        self.asking.send(message)
        self.turn()
        ready, _, _ = select.select([self.asking], [], [], 0)
        return self.asking.recv(65535) if ready else b""

    def addresses(self, name: str, kind: int = 1) -> list[str]:
        answer, message = self.ask(query(name, kind)), query(name, kind)
        size = 4 if kind == 1 else 16
        family = socket.AF_INET if kind == 1 else socket.AF_INET6
        assert answer[12 : len(message)] == message[12:]
        return [
            socket.inet_ntop(family, answer[place + 12 : place + 12 + size])
            for place in range(len(message), len(answer), 12 + size)
        ]

    def close(self) -> None:
        self.server.close()
        self.asking.close()


@pytest.fixture
def state(tmp_path: Path) -> State:
    made = State(tmp_path)
    with made.lock():
        for each in (WEB, DB, APART):
            made.keep_member(each)
    return made


@pytest.fixture
def served(state: State) -> Iterator[Served]:
    made = Served(state.member_directory)
    yield made
    made.close()


def code(answer: bytes) -> int:
    return answer[3] & 15


def test_names_of_its_networks_have_addresses(served: Served) -> None:
    for name in ("db", "DB", "db.lan", "d" * 12):
        assert served.addresses(name) == ["10.0.0.3"], name
    assert served.addresses("www") == ["10.0.0.2"]
    assert served.addresses("db", 28) == ["fd00::3"]
    assert served.addresses("web", 28) == [], "a name without such an address is a name"
    assert code(served.ask(query("web", 15))) == 0


def test_names_of_other_networks_are_nobodys(served: Served) -> None:
    for name in ("apart", "10.0.1.2", "lan", ""):
        assert code(served.ask(query(name))) == 3


def test_an_address_has_its_name(served: Served) -> None:
    answer = served.ask(query("3.0.0.10.in-addr.arpa", 12))
    assert answer.endswith(b"\2db\3lan\0")
    six = ".".join(reversed(socket.inet_pton(socket.AF_INET6, "fd00::3").hex())) + ".ip6.arpa"
    assert served.ask(query(six, 12)).endswith(b"\2db\3lan\0")
    assert code(served.ask(query("2.1.0.10.in-addr.arpa", 12))) == 3


def test_what_changes_is_seen_at_once(served: Served, state: State) -> None:
    assert code(served.ask(query("late"))) == 3
    for number in range(20):
        late = Member("f" * 64, *(f"late{number}", "h", 1, 1, ""), DB.endpoints)
        state.keep_member(late)
        assert "10.0.0.3" in served.addresses(f"late{number}")
    state.drop_member("f" * 64)
    assert code(served.ask(query("late19"))) == 3


def test_files_that_cannot_be_read_hide_nobody_else(served: Served, state: State) -> None:
    for number, damage in enumerate((b"", b"[]", b"{", b"\xff", b'{"endpoints":[1,null]}')):
        (state.member_directory / f"bad{number}.json").write_bytes(damage)
    assert served.addresses("db") == ["10.0.0.3"]


def test_an_answer_that_does_not_fit_says_so_and_a_connection_brings_all(
    served: Served, state: State
) -> None:
    ends = tuple(
        Endpoint("n1", "lan", "e", "v", f"eth{n}", "m", f"10.0.0.{n}", aliases=("many",))
        for n in range(10, 110)
    )
    state.keep_member(Member("f" * 64, *("many", "h", 1, 1, ""), ends))
    answer = served.ask(query("many"))
    assert answer[2] & 2 and len(answer) <= 512
    edns = b"\0\0\x29\x10\0\0\0\0\0\0\0"
    assert len(served.ask(query("many", extra=edns))) > 1600
    with socket.create_connection(served.tcp, 2) as asking:
        message = query("many")
        asking.send(struct.pack("!H", len(message)) + message)
        served.turn()
        served.turn()
        assert struct.unpack("!H", asking.recv(2))[0] > 1600


def test_a_connection_may_ask_in_pieces_and_several_things(served: Served) -> None:
    with socket.create_connection(served.tcp, 2) as asking:
        message = struct.pack("!H", len(query("db"))) + query("db")
        for piece in (message[:1], message[1:7], message[7:] + message):
            asking.send(piece)
            served.turn()
            served.turn(0.05)
        answers = b""
        while len(answers) < 2 * (len(message) + 16):
            answers += asking.recv(1000)
        assert answers.count(bytes([10, 0, 0, 3])) == 2


def test_too_many_connections_cost_the_oldest_alone(served: Served) -> None:
    held = []
    for _ in range(40):
        held.append(socket.create_connection(served.tcp, 2))
        served.turn()
    message = query("db")
    held[-1].send(struct.pack("!H", len(message)) + message)
    served.turn()
    assert held[-1].recv(1000)
    assert held[0].recv(1) == b""
    for each in held:
        each.close()


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\0" * 11,
        b"\0" * 12,
        query("db", flags=0x8100),
        query("db")[:20],
        b"\x12\x34\1\0\0\1\0\0\0\0\0\0\xc0\x0c\0\1\0\1",
        b"\x12\x34\1\0\0\1\0\0\0\0\0\0" + b"\1a" * 200 + b"\0\0\1\0\1",
        b"\x12\x34\1\0\0\1\0\0\0\0\0\0\x3fa\0\0\1\0\1",
    ],
)
def test_what_is_no_question_is_survived(served: Served, message: bytes) -> None:
    served.ask(message)
    assert served.addresses("db") == ["10.0.0.3"]


def test_what_is_asked_otherwise_is_refused_and_not_passed_over(served: Served) -> None:
    assert code(served.ask(query("db", flags=0x2100))) == 4
    two = query("db")[:4] + b"\0\2" + query("db")[6:]
    assert code(served.ask(two)) == 4


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=600))
def test_no_packet_stops_it(served: Served, message: bytes) -> None:
    served.ask(message)
    served.ask(query("db")[:4] + message)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_question_or_none(message: bytes) -> None:
    try:
        question = Question(message)
    except BadQuestion:
        return
    answer = question.answer([b"1234"])
    assert answer[:2] == message[:2]
    assert len(question.fits(answer + bytes(70000))) <= 600


# what is passed on


class Upstream:
    """A server that answers as it is told."""

    def __init__(self, address: str, port: int) -> None:
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((address, port))
        self.udp.settimeout(2)

    def take(self) -> tuple[bytes, tuple[str, int]]:
        message, address = self.udp.recvfrom(1000)
        return message, address

    def reply(self, message: bytes, address: tuple[str, int]) -> None:
        self.udp.sendto(message[:2] + b"\x81\x80" + message[4:] + b"answer", address)


@pytest.fixture
def upstream(monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstream]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    monkeypatch.setattr(names, "_PORT", port)
    made = Upstream("127.0.0.1", port)
    yield made
    made.udp.close()


@pytest.fixture
def passing(state: State, upstream: Upstream) -> Iterator[Served]:
    # Nobody listens at the first.
    made = Served(state.member_directory, ("127.0.0.77", "127.0.0.1"))
    yield made
    made.close()


def test_an_unknown_name_is_passed_on_under_another_id(passing: Served, upstream: Upstream) -> None:
    passing.asking.send(query("far.example"))
    passing.turn()
    passing.turn()  # the first server refuses
    message, address = upstream.take()
    assert message[2:] == query("far.example")[2:]
    upstream.reply(b"\0\0" + message[2:], address)  # a forged one
    upstream.reply(message, address)
    passing.turn()
    passing.turn()
    answer = passing.asking.recv(1000)
    assert answer[:2] == b"\x12\x34" and answer.endswith(b"answer")
    # The server that answered is asked first from now on.
    passing.asking.send(query("further.example"))
    passing.turn()
    assert b"further" in upstream.take()[0]


def test_asked_again_the_next_server_is_asked_and_at_last_it_fails(
    state: State, upstream: Upstream
) -> None:
    silent = Served(state.member_directory, ("127.0.0.1", "127.0.0.1"))
    for _ in range(2):
        silent.asking.send(query("far.example"))
        silent.turn()
        upstream.take()
    silent.asking.send(query("far.example"))
    silent.turn()
    assert code(silent.asking.recv(1000)) == 2
    silent.close()


def test_nobody_there_is_a_failure_at_once(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "_PORT", 1)
    alone = Served(state.member_directory, ("127.0.0.77",))
    alone.asking.send(query("far.example"))
    for _ in range(4):
        alone.turn(0.1)
    assert code(alone.asking.recv(1000)) == 2
    alone.close()


def test_many_questions_do_not_take_all_descriptors(state: State, upstream: Upstream) -> None:
    passing = Served(state.member_directory, ("127.0.0.1",))
    before = len(os.listdir("/proc/self/fd"))
    for number in range(300):
        passing.ask(query(f"n{number}.example"))
    assert len(os.listdir("/proc/self/fd")) - before <= 201
    assert passing.addresses("db") == ["10.0.0.3"]
    passing.close()
