"""Volumes as directories: `volumes/<name>/` with a record and, in `_data`, what it holds."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from lamina.errors import Conflict, Corrupt, Invalid, NotFound, Unsupported
from lamina.oci.document import decode
from lamina.store.atomic import is_held, locked, replace_file
from lamina.store.container_contract import ContainerRecord
from lamina.store.containers import DirContainers
from lamina.store.errors import writing
from lamina.store.sealed import check, seal_struct
from lamina.store.trash import delete_tree

RECORD = "volume.json"
DATA = "_data"
_NEW, _GONE = ".new-", ".gone-"


class VolumeNotFound(NotFound):
    """No volume has the name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no such volume: {name}", hint="lamina volume ls   (to see them)")


class VolumeInUse(Conflict):
    """A container was made with it."""

    def __init__(self, name: str, users: list[str]) -> None:
        super().__init__(
            f"volume {name} is in use by {', '.join(users)}", hint=f"lamina rm {' '.join(users)}"
        )


class VolumeDiffers(Conflict):
    """There is one of the name, made with other options."""

    def __init__(self, name: str) -> None:
        super().__init__(f"volume {name} is there already, with other options")


class VolumeDamaged(Corrupt):
    """What is written down of it cannot be read."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the record of volume {name} is damaged", hint=f"lamina volume rm {name}")


class NoSuchDriver(Unsupported):
    """A kind of volume that we do not make."""


class Volume(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of a volume: `volumes/<name>/volume.json`."""

    name: str
    created: str = ""
    """RFC 3339."""
    labels: dict[str, str] = {}
    options: dict[str, str] = {}
    """Of the driver `local`: `type`, `device` and `o`."""
    anonymous: bool = False
    """Whether it was made for one container, which did not name it."""


class DirVolumes:
    """The volumes of a store.  An flock on the directory serialises making and removing."""

    def __init__(self, root: Path) -> None:
        """`root` is the store's."""
        self._directory = root / "volumes"
        self._containers = root / "containers"

    def data(self, name: str) -> Path:
        """Where a volume's files are."""
        return self._directory / name / DATA

    def make(self, volume: Volume) -> Volume:
        """The volume of that name: the one that is there, or a new one.

        Raises VolumeDiffers when that one has other options, NoSuchDriver.
        """
        _check_options(volume.options)
        with writing(self._directory):
            self._directory.mkdir(mode=0o711, exist_ok=True)
            with locked(self._directory):
                place = self._directory / volume.name
                if place.exists():
                    found = self._read(place)
                    if volume.options and volume.options != found.options:
                        raise VolumeDiffers(volume.name)
                    return found
                new = self._directory / (_NEW + volume.name)
                delete_tree(new)
                new.mkdir(mode=0o711)
                _fill(new, volume)
                new.rename(place)
        return volume

    def find(self, name: str) -> Volume:
        """Raises VolumeNotFound, VolumeDamaged."""
        place = self._directory / name
        if not name or name.startswith(".") or "/" in name or not place.is_dir():
            raise VolumeNotFound(name)
        return self._read(place)

    def __iter__(self) -> Iterator[Volume]:
        """All of them, by name; a damaged one has nothing but its name."""
        if not self._directory.is_dir():
            return
        for name in sorted(os.listdir(self._directory)):
            if name.startswith("."):
                continue
            try:
                yield self.find(name)
            except VolumeDamaged:
                yield Volume(name)
            except VolumeNotFound:
                continue

    def users(self) -> dict[str, list[ContainerRecord]]:
        """The containers that were made with each volume."""
        found: dict[str, list[ContainerRecord]] = {}
        for record in DirContainers(self._containers).records():
            for name in {mount.get("volume", "") for mount in record.settings.get("mounts", ())}:
                found.setdefault(name, []).append(record)
        return found

    def remove(self, name: str) -> int:
        """Delete a volume; returns the bytes of disk freed.  Raises VolumeNotFound, VolumeInUse."""
        with writing(self._directory):
            try:
                self.find(name)
            except VolumeDamaged:
                pass
            with locked(self._directory):
                if users := self.users().get(name):
                    raise VolumeInUse(name, [record.name for record in users])
                gone = self._directory / f"{_GONE}{name}-{os.urandom(4).hex()}"
                try:
                    (self._directory / name).rename(gone)
                except FileNotFoundError:
                    raise VolumeNotFound(name) from None
                self._sweep(gone)
                # Held until it is deleted: another's sweep leaves it to us.
                held = os.open(gone, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                fcntl.flock(held, fcntl.LOCK_EX)
            try:
                return delete_tree(gone)
            finally:
                os.close(held)

    def remake(self, record: ContainerRecord) -> None:
        """Make those of a container's volumes that somebody removed before its record was there."""
        for mount in record.settings.get("mounts", ()):
            if name := mount.get("volume"):
                self.make(Volume(name, record.created, anonymous=mount.get("anonymous", False)))

    def _sweep(self, but: Path) -> None:
        for name in os.listdir(self._directory):
            place = self._directory / name
            if name.startswith((_NEW, _GONE)) and place != but and not is_held(place):
                delete_tree(place)

    def _read(self, place: Path) -> Volume:
        try:
            raw = (place / RECORD).read_bytes()
        except FileNotFoundError:
            return _adopt(place)
        try:
            check(raw)
            return decode(raw, Volume, what="a volume's record")
        except Invalid:
            raise VolumeDamaged(place.name) from None


def _fill(place: Path, volume: Volume) -> None:
    (place / DATA).mkdir(mode=0o755)
    (place / DATA).chmod(0o755)  # whatever the umask
    replace_file(place / RECORD, seal_struct(volume), durable=False)


def _adopt(place: Path) -> Volume:
    """A volume of an earlier version, whose files were in `place` itself."""
    volume = Volume(place.name)
    if (place / DATA).is_dir() and len(os.listdir(place)) == 1:
        replace_file(place / RECORD, seal_struct(volume), durable=False)
        return volume
    before = place.with_name(f"{_NEW}before-{place.name}")
    place.rename(before)
    place.mkdir(mode=0o711)
    before.rename(place / DATA)
    replace_file(place / RECORD, seal_struct(volume), durable=False)
    return volume


def _check_options(options: Mapping[str, str]) -> None:
    if unknown := options.keys() - {"type", "device", "o", "size"}:
        raise NoSuchDriver(f"invalid option {min(unknown)!r} of a local volume")
    kind = options.get("type", "none" if options else "")
    if kind not in {"", "none", "tmpfs"}:
        raise NoSuchDriver(
            f"volumes of type {kind} are not mounted by Lamina",
            hint="mount it on the host, and use that path with -v",
        )
    if kind == "none" and not options.get("device", "").startswith("/"):
        raise NoSuchDriver("a local volume of type none needs device=/PATH and o=bind")
