"""Lamina inside a container that Lamina runs: with Docker's restrictions, with all of them
lifted, with none of root's capabilities, and as an ordinary user.

Whatever is refused, an image comes out that is the host's to the last bit.
"""

from __future__ import annotations

import _ssl
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.rights import OF_THE_HOST
from tests.system.conftest import Lamina, Registry, need_tool, unmounted

pytestmark = pytest.mark.system
REPOSITORY = Path(__file__).parents[2]
PLAIN = "RUN works on plain copies"
CHROOT = "no namespaces here (unshare: operation not permitted): " + PLAIN + ", isolated by chroot"
EPOCH = {"SOURCE_DATE_EPOCH": "1700000000"}
DOCKERFILE = """\
FROM busybox AS maker
COPY a /srv/a
RUN mkdir -p /d/e/f && echo 1 > /d/e/f/1 && echo 2 > /d/2 && ln /d/2 /d/3 && ln -s 2 /d/4
RUN rm -r /d/e && rm /d/4 && mkdir /d/e && echo new > /d/e/new
RUN mv /d/e /moved && echo more >> /d/2
RUN rm -r /home && echo file > /home
RUN rm /home && mkdir /home && chmod 1777 /home && mkfifo /home/pipe
RUN cp /bin/busybox /su && chmod 4755 /su && chown 5:6 /srv/a && chmod 2750 /srv
RUN chmod 644 /etc/passwd; chown -R 0:0 /etc; touch -d '2001-01-01' /old; : > /etc/empty
RUN mv /moved /d/e && mkdir /moved && mv /d/e/new /moved/new && rmdir /d/e
RUN mkdir -p /x/y && rm -r /x && mkdir -p /x/y && echo z > /x/y/z
RUN --mount=type=cache,target=/c --mount=type=tmpfs,target=/t --mount=type=secret,id=s \\
    echo kept >> /c/f && touch /t/f && [ "$(cat /run/secrets/s)" = hush ] && touch /run/f
RUN --mount=type=cache,target=/c wc -l < /c/f > /lines
RUN --mount=type=bind,target=/ctx cp /ctx/a /copied && (sleep 1000 &) && rm /d/3
WORKDIR /w/x
RUN pwd > where && echo out > /dev/stdout && echo gone > /dev/null && cat /etc/hosts > /dev/null
FROM busybox
COPY --from=maker /d /d
COPY --chown=7:8 a /a
RUN --mount=type=bind,from=maker,source=/d,target=/m cat /m/2 > /two
USER 1000:1000
RUN id -u > /tmp/me && id -g >> /tmp/me
"""
COPIES = "FROM busybox\nCOPY a /a\nCOPY --chown=7:8 a /b/c\nWORKDIR /w\nCOPY a /home\n"


@dataclass(frozen=True)
class Nest:
    """A host's store with a Debian image, and a directory that containers share with it."""

    outer: Lamina
    shared: Path

    def run(self, *options: str, script: str, timeout: int = 100) -> str:
        """Run a script in a container that has this checkout and its Python; what it prints."""
        inside = Path(sys.prefix) / "bin"
        places = {REPOSITORY, Path(sys.prefix), Path(sys.base_prefix)}
        bound = [f"--volume={place}:{place}:ro" for place in sorted(places)]
        (self.shared / "script").write_text("set -eu\n" + script)
        done = subprocess.run(
            [
                *(str(inside / "lamina"), "--root", str(self.outer.root), "run", "--rm"),
                *("--network=host", *bound, f"--volume={self.shared}:/shared", *options),
                *("-e", f"PATH={inside}:/usr/sbin:/usr/bin:/sbin:/bin"),
                *("-e", f"PYTHONPATH={REPOSITORY / 'src'}", "-e", "PYTHONDONTWRITEBYTECODE=1"),
                *("-e", "SOURCE_DATE_EPOCH=1700000000", "-e", "LD_LIBRARY_PATH=/shared/lib"),
                *("debian:bookworm", "sh", "/shared/script"),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout


@pytest.fixture(scope="module")
def nest(
    root_only: None,
    debian_tar: Path,
    busybox_tar: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Nest]:
    place = tmp_path_factory.mktemp("nest")
    outer = Lamina(place / "root")
    outer("import", str(debian_tar), "debian:bookworm")
    shared = place / "shared"
    shared.mkdir()
    shutil.copy(busybox_tar, shared / "busybox.tar")
    (shared / "context").mkdir()
    (shared / "context" / "a").write_text("a\n")
    (shared / "context" / "Dockerfile").write_text(DOCKERFILE)
    (shared / "context" / "Dockerfile.copies").write_text(COPIES)
    (shared / "secret").write_text("hush")
    (shared / "lib").mkdir()
    for library in _libraries(_ssl.__file__, "ssl", "crypto"):  # the image has none
        shutil.copy(library, shared / "lib")
    for directory in (shared, *place.parents):
        if os.stat(directory).st_uid == os.getuid() and directory.is_relative_to(place.parent):
            directory.chmod(0o755)  # an ordinary user looks in here as well
    place.chmod(0o755)
    yield Nest(outer, shared)
    unmounted(outer.root)


def _libraries(program: str, *names: str) -> list[str]:
    """The files of the libraries of these names that a program is linked to."""
    linked = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    wanted = tuple(f"lib{name}" for name in names)
    lines = [line.split() for line in linked.splitlines()]
    return [words[2] for words in lines if words[0].startswith(wanted)]


def _layers(text: str) -> list[str]:
    found = json.loads(text)
    image = found[0] if isinstance(found, list) else found
    layers: list[str] = image["RootFS"]["Layers"]
    return layers


@pytest.fixture(scope="module")
def expected(nest: Nest, busybox_tar: Path) -> dict[str, list[str]]:
    """The layers of both images as the host makes them, over the kernel's overlay."""
    outer, context = nest.outer, str(nest.shared / "context")
    outer("import", str(busybox_tar), "busybox", env=EPOCH)
    secret = f"id=s,src={nest.shared / 'secret'}"
    outer("build", "-q", "--secret", secret, "-t", "all", context, env=EPOCH)
    copies = f"{context}/Dockerfile.copies"
    outer("build", "-q", "-f", copies, "-t", "copies", context, env=EPOCH)
    return {name: _layers(outer("inspect", name).stdout) for name in ("all", "copies")}


BUILD = """\
lamina import /shared/busybox.tar busybox > /dev/null
lamina build --secret id=s,src=/shared/secret -t all /shared/context > /tmp/said 2>&1 ||
    { cat /tmp/said; exit 1; }
grep '^lamina: ' /tmp/said || true
lamina verify > /dev/null
lamina info --format 'info={{.Run}}'
lamina inspect all > /tmp/all
echo "layers=$(tr -d '\\n' < /tmp/all)"
ls -A /var/lib/lamina/builds
"""


def _found(said: str, key: str) -> str:
    return next(
        line.removeprefix(f"{key}=") for line in said.splitlines() if line.startswith(f"{key}=")
    )


WAYS = {
    "docker's restrictions": ((), CHROOT),
    "all lifted": (("--privileged",), f"no overlay in the store's file system: {PLAIN}"),
    "mounts alone": (
        ("--cap-add=SYS_ADMIN", "--security-opt=seccomp=unconfined"),
        f"no overlay in the store's file system: {PLAIN}",
    ),
    "a tmpfs beside": (
        ("--privileged", "--tmpfs=/var/tmp"),
        "no overlay in the store's file system: RUN works over a plain copy, and writes to"
        " /var/tmp",
    ),
    "a volume for the store": (("--privileged", "--volume=/var/lib/lamina"), ""),
    "a volume and docker's restrictions": (("--volume=/var/lib/lamina",), CHROOT),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_build_is_the_host_s_whatever_is_refused(
    way: str, nest: Nest, expected: dict[str, list[str]]
) -> None:
    options, sentence = WAYS[way]
    said = nest.run(*options, script=BUILD)
    told = [line for line in said.splitlines() if line.startswith("lamina: ")]
    assert told == ([f"lamina: {sentence}"] if sentence else [])
    assert _found(said, "info") == (sentence or "in namespaces, over overlay mounts")
    assert _layers(_found(said, "layers")) == expected["all"]


def test_fuse_overlayfs_is_used_when_it_is_there(
    nest: Nest, expected: dict[str, list[str]]
) -> None:
    program = need_tool("fuse-overlayfs", "fuse-overlayfs")
    for library in _libraries(program, "fuse3"):
        shutil.copy(library, nest.shared / "lib")
    bound = f"--volume={program}:/usr/bin/fuse-overlayfs:ro"
    said = nest.run("--privileged", bound, script=BUILD)
    assert _found(said, "info").endswith("RUN works over fuse-overlayfs")
    assert _layers(_found(said, "layers")) == expected["all"]


WITHOUT_RUN = """\
lamina import /shared/busybox.tar busybox > /dev/null
lamina build -q -f /shared/context/Dockerfile.copies -t copies /shared/context > /dev/null
lamina explain copies > /dev/null
lamina ls copies /b > /dev/null
lamina slim copies -t slim > /dev/null
lamina inspect copies > /tmp/copies
echo "layers=$(tr -d '\\n' < /tmp/copies)"
lamina build -q --secret id=s,src=/shared/secret /shared/context > /tmp/said 2>&1 && exit 1
grep 'RUN cannot work here' /tmp/said
lamina verify > /dev/null
"""
FOR_A_USER = f"""\
chmod 755 /root
cat > /tmp/inner <<'EOF'
{WITHOUT_RUN}
EOF
exec setpriv --reuid 1000 --regid 1000 --clear-groups --inh-caps=-all --bounding-set=-all \
    env HOME=/tmp/home sh -eu /tmp/inner
"""


@pytest.mark.parametrize("who", ["root without capabilities", "an ordinary user"])
def test_what_runs_nothing_works_without_any_right(
    who: str, nest: Nest, expected: dict[str, list[str]]
) -> None:
    if who == "an ordinary user":
        said = nest.run(script=FOR_A_USER)
    else:
        said = nest.run("--cap-drop=all", script=WITHOUT_RUN)
    assert _layers(_found(said, "layers")) == expected["copies"]
    assert "CAP_SYS_CHROOT" in said


def test_an_image_goes_in_and_out_through_a_registry(
    nest: Nest, registry: Registry, expected: dict[str, list[str]]
) -> None:
    name = f"{registry.host}/nested/busybox"
    nest.outer("tag", "busybox", name)
    nest.outer("push", name)
    said = nest.run(
        script=f"""\
lamina pull {name} > /dev/null
lamina tag {name} busybox
lamina build -q --secret id=s,src=/shared/secret -t all /shared/context > /dev/null 2>&1
lamina tag all {registry.host}/nested/all
lamina push {registry.host}/nested/all > /dev/null
lamina explain all | head -n 1
"""
    )
    assert said.startswith("all:latest")
    nest.outer("pull", f"{registry.host}/nested/all")
    pulled = nest.outer("inspect", f"{registry.host}/nested/all").stdout
    assert _layers(pulled) == expected["all"]


def test_containers_are_refused_with_what_is_missing(nest: Nest) -> None:
    said = nest.run(
        script="""\
lamina import /shared/busybox.tar busybox > /dev/null
lamina run --rm busybox true 2>&1 && exit 1
lamina ps -aq
"""
    )
    reason = "this process may not set" if OF_THE_HOST else "its file system takes no whiteouts"
    assert said.startswith(f"lamina: containers cannot run on this store: {reason}")
    assert "docker run --privileged" in said
    assert len(said.splitlines()) == 2


def test_containers_run_in_a_privileged_one_with_a_volume(nest: Nest) -> None:
    said = nest.run(
        *("--privileged", "--volume=/var/lib/lamina"),
        script="""\
lamina import /shared/busybox.tar busybox > /dev/null
lamina run --rm --network none busybox sh -c 'echo $$; ls /proc | grep -c "^[0-9]"'
""",
    )
    assert said.split()[0] == "1"


# on the host, asked for


def _build(lamina: Lamina, tmp_path: Path, *lines: str, check: bool = True) -> str:
    context = tmp_path / "context"
    context.mkdir(exist_ok=True)
    (context / "Dockerfile").write_text("\n".join(("FROM busybox", *lines, "")))
    done = lamina("build", "--isolation", "chroot", "-t", "t", str(context), check=check)
    return done.stdout + done.stderr


def test_what_a_command_leaves_running_ends_with_it(busybox_store: Lamina, tmp_path: Path) -> None:
    mark = f"{os.getpid()}1"
    _build(busybox_store, tmp_path, f"RUN (setsid sleep {mark} &) ; (sleep {mark} &); sleep 0.1")
    assert not _running(f"sleep\0{mark}")


def test_a_build_that_is_killed_leaves_no_process(busybox_store: Lamina, tmp_path: Path) -> None:
    mark = f"{os.getpid()}2"
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(f"FROM busybox\nRUN (sleep {mark} &); sleep {mark}\n")
    command = [str(Path(sys.prefix) / "bin" / "lamina"), "--root", str(busybox_store.root)]
    process = subprocess.Popen(
        [*command, "build", "--isolation", "chroot", str(context)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _until(lambda: len(_running(f"sleep\0{mark}")) == 2)
    process.kill()
    process.wait()
    _until(lambda: not _running(f"sleep\0{mark}"))
    _build(busybox_store, tmp_path, "RUN true")  # sweeps what the dead build left
    assert not os.listdir(busybox_store.root / "builds")


def _running(command: str) -> list[int]:
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                text = Path("/proc", name, "cmdline").read_text()
            except OSError:
                continue
            if text.startswith(command):
                found.append(int(name))
    return found


def _until(reached: object, seconds: float = 20) -> None:
    assert callable(reached)
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.02)  # processes of others end without telling us


def test_what_a_network_namespace_is_needed_for_says_so(
    busybox_store: Lamina, tmp_path: Path
) -> None:
    said = _build(busybox_store, tmp_path, "RUN --network=none true", check=False)
    assert "a network of its own is not possible here" in said
    assert "Dockerfile:2" in said


def test_files_put_in_for_a_command_cannot_be_led_out(
    busybox_store: Lamina, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "resolv.conf").write_text("mine\n")
    (outside / "hosts").write_text("mine\n")
    _build(busybox_store, tmp_path, f"RUN mv /etc /etc.old && ln -s {outside} /etc")
    assert {path.read_text() for path in outside.iterdir()} == {"mine\n"}
    assert sorted(os.listdir(outside)) == ["hosts", "resolv.conf"]
