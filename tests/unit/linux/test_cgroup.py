"""Control groups, on directories that look like the kernel's."""

from __future__ import annotations

from pathlib import Path

from lamina.linux.cgroup import detect


def test_kinds(tmp_path: Path) -> None:
    assert detect(str(tmp_path / "no")) == "none"
    assert detect(str(tmp_path)) == "none"
    (tmp_path / "memory").mkdir()
    assert detect(str(tmp_path)) == "v1"
    (tmp_path / "unified").mkdir()
    (tmp_path / "unified" / "cgroup.controllers").write_text("")
    assert detect(str(tmp_path)) == "hybrid"
    (tmp_path / "cgroup.controllers").write_text("")
    assert detect(str(tmp_path)) == "v2"
