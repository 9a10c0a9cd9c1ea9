"""Layers by a part of their instruction."""

from __future__ import annotations

import pytest

from lamina.explain.instructions import NoSuchInstruction, layers_by
from lamina.oci.config import History, ImageConfig
from lamina.oci.platform import Platform
from tests.fakes.stacks import numbered, stack_of
from tests.unit.layer.stacks import listing

INSTRUCTIONS = ["ADD rootfs.tar /", "RUN apt-get update", "RUN apt-get install curl", "COPY . /"]
CONFIG = ImageConfig.scratch(Platform("amd64")).amend(
    history=[History("", "ENV LANG=C", empty_layer=True)]
)
STACK = stack_of([listing(f"f {at} 1") for at in range(4)], numbered(INSTRUCTIONS), config=CONFIG)


@pytest.mark.parametrize(
    ("text", "layers"),
    [("apt-get", [1, 2]), ("APT-get UPDATE", [1]), ("copy", [3]), ("buildkit", [0, 1, 2, 3])],
)
def test_a_part_of_the_text_is_enough(text: str, layers: list[int]) -> None:
    assert layers_by(STACK, text) == layers


def test_near_instructions_are_named() -> None:
    with pytest.raises(NoSuchInstruction) as caught:
        layers_by(STACK, "apt-gte")
    assert str(caught.value) == "no instruction of demo:latest contains 'apt-gte'"
    assert caught.value.hint == "similar there: RUN apt-get update; RUN apt-get install curl"


def test_an_instruction_that_makes_no_layer_is_said_to() -> None:
    with pytest.raises(NoSuchInstruction, match="'lang=c': that instruction makes none"):
        layers_by(STACK, "lang=c")


def test_an_image_that_writes_on_terminals() -> None:
    stack = stack_of([listing("f a 1")], numbered(["RUN \x1b[2J"]))
    with pytest.raises(NoSuchInstruction) as caught:
        layers_by(stack, "x")
    assert caught.value.hint == "similar there: RUN \\e[2J"
