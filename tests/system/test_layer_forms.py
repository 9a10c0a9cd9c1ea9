"""Layers in either form, and stacks that mix them: everything comes out the same."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import tarfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import pytest

from lamina.layer.contract import Form
from lamina.store.root import open_store
from tests.rights import needs_rights
from tests.system.conftest import COMMAND, Lamina, Registry

pytestmark = pytest.mark.system

STACKS: dict[str, tuple[Form, ...]] = {
    "trees": ("tree", "tree", "tree", "tree"),
    "images": ("image", "image", "image", "image"),
    "an image under trees": ("image", "tree", "tree", "tree"),
    "trees under an image": ("tree", "tree", "tree", "image"),
    "one and the other": ("image", "tree", "image", "tree"),
}
DOCKERFILE = """\
FROM busybox
RUN mkdir -p /data/old && echo 1 > /data/one && echo two > /data/old/two && ln /data/one /data/link
RUN rm /data/one && rm -rf /data/old && mkdir /data/old && echo new > /data/old/new && rm /etc/group
RUN chmod 750 /bin/busybox && chown 5:6 /data/link && ln -s old /data/soft
CMD ["sh"]
"""
LOOK = """
cat /data/old/new
(find /bin /data /home -type f -exec md5sum {} +
find /bin /data /home ! -type d -exec stat -c '%A %u %g %s %Y %N' {} +
find /bin /data /home -type d -exec stat -c '%A %u %g %Y %n' {} +) | sort
"""
CHANGES = "rm /data/link; echo more >> /etc/passwd; rm -rf /data/old; mkdir /data/old; touch /new"


@pytest.fixture
def stack(busybox_store: Lamina, tmp_path: Path) -> Lamina:
    """A store with the image `stack` of four layers; skips where images cannot be mounted."""
    reason = open_store(busybox_store.root).layers.no_image_form
    if reason:
        pytest.skip(reason)
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(DOCKERFILE)
    busybox_store("build", "-q", "-t", "stack", str(context))
    return busybox_store


def arrange(lamina: Lamina, forms: tuple[Form, ...]) -> None:
    """Give each layer of `stack` its form."""
    from lamina.store.convert import convert

    store = open_store(lamina.root)
    for diff_id, form in zip(store.images.find("stack").layers, forms, strict=True):
        convert(store, [diff_id], form)
        assert store.layers.info(diff_id).form == form


def exported(lamina: Lamina, container: str) -> dict[str, tuple[object, ...]]:
    """What `export` writes, by path: everything that a tar can say."""
    raw = subprocess.run(
        [COMMAND, "--root", lamina.root, "export", container], capture_output=True, check=True
    ).stdout
    with tarfile.open(fileobj=BytesIO(raw)) as tar:
        return {
            member.name: (
                member.type,
                member.mode,
                member.uid,
                member.gid,
                member.linkname,
                0
                if member.name in ("etc/hostname", "etc/hosts", "etc/resolv.conf")
                else member.size,
                hashlib.sha256(file.read()).hexdigest()
                if member.isreg()
                and not member.name.startswith("etc/")
                and (file := tar.extractfile(member))
                else "",
            )
            for member in tar
        }


def behaviour(lamina: Lamina, registry: Registry, name: str) -> dict[str, object]:
    """What everybody above the store sees of the stack."""
    lamina("run", "--name", "box", "stack", "sh", "-c", CHANGES)
    lamina("commit", "box", f"again-{name}")
    target = f"{registry.host}/forms/{name}:1"
    lamina("tag", "stack", target)
    pushed = lamina("push", target).stdout
    (digest,) = re.findall(r"sha256:[0-9a-f]{64}", pushed)[-1:]
    result: dict[str, object] = {
        "listing": lamina("run", "--rm", "stack", "sh", "-c", LOOK).stdout,
        "diff": lamina("diff", "box").stdout,
        "exported": exported(lamina, "box"),
        "committed": top_layer(lamina, f"again-{name}"),
        "explained": json.loads(lamina("explain", "--format", "json", "stack").stdout),
        "searched": lamina("explain", "stack", "/data/one").stdout,
        "changed": lamina("explain", "box", "/etc/passwd").stdout.split("last change")[0],
        "pushed": digest,
        "verified": lamina("verify", "-q").returncode,
    }  # fmt: skip
    lamina("rm", "box")
    lamina("rmi", f"again-{name}", target)
    return result


def top_layer(lamina: Lamina, name: str) -> list[tuple[object, ...]]:
    """The entries of an image's last layer, but for their times."""
    store = open_store(lamina.root)
    listing = store.layers.hashed(store.images.find(name).layers[-1])
    return [(e.path, e.kind, e.mode, e.uid, e.gid, e.link, e.sha256) for e in listing.entries]


def test_every_stack_behaves_as_trees_do(stack: Lamina, registry: Registry) -> None:
    seen = {}
    for number, (name, forms) in enumerate(STACKS.items()):
        arrange(stack, forms)
        seen[name] = behaviour(stack, registry, str(number))
    trees = seen.pop("trees")
    assert str(trees["listing"]).startswith("new\n")
    for name, found in seen.items():
        for what, value in found.items():
            assert value == trees[what], f"{what} of {name}"


def test_a_build_on_every_stack_makes_the_same_layers(stack: Lamina, tmp_path: Path) -> None:
    context = tmp_path / "next"
    context.mkdir()
    (context / "Dockerfile").write_text(
        "FROM stack AS one\nRUN echo x > /x\n"
        "FROM busybox\nCOPY --from=one /data /copied\nCOPY --from=one /x /bin/busybox /y/\n"
    )
    made = set()
    for forms in STACKS.values():
        arrange(stack, forms)
        stack("build", "-q", "--no-cache", "-t", "next", str(context))
        made.add(open_store(stack.root).images.find("next").layers[1])
        out = stack("run", "--rm", "next", "cat", "/copied/old/new", "/y/x").stdout
        assert out == "new\nx\n"
    assert len(made) == 1


def test_containers_share_one_mount_and_leave_none(stack: Lamina) -> None:
    arrange(stack, STACKS["images"])
    layers = open_store(stack.root).layers
    with running(stack), running(stack):
        assert len(layers.mounted()) == 4
        assert len(mounts_of(stack)) == 4
        stack("prune", "-f")
        assert len(layers.mounted()) == 4, "what containers use stays mounted"
    stack("prune", "-f")
    assert layers.mounted() == []
    assert mounts_of(stack) == []


def test_an_image_in_use_is_not_converted(stack: Lamina) -> None:
    arrange(stack, STACKS["trees"])
    with running(stack):
        done = stack("convert", "--layer-form", "image", "stack", check=False)
        assert done.returncode == 1
        assert "is in use by container" in done.stderr
        assert stack("verify", "-q").returncode == 0
    assert (
        "Converted 4 of 4 layers to image"
        in stack("convert", "--layer-form", "image", "stack").stdout
    )
    assert "kept as image already" in stack("convert", "--layer-form", "image", "stack").stdout
    stack("convert", "--layer-form", "tree", "--all")
    info = json.loads(stack("info", "--format", "json").stdout)
    assert (info["LayersImage"], info["LayersMounted"]) == (0, 0)
    assert info["LayersTree"] == info["Layers"] >= 4


def test_a_layer_is_kept_as_asked(lamina: Lamina, busybox_tar: Path, root_only: None) -> None:
    forms = {}
    for name, args in {"default": [], "tree": ["--layer-form", "tree"]}.items():
        lamina("import", *args, str(busybox_tar), name)
        (diff_id,) = open_store(lamina.root).images.find(name).layers
        forms[name] = open_store(lamina.root).layers.info(diff_id).form
        lamina("rmi", name)
    lamina("import", str(busybox_tar), "env", env={"LAMINA_LAYER_FORM": "tree"})
    (diff_id,) = open_store(lamina.root).images.find("env").layers
    forms["env"] = open_store(lamina.root).layers.info(diff_id).form
    expected = "tree" if open_store(lamina.root).layers.no_image_form else "image"
    assert forms == {"default": expected, "tree": "tree", "env": "tree"}
    done = lamina("import", "--layer-form", "disk", str(busybox_tar), "x", check=False)
    assert done.returncode == 2


@needs_rights
def test_readdir_shows_no_deletion_of_what_was_never_there(
    lamina: Lamina, tmp_path: Path, busybox_tar: Path, root_only: None
) -> None:
    """A whiteout in a directory that only one layer has: overlayfs would list it."""
    with tarfile.open(tmp_path / "odd.tar", "w") as tar:
        for name in ("odd/here", "odd/.wh.gone", "odd/deep/.wh.gone"):
            tar.addfile(tarfile.TarInfo(name))
    for form in ("tree", "image"):
        if form == "image" and open_store(lamina.root).layers.no_image_form:
            pytest.skip(open_store(lamina.root).layers.no_image_form)
        lamina("import", "--layer-form", form, str(tmp_path / "odd.tar"), "odd")
        lamina("import", str(busybox_tar), "busybox")
        store = open_store(lamina.root)
        merged = (*store.images.find("busybox").layers, *store.images.find("odd").layers)
        with store.layers.lowers(merged) as lowers:
            assert listed(lowers, tmp_path / f"m-{form}") == {
                "odd": {"here", "deep"},
                "deep": set(),
            }
        lamina("rmi", "odd")


def listed(lowers: tuple[Path, ...], place: Path) -> dict[str, set[str]]:
    from lamina.linux.mounts import open_overlay

    place.mkdir()
    fd = open_overlay(str(place), [str(each) for each in reversed(lowers)], flags=("ro",))
    try:
        found = {}
        for path in ("odd", "odd/deep"):
            inner = os.open(path, os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
            found[path.rpartition("/")[2]] = set(os.listdir(inner))
            os.close(inner)
        return found
    finally:
        os.close(fd)


@contextmanager
def running(lamina: Lamina) -> Iterator[None]:
    """A container of `stack` for the length of a block, of which the command line got SIGKILL."""
    name = f"running-{uuid.uuid4().hex[:8]}"
    command = [str(COMMAND), "--root", str(lamina.root), "run", "--rm", "--name", name, "stack"]
    script = "echo on; sleep 1000"
    with subprocess.Popen([*command, "sh", "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"on\n"
            yield
        finally:
            process.send_signal(signal.SIGKILL)
        assert process.stdout.read() == b""
    lamina("rm", "-f", name)


def mounts_of(lamina: Lamina) -> list[str]:
    """Mount points of layers of this store, by what the kernel lists."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [Path(line.split()[4]) for line in lines if " - erofs " in line]
    return [str(each) for each in points if (each.parent / "root").read_text() == str(lamina.root)]
