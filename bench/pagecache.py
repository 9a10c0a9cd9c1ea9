"""Measure the page cache that containers need, and what it costs to need less of it.

`python -m bench.pagecache` prints the tables of `docs/memory.md`.  It needs root, Linux 6.12
for the image form, and Linux 6.5 for cachestat(2), which says where the pages are.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import material
from bench.disk import fresh_disk, unmount_layers
from bench.layouts import layout
from bench.measure import Engine, Failed, settle, timed
from bench.pages import Group, new_group, resident
from bench.peers import ENVIRONMENT
from bench.siblings import siblings
from lamina.engine import open_engine
from lamina.layer.contract import Form

COUNTS = (1, 10, 50)
MB = 1e6
_AGREE = 0.05
"""How far the two ways of counting may be apart."""
_SLACK, _SLACK_EACH = 4e6, 1e5
"""Bytes beside: of Lamina itself, and of the record, the log and the writable layer of each
container."""
_COMMAND = """
from lamina.store.mounts import LayerMounts
hold = LayerMounts.hold
LayerMounts.hold = lambda *args, directio: hold(*args, directio={directio})
from lamina.cli.entry import main
main()
"""
_IMPORTS = """
import contextlib, io, sys
for name in sorted(sys.stdlib_module_names - {"antigravity", "idlelib", "this"}):
    with contextlib.suppress(BaseException), contextlib.redirect_stdout(io.StringIO()):
        __import__(name)
"""
_OWN_FILES = "find /opt -type f -exec cat {} + >/dev/null"
WORKS = {
    "python3 -c pass": "exec python3 -B -c pass",
    "all imports": f"python3 -B -W ignore -c '{_IMPORTS}' && {_OWN_FILES}",
}
"""What a container does: the smallest start, and a program that imports the whole standard
library and reads the image's own layer."""


@dataclass(frozen=True)
class Variant:
    """A form of layers, how it is mounted, and when the tar's pages are dropped."""

    name: str
    form: Form
    directio: bool = False
    dropped: bool = False


VARIANTS = (
    Variant("tree", "tree"),
    Variant("image, buffered", "image"),
    Variant("image, buffered, tar dropped", "image", dropped=True),
    Variant("image, directio", "image", directio=True),
    Variant("image, directio, tar dropped", "image", directio=True, dropped=True),
)


# the disk and the store


class Disk:
    """A disk of our own whose file system can forget what it has cached, and no other."""

    def __init__(self, mounted: Path) -> None:
        self.mounted = mounted
        self._image = mounted.with_name("disk.img")
        self._bypass()

    def _bypass(self) -> None:
        """Read the disk's own file past the page cache: only what lies on it is counted."""
        source = _output("findmnt", "-no", "SOURCE", str(self.mounted))
        subprocess.run(["losetup", "--direct-io=on", source], check=True)

    def forget(self) -> None:
        """Unmount all layers and the file system, and mount it again: nothing is cached."""
        unmount_layers(self.mounted)
        settle()
        subprocess.run(["umount", str(self.mounted)], check=True)
        for _ in range(100):
            if not _output("losetup", "-j", str(self._image)):
                break
            time.sleep(0.1)
        else:
            raise Failed("the disk stays in use: nothing would be cold")
        command = ["mount", "-o", "loop", str(self._image), str(self.mounted)]
        subprocess.run(command, check=True)
        self._bypass()


class Store:
    """A store on that disk, used in the way of one variant."""

    def __init__(self, disk: Disk, variant: Variant) -> None:
        self.disk, self.variant = disk, variant
        self._root = disk.mounted / "store"
        command = _COMMAND.format(directio=variant.directio)
        prefix = (sys.executable, "-c", command, "--root", str(self._root))
        self.engine = Engine(variant.name, prefix, ENVIRONMENT, {})

    def fill(self, layouts: Sequence[Path]) -> None:
        """Make the store anew and load an image `bench/N` of each layout."""
        unmount_layers(self.disk.mounted)
        subprocess.run(["rm", "-rf", str(self._root)], check=True)
        for number, each in enumerate(layouts):
            command = ["load", "-q", "--layer-form", self.variant.form, "-i", str(each)]
            said = _output(*self.engine.command(*command))
            self.engine("tag", said.split()[-1], f"bench/{number}")
        settle()
        if self.variant.dropped:
            self._drop()

    def _drop(self) -> None:
        """Drop the pages of every layer's tar."""
        for tar in (self._root / "layers").glob("*/tar"):
            fd = os.open(tar, os.O_RDONLY)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)

    def cached(self) -> tuple[int, int]:
        """Bytes in the page cache: of the layers' own files, and of files in mounted images."""
        stored = sum(map(resident, _files(self._root / "layers")))
        layers = open_engine(self._root).store.layers
        if self.variant.form == "tree":
            return stored, 0
        with layers.lowers(tuple(layers.mounted())) as mounted:
            return stored, sum(map(resident, (file for each in mounted for file in _files(each))))


def _files(top: Path) -> Iterator[Path]:
    """Every regular file below, by one of its names."""
    seen = set()
    for directory, _, names in os.walk(top):
        for name in names:
            entry = Path(directory, name)
            status = entry.lstat()
            if entry.is_file() and not entry.is_symlink() and status.st_ino not in seen:
                seen.add(status.st_ino)
                yield entry


# memory


@dataclass(frozen=True)
class Held:
    """Bytes in the page cache while the containers of a case live."""

    count: int
    group: int
    stored: int
    mounted: int

    @property
    def files(self) -> int:
        """Of the layers, however they came there."""
        return self.stored + self.mounted

    @property
    def agree(self) -> bool:
        """Whether both ways of counting say the same; only when nothing was cached before."""
        slack = _SLACK + _SLACK_EACH * self.count + _AGREE * self.group
        return abs(self.group - self.files) <= slack


def held(store: Store, layouts: Sequence[Path], count: int, work: str, *, cold: bool) -> Held:
    """The page cache of `count` containers, of each image in turn, right after it was loaded."""
    store.fill(layouts)
    if cold:
        store.disk.forget()
    images = [f"bench/{number % len(layouts)}" for number in range(count)]
    with new_group() as group, _alive(store.engine, group, images, work):
        return Held(count, group.cache(), *store.cached())


@contextmanager
def _alive(engine: Engine, group: Group, images: Sequence[str], work: str) -> Iterator[None]:
    """A container of each image that has done its work and has not ended."""
    script = f"{WORKS[work].removeprefix('exec ')} && echo done && read wait"
    with ExitStack() as stack:
        processes = []
        for image in images:
            command = engine.command("run", "--rm", "-i", image, "sh", "-c", script)
            process = subprocess.Popen(
                [*group.prefix, *command],
                env=engine.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            stack.enter_context(process)
            processes.append(process)
        for process in processes:
            assert process.stdout is not None
            if process.stdout.readline() != b"done\n":
                raise Failed(f"{engine.name}: a container did not do its work")
        yield
        for process in processes:
            process.communicate(b"\n")


# time


TIMES = ("first after load", "again", "layers unmounted", "all cold")


def times(store: Store, layouts: Sequence[Path], work: str) -> tuple[float, ...]:
    """Seconds of four whole `run --rm`, one for each of `TIMES`."""

    def sample() -> float:
        command = store.engine.command("run", "--rm", "bench/0", "sh", "-c", WORKS[work])
        return timed(command, store.engine.environment, store.variant.name).seconds

    store.fill(layouts)
    loaded, again = sample(), sample()
    store.engine("prune", "-f")
    unmounted = sample()
    store.disk.forget()
    return loaded, again, unmounted, sample()


def _output(*command: str) -> str:
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"{command[0]}: {done.stderr.strip()[-300:]}")
    return done.stdout.strip()


# tables


def main() -> int:
    """Measure and print; exits 1 when the two ways of counting do not agree."""
    parser = argparse.ArgumentParser(prog="bench.pagecache", description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="samples of each time (default: 3)")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="lamina-bench-") as directory,
        fresh_disk(Path(directory)) as mounted,
    ):
        disk = Disk(mounted)
        unsure = _memory_tables(disk)
        _time_tables(disk, options.runs)
    for each in unsure:
        print(f"the two ways of counting do not agree: {each}", file=sys.stderr)
    return 1 if unsure else 0


def _memory_tables(disk: Disk) -> list[str]:
    """Prints them; returns the cases in which the two ways of counting differ."""
    base, own = [layout("python", [material.python_tar()])], siblings()
    cases = [(base, count) for count in COUNTS] + [(own, len(own))]
    columns = [f"{count} of one image" for count in COUNTS] + [f"{len(own)} images on a base"]
    small, *_ = WORKS
    # The first container brings in what is the host's own: it would be counted.
    held(Store(disk, VARIANTS[0]), base, 1, small, cold=True)
    unsure = []
    for work in WORKS:
        print(f"\nMB of page cache, nothing cached before, each container doing: {work}\n")
        _head(*columns)
        for variant in VARIANTS:
            if variant.dropped:
                continue  # nothing is left to drop
            found = [held(Store(disk, variant), each, n, work, cold=True) for each, n in cases]
            unsure += [f"{variant.name}, {work}: {each}" for each in found if not each.agree]
            _row(variant.name, *(f"{each.group / MB:.1f}" for each in found))
    print(f"\nMB of page cache, right after the load, each container doing: {small}\n")
    _head(*columns)
    for variant in VARIANTS:
        found = [held(Store(disk, variant), each, n, small, cold=False) for each, n in cases]
        _row(variant.name, *(f"{each.files / MB:.1f}" for each in found))
    return unsure


def _time_tables(disk: Disk, runs: int) -> None:
    base = [layout("python", [material.python_tar()])]
    for work in WORKS:
        found: dict[Variant, list[tuple[float, ...]]] = {variant: [] for variant in VARIANTS}
        for _ in range(runs):
            for variant, samples in found.items():
                samples.append(times(Store(disk, variant), base, work))
        print(f"\nms of a whole `run --rm`: {work}\n")
        _head(*TIMES)
        for variant, samples in found.items():
            medians = map(statistics.median, zip(*samples, strict=True))
            _row(variant.name, *(f"{seconds * 1e3:.0f}" for seconds in medians))


def _head(*columns: str) -> None:
    _row("", *columns)
    print("|---|" + "---:|" * len(columns))


def _row(*cells: str) -> None:
    print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
