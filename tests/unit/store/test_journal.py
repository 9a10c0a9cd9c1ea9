"""Lines of the journal that are written without what the rest of the store loads."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from lamina.store.events import Event
from lamina.store.journal import container_line

TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)


@given(TEXTS, st.dictionaries(TEXTS, TEXTS, max_size=3))
def test_a_line_is_the_event(action: str, attributes: dict[str, str]) -> None:
    line = container_line("2026-01-02T03:04:05.000000000Z", action, "0" * 64, attributes)
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert msgspec.json.decode(line, type=Event) == Event(
        "2026-01-02T03:04:05.000000000Z", "container", action, "0" * 64, attributes
    )
