from __future__ import annotations

import pytest

from lamina.oci.document import encode
from lamina.oci.platform import BadPlatform, Platform

HOST = Platform("amd64")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("linux/amd64", "linux/amd64"),
        ("arm64", "linux/arm64"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/arm", "linux/arm/v7"),
        ("armhf", "linux/arm/v7"),
        ("armel", "linux/arm/v6"),
        ("linux/arm/6", "linux/arm/v6"),
        ("x86_64", "linux/amd64"),
        ("AArch64", "linux/arm64"),
        ("windows", "windows/amd64"),
        ("linux", "linux/amd64"),
        ("linux/amd64/v3", "linux/amd64/v3"),
    ],
)
def test_reading_what_users_write(text: str, expected: str) -> None:
    assert str(Platform.parse(text, host=HOST)) == expected


@pytest.mark.parametrize("text", ["", "/", "linux/", "a/b/c/d"])
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(BadPlatform):
        Platform.parse(text, host=HOST)


@pytest.mark.parametrize(
    ("want", "have", "rank"),
    [
        (Platform("arm64"), Platform("arm64", variant="v8"), 0),
        (Platform("arm", variant="v7"), Platform("arm"), 0),
        (Platform("arm", variant="v7"), Platform("arm", variant="v6"), 1),
        (Platform("arm", variant="v6"), Platform("arm", variant="v7"), None),
        (Platform("amd64", variant="v3"), Platform("amd64"), 2),
        (Platform("amd64"), Platform("amd64", variant="v3"), None),
        (Platform("amd64"), Platform("arm64"), None),
        (Platform("amd64"), Platform("amd64", "windows"), None),
    ],
)
def test_older_variants_run_on_newer_processors(
    want: Platform, have: Platform, rank: int | None
) -> None:
    assert want.rank(have) == rank


def test_machines_have_names() -> None:
    assert str(Platform.of_machine("aarch64")) == "linux/arm64"
    with pytest.raises(BadPlatform, match="pdp11"):
        Platform.of_machine("pdp11")


def test_the_operating_system_is_always_written() -> None:
    written = encode(Platform("arm64"))
    assert written == b'{"architecture":"arm64","os":"linux"}'
