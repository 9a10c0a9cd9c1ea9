"""Which time a reproducible build takes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lamina.context.directory import Context, Nothing
from lamina.context.epoch import NoEpoch, epoch_of, head, is_clean, newest, origin
from lamina.context.git_program import NoGit
from lamina.dockerfile.ignore import Ignore
from tests.fakes.repositories import ENVIRONMENT, Repository
from tests.rights import needs_rights


def test_the_commit_and_its_time(tmp_path: Path) -> None:
    repository = Repository.create(tmp_path / "work", sub__a="1")
    found = head(repository.path / "sub", ENVIRONMENT)
    assert found is not None
    assert found.committed == 1_700_000_000
    assert found.commit == repository.git("rev-parse", "HEAD")
    assert found == head(repository.path, ENVIRONMENT)


def test_no_commit_no_time(tmp_path: Path) -> None:
    assert head(tmp_path, ENVIRONMENT) is None
    assert head(tmp_path / "nothing", ENVIRONMENT) is None
    Repository.create(tmp_path / "empty").git("update-ref", "-d", "HEAD")
    assert head(tmp_path / "empty", ENVIRONMENT) is None


def test_a_directory_that_the_commit_does_not_have(tmp_path: Path) -> None:
    repository = Repository.create(tmp_path / "work", a="1")
    (repository.path / "out").mkdir()
    assert head(repository.path / "out", ENVIRONMENT) is None


def test_a_repository_without_git_is_said(tmp_path: Path) -> None:
    Repository.create(tmp_path / "work", a="1")
    with pytest.raises(NoGit):
        head(tmp_path / "work", {"PATH": "/nonexistent"})


@needs_rights
def test_whose_repository_it_is_does_not_matter(tmp_path: Path) -> None:
    repository = Repository.create(tmp_path / "work", a="1")
    for place in (repository.path, *repository.path.rglob("*")):
        os.chown(place, 1234, 1234, follow_symlinks=False)
    assert head(repository.path, ENVIRONMENT) is not None
    # What runs programs that a repository names is not asked of somebody else's.
    assert not is_clean(repository.path, ENVIRONMENT)


def test_where_a_checkout_is_from_and_whether_it_is_clean(tmp_path: Path) -> None:
    repository = Repository.create(tmp_path / "work", a="1")
    assert origin(repository.path, ENVIRONMENT) == ""
    repository.git("config", "remote.origin.url", "https://me:secret@example.org/x.git")
    assert origin(repository.path, ENVIRONMENT) == "https://example.org/x.git"
    assert is_clean(repository.path, ENVIRONMENT)
    (repository.path / "a").write_text("2")
    assert not is_clean(repository.path, ENVIRONMENT)


def test_the_newest_file_that_is_not_ignored(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for seconds, name in enumerate(("a", "sub/b", "ignored"), 1):
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (seconds, seconds))
    assert newest(Context(tmp_path, Ignore.parse("ignored"))) == 2_000_000_000
    assert newest(Nothing()) == 0


def test_the_epoch_is_the_commits_else_the_newest_files(tmp_path: Path) -> None:
    repository = Repository.create(tmp_path / "work", a="1")
    (repository.path / "out").mkdir()
    os.utime(repository.path / "a", ns=(7_900_000_000, 7_900_000_000))
    tree = Context(repository.path, Ignore.parse(".git"))
    assert epoch_of(repository.path, tree, ENVIRONMENT) == 1_700_000_000
    assert epoch_of(None, tree, ENVIRONMENT) == 7
    assert epoch_of(repository.path / "out", tree, ENVIRONMENT) == 7
    with pytest.raises(NoEpoch):
        epoch_of(None, Nothing(), ENVIRONMENT)
