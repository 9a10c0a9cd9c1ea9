"""Put every slimming case through Lamina and docker-squash, and write `docs/slimming.md`.

    python -m tests.slimming.compare [--docker-squash PROGRAM] [--only WORD]

Needs root, dockerd and the program (`pip install docker-squash`, best in an environment of
its own).  Both start from one `docker save` archive or store, squash what is above the base,
and what they make is read by `tree.archived`, which knows neither.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from lamina.base.busybox import busybox_rootfs, find_busybox
from tests.slimming import bases
from tests.slimming.case import Case
from tests.slimming.cases import identified
from tests.slimming.peer import Squash, squashing
from tests.slimming.shop import Failed, Shop
from tests.slimming.tree import Archive, Tree, archived, differences
from tests.system.conftest import CACHE, unmounted

PAGE = Path(__file__).parents[2] / "docs" / "slimming.md"
_SHOWN = 3
"""Differences of an image that the page names."""


class Result(msgspec.Struct, frozen=True):
    """What one program made of one image."""

    seconds: float
    bytes: int
    """Of content in all layers; 0 when it made no image."""
    kept: int
    """Layers that are byte for byte the old image's."""
    broken: tuple[str, ...]
    """What differs from the truth, or why there is nothing to compare."""


class Compared(msgspec.Struct, frozen=True):
    """A case, and what both made of it."""

    case: Case
    before: int
    layers: int
    lamina: Result
    squash: Result


def main() -> int:
    """Compare, and write the page when all cases were asked for."""
    parser = argparse.ArgumentParser(prog="compare", description=__doc__.split("\n\n")[0])
    parser.add_argument("--docker-squash", default=shutil.which("docker-squash"))
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    options = parser.parse_args()
    if not options.docker_squash:
        parser.error("docker-squash is not there: pip install docker-squash")
    found = []
    with tempfile.TemporaryDirectory(prefix="slimming-") as directory, ExitStack() as stack:
        place = Path(directory)
        (place / "docker").mkdir()
        shop = Shop(place / "store" / "root")
        shop.root.parent.mkdir()
        stack.callback(unmounted, shop.root)
        busybox = place / "busybox.tar"
        busybox.write_bytes(b"".join(busybox_rootfs(find_busybox(environment={})).chunks))
        shop.take(busybox, "busybox")
        shop.take(bases.archive(CACHE / "debian-bookworm.tar"), "tools")
        squash = stack.enter_context(squashing(place / "docker", Path(options.docker_squash)))
        for number, case in enumerate(identified().values()):
            if options.only in case.name:
                print(case.name, file=sys.stderr)
                found.append(_compared(case, shop, squash, place / f"{number}"))
    page = written(found)
    if options.only:
        print(page)
    else:
        PAGE.write_text(page)
    return 1 if any(each.lamina.broken for each in found) else 0


def _compared(case: Case, shop: Shop, squash: Squash, place: Path) -> Compared:
    shop.build(case, place / "context", "old")
    old_archive, theirs, ours = (place / name for name in ("old.tar", "theirs.tar", "ours.tar"))
    shop.lamina("save", "-q", "-o", str(old_archive), "old")
    old = archived(old_archive)
    truth = shop.tree("old")
    started = time.monotonic()
    failure = ""
    try:
        shop.lamina("slim", "old", "-t", "new")
    except Failed as error:
        failure = str(error)[-200:]
    taken = time.monotonic() - started
    if not failure:
        shop.lamina("save", "-q", "-o", str(ours), "new")
    lamina = _judged(ours, old, truth, taken, failure)

    squash.load(old_archive)
    made = squash.squash("old:latest", _lines_above_base(case, shop, old), theirs)
    result = _judged(theirs, old, truth, made.seconds, made.failure)
    if not made.failure and not result.broken and (said := squash.loads(theirs)):
        result = msgspec.structs.replace(result, broken=(f"docker does not load it: {said}",))
    squash.forget("old:latest")
    shutil.rmtree(place)
    return Compared(case, old.bytes, len(old.diff_ids), lamina, result)


def _lines_above_base(case: Case, shop: Shop, old: Archive) -> int:
    last = [line for line in case.dockerfile.splitlines() if line.startswith("FROM ")][-1]
    name = last.split()[1]
    base = 0 if name == "scratch" else len(shop.inspect(name)["history"])
    return len(old.config["history"]) - base


def _judged(path: Path, old: Archive, truth: Tree, seconds: float, failure: str) -> Result:
    if failure:
        return Result(seconds, 0, 0, (f"it ends with: {failure}",))
    try:
        new = archived(path)
    except ValueError as error:
        return Result(seconds, 0, 0, (f"its layers cannot be applied: {error}",))
    trees = [{at: node for at, node in tree.items() if at != "/"} for tree in (truth, new.tree)]
    kept = len([each for each in new.diff_ids if each in old.diff_ids])
    return Result(seconds, new.bytes, kept, tuple(differences(*trees, seconds=True)))


def written(found: Sequence[Compared]) -> str:
    """The page."""
    wrong = [each for each in found if each.squash.broken]
    ours = [each for each in found if each.lamina.broken]
    whole = [each for each in found if not each.squash.broken]
    saved = [
        sum(each.before - getattr(each, name).bytes for each in whole)
        for name in ("lamina", "squash")
    ]
    times = sum(each.squash.seconds for each in found) / sum(each.lamina.seconds for each in found)
    lines = [
        "# Slimming, image by image",
        "",
        "The cases of `tests/slimming/` are Dockerfiles as people write them, and those that other",
        "programs got wrong. `tests/system/test_slimming.py` holds `lamina slim` to each: nothing",
        "hidden is left above the base, a container sees the same tree to the last attribute, the",
        "image's own probe says the same. This page is what `python -m tests.slimming.compare`",
        "wrote: the same images through Lamina and docker-squash 1.2.2, told to leave the base.",
        "What each made is read from a `docker save` archive by a reader that knows neither, and",
        "compared with what the kernel shows of the old image, path by path; times to the second,",
        "which is all that docker-squash's input has.",
        "",
        f"Of {len(found)} images Lamina broke {len(ours)}, docker-squash {len(wrong)}. Of those",
        f"that docker-squash left whole, it took out {_megabytes(saved[1])},",
        f"Lamina {_megabytes(saved[0])}.",
        f"Whole commands, all images: docker-squash took {times:.0f} times as long.",
        "",
        "Sizes are bytes of content in all layers. *kept*: layers that are still the old ones, so",
        "that whoever has the old image or a sibling has them already.",
        "",
        "| image | cannot be seen | layers | before | lamina | kept | docker-squash | kept"
        " | its time to ours | broken by docker-squash |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    lines += [_row(each) for each in found]
    for title, them, name in (
        ("What docker-squash breaks", wrong, "squash"),
        ("What Lamina breaks", ours, "lamina"),
    ):
        if them:
            lines += ["", f"## {title}", "", *_told(them, name)]
    return "\n".join(lines) + "\n"


def _row(each: Compared) -> str:
    cells = [
        f"{each.case.name}{_issue(each.case)}",
        each.case.shows,
        str(each.layers),
        _megabytes(each.before),
        _megabytes(each.lamina.bytes),
        str(each.lamina.kept),
        _megabytes(each.squash.bytes) if each.squash.bytes else "–",
        str(each.squash.kept) if each.squash.bytes else "–",
        f"{each.squash.seconds / each.lamina.seconds:.1f} ×",
        "yes" if each.squash.broken else "",
    ]
    return f"| {' | '.join(cells)} |"


def _issue(case: Case) -> str:
    return f" ({case.issue})" if case.issue.startswith("#") else ""


def _told(them: Sequence[Compared], name: str) -> Iterator[str]:
    for each in them:
        broken = getattr(each, name).broken
        shown = [line.replace("|", "\\|") for line in broken[:_SHOWN]]
        more = f"; and {len(broken) - _SHOWN} more" if len(broken) > _SHOWN else ""
        yield f"- **{each.case.name}**{_issue(each.case)}: {'; '.join(shown)}{more}."


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 10**5 else f"{size / 1e3:.1f} kB"


if __name__ == "__main__":
    sys.exit(main())
