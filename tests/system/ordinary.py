"""An ordinary user of this machine, for a test: who is in no file of /etc but in private copies."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.rights import need_root
from tests.system.conftest import need_tool

SOURCE = Path(__file__).parents[2] / "src"
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
UID = 12345 + _WORKER
FIRST = 3_000_000 + 100_000 * _WORKER
"""The user's first subordinate id; tests at the same time have users of their own."""
_START = "from lamina.cli.entry import main; main()"
_ENTER = """
for file in passwd group subuid subgid; do mount --bind "$0/etc/$file" "/etc/$file"; done
exec setpriv --reuid {uid} --regid {uid} --clear-groups env -i HOME="$0/home" PATH="$PATH" \
    PYTHONPATH="$PYTHONPATH" LAMINA_ROOT="$0/home/store" "$@"
"""


@dataclass(frozen=True)
class User:
    """The `lamina` command as an ordinary user runs it."""

    place: Path
    python: str

    @property
    def root(self) -> Path:
        return self.place / "home" / "store"

    def __call__(
        self, *args: str, check: bool = True, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run one command; when `check`, an exit status other than 0 fails the test."""
        done = self.run(self.python, "-c", _START, *args, stdin=stdin)
        if check and done.returncode != 0:
            said = f"exit status {done.returncode}\n{done.stdout}{done.stderr}"
            pytest.fail(f"lamina {' '.join(args)}: {said}")
        return done

    def run(self, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run any program as that user."""
        paths = f"{SOURCE}:{sysconfig.get_path('purelib')}"
        return subprocess.run(
            ["unshare", "-m", "sh", "-c", _ENTER.format(uid=UID), str(self.place), *words],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            check=False,
            cwd=self.place / "home",
            env={"PATH": os.environ["PATH"] + ":/usr/sbin:/sbin", "PYTHONPATH": paths},
        )


def new_user(place: Path, *, ids: int) -> User:
    """A user with so many subordinate ids, whose files are below `place`.

    Skips where nobody but root can reach this checkout or an interpreter like ours.
    """
    need_root("being somebody else")
    for tool, package in (("setpriv", "util-linux"), ("newuidmap", "uidmap")):
        need_tool(tool, package)
    etc, home = place / "etc", place / "home"
    etc.mkdir()
    home.mkdir()
    os.chown(home, UID, UID)
    for file, line in (
        ("passwd", f"tester:x:{UID}:{UID}::/home:/bin/sh"),
        ("group", f"tester:x:{UID}:"),
    ):
        (etc / file).write_text(Path("/etc", file).read_text().rstrip("\n") + f"\n{line}\n")
    for file in ("subuid", "subgid"):
        (etc / file).write_text(f"tester:{FIRST}:{ids}\n" if ids else "")
        Path("/etc", file).touch()
    for directory in (place, *place.parents):
        if directory.owner() == "root" and directory != Path("/"):
            directory.chmod(directory.stat().st_mode | 0o011)
    user = User(place, _python(place))
    if user.run("cat", str(SOURCE / "lamina" / "__init__.py")).returncode != 0:
        pytest.skip("this checkout lies where only root can read")
    return user


def _python(place: Path) -> str:
    """An interpreter of our version that everybody may execute."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for found in (shutil.which(version, path="/usr/bin:/usr/local/bin"), sys.executable):
        if found is None:
            continue
        tried = User(place, found).run(found, "-c", "import msgspec, click")
        if tried.returncode == 0:
            return found
    pytest.skip(f"needs a {version} that ordinary users may execute")
