"""`slim --minify` on a real kernel: its recorders, what goes wrong, what is kept exactly."""

from __future__ import annotations

import io
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from lamina.explain.stack import Stack, open_stack
from lamina.minify.keep import Wishes
from lamina.minify.minify import Observed, observe
from lamina.minify.probe import CommandProbe
from lamina.minify.recorder import Way
from lamina.minify.trial import Laboratory, Settings
from lamina.repack.repack import tree_of
from lamina.store.root import open_store
from tests.rights import needs_rights, roots_alone
from tests.system.conftest import COMMAND, Lamina
from tests.system.minifying import (
    build,
    minified,
    names,
    nothing_left,
    write,
)

# the recorders: one contract

WAYS = [pytest.param("fanotify", marks=roots_alone("watching a file system")), "access times"]


@pytest.fixture
def busybox(busybox_store: Lamina, tmp_path: Path) -> Lamina:
    build(
        busybox_store,
        tmp_path / "boxed",
        "box:1",
        "FROM busybox\nCOPY data /data\n"
        'RUN ln -s read /data/link && ln /data/one /data/two\nCMD ["true"]\n',
        {
            "data/read": "read\n",
            "data/unread": "unread\n",
            "data/script": ". /data/sourced\n",
            "data/sourced": "cat /data/link /data/two; echo x > /data/written\n",
            "data/one": "twice\n",
            "data/first-run": "cat /data/unread > /dev/null; rm /data/first-run\n",
            "data/template": "template\n",
            "data/private": "private\n",
            "data/replaced": "old\n",
            "data/change": (
                ". /data/first-run; mv /data/template /data/made; chmod 600 /data/private\n"
                "sed -i s/old/new/ /data/replaced\n"
            ),
        },
    )
    return busybox_store


def observed(lamina: Lamina, probe: CommandProbe, way: Way) -> Observed:
    """What a probe shows of `box:1`, watched that way."""
    store = open_store(lamina.root)
    work = lamina.root / "builds" / "ab"
    work.mkdir(parents=True)
    cache, settings = store.root / "cache", Settings((probe,))
    laboratory = Laboratory(store.layers, work, cache, settings, lambda _: None)
    image, stack = store.images.find("box:1"), open_stack(store, "box:1")
    try:
        return observe(image, stack, laboratory, Wishes(), way)
    finally:
        shutil.rmtree(work)


@pytest.mark.parametrize("way", WAYS)
@needs_rights
def test_every_recorder_tells_the_same(busybox: Lamina, way: Way) -> None:
    seen = observed(busybox, CommandProbe(("sh", "/data/script")), way)
    data = {path for path in seen.used if path.startswith("data/")}
    # What is read through a further name counts under either: they are one file.
    assert data - {"data/one"} == {"data/read", "data/script", "data/sourced", "data/two"}
    assert seen.way == way
    assert any(path.startswith("bin/") for path in seen.used), "the program itself"
    assert seen.outcomes[0].outputs[0] == ("stdout", b"read\ntwice\n")


@pytest.mark.parametrize("way", WAYS)
@needs_rights
def test_what_is_removed_renamed_or_changed_is_used(busybox: Lamina, way: Way) -> None:
    used = observed(busybox, CommandProbe(("sh", "/data/change")), way).used
    assert {path for path in used if path.startswith("data/")} == {
        *("data/change", "data/first-run", "data/unread"),
        *("data/template", "data/private", "data/replaced"),
    }


# what goes wrong


def test_a_probe_that_fails_stops_it(busybox: Lamina) -> None:
    command = "sh -c 'echo it is broken >&2; exit 3'"
    done = busybox("slim", "--minify", "box:1", "-t", "box:min", "--cmd", command, check=False)
    assert done.returncode == 1
    assert "exit status 3" in done.stderr
    assert "it is broken" in done.stderr
    assert "box:min" not in names(busybox)
    nothing_left(busybox)


def test_a_program_that_is_not_there_is_a_probe_that_fails(busybox: Lamina) -> None:
    done = busybox("slim", "--minify", "box:1", "-t", "box:min", "--cmd", "nosuch", check=False)
    assert done.returncode == 1
    assert "not found" in done.stderr


def test_a_service_that_never_answers_is_told(busybox: Lamina) -> None:
    done = busybox(
        *("slim", "--minify", "box:1", "-t", "box:min", "--http", "80/", "--timeout", "1"),
        check=False,
    )
    assert done.returncode == 1
    assert "ended" in done.stderr
    nothing_left(busybox)


@pytest.mark.parametrize("turns", ["second", "first second"])
def test_a_difference_undoes_it_and_says_what_is_missing(
    busybox: Lamina, tmp_path: Path, turns: str
) -> None:
    build(
        busybox,
        tmp_path / "halves",
        "halves:1",
        "FROM busybox\nCOPY first /opt/first\nCOPY second /opt/second\n"
        'CMD ["httpd", "-f", "-p", "8080", "-h", "/opt"]\n',
        {"first/page": "first\n", "second/page": "second\n"},
    )
    # Another page the second time; then that again, or what was asked for at first.
    (tmp_path / "turns").write_text(f"first second {turns} second second")
    script = f"""
        cd {tmp_path}; read page rest < turns; echo $rest > turns
        {sys.executable} -c 'import sys, urllib.request as u
print(u.urlopen(sys.argv[1]).read())' $LAMINA_HTTP:8080/$page/page || echo nothing
        """
    args = ("halves:1", "-t", "halves:min", "--http", "8080/first/page", "--test", script)
    told = minified(busybox, *args, status=3)
    assert told["new"] is None
    assert told["missing"] == ["/opt/second/page"]
    assert [each["verdict"] for each in told["probes"]] == ["same", "differs"]
    assert "halves:min" not in names(busybox)
    nothing_left(busybox)


def test_an_output_that_varies_by_itself_is_no_difference(busybox: Lamina) -> None:
    command = "sh -c 'cat /proc/sys/kernel/random/uuid'"
    told = minified(busybox, "box:1", "-t", "box:min", "--cmd", command)
    assert [each["verdict"] for each in told["probes"]] == ["varies"]
    assert "box:min" in names(busybox)


def test_an_interrupt_leaves_nothing(busybox: Lamina) -> None:
    command = [str(COMMAND), "--root", str(busybox.root), "slim", "--minify", "box:1"]
    running = subprocess.Popen(
        [*command, "-t", "box:min", "--cmd", "sleep 1000"], stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 20
    while not _sleeping(running.pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    inside = _sleeping(running.pid)
    assert inside
    running.send_signal(signal.SIGINT)
    assert running.wait(timeout=20) == 130
    # One that was only just forked ends by the kernel's hand, when we do.
    deadline = time.monotonic() + 5
    while any(Path(f"/proc/{pid}").exists() for pid in inside):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert "box:min" not in names(busybox)
    nothing_left(busybox)


def _sleeping(pid: int) -> list[int]:
    """The children of a process that are the container's program."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [
        int(child)
        for child in text.split()
        # Before it becomes the program it is a copy of ours, whose arguments say sleep as well.
        if Path(f"/proc/{child}/cmdline").read_bytes().startswith(b"sleep\0")
    ]


# what is kept exactly


def test_an_image_without_a_shell(busybox_store: Lamina, tmp_path: Path) -> None:
    box = shutil.which("busybox")
    assert box is not None
    place = tmp_path / "scratch"
    place.mkdir()
    shutil.copy(box, place / "busybox")
    write(
        place,
        {
            "Dockerfile": "FROM scratch\nCOPY busybox /busybox\nCOPY junk /junk\n"
            'CMD ["/busybox", "echo", "hi"]\n',
            "junk/a": "a" * 5000,
        },
    )
    busybox_store("build", "-q", "-t", "bare:1", str(place))
    told = minified(busybox_store, "bare:1", "-t", "bare:min")
    assert told["removed_paths"] == ["/junk", "/junk/a"]
    assert busybox_store("run", "--rm", "bare:min").stdout == "hi\n"


def test_devices_attributes_and_empty_directories_stay(
    root_only: None, lamina: Lamina, tmp_path: Path
) -> None:
    box = shutil.which("busybox")
    assert box is not None
    archive = tmp_path / "odd.tar"
    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as tar:
        _add(tar, "busybox", Path(box).read_bytes(), mode=0o4755)
        _add(tar, "device", None, type=tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o640, uid=7)
        _add(tar, "pipe", None, type=tarfile.FIFOTYPE, mode=0o600)
        _add(tar, "spool", None, type=tarfile.DIRTYPE, mode=0o1777, mtime=1234567890)
        _add(tar, "junk", b"junk")
        attribute = {"SCHILY.xattr.user.note": "kept"}
        _add(tar, "etc/marked", b"marked", uid=5, pax_headers=attribute)
        _add(tar, "etc/again", None, type=tarfile.LNKTYPE, linkname="etc/marked")
        _add(tar, "nowhere", None, type=tarfile.SYMTYPE, linkname="/not/there")
    lamina("import", "--change", 'CMD ["/busybox", "true"]', str(archive), "odd:1")
    minified(lamina, "odd:1", "-t", "odd:min")
    store = open_store(lamina.root)
    old, new = (tree_of(_opened(store, name)) for name in ("odd:1", "odd:min"))
    assert old.keys() - new.keys() == {"junk"}
    assert {path: old[path] for path in new} == new
    assert new["etc/marked"].xattrs == "user.note=6b657074"


def _opened(store: Any, name: str) -> Stack:
    return open_stack(store, name)


def _add(tar: tarfile.TarFile, name: str, content: bytes | None, **fields: Any) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content or b"")
    info.mode = 0o644
    for field, value in fields.items():
        setattr(info, field, value)
    tar.addfile(info, io.BytesIO(content or b""))


def test_a_dry_run_makes_nothing(busybox: Lamina) -> None:
    told = minified(busybox, "box:1", "--dry-run", "--cmd", "cat /data/read")
    assert told["new"] is None
    assert [each["verdict"] for each in told["probes"]] == [None]
    nothing_left(busybox)
