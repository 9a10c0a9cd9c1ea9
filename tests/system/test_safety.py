"""What a container must not be able to see or do, asked from inside one."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from msgspec.structs import replace

from lamina.errors import EngineError, Invalid
from lamina.linux import capability, syscall
from lamina.run.plan import DEVICES, MASKED, READ_ONLY
from lamina.run.spec import Mount
from tests.rights import needs_rights, roots_alone
from tests.system.containers import (
    PASSWD,
    Box,
    Outcome,
    make_rootfs,
    needs_busybox,
    run_in,
)

pytestmark = [pytest.mark.system, needs_rights, needs_busybox]


@pytest.fixture(scope="module")
def rootfs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_rootfs(tmp_path_factory.mktemp("image") / "rootfs")


@pytest.fixture
def box(tmp_path: Path, rootfs: Path) -> Box:
    return Box(tmp_path, rootfs)


def status_fields(done: Outcome) -> dict[str, str]:
    return dict(line.split(":\t", 1) for line in done.out.splitlines() if ":\t" in line)


def test_every_namespace_is_its_own(box: Box) -> None:
    done = box.sh(
        "for n in mnt pid uts ipc cgroup net; do readlink /proc/self/ns/$n; done", network="none"
    )
    for name, inside in zip(NAMESPACES, done.out.split(), strict=True):
        assert inside != os.readlink(f"/proc/self/ns/{name}"), name


def test_capabilities_are_dockers_default_set_and_no_more(box: Box) -> None:
    fields = status_fields(box.run("cat", "/proc/self/status"))
    expected = f"{capability.mask(capability.DEFAULT):016x}"
    assert expected == "00000000a80425fb"
    for name in ("CapPrm", "CapEff", "CapBnd"):
        assert fields[name] == expected, name
    for name in ("CapInh", "CapAmb"):
        assert int(fields[name], 16) == 0, name
    assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("0", "2")


def test_an_ordinary_user_has_no_capabilities(box: Box) -> None:
    fields = status_fields(box.run("cat", "/proc/self/status", user="bob"))
    for name in ("CapPrm", "CapEff", "CapInh", "CapAmb"):
        assert int(fields[name], 16) == 0, name


def test_capabilities_are_added_and_dropped(box: Box) -> None:
    def effective(**changes: tuple[str, ...]) -> int:
        return int(status_fields(box.sh("cat /proc/self/status", **changes))["CapEff"], 16)

    assert effective(capabilities_drop=("all",)) == 0
    assert effective(capabilities_drop=("ALL",), capabilities_add=("CAP_KILL",)) == 1 << 5
    assert effective(capabilities_add=("net_admin",)) >> 12 & 1


def test_masked_paths_show_nothing(box: Box) -> None:
    script = "".join(
        f"if [ -d {path} ]; then ls -A {path}; elif [ -e {path} ]; then cat {path}; fi; "
        for path in MASKED
    )
    done = box.sh(script)
    assert (done.status, done.out) == (0, "")
    assert os.path.exists("/proc/kcore") or os.path.exists("/proc/keys")


def test_read_only_paths_refuse_writing(box: Box) -> None:
    paths = [path for path in READ_ONLY if os.path.exists(path)]
    done = box.sh("cat /proc/mounts")
    mounted = {line.split()[1]: line.split()[3].split(",") for line in done.out.splitlines()}
    for path in (*paths, "/sys"):
        assert "ro" in mounted[path], path
    refused = box.sh(
        "echo 1 > /proc/sys/kernel/panic; echo b > /proc/sysrq-trigger;"
        "mkdir /sys/fs/cgroup/x; echo x > /sys/kernel/mm/ksm/run"
    )
    assert refused.status != 0
    assert refused.error.count("Read-only file system") >= 2


NAMESPACES = ("mnt", "pid", "uts", "ipc", "cgroup", "net")

CALLS = {
    # number on x86-64 and on arm64, arguments
    "mount": ((165, 40), ("b'a'", "b'/'", "b'tmpfs'", "0", "0")),
    "umount2": ((166, 39), ("b'/proc'", "2")),
    "unshare": ((272, 97), ("0x10000000",)),
    "setns": ((308, 268), ("0", "0")),
    "keyctl": ((250, 219), ("0", "-3", "0")),
    "add_key": ((248, 217), ("b'user'", "b'a'", "b'b'", "1", "-2")),
    "bpf": ((321, 280), ("0", "0", "0")),
    "perf_event_open": ((298, 241), ("0", "0", "0", "0", "0")),
    "kexec_load": ((246, 104), ("0", "0", "0", "0")),
    "init_module": ((175, 105), ("0", "0", "0")),
    "userfaultfd": ((323, 282), ("0",)),
    "open_by_handle_at": ((304, 265), ("0", "0", "0")),
    "pivot_root": ((155, 41), ("b'.'", "b'.'")),
    "reboot": ((169, 142), ("0", "0", "0", "0")),
    "swapon": ((167, 224), ("b'/x'", "0")),
    "fsopen": ((430, 430), ("b'tmpfs'", "0")),
    "open_tree": ((428, 428), ("-100", "b'/'", "0")),
    "io_uring_setup": ((425, 425), ("1", "0")),
    "clone with a user namespace": ((56, 220), ("0x10000011", "0", "0", "0", "0")),
    "socket of the virtual machine": ((41, 198), ("40", "1", "0")),
}


def probe_source() -> str:
    import platform

    column = 0 if platform.machine() == "x86_64" else 1
    lines = ["import ctypes, sys", "c = ctypes.CDLL(None, use_errno=True)"]
    for name, (numbers, args) in CALLS.items():
        call = ", ".join((str(numbers[column]), *args))
        lines.append(f"r = c.syscall({call}); print({name!r}, r, ctypes.get_errno(), sep='|')")
    lines.append("r = c.syscall(435, 0, 0); print('clone3', r, ctypes.get_errno(), sep='|')")
    lines.append("r = c.syscall(467, 0, 0); print('a later call', r, ctypes.get_errno(), sep='|')")
    return "\n".join(lines)


def test_seccomp_refuses_what_docker_refuses(tmp_path: Path) -> None:
    """Run by the same filter, without a container: the filter alone must refuse."""
    code = (
        "from lamina.linux import seccomp, syscall, capability\n"
        "syscall.prctl(syscall.PR_SET_NO_NEW_PRIVS, 1)\n"
        "syscall.set_seccomp_filter(seccomp.compile_filter(capability.DEFAULT))\n"
        + probe_source()
        + "\nprint(open('/proc/self/status').read()); import subprocess;"
        "subprocess.run(['true'], check=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    answers = {
        line.split("|")[0]: line.split("|")[1:] for line in done.stdout.splitlines() if "|" in line
    }
    for name in CALLS:
        assert answers[name] == ["-1", "1"], name
    assert answers["clone3"] == ["-1", "38"], "libc falls back on clone only on ENOSYS"
    assert answers["a later call"] == ["-1", "38"]


def test_no_descriptor_is_inherited(box: Box) -> None:
    held = os.open("/etc", os.O_RDONLY)
    os.set_inheritable(held, True)
    try:
        done = box.sh("ls /proc/1/fd; ls -l /proc/1/fd | grep -v -e /dev/null -e .out -e .err")
    finally:
        os.close(held)
    listed = [line for line in done.out.splitlines() if line.isdigit()]
    assert listed == ["0", "1", "2"]


def test_the_mount_table_shows_no_place_of_the_host_but_the_layers(
    box: Box, tmp_path: Path
) -> None:
    done = box.run("cat", "/proc/self/mountinfo")
    roots = {line.split()[4]: line.split()[3] for line in done.out.splitlines()}
    assert roots.pop("/") == "/"
    bound = {target: root for target, root in roots.items() if root not in {"/", "/bus", "/fs"}}
    for target, root in bound.items():
        assert target.startswith(("/dev/", "/proc/", "/etc/")), (target, root)
    assert [line.split()[4] for line in done.out.splitlines()].count("/") == 1, "no old root"


@roots_alone("making devices")
def test_devices_made_inside_open_nothing(box: Box) -> None:
    number = os.stat("/dev/null").st_rdev
    major, minor = os.major(number), os.minor(number)
    done = box.sh(
        f"mknod /tmp/d c {major} {minor} && mknod /dev/d c {major} {minor}"
        " && mknod /dev/shm/d c 1 3; cat /tmp/d; cat /dev/d; cat /dev/shm/d;"
        " cat /dev/null && echo ok"
    )
    assert done.out == "ok\n"
    assert done.error.count("Permission denied") == 3


def test_the_devices_are_dockers(box: Box) -> None:
    done = box.sh(
        "cd /dev; ls; head -c 4 /dev/zero | wc -c;"
        " for link in fd stdin ptmx core; do readlink $link; done"
    )
    names = done.out.split()
    assert names[:15] == (
        [
            "core",
            "fd",
            "full",
            "mqueue",
            "null",
            "ptmx",
            "pts",
            "random",
            "shm",
            "stderr",
            "stdin",
            "stdout",
            "tty",
            "urandom",
            "zero",
        ]
    )
    assert names[15:] == ["4", "/proc/self/fd", "/proc/self/fd/0", "pts/ptmx", "/proc/kcore"]


def test_network_none_has_the_loopback_and_nothing_else(box: Box) -> None:
    done = box.sh("ls /sys/class/net; cat /sys/class/net/lo/flags; ip addr show lo", network="none")
    assert done.out.split()[:2] == ["lo", "0x9"]
    assert "127.0.0.1" in done.out


def test_mounts_do_not_reach_the_host(box: Box, tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    done = box.sh("mount", mounts=(Mount("tmpfs", "/x"), Mount("bind", "/v", tmp_path / "v")))
    assert done.status == 0
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()


@pytest.mark.parametrize(("forbidden", "said"), [(False, "0"), (True, "")])
def test_setuid_programs_raise_as_in_docker_unless_that_is_forbidden(
    tmp_path: Path, rootfs: Path, forbidden: bool, said: str
) -> None:
    layer = tmp_path / "suid"
    for name in ("bin", "etc"):
        (layer / name).mkdir(parents=True)
    program = layer / "bin" / "su"
    program.write_bytes((rootfs / "bin" / "busybox").read_bytes())
    program.chmod(0o4755)
    # Nobody has a password here.
    (layer / "etc" / "passwd").write_text(PASSWD.replace(":x:", "::"))
    done = run_in(
        tmp_path / "c",
        (rootfs, layer),
        ("/bin/su", "-c", "id -u"),
        change=lambda spec: replace(spec, no_new_privileges=forbidden),
        user="bob",
    )
    assert done.out.strip() == said


def test_the_hosts_devices_keep_their_owner_and_mode(box: Box) -> None:
    """They are bound, not copied: what is changed in there would be changed out here."""
    before = [os.stat(f"/dev/{name}") for name in DEVICES]
    names = " ".join(f"/dev/{name}" for name in DEVICES)
    done = box.sh(
        f"chmod 0 {names}; chown 1 {names}; touch -t 200001010000 {names}; echo x > /dev/null"
        " && head -c 1 /dev/zero | wc -c"
    )
    assert done.out == "1\n", "but they can be written and read"
    assert done.error.count("Read-only file system") >= 2 * len(DEVICES)
    after = [os.stat(f"/dev/{name}") for name in DEVICES]
    assert [(s.st_mode, s.st_uid) for s in after] == [(s.st_mode, s.st_uid) for s in before]


@roots_alone("making devices")
def test_a_device_node_in_a_layer_or_a_volume_opens_nothing(tmp_path: Path, rootfs: Path) -> None:
    layer, volume = tmp_path / "nodes", tmp_path / "volume"
    for place in (layer, volume):
        place.mkdir()
        os.mknod(place / "node", 0o20666, os.stat("/dev/null").st_rdev)
    done = run_in(
        tmp_path / "c",
        (rootfs, layer),
        ("sh", "-c", "cat /node; cat /v/node; cat /dev/null && echo fine"),
        change=lambda spec: replace(spec, mounts=(Mount("bind", "/v", volume),)),
    )
    assert done.out == "fine\n"
    assert done.error.count("Permission denied") == 2


def test_cve_2022_0492_no_release_agent_can_be_written(box: Box) -> None:
    done = box.sh(
        "find / -name release_agent -o -name notify_on_release 2>/dev/null | while read f; do"
        " echo seen; (echo /x > $f) 2>/dev/null && echo written; done;"
        " mkdir /tmp/c; mount -t cgroup -o memory c /tmp/c; mkdir /sys/fs/cgroup/memory/new;"
        " unshare -m true; exit 0"
    )
    assert "written" not in done.out
    assert done.error.count("denied") + done.error.count("not permitted") >= 2
    if os.path.isdir("/sys/fs/cgroup/memory"):
        assert "seen" in done.out, "version 1 has such files"
        assert "Read-only file system" in done.error


@pytest.mark.parametrize("target", ["/proc", "/proc/self", "/proc/sys/kernel", "/link/attr"])
def test_cve_2019_16884_nothing_is_mounted_over_what_governs_a_process(
    tmp_path: Path, rootfs: Path, target: str
) -> None:
    hostile, volume = tmp_path / "hostile", tmp_path / "volume"
    hostile.mkdir()
    volume.mkdir()
    (hostile / "link").symlink_to("proc/self")
    for number, mount in enumerate((Mount("bind", target, volume), Mount("tmpfs", target))):
        with pytest.raises(Invalid, match=f"{target} cannot be mounted because it is inside /proc"):
            run_in(
                tmp_path / f"c{number}",
                (rootfs, hostile),
                ("true",),
                change=lambda spec, mount=mount: replace(spec, mounts=(mount,)),  # type: ignore[misc]
            )


def test_figures_of_proc_may_be_told_otherwise(box: Box, tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("few\n")
    mounts = (Mount("bind", "/proc/cpuinfo", tmp_path / "cpuinfo", read_only=True),)
    assert box.sh("cat /proc/cpuinfo", mounts=mounts).out == "few\n"


def test_umask_session_and_dumpable(box: Box) -> None:
    done = box.sh("umask; cat /proc/self/stat | cut -d' ' -f6; stat -c %u /proc/1/exe")
    assert done.out.split()[:2] == ["0022", "1"]


def test_ignored_and_blocked_signals_are_not_handed_on(box: Box) -> None:
    fields = status_fields(box.run("cat", "/proc/self/status"))
    for name in ("SigBlk", "SigIgn"):
        assert int(fields[name], 16) == 0, name


# links that lead out


@pytest.mark.parametrize("name", ["proc", "sys", "dev"])
def test_cve_2019_19921_and_2023_27561_a_link_does_not_move_what_is_masked(
    tmp_path: Path, rootfs: Path, name: str
) -> None:
    outside, hostile = tmp_path / "outside", tmp_path / "hostile"
    outside.mkdir()
    hostile.mkdir()
    for number, target in enumerate(("/tmp", f"../../../../..{outside}")):
        link = hostile / name
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        with pytest.raises(Invalid, match=f"a link at /{name}"):
            run_in(tmp_path / f"c{number}", (rootfs, hostile), ("true",))
    assert list(outside.iterdir()) == []


def test_a_link_out_of_the_image_stays_in_it(tmp_path: Path, rootfs: Path) -> None:
    outside, hostile = tmp_path / "outside", tmp_path / "hostile"
    outside.mkdir()
    hostile.mkdir()
    (hostile / "etc").symlink_to(f"../../../../..{outside}")
    done = run_in(tmp_path / "c", (rootfs, hostile), ("cat", "/etc/hostname"))
    assert done.out == "0123456789ab\n"
    assert list(outside.iterdir()) == []


def test_cve_2021_30465_a_link_in_a_volume_does_not_move_a_mount(box: Box, tmp_path: Path) -> None:
    outside, volume = tmp_path / "outside", tmp_path / "volume"
    outside.mkdir()
    volume.mkdir()
    (volume / "link").symlink_to(outside)
    done = box.sh(
        "ls -d /data/link; grep -c outside /proc/self/mountinfo",
        mounts=(Mount("bind", "/data", volume), Mount("tmpfs", "/data/link/sub")),
    )
    assert list(outside.iterdir()) == []
    assert done.out.splitlines()[-1] == "1", "the mount is at the same path inside the container"
    inside = [line for line in done.out.splitlines() if "tmpfs" in line]
    assert not inside


def test_cve_2021_30465_a_link_that_is_swapped_while_a_container_starts(
    box: Box, tmp_path: Path
) -> None:
    """Another container has the same volume, and swaps a directory in it for a link out."""
    outside, volume = tmp_path / "outside", tmp_path / "volume"
    (outside / "sub").mkdir(parents=True)
    (volume / "a" / "sub").mkdir(parents=True)
    (volume / "b").symlink_to(f"../../../../../..{outside}")
    over = threading.Event()

    def swap() -> None:
        while not over.is_set():
            syscall.exchange(str(volume / "a"), str(volume / "b"))

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        mounts = (Mount("bind", "/data", volume), Mount("tmpfs", "/data/a/sub"))
        for _ in range(40):
            try:
                done = box.sh("touch /data/a/sub/file 2>/dev/null; true", mounts=mounts)
            except EngineError:
                continue  # it was a link when it had to be a directory: no mount is a safe end
            assert done.status == 0
            assert list((outside / "sub").iterdir()) == []
            assert str(outside) not in Path("/proc/self/mountinfo").read_text()
    finally:
        over.set()
        thread.join()
    assert {path.name for path in outside.rglob("*")} == {"sub"}


def test_cve_2024_21626_a_working_directory_in_proc_leads_nowhere(box: Box) -> None:
    for number in range(24):
        try:
            done = box.run("sh", "-c", "pwd -P; ls", cwd=f"/proc/self/fd/{number}/../../..")
        except EngineError as error:
            assert "working directory" in str(error)
            continue
        # There was no such descriptor, so the name was taken for one to be made.
        where, *listed = done.out.split()
        assert where == "/" or where.startswith("/proc")
        assert "rootfs" not in listed
        assert "c1" not in listed


def test_cve_2019_5736_what_executes_the_program_cannot_be_opened(
    tmp_path: Path, rootfs: Path
) -> None:
    """An entry point, an interpreter and a link that are /proc/self/exe."""
    hostile = tmp_path / "hostile"
    (hostile / "bin").mkdir(parents=True)
    (hostile / "bin" / "self").symlink_to("/proc/self/exe")
    script = hostile / "bin" / "script"
    script.write_text("#!/proc/self/exe\n")
    script.chmod(0o755)
    before = Path(sys.executable).resolve().stat().st_mtime_ns
    for program in ("/proc/self/exe", "/bin/self", "/bin/script"):
        done = run_in(tmp_path / f"c{program.replace('/', '_')}", (rootfs, hostile), (program,))
        # It executed the hundred bytes in sealed memory once more, which has nothing to do.
        assert done.status == 127, program
        assert "Python" not in done.out + done.error
    assert Path(sys.executable).resolve().stat().st_mtime_ns == before


def test_a_passwd_that_is_no_file_does_not_stop_us(tmp_path: Path, rootfs: Path) -> None:
    hostile = tmp_path / "hostile"
    (hostile / "etc").mkdir(parents=True)
    os.mkfifo(hostile / "etc" / "passwd")
    (hostile / "etc" / "group").symlink_to("/proc/self/mem")
    done = run_in(tmp_path / "c", (rootfs, hostile), ("cat", "/proc/self/status"))
    assert status_fields(done)["Uid"].split() == ["0"] * 4


def test_privileged_lifts_what_it_says(box: Box) -> None:
    fields = status_fields(
        box.sh("cat /proc/self/status", privileged=True, no_new_privileges=False)
    )
    assert (fields["Seccomp"], fields["NoNewPrivs"]) == ("0", "0")
    done = box.sh("mount -t tmpfs x /tmp && echo mounted; ls /dev | wc -l", privileged=True)
    assert done.out.splitlines()[0] == "mounted"


def test_the_terminals_are_the_containers_own(box: Box) -> None:
    done = box.sh("ls /dev/pts; mount | grep -c devpts")
    assert done.out.split() == ["ptmx", "1"]
