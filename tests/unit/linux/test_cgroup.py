"""Control groups, on directories that look like the kernel's."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.linux.cgroup import MemoryGroup, NoMemoryControl, detect, limited_memory


@pytest.fixture
def v2(tmp_path: Path) -> Path:
    """One hierarchy, whose memory controller can be had."""
    (tmp_path / "cgroup.controllers").write_text("cpu memory\n")
    return tmp_path


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


@pytest.mark.parametrize(
    ("controllers", "reason"),
    [(None, "no memory controller in"), ("cpu pids", "no memory controller in")],
)
def test_without_a_controller(tmp_path: Path, controllers: str | None, reason: str) -> None:
    if controllers is not None:
        (tmp_path / "cgroup.controllers").write_text(controllers)
    with (
        pytest.raises(NoMemoryControl, match=f"memory cannot be limited here: {reason}"),
        limited_memory("x", 1, str(tmp_path)),
    ):
        pass


def test_one_that_may_not_be_used(v2: Path) -> None:
    """What a group needs is not there: the directory is not the kernel's."""
    with (
        pytest.raises(NoMemoryControl, match="No such file or directory"),
        limited_memory("x", 1, str(v2)),
    ):
        pass
    assert not any((v2 / "lamina").iterdir())


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("memory.events", "oom 3\noom_kill 1\n", True),
        ("memory.events", "oom 3\noom_kill 0\n", False),
        ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n", True),
        ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\n", False),
        ("other", "", False),
    ],
)
def test_whether_memory_ran_out(tmp_path: Path, name: str, text: str, expected: bool) -> None:
    (tmp_path / name).write_text(text)
    assert MemoryGroup(tmp_path).ran_out() == expected
