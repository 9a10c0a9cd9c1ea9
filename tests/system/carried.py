"""Run as root of a user namespace: a container's network that a program carries, tried out."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from pathlib import Path

from lamina.linux.netns import within_network
from lamina.network import userspace
from lamina.network.request import NetworkRequest, PortBinding
from lamina.network.sandbox import close_sandbox, open_sandbox
from lamina.network.state import State, started

IDENTITY = "c" * 64


def main(root: Path, program: str, port: int) -> None:
    """Print what a connection to the published port got, and what was left afterwards."""
    userspace._PROGRAMS = (program,)
    sandbox = open_sandbox(
        *(root, NetworkRequest(publish=(PortBinding(80, "tcp", "127.0.0.1", port),))),
        container=IDENTITY,
        name="web",
        hostname="web",
        now="2026-01-01T00:00:00Z",
    )
    assert sandbox.member is not None
    listening = within_network(sandbox.namespace, lambda: socket.create_server(("0.0.0.0", 80)))

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.sendall(b"hello")

    threading.Thread(target=serve, daemon=True).start()
    with socket.create_connection(("127.0.0.1", port), 5) as asking:
        answer = asking.recv(100).decode()
    close_sandbox(root, IDENTITY)
    sandbox.close()
    deadline = time.monotonic() + 5
    while (alive := bool(started(sandbox.member.program))) and time.monotonic() < deadline:
        time.sleep(0.02)
    left = os.listdir(State(root).member_directory)
    print(json.dumps({"answer": answer, "left": left, "alive": alive}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
