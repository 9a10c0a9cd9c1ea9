"""Names and sets of capabilities."""

from __future__ import annotations

import pytest

from lamina.linux.capability import ALL, DEFAULT, NAMES, BadCapability, granted, mask, named


def test_the_default_set_is_dockers() -> None:
    assert mask(DEFAULT) == 0xA80425FB
    assert len(DEFAULT) == 14


def test_numbers_are_the_kernels() -> None:
    assert (NAMES.index("SYS_ADMIN"), NAMES.index("CHECKPOINT_RESTORE")) == (21, 40)


def test_names_in_any_form() -> None:
    assert named("cap_net_admin") == named("NET_ADMIN") == frozenset({"NET_ADMIN"})
    assert named("all") == ALL
    with pytest.raises(BadCapability, match="FLY"):
        named("FLY")


def test_adding_and_dropping() -> None:
    assert granted([], []) == DEFAULT
    assert granted(["SYS_ADMIN"], ["KILL"]) == (DEFAULT | {"SYS_ADMIN"}) - {"KILL"}
    assert granted([], ["all"]) == frozenset()
    assert granted(["KILL"], ["all"]) == {"KILL"}
    assert granted(["all"], ["KILL"]) == ALL - {"KILL"}
