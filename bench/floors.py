"""How fast a work could be at best: the stages that it cannot do without, each alone.

They are measured in the same run, on the same material and the same disk as the work, the best
of several samples.  Stages can overlap, so what bounds a work is the longest of them, or the
processor time of all of them divided by the processors; the start of an interpreter comes on
top, for before it nothing can begin.
"""

from __future__ import annotations

import hashlib
import http.client
import mmap
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from isal import igzip_lib, isal_zlib

from bench import layouts
from bench.layouts import CHUNK
from bench.measure import Failed, cold, settle, timed
from bench.peers import ENVIRONMENT
from bench.rows import Bench, Floor

CORES = os.cpu_count() or 1
RUNS = 3
LEVEL = 2
"""Of gzip, what our own pushes take."""


@dataclass(frozen=True)
class Stage:
    """One thing that has to be done, in seconds."""

    wall: float
    busy: float
    """Processor time of this process and of the servers it started, the registry among them."""


def pull(bench: Bench, layout: Path, tar: Path, name: str) -> Floor:
    """Of pulling the one layer of `layout`, which the registry has under `name`."""
    blob = layouts.blob(layout)
    return _bound(
        {
            "the blob from the registry": partial(_fetch, bench.registry, name, blob.name),
            "igzip": partial(_inflate, blob),
            "sha256 of the blob": partial(_sha256, blob),
            "sha256 of the tar": partial(_sha256, tar),
            "the tar written and synced": partial(_write, tar, bench.disk / "floor"),
        }
    )


def push(bench: Bench, tar: Path) -> Floor:
    """Of pushing `tar` as a layer that was never compressed before."""
    packed = bench.disk / "floor.gz"
    _deflate(tar, packed)
    stages = {
        "sha256 of the tar": partial(_sha256, tar),
        f"igzip -{LEVEL} on {CORES} processors": partial(_deflate, tar, packed),
        "sha256 of the blob": partial(_sha256, packed),
        "the registry taking it": partial(_upload, bench.registry, packed, layouts.sha256(packed)),
    }
    floor = _bound(stages)
    packed.unlink()
    return floor


def save(bench: Bench, tar: Path) -> Floor:
    """Of writing an archive with `tar` as a compressed layer."""
    packed = bench.disk / "floor.gz"
    stages = {
        "sha256 of the tar": partial(_sha256, tar),
        f"igzip -{LEVEL} on {CORES} processors": partial(_deflate, tar, packed),
        "sha256 of the blob": partial(_sha256, packed),
        "the blob written and synced": partial(_write, packed, bench.disk / "floor"),
    }
    _deflate(tar, packed)
    floor = _bound(stages)
    packed.unlink()
    return floor


def remove(bench: Bench, tar: Path) -> Floor:
    """Of removing a layer that is one file of the size of `tar`."""
    file = bench.disk / "floor"

    def trial() -> float:
        shutil.copyfile(tar, file)
        settle()
        started = time.perf_counter()
        file.unlink()
        return time.perf_counter() - started

    unlinked = min(trial() for _ in range(RUNS))
    start = interpreter()
    what = f"an interpreter's start ({start * 1e3:.0f} ms) and one unlink"
    return Floor(start + unlinked, f"{what} ({unlinked * 1e3:.1f} ms)")


def first_run(bench: Bench, tar: Path) -> Floor:
    """Of running `python3 -c pass` out of `tar` with nothing in the page cache."""
    tree = bench.disk / "floor"
    tree.mkdir()
    subprocess.run(["tar", "-xf", str(tar), "-C", str(tree)], check=True)
    ours = [sys.executable, "-I", "-S", "-c", "pass"]
    theirs = ["chroot", str(tree), "python3", "-c", "pass"]
    start, image = (min(_cold(each) for _ in range(RUNS)) for each in (ours, theirs))
    shutil.rmtree(tree)
    what = f"our interpreter, cold ({start * 1e3:.0f} ms), then the image's, cold and uncontained"
    return Floor(start + image, f"{what} ({image * 1e3:.0f} ms, by chroot)")


def _cold(command: list[str]) -> float:
    cold()
    return timed(command, ENVIRONMENT, command[0]).seconds


def interpreter() -> float:
    """Seconds that Python takes to start and to end, with nothing imported."""
    command = [sys.executable, "-I", "-S", "-c", "pass"]
    return min(timed(command, ENVIRONMENT, "python").seconds for _ in range(11))


def _bound(works: Mapping[str, Callable[[], None]]) -> Floor:
    stages = {name: _stage(work) for name, work in works.items()}
    longest = max(stages, key=lambda name: stages[name].wall)
    shared = sum(stage.busy for stage in stages.values()) / CORES
    start = interpreter()
    said = ", ".join(f"{name} {stage.wall:.2f} s" for name, stage in stages.items())
    if shared > stages[longest].wall:
        what = f"all processor time, {shared * CORES:.2f} s, on {CORES} processors ({said})"
        return Floor(shared + start, what)
    return Floor(stages[longest].wall + start, f"{longest}, the longest stage ({said})")


def _stage(work: Callable[[], None]) -> Stage:
    samples = [_sample(work) for _ in range(RUNS)]
    return Stage(
        min(each.wall for each in samples),
        min(each.busy for each in samples),
    )


def _sample(work: Callable[[], None]) -> Stage:
    settle()
    busy, started = _busy(), time.perf_counter()
    work()
    return Stage(time.perf_counter() - started, _busy() - busy)


def _busy() -> float:
    """Processor time that this process and its children have used, in seconds."""
    ticks = 0
    for process in (os.getpid(), *_children()):
        stat = Path(f"/proc/{process}/stat").read_text()
        user, system = stat.rpartition(")")[2].split()[11:13]
        ticks += int(user) + int(system)
    return ticks / os.sysconf("SC_CLK_TCK")


def _children() -> Iterator[int]:
    for task in Path("/proc/self/task").iterdir():
        yield from map(int, (task / "children").read_text().split())


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _sha256(path: Path) -> None:
    digest = hashlib.sha256()
    for chunk in _chunks(path):
        digest.update(chunk)


def _inflate(path: Path) -> None:
    stream = igzip_lib.IgzipDecompressor(igzip_lib.DECOMP_GZIP)
    for chunk in _chunks(path):
        stream.decompress(chunk)


def _write(source: Path, target: Path) -> None:
    with target.open("wb", buffering=0) as file:
        for chunk in _chunks(source):
            file.write(chunk)
        os.fsync(file.fileno())
    target.unlink()


def _deflate(source: Path, target: Path) -> None:
    with (
        source.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ThreadPoolExecutor(CORES) as pool,
        target.open("wb") as output,
    ):
        places = range(0, len(content), CHUNK)
        output.writelines(pool.map(lambda place: _block(content[place : place + CHUNK]), places))


def _block(block: bytes) -> bytes:
    stream = isal_zlib.compressobj(LEVEL, isal_zlib.DEFLATED, -isal_zlib.MAX_WBITS)
    packed: bytes = stream.compress(block) + stream.flush(isal_zlib.Z_SYNC_FLUSH)
    return packed


def _fetch(registry: str, name: str, digest: str) -> None:
    buffer = memoryview(bytearray(CHUNK))
    with _connection(registry) as connection:
        connection.request("GET", f"/v2/{name}/blobs/sha256:{digest}")
        with connection.getresponse() as response:
            if response.status != 200:
                raise Failed(f"the registry does not give a blob: status {response.status}")
            while response.readinto(buffer):
                pass


def _upload(registry: str, path: Path, digest: str) -> None:
    with _connection(registry) as connection:
        connection.request("POST", "/v2/bench/floor/blobs/uploads/")
        response = connection.getresponse()
        response.read()
        place = urlsplit(response.getheader("Location") or "")
        target = f"{place.path}?{place.query}&digest=sha256:{digest}"
        with path.open("rb") as body:
            size = {"Content-Length": str(path.stat().st_size)}
            connection.request("PUT", target, body, size)
            done = connection.getresponse()
            if done.status != 201:
                raise Failed(f"the registry does not take a blob: {done.read()[:300]!r}")


@contextmanager
def _connection(registry: str) -> Iterator[http.client.HTTPConnection]:
    with closing(http.client.HTTPConnection(registry, blocksize=CHUNK)) as connection:
        yield connection
