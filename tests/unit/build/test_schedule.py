"""Steps side by side, their order, and how they stop."""

from __future__ import annotations

from threading import Barrier, Event, Lock

import pytest

from lamina.build.schedule import Stop, Stopped, carry_out
from lamina.plan.graph import BaseOp, Graph, MakeDirOp, Vertex, in_order


def chain(graph: Graph, name: str, count: int) -> list[Vertex]:
    """A base and `count` steps on it."""
    tip = graph.add(BaseOp(name, ()))
    found = []
    for number in range(count):
        tip = graph.add(MakeDirOp(f"/{name}/{number}"), parent=tip)
        found.append(tip)
    return found


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_inputs_come_first_and_everything_comes_once(workers: int) -> None:
    graph = Graph()
    first, second = chain(graph, "a", 4), chain(graph, "b", 3)
    last = graph.add(MakeDirOp("/both"), parent=first[-1], origins=(second[-1],))
    steps = [each for each in in_order(last) if each.makes_layer]
    done: list[Vertex] = []
    lock = Lock()

    def work(vertex: Vertex) -> None:
        with lock:
            assert all(each in done for each in vertex.inputs if each.makes_layer)
            done.append(vertex)

    carry_out(steps, work, workers, Stop())
    assert sorted(map(id, done)) == sorted(map(id, steps))


def test_independent_chains_run_side_by_side() -> None:
    graph = Graph()
    meeting = Barrier(2, timeout=20)
    steps = [*chain(graph, "a", 1), *chain(graph, "b", 1)]

    def work(vertex: Vertex) -> None:
        meeting.wait()

    carry_out(steps, work, 2, Stop())
    assert meeting.n_waiting == 0


def test_the_first_error_ends_what_runs_and_begins_nothing_more() -> None:
    graph = Graph()
    failing, running = chain(graph, "a", 2), chain(graph, "b", 2)
    stop, ended, begun = Stop(), Event(), Event()
    done: list[Vertex] = []

    def work(vertex: Vertex) -> None:
        done.append(vertex)
        if vertex is failing[0]:
            assert begun.wait(20)
            raise ValueError("no")
        stop.add(ended.set)
        begun.set()
        assert ended.wait(20)
        raise Stopped

    with pytest.raises(ValueError, match="no"):
        carry_out([*failing, *running], work, 2, stop)
    assert set(map(id, done)) == {id(failing[0]), id(running[0])}


def test_what_is_added_after_the_stop_ends_at_once() -> None:
    stop, ended = Stop(), Event()
    stop.ask()
    stop.add(ended.set)
    assert ended.is_set()
