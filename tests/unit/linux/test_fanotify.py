from __future__ import annotations

import os
from pathlib import Path

import pytest

from lamina.linux import fanotify
from tests.rights import roots_alone

needs_root = roots_alone("watching a file system by fanotify")


@needs_root
def test_what_is_opened_is_told_and_then_no_more(tmp_path: Path) -> None:
    group = fanotify.group()
    try:
        fanotify.mark(group, str(tmp_path))
        assert os.fsencode(tmp_path / "one") not in set(fanotify.opened(group))
        (tmp_path / "one").write_text("x")
        (tmp_path / "two").write_text("x")
        found = list(fanotify.opened(group))
        assert os.fsencode(tmp_path / "one") in found
        assert os.fsencode(tmp_path / "two") in found
    finally:
        os.close(group)


@needs_root
def test_many_events_are_told_with_few_descriptors(tmp_path: Path) -> None:
    names = [tmp_path / str(number) for number in range(3000)]
    group = fanotify.group()
    try:
        fanotify.mark(group, str(tmp_path))
        for name in names:
            name.touch()
        assert {os.fsencode(name) for name in names} <= set(fanotify.opened(group))
    finally:
        os.close(group)


@needs_root
def test_a_pipe_stops_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    group = fanotify.group()
    try:
        fanotify.mark(group, str(tmp_path))
        os.close(os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK))
        (tmp_path / "one").touch()
        assert os.fsencode(tmp_path / "one") in set(fanotify.opened(group))
    finally:
        os.close(group)


def test_a_mark_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="fanotify_mark"):
        fanotify.mark(-1, str(tmp_path))
