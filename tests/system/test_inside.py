"""What lamina says of an image without a mount, against what is seen inside a container of it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from lamina.explain.packages import packages
from lamina.explain.stack import open_stack
from lamina.store.root import open_store
from tests.rights import need_root
from tests.system.conftest import COMMAND, Lamina, need_tool

pytestmark = pytest.mark.system

DOCKERFILE = """\
FROM debian:bookworm
RUN mkdir /srv/app && echo first > /srv/app/a && ln /srv/app/a /srv/app/b && \\
    ln -s ../app /srv/app/me && head -c 100000 /dev/urandom > /srv/app/random && \\
    printf 'x\\303\\251\\377 \\n' > "/srv/app/$(printf 'odd\\377\\nname')"
RUN rm -rf /usr/share/doc /srv/app/a && echo second > /srv/app/a && chmod 600 /srv/app/random
RUN chown -R www-data:www-data /srv/app && mkdir -p /usr/share/doc/new && mkfifo /srv/app/pipe
"""


@pytest.fixture
def built(debian_store: Lamina, tmp_path: Path) -> Lamina:
    """A store with an image of four layers on a real Debian."""
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    debian_store("build", "-q", "-t", "demo", str(tmp_path))
    return debian_store


def inside(lamina: Lamina, *command: str) -> bytes:
    """What a command prints in a new container."""
    return raw(lamina, "run", "--rm", "--net", "none", "demo", *command)


def raw(lamina: Lamina, *arguments: str) -> bytes:
    """What a command prints, byte for byte."""
    done = subprocess.run(
        [str(COMMAND), "--root", str(lamina.root), *arguments], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


# Of what is not the image's: mounts, and the files that a container gets for its network.
PRUNE = "( -path /proc -o -path /sys -o -path /dev ) -prune -o"
MADE = {b"/etc/hosts", b"/etc/hostname", b"/etc/resolv.conf", b"/.dockerenv"}


def test_find_finds_what_find_finds_inside(built: Lamina) -> None:
    for ours, theirs in (
        ([], []),
        (["--type", "f"], ["-type", "f"]),
        (["--type", "l", "--name", "lib*"], ["-type", "l", "-name", "lib*"]),
        (["--perm", "/6000"], ["-perm", "/6000"]),
        (["--type", "f", "--size", "+1000000c"], ["-type", "f", "-size", "+1000000c"]),
        (["--path", "/usr/*/[a-c]*", "--type", "d"], ["-path", "/usr/*/[a-c]*", "-type", "d"]),
    ):
        told = set(raw(built, "find", "demo", "-0", *ours).split(b"\0"))
        seen = set(inside(built, "find", "/", *PRUNE.split(), *theirs, "-print0").split(b"\0"))
        told = {path for path in told if not path.startswith((b"/proc", b"/sys", b"/dev"))}
        assert len(seen) > 3
        assert told - MADE == seen - MADE


def test_ls_lists_what_ls_lists_inside(built: Lamina) -> None:
    listed = [
        json.loads(line)
        for line in built("ls", "--format", "json", "demo", "/srv/app/me/me").stdout.splitlines()
    ]
    names = [row["path"].encode("utf-8", "surrogateescape").rpartition(b"/")[2] for row in listed]
    seen = inside(built, "find", "/srv/app", "-mindepth", "1", "-printf", r"%f\0").split(b"\0")
    assert sorted(names) == sorted(seen[:-1])
    stated = inside(built, "stat", "-c", "%n %a %s %U:%G %Y", "/srv/app/random", "/etc/shadow")
    for line in stated.decode().splitlines():
        path, mode, size, owner, seconds = line.split()
        (row,) = [json.loads(built("ls", "--format", "json", "demo", path).stdout)]
        assert (row["mode"], row["bytes"], f"{row['user']}:{row['group']}") == (
            f"{int(mode, 8):04o}",
            int(size),
            owner,
        )
        date = inside(built, "date", "-u", "-d", f"@{seconds}", "+%Y-%m-%dT%H:%M:%SZ")
        assert row["mtime"] == date.decode().strip()


@pytest.mark.parametrize(
    "path", ["/srv/app/random", "/srv/app/me/a", "/srv/app/b", "/bin/bash", "/etc/os-release"]
)
def test_cat_gives_the_bytes_that_cat_gives_inside(built: Lamina, path: str) -> None:
    assert raw(built, "cat", "demo", path) == inside(built, "cat", path)


def test_what_is_hidden_is_got_at(built: Lamina) -> None:
    assert raw(built, "cat", "--hidden", "--layer", "2", "demo", "/srv/app/a") == b"first\n"
    hidden = raw(built, "cat", "--hidden", "demo", "/usr/share/doc/bash/copyright")
    assert hidden == raw(built, "cat", "debian:bookworm", "/usr/share/doc/bash/copyright")
    gone = raw(built, "find", "--hidden", "--type", "f", "demo", "/usr/share/doc").splitlines()
    there = raw(built, "find", "--type", "f", "debian:bookworm", "/usr/share/doc").splitlines()
    assert set(gone) == set(there)


def test_blame_knows_who_wrote_and_who_touched(built: Lamina) -> None:
    lines = built("blame", "--format", "json", "demo", "/srv/app").stdout.splitlines()
    found = {row["path"]: row for row in map(json.loads, lines)}
    random = found["/srv/app/random"]
    assert (random["layer"], random["content_layer"]) == ("4", "2")
    assert random["instruction"].startswith("RUN chown -R")
    assert found["/srv/app/a"]["content_layer"] == "3"
    assert found["/srv/app/pipe"]["content_layer"] == "4"
    (row,) = map(
        json.loads, built("blame", "--format", "json", "demo", "/bin/bash").stdout.splitlines()
    )
    assert (row["layer"], row["touched"]) == ("1", False)


def test_the_packages_are_those_that_dpkg_lists(built: Lamina) -> None:
    query = ["dpkg-query", "-W", "-f", r"${Package} ${Version} ${Architecture} ${source:Package}\n"]
    listed = sorted(inside(built, *query).decode().splitlines())
    found = packages(open_stack(open_store(built.root), "demo"))
    told = [
        f"{each.name} {each.version} {each.architecture} {each.source}"
        for each in found
        if each.kind == "dpkg"
    ]
    assert sorted(told) == listed
    sizes = inside(built, "dpkg-query", "-W", "-f", r"${Installed-Size}\n").split()
    assert sum(each.bytes for each in found) == 1024 * sum(map(int, sizes))


def test_a_python_package_is_found_as_pip_put_it_there(
    debian_store: Lamina, tmp_path: Path
) -> None:
    """The environment of these tests is real: its packages are copied, not made up."""
    import msgspec

    site = Path(msgspec.__file__).parents[1]
    (metadata,) = site.glob("msgspec-*.dist-info")
    (tmp_path / "Dockerfile").write_text("FROM debian:bookworm\nCOPY site /opt/site\n")
    target = tmp_path / "site" / metadata.name
    target.mkdir(parents=True)
    for name in ("METADATA", "RECORD"):
        (target / name).write_bytes((metadata / name).read_bytes())
    debian_store("build", "-q", "-t", "demo", str(tmp_path))
    found = packages(open_stack(open_store(debian_store.root), "demo"))
    (python,) = [each for each in found if each.kind == "python"]
    assert (python.name, python.version) == ("msgspec", msgspec.__version__)
    assert python.bytes > 100_000


def test_diff_tells_what_a_layer_did(built: Lamina) -> None:
    document = json.loads(built("diff", "debian:bookworm", "demo", "--format", "json").stdout)
    changed = {each["path"]: each for each in document["files"]}
    assert changed["/usr/share/doc/bash/copyright"]["change"] == "removed"
    assert changed["/srv/app/random"]["growth"] == 100_000
    assert {each["change"] for each in document["packages"]} == set()
    ships = document["new"]["bytes"] - document["old"]["bytes"]
    assert ships == sum(layer["bytes"] for layer in document["layers"])
    assert built("diff", "demo", "demo", "--exit-code").stdout.endswith("are one image\n")
    differ = built("diff", "debian:bookworm", "demo", "--exit-code", check=False)
    assert differ.returncode == 3


def test_who_may_read_the_store_needs_no_mount_and_no_right_of_root(built: Lamina) -> None:
    """In a user namespace of its own the command has no capability, and may not mount.

    What it reads must be readable: in a store that root made, a layer in tree form keeps the
    owners and modes of the image, so that a file of 0600 of another user stays root's to read.
    """
    need_root("a store with no files of subordinate ids")
    need_tool("unshare", "util-linux")
    powerless = ["unshare", "--user", str(COMMAND), "--root", str(built.root)]
    for arguments in (
        ["cat", "demo", "/srv/app/a", "/etc/os-release"],
        ["find", "--hidden", "-0", "demo"],
        ["blame", "--format", "json", "demo"],
        ["tree", "-a", "demo"],
        ["diff", "debian:bookworm", "demo"],
    ):
        done = subprocess.run([*powerless, *arguments], capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout == raw(built, *arguments)
