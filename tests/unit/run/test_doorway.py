"""What lies ready for those who enter a container."""

from __future__ import annotations

import marshal
import sys
from pathlib import Path

import pytest

from lamina.linux import capability
from lamina.run.doorway import FILE, Doorway, read, write
from lamina.run.process import Program, SoftAndHard


def doorway(**changes: object) -> Doorway:
    fields: dict[str, object] = {
        "pid": 7,
        "since": 8,
        "groups": ("/g",),
        "env": ("PATH=/bin",),
        "cwd": "/srv",
        "user": "bob",
        "further": ("adm",),
        "capabilities": ("CHOWN",),
        "filter": b"f",
        "no_new_privileges": True,
        "limits": (("nofile", 1, 2),),
        "apparmor": "",
        "oom_score_adj": 5,
    }
    return Doorway(**{**fields, **changes})  # type: ignore[arg-type]


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    write(str(tmp_path), doorway())
    assert read(str(tmp_path)) == doorway()
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("version", [0, sys.hexversion + 1])
def test_what_another_python_wrote_is_not_read(tmp_path: Path, version: int) -> None:
    (tmp_path / FILE).write_bytes(marshal.dumps((1, version, {})))
    assert read(str(tmp_path)) is None


@pytest.mark.parametrize("raw", [b"", b"x", marshal.dumps(3), marshal.dumps((1, sys.hexversion))])
def test_what_cannot_be_read_is_none(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / FILE).write_bytes(raw)
    assert read(str(tmp_path)) is None
    assert read(str(tmp_path / "absent")) is None


def test_a_program_is_as_the_containers_own() -> None:
    role = doorway().role(("id",))
    assert role.process == Program(("id",), ("PATH=/bin",), "/srv", "bob", ("adm",))
    assert role.capabilities == {"CHOWN"}
    assert (role.filter, role.no_new_privileges, role.oom_score_adj) == (b"f", True, 5)
    assert role.limits == [SoftAndHard("nofile", 1, 2)]


def test_and_otherwise_as_it_is_asked_for() -> None:
    role = doorway().role(("id",), env=("A=1",), cwd="/", user="0", terminal=True, privileged=True)
    assert role.process == Program(("id",), ("PATH=/bin", "TERM=xterm", "A=1"), "/", "0", ())
    assert role.capabilities == capability.ALL
    assert role.filter == b"f", "privileges are no way around the filter"
    own = doorway(env=("TERM=vt100",)).role(("id",), terminal=True)
    assert own.process.env == ("TERM=vt100",)
