"""The tests as an ordinary user of this machine: `python -m tests.as_user [PYTEST ARGUMENTS]`.

For root, who starts pytest with the rights of a user that is in no file of /etc but in
copies, in a mount namespace of its own.  LAMINA_TEST_AS_USER tells the fixtures; what does
root's work in the test's own process is skipped there, what uses the command line is not.
Options before pytest's own: `--single` is a user without subordinate ids; with `--inside`
pytest itself is root of the user's namespace, for tests that do the work in their process.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

UID = 12999
IDS = 4_000_000
SYSTEM = Path(__file__).parent / "system"
_OUTSIDE = ("-m", "pytest")
_INSIDE = """
import os, pathlib, sys
from lamina.cli.rootless import enter
enter(pathlib.Path(os.environ["HOME"], "namespace"))
del os.environ["LAMINA_ROOT"]
import pytest
sys.path.insert(0, os.getcwd())
sys.exit(pytest.main(sys.argv[1:]))
"""


def main(arguments: list[str]) -> int:
    """Run pytest; returns its exit status."""
    if os.geteuid() != 0:
        print("this becomes an ordinary user, so it has to be started by root", file=sys.stderr)
        return 2
    options = {each for each in arguments[:2] if each in ("--single", "--inside")}
    arguments = arguments[len(options) :]
    place = Path(tempfile.mkdtemp(prefix="lamina-as-user-"))
    try:
        place.chmod(0o711)
        script = "\n".join(["set -e", *_mounts(place, single="--single" in options), 'exec "$@"'])
        command = ["unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh"]
        command += ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups"]
        command += [sys.executable, *(("-c", _INSIDE) if "--inside" in options else _OUTSIDE)]
        command += ["-p", "no:cacheprovider", f"--basetemp={place}/home/tmp"]
        command += arguments or [str(SYSTEM)]
        env = _environment(place)
        if "--inside" in options:
            del env["LAMINA_TEST_AS_USER"]
        return subprocess.run(command, env=env, check=False).returncode
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _mounts(place: Path, *, single: bool) -> list[str]:
    """The lines of shell that let the user be somebody, and reach this Python."""
    etc, home = place / "etc", place / "home"
    etc.mkdir()
    home.mkdir()
    os.chown(home, UID, UID)
    entry = f"tester:x:{UID}:{UID}::{home}:/bin/sh"
    for name, line in (("passwd", entry), ("group", f"tester:x:{UID}:")):
        (etc / name).write_text(Path("/etc", name).read_text().rstrip("\n") + f"\n{line}\n")
    for name in ("subuid", "subgid"):
        Path("/etc", name).touch()
        (etc / name).write_text("" if single else f"tester:{IDS}:65536\n")
    lines = [f"mount --bind '{each}' '/etc/{each.name}'" for each in sorted(etc.iterdir())]
    return [*lines, *_reachable(Path(sys.executable).resolve().parents[1], place)]


def _reachable(needed: Path, place: Path) -> list[str]:
    """Lines that show `needed` also where a directory above it is root's alone."""
    for above in reversed(needed.parents):
        if not above.stat().st_mode & 0o001:
            (place / "python").mkdir()
            return [
                f"mount --bind '{needed}' '{place}/python'",
                f"mount -t tmpfs -o mode=755 tmpfs '{above}'",
                f"mkdir -p '{needed}'",
                f"mount --move '{place}/python' '{needed}'",
            ]
    return []


def _environment(place: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TERM") if name in os.environ}
    home = f"{place}/home"
    return {
        **kept,
        "HOME": home,
        "TMPDIR": home,
        "LAMINA_TEST_AS_USER": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "HYPOTHESIS_STORAGE_DIRECTORY": f"{home}/hypothesis",
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
