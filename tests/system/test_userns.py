"""Containers with users of their own: `--userns private` and `container:NAME`."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import struct
import subprocess
import tarfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path

import pytest

from tests.rights import need_root
from tests.system.conftest import COMMAND, Lamina, free_port, need_tool
from tests.system.machine import left, machine
from tests.system.ordinary import User, new_user
from tests.system.test_lifecycle import number, record, state, until
from tests.system.test_rootless import bring, ended

ALONE = ("--userns", "private", "--network", "none")
MAP = re.compile(r"\s*0 +(\d+) +65536\n")


@pytest.fixture(autouse=True)
def as_root() -> None:
    need_root("ids of the host")


@pytest.fixture
def store(busybox_store: Lamina) -> Iterator[Lamina]:
    yield busybox_store
    names = busybox_store("ps", "-aq").stdout.split()
    if names:
        busybox_store("rm", "-f", "-v", *names)


def detached(lamina: Lamina, name: str, *options: str, does: str = "sleep 1000") -> int:
    """A container that runs `does`; returns the pid of its first process."""
    lamina("run", "-d", "--name", name, *options, "busybox", "sh", "-c", does)
    return number(lamina, name, "pid")


def first_of(pid: int, kind: str = "uid") -> int:
    """The id of the host that root of a process's user namespace is."""
    found = MAP.fullmatch(Path(f"/proc/{pid}/{kind}_map").read_text())
    assert found is not None
    return int(found[1])


def shell(lamina: Lamina, *options: str, does: str) -> str:
    return lamina("run", "--rm", *options, "busybox", "sh", "-c", does).stdout


def namespaces(pid: int | str) -> dict[str, str]:
    names = ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup")
    return {name: os.readlink(f"/proc/{pid}/ns/{name}") for name in names}


def test_root_inside_is_nobody_outside(store: Lamina) -> None:
    pid = detached(store, "box", *ALONE)
    first = first_of(pid)
    assert first == first_of(pid, "gid")
    assert 0x70000000 <= first < 0x7FFE0000
    assert os.stat(f"/proc/{pid}").st_uid == first
    seen = store("exec", "box", "sh", "-c", "id -u; id -G; ls -ldn / /bin /etc/hosts | cut -c1-40")
    assert seen.stdout.splitlines()[:2] == ["0", "0"]
    assert all(re.search(r" 0 +0 ", line) for line in seen.stdout.splitlines()[2:])
    top = store("top", "box").stdout.splitlines()
    assert top[1].split()[0] == str(first)
    assert store("stats", "--no-stream", "--format", "{{.PIDs}}", "box").stdout == "1\n"


def test_all_namespaces_belong_to_its_own(store: Lamina) -> None:
    pid = detached(store, "box", "--userns", "private")
    ours, theirs = namespaces("self"), namespaces(pid)
    assert all(ours[name] != theirs[name] for name in ours)
    for name in theirs:
        if name == "user":
            continue
        owner = subprocess.run(
            ["lsns", "-n", "-r", "-o", "ONS,NS", "-p", str(pid), "-t", name],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        assert owner[0] == theirs["user"][6:-1], name


def test_two_containers_have_different_ids_and_keep_them(store: Lamina) -> None:
    one, other = (detached(store, name, *ALONE) for name in ("one", "other"))
    first = first_of(one)
    assert abs(first - first_of(other)) >= 65536
    store("restart", "-t", "0", "one")
    assert first_of(number(store, "one", "pid")) == first
    told = json.loads(store("inspect", "one").stdout)[0]["HostConfig"]
    assert told["UsernsMode"] == "private"
    assert told["IDMappings"] == {
        "UidMap": [f"0:{first}:65536"],
        "GidMap": [f"0:{first}:65536"],
    }
    assert record(store, "one")["settings"]["user_ids"] == {  # type: ignore[index]
        "uid": first,
        "gid": first,
        "count": 65536,
    }


WRITES = (
    "echo a >/new; chown 33:34 /new; mkdir /d; echo b >>/etc/passwd; chmod 4755 /new; rm /bin/ls"
)


def test_what_is_written_has_the_containers_owners(store: Lamina, tmp_path: Path) -> None:
    detached(store, "box", *ALONE, does=f"{WRITES}; sleep 1000")
    until(lambda: "/bin/ls" in store("diff", "box").stdout)
    upper = store.root / "containers" / str(record(store, "box")["id"]) / "upper"
    status = (upper / "new").stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (33, 34, 0o4755)
    assert (upper / "etc/passwd").stat().st_uid == 0
    changes = store("diff", "box").stdout.splitlines()
    assert changes == ["C /bin", "D /bin/ls", "A /d", "C /etc", "C /etc/passwd", "A /new"]
    exported = subprocess.run(
        [str(COMMAND), "--root", str(store.root), "export", "box"], capture_output=True, check=True
    ).stdout
    with tarfile.open(fileobj=BytesIO(exported)) as tar:
        member = tar.getmember("new")
        assert (member.uid, member.gid) == (33, 34)
        assert (tar.getmember("bin").uid, tar.getmember("etc/passwd").uid) == (0, 0)
    store("commit", "box", "made")
    for options in (("--network", "none"), ALONE):
        seen = store("run", "--rm", *options, "made", "stat", "-c", "%u:%g", "/new", "/d", "/bin")
        assert seen.stdout.split() == ["33:34", "0:0", "0:0"]
    store("stop", "-t", "0", "box")
    store("cp", "-a", "box:/new", str(tmp_path / "out"))
    assert (tmp_path / "out").stat().st_uid == 33


def test_cp_gives_and_takes_the_containers_owners(store: Lamina, tmp_path: Path) -> None:
    detached(store, "box", *ALONE, does="echo x >/x; chown 5:6 /x; sleep 1000")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "file").write_text("from outside")
    os.chown(tmp_path / "in" / "file", 7, 8)
    os.chown(tmp_path / "in", 70000, 8)
    store("cp", str(tmp_path / "in"), "box:/plain")
    store("cp", "-a", str(tmp_path / "in"), "box:/kept")
    seen = store(
        "exec", "box", "stat", "-c", "%u:%g", "/plain", "/plain/file", "/kept", "/kept/file"
    )
    assert seen.stdout.split() == ["0:0", "0:0", "0:8", "7:8"]  # 70000 is nobody in there
    store("cp", "-a", "box:/x", str(tmp_path / "x"))
    status = (tmp_path / "x").stat()
    assert (status.st_uid, status.st_gid) == (5, 6)
    command = [str(COMMAND), "--root", str(store.root), "cp"]
    out = subprocess.run([*command, "box:/kept", "-"], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=BytesIO(out)) as tar:
        assert (tar.getmember("kept/file").uid, tar.getmember("kept/file").gid) == (7, 8)
    subprocess.run([*command, "-a", "-", "box:/tmp"], input=out, check=True)
    assert store("exec", "box", "stat", "-c", "%u", "/tmp/kept/file").stdout == "7\n"


def test_a_setuid_program_and_one_with_capabilities(debian_store: Lamina) -> None:
    lamina = debian_store
    line = "cp /bin/id /bin/cat /opt; chmod 4755 /opt/id; echo secret >/closed; chmod 600 /closed"
    lamina("run", "-d", "--name", "box", *ALONE, "debian:bookworm", "sh", "-c",
           f"test -e /closed || {{ {line}; }}; exec sleep 1000")  # fmt: skip
    upper = lamina.root / "containers" / str(record(lamina, "box")["id"]) / "upper"
    until(lambda: (upper / "closed").exists() and (upper / "closed").stat().st_mode & 0o77 == 0)
    assert "euid=0(root)" in lamina("exec", "-u", "33", "box", "/opt/id").stdout
    dac_override = 1 << 1
    attribute = struct.pack("<5I", 0x02000001, dac_override, 0, 0, 0)
    lamina("stop", "-t", "0", "box")
    os.setxattr(upper / "opt/cat", "security.capability", attribute)
    lamina("start", "box")
    assert lamina("exec", "-u", "33", "box", "/opt/cat", "/closed").stdout == "secret\n"
    held = lamina("exec", "box", "grep", "CapEff", "/proc/self/status").stdout
    usual = lamina("run", "--rm", "--network", "none", "debian:bookworm", "grep", "CapEff",
                   "/proc/self/status").stdout  # fmt: skip
    assert held == usual
    tried = lamina("exec", "--privileged", "box", "mknod", "/x", "b", "8", "0", check=False)
    assert "not permitted" in tried.stderr
    lamina("rm", "-f", "box")


def test_volumes_keep_the_containers_owners_and_binds_the_hosts(
    store: Lamina, tmp_path: Path
) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(
        "FROM busybox\nRUN mkdir -p /data/in && chown 12:13 /data && echo x >/data/in/f"
        " && chown 14:15 /data/in/f\nVOLUME /own\n"
    )
    store("build", "-q", "-t", "withdata", str(context))
    (tmp_path / "host").mkdir()
    (tmp_path / "host").chmod(0o777)
    tmp_path.chmod(0o711)
    options = (*ALONE, "-v", "vol:/data", "-v", f"{tmp_path}/host:/host")
    line = "stat -c %u:%g /data /data/in/f /host /own; touch /data/new /own/new /host/new"
    first = store("run", "--name", "one", *options, "withdata", "sh", "-c", line).stdout.split()
    assert first == ["12:13", "14:15", "65534:65534", "0:0"]
    data = store.root / "volumes" / "vol" / "_data"
    assert [(data / name).stat().st_uid for name in ("", "in/f", "new")] == [12, 14, 0]
    ids = json.loads(store("inspect", "-f", "{{json .HostConfig.IDMappings.UidMap}}", "one").stdout)
    assert (tmp_path / "host" / "new").stat().st_uid == int(ids[0].split(":")[1])
    # Another container, with other ids, finds the same owners; so does one without any.
    for other in (ALONE, ("--network", "none")):
        again = store("run", "--rm", *other, "-v", "vol:/data", "withdata", "stat", "-c", "%u",
                      "/data", "/data/in/f", "/data/new")  # fmt: skip
        assert again.stdout.split() == ["12", "14", "0"]
    kept = store("run", "--rm", *ALONE, "--volumes-from", "one", "withdata", "stat", "-c", "%u",
                 "/own/new", "/data/new")  # fmt: skip
    assert kept.stdout.split() == ["0", "0"]


def test_a_volume_that_is_a_directory_of_the_host_is_not_mapped(
    store: Lamina, tmp_path: Path
) -> None:
    """A program that is setuid to its root must not be setuid to the host's."""
    place = tmp_path / "there"
    place.mkdir()
    place.chmod(0o777)
    store("volume", "create", "-o", "type=none", "-o", "o=bind", "-o", f"device={place}", "there")
    store("run", "--rm", *ALONE, "-v", "there:/d", "busybox", "sh", "-c",
          "cp /bin/busybox /d/b; chmod 4755 /d/b")  # fmt: skip
    assert (place / "b").stat().st_uid >= 0x70000000


def test_a_bridge_with_a_published_port_and_names(store: Lamina) -> None:
    port = free_port()
    store("network", "create", "lm-users")
    try:
        detached(
            store,
            "web",
            *("--userns", "private", "--network", "lm-users", "-p", f"127.0.0.1:{port}:80"),
            does="echo hello >/index.html; httpd -h /; sleep 1000",
        )
        until(lambda: _answer(port) == "hello\n")
        asked = shell(
            store, "--userns", "private", "--network", "lm-users",
            does="wget -qO- http://web/; ping -c1 web >/dev/null && echo ping; ls /sys/class/net;"
            " ip link add dummy0 type dummy 2>/dev/null || echo refused",
        )  # fmt: skip
        assert asked.split() == ["hello", "ping", "eth0", "lo", "refused"]
        # With the capability it rules its own network, and no other.
        mine = shell(
            store, "--userns", "private", "--cap-add", "NET_ADMIN",
            does="ip link set lo down && ip link set lo up && echo mine",
        )  # fmt: skip
        assert mine == "mine\n"
    finally:
        store("rm", "-f", "web", check=False)
        store("network", "rm", "lm-users")


def _answer(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=2) as reply:
            text: str = reply.read().decode()
            return text
    except OSError:
        return ""


def test_what_a_program_needs_of_its_surroundings(store: Lamina) -> None:
    seen = shell(
        store,
        *("--userns", "private", "--init", "--tmpfs", "/run:size=1m", "--shm-size", "2m"),
        *(
            "-u",
            "33:44",
            "--group-add",
            "55",
            "--ulimit",
            "nofile=100:200",
            "--oom-score-adj",
            "77",
        ),
        does="id; touch /dev/shm/x; grep -c /run /proc/mounts; df -k /dev/shm | tail -1;"
        " ulimit -n; cat /proc/self/oom_score_adj; echo to stderr >/dev/stderr; echo x >/dev/null;"
        " head -c2 /dev/urandom | wc -c; cat /proc/1/comm; cat /proc/keys | wc -c",
    ).splitlines()
    assert seen[0] == "uid=33 gid=44 groups=44,55"
    assert seen[1:3][0] == "1"
    assert seen[2].split()[1] == "2048"
    assert seen[3:] == ["100", "77", "2", "lamina-init", "0"]


@pytest.mark.parametrize(
    "options",
    [
        ("--network", "host"),
        ("--network", "none", "--pid", "host"),
        ("--network", "none", "--ipc", "host", "--uts", "host", "--cgroupns", "host"),
    ],
)
def test_what_is_shared_with_the_host(store: Lamina, options: Sequence[str]) -> None:
    does = "id -u; test -d /proc/self && ls /sys/class/net >/dev/null && echo there; touch /x"
    assert shell(store, "--userns", "private", *options, does=does) == "0\nthere\n"


def test_the_users_of_another_container(store: Lamina) -> None:
    pid = detached(store, "first", "--userns", "private", "-v", "vol:/v")
    with_pids = ("--pid", "container:first", "--ipc", "container:first")
    with_all = (*with_pids, "--network", "container:first")
    does = "cat /proc/self/uid_map; touch /v/x /y && stat -c %u /v/x /y; ps -o user,pid,args"
    seen = shell(store, "--userns", "container:first", *with_all, "-v", "vol:/v", does=does)
    assert seen.splitlines()[0].split() == ["0", str(first_of(pid)), "65536"]
    assert seen.splitlines()[1:3] == ["0", "0"]
    assert re.search(r"root +1 sleep 1000", seen)
    # Users of its own beside processes of another's: those are nobody here.
    apart = shell(store, "--userns", "private", *with_all, does="ps -o user,pid,args")
    assert re.search(r"nobody +1 sleep 1000", apart)
    plain = detached(store, "plain", "--network", "none")
    assert plain
    same = shell(store, "--userns", "container:plain", "--network", "none",
                 does="cat /proc/self/uid_map")  # fmt: skip
    assert same.split() == ["0", "0", "4294967295"]
    store("stop", "-t", "0", "first")
    refused = store("run", "--rm", "--userns", "container:first", "busybox", check=False)
    assert refused.returncode == 125
    assert "first is not running" in refused.stderr


def test_a_terminal_belongs_to_its_user(store: Lamina) -> None:
    line = "tty; stat -c %u:%g $(tty); echo written >/dev/stderr"
    run = ["run", "--rm", "-t", *ALONE, "busybox", "sh", "-c", line]
    assert _in_terminal(store, *run).split() == ["/dev/pts/0", "0:5", "written"]
    detached(store, "box", *ALONE)
    for user, owner in (("0", "0:5"), ("33:44", "33:5")):
        words = _in_terminal(store, "exec", "-t", "-u", user, "box", "sh", "-c", line).split()
        assert words[1:] == [owner, "written"]


def _in_terminal(lamina: Lamina, *args: str) -> str:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [str(COMMAND), "--root", str(lamina.root), *args],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ):
        os.close(theirs)
        said = b""
        while True:
            try:
                said += os.read(ours, 4096)
            except OSError:
                break
    os.close(ours)
    return said.decode()


def test_exec_and_health(store: Lamina) -> None:
    detached(
        store,
        "box",
        *(*ALONE, "--health-cmd", "touch /healthy && id -u | grep -q 0"),
        *("--health-interval", "100ms", "--oom-score-adj", "50"),
    )
    assert store("exec", "-i", "box", "cat", stdin="given").stdout == "given"
    line = "id -u; id -g; echo told >/dev/stderr; cat /proc/self/oom_score_adj; touch /by"
    done = store("exec", "-u", "33:44", "box", "sh", "-c", line, check=False)
    assert done.stdout.split() == ["33", "44", "50"]
    assert "told" in done.stderr
    assert store("exec", "box", "sh", "-c", "touch /mine; stat -c %u /mine").stdout == "0\n"
    nobody = store("exec", "-u", "70000", "box", "true", check=False)
    assert nobody.returncode == 126
    assert "no id 70000:0 in this user namespace" in nobody.stderr
    until(lambda: "(healthy)" in store("ps", "--format", "{{.Status}}").stdout)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--userns", "private", "--privileged"), "--privileged is for the host's user namespace"),
        (("--userns", "nonesuch"), "invalid user mode 'nonesuch'"),
        (("--userns", "container:nobody"), "no container nobody"),
        (("--userns", "private", "-u", "70000"), "no id 70000:0 in this user namespace"),
    ],
)
def test_what_is_refused(store: Lamina, options: Sequence[str], says: str) -> None:
    done = store("run", "--rm", "--network", "none", *options, "busybox", "true", check=False)
    assert done.returncode in {125, 126}
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert store("ps", "-aq").stdout == ""


def test_a_file_system_that_cannot_map_owners(store: Lamina, tmp_path: Path) -> None:
    store("volume", "create", "vol")
    data = store.root / "volumes" / "vol" / "_data"
    options = []
    for name in ("lower", "upper", "work"):
        (tmp_path / name).mkdir()
        options.append(f"{name}dir={tmp_path}/{name}")
    mounted = ["mount", "-t", "overlay", "-o", ",".join(options), "overlay", str(data)]
    subprocess.run(mounted, check=True)
    try:
        done = store("run", "--rm", *ALONE, "-v", "vol:/v", "busybox", "true", check=False)
    finally:
        subprocess.run(["umount", str(data)], check=True)
    assert done.returncode == 125
    assert f"the files of {data} cannot be given to other users" in done.stderr
    assert store("ps", "-aq").stdout == ""


def test_nothing_is_left(store: Lamina) -> None:
    before = machine(store.root, (), ())
    one = detached(store, "one", "--userns", "private", "-v", "/anonymous", "--tmpfs", "/t")
    two = detached(store, "two", *ALONE)
    firsts = {first_of(one), first_of(two)}
    identities = [str(record(store, name)["id"]) for name in ("one", "two")]
    os.kill(number(store, "one", "watcher"), signal.SIGKILL)
    until(lambda: not Path(f"/proc/{one}").exists())
    until(lambda: state(store, "one") == "exited")
    store("rm", "-v", "one")
    store("rm", "-f", "two")
    refused = store("run", "--rm", *ALONE, "busybox", "/nonesuch", check=False)
    assert refused.returncode == 127
    deadline = time.monotonic() + 10
    while (found := left(before, machine(store.root, identities, ()))) and (
        time.monotonic() < deadline
    ):
        time.sleep(0.1)
    # What else there is of networks on this host is asked by the tests of those.
    assert not found.keys() - {"files", "interfaces", "firewall"}, found
    assert not firsts & set(_roots())


def _roots() -> Iterator[int]:
    """Whom 0 stands for, of all processes."""
    for path in Path("/proc").glob("[0-9]*/uid_map"):
        try:
            words = path.read_text().split()
        except OSError:
            continue
        if words:
            yield int(words[1])


def test_told_beforehand(store: Lamina) -> None:
    told = store("run", "--dry-run", *ALONE, "-v", "vol:/v", "busybox").stdout
    assert re.search(r"^users +0-65535 are \d+-\d+$", told, re.MULTILINE)
    assert re.search(r"→ /v +nodev,idmapped", told)
    document = json.loads(store("spec", *ALONE, "busybox").stdout)
    (mapping,) = document["linux"]["uidMappings"]
    assert (mapping["containerID"], mapping["size"]) == (0, 65536)
    assert document["linux"]["gidMappings"] == [mapping]
    assert {"type": "user"} in document["linux"]["namespaces"]


def test_by_runc(store: Lamina, tmp_path: Path) -> None:
    need_tool("runc", "runc")
    port = free_port()
    detached(
        store,
        "web",
        *("--runtime", "runc", "--userns", "private", "-v", "vol:/v", "-v", "/anonymous"),
        *("-p", f"127.0.0.1:{port}:80"),
        does="echo hello >/index.html; chown 3:4 /index.html; touch /v/new; httpd -h /; sleep 1000",
    )
    until(lambda: _answer(port) == "hello\n")
    first = first_of(number(store, "web", "pid"))
    assert first >= 0x70000000
    line = "stat -c %u:%g / /index.html /v/new /etc/hosts; echo x >/dev/stderr"
    assert store("exec", "web", "sh", "-c", line).stdout.split() == ["0:0", "3:4", "0:0", "0:0"]
    assert (store.root / "volumes/vol/_data/new").stat().st_uid == 0
    assert "A /index.html" in store("diff", "web").stdout
    store("restart", "-t", "0", "web")
    assert first_of(number(store, "web", "pid")) == first
    joined = shell(store, "--runtime", "runc", "--userns", "container:web", "--network", "none",
                   does="cat /proc/self/uid_map")  # fmt: skip
    assert joined.split()[1] == str(first)
    for options in ("--pid", "container:web"), ("--ipc", "container:web"):
        refused = store("run", "--rm", "--runtime", "runc", *ALONE, *options, "busybox",
                        check=False)  # fmt: skip
        assert refused.returncode == 125
        assert "cannot be said in a runtime bundle" in refused.stderr


@pytest.mark.parametrize("terminal", [(), ("-t",)])
def test_a_runtime_does_not_get_the_null_device_of_the_host(
    store: Lamina, terminal: Sequence[str]
) -> None:
    """crun gives its streams to root of the container: the device as well."""
    need_tool("crun", "crun")
    # Where it does not know the control groups, it has done so before it says that.
    options = ("--rm", "--runtime", "crun", *terminal, *ALONE)
    store("run", *options, "busybox", "true", check=False)
    assert os.stat(os.devnull).st_uid == 0


def test_a_bundle_for_runc(store: Lamina, tmp_path: Path) -> None:
    runc = need_tool("runc", "runc")
    for directory in (tmp_path, *tmp_path.parents):
        if directory != Path("/"):
            directory.chmod(directory.stat().st_mode | 0o011)
    bundle = tmp_path / "bundle"
    line = "cat /proc/self/uid_map; stat -c %u /bin /etc/hosts; touch /x && stat -c %u /x"
    store("spec", "-b", str(bundle), *ALONE, "busybox", "sh", "-c", line)
    name = f"lm-{os.getpid()}"
    done = subprocess.run(
        [runc, "--root", str(tmp_path / "state"), "run", "-b", str(bundle), name],
        capture_output=True,
        text=True,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    first, *owners = done.stdout.splitlines()
    assert int(first.split()[1]) >= 0x70000000
    assert owners == ["0", "0", "0"]


# an ordinary user's


@pytest.mark.parametrize("ids", [65536, 0])
def test_of_an_ordinary_user(tmp_path: Path, busybox_tar: Path, ids: int) -> None:
    user = new_user(tmp_path, ids=ids)
    bring(user, busybox_tar)
    try:
        _of_an_ordinary_user(user, ids)
    finally:
        ended(user)


def _of_an_ordinary_user(user: User, ids: int) -> None:
    network = ("--network", "none")
    line = "cat /proc/self/uid_map; echo x >/f; stat -c %u / /f; id -u"
    told = [
        user("run", "--rm", *network, *options, "busybox", "sh", "-c", line).stdout.splitlines()
        for options in ((), ("--userns", "private"))
    ]
    assert all(lines[-3:] == ["0", "0", "0"] for lines in told)
    maps = [[line.split() for line in lines[:-3]] for lines in told]
    assert sum(int(size) for _, _, size in maps[1]) == ids + 1
    user("run", "-d", "--name", "box", *network, "--userns", "private", "-v", "vol:/v", "busybox",
         "sh", "-c", "touch /v/x; sleep 1000")  # fmt: skip
    user("run", "-d", "--name", "plain", *network, "busybox", "sleep", "1000")
    mine, around = (
        user("exec", name, "readlink", "/proc/self/ns/user").stdout for name in ("box", "plain")
    )
    assert mine != around
    seen = user("exec", "box", "sh", "-c", "id -u; stat -c %u /v/x; echo x >/dev/stderr")
    assert seen.stdout.split() == ["0", "0"]
    same = user("run", "--rm", *network, "--userns", "container:box", "busybox",
                "readlink", "/proc/self/ns/user")  # fmt: skip
    assert same.stdout == mine
    user("restart", "-t", "0", "box")
    assert user("exec", "box", "id", "-u").stdout == "0\n"
    if ids:
        other = user("exec", "-u", "33", "box", "id", "-u")
        assert other.stdout == "33\n"
