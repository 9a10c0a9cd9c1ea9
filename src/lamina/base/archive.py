"""A distribution's archive of packages: its suites, their release files, where to fetch them."""

from __future__ import annotations

import difflib
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path

from lamina.base.rootfs import ArchiveUnreachable, BadRecipe, NoRecipe, ToolMissing, UnknownSuite

APT_HELPER = "/usr/lib/apt/apt-helper"
VARIANTS = ("minbase", "apt", "essential", "buildd", "important", "standard")
_WORD = re.compile(r"[a-z0-9][a-z0-9+.-]*")


@dataclass(frozen=True, slots=True)
class Distribution:
    """A family of releases, and the public addresses that its images name."""

    name: str
    archive: str
    security: str
    keyring: str
    keyring_package: str
    suites: tuple[str, ...]
    components: str = "main"


DISTRIBUTIONS = {
    "debian": Distribution(
        "debian",
        "http://deb.debian.org/debian",
        "http://deb.debian.org/debian-security",
        "/usr/share/keyrings/debian-archive-keyring.gpg",
        "debian-archive-keyring",
        ("bullseye", "bookworm", "trixie", "forky", "sid", "stable", "testing", "unstable"),
    ),
    "ubuntu": Distribution(
        "ubuntu",
        "http://archive.ubuntu.com/ubuntu",
        "http://security.ubuntu.com/ubuntu",
        "/usr/share/keyrings/ubuntu-archive-keyring.gpg",
        "ubuntu-keyring",
        ("focal", "jammy", "noble", "resolute"),
        "main universe",
    ),
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to install: a suite of a distribution, from where, and which packages."""

    distribution: Distribution
    suite: str
    mirror: str = ""
    """Where to fetch from; empty for the host's own mirror, else the public archive."""
    variant: str = "minbase"
    include: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for word in (self.suite, *self.include):
            if not _WORD.fullmatch(word):
                raise BadRecipe(f"not the name of a suite or package: {word!r}")
        if self.variant not in VARIANTS:
            raise BadRecipe(f"no such variant: {self.variant!r}", hint=f"one of {VARIANTS}")


@dataclass(frozen=True, slots=True)
class Release:
    """What an archive says of a suite in its InRelease."""

    date: int
    """Seconds since the epoch."""
    version: str
    codename: str


@dataclass(frozen=True, slots=True)
class Pocket:
    """One line of sources: a repository, and the suite in it."""

    fetched_from: str
    public: str
    suite: str


def recipe_for(name: str, suite: str, **choices: object) -> Recipe:
    """The recipe of `name:suite`.  Raises NoRecipe, BadRecipe."""
    if name not in DISTRIBUTIONS:
        near = difflib.get_close_matches(name, (*DISTRIBUTIONS, "busybox"), 1)
        raise NoRecipe(
            f"no recipe for the distribution {name}",
            hint=f"did you mean {near[0]}?"
            if near
            else "there are debian, ubuntu and busybox; `lamina import` takes any root file system",
        )
    return Recipe(DISTRIBUTIONS[name], suite, **choices)  # type: ignore[arg-type]


def sources(pockets: Sequence[Pocket], distribution: Distribution) -> str:
    """The image's own apt sources (deb822): public addresses, whatever was fetched from."""
    stanzas: dict[str, list[str]] = {}
    for pocket in pockets:
        stanzas.setdefault(pocket.public, []).append(pocket.suite)
    return "\n".join(
        f"Types: deb\nURIs: {address}\nSuites: {' '.join(suites)}\n"
        f"Components: {distribution.components}\nSigned-By: {distribution.keyring}\n"
        for address, suites in stanzas.items()
    )


def parse_release(text: str, *, what: str) -> Release:
    """Read an InRelease.  Raises ArchiveUnreachable when it is something else: a login page."""
    fields = dict(re.findall(r"^(Date|Version|Codename): (.+?)\s*$", text, re.MULTILINE))
    try:
        date = int(parsedate_to_datetime(fields["Date"]).timestamp())
    except (KeyError, ValueError):
        raise ArchiveUnreachable(f"{what} is not a release file", hint="check --mirror") from None
    return Release(date, fields.get("Version", ""), fields.get("Codename", ""))


def resolve(recipe: Recipe, environment: Mapping[str, str]) -> tuple[tuple[Pocket, ...], Release]:
    """Where each pocket of the suite is, and what the archive says of the suite itself."""
    public = recipe.distribution
    if not Path(public.keyring).exists():
        raise ToolMissing(
            f"no keys to check the packages of {public.name} with ({public.keyring})",
            hint=f"apt install {public.keyring_package}",
        )
    host = {} if recipe.mirror else _host_mirrors(environment)
    archive = recipe.mirror or host.get(public.name.title(), public.archive)
    security = host.get(f"{public.name.title()}-Security", public.security)
    main = Pocket(archive.rstrip("/"), public.archive, recipe.suite)
    release = _release(main, recipe, environment)
    if release is None:
        near = difflib.get_close_matches(recipe.suite, public.suites, 1)
        raise UnknownSuite(
            f"no suite {recipe.suite} at {main.fetched_from}",
            hint=f"did you mean {near[0]}?" if near else f"there are {', '.join(public.suites)}",
        )
    beside = (
        Pocket(archive.rstrip("/"), public.archive, f"{recipe.suite}-updates"),
        Pocket(security.rstrip("/"), public.security, f"{recipe.suite}-security"),
    )
    found = [each for each in beside if _release(each, recipe, environment) is not None]
    return (main, *found), release


def _host_mirrors(environment: Mapping[str, str]) -> dict[str, str]:
    """The host's own repositories, by apt's label (`Debian`, `Debian-Security`, `Ubuntu`)."""
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)", "Created-By: Packages"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    pairs = (line.split(" ") for line in listed.stdout.splitlines())
    return {pair[0]: pair[1] for pair in reversed([*pairs]) if len(pair) == 2}


def _release(pocket: Pocket, recipe: Recipe, environment: Mapping[str, str]) -> Release | None:
    """What the archive says of a pocket; None when it has no such suite."""
    url = f"{pocket.fetched_from}/dists/{pocket.suite}/InRelease"
    with tempfile.TemporaryDirectory(prefix="lamina-base-") as directory:
        target = Path(directory, "InRelease")
        fetched = subprocess.run(
            [APT_HELPER, "-oAcquire::Retries=2", "download-file", url, str(target)],
            env={**environment, "LC_ALL": "C"},
            capture_output=True,
            text=True,
            check=False,
        )
        if fetched.returncode == 0:
            return parse_release(target.read_text(errors="replace"), what=url)
    answer = (fetched.stdout + fetched.stderr).strip()
    if re.search(r"\b404\b|File not found", answer):
        return None
    reasons = [line[3:] for line in answer.splitlines() if line.startswith("E: ")] or [answer]
    raise ArchiveUnreachable(
        f"cannot fetch {url}: {reasons[0][:300]}", hint="check the network, or give a --mirror"
    )
