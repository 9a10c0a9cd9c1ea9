"""What is told of an image, a layer, a path; contents and signs that a terminal can show."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from lamina.explore import details
from lamina.explore.contents import is_text, lines
from lamina.explore.details import Line
from lamina.explore.glyphs import Glyphs, glyphs
from lamina.explore.model import Explorer
from tests.fakes.stacks import stack_of
from tests.unit.explore.test_model import node, seed
from tests.unit.layer.stacks import listing


def plain(told: Sequence[Line]) -> list[str]:
    return ["".join(word.text for word in line) for line in told]


def test_the_image_is_told_with_what_hides_most() -> None:
    told = plain(details.of_image(seed()))
    assert told[:2] == ["demo:latest", "sha256:abc"]
    assert "hidden   5.1 kB (84.1 %)" in told
    assert "   5.0 kB  /home/50M.file  shipped by 2, hidden by 3" in told


def test_a_layer_is_told_with_who_hides_it_and_whom_it_hides() -> None:
    explorer = seed()
    assert plain(details.of_layer(explorer, 1))[:7] == [
        "layer 2",
        "RUN dd",
        "",
        "ships    5.0 kB",
        "visible  0 B",
        "hidden   5.0 kB (100.0 %)",
        "  by     layer 3: 5.0 kB",
    ]
    assert "hides    5.0 kB of layer 2" in plain(details.of_layer(explorer, 2))


def test_a_deleted_file_is_told_with_both_instructions() -> None:
    explorer = seed()
    told = plain(details.of_node(explorer, node(explorer, "home/50M.file")))
    assert told[:6] == [
        "/home/50M.file",
        "file 5.0 kB  0644 root:root",
        "",
        "shipped by layer 2",
        "  RUN dd",
        "5.0 kB of layer 2 deleted by layer 3",
    ]
    assert told[6] == "  RUN rm"
    assert told[-1].startswith("sha256:")


def test_a_directory_is_told_with_what_is_hidden_in_it() -> None:
    explorer = seed()
    told = plain(details.of_node(explorer, node(explorer, "home")))
    assert "5.0 kB in it, of layer 2, hidden by layer 3" in told


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("l x -> /etc/y", "link to /etc/y"),
        ("h x = a", "the same file as /a"),
        ("d x", "directory 0 B  0755 root:root"),
    ],
)
def test_what_has_no_content_is_told(line: str, says: str) -> None:
    explorer = Explorer(stack_of([listing("f a 5 c", line)]))
    assert says in plain(details.of_node(explorer, node(explorer, "x")))


def test_a_link_that_is_gone_is_told_with_who_deleted_it() -> None:
    explorer = Explorer(stack_of([listing("l x -> y"), listing("w x")]))
    told = plain(details.of_node(explorer, node(explorer, "x")))
    assert "deleted by layer 2" in told


def test_text_is_shown_line_by_line_and_moves_no_cursor() -> None:
    assert lines(b"a\tb\r\n\x1b[2Jc\n", Glyphs()) == ["a   b", "\\e[2Jc"]
    assert lines("日本\n".encode(), Glyphs()) == ["日本"]
    assert lines("日本".encode()[:-1], Glyphs()) == ["日"]
    assert lines(b"", Glyphs()) == []


def test_what_is_no_text_is_shown_as_hex() -> None:
    assert not is_text(b"a\0b")
    assert not is_text(b"\xff\xfe")
    assert lines(b"\x7fELF" + bytes(13), Glyphs()) == [
        "00000000  7f 45 4c 46 00 00 00 00  00 00 00 00 00 00 00 00  |.ELF............|",
        "00000010  00                                                |.|",
    ]


def test_a_terminal_without_utf_8_gets_ascii() -> None:
    signs = glyphs("ANSI_X3.4-1968")
    assert signs.is_plain
    assert all(sign.isascii() for sign in msgspec.structs.astuple(signs))
    assert signs.safe("日\x1b") == "\\u65e5\\e"
    assert glyphs("iso-8859-1").safe("é日") == "é\\u65e5"
    assert glyphs("UTF-8") == Glyphs()
