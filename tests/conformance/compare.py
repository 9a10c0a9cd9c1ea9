"""Every case through Lamina and its peers, side by side: `python -m tests.conformance.compare`.

Peers are named by their commands, which must see the directory of `--work`:

    python -m tests.conformance.compare --work /tmp/cases \\
        --buildkit "docker -H unix:///tmp/one.sock" --docker "docker -H unix:///tmp/two.sock" \\
        --buildah "buildah --root /tmp/buildah"

BuildKit needs a daemon with the feature `containerd-snapshotter`: elsewhere `--link` copies, and
attributes are lost; the classic builder works with either.  With `--write` the table
goes to `docs/conformance.md`.  Each difference is printed, and with `--only` what the builder
said.  Results are kept in `results.json` in the working directory, so builders can go one after
the other.  Needs root.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
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
from tests.conformance.cases import GROUP_IDS, identified
from tests.conformance.outcome import differences
from tests.conformance.place import lay
from tests.conformance.served import serving
from tests.conformance.table import Results, table, unexplained
from tests.conformance.words import words

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"


def main(arguments: Sequence[str]) -> int:
    """Run it; the exit status is 1 when a difference has no reason in `reasons.py`."""
    options = _options(arguments)
    work = options.work
    kept = work / "results.json"
    results: Results = json.loads(kept.read_bytes()) if kept.exists() else {}
    with (
        tempfile.TemporaryDirectory(dir=work) as directory,
        serving(Path(directory, "served")) as addresses,
    ):
        names = {**words(os.uname().machine), **addresses}
        for builder in _builders(options, Path(directory)):
            _through(builder, names, Path(directory), options.only, results)
            kept.write_text(json.dumps(results))
    missing = unexplained(results, GROUP_IDS)
    print(*(f"?? {each}" for each in missing), sep="\n")
    if options.write:
        PAGE.write_text(table(results, GROUP_IDS, options.versions))
    return int(bool(missing))


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


def _builders(options: argparse.Namespace, place: Path) -> Iterator[Builder]:
    """The builders asked for, each with the base image."""
    wanted = options.builders.split(",")
    root, archive = place / "root", place / "busybox.tar"
    _base(root, place / "rootfs.tar", archive)
    if "lamina" in wanted:
        yield Lamina(root)
    for name, command in (("buildkit", options.buildkit), ("docker", options.docker)):
        if command and name in wanted:
            _must([*command, "load", "-i", str(archive)])
            yield Docker(command, place, buildkit=name == "buildkit")
    if options.buildah and "buildah" in wanted:
        _must([*options.buildah, "pull", f"docker-archive:{archive}"])
        yield Buildah(options.buildah, place)


def _base(root: Path, rootfs: Path, archive: Path) -> None:
    """Make the base image in a store at `root`, and write it to `archive`."""
    rootfs.write_bytes(b"".join(busybox_rootfs(find_busybox(environment=os.environ)).chunks))
    changes = [word for line in BASE_CHANGES for word in ("--change", line)]
    assert run(["--root", str(root), "import", *changes, str(rootfs), BASE]) == 0
    assert run(["--root", str(root), "save", "-o", str(archive), BASE]) == 0


def _must(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _through(
    builder: Builder, names: Mapping[str, str], work: Path, only: str, results: Results
) -> None:
    """Build the cases whose id has the pattern `only` in it, and say where they differ."""
    base = builder.base()
    for number, (name, case) in enumerate(identified().items()):
        if not re.search(only, name):
            continue
        place = work / f"{builder.name}-{number}"
        place.mkdir()
        laid = lay(case, place, {**names, "ID": f"conformance-{number}"}, number)
        outcome = builder.build(laid)
        found = differences(
            laid.case, outcome, EMPTY if case.scratch else base, history=builder.history
        )
        results.setdefault(name, {})[builder.name] = found
        if found:
            print(f"== {builder.name} {name}", *found, sep="\n   ", flush=True)
            print(outcome.said if only else "", end="", flush=True)
        shutil.rmtree(place)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
