"""A fake registry and an impatient client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from lamina.oci.reference import Reference
from lamina.registry.client import Repository
from lamina.registry.connect import connect
from lamina.registry.settings import Settings
from tests.fakes.registry import FakeRegistry


@dataclass
class Naps:
    """Stands for `time.sleep`: notes the seconds and does not wait."""

    seconds: list[float] = field(default_factory=list)

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as running:
        yield running


@pytest.fixture
def naps() -> Naps:
    return Naps()


Client = Callable[..., Repository]


@pytest.fixture
def client(registry: FakeRegistry, naps: Naps) -> Client:
    """Connects to `team/app:v1` of the fake registry, or another reference; never waits."""

    def connected(
        name: str = "team/app:v1", *, push: bool = False, host: str = "", **settings: Any
    ) -> Repository:
        reference = Reference.parse(f"{host or registry.host}/{name}")
        chosen = Settings(**{"idle_timeout": 20.0, **settings})
        return connect(reference, chosen, push=push, sleep=naps)

    return connected
