"""How two images differ, as programs see it."""

from __future__ import annotations

from lamina.api.rows import Rows
from lamina.api.values import Difference, PackageDifference, difference, package_difference
from lamina.explain.compare import Comparison as Compared
from lamina.explain.settings import SettingChange


class Comparison:
    """The differences between an old and a new image; none when a container sees none."""

    def __init__(self, found: Compared) -> None:
        self.files = Rows[Difference]([difference(each) for each in found.changes])
        """By path, what is in a directory after it."""
        self.packages = Rows[PackageDifference]([package_difference(p) for p in found.packages])
        self.settings = Rows[SettingChange](found.settings)
        """Environment, command, user and so on: JSON values, None where one is missing."""

    def __bool__(self) -> bool:
        return bool(self.files or self.packages or self.settings)

    def __repr__(self) -> str:
        return (
            f"<Comparison: {len(self.files)} files, {len(self.packages)} packages,"
            f" {len(self.settings)} settings differ>"
        )

    def _repr_html_(self) -> str:
        parts = (("files", self.files), ("packages", self.packages), ("settings", self.settings))
        shown = [f"<h4>{name}</h4>{rows._repr_html_()}" for name, rows in parts if rows]
        return "".join(shown) or "<p>no differences</p>"
