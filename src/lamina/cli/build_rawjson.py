"""A build as JSON, an object a line, as BuildKit's `--progress=rawjson` has it (`SolveStatus`)."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TextIO

from lamina.cli.build_plain import Quiet
from lamina.cli.build_view import Ending, Moved, Task
from lamina.oci.document import encode

_OFTEN = 0.1
"""Seconds after which it is told again how far an item is."""


class RawJson(Quiet):
    """Vertexes, statuses and logs; under `lamina` in a vertex what BuildKit does not know."""

    def __init__(
        self,
        stream: TextIO,
        now: Callable[[], float] = time.monotonic,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__(now)
        self._stream = stream
        self._clock = clock
        self._started: dict[str, str] = {}
        self._told: dict[str, float] = {}

    def begin(self, task: Task) -> None:
        super().begin(task)
        self._started[str(task.digest)] = self._time()
        self._vertex(task)

    def output(self, task: Task, piece: bytes) -> None:
        super().output(task, piece)
        log = {"vertex": task.digest, "stream": 1, "data": b64encode(piece).decode()}
        self._write({"logs": [{**log, "timestamp": self._time()}]})

    def moved(self, task: Task, moved: Moved) -> None:
        super().moved(task, moved)
        item = f"{task.digest} {moved.item}"
        if not moved.ended and self.now() - self._told.get(item, -_OFTEN) < _OFTEN:
            return
        self._told[item] = self.now()
        status: dict[str, Any] = {
            "id": _text(moved.item),
            "vertex": task.digest,
            "name": moved.what,
            "current": moved.done,
            "timestamp": self._time(),
        }
        if moved.total:
            status["total"] = moved.total
        status["started"] = self._started.setdefault(item, self._time())
        if moved.ended:
            status["completed"] = self._time()
        self._write({"statuses": [status]})

    def end(self, task: Task, ending: Ending) -> None:
        super().end(task, ending)
        facts: dict[str, Any] = {"step": task.number}
        if ending.size is not None:
            facts["size"] = ending.size
        if ending.hides:
            facts["hides"] = [{"of": what, "size": size} for what, size in ending.hides]
        done: dict[str, Any] = {"completed": self._time()}
        if ending.cached:
            done["cached"] = True
        self._vertex(task, **done, lamina=facts)

    def fail(self, task: Task, problem: str) -> None:
        super().fail(task, problem)
        self._vertex(task, completed=self._time(), error=_text(problem) or "failed")

    def close(self) -> None:
        for going in self.going.values():
            self._vertex(going.task, completed=self._time(), error="canceled")
        self.going.clear()

    def _vertex(self, task: Task, **more: Any) -> None:
        place = f"[{task.place}] " if task.place else ""
        vertex: dict[str, Any] = {"digest": task.digest, "name": _text(place + task.title)}
        if task.inputs:
            vertex["inputs"] = list(task.inputs)
        started = self._started[str(task.digest)]
        self._write({"vertexes": [{**vertex, "started": started, **more}]})

    def _write(self, document: dict[str, Any]) -> None:
        self._stream.write(encode(document).decode() + "\n")
        self._stream.flush()

    def _time(self) -> str:
        return self._clock().strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"


def _text(text: str) -> str:
    """`text` without the bytes that are no UTF-8: JSON has no room for them."""
    return text.encode("utf-8", "replace").decode()
