"""Layers written, read back, proved and only then named."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from lamina.explain.stack import image_stack
from lamina.explain.waste import account
from lamina.oci.reference import Reference
from lamina.repack.plan import Made, Plan, plan
from lamina.repack.proof import ARTIFACT_TYPE, Proof
from lamina.repack.repack import NotTheSame, slim, tree_of
from lamina.repack.spans import lossless
from lamina.repack.tree import digest
from lamina.store.contract import Image, Store
from lamina.store.fsck import check_store
from tests.fakes.images import make_image
from tests.rights import needs_rights

LAYERS = (
    {"bin/sh": b"x" * 50, "etc/a": b"a" * 7},
    {"srv/big": b"b" * 1000, "srv/small": b"s"},
    {"srv/.wh.big": b""},
)
NEW = Reference.parse("app:slim")


def planned(store: Store, image: Image) -> Plan:
    stack = image_stack(store, image)
    return plan(stack.listings, stack.union, lossless(stack.account))


def test_the_new_image_has_no_hidden_byte(store: Store) -> None:
    image = make_image(store, "app:1", *LAYERS)
    made = slim(store, image, image_stack(store, image), planned(store, image), NEW)
    assert made.image.row.reference == NEW
    new = image_stack(store, made.image)
    assert account(new.listings).hidden_bytes == 0
    assert new.account.bytes == 58
    assert made.image.layers[0] == image.layers[0]
    assert new.read("srv/small") == b"s"
    assert made.proof.old.bytes - made.proof.new.bytes == 1000


def test_the_proof_is_attached(store: Store) -> None:
    image = make_image(store, "app:1", *LAYERS)
    made = slim(store, image, image_stack(store, image), planned(store, image), NEW)
    (artifact,) = store.images.attached(made.image.manifest.digest, ARTIFACT_TYPE)
    proof = Proof.parse(store.blobs.read(artifact.payload.digest))
    assert proof == made.proof
    assert proof.old.image_id == image.config.digest
    assert str(proof.tree) == str(digest(tree_of(image_stack(store, made.image))))
    assert check_store(store).findings == []


def test_it_is_the_same_image_each_time(store: Store) -> None:
    image = make_image(store, "app:1", *LAYERS)
    stack = image_stack(store, image)
    first, second = (slim(store, image, stack, planned(store, image), NEW) for _ in range(2))
    assert first.image.config.raw == second.image.config.raw
    assert first.proof.encode() == second.proof.encode()


def test_an_image_without_waste_gets_the_name(store: Store) -> None:
    image = make_image(store, "app:1", LAYERS[0])
    made = slim(store, image, image_stack(store, image), planned(store, image), NEW)
    assert made.image.config.digest == image.config.digest
    assert made.proof.old == made.proof.new
    assert store.images.attached(image.manifest.digest) == []


def without(planned: Plan, path: str) -> Plan:
    """A plan that forgets a file."""

    def forget(layer: Made) -> Made:
        return replace(layer, entries=tuple(each for each in layer.entries if each.path != path))

    layers = (forget(each) if isinstance(each, Made) else each for each in planned.layers)
    return replace(planned, layers=tuple(layers))


def test_a_plan_that_loses_something_names_nothing(store: Store) -> None:
    image = make_image(store, "app:1", *LAYERS)
    wrong = without(planned(store, image), "srv/small")
    with pytest.raises(NotTheSame, match=r"app:1 do not show the same: /srv/small \(is gone\)"):
        slim(store, image, image_stack(store, image), wrong, NEW)
    assert store.refs.get(NEW) is None


@needs_rights
def test_bytes_that_are_not_those_that_were_read_name_nothing(store: Store) -> None:
    """What was written is read back: a source that changed under us is found out."""
    image = make_image(store, "app:1", *LAYERS)
    stack = image_stack(store, image)
    wanted = planned(store, image)
    file = store.layers.directory(image.layers[1]) / "fs/srv/small"
    file.chmod(0o600)
    file.write_bytes(b"t")
    with pytest.raises(NotTheSame, match=r"/srv/small \(content\)"):
        slim(store, image, stack, wanted, NEW)
    assert store.refs.get(NEW) is None
