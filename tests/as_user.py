"""The tests as an ordinary user of this machine: `python -m tests.as_user [PYTEST ARGUMENTS]`.

An ordinary user starts pytest like that; root does it with the rights of a user that is in
no file of /etc but in copies, in mount and process namespaces of its own, which take all
that the tests left with them.  Options before pytest's own: `--single` is a user without
subordinate ids and control groups; with `--inside` pytest itself is root of the user's
namespace, for tests that do root's work in their own process.
"""

from __future__ import annotations

import compileall
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import lamina
from lamina.linux.cgroup import ROOT
from lamina.linux.cgroup_tree import Hierarchy, delegate, hierarchies, read, remove, write

UID = 12999
IDS = 4_000_000
CHECKOUT = Path(__file__).parents[1]
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
_RUN = """
set +e
(for each in {groups}; do echo 0 >"$each/cgroup.procs"; done; exec "$@")
status=$?
for each in $(seq 50); do
    left=$(ps -N -u root -o pid=,args=)
    [ -n "$left" ] || exit $status
    sleep 0.2
done
printf 'the tests left processes behind:\\n%s\\n' "$left" >&2
exit 1
"""


def main(arguments: list[str]) -> int:
    """Run pytest; returns its exit status, and 1 where it left processes behind."""
    options = {each for each in arguments[:2] if each in ("--single", "--inside")}
    arguments = arguments[len(options) :]
    python = [sys.executable, *(("-c", _INSIDE) if "--inside" in options else _OUTSIDE)]
    if os.geteuid() != 0:
        if "--single" in options:
            print("only root starts the tests as a user without ids", file=sys.stderr)
            return 2
        return _run([*python, *arguments], os.environ)
    # The user may not write what Python makes of sources, and each command would make it anew.
    compileall.compile_dir(Path(lamina.__file__).parent, quiet=1)
    place = Path(tempfile.mkdtemp(prefix="lamina-as-user-"))
    try:
        place.chmod(0o711)
        with _groups(place.name, [] if "--single" in options else hierarchies(ROOT)) as groups:
            lines = ["set -e", *_user(place, single="--single" in options), *_reachable(place)]
            lines.append(_RUN.format(groups=" ".join(f"'{each}'" for each in groups)))
            command = ["unshare", "--mount", "--propagation=private", "--pid", "--fork"]
            command += ["--mount-proc", "--kill-child", "sh", "-c", "\n".join(lines), "sh"]
            command += ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", *python]
            command += ["-p", "no:cacheprovider", f"--basetemp={place}/home/tmp"]
            # Memory is short for what all of them leave.
            command += ["-o", "tmp_path_retention_policy=failed", *arguments]
            return _run(command, _environment(place))
    finally:
        shutil.rmtree(place)


def _run(command: list[str], environment: Mapping[str, str]) -> int:
    """Run to the end: Ctrl-C is pytest's, what ends this process ends all."""
    with subprocess.Popen(command, env=environment, cwd=CHECKOUT) as process:
        signal.signal(signal.SIGINT, lambda *_: None)
        for each in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, lambda *_: process.kill())
        return process.wait()


@contextmanager
def _groups(name: str, places: list[Hierarchy]) -> Iterator[list[str]]:
    """Control groups that are the user's, as a login gives them, for the length of a block."""
    made: list[str] = []
    try:
        for place in places:
            group = f"{place.base}/{name}"
            os.mkdir(group)
            made.append(group)
            if place.version == 2:
                controllers = read(f"{place.base}/cgroup.controllers").split()
                delegate(place.base, [], controllers, move=True)
            elif "cpuset" in place.controllers:
                for file in ("cpuset.cpus", "cpuset.mems"):
                    write(f"{group}/{file}", read(f"{place.base}/{file}"))
            for file in ("", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control", "tasks"):
                with suppress(FileNotFoundError):
                    os.chown(f"{group}/{file}", UID, UID)
        yield made
    finally:
        for group in made:
            remove(group)


def _user(place: Path, *, single: bool) -> list[str]:
    """The lines of shell that let the user be somebody."""
    etc, home = place / "etc", place / "home"
    etc.mkdir()
    home.mkdir()
    entry = f"tester:x:{UID}:{UID}::{home}:/bin/sh"
    for name, line in (("passwd", entry), ("group", f"tester:x:{UID}:")):
        (etc / name).write_text(Path("/etc", name).read_text().rstrip("\n") + f"\n{line}\n")
    for name in ("subuid", "subgid"):
        Path("/etc", name).touch()
        (etc / name).write_text("" if single else f"tester:{IDS}:65536\n")
    lines = [f"mount --bind '{each}' '/etc/{each.name}'" for each in sorted(etc.iterdir())]
    # In memory, since an ordinary user's layers are trees: many files, and much to remove.
    return [f"mount -t tmpfs -o mode=755,uid={UID},gid={UID} tmpfs '{home}'", *lines]


def _reachable(place: Path) -> Iterator[str]:
    """Lines that show Python and the checkout also where a directory above is root's alone."""
    closed = {}
    for each in (Path(sys.base_prefix).resolve(), Path(sys.prefix), CHECKOUT):
        if found := [above for above in each.parents if not above.stat().st_mode & 0o001]:
            closed[each] = found[-1]
    for number, each in enumerate(closed):
        (place / f"{number}").mkdir()
        yield f"mount --bind '{each}' '{place}/{number}'"
    for above in set(closed.values()):
        yield f"mount -t tmpfs -o mode=755 tmpfs '{above}'"
    for number, each in enumerate(closed):
        yield f"mkdir -p '{each}'"
        yield f"mount --move '{place}/{number}' '{each}'"


def _environment(place: Path) -> dict[str, str]:
    kept = ("PATH", "PYTHONPATH", "LANG", "TERM")
    home = f"{place}/home"
    return {
        **{name: os.environ[name] for name in kept if name in os.environ},
        "HOME": home,
        "TMPDIR": home,
        "XDG_RUNTIME_DIR": home,
        "PYTHONDONTWRITEBYTECODE": "1",
        "HYPOTHESIS_STORAGE_DIRECTORY": f"{home}/hypothesis",
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
