"""Modes of --chmod, against chmod(1) and where BSD's differ from that."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.plan.mode import BadMode, Mode


@pytest.mark.parametrize(
    ("text", "before", "of_file", "of_directory"),
    [
        ("0644", 0o4755, 0o644, 0o644),
        ("4755", 0, 0o4755, 0o4755),
        ("00000755", 0, 0o755, 0o755),
        ("u=rwX,go=rX", 0o600, 0o644, 0o755),
        ("u=rwX,go=rX", 0o700, 0o755, 0o755),
        ("+x", 0o644, 0o755, 0o755),
        ("a-w", 0o666, 0o444, 0o444),
        ("go-rwx", 0o777, 0o700, 0o700),
        ("g=u", 0o640, 0o660, 0o660),
        ("go=u-w", 0o750, 0o755, 0o755),
        ("u+s,g+s,+t", 0o755, 0o7755, 0o7755),
        ("u=", 0o4755, 0o055, 0o055),
        ("u+", 0o644, 0o644, 0o644),
        ("-", 0o644, 0o644, 0o644),
        ("u=rx-x+w", 0o000, 0o600, 0o600),
        # What X means is settled by the mode before: chmod(1) of GNU looks at the one so far.
        ("=rw,+X", 0o755, 0o777, 0o777),
        ("a-x,+X", 0o711, 0o711, 0o711),
        ("o+s", 0o644, 0o644, 0o644),
        ("o+t", 0o644, 0o644, 0o644),
        ("a=r", 0o1777, 0o1444, 0o1444),
    ],
)
def test_modes(text: str, before: int, of_file: int, of_directory: int) -> None:
    mode = Mode.parse(text)
    assert oct(mode.apply(before, directory=False)) == oct(of_file)
    assert oct(mode.apply(before, directory=True)) == oct(of_directory)


@pytest.mark.parametrize(
    "text", ["", "8", "64a", "10000", "0o644", "u", "x", "u=z", "u+x,", ",u+x", "u +x", "u=rwX;"]
)
def test_what_is_no_mode(text: str) -> None:
    with pytest.raises(BadMode, match="not a mode"):
        Mode.parse(text)


WHO = st.text("ugo", min_size=1, max_size=3)
SIGN = st.sampled_from("+-=")
ACTION = st.one_of(
    st.tuples(SIGN, st.text("rwxs", max_size=4)), st.tuples(SIGN, st.sampled_from("ugo"))
)
CLAUSE = st.builds(
    lambda who, actions: who + "".join(sign + what for sign, what in actions),
    WHO,
    st.lists(ACTION, min_size=1, max_size=3),
)
CONDITIONAL = st.builds(lambda who, sign: f"{who}{sign}rX", WHO, SIGN)
CLAUSES = st.builds(
    lambda first, rest: ",".join([*first, *rest]),
    st.lists(CONDITIONAL, max_size=1),
    st.lists(CLAUSE, min_size=1, max_size=4),
)


@settings(max_examples=60, deadline=None)
@given(text=CLAUSES, before=st.integers(0, 0o777), directory=st.booleans())
def test_modes_are_those_of_chmod(
    tmp_path_factory: pytest.TempPathFactory, text: str, before: int, directory: bool
) -> None:
    chmod = shutil.which("chmod")
    if chmod is None:
        pytest.skip("needs chmod")
    place = tmp_path_factory.mktemp("mode") / "it"
    place.mkdir() if directory else place.touch()
    place.chmod(before)
    # GNU keeps a directory's set-id bits whatever is asked for, unless it is said twice.
    mask = 0o777 if directory else 0o7777
    subprocess.run([chmod, "--", text, place], check=True)
    ours = Mode.parse(text).apply(before, directory=directory)
    assert oct(ours & mask) == oct(stat.S_IMODE(os.lstat(place).st_mode) & mask)
    _remove(place)


def _remove(place: Path) -> None:
    place.chmod(0o700)
    place.rmdir() if place.is_dir() else place.unlink()
