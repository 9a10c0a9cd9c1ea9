"""`lamina build` on the real kernel: busybox as the base."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from lamina.engine import open_engine
from lamina.layer.entry import Entry
from lamina.layer.union import Union
from lamina.store.contract import Image
from tests.system.conftest import COMMAND, Lamina

pytestmark = pytest.mark.system


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """An empty context."""
    place = tmp_path / "context"
    place.mkdir()
    return place


def built(lamina: Lamina, context: Path, text: str, *args: str, check: bool = True) -> str:
    """Build a Dockerfile as `t`; returns what was printed, both streams."""
    (context / "Dockerfile").write_text(text)
    done = lamina("build", "-t", "t", *args, str(context), check=check)
    return done.stdout + done.stderr


def image(lamina: Lamina, name: str = "t") -> Image:
    return open_engine(lamina.root).store.images.find(name)


def config(lamina: Lamina, name: str = "t") -> dict[str, Any]:
    document: dict[str, Any] = json.loads(image(lamina, name).config.raw)
    return document


def files(lamina: Lamina, name: str = "t", *, above: int = 1) -> dict[str, Entry]:
    """What the layers above the base hold, merged, by path."""
    layers = open_engine(lamina.root).store.layers
    chain = image(lamina, name).layers[above:]
    return {
        each.entry.path: each.entry
        for each in Union.of([layers.listing(each) for each in chain]).walk()
    }


def content(lamina: Lamina, path: str, name: str = "t") -> str:
    """A file of the image."""
    layers = open_engine(lamina.root).store.layers
    chain = image(lamina, name).layers
    found = Union.of([layers.listing(each) for each in chain]).content(path)
    assert found is not None, path
    with layers.open_file(chain[found.layer], found.entry) as file:
        return file.read().decode()


def cached(output: str) -> list[int]:
    """The numbers of the steps that came from the cache."""
    lines = [line for line in output.splitlines() if line.startswith("#") and "CACHED" in line]
    return [int(line[1:].split()[0]) for line in lines if not line.startswith("#0")]


def nothing_left(lamina: Lamina) -> None:
    assert list((lamina.root / "builds").iterdir()) == []
    assert str(lamina.root) not in Path("/proc/self/mountinfo").read_text()


SEED = """\
FROM busybox
MAINTAINER me
WORKDIR /home
RUN dd if=/dev/zero of=50M.file bs=1M count=50
RUN rm -rf 50M.file
"""


def test_the_seed(busybox_store: Lamina, context: Path) -> None:
    output = built(busybox_store, context, SEED)
    assert "#2 [2/3] RUN dd if=/dev/zero of=50M.file bs=1M count=50" in output
    assert "records out" in output
    assert "hides 52.4 MB of step 2" in output
    assert "52.4 MB of it hidden" in output
    document = config(busybox_store)
    assert [line.get("created_by") for line in document["history"]][-4:] == [
        "MAINTAINER me",
        "WORKDIR /home",
        "RUN /bin/sh -c dd if=/dev/zero of=50M.file bs=1M count=50 # buildkit",
        "RUN /bin/sh -c rm -rf 50M.file # buildkit",
    ]
    assert document["author"] == "me"
    assert document["config"]["WorkingDir"] == "/home"
    layers = image(busybox_store).manifest.layers
    assert [each.digest for each in layers[1:]] == list(image(busybox_store).layers[1:])
    assert layers[-1].media_type == "application/vnd.oci.image.layer.v1.tar"
    nothing_left(busybox_store)


def test_a_layer_holds_what_the_command_changed_and_nothing_else(
    busybox_store: Lamina, context: Path
) -> None:
    built(busybox_store, context, "FROM busybox\nRUN echo x > /new && mkdir -p /srv/d\n")
    assert set(files(busybox_store)) - {"srv"} == {"new", "srv/d"}


def test_a_built_image_verifies_and_runs(busybox_store: Lamina, context: Path) -> None:
    built(busybox_store, context, "FROM busybox\nENV GREETING=hi\nRUN echo $GREETING > /f\n")
    layers = open_engine(busybox_store.root).store.layers
    assert [layers.verify(each) for each in image(busybox_store).layers] == [[], []]
    assert content(busybox_store, "f") == "hi\n"


COPY = "FROM busybox\nRUN echo one\nCOPY src /src\nRUN echo two\n"


@pytest.fixture
def source(context: Path) -> Path:
    """A context with a file."""
    (context / "src").mkdir()
    (context / "src" / "f").write_text("f")
    return context


def test_a_second_build_is_the_same_image(busybox_store: Lamina, source: Path) -> None:
    assert cached(built(busybox_store, source, COPY)) == []
    first = image(busybox_store).config.digest
    assert cached(built(busybox_store, source, COPY)) == [1, 2, 3]
    assert image(busybox_store).config.digest == first
    assert cached(built(busybox_store, source, COPY, "--no-cache")) == []


def test_times_and_places_hit(busybox_store: Lamina, source: Path, tmp_path: Path) -> None:
    built(busybox_store, source, COPY)
    os.utime(source / "src" / "f", (1, 1))
    assert cached(built(busybox_store, source, COPY)) == [1, 2, 3]
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(source, elsewhere)
    (elsewhere / "unrelated").write_text("x")
    assert cached(built(busybox_store, elsewhere, COPY)) == [1, 2, 3]


def test_a_byte_or_a_mode_bit_misses(busybox_store: Lamina, source: Path) -> None:
    built(busybox_store, source, COPY)
    (source / "src" / "f").write_text("g")
    assert cached(built(busybox_store, source, COPY)) == [1]
    assert content(busybox_store, "src/f") == "g"
    (source / "src" / "f").chmod(0o755)
    assert cached(built(busybox_store, source, COPY)) == [1]
    assert files(busybox_store)["src/f"].mode == 0o755


def test_what_a_command_sees_is_in_its_key(busybox_store: Lamina, context: Path) -> None:
    text = "FROM busybox\nARG V\n{}RUN echo x\n"
    built(busybox_store, context, text.format(""))
    assert cached(built(busybox_store, context, text.format(""))) == [1]
    assert cached(built(busybox_store, context, text.format(""), "--build-arg", "V=1")) == []
    assert cached(built(busybox_store, context, text.format("ENV A=1\n"))) == []
    assert cached(built(busybox_store, context, text.format("USER 1\n"))) == []
    assert cached(built(busybox_store, context, text.format("LABEL a=b\n"))) == [1]


def test_copy_from_a_stage_hits_when_its_files_are_the_same(
    busybox_store: Lamina, context: Path
) -> None:
    text = (
        "FROM busybox AS a\nRUN echo {} && echo same > /out\n"
        "FROM busybox\nCOPY --from=a /out /out\nRUN echo last\n"
    )
    built(busybox_store, context, text.format(1))
    assert cached(built(busybox_store, context, text.format(2))) == [2, 3]


def test_a_failing_step(busybox_store: Lamina, context: Path) -> None:
    text = "FROM busybox\nRUN echo fine\nRUN echo oh no; exit 7\n"
    output = built(busybox_store, context, text, check=False)
    assert "oh no" in output
    assert "Dockerfile:3: the command ended with exit status 7\n" in output
    assert "    3 │ RUN echo oh no; exit 7\n      │ ^^^" in output
    assert "lamina:" not in output
    assert not any(
        row.reference and row.reference.familiar_name == "t"
        for row in open_engine(busybox_store.root).store.images
    )
    nothing_left(busybox_store)
    assert cached(built(busybox_store, context, text, check=False)) == [1]


def test_a_program_that_is_not_there(busybox_store: Lamina, context: Path) -> None:
    output = built(busybox_store, context, 'FROM busybox\nRUN ["/no/such"]\n', check=False)
    assert "exit status 127" in output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_build(busybox_store: Lamina, context: Path, number: int) -> None:
    text = "FROM busybox\nRUN echo kept\nRUN echo started; sleep 60\n"
    (context / "Dockerfile").write_text(text)
    process = subprocess.Popen(
        [COMMAND, "--root", busybox_store.root, "build", "-t", "t", context],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    with process, process.stderr:
        for line in process.stderr:
            if line.endswith("started\n") and "RUN" not in line:
                break
        process.send_signal(number)
        process.stderr.read()
    assert process.returncode == (130 if number == signal.SIGINT else -signal.SIGKILL)
    if number == signal.SIGINT:
        nothing_left(busybox_store)
    assert sleepers(busybox_store) == []
    again = built(busybox_store, context, text.replace("sleep 60", "true"))
    assert cached(again) == [1]
    nothing_left(busybox_store)


def sleepers(lamina: Lamina) -> list[str]:
    """Processes of the build that still live, after giving the kernel a moment to end them."""
    deadline = time.monotonic() + 5
    while True:
        found = [
            pid
            for pid in os.listdir("/proc")
            if pid.isdecimal() and str(lamina.root) in _mounts(pid)
        ]
        if not found or time.monotonic() > deadline:
            return found


def _mounts(pid: str) -> str:
    try:
        return Path("/proc", pid, "mountinfo").read_text()
    except OSError:
        return ""


def test_owners_by_the_names_of_the_image(busybox_store: Lamina, context: Path) -> None:
    (context / "f").write_text("f")
    built(
        busybox_store,
        context,
        "FROM busybox\nRUN echo 'u:x:12:34::/:' >> /etc/passwd && echo 'g:x:56:' >> /etc/group\n"
        "COPY --chown=u f /a\nCOPY --chown=u:g f /b\nCOPY --chown=7 f /c\nCOPY --chown=:8 f /d\n",
    )
    found = files(busybox_store)
    owners = {path: (found[path].uid, found[path].gid) for path in "abcd"}
    assert owners == {"a": (12, 34), "b": (12, 56), "c": (7, 7), "d": (0, 8)}


def test_an_owner_that_the_image_does_not_know(busybox_store: Lamina, context: Path) -> None:
    (context / "f").write_text("f")
    output = built(busybox_store, context, "FROM busybox\nCOPY --chown=nosuch f /a\n", check=False)
    assert "Dockerfile:2: unable to find user nosuch: no matching entries in passwd file" in output


def test_user_and_workdir_of_run(busybox_store: Lamina, context: Path) -> None:
    built(
        busybox_store,
        context,
        "FROM busybox\nWORKDIR /w\nRUN chown 5:6 /w\nUSER 5:6\nRUN id -u > u; id -g > g; pwd > p\n",
    )
    assert [content(busybox_store, f"w/{name}") for name in "ugp"] == ["5\n", "6\n", "/w\n"]


def test_heredocs(busybox_store: Lamina, context: Path) -> None:
    built(
        busybox_store,
        context,
        "FROM busybox\nENV X=1\nRUN <<E\nset -e\necho a$X > /a\nE\n"
        "RUN <<E\n#!/bin/cat\nscript\nE\n"
        "RUN cat <<E > /b\nb$X\nE\nCOPY <<E /c\nc$X\nE\n",
    )
    assert [content(busybox_store, name) for name in "abc"] == ["a1\n", "b1\n", "c1\n"]
    assert not {path for path in files(busybox_store) if path.startswith("dev")}


def test_scratch(busybox_store: Lamina, context: Path) -> None:
    (context / "hello").write_text("hello")
    built(busybox_store, context, 'FROM scratch\nCOPY hello /\nCMD ["/hello"]\n')
    assert set(files(busybox_store, above=0)) == {"hello"}
    document = config(busybox_store)
    assert document["config"]["Cmd"] == ["/hello"]
    assert document["os"] == "linux"


def test_run_over_many_empty_layers(busybox_store: Lamina, context: Path) -> None:
    text = "FROM busybox\n" + "WORKDIR /home\n" * 3 + "RUN true\nRUN echo x > /x\nRUN cat /x\n"
    built(busybox_store, context, text)
    assert content(busybox_store, "x") == "x\n"
    assert busybox_store("run", "--rm", "t", "cat", "/x").stdout == "x\n"


def test_run_on_scratch(busybox_store: Lamina, context: Path, busybox_tar: Path) -> None:
    shutil.copy(busybox_tar, context / "busybox.tar")
    built(busybox_store, context, "FROM scratch\nADD busybox.tar /\nRUN echo x > /x\n")
    assert content(busybox_store, "x") == "x\n"


def test_no_network(busybox_store: Lamina, context: Path) -> None:
    built(busybox_store, context, "FROM busybox\nRUN --network=none ls /sys/class/net > /n\n")
    assert content(busybox_store, "n").split() == ["lo"]


def test_a_source_that_is_not_there(busybox_store: Lamina, context: Path) -> None:
    (context / "present").write_text("")
    (context / "secret").write_text("")
    (context / ".dockerignore").write_text("secret\n")
    output = built(busybox_store, context, "FROM busybox\nCOPY presnt /\n", check=False)
    assert "Dockerfile:2: presnt is not in the context\n" in output
    assert "^^^^^^ did you mean present?" in output
    output = built(busybox_store, context, "FROM busybox\nCOPY secret /\n", check=False)
    assert "the ignore file hides it" in output


def test_names_ids_and_labels(busybox_store: Lamina, context: Path, tmp_path: Path) -> None:
    (context / "Dockerfile").write_text("FROM busybox\nFROM busybox AS other\n")
    done = busybox_store(
        *("build", "-q", "-t", "a:1", "-t", "b", "--label", "k=v", "--target", "0"),
        *("--iidfile", str(tmp_path / "iid"), str(context)),
    )
    found = image(busybox_store, "a:1")
    assert done.stdout == f"{found.config.digest}\n"
    assert (tmp_path / "iid").read_text() == str(found.config.digest)
    assert image(busybox_store, "b").config.digest == found.config.digest
    assert found.config.labels == {"k": "v"}


def test_standard_input(busybox_store: Lamina, context: Path) -> None:
    (context / "f").write_text("f")
    busybox_store("build", "-t", "x", "-", stdin="FROM busybox\nRUN true\n")
    busybox_store("build", "-t", "y", "-f", "-", str(context), stdin="FROM busybox\nCOPY f /\n")
    assert content(busybox_store, "f", "y") == "f"
    failed = busybox_store("build", "-", stdin="FROM busybox\nCOPY f /\n", check=False)
    assert failed.returncode == 1
    assert "f is not in the context" in failed.stderr


@pytest.mark.parametrize(
    ("args", "status", "message"),
    [
        (["nowhere"], 1, "there is no directory nowhere"),
        (["-f", "nowhere", "."], 1, "nowhere"),
        (["-t", "UPPER", "."], 1, "UPPER"),
        (["--target", "x", "."], 1, "has no stage x"),
        (["--platform", "a/b/c/d", "."], 1, "not a platform"),
        (["--nonsense", "."], 2, "no such option"),
        ([], 2, "missing argument"),
    ],
)
def test_what_cannot_be_asked_for(
    busybox_store: Lamina, context: Path, args: list[str], status: int, message: str
) -> None:
    (context / "Dockerfile").write_text("FROM busybox\n")
    done = busybox_store("build", *args, check=False, cwd=context)
    assert done.returncode == status
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_base_points_at_its_line(busybox_store: Lamina, context: Path) -> None:
    output = built(busybox_store, context, "FROM 127.0.0.1:1/bzybox\n", check=False)
    assert "\nDockerfile:1: no image 127.0.0.1:1/bzybox" in output
    assert "    1 │ FROM 127.0.0.1:1/bzybox" in output


def test_two_builds_at_once(busybox_store: Lamina, context: Path) -> None:
    (context / "Dockerfile").write_text("FROM busybox\nRUN echo x > /x\nRUN sleep 0.1\n")
    command: list[str | Path] = [COMMAND, "--root", busybox_store.root, "build", "-q", context]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for process in running:
        with process:
            process.communicate()
        assert process.returncode == 0
    nothing_left(busybox_store)


def test_a_step_that_cannot_begin_points_at_its_line(
    busybox_store: Lamina, context: Path, tmp_path: Path
) -> None:
    with tarfile.open(tmp_path / "hostile.tar", "w") as tar:
        member = tarfile.TarInfo("proc")
        member.type, member.linkname = tarfile.SYMTYPE, "/tmp"
        tar.addfile(member)
    busybox_store("import", str(tmp_path / "hostile.tar"), "hostile")
    said = built(busybox_store, context, "FROM hostile\nRUN true\n", check=False)
    assert "Dockerfile:2" in said
    assert "a link at /proc, where a directory belongs" in said
    assert "Traceback" not in said
    nothing_left(busybox_store)


def test_stages_that_know_nothing_of_each_other(busybox_store: Lamina, context: Path) -> None:
    text = (
        "FROM busybox AS one\nRUN echo one > /out\n"
        "FROM busybox AS two\nRUN echo two > /out\n"
        "FROM busybox\nCOPY --from=one /out /1\nCOPY --from=two /out /2\n"
    )
    built(busybox_store, context, text)
    assert content(busybox_store, "1") == "one\n"
    assert content(busybox_store, "2") == "two\n"


def test_a_stage_that_only_feeds_cached_steps_is_not_looked_for(
    busybox_store: Lamina, context: Path
) -> None:
    text = "FROM busybox AS one\nRUN echo one > /out\nFROM busybox\nCOPY --from=one /out /1\n"
    built(busybox_store, context, text)
    store = open_engine(busybox_store.root).store
    chain = image(busybox_store).layers
    for step in list(store.steps):
        if step.layers and step.layers[0] not in chain:
            store.steps.remove(step.key)
    again = built(busybox_store, context, text)
    assert cached(again) == [1, 2]


def test_a_renewed_stage_is_copied_from_by_what_it_holds_now(
    busybox_store: Lamina, context: Path
) -> None:
    text = (
        "FROM busybox AS one\nRUN cat /proc/sys/kernel/random/uuid > /out\n"
        "FROM busybox\nCOPY --from=one /out /1\n"
    )
    built(busybox_store, context, text)
    first = content(busybox_store, "1")
    assert cached(built(busybox_store, context, text, "--no-cache")) == []
    second = content(busybox_store, "1")
    assert second != first
    assert cached(built(busybox_store, context, text)) == [1, 2]
    assert content(busybox_store, "1") == second
