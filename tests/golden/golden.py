"""Compare what is printed with a file beside the tests; UPDATE_GOLDEN=1 rewrites the file."""

from __future__ import annotations

import os
from pathlib import Path

HERE = Path(__file__).parent


def check(name: str, text: str) -> None:
    """Fail unless `text` is what the file `name` holds; the difference is to be reviewed."""
    path = HERE / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()
