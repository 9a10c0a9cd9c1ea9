"""A container's health check, carried out once in it."""

from __future__ import annotations

import os

from lamina.errors import EngineError
from lamina.lifecycle.exec import Request, execute_plainly
from lamina.run.settings import settings_of
from lamina.run.spec import Streams
from lamina.store.contract import Store

_SHELL = ("/bin/sh", "-c")
_BROKEN = 125


def check(store: Store, identity: str) -> int:
    """The exit status of the container's check, which prints to our output; what is in its
    way goes there as well."""
    try:
        record = store.containers.find(identity)
        settings = settings_of(record.name, record.settings)
        kind, *words = settings.health.test
        args = (*_SHELL, *words) if kind == "CMD-SHELL" else tuple(words)
        outcome = execute_plainly(store, record, Request(args), Streams(0, 1, 2))
    except EngineError as error:
        os.write(1, f"{error}\n".encode())
        return _BROKEN
    if outcome.refused:
        os.write(1, f"{outcome.refused}\n".encode())
    return outcome.status
