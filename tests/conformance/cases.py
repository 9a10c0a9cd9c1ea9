"""All cases, in groups."""

from __future__ import annotations

from collections.abc import Mapping

from tests.conformance.add import ADD
from tests.conformance.add_remote import ADD_REMOTE
from tests.conformance.case import Case
from tests.conformance.copy_files import COPY_FILES
from tests.conformance.copy_flags import COPY_FLAGS
from tests.conformance.copy_from import COPY_FROM
from tests.conformance.copy_links import COPY_LINKS
from tests.conformance.copy_owners import COPY_OWNERS
from tests.conformance.copy_paths import COPY_PATHS
from tests.conformance.copy_patterns import COPY_PATTERNS
from tests.conformance.expansion import EXPANSION
from tests.conformance.grammar import GRAMMAR
from tests.conformance.ignore import IGNORE
from tests.conformance.metadata import METADATA
from tests.conformance.mounts import MOUNTS
from tests.conformance.options import OPTIONS
from tests.conformance.run import RUN
from tests.conformance.run_heredocs import RUN_HEREDOCS
from tests.conformance.run_users import RUN_USERS
from tests.conformance.stages import STAGES
from tests.conformance.variables import VARIABLES

GROUPS: Mapping[str, tuple[Case, ...]] = {
    "stages": STAGES,
    "variables": (*EXPANSION, *VARIABLES),
    "run": (*RUN, *RUN_HEREDOCS, *RUN_USERS),
    "mounts": MOUNTS,
    "options": OPTIONS,
    "copy": (*COPY_PATHS, *COPY_PATTERNS, *COPY_LINKS, *COPY_FILES),
    "copy-flags": (*COPY_OWNERS, *COPY_FLAGS, *COPY_FROM),
    "add": (*ADD, *ADD_REMOTE),
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
