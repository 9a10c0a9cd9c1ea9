"""Where the store is when nobody says."""

from __future__ import annotations

from pathlib import Path

from lamina.store.place import default_root


def test_where_the_store_is() -> None:
    assert default_root({"LAMINA_ROOT": "/x"}, 0) == Path("/x")
    assert default_root({}, 0) == Path("/var/lib/lamina")
    assert default_root({"HOME": "/home/a"}, 1000) == Path("/home/a/.local/share/lamina")
    assert default_root({"XDG_DATA_HOME": "/d", "HOME": "/h"}, 1000) == Path("/d/lamina")
