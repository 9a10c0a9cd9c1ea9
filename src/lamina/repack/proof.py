"""Two images that show the same: what `slim` states of them, and where two differ.  Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from lamina.oci.artifact import Artifact
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.document import decode, encode
from lamina.repack.tree import FIELDS, Record

ARTIFACT_TYPE = "application/vnd.lamina.slim.proof.v1+json"
"""Of the artifact that a slimmed image has attached."""


class Side(msgspec.Struct, frozen=True):
    """One of two images that were compared."""

    image_id: Digest
    layers: tuple[Digest, ...]
    """diff_ids, the lowest first."""
    bytes: int
    """Of file content in all layers."""


class Proof(msgspec.Struct, frozen=True):
    """Two images whose merged trees have one digest (see repack/tree.py)."""

    tree: Digest
    paths: int
    """How many the tree has, its root included."""
    old: Side
    new: Side

    def encode(self) -> bytes:
        """As JSON: the same proof gives the same bytes."""
        return encode(self)

    @classmethod
    def parse(cls, raw: bytes) -> Proof:
        """Read it.  Raises BadDocument."""
        return decode(raw, cls, what="the proof")


def proof_artifact(subject: Descriptor, proof: Proof) -> Artifact:
    """The proof as an artifact about the new image's manifest."""
    return Artifact.of_document(subject, ARTIFACT_TYPE, proof.encode())


class TreeChange(msgspec.Struct, frozen=True):
    """A path at which two trees are not alike."""

    path: str
    old: Record | None
    new: Record | None

    @property
    def aspects(self) -> list[str]:
        """In what: `type`, `mode`, `owner`, `mtime`, `content`, `xattrs`, `hard links`; empty
        when only one tree has the path.  Another type says nothing of the rest."""
        if self.old is None or self.new is None:
            return []
        if self.old.kind != self.new.kind:
            return [FIELDS["kind"]]
        names = zip(FIELDS.values(), self.old, self.new, strict=True)
        return list(dict.fromkeys(name for name, before, after in names if before != after))


def tree_changes(old: Mapping[str, Record], new: Mapping[str, Record]) -> list[TreeChange]:
    """Every path at which the trees differ, sorted, what is in a directory after it."""
    paths = {path for path, _ in old.items() ^ new.items()}
    return [
        TreeChange(path, old.get(path), new.get(path))
        for path in sorted(paths, key=lambda path: path.split("/"))
    ]
