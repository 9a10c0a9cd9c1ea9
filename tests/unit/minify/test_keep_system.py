from __future__ import annotations

import pytest

from lamina.minify.keep import Wishes
from lamina.minify.keep_system import is_data
from tests.unit.minify.trees import Content, Link, gone, kept

INFO = "var/lib/dpkg/info"
PACKAGES: dict[str, Content] = {
    "bin": Link("usr/bin"),
    f"{INFO}/tool:amd64.list": (
        "/.\n/bin\n/bin/tool\n/bin/tool-extra\n/usr/lib/tool/plugin.so\n/usr/share/doc/tool/copyright\n"
        "/usr/share/doc/tool/NEWS\n/usr/share/man/man1/tool.1\n/usr/lib/libtool.a\n"
    ),
    f"{INFO}/tool:amd64.md5sums": "x",
    f"{INFO}/other.list": "/usr/bin/other\n/usr/share/other/data\n/etc/other.conf\n",
    "var/lib/dpkg/status": "Package: tool\n",
    "usr/bin/tool": "t",
    "usr/bin/tool-extra": "t",
    "usr/lib/tool/plugin.so": "p",
    "usr/share/doc/tool/copyright": "c",
    "usr/share/doc/tool/NEWS": "n",
    "usr/share/man/man1/tool.1": "m",
    "usr/lib/libtool.a": "a",
    "usr/bin/other": "o",
    "usr/share/other/data": "d",
    "etc/other.conf": "o",
}


def test_a_package_in_use_keeps_its_data_and_its_records() -> None:
    files = set(gone(PACKAGES, "usr/bin/tool"))
    assert files == {
        *("usr/bin/tool-extra", "usr/share/doc/tool/NEWS", "usr/share/man/man1/tool.1"),
        *("usr/lib/libtool.a", f"{INFO}/other.list", "usr/bin/other", "usr/share/other/data"),
    }


def test_configuration_says_nothing_of_its_package() -> None:
    assert "usr/share/other/data" in gone(PACKAGES, "usr/bin/tool", "etc/other.conf")


def test_a_package_that_was_asked_for_stays_whole() -> None:
    found = kept(PACKAGES, "usr/bin/tool", wishes=Wishes(packages=("other",)))
    assert "usr/bin/other" in found.reasons


def test_packages_of_apk_are_known() -> None:
    files: dict[str, Content] = {
        "lib/apk/db/installed": (
            "P:tool\nV:1\nF:usr/bin\nR:tool\nF:usr/lib/tool\nR:data\n\nP:other\nF:opt/x\nR:y\n"
        ),
        "usr/bin/tool": "t",
        "usr/lib/tool/data": "d",
        "opt/x/y": "y",
    }
    assert gone(files, "usr/bin/tool") == ["opt/x/y"]


@pytest.mark.parametrize(
    ("path", "is_kept"),
    [
        ("usr/bin/x", False),
        ("usr/share/doc/x/README", False),
        ("usr/lib/x/libx.a", False),
        ("usr/lib/pkgconfig/x.pc", False),
        ("usr/lib/x/bin/helper", True),
        ("usr/share/x/data", True),
        ("usr/lib/git-core/git-add", True),
    ],
)
def test_what_is_data(path: str, is_kept: bool) -> None:
    assert is_data(path) is is_kept


def test_a_library_for_tls_brings_the_certificates() -> None:
    files: dict[str, Content] = {
        "usr/lib/libssl.so.3": "x",
        "usr/share/ca-certificates/mozilla/a.crt": "x",
        "etc/ssl/certs/a.pem": Link("/usr/share/ca-certificates/mozilla/a.crt"),
        "usr/share/x/y": "1",
    }
    assert gone(files, "usr/lib/libssl.so.3") == ["usr/share/x/y"]


def test_glibc_brings_converters_and_the_locale_of_the_environment() -> None:
    files: dict[str, Content] = {
        "usr/lib/x/libc.so.6": "x",
        "usr/lib/x/gconv/UTF-16.so": "x",
        "usr/lib/locale/C.utf8/LC_CTYPE": "x",
        "usr/lib/locale/de_DE.utf8/LC_CTYPE": "x",
        "usr/lib/locale/fr_FR.utf8/LC_CTYPE": "x",
        "usr/share/zoneinfo/Europe/Berlin": "x",
        "usr/share/zoneinfo/Europe/Paris": "x",
    }
    found = gone(files, "usr/lib/x/libc.so.6", Env=["LANG=de_DE.UTF-8", "TZ=Europe/Berlin"])
    assert found == [
        "usr/lib/locale/fr_FR.utf8/LC_CTYPE",
        "usr/share/zoneinfo/Europe/Paris",
    ]


def test_common_terminals_stay_with_ncurses() -> None:
    files: dict[str, Content] = {
        "usr/lib/libtinfo.so.6": "x",
        "usr/share/terminfo/x/xterm": "x",
        "usr/share/terminfo/w/wy50": "x",
    }
    assert "usr/share/terminfo/x/xterm" not in gone(files, "usr/lib/libtinfo.so.6")
    assert "usr/share/terminfo/w/wy50" in gone(files, "usr/lib/libtinfo.so.6")


def test_the_home_of_a_java_stays_whole() -> None:
    home = "usr/lib/jvm/java-17"
    files: dict[str, Content] = {
        f"{home}/bin/java": "x",
        f"{home}/lib/libjvm.so": "x",
        f"{home}/lib/libawt.so": "x",
        f"{home}/jmods/x.jmod": "x",
        f"{home}/lib/src.zip": "x",
    }
    found = gone(files, f"{home}/bin/java")
    assert found == [
        f"{home}/jmods/x.jmod",
        f"{home}/lib/src.zip",
    ]


def test_libraries_of_perl_and_ruby_and_gems_stay_whole() -> None:
    files: dict[str, Content] = {
        "usr/share/perl/5.36.0/strict.pm": "x",
        "usr/share/perl/5.36.0/CPAN/Meta.pm": "x",
        "usr/share/perl5/Debconf.pm": "x",
        "usr/lib/ruby/3.1.0/set.rb": "x",
        "usr/lib/ruby/3.1.0/json/ext.rb": "x",
        "var/lib/gems/3.1.0/gems/rack-2.0/lib/rack.rb": "x",
        "var/lib/gems/3.1.0/gems/rack-2.0/lib/late.rb": "x",
        "var/lib/gems/3.1.0/gems/idle-1.0/lib/idle.rb": "x",
    }
    used = [
        "usr/share/perl/5.36.0/strict.pm",
        "usr/lib/ruby/3.1.0/set.rb",
        "var/lib/gems/3.1.0/gems/rack-2.0/lib/rack.rb",
    ]
    assert gone(files, *used) == [
        "usr/share/perl5/Debconf.pm",
        "var/lib/gems/3.1.0/gems/idle-1.0/lib/idle.rb",
    ]


def test_an_interpreter_brings_its_modules_wherever_they_are() -> None:
    files: dict[str, Content] = {
        "usr/bin/perl": "x",
        "usr/bin/ruby3.1": "x",
        "usr/lib/x86_64-linux-gnu/perl-base/strict.pm": "x",
        "usr/lib/x86_64-linux-gnu/perl/5.36.0/POSIX.pm": "x",
        "usr/share/perl/5.36.0/Data/Dumper.pm": "x",
        "usr/local/lib/perl5/site_perl/5.36.0/Late.pm": "x",
        "usr/share/perl5/Debconf.pm": "x",
        "usr/lib/x86_64-linux-gnu/ruby/3.1.0/zlib.so": "x",
        "usr/lib/ruby/vendor_ruby/late.rb": "x",
    }
    assert gone(files, "usr/bin/perl") == [
        "usr/bin/ruby3.1",
        "usr/lib/ruby/vendor_ruby/late.rb",
        "usr/lib/x86_64-linux-gnu/ruby/3.1.0/zlib.so",
        "usr/share/perl5/Debconf.pm",
    ]
    assert "usr/lib/x86_64-linux-gnu/ruby/3.1.0/zlib.so" not in gone(files, "usr/bin/ruby3.1")
