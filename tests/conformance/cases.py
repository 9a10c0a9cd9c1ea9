"""All cases, in groups."""

from __future__ import annotations

from collections.abc import Mapping

from tests.conformance.add import ADD
from tests.conformance.case import Case
from tests.conformance.copy_flags import COPY_FLAGS
from tests.conformance.copy_paths import COPY_PATHS
from tests.conformance.grammar import GRAMMAR
from tests.conformance.ignore import IGNORE
from tests.conformance.metadata import METADATA
from tests.conformance.mounts import MOUNTS
from tests.conformance.options import OPTIONS
from tests.conformance.run import RUN
from tests.conformance.stages import STAGES
from tests.conformance.variables import VARIABLES

GROUPS: Mapping[str, tuple[Case, ...]] = {
    "stages": STAGES,
    "variables": VARIABLES,
    "run": RUN,
    "mounts": MOUNTS,
    "options": OPTIONS,
    "copy": COPY_PATHS,
    "copy-flags": COPY_FLAGS,
    "add": ADD,
    "ignore": IGNORE,
    "metadata": METADATA,
    "grammar": GRAMMAR,
}


def _id(group: str, case: Case) -> str:
    return f"{group}:{'-'.join(case.name.split())}"


GROUP_IDS: Mapping[str, tuple[str, ...]] = {
    group: tuple(_id(group, each) for each in cases) for group, cases in GROUPS.items()
}
"""The ids of the cases: `copy:a-file-to-a-name`."""


def identified() -> dict[str, Case]:
    """Every case by its id."""
    pairs = [(_id(group, each), each) for group, cases in GROUPS.items() for each in cases]
    found = dict(pairs)
    assert len(found) == len(pairs)
    return found
