"""One HTTP request to a container's own service, over the loopback of its network."""

from __future__ import annotations

import http.client
import time

_LARGEST = 64 << 20
_PAUSE = 0.01
"""Seconds between two knocks at a port where nobody listens yet."""


def listens(port: int) -> bool:
    """Whether somebody takes connections at that port of 127.0.0.1 in this thread's network."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.connect()
    except OSError:
        return False
    finally:
        connection.close()
    return True


def ask(method: str, port: int, path: str, *, timeout: float) -> tuple[int, bytes]:
    """Status and body of the answer; waits for whoever is about to answer.

    A connection that is refused, or closed before an answer came, is tried again until
    `timeout` seconds have gone.  Raises OSError, also for what is no HTTP.
    """
    deadline = time.monotonic() + timeout
    while True:
        left = deadline - time.monotonic()
        try:
            return _once(method, port, path, max(left, _PAUSE))
        except (ConnectionError, http.client.RemoteDisconnected):
            if left <= 0:
                raise
            time.sleep(_PAUSE)
        except http.client.HTTPException as error:
            raise ConnectionError(f"no HTTP answer: {error!r}") from None


def _once(method: str, port: int, path: str, timeout: float) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, headers={"User-Agent": "lamina", "Accept": "*/*"})
        answer = connection.getresponse()
        return answer.status, answer.read(_LARGEST)
    finally:
        connection.close()
