"""The base images that cases stand on: made once with Lamina, then kept in `.cache/`."""

from __future__ import annotations

import fcntl
import hashlib
import os
import ssl
import subprocess
import tempfile
from pathlib import Path

from tests.slimming.case import Base
from tests.system.conftest import CACHE, COMMAND, unmounted

_INSTALL = "apt-get install -y --no-install-recommends"
_CLEAN = "rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/*.log /var/log/apt"
DOCKERFILES: dict[Base, str] = {
    # The packages' own clients have to trust what this host trusts: a mirror may be between.
    "python": f"""\
FROM debian:bookworm
RUN apt-get update && {_INSTALL} python3 python3-pip python3-venv && {_CLEAN}
COPY ca-certificates.crt /usr/local/share/trusted.crt
ENV PIP_CERT=/usr/local/share/trusted.crt PIP_BREAK_SYSTEM_PACKAGES=1
""",
    "node": f"""\
FROM debian:bookworm AS npm
ADD https://registry.npmjs.org/npm/-/npm-10.8.2.tgz /npm.tgz
RUN mkdir /npm && tar -xzf /npm.tgz -C /npm --strip-components=1 && chmod +x /npm/bin/*
FROM debian:bookworm
RUN apt-get update && {_INSTALL} nodejs && {_CLEAN}
COPY --from=npm /npm /usr/local/lib/node_modules/npm
RUN cd /usr/local/bin && ln -s ../lib/node_modules/npm/bin/npm-cli.js npm && \\
    ln -s ../lib/node_modules/npm/bin/npx-cli.js npx
COPY ca-certificates.crt /usr/local/share/trusted.crt
ENV NODE_EXTRA_CA_CERTS=/usr/local/share/trusted.crt
""",
    "tools": f"""\
FROM debian:bookworm
RUN apt-get update && {_INSTALL} nginx-light redis-server sqlite3 curl libcap2-bin tcc \\
    libc6-dev git perl && {_CLEAN}
""",
}
"""Of the bases that are built; debian and busybox are made from packages."""


NO_NETWORK = (
    "Temporary failure resolving",
    "Temporary failure in name resolution",
    "Could not resolve",
    "Could not connect",
    "Network is unreachable",
    "EAI_AGAIN",
    "ENOTFOUND",
)
"""What programs say that ask a server and get no answer."""


class NoBases(Exception):
    """The base images cannot be made here; says why."""


def archive(debian: Path) -> Path:
    """An archive with `debian:bookworm` and every base that is built on it.

    `debian` is the tar of the distribution.  Raises NoBases: no network, mostly.
    """
    key = hashlib.sha256(f"{DOCKERFILES}".encode()).hexdigest()[:12]
    path = CACHE / f"slimming-{key}.tar"
    if path.exists():
        if not os.access(path, os.R_OK):
            raise NoBases(f"{path.name} is root's to read")
        return path
    # Workers of one run share the file: the first makes it, the others wait for it.
    with (CACHE / "slimming.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            for old in CACHE.glob("slimming-*.tar"):
                old.unlink()
            _make(debian, path)
    return path


def _make(debian: Path, path: Path) -> None:
    partial = path.with_suffix(".partial")
    with tempfile.TemporaryDirectory(prefix="slimming-", dir=CACHE) as directory:
        root, context = Path(directory) / "root", Path(directory) / "context"
        context.mkdir()
        (context / "ca-certificates.crt").write_bytes(_trusted())
        try:
            _lamina(root, "import", "--change", 'CMD ["bash"]', str(debian), "debian:bookworm")
            for name, text in DOCKERFILES.items():
                (context / "Dockerfile").write_text(text)
                network = ("--network", "host", "--allow", "network.host")
                _lamina(root, "build", *network, "-t", name, str(context))
            _lamina(root, "save", "-o", str(partial), "debian:bookworm", *DOCKERFILES)
        finally:
            unmounted(root)
    partial.chmod(0o644)
    partial.rename(path)


def _trusted() -> bytes:
    """The certificates that programs of this host trust."""
    named = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile or ""
    places = [Path(named), Path("/etc/ssl/certs/ca-certificates.crt")]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise NoBases("this host has no file of certificates")
    return found.read_bytes()


def _lamina(root: Path, *words: str) -> None:
    done = subprocess.run(
        [str(COMMAND), "--root", str(root), *words], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NoBases(f"lamina {words[0]}: {done.stderr[-300:]}")
