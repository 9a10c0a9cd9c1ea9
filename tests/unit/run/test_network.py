"""/etc/hosts."""

from __future__ import annotations

import pytest

from lamina.run.network import BadHost, hosts


def test_without_a_network_there_is_the_loopback() -> None:
    text = hosts("", "web", ["db:10.0.0.5", "six:[::1]", "eq=fe80::1"])
    lines = text.splitlines()
    assert lines[0] == "127.0.0.1\tlocalhost"
    assert lines[-4:] == ["127.0.0.1\tweb", "10.0.0.5\tdb", "::1\tsix", "fe80::1\teq"]


def test_in_the_hosts_network_its_names_are_known_and_so_is_our_own() -> None:
    text = hosts("127.0.0.1 localhost\n10.1.1.1 nas", "web", [])
    assert text.splitlines() == ["127.0.0.1 localhost", "10.1.1.1 nas", "127.0.0.1\tweb"]


def test_a_name_that_is_there_is_not_added_again() -> None:
    assert hosts("127.0.0.1 localhost web\n", "web", []) == "127.0.0.1 localhost web\n"


@pytest.mark.parametrize("text", ["db", "db:", ":1.2.3.4", "a b:1.2.3.4", "a:1.2.3.4\nevil"])
def test_bad_hosts(text: str) -> None:
    with pytest.raises(BadHost):
        hosts("", "web", [text])
