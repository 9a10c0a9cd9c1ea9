"""Ordinary users: images, builds and containers in a user namespace of their own."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.conftest import Registry, free_port, need_tool, unmounted
from tests.system.ordinary import FIRST, UID, User, new_user


def ended(user: User) -> None:
    """Remove what runs, and wait until the user's processes are gone."""
    names = user("ps", "-aq", check=False).stdout.split()
    if names:
        user("rm", "-f", *names)
    deadline = time.monotonic() + 10
    while processes() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes() == []
    if (user.root / "format").exists():
        unmounted(user.root)


def processes() -> list[str]:
    """What runs as the user, or as one of its subordinate ids."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            uid = place.stat().st_uid
            if uid == UID or FIRST <= uid < FIRST + 65536:
                found.append((place / "cmdline").read_text())
        except OSError:
            continue
    return found


@pytest.fixture
def user(tmp_path: Path, busybox_tar: Path) -> Iterator[User]:
    """A user with 65536 subordinate ids and the image `busybox`."""
    found = new_user(tmp_path, ids=65536)
    bring(found, busybox_tar)
    yield found
    ended(found)


@pytest.fixture
def lonely(tmp_path: Path, busybox_tar: Path) -> Iterator[User]:
    """A user with no subordinate ids at all."""
    found = new_user(tmp_path, ids=0)
    bring(found, busybox_tar)
    yield found
    ended(found)


def bring(user: User, tar: Path) -> None:
    own = user.place / "home" / "busybox.tar"
    own.write_bytes(tar.read_bytes())
    os.chown(own, UID, UID)
    user("import", "--change", 'CMD ["/bin/sh"]', str(own), "busybox:latest")


def dockerfile(user: User, text: str) -> str:
    path = user.place / "home" / "context"
    path.mkdir(exist_ok=True)
    (path / "Dockerfile").write_text(text)
    (path / "file").write_text("from the context\n")
    return str(path)


ALONE = ("--network", "none")


def test_a_container_of_many_ids(user: User) -> None:
    seen = user("run", "--rm", *ALONE, "busybox", "sh", "-c", "id -u; cat /proc/self/uid_map")
    first, own, others = seen.stdout.splitlines()
    assert first == "0"
    assert own.split() == ["0", str(UID), "1"]
    assert others.split() == ["1", str(FIRST), "65536"]
    as_other = user("run", "--rm", *ALONE, "-u", "1000:1000", "busybox", "id")
    assert as_other.stdout.startswith("uid=1000 gid=1000")


def test_files_of_containers_belong_to_subordinate_ids(user: User) -> None:
    line = "touch /mine; chown 5:6 /mine; chmod 4755 /mine; mkdir /gone; rmdir /home"
    user("run", "--name", "owner", *ALONE, "busybox", "sh", "-c", line)
    [upper] = (user.root / "containers").glob("*/upper")
    status = (upper / "mine").stat()
    assert (status.st_uid, status.st_gid) == (FIRST + 4, FIRST + 5)
    assert user("diff", "owner").stdout.split() == ["A", "/gone", "D", "/home", "A", "/mine"]
    user("commit", "owner", "owned")
    listed = user("run", "--rm", *ALONE, "owned", "ls", "-ln", "/mine").stdout.split()
    assert (listed[0], listed[2:4]) == ("-rwsr-xr-x", ["5", "6"])
    assert user("run", "--rm", *ALONE, "owned", "ls", "/home", check=False).returncode == 1
    assert user("verify").returncode == 0


def test_in_the_background(user: User) -> None:
    user("run", "-d", "--name", "web", *ALONE, "busybox", "sh", "-c", "echo up; sleep 1000")
    assert user("exec", "web", "id", "-u").stdout == "0\n"
    assert user("exec", "-u", "7", "web", "id", "-u").stdout == "7\n"
    assert user("logs", "web").stdout == "up\n"
    assert user("ps", "--format", "{{.Names}} {{.State}}").stdout == "web running\n"
    user("cp", "web:/etc/passwd", "copied")
    assert (user.place / "home" / "copied").stat().st_uid == UID
    user("stop", "-t", "0", "web")
    assert user("start", "web").stdout == "web\n"
    assert user("restart", "-t", "0", "web").stdout == "web\n"


def test_a_build(user: User) -> None:
    text = (
        "FROM busybox\nCOPY --chown=3:4 file /copied\n"
        "RUN echo made > /made && chown 8:9 /made && rm -rf /home\n"
        "RUN mkdir /d && touch /d/x\nRUN rm -rf /d && mkdir /d\nUSER 1000\nCMD id -u\n"
    )
    user("build", "-q", "-t", "built", dockerfile(user, text))
    assert user("run", "--rm", *ALONE, "built").stdout == "1000\n"
    listed = user("run", "--rm", *ALONE, "built", "ls", "-ln", "/copied", "/made").stdout
    assert [line.split()[2:4] for line in listed.splitlines()] == [["3", "4"], ["8", "9"]]
    assert user("run", "--rm", *ALONE, "built", "ls", "/d").stdout == ""
    again = user("build", "-t", "built", dockerfile(user, text))
    assert again.stderr.count("CACHED") >= 3


def test_to_a_registry_and_back(user: User, registry: Registry) -> None:
    name = f"{registry.host}/rootless/app:1"
    text = "FROM busybox\nRUN touch /f && chown 5:6 /f && chmod 2751 /f\n"
    user("build", "-q", "-t", name, dockerfile(user, text))
    user("push", name)
    before = user("inspect", "-f", "{{.Id}}", name).stdout
    user("rmi", name)
    user("pull", name)
    assert user("inspect", "-f", "{{.Id}}", name).stdout == before
    assert user("verify").returncode == 0
    listed = user("run", "--rm", *ALONE, name, "ls", "-ln", "/f").stdout.split()
    assert (listed[0], listed[2:4]) == ("-rwxr-s--x", ["5", "6"])


def test_the_rest_of_what_images_are_for(user: User) -> None:
    text = "FROM busybox\nRUN dd if=/dev/zero of=/big bs=1k count=100 2>/dev/null\nRUN rm /big\n"
    user("build", "-q", "-t", "fat", dockerfile(user, text))
    assert "deleted" in user("explain", "fat").stdout
    user("slim", "fat", "-t", "thin")
    assert "deleted" not in user("explain", "thin").stdout
    user("save", "-o", "fat.tar", "fat")
    user("rmi", "fat")
    user("load", "-i", "fat.tar")
    user("recover", "fat", "/big", "-o", "big")
    assert (user.place / "home" / "big").stat().st_size == 102400
    assert "Rootless: yes" in user("info").stdout


def test_without_subordinate_ids_there_is_one(lonely: User) -> None:
    seen = lonely("run", "--rm", *ALONE, "busybox", "sh", "-c", "id -u; cat /proc/self/uid_map")
    assert [line.split() for line in seen.stdout.splitlines()] == [["0"], ["0", str(UID), "1"]]
    text = "FROM busybox\nRUN echo one > /one && rm -rf /home\nCOPY file /copied\n"
    lonely("build", "-q", "-t", "one", dockerfile(lonely, text))
    assert lonely("run", "--rm", *ALONE, "one", "cat", "/one", "/copied").stdout == (
        "one\nfrom the context\n"
    )
    other = lonely("run", "--rm", *ALONE, "-u", "1000", "busybox", "id", check=False)
    assert other.returncode in {125, 126}
    assert "1000" in other.stderr
    assert "Traceback" not in other.stderr


def test_limits_that_cannot_be_set_are_told_once(user: User) -> None:
    done = user("run", "--rm", *ALONE, "--memory", "64m", "busybox", "true")
    assert len(done.stderr.splitlines()) == 1
    assert "memory" in done.stderr.lower()


def test_a_published_port(user: User) -> None:
    need_tool("pasta", "passt")
    port = str(free_port())
    serve = "echo hello > /index.html; httpd -f -p 80 -h /"
    user("run", "-d", "--name", "web", "-p", f"{port}:80", "busybox", "sh", "-c", serve)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        got = user.run("busybox", "wget", "-qO-", f"http://127.0.0.1:{port}/").stdout
        if got:
            break
        time.sleep(0.05)  # the server in there may not listen yet
    assert got == "hello\n"
    assert f"0.0.0.0:{port}" in user("port", "web").stdout


def test_the_default_network_or_why_not(user: User) -> None:
    done = user("run", "--rm", "busybox", "true", check=False)
    if done.returncode:
        assert "pasta" in done.stderr or "slirp4netns" in done.stderr
    own = user("run", "--rm", "--network", "host", "busybox", "cat", "/proc/net/dev").stdout
    assert own.count(":") >= 1


def test_networks_that_containers_share_are_roots(user: User) -> None:
    done = user("network", "create", "lan", check=False)
    assert done.returncode == 1
    assert "an ordinary user's containers have a network each of their own" in done.stderr
    assert "lan" not in user("network", "ls", "--format", "{{.Name}}").stdout.split()
