"""What of a proof holds."""

from __future__ import annotations

from msgspec.structs import replace

from lamina.explain.stack import image_stack
from lamina.oci.digest import Digest
from lamina.repack.holding import untrue
from lamina.repack.proof import Proof
from lamina.repack.repack import slim, tree_of
from lamina.store.contract import Store
from tests.fakes.images import make_image
from tests.unit.repack.test_repack import LAYERS, NEW, planned


def test_every_part_of_a_proof_is_held_against_the_image(store: Store) -> None:
    old = make_image(store, "app:1", *LAYERS)
    made = slim(store, old, image_stack(store, old), planned(store, old), NEW)
    config, proof = made.image.config, made.proof
    tree = tree_of(image_stack(store, made.image))
    size = sum(store.layers.info(each).content_size for each in made.image.layers)

    def told(claim: Proof) -> list[str]:
        return untrue(claim, config, tree, size)

    other = Digest.of(b"other")
    assert told(proof) == []
    assert told(replace(proof, tree=other)) == [
        f"the image shows the tree {proof.tree}, and not {other}"
    ]
    assert told(replace(proof, paths=1)) == [f"the tree has {len(tree)} paths, and not 1"]
    for change, words in (
        ({"image_id": other}, "it is about the image"),
        ({"layers": (other,)}, "it is about other layers"),
        ({"bytes": 1}, f"the layers have {size} bytes of files, and not 1"),
    ):
        (line,) = told(replace(proof, new=replace(proof.new, **change)))
        assert line.startswith(words)
