"""Layers in image form: the contract, and what is particular to a tar under an EROFS."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.store import layers as layers_module
from lamina.store.contract import LayerStore
from lamina.store.errors import LayerDamaged, NoImageForm
from lamina.store.layers import DirLayers
from lamina.store.root import open_store
from tests.contract.layer_store import BIG, PLAIN, LayerStoreContract
from tests.fakes.archives import archive, cut, file, folder, hardlink, symlink
from tests.rights import needs_rights


def new_layers(root: Path, run_directory: Path) -> DirLayers:
    open_store(root)
    return DirLayers(root, form="image", run_directory=run_directory)


@pytest.fixture
def run_directory(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def layers(root: Path, run_directory: Path) -> Iterator[DirLayers]:
    found = new_layers(root, run_directory)
    if found.no_image_form:
        pytest.skip(found.no_image_form)
    yield found
    found.sweep()
    assert found.mounted() == [], "somebody still holds a mount"


def tree(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


class TestImageForm(LayerStoreContract):
    @pytest.fixture
    def second(self, tmp_path: Path, run_directory: Path) -> LayerStore:
        return new_layers(tmp_path / "second", run_directory)

    @pytest.fixture
    def new_upper(self, root: Path, layers: DirLayers) -> Callable[[], Path]:
        made = iter(range(100))

        def new() -> Path:
            upper = root / f"upper{next(made)}"
            upper.mkdir()
            return upper

        return new

    @pytest.fixture
    def residue(self, root: Path, layers: DirLayers) -> Callable[[], list[str]]:
        return lambda: tree(root)


def ingest(layers: DirLayers, tar: bytes) -> Digest:
    return layers.ingest(cut(tar, 1 << 16), expected=None).diff_id


def test_what_is_written_depends_on_the_tar_alone(layers: DirLayers, tmp_path: Path) -> None:
    other = new_layers(tmp_path / "other", tmp_path / "run")
    first, second = ingest(layers, PLAIN), ingest(other, PLAIN)
    for name in ("tar", "erofs", "listing"):
        ours, theirs = layers.directory(first) / name, other.directory(second) / name
        assert ours.read_bytes() == theirs.read_bytes()


def test_digests_of_files_are_computed_once_and_kept(layers: DirLayers, root: Path) -> None:
    diff_id = ingest(layers, PLAIN)
    assert [e for e in layers.listing(diff_id).entries if e.size and e.sha256] == []
    hashed = layers.hashed(diff_id)
    (layers.directory(diff_id) / "tar").rename(root / "elsewhere")
    assert layers.listing(diff_id) == layers.hashed(diff_id) == hashed
    (root / "elsewhere").rename(layers.directory(diff_id) / "tar")
    assert layers.verify(diff_id) == []


# where it cannot be


@needs_rights
def test_a_file_system_that_does_not_serve_images_gets_trees(in_memory: Path) -> None:
    layers = open_store(in_memory / "root").layers
    assert layers.no_image_form
    assert layers.form == "tree"
    assert layers.ingest([PLAIN], expected=None).form == "tree"
    asked = open_store(in_memory / "root", layer_form="image").layers
    with pytest.raises(NoImageForm, match="cannot be kept as images here") as caught:
        asked.ingest([PLAIN], expected=None)
    assert "--layer-form tree" in caught.value.hint


def test_an_image_is_the_choice_where_it_can_be(layers: DirLayers, root: Path) -> None:
    assert open_store(root).layers.form == "image"
    assert open_store(root, layer_form="tree").layers.form == "tree"


# crashes and damage


def test_a_dead_writers_leftover_is_no_layer_and_is_swept(
    layers: DirLayers, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree(root)

    def stream() -> Iterator[bytes]:
        yield PLAIN[:-2048]
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(layers_module, "delete_tree", lambda _: 0)
        with pytest.raises(KeyboardInterrupt):
            layers.ingest(stream(), expected=None)
    assert any(name.endswith("/tar") for name in tree(root))
    assert list(layers) == []
    assert layers.sweep() > len(BIG)
    assert tree(root) == before


@pytest.fixture
def stored(layers: DirLayers) -> Digest:
    """A small layer with something of everything, its digests known."""
    diff_id = ingest(
        layers,
        archive(
            folder("usr"),
            file("usr/f", b"content", xattr="x"),
            file("usr/f2", b"replaced"),
            file("usr/f2", b"content2"),
            hardlink("usr/hard", "usr/f"),
            symlink("usr/soft", "f"),
            file("usr/.wh.gone"),
        ),
    )
    layers.hashed(diff_id)
    layers.remember_compressed(diff_id, Descriptor("application/gzip", Digest.of(b"x"), 7))
    assert layers.verify(diff_id) == []
    return diff_id


FILES = ("tar", "erofs", "listing", "layer.json", "compressed.json")


@pytest.mark.parametrize("name", FILES)
def test_verify_sees_every_flipped_bit(layers: DirLayers, stored: Digest, name: str) -> None:
    place = layers.directory(stored) / name
    raw = place.read_bytes()
    unseen = []
    for at in range(0, len(raw), 1 if len(raw) < 2000 else 7):
        place.write_bytes(bytes([*raw[:at], raw[at] ^ 1 << at % 8, *raw[at + 1 :]]))
        if not layers.verify(stored):
            unseen.append(at)
    assert unseen == []


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("change", ["cut", "longer", "empty"])
def test_verify_sees_files_of_another_length(
    layers: DirLayers, stored: Digest, name: str, change: str
) -> None:
    place = layers.directory(stored) / name
    raw = place.read_bytes()
    place.write_bytes({"cut": raw[:-1], "longer": raw + b"\0", "empty": b""}[change])
    problems = layers.verify(stored)
    assert problems
    assert all(stored.short in problem for problem in problems)


@pytest.mark.parametrize("name", ["tar", "erofs", "listing", "layer.json"])
def test_verify_sees_a_missing_file(
    layers: DirLayers, stored: Digest, root: Path, name: str
) -> None:
    (layers.directory(stored) / name).rename(root / "elsewhere")
    assert layers.verify(stored)


def test_verify_names_the_file_whose_content_changed(layers: DirLayers, stored: Digest) -> None:
    place = layers.directory(stored) / "tar"
    place.write_bytes(place.read_bytes().replace(b"content2", b"CONTENT2"))
    assert any("'usr/f2'" in problem for problem in layers.verify(stored))


def test_a_tar_that_is_not_whole_is_not_read_to_its_end(layers: DirLayers, stored: Digest) -> None:
    place = layers.directory(stored) / "tar"
    last = [e for e in layers.listing(stored).entries if e.path == "usr/f2"][-1]
    os.truncate(place, last.offset + 3)
    with pytest.raises(LayerDamaged, match="another length"):
        list(layers.tar(stored))
    with pytest.raises(LayerDamaged, match="'usr/f2'"):
        layers.open_file(stored, last)
    place.unlink()
    with pytest.raises(LayerDamaged, match="cannot be read"):
        list(layers.tar(stored))


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_layer_can_be_removed(
    layers: DirLayers, root: Path, stored: Digest, name: str
) -> None:
    (layers.directory(stored) / name).write_bytes(b"junk")
    assert layers.remove(stored) > 0
    assert list(layers) == []
