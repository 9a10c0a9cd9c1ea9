"""Changing the form of layers: nothing but the form changes, and nobody is disturbed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lamina.errors import EngineError
from lamina.layer.contract import Form
from lamina.linux.syscall import exchange
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.store.contract import Store
from lamina.store.convert import convert
from lamina.store.errors import LayerDamaged, LayerInUse, NoImageForm
from lamina.store.root import open_store
from tests.contract.layer_store import ARCHIVES, PLAIN
from tests.fakes.images import make_record
from tests.rights import needs_rights

FORMS: list[Form] = ["tree", "image"]


@pytest.fixture
def form() -> Form:
    """Each test chooses for itself."""
    return "tree"


@pytest.fixture
def images(store: Store) -> Store:
    """The store, where layers can be kept as images."""
    if store.layers.no_image_form:
        pytest.skip(store.layers.no_image_form)
    return store


def other(form: Form) -> Form:
    return "tree" if form == "image" else "image"


def stored(store: Store, tar: bytes, form: Form) -> Digest:
    return open_store(store.root, layer_form=form).layers.ingest([tar], expected=None).diff_id


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ARCHIVES)
def test_there_and_back(images: Store, name: str, form: Form) -> None:
    diff_id = stored(images, ARCHIVES[name], form)
    before = images.layers.hashed(diff_id)
    blob = Descriptor("application/gzip", Digest.of(b"blob"), 4)
    images.layers.remember_compressed(diff_id, blob)
    for wanted in (other(form), form):
        assert convert(images, [diff_id], wanted) == (diff_id,)
        assert images.layers.info(diff_id).form == wanted
        assert b"".join(images.layers.tar(diff_id)) == ARCHIVES[name]
        assert images.layers.hashed(diff_id) == before
        assert images.layers.compressed(diff_id) == (blob,)
        assert images.layers.verify(diff_id) == []
    assert [each for each in os.listdir(images.root / "layers") if each[0] == "."] == []


@pytest.mark.parametrize("form", FORMS)
def test_a_layer_in_that_form_is_left_alone(images: Store, form: Form) -> None:
    diff_id = stored(images, PLAIN, form)
    begun: list[Digest] = []
    inode = images.layers.directory(diff_id).stat().st_ino
    assert convert(images, [diff_id, diff_id], form, begin=begun.append) == ()
    assert begun == []
    assert images.layers.directory(diff_id).stat().st_ino == inode


def test_shared_files_are_given_back(images: Store) -> None:
    diff_id = stored(images, PLAIN, "tree")
    assert os.listdir(images.root / "objects")
    convert(images, [diff_id], "image")
    assert os.listdir(images.root / "objects") == []
    convert(images, [diff_id], "tree")
    assert os.listdir(images.root / "objects")


def test_a_layer_in_use_is_left_alone(images: Store) -> None:
    diff_id = stored(images, PLAIN, "tree")
    with images.leases.hold() as lease:
        lease.protect(diff_id)
        with pytest.raises(LayerInUse, match="another lamina command"):
            convert(images, [diff_id], "image")
    _contain(images, diff_id)
    with pytest.raises(LayerInUse, match="container box"):
        convert(images, [diff_id], "image")
    assert images.layers.info(diff_id).form == "tree"
    assert images.layers.verify(diff_id) == []
    images.containers.remove(f"{1:064x}")
    assert convert(images, [diff_id], "image") == (diff_id,)


def _contain(store: Store, diff_id: Digest) -> None:
    """A container of the layer whose process lives: this one."""
    from lamina.linux.processes import started

    record = make_record("box", status="running")
    store.containers.create(record)
    store.containers.update(
        record.id, layers=(diff_id,), pid=os.getpid(), pid_started=started(os.getpid())
    )


@pytest.mark.parametrize("form", FORMS)
def test_a_damaged_layer_keeps_its_form(images: Store, form: Form) -> None:
    diff_id = stored(images, PLAIN, form)
    place = images.layers.directory(diff_id)
    victim = place / ("fs/usr/bin/tool" if form == "tree" else "tar")
    raw = victim.read_bytes()
    victim.write_bytes(raw.replace(b"#!/bin/sh", b"#!/bin/SH", 1))
    with pytest.raises(EngineError) as caught:
        convert(images, [diff_id], other(form))
    assert isinstance(caught.value, LayerDamaged)
    assert images.layers.info(diff_id).form == form
    assert images.layers.directory(diff_id) == place
    assert [each for each in os.listdir(images.root / "layers") if each[0] == "."] == []


@pytest.mark.parametrize("form", FORMS)
def test_an_interruption_leaves_one_whole_layer(
    images: Store, form: Form, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the exchange the old form is there, after it the new one."""
    for at, expected in (("before", form), ("after", other(form))):
        diff_id = stored(images, PLAIN, form)

        def interrupted(one: str, two: str, at: str = at) -> None:
            if at == "after":
                exchange(one, two)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr("lamina.store.layers.exchange", interrupted)
            with pytest.raises(KeyboardInterrupt):
                convert(images, [diff_id], other(form))
        assert images.layers.info(diff_id).form == expected
        images.layers.sweep()
        assert images.layers.verify(diff_id) == []
        images.layers.remove(diff_id)


@needs_rights
def test_without_images_there_is_no_converting_to_them(store: Store, tmp_path: Path) -> None:
    diff_id = stored(store, PLAIN, "tree")
    if not store.layers.no_image_form:
        pytest.skip("layers can be kept as images here")
    with pytest.raises(NoImageForm):
        convert(store, [diff_id], "image")
