"""What can go wrong between Lamina and a registry.

    RegistryError             every one of these, beside its kind
    ├── Unauthorized          Denied       401, or no token: who are you?
    ├── Forbidden             Denied       403: not you
    ├── BadCertificate        Denied       the other side cannot prove its name
    ├── RepositoryNotFound    NotFound     no such repository
    ├── TagNotFound           NotFound     the repository has no such tag or manifest
    ├── MissingBlob           NotFound     the repository has no such blob
    ├── TooLarge              Invalid      a manifest beyond 4 MiB, an upload beyond the limit (413)
    ├── Refused               Invalid      any other 4xx
    ├── NotARegistry          Invalid      the host answers, but not as a registry
    ├── BadRedirect           Invalid      a circle, too many, or down to plain HTTP
    ├── NotSupported          Unsupported  the registry does not offer this (405, 501)
    ├── WrongBytes            Corrupt      digest or length differ from what was promised
    ├── TooManyRequests       Unavailable  429, when waiting did not help
    ├── ServerFailed          Unavailable  5xx
    ├── Unreachable           Unavailable  no such host, nobody listens
    ├── TimedOut              Unavailable  silence for longer than the idle timeout
    └── Interrupted           Unavailable  the connection broke

Answers become errors in `from_answer`, exceptions of the HTTP library in
`transport`: each in one table.  Messages carry no query, user or password.
"""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

import msgspec

from lamina.errors import (
    Corrupt,
    Denied,
    EngineError,
    Invalid,
    NotFound,
    Unavailable,
    Unsupported,
)

BODY_LIMIT = 64 << 10
"""Bytes of an error's body that are read; the rest cannot say anything useful."""


class RegistryError(EngineError):
    """Root of every error about a registry."""

    status = 0
    """Of the answer; 0 when there was none."""
    exchange = ""
    """`METHOD url: CODE: the registry's own words`, when there was an answer."""


class Unauthorized(RegistryError, Denied):
    """The registry wants to know who asks, or does not believe it."""


class Forbidden(RegistryError, Denied):
    """The registry knows who asks and says no."""


class BadCertificate(RegistryError, Denied):
    """TLS failed: the other side cannot prove that it is who it should be."""


class RepositoryNotFound(RegistryError, NotFound):
    """The registry has no such repository."""


class TagNotFound(RegistryError, NotFound):
    """The repository has no such tag or manifest."""


class MissingBlob(RegistryError, NotFound):
    """The repository does not have the blob."""


class TooLarge(RegistryError, Invalid):
    """A document or an upload is larger than is agreed."""


class Refused(RegistryError, Invalid):
    """The registry does not take the request as it is."""


class NotARegistry(RegistryError, Invalid):
    """The host answers, but not with what a registry says."""


class BadRedirect(RegistryError, Invalid):
    """A redirect that must not be followed."""


class NotSupported(RegistryError, Unsupported):
    """The registry does not offer this operation."""


class WrongBytes(RegistryError, Corrupt):
    """What came is not what its descriptor promises, in digest or length."""


class TooManyRequests(RegistryError, Unavailable):
    """The registry limits how often it may be asked."""


class ServerFailed(RegistryError, Unavailable):
    """The registry says that it failed."""


class Unreachable(RegistryError, Unavailable):
    """Nobody answers at that address."""


class TimedOut(RegistryError, Unavailable):
    """The registry said nothing for longer than the timeout."""


class Interrupted(RegistryError, Unavailable):
    """The connection broke before the answer was whole."""


class Subject(msgspec.Struct, frozen=True):
    """What a request is about, for the words of an error."""

    host: str
    """What the user calls the registry: `docker.io`."""
    name: str = ""
    """Registry and repository; empty for requests about the registry itself."""
    part: str = ""
    """`tag nope`, `manifest sha256:…`, `blob sha256:…`, or empty."""


class _Detail(msgspec.Struct):
    code: str = ""
    message: str = ""


class _Errors(msgspec.Struct):
    errors: list[_Detail] | None = None
    details: str = ""
    message: str = ""


def redacted(url: str) -> str:
    """`url` without user, password, query and fragment; empty when it is no URL."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def from_answer(
    method: str, url: str, status: int, content_type: str, body: bytes, subject: Subject
) -> RegistryError:
    """The error that an unwelcome answer stands for.

    Its message is `what failed (METHOD url: CODE: the registry's own words)`.
    """
    code, words = _diagnosis(status, body)
    exchange = f"{method} {redacted(url)}: {code}" + (f": {words}" if words else "")
    error = _classify(status, code, content_type, body, exchange, subject)
    error.status = status
    error.exchange = exchange
    return error


def _classify(
    status: int, code: str, content_type: str, body: bytes, exchange: str, subject: Subject
) -> RegistryError:
    name = subject.name or subject.host
    if status == 401:
        return Unauthorized(
            f"no access to {name}: it does not exist, or needs a login ({exchange})",
            hint=f"lamina login {subject.host}",
        )
    if status == 403:
        return Forbidden(
            f"access to {name} is denied ({exchange})", hint=f"lamina login {subject.host}"
        )
    if status == 429:
        return TooManyRequests(
            f"{subject.host} limits how often it may be asked ({exchange})",
            hint="wait some minutes; a login often raises the limit",
        )
    if status >= 500:
        kind = NotSupported if status == 501 else ServerFailed
        return kind(f"{subject.host} failed ({exchange})", hint="try again later")
    if looks_like_html(content_type, body):
        return NotARegistry(
            f"{subject.host} answers with a web page ({exchange})",
            hint="is this the address of a registry?",
        )
    if status == 404 or code in ("NAME_UNKNOWN", "MANIFEST_UNKNOWN", "BLOB_UNKNOWN"):
        return _not_found(code, exchange, subject)
    if status == 405 or code == "UNSUPPORTED":
        return NotSupported(f"{subject.host} does not offer this ({exchange})")
    if status == 413:
        return TooLarge(
            f"{subject.host} does not take uploads of this size ({exchange})",
            hint="raise the limit of the registry, or of the proxy before it",
        )
    return Refused(f"{subject.host} refuses the request for {name} ({exchange})")


def _not_found(code: str, exchange: str, subject: Subject) -> RegistryError:
    if code == "NAME_UNKNOWN":
        return RepositoryNotFound(
            f"no repository {subject.name} ({exchange})", hint="check the spelling of the name"
        )
    if subject.part.startswith("blob "):
        return MissingBlob(f"{subject.name} has no {subject.part} ({exchange})")
    if subject.part:
        return TagNotFound(
            f"{subject.name} has no {subject.part} ({exchange})",
            hint="check the spelling of name and tag",
        )
    return RepositoryNotFound(f"nothing at {subject.name or subject.host} ({exchange})")


def _diagnosis(status: int, body: bytes) -> tuple[str, str]:
    """The registry's error code (or the status) and its message, made fit for one line."""
    try:
        view = msgspec.json.decode(body, type=_Errors)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return str(status), ""
    first = view.errors[0] if view.errors else _Detail(message=view.details or view.message)
    return _line(first.code) or str(status), _line(first.message)


def _line(text: str) -> str:
    """A remote's text as one printable line of bounded length."""
    return "".join(mark if mark.isprintable() else " " for mark in text[:300]).strip()


def looks_like_html(content_type: str, body: bytes) -> bool:
    """Whether an answer is a web page: a portal, a proxy's notice, a wrong address."""
    return content_type.partition(";")[0].strip().lower() == "text/html" or (
        body.lstrip()[:5].lower() in (b"<html", b"<!doc")
    )
