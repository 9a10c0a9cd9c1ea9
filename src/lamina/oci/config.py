"""Image configurations (OCI image-spec, config.md, with Docker's additional fields).  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from lamina.oci import mediatype
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.document import BadDocument, amend, decode, encode
from lamina.oci.platform import Platform


class Healthcheck(msgspec.Struct, frozen=True, omit_defaults=True, rename="pascal"):
    """How to probe a container; durations are nanoseconds."""

    test: tuple[str, ...] = ()
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


class Execution(msgspec.Struct, frozen=True, omit_defaults=True, rename="pascal"):
    """The `config` object of an image: what a container of it starts with."""

    hostname: str = ""
    domainname: str = ""
    user: str = ""
    exposed_ports: dict[str, Any] | None = None
    env: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    healthcheck: Healthcheck | None = None
    args_escaped: bool = False
    image: str = ""
    volumes: dict[str, Any] | None = None
    working_dir: str = ""
    entrypoint: tuple[str, ...] | None = None
    on_build: tuple[str, ...] | None = None
    labels: dict[str, str] | None = None
    stop_signal: str = ""
    stop_timeout: int | None = None
    shell: tuple[str, ...] | None = None

    def environment(self) -> dict[str, str]:
        """`env` as a mapping; a name without `=` is empty."""
        pairs = (pair.partition("=") for pair in self.env or ())
        return {name: value for name, _, value in pairs}


class History(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of an image's history: an instruction, and whether it made a layer."""

    created: str | None = None
    created_by: str = ""
    author: str = ""
    comment: str = ""
    empty_layer: bool = False


class _RootFS(msgspec.Struct, frozen=True):
    diff_ids: tuple[Digest, ...] = ()
    type: str = "layers"


class _ConfigView(msgspec.Struct):
    architecture: str = ""
    os: str = "linux"
    variant: str = ""
    os_version: str = msgspec.field(default="", name="os.version")
    created: str | None = None
    author: str = ""
    config: Execution | None = None
    rootfs: _RootFS = _RootFS()
    history: tuple[History, ...] | None = None


class ImageConfig(msgspec.Struct, frozen=True):
    """An image's configuration: the bytes, and the parts of them that Lamina reads.

    Its digest is the *image id*.
    """

    raw: bytes
    platform: Platform
    created: str | None
    """RFC 3339, as written."""
    author: str
    execution: Execution
    diff_ids: tuple[Digest, ...]
    """The layers, the lowest first."""
    history: tuple[History, ...]

    @classmethod
    def parse(cls, raw: bytes, *, what: str = "image config") -> ImageConfig:
        """Read a configuration.  Raises BadDocument."""
        view = decode(raw, _ConfigView, what=what)
        if view.rootfs.type != "layers":
            raise BadDocument(f"{what} has a rootfs of unknown type {view.rootfs.type!r}")
        history = view.history or ()
        filled = sum(not line.empty_layer for line in history)
        if history and filled != len(view.rootfs.diff_ids):
            raise BadDocument(
                f"{what} tells of {filled} layers in its history"
                f" and has {len(view.rootfs.diff_ids)}"
            )
        return cls(
            raw,
            Platform(view.architecture, view.os, view.os_version, variant=view.variant),
            view.created,
            view.author,
            view.config or Execution(),
            view.rootfs.diff_ids,
            history,
        )

    @classmethod
    def scratch(cls, platform: Platform) -> ImageConfig:
        """The configuration of `FROM scratch`: no layers, no history."""
        document = {"architecture": platform.architecture, "os": platform.os}
        if platform.variant:
            document["variant"] = platform.variant
        return cls.parse(
            encode({**document, "config": {}, "rootfs": {"type": "layers", "diff_ids": []}})
        )

    def amend(
        self,
        *,
        created: str | None = None,
        author: str | None = None,
        execution: Execution | None = None,
        diff_ids: Iterable[Digest] | None = None,
        history: Iterable[History] | None = None,
    ) -> ImageConfig:
        """A new configuration; what is not given stays, known to Lamina or not."""
        changes: dict[str, Any] = {}
        if created is not None:
            changes["created"] = created
        if author is not None:
            changes["author"] = author or None
        if execution is not None:
            before = msgspec.json.decode(self.raw).get("config") or {}
            known = {field.encode_name for field in msgspec.structs.fields(Execution)}
            unknown = {key: value for key, value in before.items() if key not in known}
            # Fields set to null in the old config say the same as absent ones.
            changes["config"] = {**msgspec.to_builtins(execution), **unknown}
        if diff_ids is not None:
            changes["rootfs"] = {"type": "layers", "diff_ids": [str(each) for each in diff_ids]}
        if history is not None:
            changes["history"] = list(history)
        return ImageConfig.parse(amend(self.raw, changes))

    @property
    def digest(self) -> Digest:
        """Of the bytes as they came: the image id."""
        return Digest.of(self.raw)

    def descriptor(self, media_type: str = mediatype.OCI_CONFIG) -> Descriptor:
        """What names this configuration in a manifest."""
        return Descriptor(media_type, self.digest, len(self.raw))

    @property
    def chain_ids(self) -> tuple[Digest, ...]:
        """The chain_id of each layer (OCI image-spec, config.md, "Layer ChainID")."""
        chain: list[Digest] = []
        for diff_id in self.diff_ids:
            chain.append(Digest.of(f"{chain[-1]} {diff_id}".encode()) if chain else diff_id)
        return tuple(chain)

    @property
    def causes(self) -> tuple[History, ...]:
        """For each layer, the history line that made it.

        An image without history (an import by some tools) gives empty lines.
        """
        filled = [line for line in self.history if not line.empty_layer]
        return tuple(filled) if filled else tuple(History() for _ in self.diff_ids)

    @property
    def labels(self) -> Mapping[str, str]:
        """The image's labels."""
        return self.execution.labels or {}
