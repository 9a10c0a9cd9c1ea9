"""Where files lie that an image seldom wants, and how not to ship them.  Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Unwanted(msgspec.Struct, frozen=True):
    """A kind of file that an image can mostly do without.  Core dumps have their name alone:
    `advice` knows it."""

    kind: str
    """A word that stays the same."""
    what: str
    """A sentence's subject: `package lists of apt`."""
    instead: str
    """How not to ship them."""
    paths: tuple[str, ...] = ()
    """Directories, from the root."""
    tails: tuple[str, ...] = ()
    """The last two names of a directory, wherever it lies: every user has a `.cache/pip`."""
    names: tuple[str, ...] = ()
    """The name of a directory, wherever it lies."""
    suffixes: tuple[str, ...] = ()
    """The ends of a file's name after its last dot."""


CORE_DUMPS = "core-dumps"
_MOUNT = "RUN --mount=type=cache,target="

KINDS = (
    Unwanted(
        "apt-lists",
        "package lists of apt",
        "rm -rf /var/lib/apt/lists/* in the RUN that updates them",
        paths=("var/lib/apt/lists",),
    ),
    Unwanted(
        "apt-cache",
        "packages that apt downloaded",
        f"apt-get clean in the same RUN, or {_MOUNT}/var/cache/apt",
        paths=("var/cache/apt",),
    ),
    Unwanted(
        "apk-cache",
        "package index and downloads of apk",
        "apk add --no-cache",
        paths=("var/cache/apk", "etc/apk/cache"),
    ),
    Unwanted(
        "dnf-cache",
        "package lists and downloads of dnf and yum",
        f"dnf clean all in the same RUN, or {_MOUNT}/var/cache/dnf",
        paths=("var/cache/dnf", "var/cache/yum", "var/cache/libdnf5", "var/lib/dnf/repos"),
    ),
    Unwanted(
        "zypper-cache",
        "package lists and downloads of zypper",
        "zypper clean --all in the same RUN",
        paths=("var/cache/zypp",),
    ),
    Unwanted(
        "pacman-cache",
        "packages that pacman downloaded",
        "rm -rf /var/cache/pacman/pkg in the same RUN",
        paths=("var/cache/pacman", "var/lib/pacman/sync"),
    ),
    Unwanted(
        "python-cache",
        "downloads of pip, uv and poetry",
        f"pip install --no-cache-dir, or {_MOUNT}/root/.cache/pip",
        tails=(".cache/pip", ".cache/uv", ".cache/pypoetry", ".cache/pipenv"),
    ),
    Unwanted(
        "node-cache",
        "downloads of npm, yarn and pnpm, and what bundlers keep",
        "npm cache clean --force (yarn cache clean, pnpm store prune) in the same RUN",
        tails=(".npm/_cacache", ".npm/_logs", ".cache/yarn", ".yarn/cache", "node_modules/.cache"),
        names=(".pnpm-store",),
    ),
    Unwanted(
        "go-cache",
        "modules and objects that Go built from",
        f"build in a stage of its own and COPY --from it, or {_MOUNT}/root/.cache/go-build",
        paths=("go/pkg/mod", "root/go/pkg/mod"),
        tails=(".cache/go-build",),
    ),
    Unwanted(
        "cargo-cache",
        "crates that Cargo built from",
        f"build in a stage of its own and COPY --from it, or {_MOUNT}/usr/local/cargo/registry",
        tails=("cargo/registry", "cargo/git", ".cargo/registry", ".cargo/git"),
    ),
    Unwanted(
        "java-cache",
        "downloads of Maven and Gradle",
        f"build in a stage of its own and COPY --from it, or {_MOUNT}/root/.m2",
        tails=(".m2/repository", ".gradle/caches"),
    ),
    Unwanted(
        "logs",
        "logs of what ran while the image was built",
        "remove them in the RUN that wrote them",
        paths=("var/log",),
    ),
    Unwanted(
        "temporary",
        "temporary files",
        "remove them in the RUN that made them, or RUN --mount=type=tmpfs,target=/tmp",
        paths=("tmp", "var/tmp"),
    ),
    Unwanted(
        "docs",
        "documentation and manual pages",
        "path-exclude in /etc/dpkg/dpkg.cfg.d, dnf --setopt=tsflags=nodocs, or a slim base",
        paths=(
            *("usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/gtk-doc"),
            *("usr/local/share/doc", "usr/local/share/man", "usr/local/share/info"),
        ),
    ),
    Unwanted(
        "locales",
        "translations, and sources of locales",
        "path-exclude=/usr/share/locale/* in /etc/dpkg/dpkg.cfg.d, or a slim base",
        paths=("usr/share/locale", "usr/share/i18n", "usr/local/share/locale"),
    ),
    Unwanted(
        "version-control",
        "histories of Git, Mercurial and Subversion",
        ".git in .dockerignore, or git clone --depth 1 and rm -rf .git in one RUN",
        names=(".git", ".hg", ".svn"),
    ),
    Unwanted(
        "bytecode",
        "bytecode that Python makes again when it needs it",
        "pip install --no-compile and ENV PYTHONDONTWRITEBYTECODE=1, if slower starts do not hurt",
        names=("__pycache__",),
        suffixes=("pyc", "pyo"),
    ),
    Unwanted(
        "build-leftovers",
        "object files and static libraries",
        "build in a stage of its own and COPY --from it",
        suffixes=("o", "a", "la", "obj"),
    ),
    Unwanted(
        CORE_DUMPS,
        "memory of programs that crashed",
        "remove them in the RUN that crashed; ulimit -c 0 keeps them from being written",
        suffixes=("hprof",),
    ),
)
"""Where a file is of two kinds, the directory nearest to the root decides, and a directory
before a suffix."""

DUPLICATES = Unwanted(
    "duplicates",
    "files that are in the image again, byte for byte",
    "make them hard links in the RUN that makes them (ln, jdupes -L), or COPY them once",
)

KEPT_NAMES = ("/copyright",)
"""How paths end that stay whatever directory they are in: a licence may ask for its text."""


def _by(attribute: str) -> Mapping[str, int]:
    return {key: at for at, kind in enumerate(KINDS) for key in getattr(kind, attribute)}


# Each says the place in KINDS.
PATHS = _by("paths")
TAILS = _by("tails")
NAMES = _by("names")
SUFFIXES = _by("suffixes")
CORES = next(at for at, kind in enumerate(KINDS) if kind.kind == CORE_DUMPS)
