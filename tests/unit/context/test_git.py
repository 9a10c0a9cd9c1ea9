"""Checkouts of real repositories, by the real git."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from lamina.context.git import (
    Commit,
    Fetched,
    NoSubdirectory,
    NoSuchReference,
    WrongCommit,
    fetch,
    resolve,
)
from lamina.context.git_address import GitSource, parse_git
from lamina.context.git_program import GitFailed, NoGit
from tests.fakes.repositories import ENVIRONMENT, Repository


@pytest.fixture
def remote(tmp_path: Path) -> Repository:
    return Repository.create(tmp_path / "remote", a="one", sub__b="two")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def source(text: str) -> GitSource:
    found = parse_git(text)
    assert found is not None
    return found


def at(text: str, cache: Path) -> Commit:
    return resolve(source(text), cache=cache, environment=ENVIRONMENT)


def checkout(text: str, cache: Path, *, keep: bool = False, name: str = "out") -> Fetched:
    place = cache.parent / name
    return fetch(source(text), place, cache=cache, keep_git_dir=keep, environment=ENVIRONMENT)


def files(directory: Path) -> dict[str, str]:
    return {
        str(path.relative_to(directory)): path.read_text()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def test_the_default_branch(remote: Repository, cache: Path) -> None:
    found = checkout(remote.address, cache)
    assert found.commit == remote.git("rev-parse", "HEAD")
    assert files(found.directory) == {"a": "one", "sub/b": "two"}
    assert sorted(os.listdir(cache.parent)) == ["cache", "out", "remote"]


def test_references_of_every_kind(remote: Repository, cache: Path) -> None:
    first = remote.git("rev-parse", "HEAD")
    remote.git("tag", "light")
    remote.git("tag", "-a", "-m", "x", "heavy")
    remote.git("update-ref", "refs/pull/1/head", first)
    second = remote.commit(a="new")
    remote.git("branch", "dev")
    for ref, commit in {
        "": second,
        "main": second,
        "dev": second,
        "refs/heads/dev": second,
        "heads/dev": second,
        "light": first,
        "heavy": first,
        "refs/tags/heavy": first,
        "pull/1/head": first,
        first: first,
        first[:10]: first,
    }.items():
        assert at(f"{remote.address}#{ref}", cache).digest == commit, ref


def test_a_branch_goes_before_a_tag(remote: Repository, cache: Path) -> None:
    remote.git("tag", "twice")
    remote.commit(a="new")
    remote.git("branch", "twice")
    assert at(f"{remote.address}#twice", cache).digest == remote.git("rev-parse", "main")
    assert at(f"{remote.address}?tag=twice", cache).digest == remote.git("rev-parse", "main~")


def test_a_tag_moves(remote: Repository, cache: Path) -> None:
    remote.git("tag", "-a", "-m", "x", "v1")
    assert files(checkout(f"{remote.address}#v1", cache).directory)["a"] == "one"
    remote.commit(a="two")
    remote.git("tag", "-f", "-a", "-m", "y", "v1")
    assert files(checkout(f"{remote.address}#v1", cache, name="again").directory)["a"] == "two"


def test_what_is_known_is_not_fetched_again(remote: Repository, cache: Path) -> None:
    first = checkout(remote.address, cache)
    # The remote can only be asked for names now: its objects are gone.
    (remote.path / ".git" / "objects").rename(remote.path / "hidden")
    (remote.path / ".git" / "objects").mkdir()
    commit = f"{remote.address}#{first.commit}"
    assert files(checkout(commit, cache, name="again").directory) == files(first.directory)


def test_an_old_commit(remote: Repository, cache: Path) -> None:
    first = remote.git("rev-parse", "HEAD")
    for number in range(3):
        remote.commit(a=str(number))
    found = checkout(f"{remote.address}#{first}", cache)
    assert files(found.directory)["a"] == "one"
    # Nothing of what came after it was fetched.
    (repository,) = (each for each in (cache / "git").iterdir() if each.is_dir())
    objects = subprocess.run(
        ["git", "cat-file", "--batch-check", "--batch-all-objects"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert objects.count(" commit ") == 1


def test_modes_do_not_depend_on_the_umask(remote: Repository, cache: Path) -> None:
    (remote.path / "run").write_text("#!/bin/sh\n")
    (remote.path / "run").chmod(0o755)
    (remote.path / "link").symlink_to("a")
    remote.commit()
    before = os.umask(0o077)
    try:
        place = checkout(remote.address, cache).directory
    finally:
        os.umask(before)
    modes = {each.name: stat.S_IMODE(each.lstat().st_mode) for each in place.iterdir()}
    assert {name: modes[name] for name in ("a", "run", "sub")} == {
        "a": 0o644,
        "run": 0o755,
        "sub": 0o755,
    }
    assert stat.S_IMODE(place.stat().st_mode) == 0o755
    assert os.readlink(place / "link") == "a"


def test_a_subdirectory(remote: Repository, cache: Path) -> None:
    assert files(checkout(f"{remote.address}#main:sub", cache).directory) == {"b": "two"}


@pytest.mark.parametrize("subdir", ["nothing", "a", "link", "sub/out"])
def test_a_subdirectory_that_is_none(remote: Repository, cache: Path, subdir: str) -> None:
    (remote.path / "link").symlink_to("/etc")
    (remote.path / "sub" / "out").symlink_to("../../../..")
    remote.commit()
    with pytest.raises(NoSubdirectory, match=f"has no directory {subdir}"):
        checkout(f"{remote.address}#:{subdir}", cache)


def test_a_git_directory_that_is_kept(remote: Repository, cache: Path) -> None:
    remote.commit(a="new")
    remote.git("tag", "-a", "-m", "x", "v1")
    place = checkout(f"{remote.address}#v1", cache, keep=True).directory

    def git(*args: str) -> str:
        command = ["git", *args]
        return subprocess.run(
            command, cwd=place, env=ENVIRONMENT, capture_output=True, text=True, check=True
        ).stdout.strip()

    assert git("describe") == "v1"
    assert git("status", "--porcelain") == ""
    assert git("rev-list", "--count", "HEAD") == "1"
    assert git("config", "remote.origin.url") == remote.address
    assert not (place / ".git" / "hooks").exists()
    assert not (place / ".git" / "logs").exists()
    assert str(cache) not in "".join(
        path.read_text("utf-8", "replace") for path in (place / ".git").rglob("*") if path.is_file()
    )


def test_a_git_directory_is_not_kept_for_a_subdirectory(remote: Repository, cache: Path) -> None:
    place = checkout(f"{remote.address}#:sub", cache, keep=True).directory
    assert os.listdir(place) == ["b"]
    assert not (place.parent / ".git").exists()


@pytest.mark.parametrize("keep", [False, True])
def test_submodules_with_relative_addresses(
    remote: Repository, cache: Path, tmp_path: Path, keep: bool
) -> None:
    inner = Repository.create(tmp_path / "inner", deep="3")
    outer = Repository.create(tmp_path / "outer", middle="2")
    outer.git("submodule", "--quiet", "add", "../inner", "inner")
    outer.commit()
    remote.git("submodule", "--quiet", "add", "../outer", "lib/outer")
    remote.commit()
    place = checkout(remote.address, cache, keep=keep).directory
    assert (place / "lib" / "outer" / "middle").read_text() == "2"
    assert (place / "lib" / "outer" / "inner" / "deep").read_text() == "3"
    assert (place / "lib" / "outer" / ".git").exists() is keep
    bare = checkout(f"{remote.address}?submodules=0", cache, name="bare").directory
    assert os.listdir(bare / "lib" / "outer") == []
    assert inner.path.exists()


def test_a_submodule_on_this_host_is_for_repositories_of_this_host(
    remote: Repository, cache: Path, tmp_path: Path
) -> None:
    from lamina.context.git_program import Git

    Repository.create(tmp_path / "secret", key="s3cret")
    remote.git("submodule", "--quiet", "add", f"file://{tmp_path}/secret", "secret")
    remote.commit()
    place = checkout(f"{remote.address}?submodules=0", cache, keep=True).directory
    update = ("submodule", "update", "--init")
    with pytest.raises(GitFailed):
        Git(ENVIRONMENT).run(*update, directory=place)


def test_no_program_of_a_user_or_a_repository_runs(
    remote: Repository, cache: Path, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text(
        f'[core]\n\thooksPath = {tmp_path}/hooks\n\tautocrlf = true\n[filter "x"]\n\tsmudge = rev\n'
    )
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "post-checkout").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    (hooks / "post-checkout").chmod(0o755)
    remote.commit(a="text\n", **{".gitattributes": "a filter=x\n"})
    environment = {**ENVIRONMENT, "GIT_CONFIG_GLOBAL": str(config)}
    for keep in (False, True):
        found = fetch(
            source(remote.address),
            tmp_path / f"out-{keep}",
            cache=cache,
            keep_git_dir=keep,
            environment=environment,
        )
        assert (found.directory / "a").read_bytes() == b"text\n"
    assert not (tmp_path / "ran").exists()


def test_a_repository_of_the_user_is_not_taken_for_ours(
    remote: Repository, cache: Path, tmp_path: Path
) -> None:
    environment = {**ENVIRONMENT, "GIT_DIR": str(tmp_path / "other"), "GIT_INDEX_FILE": "/x"}
    found = fetch(
        source(remote.address),
        tmp_path / "out",
        cache=cache,
        keep_git_dir=False,
        environment=environment,
    )
    assert files(found.directory) == {"a": "one", "sub/b": "two"}


def test_a_checksum_is_held_to(remote: Repository, cache: Path) -> None:
    commit = remote.git("rev-parse", "HEAD")
    assert at(f"{remote.address}?branch=main&checksum={commit[:8]}", cache).digest == commit
    with pytest.raises(WrongCommit, match=f"is at {commit}, and not at abcdef"):
        at(f"{remote.address}?branch=main&checksum=abcdef", cache)
    remote.git("tag", "-a", "-m", "x", "v1")
    tag = remote.git("rev-parse", "v1")
    assert at(f"{remote.address}?tag=v1&checksum={tag}", cache).digest == commit


def test_what_is_not_there(remote: Repository, cache: Path, tmp_path: Path) -> None:
    with pytest.raises(NoSuchReference, match="has no branch, tag or commit nope"):
        at(f"{remote.address}#nope", cache)
    with pytest.raises(NoSuchReference, match="has no one commit abcdef0"):
        at(f"{remote.address}#abcdef0", cache)
    with pytest.raises(GitFailed) as caught:
        at(f"file://{tmp_path}/nowhere", cache)
    assert f"git ls-remote failed for file://{tmp_path}/nowhere: " in str(caught.value)
    assert caught.value.hint == "check the address"
    with pytest.raises(NoSuchReference, match=f"has no commit {'1' * 40}"):
        checkout(f"{remote.address}#{'1' * 40}", cache)


@pytest.mark.parametrize(
    ("script", "message", "hint"),
    [
        (
            "echo 'ssh: connect to host h port 22: Connection refused' >&2; exit 255",
            "git ls-remote failed for ssh://git@h/a: ssh: connect to host h port 22:"
            " Connection refused",
            "",
        ),
        (
            "echo 'git@h: Permission denied (publickey).' >&2; exit 255",
            "git ls-remote failed for ssh://git@h/a: git@h: Permission denied (publickey).",
            "log in with git first",
        ),
    ],
)
def test_what_ssh_says(cache: Path, script: str, message: str, hint: str) -> None:
    environment = {**ENVIRONMENT, "GIT_SSH_COMMAND": f'sh -c "{script}"'}
    with pytest.raises(GitFailed) as caught:
        resolve(source("ssh://git@h/a"), cache=cache, environment=environment)
    assert str(caught.value) == message
    assert caught.value.hint.startswith(hint)


def test_nobody_listens(cache: Path) -> None:
    with pytest.raises(GitFailed, match=r"for git://127.0.0.1:1/a: unable to connect .*refused"):
        at("git://127.0.0.1:1/a", cache)


def test_a_password_is_not_told(cache: Path) -> None:
    with pytest.raises(GitFailed) as caught:
        at("http://me:s3cret@127.0.0.1:1/a.git", cache)
    assert "s3cret" not in str(caught.value)
    assert "for http://127.0.0.1:1/a.git: " in str(caught.value)


def test_git_is_needed(remote: Repository, cache: Path) -> None:
    with pytest.raises(NoGit, match="needs the git program"):
        resolve(source(remote.address), cache=cache, environment={"PATH": "/nonexistent"})


def test_a_killed_fetch_is_made_good(remote: Repository, cache: Path) -> None:
    checkout(remote.address, cache)
    (repository,) = (each for each in (cache / "git").iterdir() if each.is_dir())
    (repository / "shallow.lock").write_text("")
    remote.commit(a="new")
    assert files(checkout(remote.address, cache, name="again").directory)["a"] == "new"


def test_an_empty_commit(cache: Path, tmp_path: Path) -> None:
    empty = Repository.create(tmp_path / "empty")
    assert os.listdir(checkout(empty.address, cache).directory) == []
