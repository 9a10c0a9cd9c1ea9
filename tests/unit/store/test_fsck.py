"""`verify`: a flipped bit in any file is found and named."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from lamina.layer.contract import Form
from lamina.oci import mediatype
from lamina.oci.artifact import Artifact
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.reference import Reference
from lamina.store.contract import StepResult, Store
from lamina.store.errors import ImageNotFound
from lamina.store.fsck import Report, check_images, check_store
from tests.fakes.images import documents, make_artifact, make_image, make_layer, make_record
from tests.rights import needs_rights

pytestmark = needs_rights


@pytest.fixture
def form() -> Form:
    """What is damaged here is a directory; test_image_form.py damages images."""
    return "tree"


def rich_tar() -> bytes:
    """A layer with one of everything that needs no privilege."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:

        def add(name: str, kind: bytes, content: bytes = b"", link: str = "") -> None:
            member = tarfile.TarInfo(name)
            member.type, member.size, member.linkname = kind, len(content), link
            member.mode = 0o4755 if name == "bin/su" else 0o755
            member.mtime = 1_700_000_000
            archive.addfile(member, io.BytesIO(content))

        add("bin", tarfile.DIRTYPE)
        add("bin/su", tarfile.REGTYPE, b"#!" + b"s" * 3000)
        add("bin/sh", tarfile.LNKTYPE, link="bin/su")
        add("etc/hostname", tarfile.REGTYPE, b"host\n")
        add("lib", tarfile.SYMTYPE, link="usr/lib")
        add("twice", tarfile.REGTYPE, b"first" * 100)
        add("twice", tarfile.REGTYPE, b"second" * 100)
        add("empty", tarfile.REGTYPE)
    return buffer.getvalue()


@pytest.fixture
def small(store: Store) -> Store:
    """A store with one of everything."""
    info = store.layers.ingest([rich_tar()], expected=None)
    store.layers.remember_compressed(
        info.diff_id, Descriptor(mediatype.OCI_LAYER_GZIP, Digest.of(b"z"), 99)
    )
    manifest, config = documents([info.diff_id], sizes=[info.tar_size])
    image = store.images.add(manifest, config, Reference.parse("small:1"))
    store.containers.create(make_record("box", image))
    store.steps.put(StepResult(Digest.of(b"key"), (info.diff_id,), description="RUN true"))
    return store


FILES = {
    "format": "format",
    "oci-layout": "oci-layout",
    "index.json": "index.json",
    "manifest and config": "blobs/sha256/*",
    "listing": "layers/*/listing",
    "headers": "layers/*/headers",
    "layer.json": "layers/*/layer.json",
    "compressed.json": "layers/*/compressed.json",
    "superseded contents": "layers/*/extra",
    "shared file": "layers/*/fs/bin/su",
    "private file": "layers/*/fs/etc/hostname",
    "file named twice": "layers/*/fs/twice",
    "step": "steps/*.json",
    "container record": "containers/*/record.json",
}


def flipped(path: Path) -> list[Callable[[], None]]:
    """Acts that each flip one bit of the file, spread over all of it."""
    content = path.read_bytes()

    def flip(at: int) -> None:
        damaged = bytearray(content)
        damaged[at] ^= 1 << (at % 8)
        with path.open("r+b") as file:
            file.write(damaged)

    step = max(1, len(content) // 60)
    return [partial(flip, at) for at in {*range(0, len(content), step), len(content) - 1}]


def test_a_whole_store_has_no_findings(small: Store) -> None:
    report = check_store(small)
    assert report == Report([], 1, 1, 2, 1, 1, report.bytes)
    assert report.bytes > 10240


@pytest.mark.parametrize("pattern", FILES.values(), ids=list(FILES))
def test_a_flipped_bit_is_found_and_named(small: Store, pattern: str) -> None:
    paths = list(small.root.glob(pattern))
    assert paths
    for path in paths:
        status, content = path.stat(), path.read_bytes()
        for flip in flipped(path):
            flip()
            path.chmod(status.st_mode)  # a write takes setuid away, but from the host's root
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
            findings = check_store(small).findings
            assert findings, f"{path} {path.read_bytes()!r}"
            subjects = " ".join(map(str, findings))
            names = (path.name, path.parent.name, "twice", "headers")
            assert any(each[:12] in subjects for each in names), subjects
        path.write_bytes(content)
        path.chmod(status.st_mode)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert check_store(small).findings == []


def test_every_file_of_the_store_is_among_those_flipped(small: Store) -> None:
    covered = {path for pattern in FILES.values() for path in small.root.glob(pattern)}
    inodes = {path.stat().st_ino for path in covered}
    others = {
        str(path.relative_to(small.root))
        for path in small.root.rglob("*")
        if path.is_file()
        and path.stat().st_size
        and path not in covered
        and path.stat().st_ino not in inodes
    }
    assert others == set()


@pytest.mark.parametrize(
    "pattern",
    ["blobs/sha256/*", "layers/*", "layers/*/*", "layers/*/fs/bin/su", "layers/*/fs/lib"],
)
def test_what_is_missing_is_found(small: Store, pattern: str, tmp_path: Path) -> None:
    for path in small.root.glob(pattern):
        if path.name == "compressed.json":
            continue
        aside, parent = tmp_path / "aside", path.parent.stat()
        path.rename(aside)
        assert check_store(small).findings, path
        aside.rename(path)
        os.utime(path.parent, ns=(parent.st_atime_ns, parent.st_mtime_ns))
    assert check_store(small).findings == []


@pytest.mark.parametrize("name", ["index.json", "format", "oci-layout", "containers/*/record.json"])
def test_a_missing_file_of_the_stores_own_is_found(small: Store, name: str) -> None:
    for path in small.root.glob(name):
        path.unlink()
    findings = check_store(small).findings
    assert any("missing" in each.problem for each in findings)


def test_a_missing_layer_is_told_of_image_and_container(small: Store) -> None:
    (layer,) = small.layers
    shutil.rmtree(small.root / "layers" / layer.hex)
    subjects = [each.subject for each in check_store(small).findings]
    assert subjects == ["image small:1", "container 000000000000 (box)"]


@pytest.mark.parametrize(
    "change",
    [
        lambda fs: (fs / "bin/su").chmod(0o755),
        pytest.param(lambda fs: os.chown(fs / "bin/su", 1234, 0), marks=needs_rights),
        lambda fs: os.utime(fs / "bin/su", (1, 1)),
        lambda fs: (fs / "new").write_bytes(b"x"),
        lambda fs: (fs / "empty").write_bytes(b"x"),
        lambda fs: ((fs / "lib").unlink(), (fs / "lib").symlink_to("elsewhere")),
    ],
)
def test_changed_attributes_are_found(small: Store, change: Callable[[Path], object]) -> None:
    (fs,) = small.root.glob("layers/*/fs")
    change(fs)
    assert len(check_store(small).findings) >= 1


def test_checking_one_image_leaves_the_others_alone(small: Store) -> None:
    make_image(small, "other", {"file": b"content"})
    (path,) = small.root.glob("layers/*/fs/etc/hostname")
    path.write_bytes(b"h0st\n")
    assert check_images(small, ["other"]).findings == []
    findings = check_images(small, ["small:1"]).findings
    assert findings
    assert all("etc/hostname" in each.problem for each in findings)
    with pytest.raises(ImageNotFound):
        check_images(small, ["nobody"])


def test_garbage_is_no_damage(small: Store) -> None:
    (small.root / "blobs/sha256/.tmp-dead").write_bytes(b"x")
    (small.root / "layers/.tmp-dead").mkdir()
    small.blobs.put_bytes(b"nobody needs this")
    assert check_store(small).findings == []


def test_a_strange_name_among_the_blobs_is_found(small: Store) -> None:
    (small.root / "blobs/sha256/README").write_bytes(b"x")
    (finding,) = check_store(small).findings
    assert str(finding) == "sha256/README: its name is not a digest"


def test_what_is_attached_is_checked(store: Store) -> None:
    image = make_image(store, "a", {"a": b"1"})
    proof = make_artifact(image, b"proof")
    removed = make_layer(store, {"removed": b"1"})
    size = store.layers.info(removed).tar_size
    subject = image.manifest.descriptor
    layer = Artifact.of_layer(subject, "application/removed", removed, size)
    store.images.attach(image, proof)
    store.images.attach(image, layer)
    assert check_store(store).findings == []
    assert check_images(store, ["a"]).layers == 2
    store.blobs.delete(proof.payload.digest)
    store.layers.remove(removed)
    gone = proof.payload.digest
    assert {str(each) for each in check_images(store, ["a"]).findings} == {
        f"image a:latest, artifact {proof.digest.short}: no blob {gone} in the store",
        f"image a:latest, artifact {layer.digest.short}: its layer {removed} is missing",
    }
    assert set(check_store(store).findings) == set(check_images(store, ["a"]).findings)


def test_a_layer_of_an_artifact_that_comes_on_demand_is_no_finding(store: Store) -> None:
    image = make_image(store, "a", {"a": b"1"})
    removed, blob = Digest.of(b"tar"), Descriptor(mediatype.OCI_LAYER_GZIP, Digest.of(b"gz"), 2)
    made = Artifact.of_layer(image.manifest.descriptor, "application/removed", removed, 3)
    store.images.attach(image, made.about(made.subject, {removed: blob}))
    assert store.images.attached(image.manifest.digest)[0].diff_ids == (removed,)
    assert check_store(store).findings == []
