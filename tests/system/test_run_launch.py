"""`launch`: statuses, users, mounts, and what is left behind, on the real kernel."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest
from msgspec.structs import replace

from lamina.errors import EngineError, NotFound
from lamina.linux import mounts
from lamina.run.launch import launch
from lamina.run.spec import ContainerSpec, Mount, Overlay, Process, Streams
from tests.rights import needs_rights, roots_alone
from tests.system.containers import ID, Box, make_rootfs, needs_busybox, run_in

pytestmark = [pytest.mark.system, needs_rights, needs_busybox]


@pytest.fixture(scope="module")
def rootfs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_rootfs(tmp_path_factory.mktemp("image") / "rootfs")


@pytest.fixture
def box(tmp_path: Path, rootfs: Path) -> Box:
    return Box(tmp_path, rootfs)


@pytest.mark.parametrize(
    ("script", "status"),
    [("true", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -TERM 1; exit 3", 3)],
)
def test_the_exit_status_is_the_programs(box: Box, script: str, status: int) -> None:
    # As the first process of its namespace it can only be killed from outside, but for
    # its children.
    if "-9" in script:
        script = "sh -c 'kill -9 $$'; exit $?"
    assert box.sh(script).status == status


def test_a_program_that_is_not_there_is_127(box: Box) -> None:
    for program in ("nonesuch", "/bin/nonesuch", "/etc/passwd/x"):
        done = box.run(program)
        assert done.status == 127
        assert program in done.error


def test_a_program_that_cannot_be_executed_is_126(box: Box) -> None:
    done = box.run("/etc/passwd")
    assert (done.status, "ermission denied" in done.error) == (126, True)
    assert box.run("/etc").status == 126


def test_an_unknown_user_is_an_error_that_names_it(box: Box) -> None:
    said = "unable to find user carol: no matching entries in passwd file"
    with pytest.raises(NotFound, match=said):
        box.run("true", user="carol")


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("", "0 0 0 /root"),
        ("bob", "1000 1000 55,1000 /home/bob"),
        ("bob:extra", "1000 55 55 /home/bob"),
        ("4242", "4242 0 0 /"),
        ("4242:77", "4242 77 77 /"),
    ],
)
def test_users_are_looked_up_in_the_image(box: Box, user: str, expected: str) -> None:
    done = box.run("sh", "-c", "cat /proc/self/status; echo Home: $HOME", user=user)
    lines = (line.split(":", 1) for line in done.out.splitlines())
    fields = {name: words.split() for name, words in lines}
    groups = ",".join(fields["Groups"])
    found = (fields["Uid"][3], fields["Gid"][3], groups, fields["Home"][0])
    assert " ".join(found) == expected


def test_a_working_directory_is_made_when_it_is_missing(box: Box) -> None:
    done = box.run("pwd", cwd="/srv/app")
    assert done.out == "/srv/app\n"
    assert (done.upper / "srv" / "app").is_dir()


def test_nothing_of_ours_is_left_in_the_writable_layer(box: Box) -> None:
    done = box.sh("echo x > /file; rm /etc/group")
    assert sorted(str(path.relative_to(done.upper)) for path in done.upper.rglob("*")) == [
        "etc",
        "etc/group",
        "file",
    ]
    assert (done.upper / "etc" / "group").is_char_device()


def test_an_empty_image_gets_its_mount_points_in_a_layer_of_their_own(
    tmp_path: Path, rootfs: Path
) -> None:
    bare = tmp_path / "bare"
    (bare / "bin").mkdir(parents=True)
    os.link(rootfs / "bin" / "busybox", bare / "bin" / "busybox")
    done = run_in(tmp_path / "c", (bare,), ("/bin/busybox", "ls", "/"))
    assert done.out.split() == ["bin", "dev", "etc", "proc", "sys"]
    assert list(done.upper.iterdir()) == []


def test_stubs_keep_the_attributes_of_the_directories_they_lie_in(
    tmp_path: Path, rootfs: Path
) -> None:
    odd = tmp_path / "odd"
    (odd / "etc").mkdir(parents=True)
    (odd / "etc").chmod(0o711)
    os.chown(odd / "etc", 12, 34)
    done = run_in(tmp_path / "c", (rootfs, odd), ("stat", "-c", "%a %u %g", "/etc"))
    assert done.out == "711 12 34\n"


def test_layers_are_read_from_the_top_down(tmp_path: Path, rootfs: Path) -> None:
    layers = [rootfs]
    for number in range(3):
        layer = tmp_path / f"layer{number}"
        layer.mkdir()
        (layer / "which").write_text(f"{number}\n")
        layers.append(layer)
    assert run_in(tmp_path / "c", tuple(layers), ("cat", "/which")).out == "2\n"


def test_two_hundred_layers(tmp_path: Path, rootfs: Path) -> None:
    layers = [rootfs]
    for number in range(200):
        layer = tmp_path / "layers" / f"{number:064}" / "fs"
        layer.mkdir(parents=True)
        (layer / str(number)).touch()
        layers.append(layer)
    done = run_in(tmp_path / "c", tuple(layers), ("ls", "/"))
    assert {"0", "199"} <= set(done.out.split())


def test_the_older_way_to_mount_an_overlay(
    tmp_path: Path, rootfs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise OSError(22, "e overlay: Unknown parameter 'lowerdir+'")

    monkeypatch.setattr(mounts, "_overlay", refuse)
    odd = tmp_path / "a,b:c\\d"
    odd.mkdir()
    (odd / "it").write_text("is here\n")
    done = run_in(tmp_path / "c", (rootfs, odd), ("cat", "/it"))
    assert (done.status, done.out) == (0, "is here\n")


def test_binds_and_tmpfs(box: Box, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "in").write_text("from the host\n")
    mounts_ = (
        Mount("bind", "/data", shared),
        Mount("bind", "/ro/deep", shared, read_only=True),
        Mount("bind", "/etc/one", shared / "in", read_only=True),
        Mount("tmpfs", "/scratch", options="size=1m,mode=700"),
    )
    done = box.sh(
        "cat /data/in /etc/one; echo back > /data/out; echo x > /ro/deep/no; echo x > /etc/one;"
        "stat -c %a /scratch; grep -c ' /scratch .*noexec' /proc/self/mountinfo",
        mounts=mounts_,
    )
    assert done.out == "from the host\nfrom the host\n700\n1\n"
    assert done.error.count("Read-only file system") == 2
    assert (shared / "out").read_text() == "back\n"
    assert list(done.upper.iterdir()) == [], "mount points are no changes"


def test_a_nested_mount_lies_over_the_outer_one(box: Box, tmp_path: Path) -> None:
    (tmp_path / "a" / "sub").mkdir(parents=True)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "inner").touch()
    done = box.sh(
        "ls /m/sub",
        mounts=(Mount("bind", "/m/sub", tmp_path / "b"), Mount("bind", "/m", tmp_path / "a")),
    )
    assert done.out == "inner\n"


def test_a_read_only_root(box: Box, tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    done = box.sh(
        "touch /x; touch /v/y && touch /dev/shm/z && echo volumes are not",
        read_only=True,
        mounts=(Mount("bind", "/v", tmp_path / "v"),),
    )
    assert done.out == "volumes are not\n"
    assert "Read-only file system" in done.error


def test_a_volatile_upper_directory_and_an_ordinary_one(box: Box) -> None:
    def durable(spec: ContainerSpec) -> ContainerSpec:
        return replace(spec, rootfs=replace(spec.rootfs, volatile=False))

    script = "grep -c fsync=volatile /proc/self/mountinfo"
    assert box.run("sh", "-c", script).out == "1\n"
    assert box.run("sh", "-c", script, change=durable).out == "0\n"


def test_names_of_host_and_hosts(box: Box) -> None:
    done = box.sh(
        "hostname; cat /etc/hostname; tail -1 /etc/hosts",
        hostname="web",
        network="none",
        extra_hosts=("db:10.0.0.5",),
    )
    assert done.out == "web\nweb\n10.0.0.5\tdb\n"


def test_a_container_may_start_beside_threads(box: Box) -> None:
    stop = threading.Event()
    others = [threading.Thread(target=stop.wait) for _ in range(4)]
    for thread in others:
        thread.start()
    statuses: list[int] = []

    def run(number: int) -> None:
        done = run_in(box.place / f"t{number}", (box.rootfs,), ("sh", "-c", f"exit {number}"))
        statuses.append(done.status)

    runners = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in runners:
        thread.start()
    for thread in runners:
        thread.join()
    stop.set()
    for thread in others:
        thread.join()
    assert sorted(statuses) == [0, 1, 2, 3]
    assert os.readlink("/proc/self/ns/pid") == os.readlink("/proc/self/ns/pid_for_children")


def test_a_source_that_is_not_there_is_named_and_nothing_runs(box: Box, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="/nowhere at /data"):
        box.sh("true", mounts=(Mount("bind", "/data", tmp_path / "nowhere"),))
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()


@roots_alone("making devices")
def test_the_hosts_null_device_cannot_be_changed_through_a_stream(box: Box, tmp_path: Path) -> None:
    # A node of its own stands for /dev/null of the host, which everybody here needs.
    node = tmp_path / "null"
    os.mknod(node, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    node.chmod(0o666)
    directory = tmp_path / "c"
    spec = ContainerSpec(
        ID,
        directory,
        Overlay((box.rootfs,), directory / "upper", directory / "work"),
        Process(("sh", "-c", "chmod 0 /proc/self/fd/0; chown 7 /proc/self/fd/0"), ("PATH=/bin",)),
    )
    fd = os.open(node, os.O_RDWR)
    try:
        launch(spec, Streams(fd, fd, fd))
    finally:
        os.close(fd)
    assert (stat.S_IMODE(node.stat().st_mode), node.stat().st_uid) == (0o666, 0)
