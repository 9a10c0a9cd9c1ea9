"""Saving and loading: our own archives, those of the others, and broken ones."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from lamina.errors import EngineError
from lamina.layer.compression import BadCompression, compress_zstd
from lamina.oci import mediatype
from lamina.oci.config import ImageConfig
from lamina.oci.digest import Digest
from lamina.oci.document import BadDocument
from lamina.oci.manifest import Index, Manifest, NoSuchPlatform
from lamina.oci.reference import Reference
from lamina.store.contract import Store
from lamina.store.root import open_store
from lamina.transfer.archive import NoSuchImage, find_image, open_archive
from lamina.transfer.files import DirectoryFiles, TarFiles
from lamina.transfer.load import Loaded, load
from lamina.transfer.members import BadArchive, DirectoryMembers, MissingFile
from lamina.transfer.progress import Silent
from lamina.transfer.save import Format, save
from tests.fakes.archives import Member, archive, file, symlink
from tests.fakes.images import CREATED, make_image, tar_of
from tests.unit.transfer.material import AMD64, TARS, packed, snapshot

FILES = {"etc/motd": b"hello\n", "bin/big": b"0123456789" * 20_000}
OTHER = {"etc/issue": b"other\n"}
NAMES = (Reference.parse("debian:bookworm"), Reference.parse("reg.example/team/app:v1"))


@pytest.fixture
def second(tmp_path: Path) -> Store:
    """Another store, to load into."""
    return open_store(tmp_path / "second")


def load_bytes(data: bytes, store: Store) -> list[Loaded]:
    # A pipe-like stream: read once, from the front.
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    with open_archive(Pipe(data), "the archive") as members:
        return load(members, store, platform=AMD64, progress=Silent())


def saved(store: Store, form: Format, *names: Sequence[Reference]) -> bytes:
    """An archive of two images; the first has both names."""
    out = io.BytesIO()
    images = [make_image(store, str(each[0]), FILES, {"n": str(each).encode()}) for each in names]
    rows = list(zip(images, names, strict=True))
    save(store, rows, TarFiles(out, "out"), form=form, progress=Silent())
    return out.getvalue()


FORMS: tuple[Format, ...] = ("docker-archive", "oci-archive")


class TestOurOwn:
    @pytest.mark.parametrize("form", FORMS)
    def test_what_is_saved_loads(self, store: Store, second: Store, form: Format) -> None:
        data = saved(store, form, NAMES[:1], NAMES[1:])
        loaded = load_bytes(data, second)
        assert [each.names for each in loaded] == [NAMES[:1], NAMES[1:]]
        for name in NAMES:
            before, after = store.images.find(str(name)), second.images.find(str(name))
            assert after.config.raw == before.config.raw
            for diff_id in after.layers:
                assert Digest.of(b"".join(second.layers.tar(diff_id))) == diff_id

    @pytest.mark.parametrize("form", FORMS)
    def test_an_image_with_two_names(self, store: Store, second: Store, form: Format) -> None:
        (loaded,) = load_bytes(saved(store, form, NAMES), second)
        assert loaded.names == NAMES
        ids = {second.images.find(str(name)).config.digest for name in NAMES}
        assert ids == {loaded.image.config.digest}

    @pytest.mark.parametrize("form", FORMS)
    def test_an_image_without_a_name(self, store: Store, second: Store, form: Format) -> None:
        out = io.BytesIO()
        image = make_image(store, None, FILES)
        save(store, [(image, ())], TarFiles(out, "out"), form=form, progress=Silent())
        (loaded,) = load_bytes(out.getvalue(), second)
        assert loaded.names == ()
        assert second.images.find(str(image.config.digest)).config.raw == image.config.raw

    @pytest.mark.parametrize("form", FORMS)
    def test_the_same_images_give_the_same_bytes(
        self, store: Store, second: Store, form: Format
    ) -> None:
        assert saved(store, form, NAMES) == saved(second, form, NAMES)

    def test_a_docker_archive_is_a_tar_with_both_indexes(self, store: Store) -> None:
        with tarfile.open(fileobj=io.BytesIO(saved(store, "docker-archive", NAMES))) as tar:
            names = tar.getnames()
            (item,) = json.load(tar.extractfile("manifest.json"))  # type: ignore[arg-type]
            assert item["RepoTags"] == ["debian:bookworm", "reg.example/team/app:v1"]
            for path in (item["Config"], *item["Layers"]):
                data = tar.extractfile(path).read()  # type: ignore[union-attr]
                assert path == f"blobs/sha256/{Digest.of(data).hex}"
            repositories = json.load(tar.extractfile("repositories"))  # type: ignore[arg-type]
            assert set(repositories) == {"debian", "reg.example/team/app"}
            index = Index.parse(tar.extractfile("index.json").read())  # type: ignore[union-attr]
        assert len(names) == len(set(names))
        assert [each.annotations["io.containerd.image.name"] for each in index.manifests] == [
            str(each) for each in NAMES
        ]

    def test_a_directory_keeps_what_was_there_and_moves_names(
        self, store: Store, second: Store, tmp_path: Path
    ) -> None:
        place = tmp_path / "layout"
        for name, files in ((NAMES[0], FILES), (NAMES[1], OTHER), (NAMES[0], OTHER)):
            image = make_image(store, str(name), files)
            save(
                store,
                [(image, [name])],
                DirectoryFiles(place),
                form="oci-dir",
                progress=Silent(),
            )
        loaded = load(DirectoryMembers(place), second, platform=AMD64, progress=Silent())
        assert {name for each in loaded for name in each.names} == set(NAMES)
        assert second.images.find(str(NAMES[0])).layers == image.layers
        assert not list(place.rglob(".lamina-*"))

    @pytest.mark.parametrize(
        "pack",
        [packed, lambda data: b"".join(compress_zstd([data], threads=1))],
        ids=["gzip", "zstd"],
    )
    def test_compressed_archives_load(
        self, store: Store, second: Store, pack: Callable[[bytes], bytes], tmp_path: Path
    ) -> None:
        path = tmp_path / "archive.tar.x"
        path.write_bytes(pack(saved(store, "docker-archive", NAMES)))
        with path.open("rb") as opened, open_archive(opened, "the archive") as members:
            (loaded,) = load(members, second, platform=AMD64, progress=Silent())
        assert loaded.names == NAMES


def docker_members(
    tars: Sequence[bytes] = TARS,
    *,
    diff_ids: Sequence[Digest] | None = None,
    tags: Sequence[str] | None = ("debian:bookworm",),
    pack: Callable[[bytes], bytes] = lambda tar: tar,
) -> list[Member]:
    """A Docker archive as Docker before 25 wrote it: a directory for each layer."""
    config = ImageConfig.scratch(AMD64).amend(
        diff_ids=[Digest.of(tar) for tar in tars] if diff_ids is None else diff_ids,
        created=CREATED,
    )
    paths = [f"{Digest.of(tar).hex}/layer.tar" for tar in tars]
    items = [
        {"Config": f"{config.digest.hex}.json", "RepoTags": tags, "Layers": paths},
    ]
    return [
        *(file(path, pack(tar)) for path, tar in zip(paths, tars, strict=True)),
        file(f"{config.digest.hex}.json", config.raw),
        file("manifest.json", json.dumps(items).encode()),
        file("repositories", b"{}"),
    ]


class TestDockersOlderForm:
    def test_layers_in_directories(self, second: Store) -> None:
        (loaded,) = load_bytes(archive(*docker_members()), second)
        assert loaded.names == (Reference.parse("debian:bookworm"),)
        assert [b"".join(second.layers.tar(each)) for each in loaded.image.layers] == list(TARS)

    def test_a_layer_that_is_a_link_to_another(self, second: Store) -> None:
        members = docker_members([TARS[0], TARS[1]])
        first, *rest = members
        moved = [file("first.tar", TARS[0]), symlink(first.name, "../first.tar"), *rest]
        (loaded,) = load_bytes(archive(*moved), second)
        assert len(loaded.image.layers) == 2

    def test_compressed_layers(self, second: Store) -> None:
        (loaded,) = load_bytes(archive(*docker_members(pack=packed)), second)
        assert loaded.image.manifest.layers[0].media_type == mediatype.OCI_LAYER_GZIP
        assert b"".join(second.layers.tar(loaded.image.layers[0])) == TARS[0]

    def test_no_tags(self, second: Store) -> None:
        (loaded,) = load_bytes(archive(*docker_members(tags=None)), second)
        assert loaded.names == ()


def without(name: str) -> bytes:
    return archive(*(each for each in docker_members() if not each.name.endswith(name)))


def replaced(name: str, content: bytes) -> bytes:
    return archive(*(each for each in docker_members() if each.name != name), file(name, content))


def oci_members(**changes: bytes) -> list[Member]:
    """An OCI archive of one image; `changes` replaces files."""
    layer = packed(TARS[0])
    config = ImageConfig.scratch(AMD64).amend(diff_ids=[Digest.of(TARS[0])])
    described = config.descriptor()
    manifest = Manifest.build(
        described,
        [type(described)(mediatype.OCI_LAYER_GZIP, Digest.of(layer), len(layer))],
    )
    files = {
        "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
        "index.json": Index.build([manifest.descriptor]).raw,
        "layer": layer,
        "config": config.raw,
        "manifest": manifest.raw,
    } | changes
    places = {
        "layer": f"blobs/sha256/{Digest.of(layer).hex}",
        "config": f"blobs/sha256/{config.digest.hex}",
        "manifest": f"blobs/sha256/{manifest.digest.hex}",
    }
    return [file(places.get(name, name), data) for name, data in files.items() if data]


ARM = Manifest.build(ImageConfig.scratch(AMD64).descriptor(), []).descriptor
BROKEN: dict[str, tuple[bytes, type[EngineError], str]] = {
    "empty": (archive(), NoSuchImage, "has no image in it"),
    "a root file system": (tar_of({"etc/passwd": b""}), NoSuchImage, "has no image in it"),
    "not a tar": (b"hello", BadArchive, "not a tar"),
    "before 1.10": (archive(file("repositories", b"{}")), BadArchive, "before 1.10"),
    "manifest.json is no JSON": (replaced("manifest.json", b"["), BadDocument, "is not valid"),
    "manifest.json is of another shape": (
        replaced("manifest.json", b'[{"Config": 1}]'),
        BadDocument,
        "is not valid",
    ),
    "manifest.json is huge": (
        replaced("manifest.json", b"[" + b" " * (5 << 20)),
        BadArchive,
        "larger than",
    ),
    "no images": (replaced("manifest.json", b"[]"), NoSuchImage, "has no image in it"),
    "no layer": (without("layer.tar"), MissingFile, "has no"),
    "no config": (
        replaced("manifest.json", b'[{"Config":"c.json","Layers":[]}]'),
        MissingFile,
        "has no c.json",
    ),
    "config out of the archive": (
        replaced("manifest.json", b'[{"Config":"../../etc/passwd","Layers":[]}]'),
        MissingFile,
        "has no ../../etc/passwd",
    ),
    "a bad name": (archive(*docker_members(tags=["UPPER:x"])), BadArchive, "name that is none"),
    "another diff_id": (
        archive(*docker_members(diff_ids=[Digest.of(b"a"), Digest.of(b"b")])),
        EngineError,
        "other bytes",
    ),
    "fewer layers in the config": (
        archive(*docker_members(diff_ids=[Digest.of(TARS[0])])),
        BadArchive,
        "has 2 layers and 1 in its config",
    ),
    "truncated": (archive(*docker_members())[:20_000], BadArchive, "cut off"),
    "truncated gzip": (packed(archive(*docker_members()))[:-9], BadCompression, "gzip"),
    "layout of the future": (
        archive(*oci_members(**{"oci-layout": b'{"imageLayoutVersion":"2.0.0"}'})),
        BadArchive,
        "not an OCI layout of version 1",
    ),
    "layout file is no object": (
        archive(*oci_members(**{"oci-layout": b"[]"})),
        BadArchive,
        "not an OCI layout of version 1",
    ),
    "index.json is no JSON": (
        archive(*oci_members(**{"index.json": b"{"})),
        BadDocument,
        "is not valid",
    ),
    "index.json names what is missing": (
        archive(*oci_members(**{"index.json": Index.build([ARM]).raw})),
        MissingFile,
        "has no blobs/sha256/",
    ),
    "manifest of other bytes": (
        archive(*oci_members(manifest=b"{}")),
        EngineError,
        "should have",
    ),
    "config of other bytes": (archive(*oci_members(config=b"{}")), EngineError, "should have"),
    "no layer blob": (archive(*oci_members(layer=b"")), MissingFile, "has no blobs/sha256/"),
    "layer of another size": (archive(*oci_members(layer=b"x")), EngineError, "should have"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_archive_is_one_error_and_leaves_nothing(
    second: Store, case: str, tmp_path: Path
) -> None:
    data, kind, match = BROKEN[case]
    before = snapshot(second.root)
    with pytest.raises(kind, match=match):
        load_bytes(data, second)
    assert not list(second.refs.rows())
    after = snapshot(second.root)
    kept = {name for name in after if not name.startswith(("layers/", "objects/", "gc.lock"))}
    assert {name for name in before if name != "gc.lock"} == kept
    assert not list((second.root / "layers").glob(".*"))


def test_an_oci_archive_without_names_loads(second: Store) -> None:
    (loaded,) = load_bytes(archive(*oci_members()), second)
    assert loaded.names == ()
    assert b"".join(second.layers.tar(loaded.image.layers[0])) == TARS[0]


def test_a_bare_tag_names_nothing(second: Store) -> None:
    index = json.loads(next(each.content for each in oci_members() if each.name == "index.json"))
    index["manifests"][0]["annotations"] = {"org.opencontainers.image.ref.name": "bookworm"}
    members = oci_members(**{"index.json": json.dumps(index).encode()})
    (loaded,) = load_bytes(archive(*members), second)
    assert loaded.names == ()


def test_another_platform_is_refused(second: Store) -> None:
    manifest = Manifest.build(ImageConfig.scratch(AMD64).descriptor(), [])
    entry = json.loads(
        json.dumps(
            {
                "mediaType": mediatype.OCI_INDEX,
                "digest": "",
                "size": 0,
            }
        )
    )
    inner = Index.build(
        [
            type(manifest.descriptor)(
                manifest.media_type,
                manifest.digest,
                len(manifest.raw),
                platform=type(AMD64)("s390x"),
            )
        ]
    )
    entry |= {"digest": str(inner.digest), "size": len(inner.raw)}
    outer = json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()
    data = archive(
        file("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'),
        file("index.json", outer),
        file(f"blobs/sha256/{inner.digest.hex}", inner.raw),
    )
    with pytest.raises(NoSuchPlatform, match="no image for linux/amd64"):
        load_bytes(data, second)


class TestFindImage:
    @pytest.fixture
    def members(self, store: Store, tmp_path: Path) -> DirectoryMembers:
        for name, files in ((NAMES[0], FILES), (NAMES[1], OTHER)):
            save(
                store,
                [(make_image(store, str(name), files), [name])],
                DirectoryFiles(tmp_path / "layout"),
                form="oci-dir",
                progress=Silent(),
            )
        return DirectoryMembers(tmp_path / "layout")

    @pytest.mark.parametrize(
        "name", ["debian:bookworm", "bookworm", "docker.io/library/debian:bookworm"]
    )
    def test_by_name_or_tag(self, members: DirectoryMembers, store: Store, name: str) -> None:
        found = Manifest.parse(
            find_image(members, name).document(find_image(members, name).resolve())
        )
        assert found.config.digest == store.images.find("debian:bookworm").config.digest

    def test_no_such_name(self, members: DirectoryMembers) -> None:
        with pytest.raises(NoSuchImage, match="has no image v9") as caught:
            find_image(members, "v9")
        assert "docker.io/library/debian:bookworm" in caught.value.hint

    def test_several_and_no_name(self, members: DirectoryMembers) -> None:
        with pytest.raises(BadArchive, match="has 2 images"):
            find_image(members, "")


def test_gzip_of_an_archive_is_what_gzip_reads(store: Store) -> None:
    data = saved(store, "oci-archive", NAMES)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        index = Index.parse(tar.extractfile("index.json").read())  # type: ignore[union-attr]
        path = f"blobs/sha256/{index.manifests[0].digest.hex}"
        manifest = Manifest.parse(tar.extractfile(path).read())  # type: ignore[union-attr]
        layer = tar.extractfile(f"blobs/sha256/{manifest.layers[0].digest.hex}")
        assert layer is not None
        assert (
            Digest.of(gzip.decompress(layer.read())) == store.images.find(str(NAMES[0])).layers[0]
        )
