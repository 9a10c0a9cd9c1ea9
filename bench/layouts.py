"""OCI image layouts over plain tars, made once and kept in `.cache/bench`."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Sequence
from pathlib import Path

CACHE = Path(__file__).parents[1] / ".cache"
PLACE = CACHE / "bench"
CHUNK = 1 << 20
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


class whole:  # noqa: N801  (reads as the open() it stands for)
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


def layout(name: str, tars: Sequence[Path]) -> Path:
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
    with whole(path / "index.json") as partial:
        partial.write_text(json.dumps({"schemaVersion": 2, "manifests": [named]}))
    return path


def _document(blobs: Path, value: object, media_type: str) -> dict[str, object]:
    raw = json.dumps(value).encode()
    digest = hashlib.sha256(raw).hexdigest()
    (blobs / digest).write_bytes(raw)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(raw)}


def _compressed(tar: Path) -> tuple[dict[str, object], str, Path]:
    """Descriptor, diff_id and file of a tar's gzip; made once."""
    place = tar.parent if tar.is_relative_to(PLACE) else PLACE
    target = place / f"{tar.stem}.tar.gz"
    if not target.exists():
        squeeze = zlib.compressobj(6, wbits=31)
        with whole(target) as partial, tar.open("rb") as source, partial.open("wb") as output:
            while chunk := source.read(CHUNK):
                output.write(squeeze.compress(chunk))
            output.write(squeeze.flush())
    descriptor = {
        "mediaType": LAYER,
        "digest": f"sha256:{sha256(target)}",
        "size": target.stat().st_size,
    }
    return descriptor, f"sha256:{sha256(tar)}", target


def blob(layout: Path) -> Path:
    """The compressed layer of an image that has one."""
    described = json.loads((layout / "index.json").read_text())["manifests"][0]
    blobs = layout / "blobs" / "sha256"
    manifest = json.loads((blobs / described["digest"][7:]).read_text())
    (layer,) = manifest["layers"]
    return blobs / str(layer["digest"])[7:]


def sha256(path: Path) -> str:
    """The hexadecimal sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
