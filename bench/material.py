"""What is measured: images made once and kept in `.cache/bench`, in no engine's own form."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from lamina.base.archive import recipe_for
from lamina.base.bootstrap import distribution_rootfs
from lamina.base.busybox import busybox_rootfs, find_busybox

CACHE = Path(__file__).parents[1] / ".cache"
PLACE = CACHE / "bench"
CHUNK = 1 << 20
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
BIG_FILES = 16
BIG_FILE = 64 << 20


def debian_tar() -> Path:
    """Debian bookworm, minbase: the same file as the system tests have."""
    path = CACHE / "debian-bookworm.tar"
    if not path.exists():
        recipe = recipe_for("debian", "bookworm")
        with (
            distribution_rootfs(recipe, environment=os.environ) as rootfs,
            _whole(path) as partial,
            partial.open("wb") as output,
        ):
            output.writelines(rootfs.chunks)
    return path


def busybox_tar() -> Path:
    """What `lamina base busybox` is made of."""
    path = PLACE / "busybox.tar"
    if not path.exists():
        rootfs = busybox_rootfs(find_busybox(environment=os.environ))
        with _whole(path) as partial:
            partial.write_bytes(b"".join(rootfs.chunks))
    return path


class _whole:  # noqa: N801  (reads as the open() it stands for)
    """A path to write to that becomes `path` only when all went well."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.partial = path, path.with_name(path.name + ".partial")

    def __enter__(self) -> Path:
        return self.partial

    def __exit__(self, kind: object, *error: object) -> None:
        if kind is None:
            self.partial.rename(self.path)
        else:
            self.partial.unlink(missing_ok=True)


def debian() -> Path:
    """The Debian image, as an OCI layout."""
    return _layout("debian", [debian_tar()])


def twin() -> Path:
    """An image of the same files in another layer: its tar has one file more."""
    tar = PLACE / "twin.tar"
    if not tar.exists():
        with _whole(tar) as partial:
            content = debian_tar().read_bytes()
            end = _end_of_members(debian_tar())
            partial.write_bytes(content[:end] + _tar([("twin", b"another image\n", 0)]))
    return _layout("twin", [tar])


def upgraded() -> Path:
    """An image on Debian's whose second layer upgrades every third package.

    An upgrade writes every file of its package anew: a program changes in some
    bytes, documentation and data stay as they are, and all get a new time.
    """
    tar = PLACE / "upgrade.tar"
    if not tar.exists():
        with _whole(tar) as partial, tarfile.open(debian_tar()) as base:
            partial.write_bytes(_tar(_upgraded_files(base)))
    return _layout("upgraded", [debian_tar(), tar])


def big() -> Path:
    """An image with one layer of 1 GB, half of it incompressible."""
    tar = PLACE / "big.tar"
    if not tar.exists():
        with _whole(tar) as partial, tarfile.open(partial, "w", format=tarfile.GNU_FORMAT) as out:
            for number in range(BIG_FILES):
                member = tarfile.TarInfo(f"data/{number:02}")
                member.size, member.mtime = BIG_FILE, 1_700_000_000
                noise = hashlib.shake_128(bytes([number])).digest(BIG_FILE // 2)
                out.addfile(member, io.BytesIO(noise + bytes(BIG_FILE // 2)))
    return _layout("big", [tar])


def seed(layout: Path, reference: str) -> None:
    """Put a layout's image into a registry, by a tool that is not measured."""
    copy = ["skopeo", "copy", "--insecure-policy", "--dest-tls-verify=false", "--quiet"]
    subprocess.run([*copy, f"oci:{layout}:image", f"docker://{reference}"], check=True)


def _end_of_members(tar: Path) -> int:
    with tarfile.open(tar) as archive:
        last = archive.getmembers()[-1]
    return last.offset_data + -(-last.size // 512) * 512


def _upgraded_files(base: tarfile.TarFile) -> Iterator[tuple[str, bytes, int]]:
    members = {member.name.lstrip("./"): member for member in base}
    lists = sorted(name for name in members if name.startswith("var/lib/dpkg/info/"))
    for name in [each for each in lists if each.endswith(".list")][::3]:
        listed = base.extractfile(members[name])
        assert listed is not None
        for path in listed.read().decode().split("\n"):
            member = members.get(path.lstrip("/"))
            if member is None or not member.isreg():
                continue
            file = base.extractfile(member)
            assert file is not None
            content = file.read()
            if content[:4] == b"\x7fELF":
                content = content[:-16] + hashlib.md5(content).digest()
            yield path.lstrip("/"), content, int(member.mtime) + 86_400


def _tar(files: Iterator[tuple[str, bytes, int]] | Sequence[tuple[str, bytes, int]]) -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content, mtime in sorted(files):
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.mode = len(content), mtime, 0o755
            archive.addfile(member, io.BytesIO(content))
    return output.getvalue()


def _layout(name: str, tars: Sequence[Path]) -> Path:
    """An OCI image layout over plain tars, compressed as Docker does: gzip, level 6."""
    path = PLACE / name
    if (path / "index.json").exists():
        return path
    blobs = path / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    layers = [_compressed(tar) for tar in tars]
    for descriptor, _, source in layers:
        target = blobs / str(descriptor["digest"])[7:]
        target.unlink(missing_ok=True)
        target.hardlink_to(source)
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["/bin/sh"], "Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [diff_id for _, diff_id, _ in layers]},
        "history": [{"created_by": "bench"} for _ in layers],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": _document(blobs, config, "application/vnd.oci.image.config.v1+json"),
        "layers": [descriptor for descriptor, _, _ in layers],
    }
    named = _document(blobs, manifest, str(manifest["mediaType"]))
    named["annotations"] = {"org.opencontainers.image.ref.name": "image"}
    (path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    with _whole(path / "index.json") as partial:
        partial.write_text(json.dumps({"schemaVersion": 2, "manifests": [named]}))
    return path


def _document(blobs: Path, value: object, media_type: str) -> dict[str, object]:
    raw = json.dumps(value).encode()
    digest = hashlib.sha256(raw).hexdigest()
    (blobs / digest).write_bytes(raw)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(raw)}


def _compressed(tar: Path) -> tuple[dict[str, object], str, Path]:
    """Descriptor, diff_id and file of a tar's gzip; made once."""
    target = PLACE / f"{tar.stem}.tar.gz"
    if not target.exists():
        squeeze = zlib.compressobj(6, wbits=31)
        with _whole(target) as partial, tar.open("rb") as source, partial.open("wb") as output:
            while chunk := source.read(CHUNK):
                output.write(squeeze.compress(chunk))
            output.write(squeeze.flush())
    descriptor = {
        "mediaType": LAYER,
        "digest": f"sha256:{_sha256(target)}",
        "size": target.stat().st_size,
    }
    return descriptor, f"sha256:{_sha256(tar)}", target


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
