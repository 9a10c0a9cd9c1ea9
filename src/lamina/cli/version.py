"""`lamina version`: which versions are at work."""

from __future__ import annotations

import os
import platform

import click

from lamina import __version__
from lamina.cli.format import emit, render

_LIBRARIES = ("msgspec", "isal", "backports.zstd", "urllib3", "click", "rich")


@click.command(epilog="Example: lamina version --format '{{.Version}}'")
@click.option("-f", "--format", "fmt", default="", help="json, or a Go template.")
def command(fmt: str) -> None:
    """Show the versions of lamina, Python, the libraries and the kernel."""
    found = _versions()
    if fmt:
        emit(render([found], fmt, {}))
        return
    libraries = found["Libraries"]
    assert isinstance(libraries, dict)
    lines = [(name, str(value)) for name, value in found.items() if name != "Libraries"]
    lines += list(libraries.items())
    emit("\n".join(f"{name + ':':18} {value}" for name, value in lines))


def _versions() -> dict[str, object]:
    uname = os.uname()
    return {
        "Version": __version__,
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "Os": uname.sysname.lower(),
        "Arch": uname.machine,
        "KernelVersion": uname.release,
        "Libraries": {name: found for name in _LIBRARIES if (found := _library(name))},
    }


def _library(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return ""
