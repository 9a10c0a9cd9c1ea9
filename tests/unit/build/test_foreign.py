"""Programs of other platforms: who runs them, and what is said when nobody does."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.build.foreign import NoEmulator, require_emulator
from lamina.dockerfile.parse import parse
from lamina.oci.platform import Platform
from lamina.plan.plan import plan
from lamina.plan.stage import Settings
from tests.unit.linux.test_binfmt import RULE, registry
from tests.unit.plan.test_plan import HOST, IMAGES, runs


def test_an_emulator_that_containers_reach(tmp_path: Path) -> None:
    require_emulator("linux/arm64", registry(tmp_path / "r", arm=RULE))


def test_without_one_it_says_what_to_install(tmp_path: Path) -> None:
    place = registry(tmp_path / "r", arm=RULE)
    with pytest.raises(NoEmulator, match="linux/riscv64 do not run on this host") as caught:
        require_emulator("linux/riscv64", place)
    assert "qemu-user-static" in caught.value.hint
    with pytest.raises(NoEmulator, match="linux/pdp11"):
        require_emulator("linux/pdp11", place)


def test_an_emulator_that_a_container_has_no_file_of(tmp_path: Path) -> None:
    place = registry(tmp_path / "r", arm=RULE.replace("POCF", "PO"))
    with pytest.raises(NoEmulator, match="without the flag F"):
        require_emulator("linux/arm64/v8", place)


def platforms_of_runs(text: str, platform: Platform) -> list[str]:
    """`RunOp.platform` of each RUN, built on an amd64 for `platform`."""
    settings = Settings(HOST, platform)
    found = plan(parse(text), settings, lambda name, _: IMAGES[name])
    return [run.platform for run in runs(found)]


@pytest.mark.parametrize(
    ("platform", "foreign"),
    [
        (Platform("amd64"), ""),
        (Platform("386"), ""),
        (Platform("amd64", variant="v2"), ""),
        (Platform("arm64"), "linux/arm64"),
        (Platform("arm", variant="v7"), "linux/arm/v7"),
    ],
)
def test_which_commands_are_foreign(platform: Platform, foreign: str) -> None:
    assert platforms_of_runs("FROM scratch\nRUN x\n", platform) == [foreign]


def test_a_stage_for_the_build_platform_is_not_foreign() -> None:
    text = "FROM --platform=$BUILDPLATFORM debian AS b\nRUN x\nFROM b\nRUN y\n"
    assert platforms_of_runs(text, Platform("arm64")) == ["", ""]
