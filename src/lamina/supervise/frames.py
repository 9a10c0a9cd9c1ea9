"""What is said on a container's socket, one message a packet (SOCK_SEQPACKET).  Pure.

The first byte says what the rest is.  Numbers are decimal text, so that nothing
has to be imported to read them.
"""

from __future__ import annotations

OUTPUT, ERROR, EXIT = b"o", b"e", b"x"
"""From the watcher: what the container printed; its exit status, the last message."""
INPUT, INPUT_END, SIZE, CLOSE, DETACH = b"i", b"z", b"w", b"c", b"d"
"""To the watcher: input; its end; `ROWS COLUMNS`; nobody reads this output (`o` or `e`) any
more; the speaker goes away and the container goes on."""
LONGEST = 32 << 10
"""Bytes of data in a message."""
SOCKET = "attach"
"""The socket's name in the container's directory."""
STOPPING = "stopping"
"""A file of that name there says that somebody stops the container: it is not started again."""

HEALTH = "health"
"""A file of that name there is the state of its check (health.py)."""

POLICY = "policy"
"""A file of that name there holds a newer restart policy than the supervisor was told:
`always 0`, the second being how often."""


def size(text: bytes) -> tuple[int, int]:
    """Rows and columns; 0, 0 for what is none."""
    words = text.split()
    if len(words) != 2 or not all(word.isdigit() for word in words):
        return 0, 0
    return int(words[0]) & 0xFFFF, int(words[1]) & 0xFFFF
