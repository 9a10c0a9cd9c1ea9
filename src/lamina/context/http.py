"""A file behind an http or https address: fetched once, then asked whether it changed.

Each address has a directory in the cache with its last answer: the body, and in a
record what identifies it to the server (ETag, Last-Modified; RFC 9110, 8.8 and 13.1)
and to us (sha256).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from lamina.context.git_address import BadAddress
from lamina.errors import Corrupt, Denied, EngineError, NotFound, Unavailable
from lamina.sha256 import sha256
from lamina.store.atomic import locked, new_file, replace_file

if TYPE_CHECKING:
    from lamina.registry.exchange import Exchange
    from lamina.registry.transport import Response

_NANO = 1_000_000_000


class DownloadFailed(Unavailable):
    """The server does not answer, or not with the file."""


class NoSuchFile(NotFound):
    """The server has nothing at that address."""


class DownloadDenied(Denied):
    """The server wants to know who asks, or cannot prove who it is."""


class WrongChecksum(Corrupt):
    """What came is not what was promised."""


class Fetched(msgspec.Struct, frozen=True):
    """A file of the web in a directory."""

    path: Path
    digest: bytes
    """sha256 of the content."""
    mtime_ns: int
    """As the server says; 0 when it says nothing."""


class Answer(msgspec.Struct, array_like=True, frozen=True):
    """What is known of an address since it was last asked."""

    digest: bytes
    size: int
    mtime_ns: int
    etag: str = ""
    modified: str = ""
    """Last-Modified, as the server wrote it."""


class Web(msgspec.Struct):
    """How files are fetched: the cache, and the environment, which may name proxies."""

    cache: Path
    environment: Mapping[str, str]
    sleep: Callable[[float], None] = time.sleep
    """Before a server that is busy is asked again."""
    _sender: Exchange | None = None

    def identify(self, address: str, *, checksum: bytes = b"") -> bytes:
        """The sha256 of the file: promised, or asked for.  The body comes only if it is new.

        Raises what `fetch` raises.
        """
        return checksum or self._current(address).digest

    def fetch(self, address: str, target: Path, *, checksum: bytes = b"") -> Fetched:
        """Put the file at `target`, mode 0600; with `checksum`, that sha256 or nothing.

        A body that is here and has the checksum is taken unasked.  Raises NoSuchFile,
        DownloadDenied, DownloadFailed, WrongChecksum, BadAddress.
        """
        with self._place(address) as place:
            answer = _recall(place)
            if answer is None or answer.digest != checksum:
                answer = self._ask(address, place)
            if checksum and answer.digest != checksum:
                raise WrongChecksum(
                    f"{shown(address)} has the sha256 {answer.digest.hex()}"
                    f" and not {checksum.hex()}",
                    hint="check the checksum, and who could have changed the file",
                )
            _copy(place / "body", target)
        return Fetched(target, answer.digest, answer.mtime_ns)

    def _current(self, address: str) -> Answer:
        with self._place(address) as place:
            return self._ask(address, place)

    @contextmanager
    def _place(self, address: str) -> Iterator[Path]:
        """The cache's directory for an address, for one process at a time."""
        name = sha256(address.encode("utf-8", "surrogateescape")).hex()[:32]
        place = self.cache / "http" / name
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(place):
            yield place

    def _ask(self, address: str, place: Path) -> Answer:
        """What the server says now; the body is in `place` then."""
        known = _recall(place)
        headers = _login(address)
        if known is not None and known.etag:
            headers["If-None-Match"] = known.etag
        if known is not None and known.modified:
            headers["If-Modified-Since"] = known.modified
        try:
            response = self._exchange().send("GET", address, headers=headers)
            try:
                if response.status == 304 and known is not None:
                    return known
                if response.status != 200:
                    raise _unwelcome(address, response.status)
                return _store(response, place)
            finally:
                response.close()
        except EngineError as error:
            raise _told(address, error) from None

    def _exchange(self) -> Exchange:
        from lamina.registry.exchange import Exchange
        from lamina.registry.settings import Settings, proxies
        from lamina.registry.transport import HttpTransport

        if self._sender is None:
            settings = Settings(tls="strict", proxies=proxies(self.environment))
            self._sender = Exchange(HttpTransport(settings), sleep=self.sleep)
        return self._sender


def parse_checksum(text: str) -> bytes:
    """`sha256:<64 hexadecimal digits>` as 32 bytes.  Raises BadAddress."""
    kind, _, digits = text.partition(":")
    try:
        found = bytes.fromhex(digits)
    except ValueError:
        found = b""
    if kind != "sha256" or len(found) != 32 or len(digits) != 64:
        raise BadAddress(
            f"not a checksum of a file: {text!r}", hint="write sha256: and 64 hexadecimal digits"
        )
    return found


def shown(address: str) -> str:
    """An address without user, password and query, for messages and records."""
    from lamina.registry.errors import redacted

    return redacted(address)


def _store(response: Response, place: Path) -> Answer:
    import hashlib

    hasher = hashlib.sha256()
    size = 0
    modified = response.headers.get("last-modified", "")
    with new_file(place) as file:
        for piece in response.pieces():
            hasher.update(piece)
            size += file.write(piece)
        mtime = _seconds(modified) * _NANO
        os.utime(file.fd, ns=(mtime, mtime))
        # The record goes first: it must never speak of a body that is older.
        (place / "record").unlink(missing_ok=True)
        file.commit("body", durable=False)
    answer = Answer(hasher.digest(), size, mtime, response.headers.get("etag", ""), modified)
    replace_file(place / "record", msgspec.msgpack.encode(answer), durable=False)
    return answer


def _recall(place: Path) -> Answer | None:
    """The last answer, as long as its body is here."""
    try:
        answer = msgspec.msgpack.decode((place / "record").read_bytes(), type=Answer)
        status = os.stat(place / "body")
    except (OSError, msgspec.MsgspecError):
        return None
    same = (status.st_size, status.st_mtime_ns) == (answer.size, answer.mtime_ns)
    return answer if same else None


def _copy(body: Path, target: Path) -> None:
    try:
        os.link(body, target)
    except OSError:  # another file system
        import shutil

        shutil.copy2(body, target)


def _seconds(modified: str) -> int:
    """Since the epoch; 0 for what is no date."""
    import calendar
    from email.utils import parsedate

    parts = parsedate(modified)
    try:
        return max(0, calendar.timegm(parts)) if parts else 0
    except (ValueError, OverflowError):
        return 0


def _login(url: str) -> dict[str, str]:
    """The user and password of an address, as RFC 7617 sends them: to that host alone."""
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(url)
    if parts.username is None:
        return {}
    from base64 import b64encode

    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Authorization": f"Basic {b64encode(login.encode()).decode()}"}


def _unwelcome(address: str, status: int) -> EngineError:
    what = f"{shown(address)} answers with status {status}"
    if status in (404, 410):
        return NoSuchFile(
            f"nothing is at {shown(address)} (status {status})", hint="check the address"
        )
    if status in (401, 403, 407):
        return DownloadDenied(what, hint="the server wants a login, or does not let this one in")
    return DownloadFailed(what, hint="try again later" if status >= 500 else "")


def _told(address: str, error: EngineError) -> EngineError:
    """An error of the transport, in words that speak of a file and not of a registry."""
    from lamina.registry.errors import BadCertificate, BadRedirect, RegistryError

    if not isinstance(error, RegistryError):
        return error
    reason = str(error).rpartition(" (")[0] or str(error)
    what = f"cannot download {shown(address)}: {reason}"
    if isinstance(error, BadCertificate):
        return DownloadDenied(what, hint="add the server's CA to those that the system trusts")
    return DownloadFailed(what, hint="" if isinstance(error, BadRedirect) else error.hint)
