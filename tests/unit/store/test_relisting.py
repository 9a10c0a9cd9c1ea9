"""A listing that is damaged is made anew, or its layer is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.layer.contract import Form
from lamina.store.contract import Store
from lamina.store.errors import LayerDamaged
from tests.contract.layer_store import ARCHIVES, PLAIN
from tests.rights import needs_rights


def damage(path: Path, how: str) -> None:
    raw = path.read_bytes()
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes({"cut": raw[:100], "flipped": raw[:-1] + bytes([raw[-1] ^ 1])}[how])


@pytest.mark.parametrize("how", ["missing", "cut", "flipped"])
def test_a_damaged_listing_is_made_anew(store: Store, how: str) -> None:
    diff_id = store.layers.ingest([PLAIN], expected=None).diff_id
    before = store.layers.hashed(diff_id)
    damage(store.layers.directory(diff_id) / "listing", how)
    assert store.layers.listing(diff_id) == before
    assert store.layers.hashed(diff_id) == before
    assert store.layers.verify(diff_id) == []
    assert b"".join(store.layers.tar(diff_id)) == PLAIN


def test_the_listing_of_a_build_step_is_made_anew(store: Store, tmp_path: Path) -> None:
    upper = store.root / "upper"
    (upper / "d").mkdir(parents=True)
    (upper / "d" / "a").write_bytes(b"a" * 1000)
    (upper / "d" / "b").symlink_to("a")
    (upper / "d" / "c").hardlink_to(upper / "d" / "a")
    diff_id = store.layers.adopt(upper).diff_id
    before = store.layers.hashed(diff_id)
    damage(store.layers.directory(diff_id) / "listing", "cut")
    assert store.layers.hashed(diff_id) == before
    assert store.layers.verify(diff_id) == []


@pytest.mark.parametrize("name", ARCHIVES)
def test_every_tar_that_a_layer_may_have(store: Store, form: Form, name: str) -> None:
    """But in tree form, only the listing knew where a content lies that has no place there."""
    diff_id = store.layers.ingest([ARCHIVES[name]], expected=None).diff_id
    before = store.layers.hashed(diff_id)
    place = store.layers.directory(diff_id)
    damage(place / "listing", "cut")
    if (place / "extra").exists():
        assert form == "tree"
        with pytest.raises(LayerDamaged, match=f"layer {diff_id.short} is damaged: its listing"):
            store.layers.listing(diff_id)
    else:
        assert store.layers.hashed(diff_id) == before
        assert store.layers.verify(diff_id) == []


@pytest.mark.parametrize("how", ["cut", "flipped"])
@needs_rights
def test_a_layer_whose_content_is_damaged_as_well_is_named(
    store: Store, form: Form, how: str
) -> None:
    diff_id = store.layers.ingest([PLAIN], expected=None).diff_id
    place = store.layers.directory(diff_id)
    damage(place / "listing", how)
    damaged = (place / "listing").read_bytes()
    big = place / ("tar" if form == "image" else "fs/usr/big")
    raw = bytearray(big.read_bytes())
    raw[raw.index(bytes(range(256))) + 7] ^= 1
    big.write_bytes(raw)
    with pytest.raises(LayerDamaged, match=diff_id.short):
        store.layers.listing(diff_id)
    assert (place / "listing").read_bytes() == damaged


@needs_rights
def test_headers_that_are_cut_off_are_noticed(store: Store, form: Form) -> None:
    if form == "image":
        pytest.skip("only a tree keeps its headers apart")
    diff_id = store.layers.ingest([PLAIN], expected=None).diff_id
    place = store.layers.directory(diff_id)
    damage(place / "listing", "cut")
    headers = (place / "headers").read_bytes()
    (place / "headers").write_bytes(headers[: len(headers) // 2])
    with pytest.raises(LayerDamaged, match=diff_id.short):
        store.layers.listing(diff_id)
