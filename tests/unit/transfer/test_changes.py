"""`--change`: one instruction of a Dockerfile each."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from lamina.oci.config import Execution
from lamina.transfer.changes import BadChange, apply_changes


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        ('CMD ["bash", "-l"]', "cmd", ("bash", "-l")),
        ("CMD echo $HOME", "cmd", ("/bin/sh", "-c", "echo $HOME")),
        ('cmd ["bash"]', "cmd", ("bash",)),
        ('ENTRYPOINT ["/init"]', "entrypoint", ("/init",)),
        ("ENTRYPOINT exec top", "entrypoint", ("/bin/sh", "-c", "exec top")),
        ("ENV A=1 B='two words'", "env", ("A=1", "B=two words")),
        ("ENV A two words", "env", ("A=two words",)),
        ("ENV A=", "env", ("A=",)),
        ("EXPOSE 80 53/udp", "exposed_ports", {"80/tcp": {}, "53/udp": {}}),
        ('LABEL org.x="a b" y=z', "labels", {"org.x": "a b", "y": "z"}),
        ("ONBUILD RUN true", "on_build", ("RUN true",)),
        ("STOPSIGNAL SIGINT", "stop_signal", "SIGINT"),
        ("USER nobody:nogroup", "user", "nobody:nogroup"),
        ('VOLUME ["/data", "/log"]', "volumes", {"/data": {}, "/log": {}}),
        ("VOLUME /data /log", "volumes", {"/data": {}, "/log": {}}),
        ("WORKDIR /srv", "working_dir", "/srv"),
    ],
)
def test_one_instruction(change: str, field: str, value: Any) -> None:
    assert apply_changes(Execution(), [change]) == msgspec.structs.replace(
        Execution(), **{field: value}
    )


def test_changes_add_up() -> None:
    before = Execution(env=("PATH=/bin", "A=1"), labels={"x": "1"}, working_dir="/srv")
    after = apply_changes(before, ["ENV A=2 C=3", "LABEL y=2", "WORKDIR app", "USER me"])
    assert after.env == ("PATH=/bin", "A=2", "C=3")
    assert after.labels == {"x": "1", "y": "2"}
    assert after.working_dir == "/srv/app"
    assert after.user == "me"


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ("RUN rm -rf /", "not a change to an image"),
        ("", "not a change to an image"),
        ("CMD", "CMD without a value"),
        ("ENV A", "has no value"),
        ("ENV A=1 B", "not NAME=VALUE"),
        ("ENV A='open", "cannot be read as words"),
        ("EXPOSE http", "not a port"),
        ("VOLUME [1]", "not a JSON list of strings"),
    ],
)
def test_what_makes_no_sense_is_refused(change: str, match: str) -> None:
    with pytest.raises(BadChange, match=match):
        apply_changes(Execution(), [change])
