"""First lines of scripts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.needs.scripts import Shebang, read_shebang


@pytest.mark.parametrize(
    ("line", "interpreter", "command"),
    [
        (b"#!/bin/sh\n", "/bin/sh", ""),
        (b"#! /bin/sh -e\nset", "/bin/sh", ""),
        (b"#!/bin/sh\r\n", "/bin/sh", ""),
        (b"#!/usr/bin/env python3\n", "/usr/bin/env", "python3"),
        (b"#!/usr/bin/env\tpython3\n", "/usr/bin/env", "python3"),
        (b"#!/usr/bin/env -S python3 -u\n", "/usr/bin/env", "python3"),
        (b"#!/usr/bin/env -S A=1 B='x y' node --flag\n", "/usr/bin/env", "node"),
        (b"#!/usr/bin/env -S -u HOME -i perl\n", "/usr/bin/env", "perl"),
        (b"#!/usr/bin/env --split-string=ruby -w\n", "/usr/bin/env", "ruby"),
        (b"#!/usr/bin/env -S 'open\n", "/usr/bin/env", "'open"),
        (b"#!/usr/bin/env\n", "/usr/bin/env", ""),
        (b"#!/opt/run me\n", "/opt/run", ""),
    ],
)
def test_what_a_line_asks_for(line: bytes, interpreter: str, command: str) -> None:
    assert read_shebang(line) == Shebang(interpreter, command)


@pytest.mark.parametrize("head", [b"", b"#", b"#!", b"#!\n", b"#! \t\n/bin/sh", b"#!\0x\n", b"ELF"])
def test_what_is_no_script(head: bytes) -> None:
    assert read_shebang(head) is None


@given(st.binary(max_size=300))
def test_no_line_raises(tail: bytes) -> None:
    read_shebang(b"#!" + tail)
    read_shebang(b"#!/usr/bin/env -S " + tail)
