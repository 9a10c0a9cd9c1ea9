"""sha256 of streams that are mostly files: on a thread, and in a process."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamina.layer.errors import BadLayer
from lamina.layer.hash_process import HashProcess
from lamina.layer.hashing import BackgroundHash, StreamHash

ways = pytest.mark.parametrize("make", [BackgroundHash, HashProcess])


@ways
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    parts=st.lists(
        st.tuples(st.booleans(), st.sampled_from([0, 1, 511, 65535, 65537, 700_000])), max_size=9
    )
)
def test_the_order_is_that_of_the_calls(
    make: Callable[[], StreamHash], tmp_path: Path, parts: list[tuple[bool, int]]
) -> None:
    expected = hashlib.sha256()
    with make() as ours:
        for number, (is_file, size) in enumerate(parts):
            content = bytes([number + 1]) * size
            expected.update(content)
            if is_file:
                place = tmp_path / str(number)
                place.write_bytes(content + b"and what belongs to somebody else")
                ours.feed_file(os.fsencode(place), size)
            else:
                ours.feed(content)
    assert ours.digest() == expected.digest()


@ways
@pytest.mark.parametrize("more", [0, 1 << 20])
def test_a_file_that_is_too_short(
    make: Callable[[], StreamHash], tmp_path: Path, more: int
) -> None:
    (tmp_path / "f").write_bytes(b"short")
    with pytest.raises(BadLayer, match="changed while it was read"), make() as ours:
        ours.feed_file(os.fsencode(tmp_path / "f"), 6)
        ours.feed(bytes(more))


@ways
def test_a_file_that_is_gone(make: Callable[[], StreamHash], tmp_path: Path) -> None:
    with pytest.raises((BadLayer, FileNotFoundError), match="No such file"), make() as ours:
        ours.feed_file(os.fsencode(tmp_path / "f"), 6)


@ways
def test_an_error_of_the_caller_is_the_one_that_is_raised(
    make: Callable[[], StreamHash], tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt), make() as ours:
        ours.feed(b"something")
        raise KeyboardInterrupt


def test_the_process_is_gone_at_the_end(tmp_path: Path) -> None:
    with HashProcess() as ours:
        child = ours._child
        assert Path(f"/proc/{child}").exists()
    assert not Path(f"/proc/{child}").exists()


def test_a_process_that_is_killed() -> None:
    with pytest.raises(BadLayer, match="was killed"), HashProcess() as ours:
        os.kill(ours._child, 9)
        ours.feed(bytes(1 << 20))
