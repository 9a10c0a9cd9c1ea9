"""Which certificates speak for and to a registry, laid out in files as Docker does.

`certs.d/<host[:port]>/` holds `*.crt` (CAs that are trusted for this host
beside the system's) and pairs of `*.cert` and `*.key` (shown to the host).
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from lamina.errors import Invalid
from lamina.registry.settings import Settings


class BadCertificateFile(Invalid):
    """A file of certificates that cannot be used."""


class Certificates(msgspec.Struct, frozen=True):
    """The files for one host."""

    authorities: tuple[Path, ...] = ()
    clients: tuple[tuple[Path, Path], ...] = ()
    """Certificate and key."""


def certificates(settings: Settings, authority: str) -> Certificates:
    """What is laid out for `host[:port]`.  Raises BadCertificateFile for half a pair."""
    authorities: list[Path] = [Path(settings.ca_file)] if settings.ca_file else []
    clients: list[tuple[Path, Path]] = []
    folders = [Path(root) / authority for root in settings.cert_roots]
    if settings.cert_dir is not None:
        folders.append(Path(settings.cert_dir))
    for folder in folders:
        for file in _files(folder):
            if file.suffix == ".crt":
                authorities.append(file)
            elif file.suffix == ".cert":
                key = file.with_suffix(".key")
                if not key.exists():
                    raise BadCertificateFile(
                        f"the client certificate {file} has no key beside it",
                        hint=f"put the key at {key}",
                    )
                clients.append((file, key))
    return Certificates(tuple(authorities), tuple(clients))


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except PermissionError:
        raise BadCertificateFile(f"no permission to read the certificates in {folder}") from None
