"""Whether what a proof says of an image is so.  Pure."""

from __future__ import annotations

from collections.abc import Mapping

from lamina.oci.config import ImageConfig
from lamina.repack.proof import Proof
from lamina.repack.tree import Record, digest


def untrue(proof: Proof, config: ImageConfig, tree: Mapping[str, Record], size: int) -> list[str]:
    """What the proof says of its new image that is not so of this one, whose merged tree that
    is and whose layers have `size` bytes of file content; nothing when all of it holds."""
    new = proof.new
    found = []
    if new.image_id != config.digest:
        found.append(f"it is about the image {new.image_id}, and this is {config.digest}")
    if new.layers != config.diff_ids:
        found.append("it is about other layers")
    if (shown := digest(tree)) != proof.tree:
        found.append(f"the image shows the tree {shown}, and not {proof.tree}")
    if len(tree) != proof.paths:
        found.append(f"the tree has {len(tree)} paths, and not {proof.paths}")
    if size != new.bytes:
        found.append(f"the layers have {size} bytes of files, and not {new.bytes}")
    return found
