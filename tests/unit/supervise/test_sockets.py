"""Messages between a supervisor and who is attached."""

from __future__ import annotations

import os

from lamina.supervise import sockets


def test_last_words_arrive_though_ours_were_not_read() -> None:
    ours, theirs = sockets.pair()
    sockets.send(ours, b"never read")
    sockets.send(theirs, b"last words")
    os.close(theirs)
    assert sockets.receive(ours) == b"last words"
    assert sockets.receive(ours) == b""
    os.close(ours)
