"""The network of a container whose user may not change the host's: a program carries it.

`pasta` (package passt) or `slirp4netns` reads and writes the container's packets and makes
connections of its own of them.  It is started for one container, dies with its watcher,
and is ended with the sandbox.
"""

from __future__ import annotations

import _socket
import os
import select
import signal
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from lamina.errors import Unsupported
from lamina.linux import netlink_route, syscall
from lamina.linux.netlink import ROUTE, Netlink
from lamina.linux.netns import within_network
from lamina.network.errors import NoNetworks
from lamina.network.state import Port, started

_PLACES = ("/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin")
_PROGRAMS: tuple[str, ...] = ("pasta", "slirp4netns")
"""The better one first."""
_DNS = "169.254.1.1"
_SLIRP_DNS, _SLIRP_GUEST = "10.0.2.3", "10.0.2.100"
_ALL = ("0.0.0.0", "::")  # noqa: S104
_PATIENCE = 10.0
"""Seconds for the program to say that it is ready."""
_MOMENT = 5
"""Milliseconds between two looks."""
_BIND = 4096
_SIGNALS = (signal.SIGPIPE, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGXFSZ)


class NoProgram(Unsupported):
    """Neither of the programs is installed."""

    def __init__(self) -> None:
        super().__init__(
            "a container of an ordinary user needs pasta or slirp4netns for a network, and"
            " neither is installed",
            hint="apt-get install passt (or slirp4netns); or run with --network host or none",
        )


class Carried(msgspec.Struct, frozen=True):
    """A network that a program carries."""

    pid: int
    pid_started: int
    address: str
    """The container's IPv4 address; empty when it has none."""
    servers: tuple[str, ...]
    """Whom it may ask for names besides those of the host that it reaches."""
    kept: tuple[int, ...] = ()
    """Descriptors whose closing ends the program."""


def carry(namespace: int, ports: Sequence[Port], place: Path, *, program: str = "") -> Carried:
    """Give an open namespace a network, and these published ports.

    `place` is a directory of ours; `program` is `pasta`, `slirp4netns` or, empty, whichever
    is installed.  Raises NoProgram, NoNetworks.
    """
    name, path = _find(program)
    work = place / f".carry-{os.urandom(6).hex()}"
    work.mkdir(mode=0o700)
    netns = work / "netns"
    try:
        netns.touch()
        # The programs have fewer rights than we and may not open it through /proc.
        syscall.mount(f"/proc/self/fd/{namespace}", str(netns), "", _BIND)
        try:
            start = _pasta if name == "pasta" else _slirp
            return start(path, namespace, netns, ports, work)
        finally:
            syscall.umount2(str(netns), syscall.MNT_DETACH)
    except OSError as error:
        raise NoNetworks(f"start {name}", error.strerror or str(error)) from None
    finally:
        for each in work.iterdir():
            each.unlink()
        work.rmdir()


def end(pid: int, pid_started: int) -> None:
    """End the program, if it is still the one."""
    if pid and started(pid) == pid_started:
        try:
            os.kill(pid, signal.SIGTERM)
            os.waitpid(pid, 0)
        except OSError:
            pass  # not our child: somebody else waits for it


def _find(program: str) -> tuple[str, str]:
    for name in (program,) if program else _PROGRAMS:
        for place in _PLACES:
            path = f"{place}/{name}"
            if os.access(path, os.X_OK):
                return name, path
    raise NoProgram


def _pasta(path: str, namespace: int, netns: Path, ports: Sequence[Port], work: Path) -> Carried:
    note = work / "pid"
    words = [path, "--foreground", "--quiet", "--config-net", "--netns-only", "--no-netns-quit"]
    words += ["--netns", str(netns), "--dns-forward", _DNS, "--pid", str(note), "--no-map-gw"]
    for option, protocol in (("-t", "tcp"), ("-u", "udp")):
        mine = [each for each in ports if each.protocol == protocol]
        # A port of all addresses is told once: of both families it would overlap itself.
        for each in dict.fromkeys(map(_pasta_port, mine)):
            words += [option, each]
        if not mine:
            words += [option, "none"]
    words += ["-T", "none", "-U", "none"]
    pid, said = _spawn(words)
    try:
        _await(pid, said, lambda: note.exists() and bool(note.read_text()), "pasta")
    finally:
        os.close(said)
    return Carried(pid, started(pid), within_network(namespace, _address), (_DNS,))


def _pasta_port(port: Port) -> str:
    address = "" if port.host_ip in _ALL else f"{port.host_ip}/"
    return f"{address}{port.host_port}:{port.container_port}"


def _slirp(path: str, namespace: int, netns: Path, ports: Sequence[Port], work: Path) -> Carried:
    ready_read, ready_write = os.pipe()
    exit_read, exit_write = os.pipe()
    # A socket's address has at most 108 bytes; through a descriptor any directory fits.
    place = os.open(work, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    control = Path(f"/proc/self/fd/{place}/control")
    words = [path, "--configure", "--mtu=65520", "--disable-host-loopback"]
    words += [f"--ready-fd={ready_write}", f"--exit-fd={exit_read}", f"--api-socket={control}"]
    words += ["--netns-type=path", str(netns), "tap0"]
    pid, said = _spawn(words, kept=(ready_write, exit_read, place))
    os.close(ready_write)
    os.close(exit_read)
    try:
        poll = select.poll()
        poll.register(ready_read, select.POLLIN)
        _await(
            pid, said, lambda: bool(poll.poll(0)) and os.read(ready_read, 1) == b"1", "slirp4netns"
        )
        for each in ports:
            if each.host_ip != _ALL[1] or replace(each, host_ip=_ALL[0]) not in ports:
                _forward(control, each)  # it knows no address of IPv6
    except BaseException:
        os.close(exit_write)
        raise
    finally:
        for fd in (ready_read, said, place):
            os.close(fd)
    return Carried(pid, started(pid), _SLIRP_GUEST, (_SLIRP_DNS,), (exit_write,))


def _forward(control: Path, port: Port) -> None:
    request = {
        "execute": "add_hostfwd",
        "arguments": {
            "proto": port.protocol,
            "host_addr": port.host_ip,
            "host_port": port.host_port,
            "guest_addr": _SLIRP_GUEST,
            "guest_port": port.container_port,
        },
    }
    asking = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    try:
        asking.connect(str(control))
        asking.send(msgspec.json.encode(request))
        asking.shutdown(_socket.SHUT_WR)
        answer = msgspec.json.decode(asking.recv(65536))
    finally:
        asking.close()
    if "error" in answer:
        why = answer["error"].get("desc", "refused")
        raise NoNetworks(f"publish port {port.host_port}", str(why))


def _spawn(words: list[str], *, kept: Sequence[int] = ()) -> tuple[int, int]:
    """Start a program that dies with this one; its pid, and what it says."""
    read, write = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            syscall.prctl(syscall.PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(127)
            for number in _SIGNALS:  # pasta refuses to start where SIGPIPE is ignored
                signal.signal(number, signal.SIG_DFL)
            null = os.open(os.devnull, os.O_RDWR)
            for place, fd in ((0, null), (1, write), (2, write)):
                os.dup2(fd, place)
            for fd in kept:
                os.set_inheritable(fd, True)
            os.execv(words[0], words)  # noqa: S606
        finally:
            os._exit(127)
    os.close(write)
    return pid, read


def _await(pid: int, said: int, is_ready: object, name: str) -> None:
    poll = select.poll()
    for _ in range(int(_PATIENCE * 1000 / _MOMENT)):
        if callable(is_ready) and is_ready():
            return
        ended, _ = os.waitpid(pid, os.WNOHANG)
        if ended:
            text = os.read(said, 65536).decode(errors="replace").strip().splitlines()
            raise NoNetworks(f"start {name}", _words(text))
        poll.poll(_MOMENT)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise NoNetworks(f"start {name}", f"it is not ready after {_PATIENCE:.0f} s")


def _words(lines: list[str]) -> str:
    """What a program said went wrong: the last line that is not about its log."""
    told = [line for line in lines if "syslog" not in line]
    return told[-1] if told else "it ended at once"


def _address() -> str:
    """The first IPv4 address of this namespace that is not its loopback's."""
    with Netlink(ROUTE) as route:
        for _, address, _ in netlink_route.addresses(route):
            if len(address) == 4 and address[0] != 127:
                return _socket.inet_ntop(_socket.AF_INET, address)
    return ""
