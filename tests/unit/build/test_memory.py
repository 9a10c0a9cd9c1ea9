"""Limits of memory, on directories that look like the kernel's."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.build.memory import NoMemoryControl, limited_memory


@pytest.mark.parametrize("controllers", [None, "cpu pids\n", "cpu memory\n"])
def test_without_a_controller_that_may_be_used(tmp_path: Path, controllers: str | None) -> None:
    """The last has what others lack, and no group in which a limit could be written."""
    for name in ("cgroup.procs", "cgroup.subtree_control"):
        (tmp_path / name).write_text("")
    if controllers is not None:
        (tmp_path / "cgroup.controllers").write_text(controllers)
    before = sorted(tmp_path.iterdir())
    with (
        pytest.raises(NoMemoryControl, match="memory cannot be limited here: no memory controller"),
        limited_memory("x", 1 << 20, before=0, root=str(tmp_path)),
    ):
        pass
    assert sorted(tmp_path.iterdir()) == before
