"""One machine's results at another: written, found, fetched, and refused where they lie."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from lamina.cache import record as cache_record
from lamina.cache.cache import Cache, Found, Known, Made
from lamina.cache.exporting import export
from lamina.cache.importing import SourceImporter
from lamina.oci import mediatype
from lamina.oci.config import ImageConfig
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.manifest import Manifest
from lamina.oci.mediatype import Compression
from lamina.store.contract import Lease, Store
from lamina.store.root import open_store
from lamina.transfer.progress import Silent
from tests.fakes.images import make_image, make_layer
from tests.fakes.transfer import MemoryPlace
from tests.unit.transfer.material import AMD64, ARM64, put, put_index

CREATED = "2026-01-02T03:04:05.000000000Z"
FIRST, SECOND, THIRD = (Digest.of(name) for name in (b"first", b"second", b"third"))


@pytest.fixture
def here(tmp_path: Path) -> Store:
    """The machine that built."""
    return open_store(tmp_path / "here")


@pytest.fixture
def there(tmp_path: Path) -> Store:
    """One that has nothing."""
    return open_store(tmp_path / "there")


@pytest.fixture
def lease(there: Store) -> Iterator[Lease]:
    with there.leases.hold() as held:
        yield held


def made(store: Store, text: bytes) -> Made:
    """What a step made that wrote one file."""
    layer = make_layer(store, {"file": text})
    info = store.layers.info(layer)
    return Made(layer, info.content_size, info.tar_size, CREATED)


def known(store: Store, key: Digest, text: bytes, *, in_chain: bool = True) -> Known:
    return Known((key, Digest.of(key.raw)), made(store, text), f"RUN {text!r}", in_chain)


class Notes(list[str]):
    """What the importer had to say."""


def importer(place: MemoryPlace, store: Store, notes: Notes | None = None) -> SourceImporter:
    return SourceImporter(
        "reg.example/cache",
        lambda: place,
        store,
        platforms=[AMD64],
        progress=Silent(),
        note=(notes if notes is not None else Notes()).append,
        repository="reg.example/cache",
    )


def exported(
    store: Store, place: MemoryPlace, *steps: Known, compression: Compression | None = None
) -> Manifest:
    sent = export(store, steps, place, tag=place.tag, progress=Silent(), compression=compression)
    assert place.resolve() == sent
    return Manifest.parse(place.document(sent))


@pytest.mark.parametrize("compression", [None, "gzip", "zstd", "none"])
def test_a_step_is_found_elsewhere_by_each_of_its_keys(
    here: Store, there: Store, lease: Lease, compression: Compression | None
) -> None:
    place, step = MemoryPlace(), known(here, FIRST, b"one")
    exported(here, place, step, compression=compression)
    for key in step.keys:
        cache = Cache(there, lease, [importer(place, there)])
        found = cache.find(key, "RUN")
        assert found is not None
        assert (found.made, found.origin) == (step.made, "reg.example/cache")
    assert not there.layers.has(step.made.layer), "it is fetched when somebody needs it"
    assert cache.bring([step.made.layer]) == []
    assert there.layers.verify(step.made.layer) == []
    # What was asked for is here now.  That another key gives the same is only hearsay.
    assert Cache(there, lease).find(step.keys[1]) == Found(step.made, (step.keys[1],))
    assert Cache(there, lease).find(step.keys[0]) is None


def test_every_blob_is_one_that_the_manifest_names(here: Store) -> None:
    place = MemoryPlace()
    manifest = exported(here, place, known(here, FIRST, b"one"), known(here, SECOND, b"two"))
    named = {manifest.digest, manifest.config.digest, *(each.digest for each in manifest.layers)}
    assert set(place.blobs) == named
    assert manifest.config.media_type == cache_record.MEDIA_TYPE


def test_one_layer_of_two_steps_is_sent_once(here: Store, there: Store, lease: Lease) -> None:
    place = MemoryPlace()
    manifest = exported(here, place, known(here, FIRST, b"same"), known(here, SECOND, b"same"))
    assert len(manifest.layers) == 1
    cache = Cache(there, lease, [importer(place, there)])
    for key in (FIRST, SECOND):
        found = cache.have(key, "RUN")
        assert found is not None
    assert [Cache(there, lease).find(key) is not None for key in (FIRST, SECOND)] == [True, True]


def test_only_what_is_needed_is_fetched(here: Store, there: Store, lease: Lease) -> None:
    place = MemoryPlace()
    exported(here, place, known(here, FIRST, b"one"), known(here, SECOND, b"two"))
    cache = Cache(there, lease, [importer(place, there)])
    assert cache.find(FIRST) is not None
    assert cache.have(SECOND) is not None
    assert len(place.did("blob")) == 1


def test_a_cache_that_has_it_is_asked_before_the_network(
    here: Store, there: Store, lease: Lease
) -> None:
    step = known(there, FIRST, b"one")
    Cache(there, lease).keep(step.keys, step.made, step.title)
    place = MemoryPlace()
    found = Cache(there, lease, [importer(place, there)]).find(FIRST)
    assert found is not None
    assert found.origin == ""
    assert place.calls == []


def test_the_first_of_two_caches_that_has_it(here: Store, there: Store, lease: Lease) -> None:
    one, two = MemoryPlace(), MemoryPlace()
    exported(here, one, known(here, FIRST, b"one"))
    exported(here, two, known(here, FIRST, b"one"), known(here, SECOND, b"two"))
    cache = Cache(there, lease, [importer(one, there), importer(two, there)])
    assert cache.have(FIRST) is not None
    assert cache.have(SECOND) is not None
    assert (len(one.did("blob")), len(two.did("blob"))) == (1, 1)


class TestTrouble:
    def test_nothing_there(self, there: Store, lease: Lease) -> None:
        notes = Notes()
        cache = Cache(there, lease, [importer(MemoryPlace(), there, notes)])
        assert cache.find(FIRST) is None
        assert cache.find(SECOND) is None
        assert notes == ["the cache reg.example/cache is not used: no tag v1"]

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            (b"[]", "is not valid"),
            (b'{"steps": [{"keys": ["md5:1"]}]}', "not a sha256 digest"),
        ],
    )
    def test_a_record_that_cannot_be_read(
        self, there: Store, lease: Lease, text: bytes, problem: str
    ) -> None:
        place, notes = MemoryPlace(), Notes()
        manifest = Manifest.build(put(place, text, cache_record.MEDIA_TYPE), [])
        place.put_document(manifest.descriptor, manifest.raw, tag="v1")
        assert Cache(there, lease, [importer(place, there, notes)]).find(FIRST) is None
        assert len(notes) == 1
        assert problem in notes[0]

    @pytest.mark.parametrize(
        "change", [{"size": -1}, {"tar_size": 1 << 63}, {"hides": ((0, -5),)}, {"created": "x"}]
    )
    def test_impossible_values(
        self, here: Store, there: Store, lease: Lease, change: dict[str, object]
    ) -> None:
        step = known(here, FIRST, b"one")
        lie = msgspec.structs.replace(step.made, **change)
        place, notes = MemoryPlace(), Notes()
        exported(here, place, msgspec.structs.replace(step, made=lie))
        assert Cache(there, lease, [importer(place, there, notes)]).find(FIRST) is None
        assert "impossible" in notes[0]

    def test_an_artifact_that_is_something_else(self, there: Store, lease: Lease) -> None:
        place, notes = MemoryPlace(), Notes()
        manifest = Manifest.build(put(place, b"{}", "application/vnd.chart.v1+json"), [])
        place.put_document(manifest.descriptor, manifest.raw, tag="v1")
        assert Cache(there, lease, [importer(place, there, notes)]).find(FIRST) is None
        assert "is not an image" in notes[0]

    def test_a_blob_with_other_bytes_is_refused_and_the_next_cache_asked(
        self, here: Store, there: Store, lease: Lease
    ) -> None:
        bad, good, notes = MemoryPlace(), MemoryPlace(), Notes()
        step = known(here, FIRST, b"one")
        blob = exported(here, bad, step).layers[0]
        bad.blobs[blob.digest] = bytes(len(bad.blobs[blob.digest]))
        cache = Cache(there, lease, [importer(bad, there, notes)])
        assert cache.have(FIRST) is None
        assert cache.find(FIRST) is None, "not found a second time"
        assert "is not used" in notes[0]
        exported(here, good, step)
        both = [importer(bad, there, notes), importer(good, there, notes)]
        assert Cache(there, lease, both).have(FIRST) is not None
        assert there.layers.verify(step.made.layer) == []

    def test_a_layer_of_another_size_than_the_record_says(
        self, here: Store, there: Store, lease: Lease
    ) -> None:
        place, notes = MemoryPlace(), Notes()
        step = known(here, FIRST, b"one")
        lie = msgspec.structs.replace(step.made, tar_size=step.made.tar_size + 512)
        exported(here, place, msgspec.structs.replace(step, made=lie))
        assert Cache(there, lease, [importer(place, there, notes)]).have(FIRST) is None
        assert "not as large as its record says" in notes[0]
        # Now the layer is here, and the lie is still one.
        assert Cache(there, lease, [importer(place, there, notes)]).have(FIRST) is None

    def test_what_is_lost_is_told(self, here: Store, there: Store, lease: Lease) -> None:
        place = MemoryPlace()
        one, two = known(here, FIRST, b"one"), known(here, SECOND, b"two")
        blob = exported(here, place, one, two).layers[1]
        del place.blobs[blob.digest]
        cache = Cache(there, lease, [importer(place, there)])
        assert all(cache.find(key) for key in (FIRST, SECOND))
        assert cache.bring([one.made.layer, two.made.layer]) == [two.made.layer]
        assert cache.find(FIRST) is not None
        assert cache.find(SECOND) is None


class TestExport:
    def test_a_layer_that_is_gone_is_left_out_with_its_step(self, here: Store) -> None:
        place = MemoryPlace()
        gone, kept = known(here, FIRST, b"one"), known(here, SECOND, b"two")
        here.layers.remove(gone.made.layer)
        manifest = exported(here, place, gone, kept)
        document = cache_record.read(place.document(manifest.config), "it")
        assert [each.keys for each in document.steps] == [kept.keys]
        assert document.layers == (kept.made.layer,)

    def test_a_layer_that_was_never_fetched_is_passed_on(
        self, here: Store, there: Store, lease: Lease
    ) -> None:
        first, second = MemoryPlace(), MemoryPlace()
        step = known(here, FIRST, b"one")
        before = exported(here, first, step)
        source = importer(first, there)
        assert Cache(there, lease, [source]).find(FIRST) is not None
        export(there, [step], second, tag="v1", progress=Silent(), importers=[source])
        after = Manifest.parse(second.document(second.resolve()))
        assert after.raw == before.raw
        assert not there.layers.has(step.made.layer)

    def test_it_is_taken_over_where_the_registry_has_it(
        self, here: Store, there: Store, lease: Lease
    ) -> None:
        first, second = MemoryPlace(), MemoryPlace()
        step = known(here, FIRST, b"one")
        blob = exported(here, first, step).layers[0]
        source = importer(first, there)
        assert Cache(there, lease, [source]).find(FIRST) is not None
        second.neighbours["cache"] = {blob.digest}
        export(
            there,
            [step],
            second,
            tag="v1",
            progress=Silent(),
            target="reg.example/other",
            importers=[source],
        )
        assert second.did("mount cache") == [blob.digest]
        assert blob.digest not in second.did("put")

    def test_nothing_to_tell(self, here: Store, there: Store, lease: Lease) -> None:
        place, notes = MemoryPlace(), Notes()
        exported(here, place)
        assert Cache(there, lease, [importer(place, there, notes)]).find(FIRST) is None
        assert "no record" in notes[0]


class TestInline:
    def carrying(self, store: Store, place: MemoryPlace) -> tuple[Known, Known]:
        """An image there that carries the record of one of its layers; two steps."""
        one, two = known(store, FIRST, b"one"), known(store, SECOND, b"elsewhere")
        image = make_image(store, "app:1", {"file": b"one"})
        assert image.layers == (one.made.layer,)
        config = cache_record.with_inline(image.config, [one, two])
        layers = [
            put(place, b"".join(store.layers.tar(each)), mediatype.OCI_LAYER)
            for each in image.layers
        ]
        manifest = Manifest.build(put(place, config.raw, mediatype.OCI_CONFIG), layers)
        place.put_document(manifest.descriptor, manifest.raw, tag="v1")
        return one, two

    def test_an_image_is_a_cache_of_its_own_layers(
        self, here: Store, there: Store, lease: Lease
    ) -> None:
        place = MemoryPlace()
        one, _ = self.carrying(here, place)
        cache = Cache(there, lease, [importer(place, there)])
        found = cache.have(FIRST)
        assert found is not None
        assert found.made == one.made
        assert cache.find(SECOND) is None, "its layer is not in the image"

    def test_the_image_is_what_it_was_but_for_the_record(self, here: Store) -> None:
        image = make_image(here, "app:1", {"file": b"one"})
        config = cache_record.with_inline(image.config, [known(here, FIRST, b"one")])
        assert config.digest != image.config.digest
        without = cache_record.with_inline(config, [])
        assert ImageConfig.parse(without.raw) == ImageConfig.parse(
            cache_record.with_inline(image.config, []).raw
        )
        assert cache_record.read_inline(without.raw, "it") is None

    def test_of_an_index_only_the_platform_is_looked_at(
        self, here: Store, there: Store, lease: Lease
    ) -> None:
        place, notes = MemoryPlace(), Notes()
        put_index(place, AMD64, ARM64)
        assert Cache(there, lease, [importer(place, there, notes)]).find(FIRST) is None
        assert "no record of a cache" in notes[0]


def test_a_record_of_foreign_layers_is_no_place_to_fetch_from(
    here: Store, there: Store, lease: Lease
) -> None:
    place, notes = MemoryPlace(), Notes()
    step = known(here, FIRST, b"one")
    manifest = exported(here, place, step)
    urls = ("http://169.254.169.254/latest",)
    layers = [
        Descriptor(mediatype.OCI_FOREIGN_LAYER + "+gzip", each.digest, each.size, urls=urls)
        for each in manifest.layers
    ]
    changed = Manifest.build(manifest.config, layers)
    place.put_document(changed.descriptor, changed.raw, tag="v1")
    assert Cache(there, lease, [importer(place, there, notes)]).find(FIRST) is None
