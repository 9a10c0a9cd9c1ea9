"""A commit of a git repository as a directory: fetched once, then known.

A repository's objects are kept below a cache directory, so a second build asks
only which commit a branch is at.  A checkout depends on the commit alone, but for times.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from lamina.context.git_address import GitSource, is_commit
from lamina.context.git_program import Git, GitFailed
from lamina.errors import Corrupt, NotFound
from lamina.sha256 import sha256
from lamina.store.atomic import locked

_FULL = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")


class NoSuchReference(NotFound):
    """The repository has no such branch, tag or commit."""


class WrongCommit(Corrupt):
    """A reference is at another commit than was promised."""


class NoSubdirectory(NotFound):
    """The commit has no such directory."""


class Fetched(msgspec.Struct, frozen=True):
    """A checkout."""

    commit: str
    directory: Path
    """What was asked for: the checkout, or its subdirectory."""
    committed: int
    """When the commit was made, in seconds since the epoch."""


class Commit(msgspec.Struct, frozen=True):
    """What a reference is at."""

    digest: str
    ref: str = ""
    """Its full name; empty for a commit that was named by its digest."""
    tag: str = ""
    """The digest of the tag, where the reference is an annotated one."""

    @property
    def wanted(self) -> str:
        """The object that brings everything."""
        return self.tag or self.digest


def resolve(source: GitSource, *, cache: Path, environment: Mapping[str, str]) -> Commit:
    """The commit that `source` means now.  A full digest is taken as it is, unasked.

    As in BuildKit a branch goes before a tag of its name.  Raises GitFailed, NoGit,
    NoSuchReference, WrongCommit.
    """
    if is_commit(source.ref):
        return _checked(source, Commit(source.ref))
    git = _git(source, environment)
    ref = source.ref or "HEAD"
    names = _names(git, source, ref, cache)
    ref = names.get(f"ref: {ref}", ref)
    for full in (ref, f"refs/{ref}", f"refs/heads/{ref}", f"refs/tags/{ref}"):
        if full in names:
            peeled = names.get(full + "^{}", names[full])
            tag = names[full] if names[full] != peeled else ""
            return _checked(source, Commit(peeled, "" if full == "HEAD" else full, tag))
    if len(ref) >= 4 and all(each in "0123456789abcdef" for each in ref):
        return _checked(source, Commit(_abbreviated(source, git, cache)))
    raise NoSuchReference(
        f"{source.shown} has no branch, tag or commit {ref}", hint="check the spelling"
    )


def _names(git: Git, source: GitSource, ref: str, cache: Path) -> dict[str, str]:
    """What the remote says of `ref`: digests by full name, and where `HEAD` leads."""
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    said = git.run(
        "ls-remote", "--symref", "--", source.remote, ref, f"{ref}^{{}}", directory=cache
    )
    names: dict[str, str] = {}
    for line in said.decode("utf-8", "surrogateescape").splitlines():
        what, _, name = line.partition("\t")
        if what.startswith("ref: "):
            # The branch has the digest that HEAD has: the next line says it.
            names[f"ref: {name}"] = what.removeprefix("ref: ")
        else:
            names[names.get(f"ref: {name}", name)] = what
    return names


def _checked(source: GitSource, found: Commit) -> Commit:
    if any(each.startswith(source.checksum) for each in (found.digest, found.tag)):
        return found
    raise WrongCommit(
        f"{source.text} is at {found.digest}, and not at {source.checksum} as was promised"
    )


def _abbreviated(source: GitSource, git: Git, cache: Path) -> str:
    with _repository(source, git, cache) as repository:
        try:
            _fetch(git, source, repository, *_FULL)
            found = git.run(
                "rev-parse", "--verify", f"{source.ref}^{{commit}}", directory=repository
            )
        except GitFailed:
            raise NoSuchReference(f"{source.shown} has no one commit {source.ref}") from None
        return found.decode().strip()


def fetch(
    source: GitSource,
    directory: Path,
    *,
    cache: Path,
    keep_git_dir: bool,
    environment: Mapping[str, str],
    commit: Commit | None = None,
) -> Fetched:
    """Check out a commit, with its submodules, into `directory`, which is made.

    Files have mode 0644 or 0755 and directories 0755, whatever the umask; times are
    those of the checkout.  `commit` is what `resolve` said, if it was asked before.
    `keep_git_dir` leaves a repository of one commit in `.git`, as long as no
    subdirectory is asked for.  No hook is run.

    Raises GitFailed, NoGit, NoSuchReference, WrongCommit, NoSubdirectory; the
    caller removes what was written.
    """
    git = _git(source, environment)
    commit = commit or resolve(source, cache=cache, environment=environment)
    with _repository(source, git, cache) as repository:
        _need(git, source, repository, commit)
        directory.mkdir(mode=0o755, parents=True)
        directory.chmod(0o755)
        if keep_git_dir and not source.subdir:
            _clone(git, source, repository, commit, directory)
        else:
            _export(git, source, repository, commit.digest, directory)
        committed = _committed(git, repository, commit)
    return Fetched(commit.digest, _subdirectory(source, directory), committed)


def _committed(git: Git, repository: Path, commit: Commit) -> int:
    command = ("log", "-1", "--no-show-signature", "--format=%ct", commit.digest, "--")
    return int(git.run(*command, directory=repository, alone=True))


def _git(source: GitSource, environment: Mapping[str, str]) -> Git:
    files = source.remote.startswith("file://")
    return Git(environment, files_allowed=files, subject=source.shown)


@contextmanager
def _repository(source: GitSource, git: Git, cache: Path) -> Iterator[Path]:
    """The cached repository of a remote, for one process at a time."""
    name = sha256(source.remote.encode("utf-8", "surrogateescape")).hex()[:32]
    place = cache / "git" / name
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locked(place.with_name(name + ".lock")):
        if not (place / "HEAD").exists():
            shutil.rmtree(place, ignore_errors=True)
            git.run("init", "--bare", "--quiet", str(place), directory=place.parent, alone=True)
        # What a killed fetch left locked; nobody else is at work here.
        for lock in place.glob("*.lock"):
            lock.unlink()
        yield place


def _need(git: Git, source: GitSource, repository: Path, commit: Commit) -> None:
    """Fetch a commit, alone if the server lets it, unless it is here.

    A reference of its name keeps it, and tells the server the next time what is here.
    """
    if _has(git, repository, commit.wanted):
        return
    here = f"+{commit.wanted}:refs/lamina/{commit.wanted}"
    attempts: list[tuple[str, ...]] = [("--depth=1", here)]
    if commit.ref:
        attempts.append(("--depth=1", f"+{commit.ref}:refs/lamina/last"))
    for attempt in (*attempts, _FULL):
        try:
            _fetch(git, source, repository, *attempt)
        except GitFailed:
            if attempt is _FULL:
                raise
        if _has(git, repository, commit.wanted):
            return
    raise NoSuchReference(f"{source.shown} has no commit {commit.digest}")


def _fetch(git: Git, source: GitSource, repository: Path, *what: str) -> None:
    if what == _FULL and (repository / "shallow").exists():
        what = ("--unshallow", *what)
    flags = [each for each in what if each.startswith("--")]
    git.run(
        *("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--force", *flags),
        *("--", source.remote, *what[len(flags) :]),
        directory=repository,
    )


def _has(git: Git, repository: Path, commit: str) -> bool:
    try:
        git.run("cat-file", "-e", f"{commit}^{{tree}}", directory=repository, alone=True)
    except GitFailed:
        return False
    return True


def _export(git: Git, source: GitSource, repository: Path, commit: str, directory: Path) -> None:
    """The files alone, by a repository that borrows the cached one's objects and goes again."""
    own = Path(tempfile.mkdtemp(dir=directory.parent, prefix=".git-"))
    try:
        git.run("init", "--bare", "--quiet", str(own), directory=own, alone=True)
        (own / "objects" / "info").mkdir(exist_ok=True)
        (own / "objects" / "info" / "alternates").write_text(f"{repository / 'objects'}\n")
        if (repository / "shallow").exists():
            shutil.copy(repository / "shallow", own / "shallow")
        where = (f"--git-dir={own}", f"--work-tree={directory}")
        git.run(*where, "read-tree", "--reset", "-u", commit, directory=directory, alone=True)
        if _submodules(git, source, directory, where):
            for place in directory.rglob(".git"):
                place.unlink()
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _clone(git: Git, source: GitSource, repository: Path, commit: Commit, directory: Path) -> None:
    """Files and a repository of that one commit, under the name of its reference."""
    git.run("init", "--quiet", directory=directory, alone=True)
    kept = f"refs/lamina/{commit.wanted}"
    git.run("update-ref", kept, commit.wanted, directory=repository, alone=True)
    git.run(
        *("fetch", "--quiet", "--no-tags", "--depth=1", "--update-head-ok"),
        *(f"file://{repository}", f"+{kept}:{commit.ref}" if commit.ref else kept),
        directory=directory,
        alone=True,
    )
    git.run("checkout", "--quiet", "--detach", commit.digest, directory=directory, alone=True)
    git.run("config", "remote.origin.url", source.shown, directory=directory, alone=True)
    _submodules(git, source, directory, ())
    (directory / ".git" / "FETCH_HEAD").unlink(missing_ok=True)
    shutil.rmtree(directory / ".git" / "logs", ignore_errors=True)


def _submodules(git: Git, source: GitSource, directory: Path, where: tuple[str, ...]) -> bool:
    """Check out submodules, unless the address says no; whether there are any."""
    if source.submodules is False or not (directory / ".gitmodules").is_file():
        return False
    # Their addresses may be relative to the remote's.
    command = ("-c", f"remote.origin.url={source.remote}", *where)
    update = ("submodule", "--quiet", "update", "--init", "--recursive")
    try:
        git.run(*command, *update, "--depth=1", directory=directory)
    except GitFailed as error:
        if "depth" not in str(error) and "shallow" not in str(error):
            raise
        git.run(*command, *update, directory=directory)
    return True


def _subdirectory(source: GitSource, directory: Path) -> Path:
    """The subdirectory; a symbolic link on the way could lead out of the checkout."""
    for part in source.subdir.split("/") if source.subdir else ():
        directory = directory / part
        if directory.is_symlink() or not directory.is_dir():
            raise NoSubdirectory(
                f"{source.shown} has no directory {source.subdir}", hint="check the subdirectory"
            )
    return directory
