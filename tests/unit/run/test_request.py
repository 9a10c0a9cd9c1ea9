"""What a user's options and an image make together."""

from __future__ import annotations

import pytest

from lamina.oci.config import Execution
from lamina.run.request import (
    BadHostname,
    NoCommand,
    RunRequest,
    check_hostname,
    command,
    environment,
    environment_lines,
    process,
)

IMAGE = Execution(
    entrypoint=("entry",),
    cmd=("default",),
    env=("PATH=/bin", "A=image", "EMPTY"),
    user="bob",
    working_dir="/srv",
)


@pytest.mark.parametrize(
    ("request_", "args"),
    [
        (RunRequest(), ("entry", "default")),
        (RunRequest(command=("x", "-y")), ("entry", "x", "-y")),
        (RunRequest(entrypoint="new"), ("new",)),
        (RunRequest(entrypoint="new", command=("x",)), ("new", "x")),
        (RunRequest(entrypoint="", command=("x",)), ("x",)),
    ],
)
def test_command(request_: RunRequest, args: tuple[str, ...]) -> None:
    assert command(IMAGE, request_) == args


def test_an_image_without_a_command_needs_one() -> None:
    for request in (RunRequest(), RunRequest(entrypoint="")):
        with pytest.raises(NoCommand):
            command(Execution(), request)
    with pytest.raises(NoCommand):
        command(IMAGE, RunRequest(entrypoint=""))


def test_environment() -> None:
    lines = environment(IMAGE, RunRequest(env=("A=mine", "B=b=c"), terminal=True), hostname="h")
    assert lines == ("PATH=/bin", "HOSTNAME=h", "TERM=xterm", "A=mine", "EMPTY=", "B=b=c")
    plain = environment(Execution(), RunRequest(), hostname="h")
    assert plain[0].startswith("PATH=/usr/local/sbin:")
    assert len(plain) == 2


def test_process_takes_the_images_user_and_directory_unless_told() -> None:
    ours = process(IMAGE, RunRequest(), hostname="h")
    assert (ours.user, ours.cwd) == ("bob", "/srv")
    other = process(IMAGE, RunRequest(user="0", workdir="/"), hostname="h")
    assert (other.user, other.cwd) == ("0", "/")
    assert process(Execution(cmd=("a",)), RunRequest(), hostname="h").cwd == "/"


def test_bare_names_take_the_hosts_value() -> None:
    assert environment_lines(["A=1", "HOME", "NOT"], {"HOME": "/me"}) == ["A=1", "HOME=/me"]


def test_hostnames() -> None:
    assert check_hostname("web-1.example") == "web-1.example"
    assert check_hostname("") == ""
    for bad in ("-a", "a b", "a/b", "x" * 70, "ä"):
        with pytest.raises(BadHostname):
            check_hostname(bad)
