"""A build as its observers hear of it: three stages, two of them side by side, one failure."""

from __future__ import annotations

from collections.abc import Callable

from lamina.build.observe import Outcome, Step, places_in_stages
from lamina.cli.build_view import Steps, Task, View, transferring
from lamina.oci.digest import Digest
from lamina.plan.graph import BaseOp, Graph, MakeDirOp, Vertex

TITLES = (
    ("builder", "RUN make all \x1b[2Jand a title that is longer than most terminals are wide"),
    ("builder", "RUN strip /out"),
    ("assets", "RUN npm run build"),
    ("2", "COPY --from=builder /out /"),
)


class Clock:
    """Seconds, which go on when the test says so."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds

    def on(self, seconds: float) -> None:
        """Let time pass."""
        self.seconds += seconds


def vertices() -> tuple[Vertex, list[Vertex]]:
    """A base, and a vertex for each of `TITLES`."""
    graph = Graph()
    base = graph.add(BaseOp("debian:bookworm", (Digest.of(b"base"),)), title="base debian:bookworm")
    found: list[Vertex] = []
    for place, (stage, title) in enumerate(TITLES):
        parent = found[-1] if place == 1 else base
        op = MakeDirOp(f"/{place}")
        found.append(graph.add(op, parent=parent, title=title, stage=stage))
    return base, found


def steps() -> list[Step]:
    """The base's step, and the others' in order."""
    base, found = vertices()
    places = places_in_stages(found, {})
    numbered = zip(found, places, strict=True)
    return [
        Step(0, len(found), base),
        *(Step(n, len(found), vertex, place) for n, (vertex, place) in enumerate(numbered, 1)),
    ]


def go(view: View, clock: Clock, pause: Callable[[], None] = lambda: None) -> None:
    """Tell a view of the whole build; `pause` is called while two steps are under way."""
    base, make, strip, npm, copy = steps()
    told = Steps(view)
    pull = Task(Digest.of(b"pull"), "pull debian:bookworm")
    with transferring(view, pull) as progress:
        progress.start("1f2e3d4c5b6a", "Downloading", 29_100_000)
        progress.advance("1f2e3d4c5b6a", 12_300_000)
        progress.finish("1f2e3d4c5b6a", "Pull complete")
    told.started(base)
    told.finished(base, Outcome(True, 199_300_000, 0.0))
    told.started(make)
    told.started(npm)
    clock.on(0.25)
    told.output(make, b"one\ntwo \x1b[31mred\x1b[0m\n10 %\r20 %\r30 %")
    told.output(npm, b"\x1b]0;a new title\x07evil \x1b[2J\xff\n")
    clock.on(61.5)
    pause()
    told.finished(make, Outcome(False, 52_400_000, 61.75))
    told.started(strip)
    told.finished(strip, Outcome(True, 1_000, 0.0, (("step 1", 52_400_000),)))
    told.started(copy)
    told.output(copy, b"no end of line")
    told.failed(copy, "/out is not in builder")
