"""`lamina cp`: what goes where, and that nothing leads out of the container."""

from __future__ import annotations

import io
import os
import pwd
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.linux.id_mapping import subordinate
from lamina.run.copy import Tree, copy, host_tree
from lamina.run.tarcopy import from_tar
from tests.rights import AS_USER, needs_rights
from tests.system.containers import Cli, needs_busybox
from tests.system.test_run_cli import cli, finish, start

__all__ = ["cli"]

pytestmark = [pytest.mark.system, needs_busybox, pytest.mark.usefixtures("root_only")]

SETUP = (
    "mkdir -p /d/sub; echo one > /d/one; echo two > /d/sub/two; ln -s one /d/link;"
    "ln -s /etc /d/etc; chown 12:34 /d/one; chmod 4755 /d/one; mkfifo /d/fifo"
)


@pytest.fixture
def box(cli: Cli) -> Iterator[str]:
    """A stopped container with a few files."""
    cli.out("run", "--name", "box", "bb", "sh", "-c", SETUP)
    yield "box"
    cli.out("rm", "-f", "box")


def outside(kind: str, number: int) -> int:
    """What the host calls a user or group of a container."""
    if not AS_USER:
        return number
    text = Path(f"/etc/sub{kind}").read_text()
    [(first, _)] = subordinate(text, [pwd.getpwuid(os.getuid()).pw_name])
    return first + number - 1


def test_a_file_out(cli: Cli, box: str, tmp_path: Path) -> None:
    cli.out("cp", "box:/d/one", str(tmp_path / "new"))
    cli.out("cp", "box:d/one", str(tmp_path))
    for name in ("new", "one"):
        status = (tmp_path / name).stat()
        assert (tmp_path / name).read_text() == "one\n"
        assert (status.st_mode & 0o7777, status.st_uid) == (0o755, os.geteuid()), (
            "no set-id bit comes out"
        )
    cli.out("cp", "-a", "box:/d/one", str(tmp_path / "kept"))
    status = (tmp_path / "kept").stat()
    owner = (outside("uid", 12), outside("gid", 34))
    assert (status.st_mode & 0o7777, status.st_uid, status.st_gid) == (0o4755, *owner)


def test_directories_out(cli: Cli, box: str, tmp_path: Path) -> None:
    cli.out("cp", "box:/d", str(tmp_path / "copy"))
    cli.out("cp", "box:/d", str(tmp_path / "copy"))
    cli.out("cp", "box:/d/.", str(tmp_path / "content"))
    for place in ("copy", "copy/d", "content"):
        assert (tmp_path / place / "sub" / "two").read_text() == "two\n"
        assert os.readlink(tmp_path / place / "etc") == "/etc", "a link is copied as one"


def test_in(cli: Cli, box: str, tmp_path: Path) -> None:
    (tmp_path / "site" / "deep").mkdir(parents=True)
    (tmp_path / "site" / "deep" / "page").write_text("page\n")
    cli.out("cp", str(tmp_path / "site"), "box:/srv")
    cli.out("cp", f"{tmp_path}/site/.", "box:/d")
    assert cli("cp", "box:/srv/deep/page", "-").returncode == 0
    lines = cli.out("diff", "box").splitlines()
    assert {"A /srv/deep/page", "A /d/deep/page"} <= set(lines)


def test_tar_streams(cli: Cli, box: str, tmp_path: Path) -> None:
    out = cli("cp", "box:/d", "-").stdout
    with tarfile.open(fileobj=io.BytesIO(out)) as archive:
        assert {"d/one", "d/sub/two", "d/link"} <= set(archive.getnames())
        assert archive.getmember("d/one").mode == 0o4755
    packed = subprocess.run(["tar", "c", "-C", "/etc", "passwd"], capture_output=True, check=True)
    assert cli("cp", "-", "box:/d", input_=packed.stdout).returncode == 0
    assert cli("cp", "box:/d/passwd", str(tmp_path)).returncode == 0
    assert (tmp_path / "passwd").read_text() == Path("/etc/passwd").read_text()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("box:/nope", "."), "no /nope in container box"),
        (("/nope", "box:/"), "no /nope on this host"),
        (("box:/d/one", "box:/x"), "one side"),
        (("/a", "/b"), "one side"),
        (("absent:/a", "/b"), "no container absent"),
        (("box:/d/one", "/etc/passwd/"), "not a directory"),
        (("box:/d", "/etc/passwd"), "not a directory"),
    ],
)
def test_bad_requests(cli: Cli, box: str, args: tuple[str, str], said: str) -> None:
    done = cli("cp", *args)
    assert (done.returncode, said in done.stderr.decode()) == (1, True), done.stderr
    assert b"Traceback" not in done.stderr


def test_a_running_container_with_its_volumes(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "file").write_text("in the volume\n")
    command = start(cli, "live", "--rm", "-v", f"{tmp_path}/v:/v", "bb", "sleep", "1000")
    try:
        cli.out("cp", "live:/v/file", str(tmp_path / "got"))
        cli.out("cp", "/etc/passwd", "live:/v/")
        assert cli("cp", "live:/proc/kcore", "-").stdout == b""
    finally:
        cli.out("rm", "-f", "live")
        finish(command)
    assert (tmp_path / "got").read_text() == "in the volume\n"
    assert (tmp_path / "v" / "passwd").exists()


# links that lead out


def test_cve_2018_15664_links_are_resolved_in_the_container(cli: Cli, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("of the host\n")
    script = f"ln -s {secret} /abs; ln -s ../../../../../../..{secret} /rel; ln -s /proc/1/root /p"
    cli.out("run", "--name", "evil", "bb", "sh", "-c", script)
    for link in ("abs", "rel", "p"):
        assert cli("cp", f"evil:/{link}/key", str(tmp_path / "out")).returncode == 1
        assert cli("cp", "-L", f"evil:/{link}", str(tmp_path / "out")).returncode == 1
        cli("cp", "/etc/passwd", f"evil:/{link}/planted")
        cli("cp", "/etc/passwd", f"evil:/{link}")
    assert not (tmp_path / "out").exists()
    assert sorted(path.name for path in secret.iterdir()) == ["key"]
    cli.out("rm", "evil")


def test_cve_2018_15664_a_link_swapped_in_the_middle(tmp_path: Path) -> None:
    """A directory that turns into a link to the host and back while files are copied."""
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    (outside / "x").mkdir(parents=True)
    (inside / "real" / "x").mkdir(parents=True)
    stop = threading.Event()

    def swap() -> None:
        os.symlink("real", inside / "x1")
        while not stop.is_set():
            for target in ("real", str(outside)):
                os.symlink(target, inside / "tmp")
                os.replace(inside / "tmp", inside / "x1")

    swapper = threading.Thread(target=swap)
    swapper.start()
    root = os.open(inside, os.O_PATH | os.O_DIRECTORY)
    source = tmp_path / "file"
    source.write_text("planted")
    try:
        with host_tree() as host:
            for number in range(300):
                try:
                    copy(host, str(source), Tree(root, "inside", True), f"/x1/x/f{number}")
                except Exception as error:  # noqa: BLE001 - any refusal is fine
                    assert str(error)
    finally:
        stop.set()
        swapper.join()
        os.close(root)
    assert list((outside / "x").iterdir()) == []


@needs_rights
def test_cve_2019_14271_nothing_of_the_container_is_loaded(cli: Cli, tmp_path: Path) -> None:
    """Names of owners are never looked up: a hostile libnss or nsswitch.conf is not read."""
    script = "mkdir -p /lib /d; echo trap > /lib/libnss_files.so.2; echo x > /d/f; chown 77:77 /d/f"
    cli.out("run", "--name", "nss", "bb", "sh", "-c", script)
    trace = tmp_path / "trace"
    argv = cli.argv("cp", "-a", "nss:/d/f", str(tmp_path / "f"))
    subprocess.run(["strace", "-f", "-qq", "-e", "trace=open,openat,openat2,execve,chroot",
                    "-o", str(trace), *argv], check=True)  # fmt: skip
    text = trace.read_text()
    assert "libnss_files.so.2" not in text.split('"/proc')[-1]
    assert "chroot(" not in text
    assert text.count("execve(") == 1
    cli.out("rm", "nss")


def test_what_lies_at_the_target_is_never_written_through(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "dest").mkdir()
    (tmp_path / "dest" / "file").symlink_to(victim)
    (tmp_path / "dest" / "sub").symlink_to(tmp_path)
    inside = tmp_path / "inside"
    (inside / "d" / "sub").mkdir(parents=True)
    (inside / "d" / "file").write_text("theirs")
    (inside / "d" / "sub" / "victim").write_text("theirs")
    root = os.open(inside, os.O_PATH | os.O_DIRECTORY)
    try:
        with host_tree() as host, pytest.raises(Exception, match="not a directory"):
            copy(Tree(root, "inside", True), "/d/.", host, str(tmp_path / "dest"))
    finally:
        os.close(root)
    assert victim.read_text() == "mine"
    assert (tmp_path / "dest" / "file").read_text() == "theirs"


def test_a_tar_cannot_climb_out(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    (inside / "d").mkdir(parents=True)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, str(outside)
        archive.addfile(link)
        archive.addfile(tarfile.TarInfo("link/planted"))
    root = os.open(inside, os.O_PATH | os.O_DIRECTORY)
    try:
        from_tar([buffer.getvalue()], Tree(root, "inside", True), "/d")
    finally:
        os.close(root)
    assert list(outside.iterdir()) == []
