"""Instructions for people, and the image that an image starts from."""

from __future__ import annotations

import pytest

from lamina.explain.cause import Base, base_of, instruction, origins
from lamina.oci.config import History, ImageConfig
from lamina.oci.digest import Digest
from lamina.oci.platform import Platform

A, B, C, D = (Digest.of(letter) for letter in (b"a", b"b", b"c", b"d"))


@pytest.mark.parametrize(
    ("created_by", "shown"),
    [
        ("/bin/sh -c apt-get update", "RUN apt-get update"),
        ('/bin/sh -c #(nop)  CMD ["bash"]', 'CMD ["bash"]'),
        ("/bin/sh -c #(nop) ADD file:4b03… in / ", "ADD file:4b03… in /"),
        ("RUN /bin/sh -c apt-get update # buildkit", "RUN apt-get update"),
        ("RUN |2 A=1 B=x y /bin/sh -c make $A # buildkit", "RUN make $A"),
        ("|1 A=1 /bin/sh -c make", "RUN make"),
        ("COPY . /app # buildkit", "COPY . /app"),
        ("WORKDIR /home", "WORKDIR /home"),
        ("/bin/bash -o pipefail -c set -e", "RUN /bin/bash -o pipefail -c set -e"),
        ("RUN /bin/sh -c a &&\t\n   b # buildkit", "RUN a && b"),
        ("buildah made this", "buildah made this"),
    ],
)
def test_history_is_read_as_a_dockerfile(created_by: str, shown: str) -> None:
    assert instruction(History(created_by=created_by)) == shown


def test_a_comment_says_more_than_nothing() -> None:
    assert instruction(History(comment="Imported from -")) == "Imported from -"
    assert instruction(History()) == ""


def test_origins_skip_what_made_no_layer() -> None:
    config = ImageConfig.scratch(Platform("amd64")).amend(
        diff_ids=[A, B],
        history=[
            History(created_by="ADD x /", created="2026-01-01T00:00:00Z"),
            History(created_by="CMD x", empty_layer=True),
            History(created_by="/bin/sh -c true"),
        ],
    )
    assert [(each.label, each.instruction, each.created) for each in origins(config)] == [
        ("1", "ADD x /", "2026-01-01T00:00:00Z"),
        ("2", "RUN true", ""),
    ]


def test_without_history_layers_still_have_numbers() -> None:
    config = ImageConfig.scratch(Platform("amd64")).amend(diff_ids=[A, B])
    assert [(each.label, each.instruction) for each in origins(config)] == [("1", ""), ("2", "")]


@pytest.mark.parametrize(
    ("others", "found"),
    [
        ([], None),
        ([("same", [A, B, C])], None),
        ([("empty", [])], None),
        ([("other", [B])], None),
        ([("larger", [A, B, C, D])], None),
        ([("one", [A]), ("two", [A, B]), ("again", [A, B])], Base("two", 2)),
    ],
)
def test_the_base_is_the_largest_image_that_lies_below(
    others: list[tuple[str, list[Digest]]], found: Base | None
) -> None:
    assert base_of([A, B, C], others) == found
