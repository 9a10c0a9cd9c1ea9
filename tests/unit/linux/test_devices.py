"""Devices as options say them, and the rules that come of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lamina.linux.devices import (
    ANY,
    DEFAULT,
    BadDevice,
    Device,
    DeviceRule,
    NoDevice,
    found,
    parse_device,
    parse_rule,
    rules_for,
)


@pytest.mark.parametrize(
    ("text", "device"),
    [
        ("/dev/fuse", Device("/dev/fuse", "/dev/fuse", "rwm")),
        ("/dev/sda:/dev/xvdc", Device("/dev/sda", "/dev/xvdc", "rwm")),
        ("/dev/sda:/dev/xvdc:r", Device("/dev/sda", "/dev/xvdc", "r")),
        ("/dev/sda:rw", Device("/dev/sda", "/dev/sda", "rw")),
    ],
)
def test_devices(text: str, device: Device) -> None:
    assert parse_device(text) == device


@pytest.mark.parametrize(
    "text", ["", "fuse", "/dev/a:b", "/dev/a:/dev/b:x", "/dev/a:/b:/c:r", "/dev/a:rr"]
)
def test_what_is_no_device(text: str) -> None:
    with pytest.raises(BadDevice, match="not a device"):
        parse_device(text)


def test_rules() -> None:
    assert parse_rule("c 42:* rwm") == DeviceRule("c", 42, ANY, "rwm")
    assert str(parse_rule("b 8:1 r")) == "b 8:1 r"
    assert str(parse_rule("a *:* rwm")) == "a *:* rwm"


@pytest.mark.parametrize("text", ["", "c 42 r", "d 1:1 r", "c 1:1 x", "c -1:1 r", "c 1:1 r w"])
def test_what_is_no_rule(text: str) -> None:
    with pytest.raises(BadDevice, match="not a rule for devices"):
        parse_rule(text)


def test_the_node_of_a_device(tmp_path: Path) -> None:
    link = tmp_path / "zero"
    link.symlink_to("/dev/zero")
    devices = found(Device(str(link), "/dev/other", "r"))
    assert devices == [Device("/dev/zero", "/dev/other", "r")]
    assert rules_for(devices) == (*DEFAULT, DeviceRule("c", 1, 5, "r"))


def test_all_nodes_of_a_directory() -> None:
    devices = found(Device("/dev", "/dev/host/", "r"))
    assert Device("/dev/null", "/dev/host/null", "r") in devices
    assert not [each for each in devices if each.host.startswith("/dev/pts")]


def test_devices_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(NoDevice, match="no device /dev/none: No such file"):
        found(Device("/dev/none", "/dev/none"))
    with pytest.raises(BadDevice, match="is not a device node"):
        found(Device("/etc/passwd", "/dev/x"))
    with pytest.raises(BadDevice, match="there is no device node in"):
        found(Device(str(tmp_path), "/dev/x"))
    with pytest.raises(NoDevice):
        rules_for([Device("/dev/none", "/dev/none")])


def test_the_default_is_dockers() -> None:
    """Every node may be made; null, zero, full, random, urandom and terminals be opened."""
    openable = {(rule.major, rule.minor) for rule in DEFAULT if set(rule.permissions) & set("rw")}
    names = ("null", "zero", "full", "random", "urandom", "tty", "ptmx")
    devices = [os.stat(f"/dev/{name}").st_rdev for name in names]
    numbers = {(os.major(device), os.minor(device)) for device in devices}
    assert openable == numbers | {(5, 1), (136, ANY)}
