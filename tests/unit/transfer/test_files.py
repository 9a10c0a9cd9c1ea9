"""Where archives go: files and pipes get the same bytes, and what fails is taken back."""

from __future__ import annotations

import io
import os
import random
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.layer.compression import GZIP_PARAMETERS
from lamina.oci import mediatype
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.mediatype import Compression
from lamina.oci.reference import Reference
from lamina.store.contract import Image, Store
from lamina.transfer.files import CutOff, DirectoryFiles, TarFiles, move_up
from lamina.transfer.layout import LayoutSink
from lamina.transfer.progress import Silent
from lamina.transfer.push import PARAMETERS, push
from lamina.transfer.save import Format, save
from tests.fakes.images import make_image

NAME = Reference.parse("debian:bookworm")
FILES = {"etc/motd": b"hello\n", "bin/big": random.Random(1).randbytes(3_000_001)}
OTHER = {"etc/issue": b"other\n"}


class Counting(TarFiles):
    """Counts the blobs whose digest nobody knew before."""

    unknown = 0

    def write_blob(self, chunks: Iterable[bytes]) -> tuple[Digest, int]:
        self.unknown += 1
        return super().write_blob(chunks)


def lie_about(store: Store, image: Image) -> None:
    """Let the store remember a blob that this compressor does not make."""
    store.layers.remember_compressed(
        image.layers[0],
        Descriptor(
            mediatype.OCI_LAYER_GZIP,
            Digest.of(b"other"),
            2_000_000,
            annotations={PARAMETERS: GZIP_PARAMETERS},
        ),
    )


def into(path: Path, store: Store, image: Image, *, mode: str = "w+b") -> int:
    """Save to a file opened so; returns how many blobs nobody knew before."""
    with path.open(mode) as stream:
        files = Counting(stream, "out")  # type: ignore[arg-type]
        save(store, [(image, [NAME])], files, form="oci-archive", progress=Silent())
    return files.unknown


def piped(store: Store, image: Image, form: Format = "oci-archive") -> bytes:
    out = io.BytesIO()
    save(store, [(image, [NAME])], TarFiles(out, "out"), form=form, progress=Silent())
    return out.getvalue()


def names(data: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return tar.getnames()


class TestTheSameBytes:
    @pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
    def test_to_a_file_and_to_a_pipe(
        self, store: Store, tmp_path: Path, compression: Compression
    ) -> None:
        image = make_image(store, "app", FILES, OTHER, FILES)
        results = []
        for known in (False, True):
            for path in (tmp_path / f"file-{known}", None):
                # Another store for each, so that nothing is known but when it should be.
                if not known:
                    for each in image.layers:
                        (store.root / "layers" / each.hex / "compressed.json").unlink(
                            missing_ok=True
                        )
                stream = path.open("w+b") if path else io.BytesIO()
                with stream:
                    files = TarFiles(stream, "out")
                    sink = LayoutSink(files, [NAME])
                    push(
                        store,
                        image,
                        sink,
                        tag="",
                        progress=Silent(),
                        compression=compression,
                        at_once=1,
                    )
                    files.finish(sink.entries)
                    stream.seek(0)
                    results.append(stream.read())
        assert len(set(results)) == 1
        assert names(results[0])[:2] == ["blobs", "blobs/sha256"]

    @pytest.mark.parametrize("mode", ["wb", "ab"])
    def test_to_a_file_that_cannot_be_changed(
        self, store: Store, tmp_path: Path, mode: str
    ) -> None:
        image = make_image(store, "app", FILES)
        into(tmp_path / "out", store, image, mode=mode)
        assert (tmp_path / "out").read_bytes() == piped(store, image)

    def test_behind_what_is_in_the_file_already(self, store: Store, tmp_path: Path) -> None:
        image = make_image(store, "app", FILES)
        with (tmp_path / "out").open("w+b") as stream:
            stream.write(b"before")
            files = TarFiles(stream, "out")
            save(store, [(image, [NAME])], files, form="oci-archive", progress=Silent())
        assert (tmp_path / "out").read_bytes() == b"before" + piped(store, image)

    def test_saved_twice_is_compressed_once_for_good(self, store: Store, tmp_path: Path) -> None:
        image = make_image(store, "app", FILES, OTHER)
        unknown = [into(tmp_path / name, store, image) for name in ("one", "two", "three")]
        assert unknown == [2, 0, 0]
        contents = {(tmp_path / name).read_bytes() for name in ("one", "two", "three")}
        assert len(contents) == 1
        assert [len(store.layers.compressed(each)) for each in image.layers] == [1, 1]

    def test_a_wrong_memory_changes_no_byte_of_a_file(self, store: Store, tmp_path: Path) -> None:
        image = make_image(store, "app", FILES)
        lie_about(store, image)
        assert into(tmp_path / "out", store, image) == 1
        assert (tmp_path / "out").read_bytes() == piped(store, image)


def test_a_wrong_memory_fails_once_on_a_pipe(store: Store, tmp_path: Path) -> None:
    image = make_image(store, "app", FILES)
    lie_about(store, image)
    with pytest.raises(CutOff, match="out has a part of a file in it") as caught:
        piped(store, image)
    assert "try again" in caught.value.hint
    again = piped(store, image)
    into(tmp_path / "out", store, image)
    assert again == (tmp_path / "out").read_bytes()


def broken() -> Iterator[bytes]:
    yield b"x" * 3_000_000
    raise OSError(5, "the disk is broken")


@pytest.mark.parametrize("known", [False, True])
def test_what_fails_is_taken_back_from_a_file(tmp_path: Path, known: bool) -> None:
    with (tmp_path / "out").open("w+b") as stream:
        files = TarFiles(stream, "out")
        files.write("a", 5, [b"hello"])
        stream.flush()
        before = (tmp_path / "out").read_bytes()
        with pytest.raises(OSError, match="the disk is broken"):
            files.write("dir/b", 4_000_000, broken()) if known else files.write_blob(broken())
        assert not files.has("dir/b")
        stream.flush()
        assert (tmp_path / "out").read_bytes() == before
        digest, size = files.write_blob([b"one", b"two"])
        assert (digest, size) == (Digest.of(b"onetwo"), 6)
        files.finish([])
    found = names((tmp_path / "out").read_bytes())
    assert found[:4] == ["a", "blobs", "blobs/sha256", f"blobs/sha256/{digest.hex}"]


def test_a_pipe_that_failed_takes_no_more() -> None:
    files = TarFiles(io.BytesIO(), "out")
    with pytest.raises(OSError, match="the disk is broken"):
        files.write("a", 4_000_000, broken())
    with pytest.raises(CutOff):
        files.write("b", 1, [b"b"])


def test_a_blob_that_failed_before_a_pipe_saw_of_it_does_no_harm() -> None:
    out = io.BytesIO()
    files = TarFiles(out, "out")
    with pytest.raises(OSError, match="the disk is broken"):
        files.write_blob(broken())
    files.write("b", 1, [b"b"])
    files.finish([])
    assert names(out.getvalue())[0] == "b"


def test_a_blob_that_is_there_is_not_written_again(tmp_path: Path) -> None:
    def twice(files: TarFiles | DirectoryFiles) -> None:
        found = {files.write_blob([b"hello", b"you"]) for _ in range(2)}
        assert found == {(Digest.of(b"helloyou"), 8)}
        files.finish([])

    out = io.BytesIO()
    with (tmp_path / "out").open("w+b") as stream:
        twice(TarFiles(stream, "out"))
    twice(TarFiles(out, "out"))
    assert (tmp_path / "out").read_bytes() == out.getvalue()
    assert len(names(out.getvalue())) == 5
    twice(DirectoryFiles(tmp_path / "layout"))
    blobs = list((tmp_path / "layout/blobs/sha256").iterdir())
    assert [each.read_bytes() for each in blobs] == [b"helloyou"]


@given(st.binary(max_size=40), st.integers(0, 40), st.integers(1, 50), st.integers(1, 7))
def test_moving_up(data: bytes, start: int, by: int, piece: int) -> None:
    start = min(start, len(data))
    fd = os.memfd_create("test")
    try:
        os.write(fd, data)
        move_up(fd, start, len(data), by, piece=piece)
        after = os.pread(fd, 1000, 0)
    finally:
        os.close(fd)
    assert after[:start] == data[:start]
    if start < len(data):
        assert len(after) == len(data) + by
        assert after[start + by :] == data[start:]
    else:
        assert after == data
