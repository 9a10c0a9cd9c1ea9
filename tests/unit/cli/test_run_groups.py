"""The options of `run` and `create` about the process, mounts and security, as values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest

from lamina.cli import run_mounts, run_process, run_security
from lamina.cli.declared import Option, add
from lamina.cli.run_process import BadProcessOption
from lamina.cli.run_security import BadSecurityOption
from lamina.errors import Invalid
from lamina.linux.devices import Device
from lamina.run.mount_request import MountRequest


def values(options: tuple[Option, ...], *args: str) -> dict[str, Any]:
    """What click makes of the arguments."""
    command = add(options)(click.Command("run"))
    return command.make_context("run", list(args)).params


def process(*args: str, **environment: str) -> run_process.ProcessOptions:
    return run_process.read(values(run_process.OPTIONS, *args), environment)


def security(*args: str) -> run_security.SecurityOptions:
    return run_security.read(values(run_security.OPTIONS, *args))


def test_nothing_given_is_dockers_default() -> None:
    assert process() == run_process.ProcessOptions()
    assert run_mounts.read(values(run_mounts.OPTIONS)) == run_mounts.MountOptions()
    found = security()
    assert not found.security.no_new_privileges
    assert found.security.seccomp == ""
    assert found.namespaces.pid == found.namespaces.ipc == "private"
    assert found.warnings == ()


def test_the_process() -> None:
    found = process(
        "-e", "A=1", "-e", "HOME", "-u", "1:2", "--group-add", "3", "-w", "/x", HOME="/h"
    )
    assert (found.env, found.user, found.groups, found.workdir) == (
        ("A=1", "HOME=/h"), "1:2", ("3",), "/x",
    )  # fmt: skip
    assert process("-l", "a=b=c", "-l", "d").labels == {"a": "b=c", "d": ""}
    assert process("--sysctl", "net.a=1").sysctls == {"net.a": "1"}


@pytest.mark.parametrize(
    "args",
    [("-w", "x"), ("-l", "=x"), ("--oom-score-adj", "1001"), ("--sysctl", "kernel.panic=1"),
     ("--add-host", "a"), ("--add-host", "a:b"), ("-h", "-"), ("--env-file", "/none/such"),
     ("--label-file", "/")],
)  # fmt: skip
def test_bad_process_options(args: tuple[str, ...]) -> None:
    with pytest.raises((Invalid, click.BadParameter)):
        process(*args)


def test_lines_of_files_come_before_those_of_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("A=file\n# no\n\nB\nHOME\n")
    assert process("-e", "A=line", "--env-file", str(file), HOME="/h").env == (
        "A=file", "HOME=/h", "A=line",
    )  # fmt: skip
    file.write_bytes(b"A=\xff\n")
    with pytest.raises(BadProcessOption, match="not UTF-8"):
        process("--env-file", str(file))


def test_mounts() -> None:
    args = ("-v", "/a:/b", "--tmpfs", "/t", "--volumes-from", "db:ro", "--shm-size", "1g")
    found = run_mounts.read(values(run_mounts.OPTIONS, *args))
    assert found.requests == (
        MountRequest("bind", "/b", "/a", make_source=True),
        MountRequest("tmpfs", "/t"),
    )
    assert (found.inherited, found.shm_size) == ((("db", True),), 1 << 30)


def test_security(tmp_path: Path) -> None:
    profile = tmp_path / "p.json"
    profile.write_text('{"defaultAction": "SCMP_ACT_ALLOW"}')
    found = security(
        *("--security-opt", f"seccomp={profile}", "--security-opt", "no-new-privileges:true"),
        *("--security-opt", "systempaths=unconfined", "--device", "/dev/a:/dev/b:r"),
        *("--pid", "host", "--ipc", "container:x", "--cgroupns", "host"),
    )
    assert found.security.seccomp == profile.read_text()
    assert found.security.no_new_privileges
    assert found.security.unmasked
    assert found.devices == (Device("/dev/a", "/dev/b", "r"),)
    assert (found.namespaces.pid, found.namespaces.ipc) == ("host", "container:x")
    assert found.namespaces.cgroup == "host"
    assert security("--security-opt", "seccomp=builtin").security.seccomp == ""
    assert security("--security-opt", "seccomp=unconfined").security.seccomp == "unconfined"


@pytest.mark.parametrize(
    "args",
    [("--security-opt", "x"), ("--security-opt", "seccomp="), ("--security-opt", "seccomp=/none"),
     ("--security-opt", "no-new-privileges=maybe"), ("--security-opt", "systempaths=all"),
     ("--pid", "other"), ("--ipc", "container:"), ("--uts", "shareable"),
     ("--cgroupns", "container:x"), ("--cap-add", "nope"), ("--device", "x")],
)  # fmt: skip
def test_bad_security_options(args: tuple[str, ...]) -> None:
    with pytest.raises(Invalid):
        security(*args)


def test_a_name_of_its_own_and_the_hosts_do_not_go_together() -> None:
    given = {**values(run_security.OPTIONS, "--uts", "host"), "hostname": "x"}
    with pytest.raises(BadSecurityOption, match="conflicting options"):
        run_security.read(given)


def test_users_of_its_own() -> None:
    assert security().namespaces.user == "host"
    assert security("--userns", "host").namespaces.user == "host"
    assert security("--userns", "private").namespaces.user == "private"
    assert security("--userns", "container:web").namespaces.user == "container:web"
    for wrong in ("auto", "container:"):
        with pytest.raises(BadSecurityOption, match="invalid user mode"):
            security("--userns", wrong)
    with pytest.raises(BadSecurityOption, match="--privileged is for the host's user namespace"):
        security("--userns", "private", "--privileged")
