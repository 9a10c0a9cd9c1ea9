"""`lamina diff` of two images; of one container it is Docker's."""

from __future__ import annotations

import json
import stat

import pytest

from lamina.oci.config import Execution
from lamina.oci.manifest import Manifest
from lamina.oci.reference import Reference
from lamina.store.contract import Image, Store
from tests.golden.golden import check
from tests.rights import needs_rights
from tests.unit.cli import sample
from tests.unit.cli.conftest import Lamina

DPKG = "Package: {}\nStatus: install ok installed\nVersion: {}\nInstalled-Size: {}\n\n"


def dpkg(*packages: tuple[str, str, int]) -> bytes:
    return "".join(DPKG.format(*each) for each in packages).encode()


@pytest.fixture
def two(store: Store) -> tuple[Image, Image]:
    """An image and one that was made of it."""
    status = "var/lib/dpkg/status"
    old = sample.make(
        store,
        "app:1",
        [
            ("COPY app /app # buildkit", {"app/main": b"m" * 3000, "app/lib/a": b"a" * 500}),
            (
                "RUN /bin/sh -c apt-get install # buildkit",
                {status: dpkg(("curl", "7.88.1-10", 500), ("vim", "9.0", 4000))},
            ),
        ],
        base=sample.debian(store),
        labels={"version": "1"},
    )
    new = sample.make(
        store,
        "app:2",
        [
            (
                "RUN /bin/sh -c apt-get upgrade # buildkit",
                {
                    status: dpkg(("curl", "7.88.1-11", 512), ("jq", "1.6", 100)),
                    "usr/share/doc/new/a": b"n" * 70_000,
                    "usr/share/doc/new/b": b"o" * 7_000,
                    "app/main": b"M" * 3600,
                },
            ),
            ("RUN /bin/sh -c rm -r /app/lib # buildkit", {"app/.wh.lib": b""}),
        ],
        base=old,
        labels={"version": "2"},
    )
    return old, new


def test_what_people_see(two: object, lamina: Lamina) -> None:
    status, out, err = lamina("diff", "app:1", "app:2")
    assert (status, err) == (0, "")
    check("cli/diff.txt", out)
    check("cli/diff-back.txt", lamina("diff", "app:2", "app:1", "--limit", "2")[1])
    check("cli/diff-colour.txt", lamina("--color", "always", "diff", "app:1", "app:2")[1])
    check("cli/diff-unlike.txt", lamina("diff", "debian:bookworm", "app:2")[1])


def test_json(two: tuple[Image, Image], lamina: Lamina) -> None:
    document = json.loads(lamina("diff", "app:1", "app:2", "--format", "json")[1])
    assert document["old"]["id"] == str(two[0].config.digest)
    assert document["differ"] is True
    assert document["new"]["bytes"] - document["old"]["bytes"] == sum(
        layer["bytes"] for layer in document["layers"]
    )
    assert [(each["path"], each["change"], each["growth"]) for each in document["files"]] == [
        ("/app/lib", "removed", 0),
        ("/app/lib/a", "removed", -500),
        ("/app/main", "changed", 600),
        ("/usr/share/doc/new", "added", 0),
        ("/usr/share/doc/new/a", "added", 70_000),
        ("/usr/share/doc/new/b", "added", 7_000),
        ("/var/lib/dpkg/status", "changed", -2),
    ]
    main = document["files"][2]
    assert (main["aspects"], main["new"]["layer"]) == (["content"], "4")
    assert [(each["name"], each["change"]) for each in document["packages"]] == [
        ("curl", "changed"),
        ("jq", "added"),
        ("vim", "removed"),
    ]
    assert document["settings"] == [{"setting": "label", "key": "version", "old": "1", "new": "2"}]


def test_what_does_not_differ_is_one_line(
    two: tuple[Image, Image], store: Store, lamina: Lamina
) -> None:
    store.images.add(two[0].manifest, two[0].config, None)
    assert lamina("tag", "app:1", "same")[0] == 0
    assert lamina("diff", "app:1", "same") == (0, "app:1 and same:latest are one image\n", "")
    config = two[0].config.amend(created="2027-01-01T00:00:00Z")
    manifest = Manifest.build(config.descriptor(), two[0].manifest.layers)
    store.images.add(manifest, config, Reference.parse("later"))
    assert lamina("diff", "--exit-code", "app:1", "later") == (
        0,
        "app:1 and later:latest have the same files, packages and settings, in the same layers\n",
        "",
    )


def test_layers_may_differ_where_nothing_seen_does(store: Store, lamina: Lamina) -> None:
    sample.make(store, "one", [("COPY a", {"a": b"x" * 50})])
    steps: list[tuple[str, sample.Files | None]] = [
        ("COPY a b", {"a": b"x" * 50, "b": b"y" * 10}),
        ("RUN rm b", {".wh.b": b""}),
    ]
    sample.make(store, "other", steps)
    status, out, _ = lamina("diff", "--exit-code", "one", "other")
    assert status == 0
    check("cli/diff-layers.txt", out)


def test_the_exit_code_says_whether_they_differ_when_asked(two: object, lamina: Lamina) -> None:
    assert lamina("diff", "--exit-code", "app:1", "app:2")[0] == 3
    assert lamina("diff", "--exit-code", "app:1", "app:1")[0] == 0


def test_hostile_texts_are_escaped(store: Store, lamina: Lamina) -> None:
    sample.hostile(store)
    sample.debian(store)
    out = lamina("diff", "debian:bookworm", "hostile")[1]
    assert "\x1b" not in out and "\u202e" not in out and "\\e[31m" in out
    assert "\x1b" not in lamina("diff", "debian:bookworm", "hostile", "--format", "json")[1]


@needs_rights
def test_a_container_is_compared_with_its_image(store: Store, lamina: Lamina) -> None:
    record = sample.container(store, sample.seed(store))
    upper = store.containers.directory(record.id) / "upper"
    (upper / "etc").mkdir(mode=0o755)
    same = upper / "etc/passwd"
    same.write_bytes(b"root:x:0:0::/root:/bin/sh\n")
    same.chmod(0o644)
    assert stat.S_IMODE(same.stat().st_mode) == 0o644
    assert "/etc/passwd" not in lamina("diff", "seed", "web")[1]
    same.write_bytes(b"root:x:0:0::/root:/bin/no\n")
    out = lamina("diff", "seed", "web")[1]
    assert "/etc/passwd   content   rw" in out
    assert lamina("diff", "web")[1] == "C /etc\nC /etc/passwd\n"


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["app:1", "nope"], 1, "no image nope in the store"),
        (["web", "--format", "json"], 2, "--format is for two names: lamina diff OLD NEW"),
        (["web", "--exit-code"], 2, "--exit-code is for two names: lamina diff OLD NEW"),
        (["app:1"], 2, "app:1 is an image: name the one to compare it with as well"),
        (["nobody"], 1, "no container nobody"),
        ([], 2, "missing argument"),
    ],
)
def test_mistakes_are_told(
    two: object, lamina: Lamina, arguments: list[str], status: int, message: str
) -> None:
    found, out, err = lamina("diff", *arguments)
    assert (found, out) == (status, "")
    assert err.startswith(f"lamina: {message}")


def test_a_setting_s_change_is_told(store: Store, lamina: Lamina) -> None:
    image = sample.debian(store)
    config = image.config.amend(
        execution=Execution(env=("PATH=/bin", "A=1"), cmd=("bash", "-l"), user="www")
    )
    manifest = Manifest.build(config.descriptor(), image.manifest.layers)
    store.images.add(manifest, config, Reference.parse("changed"))
    check("cli/diff-settings.txt", lamina("diff", "debian:bookworm", "changed")[1])
