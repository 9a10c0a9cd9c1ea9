"""What stays of the system: data of packages in use, and what libraries open by rule.  Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lamina.minify.image_tree import ImageTree
from lamina.minify.reasons import Reason, Why

PROGRAMS = frozenset(
    {"bin", "sbin", "usr/bin", "usr/sbin", "usr/local/bin", "usr/local/sbin", "usr/games"}
)
"""Directories of programs: of a package in use only those stay that are used themselves."""
_DOCUMENTATION = (
    *("usr/share/doc/", "usr/share/man/", "usr/share/info/", "usr/share/locale/"),
    *("usr/share/lintian/", "usr/share/bug/", "usr/share/doc-base/", "usr/share/gtk-doc/"),
    *("usr/share/bash-completion/", "usr/share/zsh/", "usr/share/fish/", "usr/share/help/"),
    *("usr/share/menu/", "usr/share/applications/", "usr/share/icons/", "usr/share/pixmaps/"),
    *("usr/share/reportbug/", "usr/share/debhelper/", "usr/share/metainfo/"),
    *("usr/include/", "usr/src/", "usr/share/aclocal/", "usr/share/pkgconfig/"),
    *("usr/share/locales/", "usr/share/i18n/", "usr/share/common-licenses/"),
)
_DEVELOPMENT = re.compile(r".*(\.a|\.la|/pkgconfig/[^/]+|/cmake/.+)")
_TLS = re.compile(r".*/lib(ssl|gnutls|nss3|mbedtls|wolfssl)[-.\d]*\.so.*")
_CERTIFICATES = ("usr/share/ca-certificates", "usr/local/share/ca-certificates")
_TERMINALS = re.compile(r".*/lib(tinfo|tinfow|ncurses|ncursesw)\.so.*")
_TERMINFO = ("lib/terminfo", "usr/lib/terminfo", "usr/share/terminfo")
_COMMON_TERMINALS = frozenset(
    {"ansi", "dumb", "linux", "rxvt", "screen", "screen-256color", "tmux", "tmux-256color"}
    | {"vt100", "vt102", "vt220", "xterm", "xterm-256color", "xterm-color", "xterm-mono"}
)
_FONTS = re.compile(r".*/libfontconfig\.so.*")
_LIBC = re.compile(r"(.*/)libc\.so\.6")
_LANGUAGES = {
    # the interpreter: the directories of its own modules, and of those that were added to them
    re.compile(r"(?:.*/)?bin/perl[\d.]*"): re.compile(
        r"(?:.*/)?(?:lib|share)/(?:[^/]+/)?(?:perl-base|perl/5[.\d]*|perl5/(?:site_perl/)?5[.\d]*)"
    ),
    re.compile(r"(?:.*/)?bin/ruby[\d.]*"): re.compile(
        r"(?:.*/)?(?:lib/(?:[^/]+/)?ruby/(?:\d[.\d]*|vendor_ruby|site_ruby)"
        r"|share/rubygems-integration)"
    ),
}
_GEM = re.compile(r"((?:.*/)?gems/[^/]+-\d[^/]*)/.*")


class SystemRules:
    """The rules, with what was done already."""

    def __init__(self, tree: ImageTree) -> None:
        self._tree = tree
        self._done: set[str] = set()

    def __call__(self, path: str, why: Why) -> Iterator[tuple[str, Reason]]:
        """What stays because `path` does."""
        if path in self._tree.names_of:
            for each in self._tree.names_of[path]:
                yield each, Reason(Why.PLACE, path)
        yield from self._package(path)
        yield from self._language(path)
        yield from self._java(path)
        if ".so" in path:
            yield from self._library(path)

    def _first(self, key: str) -> bool:
        if key in self._done:
            return False
        self._done.add(key)
        return True

    def _package(self, path: str) -> Iterator[tuple[str, Reason]]:
        """Of a system package in use: all but its other programs and its documentation."""
        package = self._tree.packaged.owner.get(path)
        # What is in /etc stays whatever is used, and says nothing of its package.
        if package is None or path.startswith("etc/") or not self._first(f"package {package}"):
            return
        reason = Reason(Why.PACKAGE, package)
        for each in self._tree.packaged.members[package]:
            if is_data(each):
                yield each, reason
        record = Reason(Why.SYSTEM, package)
        for each in self._tree.packaged.records.get(package, ()):
            yield each, record
        notice = f"usr/share/doc/{package}/copyright"
        if notice in self._tree.entries:
            yield notice, record

    def _language(self, path: str) -> Iterator[tuple[str, Reason]]:
        """All of Perl's or Ruby's own modules with the interpreter; a gem, whole."""
        for interpreter, modules in _LANGUAGES.items():
            if interpreter.fullmatch(path) and self._first(interpreter.pattern):
                for folder in self._tree.all_folders:
                    if modules.fullmatch(folder):
                        yield from self._whole(folder)
        own = language_of(path)
        if own is not None and self._first(own):
            yield from self._whole(own)

    def _whole(self, folder: str) -> Iterator[tuple[str, Reason]]:
        for each in self._tree.below(folder):
            yield each, Reason(Why.LANGUAGE, folder)

    def _java(self, path: str) -> Iterator[tuple[str, Reason]]:
        """The home of a Java that is used, whole: its libraries are opened by name."""
        home = java_home(self._tree, path)
        if home is not None and self._first(f"java {home}"):
            for each in self._tree.below(home, without=frozenset({"jmods", "demo", "man"})):
                if not each.endswith("/src.zip"):
                    yield each, Reason(Why.LANGUAGE, home)

    def _library(self, path: str) -> Iterator[tuple[str, Reason]]:
        """What a library opens by names that no file tells."""
        if _TLS.fullmatch(path) and self._first("certificates"):
            for place in _CERTIFICATES:
                for each in self._tree.below(place):
                    yield each, Reason(Why.SYSTEM, path)
        if _TERMINALS.fullmatch(path) and self._first("terminals"):
            for place in _TERMINFO:
                for each in self._tree.below(place):
                    if each.rpartition("/")[2] in _COMMON_TERMINALS:
                        yield each, Reason(Why.SYSTEM, path)
        if _FONTS.fullmatch(path) and self._first("fonts"):
            for each in self._tree.below("usr/share/fonts"):
                yield each, Reason(Why.SYSTEM, path)
        if (found := _LIBC.fullmatch(path)) is not None and self._first(path):
            yield from self._libc(found[1], path)

    def _libc(self, folder: str, path: str) -> Iterator[tuple[str, Reason]]:
        """glibc's converters, the locale of the image's environment, and the local time."""
        reason = Reason(Why.SYSTEM, path)
        for each in self._tree.below(f"{folder}gconv"):
            yield each, reason
        environment = self._tree.system.environment
        wanted = {environment.get(name, "") for name in ("LANG", "LC_ALL", "LC_CTYPE")} | {"C.utf8"}
        names = {_locale(each) for each in wanted if each}
        for place in ("usr/lib/locale", "usr/share/locale"):
            for name in self._tree.union.children(place):
                if name == "locale-archive" or (
                    _locale(name) in names and place == "usr/lib/locale"
                ):
                    if self._tree.is_directory(f"{place}/{name}"):
                        for each in self._tree.below(f"{place}/{name}"):
                            yield each, reason
                    else:
                        yield f"{place}/{name}", reason
        zone = environment.get("TZ", "").lstrip(":")
        for each in ("etc/localtime", *([f"usr/share/zoneinfo/{zone}"] if zone else [])):
            target = self._tree.files.find(each)
            if target is not None:
                yield target, reason


def language_of(path: str) -> str | None:
    """The directory of Perl's or Ruby's own modules, or of a gem, that a path is in."""
    if (gem := _GEM.fullmatch(path)) is not None:
        return gem[1]
    if "/perl" in path or "/ruby" in path:
        at = path.rpartition("/")[0]
        while at:
            if any(modules.fullmatch(at) for modules in _LANGUAGES.values()):
                return at
            at = at.rpartition("/")[0]
    return None


def java_home(tree: ImageTree, path: str) -> str | None:
    """The home of the Java that a path is in."""
    at = path.rpartition("/")[0]
    while at.count("/"):  # /usr is none, though it has bin/java
        if f"{at}/bin/java" in tree.entries and tree.is_directory(f"{at}/lib"):
            return at
        at = at.rpartition("/")[0]
    return None


def is_data(path: str) -> bool:
    """Whether a package's file stays with it whoever uses it: no program, no documentation,
    nothing that only compilers want."""
    return not (
        path.rpartition("/")[0] in PROGRAMS
        or path.startswith(_DOCUMENTATION)
        or _DEVELOPMENT.fullmatch(path)
    )


def _locale(name: str) -> str:
    """A locale as glibc compares it: `C.UTF-8` is `C.utf8`."""
    language, _, codeset = name.partition(".")
    return f"{language}.{codeset.replace('-', '').lower()}" if codeset else language
