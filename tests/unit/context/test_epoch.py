"""Which time a reproducible build takes."""

from __future__ import annotations

import os
from pathlib import Path

from lamina.context.directory import Context, Nothing
from lamina.context.epoch import git_epoch, newest
from lamina.dockerfile.ignore import Ignore
from tests.fakes.repositories import ENVIRONMENT, Repository


def test_the_time_of_the_commit(tmp_path: Path) -> None:
    repository = Repository.create(tmp_path / "work", sub__a="1")
    assert git_epoch(repository.path / "sub", ENVIRONMENT) == 1_700_000_000


def test_no_commit_no_time(tmp_path: Path) -> None:
    assert git_epoch(tmp_path, ENVIRONMENT) is None
    assert git_epoch(tmp_path / "nothing", ENVIRONMENT) is None
    assert git_epoch(tmp_path, {"PATH": "/nonexistent"}) is None


def test_the_newest_file_that_is_not_ignored(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for seconds, name in enumerate(("a", "sub/b", "ignored"), 1):
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (seconds, seconds))
    assert newest(Context(tmp_path, Ignore.parse("ignored"))) == 2_000_000_000
    assert newest(Nothing()) == 0
