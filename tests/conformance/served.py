"""What cases fetch: a server of files and of a repository, on loopback, always the same."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.conformance.case import file, tar

TEXT = "what the server gives\n"
TEXT_SHA256 = hashlib.sha256(TEXT.encode()).hexdigest()
ARCHIVE = tar(file("p/a", "in the archive"), compression="gzip")
ARCHIVE_SHA256 = hashlib.sha256(ARCHIVE).hexdigest()
FILES = {"/text": TEXT.encode(), "/dir/text": TEXT.encode(), "/archive.tar.gz": ARCHIVE}
FILES["/dated"] = TEXT.encode()
_AUTHOR = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "n"), ("EMAIL", "n@n"), ("DATE", "1000000000 +0000"))
}


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/text")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif path in FILES:
            self.send_response(200)
            self.send_header("Content-Length", str(len(FILES[path])))
            if path == "/dated":
                self.send_header("Last-Modified", "Fri, 13 Feb 2009 23:31:31 GMT")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(FILES[path])
        else:
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()

    do_HEAD = do_GET  # noqa: N815 - the names are http.server's

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


@contextmanager
def serving(place: Path) -> Iterator[Mapping[str, str]]:
    """Serve files and a repository, kept in `place`, for the length of a block.

    Gives the words that cases have for it: HTTP and GIT, addresses without a slash at their
    end, and COMMIT, the first commit of the repository.
    """
    place.mkdir(exist_ok=True)
    commit = _repository(place / "sample.git", place / "work")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        with _git_daemon(place) as git:
            yield {"HTTP": f"http://127.0.0.1:{server.server_port}", "GIT": git, "COMMIT": commit}
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _repository(bare: Path, work: Path) -> str:
    """Make the repository `sample.git`; returns its first commit."""

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(work), *words],
            env={**os.environ, **_AUTHOR, "GIT_CONFIG_GLOBAL": os.devnull},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    work.mkdir()
    git("init", "-q", "-b", "main")
    (work / "readme").write_text("first\n")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    git("tag", "v1")
    git("checkout", "-q", "-b", "other")
    (work / "readme").write_text("branch\n")
    git("commit", "-q", "-a", "-m", "branch")
    git("checkout", "-q", "main")
    (work / "readme").write_text("second\n")
    (work / "sub").mkdir()
    (work / "sub" / "tool").write_text("#!/bin/sh\n")
    (work / "sub" / "tool").chmod(0o755)
    git("add", ".")
    git("commit", "-q", "-m", "second")
    git("clone", "-q", "--bare", str(work), str(bare))
    subprocess.run(
        ["git", "-C", str(bare), "config", "uploadpack.allowAnySHA1InWant", "true"], check=True
    )
    return git("rev-parse", "v1")


@contextmanager
def _git_daemon(place: Path) -> Iterator[str]:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    fixed = ["--export-all", "--reuseaddr", "--listen=127.0.0.1", f"--base-path={place}"]
    with subprocess.Popen(
        ["git", "daemon", *fixed, f"--port={port}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # Its own group: it starts children of its own.
        process_group=0,
    ) as process:
        try:
            _await(port, process)
            yield f"git://127.0.0.1:{port}"
        finally:
            os.killpg(process.pid, 15)


def _await(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with closing(socket.create_connection(("127.0.0.1", port), timeout=1)):
                return
        except OSError:
            time.sleep(0.02)  # a server gives no other sign that it listens
    raise AssertionError("git daemon did not start")
