"""What `run` and `create` are told of mounts, namespaces, identity and security, on the kernel."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rights import needs_rights, roots_alone
from tests.system.conftest import Lamina, need_containers, unmounted

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("root_only")]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, busybox_tar: Path) -> Iterator[Lamina]:
    """A store with `bb`, busybox, and `filled`, with a VOLUME that has content and an owner."""
    need_containers()
    command = Lamina(tmp_path_factory.mktemp("options") / "root")
    command("import", "--change", 'CMD ["sh"]', str(busybox_tar), "bb:latest")
    file = "\n".join(
        (
            "FROM bb",
            "RUN mkdir -p /srv/data/deep && echo inside > /srv/data/deep/file"
            " && chown 12:34 /srv/data && chmod 750 /srv/data",
            "VOLUME /srv/data",
        )
    )
    command("build", "-t", "filled", "-", stdin=file)
    yield command
    unmounted(command.root)


@pytest.fixture
def run(store: Lamina) -> Iterator[Run]:
    yield Run(store)


class Run:
    """`lamina run --rm --network none …`."""

    def __init__(self, store: Lamina) -> None:
        self.store = store

    def __call__(self, *args: str) -> str:
        return self.store("run", "--rm", "--network", "none", *args).stdout

    def sh(self, script: str, *options: str, image: str = "bb") -> str:
        """Standard output of a script that must succeed."""
        return self(*options, image, "sh", "-c", script)

    def fails(self, *args: str, status: int = 125) -> str:
        """Standard error of what must not start."""
        done = self.store("run", "--rm", "--network", "none", *args, check=False)
        assert done.returncode == status, done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr


@pytest.fixture
def name(store: Lamina) -> Iterator[str]:
    """A container's name, which is removed afterwards."""
    chosen = f"c{uuid.uuid4().hex[:8]}"
    yield chosen
    store("rm", "-f", "-v", chosen, check=False)


# volumes


def test_a_volume_outlives_its_containers(run: Run, store: Lamina) -> None:
    run.sh("echo kept > /d/file", "-v", "kept:/d")
    assert run.sh("cat /e/file", "--mount", "src=kept,dst=/e") == "kept\n"
    done = store("run", "--rm", "-v", "kept:/d:ro", "bb", "touch", "/d/x", check=False)
    assert "Read-only file system" in done.stderr
    assert store("volume", "ls", "-q").stdout.split() == ["kept"]
    store("volume", "rm", "kept")


def test_a_new_volume_gets_the_images_content_owner_and_mode(run: Run, store: Lamina) -> None:
    show = "stat -c '%u:%g %a' /srv/data; cat /srv/data/deep/file"
    expected = "12:34 750\ninside\n"
    assert run.sh(show, image="filled") == expected
    assert run.sh(show, "-v", "copied:/srv/data", image="filled") == expected
    mount = "src=bare,dst=/srv/data,volume-nocopy"
    assert run.sh("ls -A /srv/data", "--mount", mount, image="filled") == ""
    store("volume", "rm", "copied", "bare")


def test_anonymous_volumes_go_with_rm_v_and_stay_without(store: Lamina, name: str) -> None:
    def volumes() -> list[str]:
        return store("volume", "ls", "-q").stdout.split()

    store("create", "--name", name, "-v", "/two", "filled")
    assert len(volumes()) == 2
    store("rm", name)
    assert len(volumes()) == 2
    store("create", "--name", name, "-v", "named:/two", "filled")
    store("rm", "-v", name)
    assert "named" in volumes()
    assert len(volumes()) == 3
    pruned = store("volume", "prune", "-f").stdout
    assert pruned.startswith("Deleted Volumes:\n")
    assert volumes() == ["named"]
    store("volume", "prune", "-a", "-f")
    assert volumes() == []


def test_a_volume_that_a_container_has_is_not_removed(store: Lamina, name: str) -> None:
    store("create", "--name", name, "-v", "used:/x", "bb")
    done = store("volume", "rm", "used", check=False)
    assert done.returncode == 1
    assert "volume used is in use" in done.stderr
    assert "Total reclaimed space: 0B" in store("volume", "prune", "-af").stdout
    store("rm", name)
    store("volume", "rm", "used")
    done = store("volume", "rm", "used", check=False)
    assert (done.returncode, "no such volume: used" in done.stderr) == (1, True)


def test_volume_create_inspect_and_filters(store: Lamina) -> None:
    assert store("volume", "create", "--label", "team=a", "one").stdout == "one\n"
    store("volume", "create", "two")
    (seen,) = json.loads(store("volume", "inspect", "one").stdout)
    assert (seen["Name"], seen["Driver"], seen["Labels"]) == ("one", "local", {"team": "a"})
    assert Path(seen["Mountpoint"]).is_dir()
    listed = store("volume", "ls", "--filter", "label=team").stdout.splitlines()
    assert [line.split() for line in listed] == [["DRIVER", "VOLUME", "NAME"], ["local", "one"]]
    assert store("volume", "ls", "-q", "--filter", "dangling=true").stdout.split() == ["one", "two"]
    store("volume", "rm", "one", "two")


def test_a_subpath_of_a_volume_leads_no_further(run: Run, store: Lamina) -> None:
    run.sh(
        "mkdir -p /d/a/b; echo x > /d/a/b/c; ln -s / /d/out; ln -s ../../.. /d/a/up", "-v", "sub:/d"
    )
    assert run.sh("cat /e/c", "--mount", "src=sub,dst=/e,volume-subpath=a/b") == "x\n"
    assert run.sh("cat /e", "--mount", "src=sub,dst=/e,volume-subpath=a/b/c") == "x\n"
    # A link out begins again in the volume: its root is the volume's.
    assert run.sh("ls /e", "--mount", "src=sub,dst=/e,volume-subpath=out").split() == ["a", "out"]
    assert run.sh("ls /e", "--mount", "src=sub,dst=/e,volume-subpath=a/up").split() == ["a", "out"]
    said = run.fails("--mount", "src=sub,dst=/e,volume-subpath=none", "bb", "true")
    assert "cannot access path none" in said
    store("volume", "rm", "sub")


def test_options_of_the_local_driver(run: Run, store: Lamina, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("host\n")
    store(
        "volume", "create", "-o", "type=none", "-o", f"device={tmp_path}", "-o", "o=bind", "bound"
    )
    assert run.sh("cat /d/file", "-v", "bound:/d") == "host\n"
    store("volume", "create", "-o", "type=tmpfs", "-o", "o=size=1m,mode=700", "memory")
    seen = run.sh("grep ' /d ' /proc/mounts; stat -c %a /d", "-v", "memory:/d").split()
    assert (seen[2], "size=1024k" in seen[3], seen[-1]) == ("tmpfs", True, "700")
    done = store("volume", "create", "-o", "type=nfs", "remote", check=False)
    assert "volumes of type nfs are not mounted" in done.stderr
    store("volume", "rm", "bound", "memory")
    assert (tmp_path / "file").exists()


def test_volumes_from_another_container(store: Lamina, run: Run, name: str, tmp_path: Path) -> None:
    (tmp_path / "h").write_text("host\n")
    store("create", "--name", name, "-v", f"{tmp_path}:/host", "--tmpfs", "/t", "filled")
    show = "cat /host/h; ls /srv/data; touch /host/new && echo written; ls -d /t"
    done = store("run", "--rm", "--volumes-from", name, "bb", "sh", "-c", show, check=False)
    assert done.stdout == "host\nwritten\n", "a tmpfs is not shared"
    said = run.fails("--volumes-from", f"{name}:ro", "bb", "touch", "/host/x", status=1)
    assert "Read-only file system" in said
    other = f"{tmp_path / 'h'}:/host"
    assert run.sh("cat /host", "-v", other, "--volumes-from", name) == "host\n"


# binds


def test_files_relative_paths_and_missing_sources(store: Lamina, run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("one\n")
    arguments = ("run", "--rm", "-v", "./file:/etc/file:ro", "-v", "./made:/made", "bb")
    done = store(*arguments, "sh", "-c", "cat /etc/file; ls -d /made", cwd=tmp_path)
    assert done.stdout == "one\n/made\n"
    assert (tmp_path / "made").is_dir()
    said = run.fails("--mount", "type=bind,src=/none/such,dst=/x", "bb", "true")
    assert "bind source path does not exist: /none/such" in said
    said = run.fails("-v", "/tmp:/x", "-v", "/etc:/x", "bb", "true")
    assert "Duplicate mount point: /x" in said


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Path]:
    """A directory that is a shared mount of its own."""
    place = tmp_path / "shared"
    (place / "sub").mkdir(parents=True)
    subprocess.run(["mount", "--bind", place, place], check=True)
    subprocess.run(["mount", "--make-shared", place], check=True)
    yield place
    subprocess.run(["umount", "-R", place], check=True)


@needs_rights
def test_propagation(store: Lamina, name: str, shared: Path) -> None:
    options = ("-v", f"{shared}:/s:rslave", "-v", f"{shared}:/p", "-v", f"{shared}:/both:rshared")
    script = (
        "until [ -e /s/sub/late ]; do sleep 0.02; done; ls /p/sub;"
        " mount -t tmpfs none /both/sub && touch /both/sub/inside; sleep 60"
    )
    store("run", "-d", "--name", name, "--privileged", *options, "bb", "sh", "-c", script)
    subprocess.run(["mount", "-t", "tmpfs", "none", shared / "sub"], check=True)
    (shared / "sub" / "late").touch()
    for _ in range(200):
        if (shared / "sub" / "inside").exists():
            break
        subprocess.run(["sleep", "0.02"], check=True)
    assert os.listdir(shared / "sub") == ["inside"], "what is mounted inside is seen outside"
    assert store("logs", name).stdout == "", "and the private one heard of nothing"


@needs_rights
def test_propagation_needs_a_shared_mount(run: Run, tmp_path: Path) -> None:
    subprocess.run(["mount", "--bind", tmp_path, tmp_path], check=True)
    subprocess.run(["mount", "--make-private", tmp_path], check=True)
    try:
        said = run.fails("-v", f"{tmp_path}:/x:rshared", "bb", "true")
        assert f"is mounted on {tmp_path} but it is not a shared mount" in said
    finally:
        subprocess.run(["umount", tmp_path], check=True)


@needs_rights
def test_what_is_mounted_below_a_bind(run: Run, tmp_path: Path) -> None:
    below = tmp_path / "below"
    below.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", below], check=True)
    try:
        (below / "file").touch()
        bind = f"type=bind,src={tmp_path},dst=/x"
        write = "touch /x/below/new 2>/dev/null && echo written; ls /x/below/file"
        assert run.sh(write, "--mount", bind) == "written\n/x/below/file\n"
        assert run.sh(write, "--mount", f"{bind},ro") == "/x/below/file\n"
        writable = f"{bind},ro,bind-recursive=writable"
        assert run.sh(write, "--mount", writable) == "written\n/x/below/file\n"
        alone = f"{bind},bind-recursive=disabled"
        assert run.sh("ls /x/below", "--mount", alone) == ""
    finally:
        subprocess.run(["umount", below], check=True)


def test_tmpfs_sizes_modes_and_flags(run: Run) -> None:
    options = ("--tmpfs", "/t:size=1m,mode=711,exec", "--tmpfs", "/new", "--tmpfs", "/root")
    mount = "type=tmpfs,dst=/m,tmpfs-size=2m,tmpfs-mode=1700"
    script = "stat -c '%n %a' /t /new /root /m; grep -E ' /(t|m) ' /proc/mounts"
    seen = run.sh(script, *options, "--mount", mount).splitlines()
    image = run.sh("stat -c %a /root").strip()
    assert seen[:4] == ["/t 711", "/new 1777", f"/root {image}", "/m 1700"]
    flags = {line.split()[1]: line.split()[3].split(",") for line in seen[4:]}
    assert "noexec" not in flags["/t"]
    assert {"noexec", "nosuid", "nodev", "size=2048k"} <= set(flags["/m"])


def test_read_only_leaves_what_is_mounted_writable(run: Run) -> None:
    options = ("--read-only", "--tmpfs", "/run", "-v", "/vol", "--shm-size", "3m")
    script = (
        "touch /x 2>/dev/null || echo refused; touch /run/a /vol/a /dev/shm/a /dev/a;"
        " grep ' /dev/shm ' /proc/mounts"
    )
    seen = run.sh(script, *options)
    assert seen.startswith("refused\n")
    assert "size=3072k" in seen


# the process


def test_variables_from_files(run: Run, store: Lamina, tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("\ufeff# comment\nA=1\n  B=two words \nHOME_OF_HOST\nNOT_THERE\nC=file\n")
    arguments = ("run", "--rm", "--env-file", str(file), "-e", "C=line", "bb", "env")
    seen = store(*arguments, env={"HOME_OF_HOST": "/h"}).stdout.splitlines()
    assert {"A=1", "B=two words ", "HOME_OF_HOST=/h", "C=line"} <= set(seen)
    assert not [line for line in seen if line.startswith(("NOT_THERE", "#"))]
    file.write_text("=x\n")
    assert "no variable name" in run.fails("--env-file", str(file), "bb", "true")
    file.write_text("A B=x\n")
    assert "contains whitespaces" in run.fails("--env-file", str(file), "bb", "true")


def test_labels_from_files(store: Lamina, name: str, tmp_path: Path) -> None:
    (tmp_path / "labels").write_text("a=1\nb\n")
    options = ("--label-file", str(tmp_path / "labels"), "-l", "a=2")
    store("create", "--name", name, *options, "bb")
    shown = store("inspect", "-f", "{{json .Config.Labels}}", name).stdout
    assert json.loads(shown).items() >= {"a": "2", "b": ""}.items()


def test_users_and_groups(run: Run) -> None:
    assert run.sh("id -u; id -g; id -G", "-u", "7:8", "--group-add", "9").split() == [
        "7", "8", *sorted(["8", "9"]),
    ]  # fmt: skip
    assert "unable to find user nope: no matching entries in passwd file" in run.fails(
        "-u", "nope", "bb", "true"
    )
    assert "unable to find group nope" in run.fails("--group-add", "nope", "bb", "true")
    assert run.sh("cat /proc/self/oom_score_adj", "--oom-score-adj", "321") == "321\n"
    assert "invalid value 1001" in run.fails("--oom-score-adj", "1001", "bb", "true")


def test_names_and_hosts(run: Run) -> None:
    options = ("--hostname", "web", "--domainname", "example.org", "--add-host", "db:10.1.2.3")
    seen = run.sh("hostname; cat /proc/sys/kernel/domainname /etc/hosts", *options).splitlines()
    assert seen[:2] == ["web", "example.org"]
    assert "10.1.2.3\tdb" in seen
    assert any(line.split()[1:] == ["web.example.org", "web"] for line in seen)
    assert "invalid IP address in add-host: 'x'" in run.fails("--add-host", "db:x", "bb", "true")


def test_init_is_the_first_process_hands_on_signals_and_reaps(store: Lamina, name: str) -> None:
    script = (
        "trap 'echo got it; exit 9' TERM; (sh -c 'sleep 0.1 &') ; sleep 0.4;"
        " grep -l 'State:.Z' /proc/[0-9]*/status; cat /proc/1/comm; while :; do sleep 0.05; done"
    )
    store("run", "-d", "--init", "--name", name, "bb", "sh", "-c", script)
    for _ in range(200):
        if "lamina-init" in store("logs", name).stdout:
            break
    store("stop", name)
    assert store("logs", name).stdout == "lamina-init\ngot it\n"
    assert store("inspect", "-f", "{{.State.ExitCode}}", name).stdout == "9\n"


def test_init_tells_what_cannot_be_executed(run: Run) -> None:
    assert "not found in $PATH" in run.fails("--init", "bb", "nope", status=127)
    assert run.fails("--init", "bb", "/etc/passwd", status=126)
    assert run.fails("--init", "bb", "sh", "-c", "kill -9 $$", status=137) == ""


# namespaces


def test_namespaces_of_the_host(run: Run) -> None:
    options = ("--pid", "host", "--ipc", "host", "--uts", "host", "--cgroupns", "host")
    seen = run.sh("for n in pid ipc uts cgroup net; do readlink /proc/self/ns/$n; done", *options)
    own = [os.readlink(f"/proc/self/ns/{kind}") for kind in ("pid", "ipc", "uts", "cgroup")]
    assert seen.split()[:4] == own
    assert "hostname and the UTS mode" in run.fails("--uts", "host", "-h", "x", "bb", "true")


def test_namespaces_of_another_container(store: Lamina, run: Run, name: str) -> None:
    other = ("--ipc", "shareable", "--name", name, "bb")
    store("run", "-d", *other, "sh", "-c", "echo mine > /dev/shm/file; sleep 60")
    script = (
        "until [ -s /dev/shm/file ]; do sleep 0.02; done; cat /dev/shm/file; echo yours >"
        " /dev/shm/back; pidof sleep | wc -w; cd /proc/self/ns; readlink pid; readlink ipc"
    )
    seen = run.sh(script, "--pid", f"container:{name}", "--ipc", f"container:{name}").split()
    assert seen[:2] == ["mine", "1"]
    assert store("exec", name, "cat", "/dev/shm/back").stdout == "yours\n"
    links = [store("exec", name, "readlink", f"/proc/1/ns/{kind}") for kind in ("pid", "ipc")]
    assert seen[2:] == [link.stdout.strip() for link in links]


def test_no_shared_memory_at_all(run: Run) -> None:
    assert run.sh("ls -d /dev/shm 2>&1 || true", "--ipc", "none").endswith(
        "No such file or directory\n"
    )


def test_sysctls_of_its_own_namespaces(run: Run) -> None:
    options = ("--sysctl", "net.ipv4.ip_forward=1", "--sysctl", "kernel.msgmax=9000")
    files = "/proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax"
    assert run.sh(f"cat {files} /proc/sys/net/ipv4/ip_unprivileged_port_start", *options) == (
        "1\n9000\n0\n"
    )
    assert Path("/proc/sys/kernel/msgmax").read_text() != "9000\n"
    for bad in ("kernel.panic=1", "vm.swappiness=1", "net..x=1", "net.ipv4.ip_forward"):
        assert "is not allowed" in run.fails("--sysctl", bad, "bb", "true")
    done = run.store(
        "run", "--rm", "--network", "host", "--sysctl", "net.ipv4.ip_forward=1", "bb", check=False
    )
    assert "not allowed in the host's network namespace" in done.stderr


# security


@roots_alone("making devices")
def test_devices(run: Run, tmp_path: Path) -> None:
    script = "stat -c '%t:%T' /dev/other; head -c 3 /dev/other | wc -c; ls /dev/dir"
    (tmp_path / "dir").mkdir()
    os.mknod(tmp_path / "dir" / "zero", 0o20666, os.stat("/dev/zero").st_rdev)
    options = ("--device", "/dev/zero:/dev/other:r", "--device", f"{tmp_path / 'dir'}:/dev/dir")
    assert run.sh(script, *options) == "1:5\n3\nzero\n"
    assert "no device /dev/none" in run.fails("--device", "/dev/none", "bb", "true")


def test_seccomp_profiles_in_dockers_form(run: Run, tmp_path: Path) -> None:
    profile = tmp_path / "profile.json"
    profile.write_text(
        json.dumps(
            {
                "defaultAction": "SCMP_ACT_ALLOW",
                "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}],
            }
        )
    )
    option = ("--security-opt", f"seccomp={profile}")
    assert "No space left" in run.sh("mkdir /x 2>&1; rmdir /srv 2>/dev/null; true", *option)
    assert "Seccomp:\t0" in run(
        "--security-opt", "seccomp=unconfined", "bb", "cat", "/proc/1/status"
    )
    assert "Seccomp:\t2" in run("--security-opt", "seccomp=builtin", "bb", "cat", "/proc/1/status")
    said = run.fails("--security-opt", "seccomp=/none.json", "bb", "true")
    assert "opening seccomp profile (/none.json) failed: No such file" in said
    profile.write_text("{}")
    assert "loading seccomp profile failed" in run.fails(*option, "bb", "true")


def test_other_security_options(run: Run) -> None:
    def status(*options: str) -> str:
        return run(*options, "bb", "cat", "/proc/1/status")

    assert "NoNewPrivs:\t0" in status()
    assert "NoNewPrivs:\t1" in status("--security-opt", "no-new-privileges")
    assert "NoNewPrivs:\t0" in status("--security-opt", "no-new-privileges=false")
    masked = "if [ -c /proc/timer_list ]; then echo hidden; fi"
    assert run.sh(masked) == "hidden\n"
    assert run.sh(masked, "--security-opt", "systempaths=unconfined") == ""
    assert "invalid --security-opt" in run.fails("--security-opt", "no=such", "bb", "true")
    done = run.store("run", "--rm", "--security-opt", "label=type:x", "bb", "true")
    assert "no SELinux" in done.stderr
    done = run.store("run", "--rm", "--security-opt", "apparmor=unconfined", "bb", "true")
    assert done.stderr == ""


def test_privileged_sees_the_hosts_devices(run: Run) -> None:
    seen = run.sh("ls /dev; mount -t tmpfs x /mnt || mount -t tmpfs x /tmp", "--privileged")
    assert {"loop-control", "kmsg"} & set(seen.split())
