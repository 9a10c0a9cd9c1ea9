"""What is attached to an image, pushed, pulled, saved, loaded and copied with it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from lamina.errors import Invalid, Unavailable
from lamina.oci import mediatype
from lamina.oci.artifact import DIFF_ID, OUR_TYPES, Artifact, fallback_tag
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.manifest import Index, Manifest
from lamina.oci.mediatype import Compression
from lamina.oci.reference import Reference
from lamina.store.contract import Image, Store
from lamina.store.fsck import check_store
from lamina.store.root import open_store
from lamina.transfer.archive import open_archive
from lamina.transfer.bring import bring_layers
from lamina.transfer.copy import copy
from lamina.transfer.files import DirectoryFiles, TarFiles
from lamina.transfer.layout import LayoutSource, Named, read_index
from lamina.transfer.load import load
from lamina.transfer.members import DirectoryMembers
from lamina.transfer.progress import Silent
from lamina.transfer.pull import pull
from lamina.transfer.push import images_of, push, push_index
from lamina.transfer.save import Format, save
from tests.fakes.images import make_image, make_layer
from tests.fakes.transfer import Collected, MemoryPlace
from tests.unit.transfer.material import AMD64, ARM64, put_image, put_index

NAME = Reference.parse("reg.example/team/app:v1")
PROOF = OUR_TYPES + "test.proof.v1+json"
LAYER = OUR_TYPES + "test.layer.v1"
THEIRS = "application/vnd.example.signature"
REMOVED = {"usr/bin/perl": b"perl" * 10_000}


@pytest.fixture
def second(tmp_path: Path) -> Store:
    return open_store(tmp_path / "second")


@pytest.fixture
def image(store: Store) -> Image:
    """An image with a document and a layer attached."""
    made = make_image(store, "app", {"etc/motd": b"hello\n"})
    subject = made.manifest.descriptor
    store.images.attach(made, Artifact.of_document(subject, PROOF, b'{"a":1}'))
    diff_id = make_layer(store, REMOVED)
    size = store.layers.info(diff_id).tar_size
    store.images.attach(made, Artifact.of_layer(subject, LAYER, diff_id, size))
    return made


def send(
    store: Store,
    image: Image,
    place: MemoryPlace,
    *,
    compression: Compression | None = None,
    target: str = "reg.example/team/app",
    progress: Collected | None = None,
) -> Descriptor:
    return push(
        store,
        image,
        place,
        tag="v1",
        progress=progress or Collected(),
        target=target,
        compression=compression,
    )


def fetch(place: MemoryPlace, store: Store, progress: Collected | None = None) -> Image:
    return pull(place, store, NAME, platform=AMD64, progress=progress or Collected())


def attach_there(
    place: MemoryPlace, subject: Descriptor, kind: str, content: bytes = b"x"
) -> Artifact:
    artifact = Artifact.of_document(subject, kind, content)
    for each in (b"{}", content):
        place.blobs[Digest.of(each)] = each
    place.put_referrer(artifact.descriptor, artifact.manifest.raw, subject.digest)
    return artifact


def kinds(store: Store, image: Image) -> list[str]:
    return [each.artifact_type for each in store.images.attached(image.manifest.digest)]


def layer_of(store: Store, image: Image) -> Artifact:
    (found,) = store.images.attached(image.manifest.digest, LAYER)
    return found


class TestPush:
    def test_it_is_about_the_manifest_that_is_there(self, store: Store, image: Image) -> None:
        place = MemoryPlace()
        sent = send(store, image, place)
        assert sent.digest != image.manifest.digest
        assert list(place.attached) == [sent.digest]
        proof, layer = (
            Artifact.read(Manifest.parse(place.document(each)))
            for each in place.attached[sent.digest]
        )
        assert proof.subject == layer.subject == sent
        assert place.blobs[proof.payload.digest] == b'{"a":1}'
        assert layer.payload.media_type == mediatype.OCI_LAYER_GZIP
        assert layer.payload.annotations == {DIFF_ID: str(layer_of(store, image).payload.digest)}
        assert layer.payload.digest in place.blobs

    def test_it_comes_after_the_image(self, store: Store, image: Image) -> None:
        place = MemoryPlace()
        sent = send(store, image, place)
        assert place.did("document")[0] == sent.digest
        assert place.resolve() == sent

    def test_again_sends_nothing(self, store: Store, image: Image) -> None:
        place = MemoryPlace()
        send(store, image, place)
        before = dict(place.attached)
        place.calls.clear()
        send(store, image, place)
        assert place.did("put") == []
        assert place.attached == before

    def test_images_of_an_index_have_theirs(self, store: Store) -> None:
        place, other = MemoryPlace(), MemoryPlace()
        index = put_index(place, AMD64, ARM64)
        for each in index.manifests:
            attach_there(place, each, PROOF)
        progress = Collected()
        found = pull(place, store, NAME, platform=AMD64, progress=progress, all_platforms=True)
        several = images_of(store, found.row)
        assert several is not None
        assert [kinds(store, each) for each in several[1]] == [[PROOF], [PROOF]]
        sent = push_index(store, *several, other, tag="v1", progress=progress, target="else/app")
        there = Index.parse(other.document(sent)).manifests
        assert [len(other.attached[each.digest]) for each in there] == [1, 1]


class TestPull:
    def test_documents_come_and_layers_wait(
        self, store: Store, image: Image, second: Store
    ) -> None:
        place = MemoryPlace()
        sent = send(store, image, place)
        place.calls.clear()
        found = fetch(place, second)
        assert found.manifest.digest == sent.digest
        assert kinds(second, found) == [PROOF, LAYER]
        (proof,) = second.images.attached(sent.digest, PROOF)
        assert second.blobs.read(proof.payload.digest) == b'{"a":1}'
        layer = layer_of(second, found)
        assert layer.payload.digest not in place.did("blob")
        assert not second.layers.has(layer.diff_ids[0])
        assert check_store(second).findings == []

    def test_the_layer_is_brought_when_it_is_asked_for(
        self, store: Store, image: Image, second: Store
    ) -> None:
        place = MemoryPlace()
        send(store, image, place)
        layer = layer_of(second, fetch(place, second))
        for _ in range(2):
            bring_layers(place, second, layer, origin=NAME.name, progress=Silent())
        assert place.did("blob").count(layer.payload.digest) == 1
        assert second.layers.has(layer.diff_ids[0])
        assert check_store(second).findings == []

    def test_a_plain_layer_comes_at_once(self, store: Store, image: Image, second: Store) -> None:
        place = MemoryPlace()
        send(store, image, place, compression="none")
        assert second.layers.has(layer_of(second, fetch(place, second)).diff_ids[0])

    def test_what_others_attach_is_left(self, second: Store) -> None:
        place = MemoryPlace()
        manifest = put_image(place)
        attach_there(place, manifest.descriptor, THEIRS)
        assert kinds(second, fetch(place, second)) == []

    def test_what_is_about_another_image_is_left(self, second: Store) -> None:
        place = MemoryPlace()
        manifest = put_image(place)
        other = Descriptor(mediatype.OCI_MANIFEST, Digest.of(b"other"), 5)
        liar = attach_there(place, other, PROOF)
        place.attached[manifest.digest] = [liar.descriptor]
        assert kinds(second, fetch(place, second)) == []

    def test_what_is_gone_or_no_artifact_is_left(self, second: Store) -> None:
        place = MemoryPlace()
        manifest = put_image(place)
        gone = Descriptor(mediatype.OCI_MANIFEST, Digest.of(b"gone"), 4, artifact_type=PROOF)
        junk = place.put_stream("", [b"junk"])
        junk = Descriptor(mediatype.OCI_MANIFEST, junk.digest, 4, artifact_type=PROOF)
        place.attached[manifest.digest] = [gone, junk]
        good = attach_there(place, manifest.descriptor, PROOF)
        found = fetch(place, second)
        assert [each.digest for each in second.images.attached(found.manifest.digest)] == [
            good.digest
        ]

    def test_a_failure_costs_only_what_is_attached(
        self, second: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        place, progress = MemoryPlace(), Collected()
        put_image(place)

        def failing(subject: Digest) -> list[Descriptor]:
            raise Unavailable("the registry is busy")

        monkeypatch.setattr(place, "referrers", failing)
        found = fetch(place, second, progress)
        assert second.images.find(str(NAME)).config.digest == found.config.digest
        (note,) = [each for each in progress.notes if each.startswith("WARNING")]
        assert note.endswith("was not brought along: the registry is busy")

    def test_a_payload_of_other_bytes_is_not_kept(self, second: Store) -> None:
        place, progress = MemoryPlace(), Collected()
        manifest = put_image(place)
        artifact = attach_there(place, manifest.descriptor, PROOF, b"proof")
        place.blobs[artifact.payload.digest] = b"OTHER"
        assert kinds(second, fetch(place, second, progress)) == []
        assert any("was not brought along" in each for each in progress.notes)

    def test_it_is_asked_for_while_the_layers_come(
        self, second: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = threading.Event()
        place = MemoryPlace(wait_for=asked)
        put_image(place)

        def referrers(subject: Digest) -> list[Descriptor]:
            asked.set()
            return []

        monkeypatch.setattr(place, "referrers", referrers)
        # The layers come only when the question was asked: one after the other would hang.
        fetch(place, second)
        assert asked.is_set()


class TestLayersLeftBehind:
    @pytest.fixture
    def pulled(self, store: Store, image: Image, second: Store) -> tuple[MemoryPlace, Image]:
        place = MemoryPlace()
        send(store, image, place)
        return place, fetch(place, second)

    def test_back_to_where_it_is(self, second: Store, pulled: tuple[MemoryPlace, Image]) -> None:
        place, found = pulled
        before = {key: list(value) for key, value in place.attached.items()}
        send(second, found, place)
        assert place.attached == before

    def test_a_neighbour_takes_it_over(
        self, second: Store, pulled: tuple[MemoryPlace, Image]
    ) -> None:
        place, found = pulled
        other = MemoryPlace(neighbours={"team/app": set(place.blobs)})
        sent = send(second, found, other, target="reg.example/team/other")
        assert len(other.attached[sent.digest]) == 2
        assert layer_of(second, found).payload.digest in other.did("mount team/app")

    def test_elsewhere_it_is_told_that_it_stays(
        self, second: Store, pulled: tuple[MemoryPlace, Image]
    ) -> None:
        other, progress = MemoryPlace(), Collected()
        sent = send(second, pulled[1], other, target="else.example/app", progress=progress)
        assert [each.artifact_type for each in other.attached[sent.digest]] == [PROOF]
        (note,) = progress.notes
        assert note.startswith(f"WARNING: {LAYER} is not sent along")


class TestArchives:
    @pytest.mark.parametrize("form", ["oci-archive", "oci-dir"])
    def test_save_and_load_carry_all_of_it(
        self, store: Store, image: Image, second: Store, tmp_path: Path, form: Format
    ) -> None:
        if form == "oci-dir":
            files: DirectoryFiles | TarFiles = DirectoryFiles(tmp_path / "layout")
            save(store, [(image, [NAME])], files, form=form, progress=Silent())
            (loaded,) = load(
                DirectoryMembers(tmp_path / "layout"), second, platform=AMD64, progress=Silent()
            )
        else:
            with (tmp_path / "x.tar").open("w+b") as stream:
                save(store, [(image, [NAME])], TarFiles(stream, "x"), form=form, progress=Silent())
                stream.seek(0)
                with open_archive(stream, "x") as members:
                    (loaded,) = load(members, second, platform=AMD64, progress=Silent())
        assert loaded.names == (NAME,)
        assert kinds(second, loaded.image) == [PROOF, LAYER]
        assert second.layers.has(layer_of(second, loaded.image).diff_ids[0])
        assert check_store(second).findings == []

    def test_the_entry_is_as_other_tools_write_it(
        self, store: Store, image: Image, tmp_path: Path
    ) -> None:
        files = DirectoryFiles(tmp_path)
        save(store, [(image, [NAME])], files, form="oci-dir", progress=Silent())
        index = Index.parse((tmp_path / "index.json").read_bytes())
        named, *artifacts = index.manifests
        assert [each.artifact_type for each in artifacts] == [PROOF, LAYER]
        assert [each.annotations for each in artifacts] == [{}, {}]
        for each in artifacts:
            raw = (tmp_path / "blobs/sha256" / each.digest.hex).read_bytes()
            assert Artifact.read(Manifest.parse(raw)).subject.digest == named.digest

    def test_a_docker_archive_has_nothing_of_it(
        self, store: Store, image: Image, second: Store, tmp_path: Path
    ) -> None:
        progress = Collected()
        path = tmp_path / "x.tar"
        with path.open("w+b") as stream:
            tar = TarFiles(stream, "x")
            save(store, [(image, [NAME])], tar, form="docker-archive", progress=progress)
            assert progress.notes == []
            assert b"perl" not in path.read_bytes()
            stream.seek(0)
            with open_archive(stream, "x") as members:
                (loaded,) = load(members, second, platform=AMD64, progress=Silent())
        assert kinds(second, loaded.image) == []

    def test_a_layout_may_list_it_as_a_registry_does(
        self, store: Store, image: Image, tmp_path: Path
    ) -> None:
        """Under the tag for that, which is no image then."""
        files = DirectoryFiles(tmp_path)
        save(store, [(image, [NAME])], files, form="oci-dir", progress=Silent())
        named, *artifacts = Index.parse((tmp_path / "index.json").read_bytes()).manifests
        listed = Index.build(artifacts)
        (tmp_path / "blobs/sha256" / listed.digest.hex).write_bytes(listed.raw)
        entry = Descriptor(
            mediatype.OCI_INDEX,
            listed.digest,
            len(listed.raw),
            annotations={"org.opencontainers.image.ref.name": fallback_tag(named.digest)},
        )
        (tmp_path / "index.json").write_bytes(Index.build([named, entry]).raw)
        members = DirectoryMembers(tmp_path)
        (found,) = read_index(members)
        assert found.descriptor.digest == named.digest
        source = LayoutSource(members, Named(named, ()))
        assert [each.digest for each in source.referrers(named.digest)] == [
            each.digest for each in artifacts
        ]
        assert source.referrers(Digest.of(b"other")) == []


class TestCopy:
    def test_all_of_it_goes_along_and_what_is_attached_to_that(self) -> None:
        source, sink = MemoryPlace(), MemoryPlace()
        manifest = put_image(source)
        theirs = attach_there(source, manifest.descriptor, THEIRS, b"theirs")
        attach_there(source, theirs.manifest.descriptor, THEIRS, b"about theirs")
        copy(source, sink, tag="v1", platform=AMD64, progress=Silent(), what="it")
        assert sink.blobs == source.blobs
        assert sink.attached == source.attached

    def test_every_image_of_an_index_has_its_own(self) -> None:
        source, sink = MemoryPlace(), MemoryPlace()
        index = put_index(source, AMD64, ARM64)
        for each in (index.descriptor, *index.manifests):
            attach_there(source, each, PROOF)
        copy(source, sink, tag="v1", platform=None, progress=Silent(), what="it")
        assert sink.attached == source.attached

    def test_what_cannot_be_attached_to_gets_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        source, sink = MemoryPlace(), MemoryPlace()
        manifest = put_image(source)
        artifact = attach_there(source, manifest.descriptor, THEIRS, b"theirs")
        monkeypatch.setattr(MemoryPlace, "attaches", False)
        copy(source, sink, tag="v1", platform=AMD64, progress=Silent(), what="it")
        assert artifact.payload.digest not in sink.blobs
        assert sink.resolve() == manifest.descriptor


def test_a_list_that_cannot_be_read_is_told(second: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    place, progress = MemoryPlace(), Collected()
    put_image(place)

    def failing(subject: Digest) -> list[Descriptor]:
        raise Invalid("the list is broken")

    monkeypatch.setattr(place, "referrers", failing)
    fetch(place, second, progress)
    assert any("the list is broken" in each for each in progress.notes)
