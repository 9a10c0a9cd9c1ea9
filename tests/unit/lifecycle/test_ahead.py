"""A watcher that waits for its orders, and what becomes of it when none come."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from lamina.lifecycle.report import Report

_FORKED = """
import os, sys
from lamina.lifecycle.ahead import fork_ahead
from lamina.store.root import open_store

root = sys.argv[1]
store = open_store(__import__("pathlib").Path(root))
ahead = fork_ahead(lambda: open(root + ".loaded", "x").close())
assert ahead is not None

def told():
    with open(ahead.ready, "rb") as stream:
        return stream.read().decode()

def ended():
    _, status = os.waitpid(ahead._pid, 0)
    return os.waitstatus_to_exitcode(status)
"""
"""With one thread alone, as a command line has."""


def after(code: str, root: Path) -> str:
    """What is printed by code that has such a watcher."""
    return subprocess.run(
        [sys.executable, "-c", _FORKED + code, os.fspath(root / "store")],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout


def test_it_ends_with_who_would_give_its_orders(tmp_path: Path) -> None:
    code = "os.close(ahead._orders); print(repr(told()), ended())"
    assert after(code, tmp_path) == "'' 0\n"


def test_half_an_order_is_none(tmp_path: Path) -> None:
    code = """
ahead.announce(network=False)
ahead._say(f"foreground {'e' * 64} {root}")
os.close(ahead._orders)
print(repr(told()), ended())
"""
    assert after(code, tmp_path) == "'' 0\n"


def test_nothing_is_left_of_one_that_is_dismissed(tmp_path: Path) -> None:
    code = """
before = set(os.listdir("/proc/self/fd"))
another = fork_ahead(lambda: None)
another.dismiss()
print(set(os.listdir("/proc/self/fd")) == before)
try:
    os.waitpid(another._pid, 0)
except ChildProcessError:
    print("reaped")
ahead.dismiss()
"""
    assert after(code, tmp_path) == "True\nreaped\n"


@pytest.mark.parametrize("network", [True, False])
@pytest.mark.parametrize("foreground", [True, False])
def test_what_is_in_the_way_of_an_order_is_reported(
    foreground: bool, network: bool, tmp_path: Path
) -> None:
    code = f"""
ahead.announce(network={network})
ahead.order(root, "e" * 64, foreground={foreground})
print(told())
assert os.path.exists(root + ".loaded")
assert (ahead.connection >= 0) == {foreground}
"""
    report = msgspec.json.decode(after(code, tmp_path), type=Report)
    assert report.kind == "not-found"
    assert "eeeeeeeeeeee" in report.message


def test_an_order_to_one_that_was_killed_is_no_error(tmp_path: Path) -> None:
    code = """
os.kill(ahead._pid, 9)
ended()
ahead.announce(network=True)
ahead.order(root, "e" * 64, foreground=True)
print(repr(told()))
"""
    assert after(code, tmp_path) == "''\n"


def test_without_room_for_a_process_there_is_none(tmp_path: Path) -> None:
    code = """
def refuse():
    raise BlockingIOError("no room")

before = set(os.listdir("/proc/self/fd"))
os.fork = refuse
print(fork_ahead(lambda: None), set(os.listdir("/proc/self/fd")) == before)
ahead.dismiss()
"""
    assert after(code, tmp_path) == "None True\n"


def test_little_is_loaded_before_it_is_forked() -> None:
    code = "import sys, lamina.lifecycle.ahead; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:] = {sys.path}; {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.split())
    assert not loaded & {"msgspec", "typing", "re", "pathlib", "lamina.lifecycle.watcher"}
