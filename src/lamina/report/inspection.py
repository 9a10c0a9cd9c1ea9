"""What `inspect` tells of an image: the shape of Docker's API, version 1.41."""

from __future__ import annotations

from typing import Any

import msgspec

from lamina.errors import EngineError
from lamina.oci.reference import Reference
from lamina.store.contract import Image, Store

_CONFIG: dict[str, Any] = {
    "Hostname": "",
    "Domainname": "",
    "User": "",
    "AttachStdin": False,
    "AttachStdout": False,
    "AttachStderr": False,
    "Tty": False,
    "OpenStdin": False,
    "StdinOnce": False,
    "Env": None,
    "Cmd": None,
    "Image": "",
    "Volumes": None,
    "WorkingDir": "",
    "Entrypoint": None,
    "OnBuild": None,
    "Labels": None,
}
"""The fields that Docker always has, so that a template may ask for them."""
OPTIONAL: dict[str, Any] = {
    "ExposedPorts": {},
    "Healthcheck": None,
    "Shell": [],
    "StopSignal": "",
    "StopTimeout": None,
}
"""The fields of `Config` that Docker leaves out of its JSON and yet lets a template ask for."""
NEVER = "0001-01-01T00:00:00Z"


def describe_image(store: Store, image: Image) -> dict[str, Any]:
    """An image.  `Size` is bytes of file content, as in `images`."""
    config, row = image.config, image.row
    same = [each for each in store.refs.rows() if each.image_id == row.image_id]
    digests = dict.fromkeys(
        Reference.parse(digest, default_tag="").familiar
        for each in same
        for digest in each.repo_digests
    )
    lines = config.history
    description = {
        "Id": str(config.digest),
        "RepoTags": [
            each.reference.familiar for each in same if each.reference and each.reference.tag
        ],
        "RepoDigests": list(digests),
        "Parent": "",
        "Comment": lines[-1].comment if lines else "",
        "Created": config.created or NEVER,
        "DockerVersion": "",
        "Author": config.author,
        "Config": raw_config(config.raw),
        "Architecture": config.platform.architecture,
        "Variant": config.platform.variant,
        "Os": config.platform.os,
        "OsVersion": config.platform.os_version,
        "Size": sum(store.layers.info(each).content_size for each in image.layers),
        "GraphDriver": {
            "Name": "overlay2",
            "Data": {"LowerDir": lower_directories(store, image.layers)},
        },
        "RootFS": {"Type": "layers", "Layers": [str(each) for each in image.layers]},
        "Metadata": {"LastTagTime": NEVER},
        "Descriptor": {
            "mediaType": image.manifest.media_type,
            "digest": str(image.manifest.digest),
            "size": len(image.manifest.raw),
        },
        # Lamina's own: what is attached to the image; `size` is bytes of all that is in it.
        "Attached": _attached(store, image),
    }
    for optional in ("Variant", "OsVersion"):
        if not description[optional]:
            del description[optional]
    return description


def _attached(store: Store, image: Image) -> list[dict[str, Any]]:
    try:
        return [
            {"artifactType": each.artifact_type, "digest": str(each.digest), "size": each.size}
            for each in store.images.attached(image.manifest.digest)
        ]
    except EngineError:
        # A damaged store can still be inspected.
        return []


def raw_config(raw: bytes) -> dict[str, Any]:
    """The `config` object as the image has it, also what Lamina does not know."""
    return {**_CONFIG, **(msgspec.json.decode(raw).get("config") or {})}


def lower_directories(store: Store, layers: Any) -> str:
    """The layers' directories, the top one first, as overlayfs takes them."""
    places = []
    for diff_id in reversed(layers):
        try:
            form = store.layers.info(diff_id).form
            place = store.layers.directory(diff_id)
            places.append(str(place / "fs" if form == "tree" else place))
        except EngineError:
            # A damaged store can still be inspected.
            continue
    return ":".join(places)
