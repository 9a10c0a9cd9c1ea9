"""RUN on the real kernel: its mounts, limits, privileges and environment."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lamina.cache.mounts import CacheMounts
from lamina.linux.cgroup import ROOT
from lamina.linux.cgroup_group import leftovers, open_group
from lamina.linux.cgroup_tree import hierarchies
from tests.rights import AS_USER, OF_THE_HOST
from tests.system.conftest import COMMAND, Lamina, need_tool
from tests.system.test_build import built, cached, content, context, files, nothing_left

__all__ = ["context"]
pytestmark = pytest.mark.system

SECRET = "zq8-s3cret-Lm4"


def said(output: str) -> list[str]:
    """What the commands printed, line by line, without numbers and times."""
    found = []
    for line in output.splitlines():
        number, _, rest = line.partition(" ")
        moment, _, text = rest.partition(" ")
        if number.startswith("#") and moment.replace(".", "").isdigit() and "." in moment:
            found.append(text)
    return found


def ran(lamina: Lamina, context: Path, text: str, *args: str, check: bool = True) -> list[str]:
    """Build a Dockerfile on busybox anew; what its commands printed."""
    return said(
        built(
            lamina,
            context,
            f"FROM busybox\n{text}",
            "--no-cache",
            "--progress",
            "plain",
            *args,
            check=check,
        )
    )


def changed(lamina: Lamina) -> set[str]:
    """What the layers above the base hold."""
    return set(files(lamina))


@pytest.fixture
def source(context: Path) -> Path:
    """A context with a directory, a file in it, and what an ignore file hides."""
    (context / "src" / "sub").mkdir(parents=True)
    (context / "src" / "f").write_text("f\n")
    (context / "src" / "sub" / "g").write_text("g\n")
    (context / "src" / "hidden").write_text("hidden\n")
    (context / "src" / "f").chmod(0o640)
    if not AS_USER:
        os.chown(context / "src" / "f", 12, 34)
    (context / ".dockerignore").write_text("**/hidden\n")
    return context


# binds


def test_a_bind_of_the_context(busybox_store: Lamina, source: Path) -> None:
    lines = ran(
        busybox_store,
        source,
        "RUN --mount=source=src,target=/at/src stat -c '%a %u:%g' /at/src/f && ls /at/src && "
        "cat /at/src/sub/g; touch /at/src/new || echo read-only",
    )
    assert lines[:4] == ["640 0:0", "f", "sub", "g"]
    assert lines[-1] == "read-only"
    assert changed(busybox_store) == set()
    nothing_left(busybox_store)


def test_a_bind_of_one_file_and_of_everything(busybox_store: Lamina, source: Path) -> None:
    lines = ran(
        busybox_store,
        source,
        "RUN --mount=source=src/f,target=/one cat /one\nWORKDIR /w\nRUN --mount=target=. ls -A\n",
    )
    assert lines == ["f", ".dockerignore", "Dockerfile", "src"]


def test_what_is_written_to_a_bind_is_gone(busybox_store: Lamina, source: Path) -> None:
    lines = ran(
        busybox_store,
        source,
        "RUN --mount=source=src,target=/s,rw --mount=source=src/f,target=/one,rw "
        "echo more >> /one && cat /one && rm -r /s/sub && touch /s/new && ls /s\n"
        "RUN --mount=source=src,target=/s ls /s && cat /s/f",
    )
    assert lines == ["f", "more", "f", "new", "f", "sub", "f"]
    assert (source / "src" / "f").read_text() == "f\n"
    assert changed(busybox_store) == set()


def test_a_bind_from_a_stage_and_an_image(busybox_store: Lamina, context: Path) -> None:
    text = (
        "FROM busybox AS made\nRUN mkdir -p /d/real && echo old > /d/real/f && ln -s real /d/link\n"
        "RUN echo new > /d/real/f && echo x > /d/gone\nRUN rm /d/gone\nFROM busybox\n"
        "RUN --mount=from=made,source=/d/link,target=/m,rw cat /m/f && echo z > /m/f && ls /m\n"
        "RUN --mount=from=made,source=d,target=/m ls /m; rm /m/link || echo read-only\n"
        "RUN --mount=from=busybox,source=/bin/busybox,target=/b [ -x /b ] && echo yes\n"
    )
    output = built(busybox_store, context, text, "--progress", "plain")
    lines = [line for line in said(output) if not line.startswith("rm:")]
    assert lines == ["new", "f", "link", "real", "read-only", "yes"]
    assert changed(busybox_store) == set()


def test_a_bind_is_in_the_key_by_its_content(busybox_store: Lamina, source: Path) -> None:
    text = "FROM busybox\nRUN --mount=source=src,target=/s cat /s/f\n"
    built(busybox_store, source, text)
    (source / "other").write_text("x")
    (source / "src" / "hidden").write_text("changed")
    os.utime(source / "src" / "f", (1, 1))
    assert cached(built(busybox_store, source, text)) == [1]
    (source / "src" / "f").write_text("changed\n")
    assert cached(built(busybox_store, source, text)) == []


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        ("source=nope,target=/x", "nope is not in the context"),
        ("source=src/hidden,target=/x", "src/hidden is not in the context"),
        ("source=src/*,target=/x", "src/* is not in the context"),
        ("from=busybox,source=/nope,target=/x", "nope is not in base busybox"),
        ("source=src/f,target=/bin", "cannot mount"),
    ],
)
def test_binds_that_cannot_be(
    busybox_store: Lamina, source: Path, flags: str, problem: str
) -> None:
    text = f"FROM busybox\nRUN --mount={flags} true\n"
    output = built(busybox_store, source, text, check=False)
    assert f"Dockerfile:2: {problem}" in output
    assert "Traceback" not in output
    nothing_left(busybox_store)


def test_mount_points_do_not_stay(busybox_store: Lamina, source: Path) -> None:
    ran(
        busybox_store,
        source,
        "RUN --mount=source=src,target=/a/b/src --mount=type=tmpfs,target=/a/tmp "
        "--mount=type=tmpfs,target=/a/tmp/in --mount=type=cache,target=/out/cache "
        "--mount=type=secret,id=s,target=/etc/deep/secret --mount=source=src/f,target=/a/file "
        "mkdir -p /out && echo made > /out/f && touch /a/tmp/x /out/cache/y",
        "--secret",
        "id=s,env=HOME",
    )
    assert changed(busybox_store) == {"out", "out/f"}


# tmpfs


def test_tmpfs(busybox_store: Lamina, context: Path) -> None:
    lines = ran(
        busybox_store,
        context,
        "RUN --mount=type=tmpfs,target=/t,size=64k stat -c %a /t && echo '#!/bin/sh' > /t/x && "
        "chmod +x /t/x && /t/x && dd if=/dev/zero of=/t/big bs=1k count=100 2>&1 | tail -1\n"
        "RUN --mount=type=tmpfs,target=/t,ro touch /t/x || echo read-only",
    )
    assert lines[0] == "1777"
    assert lines[1] == "60+0 records out"  # 64 KiB hold them beside the script
    assert lines[-1] == "read-only"
    assert changed(busybox_store) == set()


# caches


def test_a_cache_outlives_builds_and_collections(busybox_store: Lamina, context: Path) -> None:
    text = "RUN --mount=type=cache,target=/c,mode=0750,uid=3,gid=4 {}"
    assert ran(busybox_store, context, text.format("stat -c '%a %u:%g' /c && echo a >> /c/f")) == [
        "750 3:4"
    ]
    assert changed(busybox_store) == set()
    busybox_store("system", "prune", "--force")
    assert ran(busybox_store, context, text.format("echo b >> /c/f; cat /c/f")) == ["a", "b"]
    (found,) = CacheMounts(busybox_store.root)
    assert (found.id, found.in_use) == ("/c", False)
    if OF_THE_HOST:  # to others it is a subordinate id's
        assert (found.path / "f").read_text() == "a\nb\n"


def test_caches_by_id(busybox_store: Lamina, context: Path) -> None:
    lines = ran(
        busybox_store,
        context,
        "RUN --mount=type=cache,target=/c,id=one touch /c/f\n"
        "RUN --mount=type=cache,target=/d,id=one ls /d\n"
        "RUN --mount=type=cache,target=/c,id=two ls /c; echo end\n"
        "RUN --mount=type=cache,target=/c,id=one,ro touch /c/x || echo read-only\n"
        "RUN --mount=type=cache,target=/c,id=one,sharing=locked "
        "--mount=type=cache,target=/d,id=one,sharing=locked touch /c/g && ls /d",
    )
    assert [line for line in lines if "touch" not in line] == ["f", "end", "read-only", "f", "g"]


def test_what_a_cache_begins_with(busybox_store: Lamina, source: Path) -> None:
    text = (
        "FROM busybox AS made\nRUN mkdir /d && echo {} > /d/f && chown 7:8 /d/f\nFROM busybox\n"
        "RUN --mount=type=cache,target=/c,from=made,source=d,uid=9 "
        "stat -c '%u:%g' /c /c/f && cat /c/f && echo x >> /c/f\n"
    )
    for content_, expected in (("one", ["one"]), ("one", ["one", "x"]), ("two", ["two"])):
        output = built(
            busybox_store, source, text.format(content_), "--no-cache", "--progress", "plain"
        )
        assert said(output) == ["9:0", "7:8", *expected]
    output = built(
        busybox_store,
        source,
        "FROM busybox\nRUN --mount=type=cache,target=/c,from=busybox,source=bin/busybox true\n",
        check=False,
    )
    assert "/bin/busybox is not a directory: a cache mount cannot begin with it" in output


def _started(lamina: Lamina, context: Path, *args: str) -> subprocess.Popen[str]:
    """A build that runs until something is written into its cache mount."""
    process = subprocess.Popen(
        [COMMAND, "--root", lamina.root, "build", "--no-cache", "--progress=plain", *args, context],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.rstrip().endswith(("READY", "waiting for the cache mount c")):
            break
    return process


WAITS = "echo READY; while [ ! -e /c/go ]; do sleep 0.05; done; rm /c/go; echo first >> /c/log"


def test_locked_excludes_and_waits(busybox_store: Lamina, context: Path, tmp_path: Path) -> None:
    mount = "--mount=type=cache,target=/c,id=c,sharing=locked"
    (context / "Dockerfile").write_text(f"FROM busybox\nRUN {mount} {WAITS}\n")
    other = tmp_path / "other"
    other.mkdir()
    (other / "Dockerfile").write_text(f"FROM busybox\nRUN {mount} echo second >> /c/log\n")
    with _started(busybox_store, context) as first, _started(busybox_store, other) as second:
        (found,) = CacheMounts(busybox_store.root)
        assert found.in_use
        assert second.poll() is None
        (found.path / "go").write_text("")
        first.communicate()
        second.communicate()
    assert (first.returncode, second.returncode) == (0, 0)
    assert (found.path / "log").read_text() == "first\nsecond\n"


@pytest.mark.parametrize(("sharing", "count"), [("shared", 1), ("private", 2)])
def test_sharing(
    busybox_store: Lamina, context: Path, tmp_path: Path, sharing: str, count: int
) -> None:
    mount = f"--mount=type=cache,target=/c,id=c,sharing={sharing}"
    (context / "Dockerfile").write_text(f"FROM busybox\nRUN {mount} {WAITS}\n")
    other = tmp_path / "other"
    other.mkdir()
    with _started(busybox_store, context) as first:
        (found,) = CacheMounts(busybox_store.root)
        built(busybox_store, other, f"FROM busybox\nRUN {mount} touch /c/beside\n")
        assert len(list(CacheMounts(busybox_store.root))) == count
        assert (found.path / "beside").exists() == (sharing == "shared")
        (found.path / "go").write_text("")
        first.communicate()
    assert first.returncode == 0


def test_a_build_that_waits_can_be_interrupted(
    busybox_store: Lamina, context: Path, tmp_path: Path
) -> None:
    mount = "--mount=type=cache,target=/c,id=c,sharing=locked"
    (context / "Dockerfile").write_text(f"FROM busybox\nRUN {mount} {WAITS}\n")
    with _started(busybox_store, context) as first, _started(busybox_store, context) as second:
        second.send_signal(signal.SIGINT)
        second.communicate(timeout=30)
        assert second.returncode == 130
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=30)
    nothing_left(busybox_store)


# secrets


def test_secrets(busybox_store: Lamina, context: Path, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(SECRET)
    lines = ran(
        busybox_store,
        context,
        "RUN --mount=type=secret,id=a ls -l /run/secrets/a | cut -c1-10; wc -c < /run/secrets/a\n"
        "RUN --mount=type=secret,id=a,target=/t,mode=0444,uid=5,gid=6 stat -c '%a %u:%g' /t; "
        "echo x >> /t || echo read-only\n"
        "RUN --mount=type=secret,id=a,env=A ls /run/secrets 2> /dev/null; echo ${#A}\n"
        'RUN --mount=type=secret,id=a,env=A,target=/t printf %s "$A" | cmp /t -\n'
        "RUN --mount=type=secret,id=none ls /run/secrets 2> /dev/null; echo end\n"
        "RUN grep -c ' /run/secrets' /proc/self/mountinfo || true",
        *("--secret", f"id=a,src={tmp_path}/token"),
    )
    length = str(len(SECRET))
    assert lines[:4] == [
        "-r--------",
        length,
        "444 5:6",
        "/bin/sh: can't create /t: Read-only file system",
    ]
    assert lines[4:6] == ["read-only", length]
    assert lines[-2:] == ["end", "0"]
    assert changed(busybox_store) == set()


def test_a_secret_does_not_change_the_key(busybox_store: Lamina, context: Path) -> None:
    text = "FROM busybox\nRUN --mount=type=secret,id=a,env=A true\n"
    (context / "Dockerfile").write_text(text)
    for value, expected in (("one", 0), ("two", 1)):
        done = busybox_store(
            *("build", "--progress", "plain", "--secret", "id=a,env=V", str(context)),
            env={"V": value},
        )
        assert len(cached(done.stdout + done.stderr)) == expected


def test_a_required_secret(busybox_store: Lamina, context: Path) -> None:
    text = "FROM busybox\nRUN --mount=type=secret,id=a,required true\n"
    output = built(busybox_store, context, text, check=False)
    assert "Dockerfile:2: no secret a" in output
    assert "build with --secret id=a,src=FILE" in output


def test_a_secret_that_stays_is_told(busybox_store: Lamina, context: Path) -> None:
    (context / "Dockerfile").write_text(
        "FROM busybox\nRUN --mount=type=secret,id=a cat /run/secrets/a > /kept\n"
    )
    done = busybox_store(
        "build", "--progress=plain", "--secret", "id=a,env=V", str(context), env={"V": SECRET}
    )
    assert "lamina: the secret a is in /kept of this layer" in done.stdout + done.stderr


USES = """\
FROM busybox
RUN --mount=type=secret,id=tok cat /run/secrets/tok; wc -c < /run/secrets/tok > /size
RUN --mount=type=secret,id=tok,env=TOK echo "it is $TOK!"; echo ${#TOK} >> /size; env; set
RUN --mount=type=secret,id=tok,env=TOK printf '%s' "${TOK%????}"; echo "${TOK#??????????}"
RUN --mount=type=secret,id=tok,env=TOK --mount=type=cache,target=/c echo "$TOK" | sha256sum > /c/sum
RUN --mount=type=secret,id=tok,env=TOK echo "$TOK" >&2; READY; exit 3
"""


def _places(directory: Path) -> Iterator[str]:
    """Where the secret is below a directory: in a name, a link, a content, compressed or not."""
    needle = SECRET.encode()
    for top, names, others in os.walk(directory):
        for name in (*names, *others):
            path = Path(top, name)
            if SECRET in name or (path.is_symlink() and SECRET in os.readlink(path)):
                yield str(path)
            if path.is_symlink() or not path.is_file():
                continue
            raw = path.read_bytes()
            if raw[:2] == b"\x1f\x8b":
                raw += gzip.decompress(raw)
            if raw[:4] == b"\x28\xb5\x2f\xfd":
                from backports import zstd

                raw += zstd.decompress(raw)
            if needle in raw:
                yield str(path)


def test_a_secret_is_nowhere(busybox_store: Lamina, context: Path, tmp_path: Path) -> None:
    """Searched: the whole store, the temporary directory and all that was printed, after builds
    that use it by file and by variable, print it and fail, and while one of them runs."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    secret = ("--secret", "id=tok,env=TOKEN")
    env = {**os.environ, "TOKEN": SECRET, "TMPDIR": str(temporary)}
    printed = ""
    for text in (USES.replace("READY", "true"), USES.rsplit("RUN", 1)[0]):
        (context / "Dockerfile").write_text(text)
        for progress in ("plain", "rawjson"):
            done = busybox_store(
                *("build", "-t", "t", "--progress", progress, *secret, str(context)),
                check=False,
                env=env,
            )
            printed += done.stdout + done.stderr
    assert "it is ***!" in printed
    for command in (("history", "--no-trunc", "t"), ("inspect", "t"), ("leaks", "t")):
        done = busybox_store(*command, check=False)
        printed += done.stdout + done.stderr
    (context / "Dockerfile").write_text(USES.replace("READY", "echo READY; sleep 60"))
    process = subprocess.Popen(
        [COMMAND, "--root", busybox_store.root, "build", "--progress=plain", *secret, context],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=env,
    )
    assert process.stdout is not None
    with process:
        for line in process.stdout:
            printed += line
            if line.endswith(" READY\n"):
                break
        while_it_runs = [*_places(busybox_store.root), *_places(temporary)]
        process.send_signal(signal.SIGINT)
        printed += process.stdout.read()
    busybox_store("save", "-o", str(tmp_path / "saved.tar"), "t")
    assert while_it_runs == []
    assert [*_places(busybox_store.root), *_places(temporary)] == []
    assert SECRET.encode() not in (tmp_path / "saved.tar").read_bytes()
    assert SECRET not in printed
    assert content(busybox_store, "size").split() == [str(len(SECRET))] * 2


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "f.gz").write_bytes(gzip.compress(f"x{SECRET}".encode()))
    (tmp_path / "g").write_text(f"x{SECRET}")
    (tmp_path / SECRET).mkdir()
    assert len(list(_places(tmp_path))) == 3


# agents


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Path]:
    """The socket of an ssh agent with one key."""
    need_tool("ssh-agent", "openssh-client")
    place, key = tmp_path / "agent", tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    with subprocess.Popen(["ssh-agent", "-D", "-a", place], stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 10
        while not place.exists() and time.monotonic() < deadline:
            time.sleep(0.01)  # it gives no other sign that it listens
        subprocess.run(
            ["ssh-add", "-q", key], check=True, env={**os.environ, "SSH_AUTH_SOCK": str(place)}
        )
        yield place
        process.terminate()


ASKS = (
    "perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0); "
    'connect(S, sockaddr_un($ENV{SSH_AUTH_SOCK})) or die; syswrite S, pack("NC", 1, 11); '
    'sysread S, $_, 4096; printf "%d keys\\n", unpack("x5N", $_)\''
)
"""Asks the agent for its keys and prints how many there are."""


def test_agents(debian_store: Lamina, context: Path, agent: Path, tmp_path: Path) -> None:
    (context / "Dockerfile").write_text(
        "FROM debian:bookworm\n"
        f"RUN --mount=type=ssh stat -c '%a %u:%g' $SSH_AUTH_SOCK && {ASKS}\n"
        f"USER 33\nRUN --mount=type=ssh,id=key,uid=33,mode=0620 {ASKS} && "
        "stat -c '%a %u:%g' $SSH_AUTH_SOCK\n"
        "RUN --mount=type=ssh,id=other ls $SSH_AUTH_SOCK || echo none\n"
    )
    done = debian_store(
        *(
            "build",
            "-t",
            "t",
            "--progress=plain",
            "--ssh",
            "default",
            "--ssh",
            f"key={tmp_path}/key",
        ),
        str(context),
        env={"SSH_AUTH_SOCK": str(agent)},
    )
    lines = [line for line in said(done.stdout + done.stderr) if not line.startswith("ls:")]
    assert lines == ["600 0:0", "1 keys", "1 keys", "620 33:0", "none"]
    assert changed(debian_store) == set()
    nothing_left(debian_store)


def test_an_agent_that_is_required(busybox_store: Lamina, context: Path) -> None:
    text = "FROM busybox\nRUN --mount=type=ssh,required true\n"
    output = built(busybox_store, context, text, check=False)
    assert "Dockerfile:2: no ssh agent default" in output
    assert "build with --ssh default" in output


def test_a_file_that_is_no_key(busybox_store: Lamina, context: Path, tmp_path: Path) -> None:
    need_tool("ssh-agent", "openssh-client")
    (tmp_path / "key").write_text("no key")
    (tmp_path / "key").chmod(0o600)
    output = built(
        busybox_store, context, "FROM busybox\n", "--ssh", f"x={tmp_path}/key", check=False
    )
    assert "ssh-agent does not take the keys of --ssh x: Error loading key" in output


# limits and privileges


def test_limits(busybox_store: Lamina, context: Path) -> None:
    lines = ran(
        busybox_store,
        context,
        "RUN ulimit -n; ulimit -Hn; ulimit -c; df -k /dev/shm | tail -1 | awk '{print $2}'; "
        "tail -1 /etc/hosts",
        *("--ulimit", "nofile=100:200", "--ulimit", "core=0", "--shm-size", "1m"),
        *("--add-host", "db:10.0.0.5"),
    )
    assert lines[:4] == ["100", "200", "0", "1024"]
    assert lines[4].split() == ["10.0.0.5", "db"]


def test_a_limit_that_cannot_be_raised(busybox_store: Lamina, context: Path) -> None:
    output = built(
        busybox_store,
        context,
        "FROM busybox\nRUN true\n",
        "--ulimit",
        "nofile=2000000000",
        check=False,
    )
    assert "nofile" in output
    assert "Traceback" not in output
    nothing_left(busybox_store)


def test_memory(busybox_store: Lamina, context: Path) -> None:
    output = built(
        busybox_store, context, "FROM busybox\nRUN tail /dev/zero\n", "--memory", "32m", check=False
    )
    if "memory cannot be limited here" in output:
        pytest.skip(output)
    assert "lamina: the command ran out of memory: it may use 33.6 MB" in output
    assert "exit status 137" in output
    nothing_left(busybox_store)


def test_the_group_that_limits_memory(busybox_store: Lamina, context: Path) -> None:
    """It goes with its command; that of a build that was killed goes with the next one's."""
    if not any("memory" in each.controllers for each in hierarchies(ROOT)):
        pytest.skip("memory cannot be limited here")
    with limited(busybox_store, context, "RUN sleep 2") as (building, groups):
        assert building.wait() == 0
    assert not any(map(os.path.exists, groups))
    with limited(busybox_store, context, "RUN sleep 1000") as (building, groups):
        building.kill()
        building.wait()
    until(lambda: not open_group(groups).processes())
    assert all(map(os.path.exists, groups))
    for path in groups:
        os.utime(path, (0, 0))  # made just now they would be left to who may be about to begin
    built(busybox_store, context, "FROM busybox\nRUN true\n", "--memory", "32m")
    assert not any(map(os.path.exists, groups))


@contextmanager
def limited(
    lamina: Lamina, context: Path, step: str
) -> Iterator[tuple[subprocess.Popen[bytes], list[str]]]:
    """A build with a limit to its memory, and the control groups of the step that is at work."""
    (context / "Dockerfile").write_text(f"FROM busybox\n{step}\n")
    command = [str(COMMAND), "--root", str(lamina.root), "build", "--memory", "32m", "-q"]
    with subprocess.Popen([*command, str(context)], stdout=subprocess.PIPE) as building:
        try:
            until(lambda: bool(open_group(own_groups(lamina)).processes()))
            yield building, own_groups(lamina)
        finally:
            building.kill()


def own_groups(lamina: Lamina) -> list[str]:
    """The control groups of the steps of builds under way in a store."""
    builds = lamina.root / "builds"
    names = os.listdir(builds) if builds.exists() else []
    found = leftovers([f"build-{name}-{number}" for name in names for number in range(9)])
    return [path for group in found for path in group.paths]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_privileges(busybox_store: Lamina, context: Path) -> None:
    text = "RUN --security={} mount -t tmpfs x /mnt && echo yes || echo no"
    (context / "Dockerfile").write_text("")
    assert ran(busybox_store, context, "RUN mkdir /mnt\n" + text.format("sandbox"))[-1] == "no"
    allowed = ("--allow", "security.insecure")
    assert (
        ran(busybox_store, context, "RUN mkdir /mnt\n" + text.format("insecure"), *allowed)[-1]
        == "yes"
    )
    output = built(busybox_store, context, "FROM busybox\n" + text.format("insecure"), check=False)
    assert "Dockerfile:2: RUN --security=insecure is not allowed in this build" in output
    assert "build with --allow security.insecure" in output


# the environment


def test_the_environment(busybox_store: Lamina, context: Path) -> None:
    (context / "Dockerfile").write_text(
        "FROM busybox\nARG A=1\nARG NONE\nENV E=2\n"
        "RUN echo 'u:x:5:6::/home/u:' >> /etc/passwd\nRUN env | sort > /root.env\n"
        "USER u\nWORKDIR /made/here\nRUN env | sort; pwd; cat; cat /etc/hostname || true\n"
    )
    done = busybox_store(
        *(
            "build",
            "-t",
            "t",
            "--progress=plain",
            "--build-arg",
            "http_proxy=http://p",
            str(context),
        ),
        env={"LEAKED": "host"},
    )
    path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    expected = ["A=1", "E=2", "HOME=/root", path, "PWD=/", "SHLVL=1", "http_proxy=http://p"]
    assert content(busybox_store, "root.env").splitlines() == expected
    lines = said(done.stdout + done.stderr)
    assert "HOME=/home/u" in lines
    assert "/made/here" in lines


def test_a_user_that_is_not_there(busybox_store: Lamina, context: Path) -> None:
    output = built(busybox_store, context, "FROM busybox\nUSER nobody2\nRUN true\n", check=False)
    assert "Dockerfile:3: unable to find user nobody2: no matching entries in passwd file" in output


def test_what_is_left_running_ends(busybox_store: Lamina, context: Path) -> None:
    begun = time.monotonic()
    lines = ran(
        busybox_store, context, "RUN sleep 1000 & echo left\nRUN ps | grep -c '[s]leep' || true"
    )
    assert lines == ["left", "0"]
    assert time.monotonic() - begun < 100


def test_scripts(busybox_store: Lamina, context: Path) -> None:
    lines = ran(
        busybox_store,
        context,
        "RUN <<E\n#!/bin/cat\nscript\nE\nUSER 7\nRUN <<E\n#!/bin/sh\necho $0 $(id -u)\nE\n"
        'SHELL ["/bin/sh", "-e", "-c"]\nRUN <<E\n#!/bin/sh\necho $-\nE\n',
    )
    assert lines[:3] == ["#!/bin/cat", "script", "/dev/pipes/E 7"]
    assert changed(busybox_store) == set()


def test_how_a_command_ended(busybox_store: Lamina, context: Path) -> None:
    text = "FROM busybox\nRUN echo last words; sleep 9 & kill -9 $!; wait $!\n"
    output = built(busybox_store, context, text, check=False)
    assert "last words" in output
    assert "exit status 137" in output
