"""The mount table, read."""

from __future__ import annotations

from pathlib import Path

from lamina.linux.mountinfo import MountLine, mount_of, parse_mountinfo

TABLE = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:25 /sub /srv rw - tmpfs none rw
31 22 0:26 / /srv/a\\040b rw master:3 - tmpfs none rw
32 31 0:27 / /srv/a\\040b rw shared:4 master:2 - tmpfs none rw
"""


def test_roots_targets_and_propagation() -> None:
    assert parse_mountinfo(TABLE) == [
        MountLine("/", "/", True, False),
        MountLine("/sub", "/srv", False, False),
        MountLine("/", "/srv/a b", False, True),
        MountLine("/", "/srv/a b", True, True),
    ]


def test_the_mount_that_a_path_lies_on(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(TABLE)
    found = {path: mount_of(path, table) for path in ("/", "/srvx", "/srv/a", "/srv/a b/c")}
    assert {path: mount.target for path, mount in found.items()} == {
        "/": "/",
        "/srvx": "/",
        "/srv/a": "/srv",
        "/srv/a b/c": "/srv/a b",
    }
    assert found["/srv/a b/c"].shared, "the later of two is on top"
