"""Files that are written whole, and old ones that go."""

from __future__ import annotations

import os
from pathlib import Path

from lamina.store.atomic import keep_newest


def test_the_newest_files_of_a_kind_are_kept(tmp_path: Path) -> None:
    for age, name in enumerate(("a-3", "a-1", "b-1", "a-2", "a-4")):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (age, age))
    keep_newest(tmp_path, "a-", 2)
    assert sorted(os.listdir(tmp_path)) == ["a-2", "a-4", "b-1"]
    keep_newest(tmp_path, "a-", 2)
    assert len(os.listdir(tmp_path)) == 3
