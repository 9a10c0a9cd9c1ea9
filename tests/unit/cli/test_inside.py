"""The commands that look into an image: ls, tree, find, cat, blame."""

from __future__ import annotations

import io
import json

import pytest

from lamina.cli.main import run
from lamina.store.contract import Store
from tests.golden.golden import check
from tests.unit.cli import sample
from tests.unit.cli.conftest import Lamina


@pytest.fixture
def shop(store: Store) -> None:
    """An image with something of everything: links, a chmod, hidden files, an own user."""
    sample.debian(store)
    sample.make(
        store,
        "shop",
        [
            (
                "COPY app /srv/app # buildkit",
                {
                    "srv": None,
                    "srv/app": None,
                    "srv/app/main.py": b"print('hello')\n",
                    "srv/app/data.bin": bytes(range(256)) * 8,
                    "srv/app/copy.bin": "srv/app/data.bin",
                    "srv/app/.env": b"TOKEN=abc\n",
                    "etc/group": b"root:x:0:\n",
                },
            ),
            ("RUN /bin/sh -c touch # buildkit", {"srv/app/main.py": b"print('hello')\n"}),
            (
                "RUN /bin/sh -c rm .env # buildkit",
                {"srv/app/.wh..env": b"", "etc/group": b"root:x:0:\nwww:x:33:\n"},
            ),
        ],
        base=sample.debian(store),
    )


@pytest.mark.parametrize(
    ("golden", "arguments"),
    [
        ("ls", ["ls", "shop", "/srv/app"]),
        ("ls-root", ["ls", "shop"]),
        ("ls-hidden", ["ls", "--hidden", "shop", "/srv/app"]),
        ("ls-hidden-root", ["ls", "--hidden", "shop"]),
        ("ls-layer", ["ls", "--layer", "4", "shop", "/srv/app"]),
        ("tree", ["tree", "shop"]),
        ("tree-all", ["tree", "-a", "shop", "/srv"]),
        ("tree-hidden", ["tree", "--hidden", "--depth", "5", "shop"]),
        ("tree-layer", ["tree", "--layer", "2", "-a", "shop"]),
        ("find", ["find", "shop", "--type", "f"]),
        ("find-long", ["find", "shop", "-l", "--size", "+1k", "--name", "*.bin"]),
        ("find-hidden", ["find", "--hidden", "-l", "shop"]),
        ("blame", ["blame", "shop"]),
        ("blame-directory", ["blame", "shop", "/srv/app/"]),
        ("blame-all", ["blame", "-a", "shop", "srv"]),
    ],
)
def test_what_people_see(shop: None, lamina: Lamina, golden: str, arguments: list[str]) -> None:
    status, out, err = lamina(*arguments)
    assert (status, err) == (0, "")
    check(f"cli/inside-{golden}.txt", out)


def rows(out: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.splitlines()]


def test_json_is_an_object_a_line(shop: None, lamina: Lamina) -> None:
    listed = rows(lamina("ls", "--format", "json", "shop", "srv/app")[1])
    assert [row["path"] for row in listed] == [
        "/srv/app/copy.bin",
        "/srv/app/data.bin",
        "/srv/app/main.py",
    ]
    assert listed[0] | {"sha256": ""} == {
        "path": "/srv/app/copy.bin",
        "kind": "file",
        "bytes": 2048,
        "mode": "0644",
        "uid": 0,
        "gid": 0,
        "user": "root",
        "group": "root",
        "mtime": "1970-01-01T00:00:00Z",
        "link": None,
        "hard_link": "/srv/app/data.bin",
        "device": None,
        "sha256": "",
        "layer": "2",
        "visible": True,
        "cause": None,
        "hidden_by": None,
        "at": None,
    }
    hidden = rows(lamina("find", "--hidden", "--format", "json", "shop")[1])
    assert [(row["path"], row["cause"], row["hidden_by"]) for row in hidden] == [
        ("/etc/group", "overwritten", "4"),
        ("/srv/app/.env", "deleted", "4"),
        ("/srv/app/main.py", "duplicated", "3"),
    ]
    tree = rows(lamina("tree", "--depth", "1", "--format", "json", "shop", "srv")[1])
    assert [(row["path"], row["total_bytes"], row["files"]) for row in tree] == [
        ("/srv", 2063, 3),
        ("/srv/app", 2063, 3),
    ]
    blamed = {row["path"]: row for row in rows(lamina("blame", "--format", "json", "shop")[1])}
    main = blamed["/srv/app/main.py"]
    assert (main["layer"], main["touched"], main["content_layer"]) == ("3", True, "2")
    assert main["content_instruction"] == "COPY app /srv/app"
    assert blamed["/bin/dash"]["instruction"] == "ADD file:1 in /"


def test_a_pipe_gets_every_byte(
    shop: None, store: Store, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    def out(*arguments: str) -> bytes:
        assert run(["--root", str(store.root), *arguments]) == 0
        return capfdbinary.readouterr().out

    assert out("cat", "shop", "/srv/app/copy.bin") == bytes(range(256)) * 8
    assert out("cat", "shop", "bin/../etc/passwd", "/etc/group") == (
        b"root:x:0:0::/root:/bin/sh\nroot:x:0:\nwww:x:33:\n"
    )
    assert out("cat", "--layer", "2", "shop", "/etc/group") == b"root:x:0:\n"
    assert out("cat", "--hidden", "shop", "/srv/app/.env") == b"TOKEN=abc\n"
    assert out("find", "shop", "/srv", "--name", "*.py", "-0") == b"/srv/app/main.py\0"
    sample.hostile(store)
    paths = b"/etc/\x1b[31mred\x1b[0m\xe2\x80\xae\n"
    assert out("find", "--hidden", "hostile") == paths
    assert out("find", "hostile", "--name", "*.txt") == b"/etc/\xe9.txt\n"
    assert out("ls", "hostile", "/etc").endswith(b"   2       \\xe9.txt\n")


def test_a_terminal_gets_no_control_characters(
    shop: None, store: Store, lamina: Lamina, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    sample.hostile(store)
    assert lamina("find", "--hidden", "hostile")[1] == "/etc/\\e[31mred\\e[0m\\u202e\n"
    shown = lamina("cat", "shop", "/srv/app/data.bin")[1]
    assert shown.startswith("\\x00\\x01") and "\t\n\\x0b" in shown
    assert "\x1b" not in shown and "\\xff" in shown
    assert lamina("cat", "shop", "/etc/passwd")[1] == "root:x:0:0::/root:/bin/sh\n"


def test_raw_writes_bytes_to_a_terminal_as_they_are(
    shop: None, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.TextIOWrapper):
        def isatty(self) -> bool:
            return True

    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", Terminal(written))
    assert run(["--root", str(store.root), "cat", "--raw", "shop", "/srv/app/data.bin"]) == 0
    assert written.getvalue() == bytes(range(256)) * 8


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["ls", "nope"], 1, "no image nope in the store"),
        (["ls", "shop", "/srv/ap"], 1, "no /srv/ap in shop:latest\n  similar there: /srv/app\n"),
        (["ls", "shop", "--layer", "9"], 1, "no layer 9 in shop:latest"),
        (["tree", "shop", "/etc/group/x"], 1, "no /etc/group/x in shop:latest: /etc/group is not"),
        (["blame", "shop", "/srv/app/.env"], 1, "no /srv/app/.env in shop:latest: layer 4 hides"),
        (["cat", "shop", "/srv"], 1, "/srv in shop:latest is a directory: it has no content"),
        (["cat", "shop", "--hidden", "/bin/sh"], 1, "no /bin/sh among what shop:latest hides"),
        (["cat", "shop"], 2, "missing argument 'PATH...'"),
        (["find", "shop", "--size", "big"], 1, "not a size: 'big'"),
        (["find", "shop", "--perm", "u+s"], 1, "not permissions: 'u+s'"),
        (["find", "shop", "-l", "-0"], 2, "give one of --long, --print0 and --format json"),
        (["find", "shop", "--type", "x"], 2, "invalid value for '--type'"),
    ],
)
def test_mistakes_are_told(
    shop: None, lamina: Lamina, arguments: list[str], status: int, message: str
) -> None:
    found, out, err = lamina(*arguments)
    assert (found, out) == (status, "")
    assert err.startswith(f"lamina: {message}")


def test_cat_prints_what_it_finds_and_tells_the_rest(
    shop: None, store: Store, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["--root", str(store.root), "cat", "shop", "/no", "/etc/passwd"]) == 1
    out, err = capfd.readouterr()
    assert out == "root:x:0:0::/root:/bin/sh\n"
    assert err.startswith("lamina: no /no in shop:latest\n")


def test_a_container_s_own_layer_is_looked_into(store: Store, lamina: Lamina) -> None:
    record = sample.container(store, sample.seed(store))
    upper = store.containers.directory(record.id) / "upper"
    (upper / "etc").mkdir()
    (upper / "etc/passwd").write_bytes(b"root:x:0:0::/root:/bin/sh\n")
    (upper / "etc/passwd").chmod(0o600)
    (upper / "new").write_bytes(b"n")
    blamed = {row["path"]: row for row in rows(lamina("blame", "--format", "json", "web")[1])}
    assert [blamed[path]["layer"] for path in ("/new", "/etc/passwd", "/bin/sh")] == [
        "rw",
        "rw",
        "1",
    ]
    assert blamed["/etc/passwd"]["content_layer"] == "1"
    shown = lamina("ls", "--layer", "rw", "web", "/etc")[1]
    assert "rw      passwd" in shown and "-rw-------" in shown
