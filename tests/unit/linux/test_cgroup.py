"""Which control groups there are."""

from __future__ import annotations

from pathlib import Path

from lamina.linux.cgroup import detect


def test_every_kind(tmp_path: Path) -> None:
    assert detect(str(tmp_path / "absent")) == "none"
    assert detect(str(tmp_path)) == "none"
    (tmp_path / "memory").mkdir()
    assert detect(str(tmp_path)) == "v1"
    (tmp_path / "unified").mkdir()
    (tmp_path / "unified" / "cgroup.controllers").touch()
    assert detect(str(tmp_path)) == "hybrid"
    (tmp_path / "cgroup.controllers").touch()
    assert detect(str(tmp_path)) == "v2"
