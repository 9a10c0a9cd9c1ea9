"""What `inspect` tells of an image or a container: the shape of Docker's API, version 1.41."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from lamina.errors import EngineError
from lamina.explain.stack import own_layer
from lamina.oci.reference import Reference
from lamina.store.contract import ContainerRecord, Image, Store

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
_NEVER = "0001-01-01T00:00:00Z"


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
        "Created": config.created or _NEVER,
        "DockerVersion": "",
        "Author": config.author,
        "Config": _raw_config(config.raw),
        "Architecture": config.platform.architecture,
        "Variant": config.platform.variant,
        "Os": config.platform.os,
        "OsVersion": config.platform.os_version,
        "Size": sum(store.layers.info(each).content_size for each in image.layers),
        "GraphDriver": {
            "Name": "overlay2",
            "Data": {"LowerDir": _lower_directories(store, image.layers)},
        },
        "RootFS": {"Type": "layers", "Layers": [str(each) for each in image.layers]},
        "Metadata": {"LastTagTime": _NEVER},
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


def _raw_config(raw: bytes) -> dict[str, Any]:
    """The `config` object as the image has it, also what Lamina does not know."""
    return {**_CONFIG, **(msgspec.json.decode(raw).get("config") or {})}


def _lower_directories(store: Store, layers: Any) -> str:
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


def describe_container(store: Store, record: ContainerRecord, *, sizes: bool) -> dict[str, Any]:
    """A container; with `sizes` also the bytes that it wrote and those of all its files."""
    place = store.containers.directory(record.id)
    settings = record.settings
    description = {
        "Id": record.id,
        "Created": record.created,
        "Path": record.command[0] if record.command else "",
        "Args": list(record.command[1:]),
        "State": _state(record),
        "Image": str(record.image_id),
        "ResolvConfPath": str(place / "resolv.conf"),
        "HostnamePath": str(place / "hostname"),
        "HostsPath": str(place / "hosts"),
        "LogPath": str(place / "log.json"),
        "Name": f"/{record.name}",
        "RestartCount": 0,
        "Driver": "overlay2",
        "Platform": "linux",
        "HostConfig": _host_config(settings),
        "GraphDriver": {"Name": "overlay2", "Data": _directories(store, record, place)},
        "Mounts": [_mount(each) for each in settings.get("mounts", ())],
        "Config": _container_config(store, record),
        "NetworkSettings": {"Networks": {settings.get("network", "host"): {}}, "Ports": {}},
    }
    if sizes:
        written = own_layer(store, record).content_size
        infos = [store.layers.info(each) for each in record.layers]
        description["SizeRw"] = written
        description["SizeRootFs"] = written + sum(info.content_size for info in infos)
    return description


def _state(record: ContainerRecord) -> dict[str, Any]:
    return {
        "Status": record.status,
        "Running": record.status == "running",
        "Paused": False,
        "Restarting": False,
        "OOMKilled": False,
        "Dead": False,
        "Pid": record.pid,
        "ExitCode": record.exit_status,
        "Error": record.error,
        "StartedAt": record.started or _NEVER,
        "FinishedAt": record.finished or _NEVER,
    }


def _host_config(settings: dict[str, Any]) -> dict[str, Any]:
    return {
        "Binds": [
            f"{each['source']}:{each['target']}{':ro' if each.get('read_only') else ''}"
            for each in settings.get("mounts", ())
            if each["kind"] == "bind"
        ],
        "NetworkMode": settings.get("network", "host"),
        "AutoRemove": False,
        "Privileged": settings.get("privileged", False),
        "ReadonlyRootfs": settings.get("read_only", False),
        "CapAdd": settings.get("capabilities_add"),
        "CapDrop": settings.get("capabilities_drop"),
        "ExtraHosts": settings.get("extra_hosts"),
    }


def _directories(store: Store, record: ContainerRecord, place: Path) -> dict[str, str]:
    return {
        "LowerDir": _lower_directories(store, record.layers),
        "UpperDir": str(place / "upper"),
        "WorkDir": str(place / "work"),
        "MergedDir": str(place / "merged"),
    }


def _mount(mount: dict[str, Any]) -> dict[str, Any]:
    return {
        "Type": mount["kind"],
        "Source": mount.get("source") or "",
        "Destination": mount["target"],
        "Mode": mount.get("options", ""),
        "RW": not mount.get("read_only", False),
        "Propagation": "rprivate" if mount["kind"] == "bind" else "",
    }


def _container_config(store: Store, record: ContainerRecord) -> dict[str, Any]:
    settings = record.settings
    try:
        config = _raw_config(store.blobs.read(record.image_id))
    except EngineError:
        config = dict(_CONFIG)
    own = {
        "Hostname": settings.get("hostname", ""),
        "User": settings.get("user", ""),
        "Tty": settings.get("terminal", False),
        "Env": settings.get("env"),
        "Cmd": list(record.command),
        "Image": record.image,
        "WorkingDir": settings.get("workdir", ""),
        "Entrypoint": None,
        "Labels": {**(config["Labels"] or {}), **record.labels},
    }
    return {**config, **own}
