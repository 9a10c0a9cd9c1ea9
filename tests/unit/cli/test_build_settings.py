"""Build arguments, labels and platforms as the command line has them."""

from __future__ import annotations

import pytest

from lamina.cli import build_settings
from lamina.cli.build_settings import BadOption, pairs, platforms
from lamina.errors import EngineError
from lamina.oci.platform import Platform

ARM = Platform("arm64")


@pytest.fixture(autouse=True)
def amd64(monkeypatch: pytest.MonkeyPatch) -> None:
    """This host is an amd64."""

    def host(text: str | None) -> Platform:
        return Platform.parse(text, host=Platform("amd64")) if text else Platform("amd64")

    monkeypatch.setattr(build_settings, "host_platform", host)


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        ([], [Platform("amd64")]),
        (["linux/arm64/v8"], [ARM]),
        (["local"], [Platform("amd64")]),
        (["linux/amd64,linux/arm64"], [Platform("amd64"), ARM]),
        (["linux/arm/v7, arm64", "386"], [Platform("arm", variant="v7"), ARM, Platform("386")]),
    ],
)
def test_platforms(texts: list[str], found: list[Platform]) -> None:
    assert platforms(texts) == found


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["linux/arm64,linux/arm64/v8"], "linux/arm64 twice"),
        (["linux/amd64", "local"], "linux/amd64 twice"),
        (["windows/amd64"], "windows/amd64 cannot be built for"),
        (["linux/arm64,"], "an empty platform"),
        (["a/b/c/d"], "not a platform"),
    ],
)
def test_platforms_that_cannot_be(texts: list[str], message: str) -> None:
    with pytest.raises(EngineError, match=message):
        platforms(texts)


def test_build_arguments_may_come_from_the_environment() -> None:
    found = pairs(["A=1", "B", "C", "D=", "E=x=y"], "build argument", {"B": "2"})
    assert found == {"A": "1", "B": "2", "D": "", "E": "x=y"}
    with pytest.raises(BadOption, match="not a build argument: '=1'"):
        pairs(["=1"], "build argument", {})


def test_a_label_without_a_value_is_empty() -> None:
    assert pairs(["a", "b=1"], "label", {"a": "2"}) == {"a": "", "b": "1"}


def test_what_is_no_utf_8_fits_into_no_configuration() -> None:
    with pytest.raises(BadOption, match="a label is not UTF-8: 'a'"):
        pairs(["a=caf\udce9"], "label", {})
    with pytest.raises(BadOption, match="a build argument is not UTF-8: 'B'"):
        pairs(["B"], "build argument", {"B": "\udce9"})
