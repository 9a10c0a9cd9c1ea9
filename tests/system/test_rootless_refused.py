"""User namespaces that are not to be had: what refuses is named, and how to change it."""

from __future__ import annotations

import errno
import os
import pwd  # noqa: F401 - imported while this process may still read it
from collections.abc import Callable
from pathlib import Path

import pytest

from lamina.cli import rootless
from lamina.errors import EngineError
from lamina.linux import syscall
from tests.rights import need_root

UID = 12997


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A directory of the user's, reached by everybody."""
    need_root("being somebody else")
    for directory in (tmp_path, *tmp_path.parents):
        if directory != Path("/") and directory.owner() == "root":
            directory.chmod(directory.stat().st_mode | 0o011)
    place = tmp_path / "home"
    place.mkdir()
    os.chown(place, UID, UID)
    return place


def refused(root: Path, before: Callable[[], object]) -> str:
    """What an ordinary user is told who enters `root`, in a namespace where root did `before`.

    That namespace has all ids, so root of it can be anybody and its limits are its own.
    """
    ready, tell = os.pipe()
    go, mapped = os.pipe()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            syscall.unshare(syscall.CLONE_NEWUSER)
            os.write(tell, b"!")
            os.read(go, 1)
            before()
            os.setgroups([])
            os.setresgid(UID, UID, UID)
            os.setresuid(UID, UID, UID)
            syscall.prctl(syscall.PR_SET_DUMPABLE, 1)  # as a program that the user starts
            rootless.enter(root)
        except EngineError as error:
            os.write(writer, f"{error}\n{error.hint}".encode())
        except BaseException as error:  # noqa: BLE001 - the test reads it
            os.write(writer, f"unexpected: {error!r}".encode())
        finally:
            os._exit(0)
    os.read(ready, 1)
    for kind in ("uid", "gid"):
        Path(f"/proc/{pid}/{kind}_map").write_text("0 0 65536")
    os.write(mapped, b"!")
    os.waitpid(pid, 0)
    for fd in (ready, tell, go, mapped, writer):
        os.close(fd)
    with open(reader, "rb") as said:
        return said.read().decode()


def test_no_user_namespaces_at_all(home: Path) -> None:
    def none() -> None:
        Path("/proc/sys/user/max_user_namespaces").write_text("0")

    said = refused(home / "store", none)
    assert said.splitlines()[0].startswith("this user may not make user namespaces: ")
    assert said.splitlines()[1] == "sudo sysctl user.max_user_namespaces=15000"


@pytest.mark.parametrize(
    ("switches", "remedy"),
    [
        ({"kernel/unprivileged_userns_clone": "0"}, "kernel.unprivileged_userns_clone=1"),
        (
            {
                "kernel/unprivileged_userns_clone": "1",
                "kernel/apparmor_restrict_unprivileged_userns": "1",
            },
            "kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        ({}, "seccomp"),
    ],
)
def test_a_switch_that_is_off_is_named(
    switches: dict[str, str], remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rootless, "_sysctl", lambda name: switches.get(name, ""))
    assert remedy in rootless._remedy(PermissionError(errno.EPERM, "unshare"))


def test_a_single_id_is_enough(home: Path) -> None:
    assert refused(home / "store", lambda: None) == ""
    assert (home / "store" / "userns").read_text().splitlines()[1:] == [f"0 {UID} 1"] * 2


def test_ids_that_were_taken_away(home: Path) -> None:
    store = home / "store"
    store.mkdir()
    rows = f"0 {UID} 1,1 700000 10"
    (store / "userns").write_text(f"0\n{rows}\n{rows}\n")
    for path in (store, store / "userns"):
        os.chown(path, UID, UID)
    said = refused(store, lambda: None)
    assert "belong to ids that this user no longer has in /etc/subuid" in said
    assert "700000-700009" in said


def test_a_store_of_somebody_elses(home: Path) -> None:
    other = home / "other"
    other.mkdir(mode=0o700)
    os.chown(other, UID + 1, UID + 1)
    said = refused(other, lambda: None)
    assert str(other) in said
    assert "unexpected" not in said
