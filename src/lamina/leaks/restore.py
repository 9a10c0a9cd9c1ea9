"""Copies of files out of layers, written to the host: whole or not at all, and nowhere else."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from lamina.errors import Exists, Invalid
from lamina.explain.stack import Stack
from lamina.layer.entry import os_path
from lamina.leaks.recover import Copy
from lamina.store.atomic import write_whole
from lamina.store.errors import LayerDamaged, writing

_PIECE = 1 << 20
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class TargetExists(Exists):
    """Something has the name already."""

    def __init__(self, path: Path | str) -> None:
        super().__init__(f"{path} exists", hint="--force replaces it")


class BadTarget(Invalid):
    """Nothing can be written there."""


def pieces(stack: Stack, copy: Copy) -> Iterator[bytes]:
    """The content of a copy.  Raises LayerDamaged at its end unless it is what the listing says."""
    from hashlib import sha256

    content = copy.content
    digest, size = sha256(), 0
    with stack.open(copy.layer, content) as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
            size += len(piece)
            yield piece
    if content.sha256 and digest.digest() != content.sha256:
        raise LayerDamaged(
            stack.listings[copy.layer].diff_id, f"{content.path} has another sha256 than it should"
        )


def restore_file(stack: Stack, copy: Copy, target: Path, *, force: bool = False) -> Path:
    """Write a copy to `target`, or into it when it is a directory; returns where it is.

    The mode is the file's, without set-id bits and what the umask forbids.  Something is there
    when all of it is: it is written under another name and renamed.
    Raises TargetExists unless `force`, BadTarget, LayerDamaged, NoSpace, NotPermitted.
    """
    if target.is_dir():
        target = target / Path(os.fsdecode(os_path(copy.path))).name
    with writing(target):
        try:
            directory = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise BadTarget(f"there is no directory {target.parent}") from None
        try:
            _write(stack, copy, directory, os.fsencode(target.name), target, force=force)
        finally:
            os.close(directory)
    return target


def restore_tree(
    stack: Stack, found: Sequence[Copy], below: str, target: Path, *, force: bool = False
) -> int:
    """Write copies into a directory, made if it is missing, by their paths below the clean path
    `below`; returns the bytes written.

    No link in `target` is followed on the way to a file, so nothing is written outside.
    Raises as restore_file does; what was written before stays.
    """
    size = 0
    with writing(target):
        os.makedirs(target, exist_ok=True)
        root = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for copy in found:
                path = copy.path[len(below) :].strip("/")
                size += _restore_below(stack, copy, root, path, target / path, force=force)
        finally:
            os.close(root)
    return size


def _restore_below(
    stack: Stack, copy: Copy, root: int, path: str, shown: Path, *, force: bool
) -> int:
    *parents, name = os_path(path).split(b"/")
    held = [os.dup(root)]
    try:
        for parent in parents:
            held.append(_enter(held[-1], parent, shown))
        _write(stack, copy, held[-1], name, shown, force=force)
    finally:
        for fd in held:
            os.close(fd)
    return copy.content.size


def _enter(directory: int, name: bytes, shown: Path) -> int:
    """Open a directory, made if it is missing; a link is none."""
    try:
        os.mkdir(name, dir_fd=directory)
    except FileExistsError:
        pass
    try:
        return os.open(name, _DIRECTORY, dir_fd=directory)
    except OSError as error:
        raise BadTarget(f"{shown} cannot be written: {error.strerror}") from error


def _write(
    stack: Stack, copy: Copy, directory: int, name: bytes, shown: Path, *, force: bool
) -> None:
    _require_free(directory, name, shown, force=force)
    temporary = b".lamina-" + os.urandom(4).hex().encode()
    fd = os.open(temporary, _NEW, copy.content.mode & 0o777, dir_fd=directory)
    try:
        for piece in pieces(stack, copy):
            write_whole(fd, piece)
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        os.unlink(temporary, dir_fd=directory)
        raise
    finally:
        os.close(fd)


def _require_free(directory: int, name: bytes, shown: Path, *, force: bool) -> None:
    try:
        there = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return
    if not force:
        raise TargetExists(shown)
    if not stat.S_ISREG(there.st_mode):
        raise BadTarget(f"{shown} is no regular file, and is not replaced")


def restore_to(stack: Stack, copy: Copy, output: BinaryIO) -> None:
    """Write a copy to a stream.  Raises LayerDamaged, when all of it has been written."""
    for piece in pieces(stack, copy):
        output.write(piece)
