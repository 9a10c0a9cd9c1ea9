"""Every case through Lamina and its peers, side by side: `python -m tests.conformance.compare`.

Peers are named by their commands, which must see the directory of `--work`:

    python -m tests.conformance.compare --work /tmp/cases \\
        --buildkit "docker -H unix:///tmp/one.sock" --docker "docker -H unix:///tmp/two.sock" \\
        --buildah "buildah --root /tmp/buildah"

BuildKit needs a daemon with the feature `containerd-snapshotter`: elsewhere `--link` copies, and
attributes are lost; the classic builder works with either.  With `--write` the table
goes to `docs/conformance.md`; otherwise each difference is printed, with what the builder said.
Needs root.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from lamina.base.busybox import busybox_rootfs, find_busybox
from lamina.cli.main import run
from tests.conformance.builders import (
    BASE,
    BASE_CHANGES,
    EMPTY,
    Buildah,
    Builder,
    Docker,
    Lamina,
)
from tests.conformance.cases import identified
from tests.conformance.outcome import differences
from tests.conformance.place import lay
from tests.conformance.served import serving
from tests.conformance.table import Results, table
from tests.conformance.words import words

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"
_LINE = re.compile(r"Dockerfile:(\d+)\n-----|error on line (\d+)|Dockerfile:(\d+): ")


def main(arguments: Sequence[str]) -> int:
    """Run it; returns the exit status."""
    options = _options(arguments)
    work = options.work
    shutil.rmtree(work / "cases", ignore_errors=True)
    (work / "served").mkdir(parents=True)
    try:
        with serving(work / "served") as addresses:
            names = {**words(os.uname().machine), **addresses}
            results = _results(_builders(options), names, options)
    finally:
        shutil.rmtree(work / "served")
        shutil.rmtree(work / "root", ignore_errors=True)
    if options.write:
        PAGE.write_text(table(results, options.versions))
    return 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="compare")
    parser.add_argument("--work", type=Path, required=True, help="a directory for everything")
    parser.add_argument("--buildkit", type=shlex.split, help="docker, for its BuildKit")
    parser.add_argument("--docker", type=shlex.split, help="docker, for its classic builder")
    parser.add_argument("--buildah", type=shlex.split, help="the buildah command")
    parser.add_argument("--only", default="", help="cases whose id this pattern is found in")
    parser.add_argument("--builders", default="lamina,buildkit,docker,buildah")
    parser.add_argument("--versions", default="", help="what to call the peers in the table")
    parser.add_argument("--write", action="store_true", help="write docs/conformance.md")
    return parser.parse_args(arguments)


def _builders(options: argparse.Namespace) -> Iterator[Builder]:
    """The builders asked for, each with the base image."""
    wanted = options.builders.split(",")
    root, archive = options.work / "root", options.work / "busybox.tar"
    _base(root, archive)
    if "lamina" in wanted:
        yield Lamina(root)
    for name, command in (("buildkit", options.buildkit), ("docker", options.docker)):
        if command and name in wanted:
            _must([*command, "load", "-i", str(archive)])
            yield Docker(command, options.work, buildkit=name == "buildkit")
    if options.buildah and "buildah" in wanted:
        _must([*options.buildah, "pull", f"docker-archive:{archive}"])
        yield Buildah(options.buildah, options.work)


def _base(root: Path, archive: Path) -> None:
    rootfs = busybox_rootfs(find_busybox(environment=os.environ))
    archive.write_bytes(b"".join(rootfs.chunks))
    changes = [word for line in BASE_CHANGES for word in ("--change", line)]
    for command in (
        ["import", *changes, str(archive), BASE],
        ["save", "-o", str(archive), BASE],
    ):
        archive_is_output = command[0] == "save"
        if archive_is_output:
            archive.unlink()
        assert run(["--root", str(root), *command]) == 0


def _must(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _results(
    builders: Iterator[Builder], names: Mapping[str, str], options: argparse.Namespace
) -> Results:
    results: Results = {}
    for builder in builders:
        base = builder.base()
        for number, (name, case) in enumerate(identified().items()):
            if not re.search(options.only, name):
                continue
            place = options.work / "cases" / builder.name / str(number)
            place.mkdir(parents=True)
            laid = lay(case, place, {**names, "ID": f"conformance-{number}"}, number)
            outcome = builder.build(laid)
            found = differences(laid.case, outcome, EMPTY if case.scratch else base)
            results.setdefault(name, {})[builder.name] = found
            line = _LINE.search(outcome.said)
            at = next(int(each) for each in line.groups() if each) if line else 0
            if case.error is not None and case.error.line and at and at != case.error.line:
                found = [*found, f"note: it says line {at}, not {case.error.line}"]
            if found and not options.write:
                print(f"== {builder.name} {name}", *found, sep="\n   ", flush=True)
                if options.only:
                    print(outcome.said)
            shutil.rmtree(place)
    return results


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
