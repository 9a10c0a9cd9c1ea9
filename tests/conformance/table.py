"""The page that says where builders differ, and why.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from tests.conformance.reasons import REASONS

Results = dict[str, dict[str, list[str]]]
"""By case and builder: the differences, none for a pass."""
BUILDERS = {
    "lamina": "Lamina",
    "buildkit": "BuildKit",
    "docker": "docker, classic",
    "buildah": "buildah",
}
"""In the order of the columns."""
UNEXPLAINED = "not explained"
_HEAD = """\
# Conformance

The cases in `tests/conformance/` are small Dockerfiles with what must come of them: the whole
tree above the base (kinds, modes, owners, link targets, contents, attributes), the
configuration, the history, or the error and its line. `tests/system/test_conformance.py` holds
`lamina build` to every one of them.

The same cases go through Lamina's peers by `python -m tests.conformance.compare`, which needs
their programs and says how it is called. This page is what it wrote. A build *agrees* when its tree
and configuration are as the case says, or when it fails and should; of the history only
BuildKit's is compared, for the others write theirs in a form of their own. Where BuildKit itself
and a case did not agree, the case was changed, but for the few that are listed below.

Peers that are new enough come from Debian sid, in a root of their own (as root):

    mmdebstrap --variant=apt --include=docker.io,docker-cli,docker-buildx,buildah,runc,\\
        netavark,git,xz-utils,ca-certificates sid /srv/peers
    mount --bind /srv/peers /srv/peers        # then /proc, /sys, /dev and the working directory
    chroot /srv/peers dockerd --bridge=none --iptables=false -H unix:///WORK/docker.sock \\
        --data-root /WORK/docker --feature containerd-snapshotter=true

"""


def table(results: Results, groups: Mapping[str, Sequence[str]], versions: str) -> str:
    """Markdown: how many cases of each group agree, then every difference under its reason.

    `groups` has the ids of the cases; a case that a builder has not built counts as one that
    does not agree.
    """
    lines = [_HEAD + (f"Compared: {versions}.\n" if versions else "")]
    lines += [*_counts(results, groups), ""]
    for builder, title in BUILDERS.items():
        rows = list(_reasons(results, groups, builder))
        if rows:
            lines += [f"## Where {title} differs", "", "| why | cases |", "|---|---|", *rows, ""]
    return "\n".join(lines).rstrip() + "\n"


def unexplained(results: Results, groups: Mapping[str, Sequence[str]]) -> list[str]:
    """Builder and id of each difference for which no reason is known."""
    return [
        f"{builder} {name}: {'; '.join(found)}"
        for builder in BUILDERS
        for name, found in _differing(results, groups, builder)
        if _reason(builder, name, found) == UNEXPLAINED
    ]


def _counts(results: Results, groups: Mapping[str, Sequence[str]]) -> Iterator[str]:
    yield f"| cases | | {' | '.join(BUILDERS.values())} |"
    yield f"|---|---:|{'---:|' * len(BUILDERS)}"
    totals = [0] * len(BUILDERS)
    for group, names in groups.items():
        agree = [_agreeing(results, names, builder) for builder in BUILDERS]
        totals = [before + now for before, now in zip(totals, agree, strict=True)]
        yield f"| {group} | {len(names)} | {' | '.join(map(str, agree))} |"
    count = sum(map(len, groups.values()))
    yield f"| **all** | **{count}** | {' | '.join(f'**{total}**' for total in totals)} |"


def _agreeing(results: Results, names: Sequence[str], builder: str) -> int:
    return sum(results.get(name, {}).get(builder) == [] for name in names)


def _differing(
    results: Results, groups: Mapping[str, Sequence[str]], builder: str
) -> Iterator[tuple[str, list[str]]]:
    for names in groups.values():
        for name in names:
            if found := results.get(name, {}).get(builder):
                yield name, found


def _reasons(results: Results, groups: Mapping[str, Sequence[str]], builder: str) -> Iterator[str]:
    by_reason: dict[str, list[str]] = {}
    for name, found in _differing(results, groups, builder):
        by_reason.setdefault(_reason(builder, name, found), []).append(name)
    for reason, names in by_reason.items():
        yield f"| {reason} | {', '.join(f'`{_escaped(name)}`' for name in names)} |"


def _reason(builder: str, name: str, found: Sequence[str]) -> str:
    text = f"{name} {'; '.join(found)}"
    for pattern, reason in REASONS.get(builder, ()):
        if re.search(pattern, text):
            return reason
    return UNEXPLAINED


def _escaped(name: str) -> str:
    return name.replace("|", "\\|")
