"""Which kernel parameters a container may have."""

from __future__ import annotations

import pytest

from lamina.run.sysctl import BadSysctl, SharedSysctl, check_namespaces, parse_sysctl, path_of


@pytest.mark.parametrize(
    ("text", "name", "path"),
    [
        ("net.ipv4.ip_forward=1", "net.ipv4.ip_forward", "net/ipv4/ip_forward"),
        ("net/ipv4/ip_forward=1", "net.ipv4.ip_forward", "net/ipv4/ip_forward"),
        # An interface with a dot in its name, in both manners.
        ("net/ipv4/conf/eth0.1/forwarding=1", "net.ipv4.conf.eth0/1.forwarding",
         "net/ipv4/conf/eth0.1/forwarding"),
        ("net.ipv4.conf.eth0/1.forwarding=1", "net.ipv4.conf.eth0/1.forwarding",
         "net/ipv4/conf/eth0.1/forwarding"),
        ("kernel.shm_rmid_forced=1", "kernel.shm_rmid_forced", "kernel/shm_rmid_forced"),
        ("fs.mqueue.msg_max=1", "fs.mqueue.msg_max", "fs/mqueue/msg_max"),
    ],
)  # fmt: skip
def test_names_and_paths(text: str, name: str, path: str) -> None:
    assert parse_sysctl(text) == (name, "1")
    assert path_of(name) == path


@pytest.mark.parametrize(
    "text",
    ["", "net.ipv4.ip_forward", "kernel.panic=1", "vm.swappiness=1", "kernel.hostname=x",
     "net..ipv4=1", "net.//.kernel=1", "net/../kernel/panic=1", "kernel.domainname=x", "net.=1"],
)  # fmt: skip
def test_what_is_not_a_containers(text: str) -> None:
    with pytest.raises(BadSysctl, match="is not allowed"):
        parse_sysctl(text)


def test_no_path_leads_out_of_the_family() -> None:
    for text in ("net.//.kernel.panic=1", "net.//.//.kernel=1", "net/a/../../kernel/panic=1"):
        with pytest.raises(BadSysctl):
            parse_sysctl(text)


def test_shared_namespaces_have_none() -> None:
    check_namespaces({"net.a": "1", "kernel.sem": "1"}, network="none", ipc="private")
    with pytest.raises(SharedSysctl, match="network namespace"):
        check_namespaces({"net.a": "1"}, network="host", ipc="private")
    with pytest.raises(SharedSysctl, match="ipc namespace"):
        check_namespaces({"kernel.sem": "1"}, network="none", ipc="host")
