"""A registry in this process: enough of the distribution-spec to push and pull, and every fault.

    with FakeRegistry() as registry:
        registry.fault("GET", "/blobs/", break_after(1000))
        connect(Reference.parse(f"{registry.host}/app:1"), Settings()).resolve()

It keeps what it was asked in `requests`.  The contract suite of sources and
sinks runs against it, and the system tests run the same against a real one.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True)
class Answer:
    """What the registry is about to say; a fault changes it."""

    status: int
    headers: dict[str, str]
    body: bytes = b""
    break_after: int | None = None
    """Bytes of the body after which the connection is reset."""
    hang_after: int | None = None
    """Bytes of the body after which nothing more comes."""


Fault = Callable[[Answer], Answer]


@dataclass(frozen=True)
class Seen:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    """By lower-case name."""
    body: bytes = b""


@dataclass
class _Planted:
    method: str
    path: str
    change: Fault
    times: int


def break_after(size: int) -> Fault:
    """The connection is reset after `size` bytes of the body."""
    return lambda answer: replace(answer, break_after=size)


def hang(size: int = 0) -> Fault:
    """Nothing more comes after the headers and `size` bytes of the body."""
    return lambda answer: replace(answer, hang_after=size)


def together(count: int) -> Fault:
    """The answers come when so many have been asked for at once; else all of them break."""
    meeting = threading.Barrier(count, timeout=10)

    def change(answer: Answer) -> Answer:
        meeting.wait()
        return answer

    return change


def say(status: int, body: bytes = b"", **headers: str) -> Fault:
    """Another answer altogether; `_` in the names of headers stands for `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda answer: Answer(status, named, body)


def error(status: int, code: str, message: str = "", **headers: str) -> Fault:
    """A registry's error."""
    return say(status, _errors(code, message), Content_Type="application/json", **headers)


def html() -> Fault:
    """A portal's page."""
    return say(200, b"<!DOCTYPE html><html>Welcome</html>", Content_Type="text/html; charset=utf-8")


def with_body(body: bytes) -> Fault:
    """Another body, whose length is told truly."""
    return lambda answer: replace(
        answer, body=body, headers={**answer.headers, "Content-Length": str(len(body))}
    )


def with_headers(**headers: str) -> Fault:
    """Some headers replaced."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda answer: replace(answer, headers={**answer.headers, **named})


def unframed(body: bytes) -> Fault:
    """A body without a length: it ends when the connection does."""

    def change(answer: Answer) -> Answer:
        headers = {
            name: value for name, value in answer.headers.items() if name != "Content-Length"
        }
        return replace(answer, headers={**headers, "Connection": "close"}, body=body)

    return change


@dataclass
class FakeRegistry:
    """The server; `host` is its address while it runs."""

    auth: Literal["none", "basic", "bearer"] = "none"
    users: dict[str, str] = field(default_factory=dict)
    """Passwords by user; with `bearer`, reading is open to all and writing to these."""
    private: bool = False
    """With `bearer`: reading needs a user too."""
    identity_tokens: dict[str, str] = field(default_factory=dict)
    """Users by the identity token that they may show instead."""
    expires_in: int = 300
    ranges: bool = True
    mounts: bool = True
    deletes: bool = True
    referrers: bool = False
    """Whether it lists what is attached to a manifest (distribution-spec 1.1)."""
    page: int = 1000
    tls: ssl.SSLContext | None = None
    blobs: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """By repository and digest."""
    manifests: dict[str, dict[str, tuple[str, bytes]]] = field(default_factory=dict)
    """By repository and digest or tag: media type and bytes."""
    uploads: dict[str, bytearray] = field(default_factory=dict)
    requests: list[Seen] = field(default_factory=list)
    host: str = ""
    stopping: threading.Event = field(default_factory=threading.Event)
    lock: threading.RLock = field(default_factory=threading.RLock)
    _faults: list[_Planted] = field(default_factory=list)
    _tokens: dict[str, set[str]] = field(default_factory=dict)

    def __enter__(self) -> FakeRegistry:
        handler = type("Handler", (_Handler,), {"registry": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        if self.tls is not None:
            self._server.socket = self.tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """The address with its scheme."""
        return f"{'https' if self.tls else 'http'}://{self.host}"

    def fault(self, method: str, path: str, change: Fault, *, times: int = 1) -> None:
        """Change the next `times` answers to `method` on paths that contain `path`."""
        self._faults.append(_Planted(method, path, change, times))

    def add_blob(self, repository: str, data: bytes) -> str:
        """Have a blob; returns its digest."""
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        self.blobs.setdefault(repository, {})[digest] = data
        return digest

    def add_manifest(
        self, repository: str, tag: str, raw: bytes, media_type: str = OCI_MANIFEST
    ) -> str:
        """Have a manifest or index under its digest and `tag`; returns its digest."""
        digest = "sha256:" + hashlib.sha256(raw).hexdigest()
        known = self.manifests.setdefault(repository, {})
        known[digest] = (media_type, raw)
        if tag:
            known[tag] = (media_type, raw)
        return digest

    def asked(self, method: str, path: str = "") -> list[Seen]:
        """The requests so far of that method on paths that contain `path`."""
        return [seen for seen in self.requests if seen.method == method and path in seen.path]

    def revoke_tokens(self) -> None:
        """Let every token given out so far be worth nothing."""
        self._tokens.clear()

    def take_fault(self, method: str, path: str) -> Fault | None:
        with self.lock:
            for planted in self._faults:
                if planted.method == method and planted.path in path and planted.times > 0:
                    planted.times -= 1
                    return planted.change
        return None

    def new_token(self, scopes: set[str]) -> str:
        with self.lock:
            token = f"token-{len(self._tokens)}-{len(self.requests)}"
            self._tokens[token] = scopes
            return token

    def allows(self, token: str, scope: str) -> bool:
        return scope in self._tokens.get(token, set())


def _errors(code: str, message: str = "") -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message or code.lower()}]}).encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is what the tests are about."""


_ROUTES = (
    ("root", re.compile(r"/v2/")),
    ("tags", re.compile(r"/v2/(?P<name>.+)/tags/list")),
    ("manifest", re.compile(r"/v2/(?P<name>.+)/manifests/(?P<reference>[^/]+)")),
    ("referrers", re.compile(r"/v2/(?P<name>.+)/referrers/(?P<digest>[^/]+)")),
    ("uploads", re.compile(r"/v2/(?P<name>.+)/blobs/uploads/")),
    ("upload", re.compile(r"/v2/(?P<name>.+)/blobs/uploads/(?P<id>[^/]+)")),
    ("blob", re.compile(r"/v2/(?P<name>.+)/blobs/(?P<digest>[^/]+)")),
    ("token", re.compile(r"/token")),
    ("elsewhere", re.compile(r"/elsewhere/(?P<digest>[^/]+)")),
)


class _Handler(BaseHTTPRequestHandler):
    registry: FakeRegistry
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        fault = self.registry.take_fault(self.command, self.path)
        with self.registry.lock:
            place = len(self.registry.requests)
            self.registry.requests.append(Seen(self.command, self.path, headers))
        body = self._body(headers)
        self.registry.requests[place] = Seen(self.command, self.path, headers, body)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        answer = self._route(parts.path, query, headers, body)
        self._send(fault(answer) if fault else answer)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815

    def _body(self, headers: dict[str, str]) -> bytes:
        if "chunked" not in headers.get("transfer-encoding", ""):
            return self.rfile.read(int(headers.get("content-length", 0)))
        whole = bytearray()
        while size := int(self.rfile.readline().strip() or b"0", 16):
            whole += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return bytes(whole)

    def _route(
        self, path: str, query: dict[str, str], headers: dict[str, str], body: bytes
    ) -> Answer:
        for verb, form in _ROUTES:
            if match := form.fullmatch(path):
                fields = match.groupdict()
                if verb not in ("token", "elsewhere"):
                    refusal = self._check_login(fields.get("name", ""), headers)
                    if refusal is not None:
                        return refusal
                with self.registry.lock:
                    answer: Answer = getattr(self, f"_{verb}")(fields, query, headers, body)
                return answer
        return _json(404, _errors("NOT_FOUND"))

    def _check_login(self, name: str, headers: dict[str, str]) -> Answer | None:
        registry = self.registry
        shown = headers.get("authorization", "")
        if registry.auth == "basic" and not self._user(shown):
            challenge = 'Basic realm="fake"'
        elif registry.auth == "bearer":
            action = "pull" if self.command in ("GET", "HEAD") else "push"
            scope = f"{name}:{action}" if name else ""
            if registry.allows(shown.removeprefix("Bearer "), scope):
                return None
            asked = f',scope="repository:{name}:{action}"' if name else ""
            challenge = f'Bearer realm="{registry.url}/token",service="fake"{asked}'
        else:
            return None
        refusal = _json(401, _errors("UNAUTHORIZED", "authentication required"))
        return replace(refusal, headers={**refusal.headers, "WWW-Authenticate": challenge})

    def _user(self, shown: str) -> str:
        if not shown.startswith("Basic "):
            return ""
        user, _, password = base64.b64decode(shown[6:]).decode().partition(":")
        return user if self.registry.users.get(user) == password else ""

    def _token(
        self, fields: dict[str, str], query: dict[str, str], headers: dict[str, str], body: bytes
    ) -> Answer:
        registry = self.registry
        if self.command == "POST":
            form = {key: values[0] for key, values in parse_qs(body.decode()).items()}
            user = registry.identity_tokens.get(form.get("refresh_token", ""), "")
            wanted = form.get("scope", "").split()
            refused = not user
        else:
            user = self._user(headers.get("authorization", ""))
            wanted = parse_qs(urlsplit(self.path).query).get("scope", [])
            refused = "authorization" in headers and not user
        if refused or (registry.private and not user):
            return _json(401, json.dumps({"details": "incorrect username or password"}).encode())
        granted = {""}
        for scope in wanted:
            _, name, actions = scope.split(":")
            granted |= {
                f"{name}:{action}" for action in actions.split(",") if action == "pull" or user
            }
        answer = {"token": registry.new_token(granted), "expires_in": registry.expires_in}
        return _json(200, json.dumps(answer).encode())

    def _root(self, *_: object) -> Answer:
        return _json(200, b"{}")

    def _tags(
        self, fields: dict[str, str], query: dict[str, str], headers: dict[str, str], body: bytes
    ) -> Answer:
        known = self.registry.manifests.get(fields["name"])
        if known is None:
            return _json(404, _errors("NAME_UNKNOWN", "repository name not known to registry"))
        tags = sorted(name for name in known if not name.startswith("sha256:"))
        start = tags.index(query["last"]) + 1 if "last" in query else 0
        page = tags[start : start + self.registry.page]
        answer = _json(200, json.dumps({"name": fields["name"], "tags": page or None}).encode())
        if start + self.registry.page < len(tags):
            link = f'</v2/{fields["name"]}/tags/list?last={page[-1]}>; rel="next"'
            return replace(answer, headers={**answer.headers, "Link": link})
        return answer

    def _manifest(
        self, fields: dict[str, str], query: dict[str, str], headers: dict[str, str], body: bytes
    ) -> Answer:
        name, reference = fields["name"], fields["reference"]
        if self.command == "PUT":
            tag = "" if reference.startswith("sha256:") else reference
            digest = self.registry.add_manifest(name, tag, body, headers["content-type"])
            answer = {"Docker-Content-Digest": digest, "Location": self.path}
            subject = json.loads(body).get("subject")
            if self.registry.referrers and subject:
                answer["OCI-Subject"] = subject["digest"]
            return Answer(201, answer)
        known = self.registry.manifests.get(name, {})
        if reference not in known:
            return _json(404, _errors("MANIFEST_UNKNOWN", "manifest unknown"))
        media_type, raw = known[reference]
        digest = "sha256:" + hashlib.sha256(raw).hexdigest()
        if self.command == "DELETE":
            if not self.registry.deletes:
                return _json(405, _errors("UNSUPPORTED"))
            for key in [key for key, value in known.items() if value[1] == raw]:
                del known[key]
            return Answer(202, {})
        return Answer(
            200,
            {
                "Content-Type": media_type,
                "Content-Length": str(len(raw)),
                "Docker-Content-Digest": digest,
            },
            raw,
        )

    def _referrers(
        self, fields: dict[str, str], query: dict[str, str], headers: dict[str, str], body: bytes
    ) -> Answer:
        if not self.registry.referrers:
            return Answer(404, {"Content-Type": "text/plain", "Content-Length": "0"})
        found = []
        for digest, (media_type, raw) in self.registry.manifests.get(fields["name"], {}).items():
            document = json.loads(raw)
            about = (document.get("subject") or {}).get("digest")
            if about == fields["digest"] and digest.startswith("sha256:"):
                entry = {"mediaType": media_type, "digest": digest, "size": len(raw)}
                entry["artifactType"] = document.get("artifactType", "")
                found.append({**entry, "annotations": document.get("annotations") or {}})
        start = int(query.get("from", 0))
        page = found[start : start + self.registry.page]
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": page}
        answer = _json(200, json.dumps(index).encode())
        more = {"Content-Type": OCI_INDEX}
        if start + self.registry.page < len(found):
            following = f"/v2/{fields['name']}/referrers/{fields['digest']}"
            more["Link"] = f'<{following}?from={start + self.registry.page}>; rel="next"'
        return replace(answer, headers={**answer.headers, **more})

    def _uploads(
        self, fields: dict[str, str], query: dict[str, str], headers: dict[str, str], body: bytes
    ) -> Answer:
        name = fields["name"]
        data = self.registry.blobs.get(query.get("from", ""), {}).get(query.get("mount", ""))
        if data is not None and self.registry.mounts:
            self.registry.add_blob(name, data)
            return Answer(201, {"Location": f"/v2/{name}/blobs/{query['mount']}"})
        place = f"upload-{len(self.registry.requests)}"
        self.registry.uploads[place] = bytearray()
        return Answer(202, {"Location": f"/v2/{name}/blobs/uploads/{place}?state=x"})

    def _upload(
        self, fields: dict[str, str], query: dict[str, str], headers: dict[str, str], body: bytes
    ) -> Answer:
        name, place = fields["name"], fields["id"]
        upload = self.registry.uploads.get(place)
        if upload is None:
            return _json(404, _errors("BLOB_UPLOAD_UNKNOWN", "upload unknown"))
        here = {"Location": f"/v2/{name}/blobs/uploads/{place}?state=x"}
        if self.command == "DELETE":
            del self.registry.uploads[place]
            return Answer(204, {})
        upload += body
        here["Range"] = f"0-{max(len(upload) - 1, 0)}"
        if self.command == "GET":
            return Answer(204, here)
        if self.command == "PATCH":
            return Answer(202, here)
        digest = "sha256:" + hashlib.sha256(upload).hexdigest()
        if digest != query.get("digest"):
            return _json(400, _errors("DIGEST_INVALID", "provided digest did not match"))
        self.registry.add_blob(name, bytes(upload))
        del self.registry.uploads[place]
        return Answer(201, {"Docker-Content-Digest": digest, "Location": self.path})

    def _blob(
        self, fields: dict[str, str], query: dict[str, str], headers: dict[str, str], body: bytes
    ) -> Answer:
        data = self.registry.blobs.get(fields["name"], {}).get(fields["digest"])
        if data is None:
            return _json(404, _errors("BLOB_UNKNOWN", "blob unknown to registry"))
        return self._bytes(data, headers)

    def _elsewhere(
        self, fields: dict[str, str], query: dict[str, str], headers: dict[str, str], body: bytes
    ) -> Answer:
        """Blobs as a CDN has them: no repositories, no logins."""
        for blobs in self.registry.blobs.values():
            if fields["digest"] in blobs:
                return self._bytes(blobs[fields["digest"]], headers)
        return Answer(404, {"Content-Type": "text/plain"}, b"no such object")

    def _bytes(self, data: bytes, headers: dict[str, str]) -> Answer:
        told = {"Content-Type": "application/octet-stream", "Content-Length": str(len(data))}
        if not self.registry.ranges:
            return Answer(200, told, data)
        told["Accept-Ranges"] = "bytes"
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", headers.get("range", ""))
        if not asked:
            return Answer(200, told, data)
        start, stop = int(asked[1]), int(asked[2]) + 1 if asked[2] else len(data)
        part = data[start:stop]
        told["Content-Length"] = str(len(part))
        told["Content-Range"] = f"bytes {start}-{start + len(part) - 1}/{len(data)}"
        return Answer(206, told, part)

    def _send(self, answer: Answer) -> None:
        if answer.hang_after == 0:
            self.registry.stopping.wait()
        if answer.break_after == 0:
            return self._reset()
        self.send_response_only(answer.status)
        headers = {"Date": self.date_time_string(), **answer.headers}
        if "Connection" not in headers and answer.status != 204:
            headers.setdefault("Content-Length", str(len(answer.body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return None
        cut = answer.break_after if answer.break_after is not None else answer.hang_after
        self.wfile.write(answer.body[:cut])
        self.wfile.flush()
        if answer.hang_after is not None:
            self.registry.stopping.wait()
        if answer.break_after is not None:
            self._reset()
        return None

    def _reset(self) -> None:
        """End the connection as a crash does; what was sent still arrives."""
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def reset(answer: Answer) -> Answer:
    """The connection ends before the answer."""
    return replace(answer, break_after=0)


def _json(status: int, body: bytes) -> Answer:
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    return Answer(status, headers, body)
