"""`images`, `history`, `tag` and `rmi`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lamina.cli import history as history_command
from lamina.cli import images as images_command
from lamina.cli.main import run
from lamina.store.contract import Store
from tests.golden.golden import check
from tests.unit.cli import sample

Lamina = Callable[..., tuple[int, str, str]]


@pytest.fixture
def lamina(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Lamina:
    """Run the command line on `store`: (exit status, standard output, standard error)."""
    for module in (images_command, history_command):
        monkeypatch.setattr(module, "ago", lambda then, now: f"<since {then[:10]}>")

    def call(*arguments: str) -> tuple[int, str, str]:
        status = run(["--root", str(store.root), *arguments])
        return status, *capsys.readouterr()

    return call


def test_the_table_has_dockers_columns(store: Store, lamina: Lamina) -> None:
    sample.seed(store)
    status, out, _ = lamina("images")
    assert status == 0
    check("cli/images.txt", out)


def test_an_image_that_lost_its_name_is_none(store: Store, lamina: Lamina) -> None:
    old = sample.debian(store)
    sample.make(store, "debian:bookworm", [("RUN x", {"x": b"1"})])
    _, out, _ = lamina("images", "--filter", "dangling=true", "--no-trunc")
    assert out.splitlines()[1].split() == [
        "<none>",
        "<none>",
        str(old.config.digest),
        "<since",
        "2026-01-01>",
        "155kB",
    ]
    _, out, _ = lamina("images", "-q", "--filter", "dangling=false", "--no-trunc")
    assert str(old.config.digest) not in out and len(out.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["debian"], ["debian:bookworm"]),
        (["debian:bookworm"], ["debian:bookworm"]),
        (["docker.io/library/debian"], ["debian:bookworm"]),
        (["debian:sid"], []),
        (["deb*"], ["debian:bookworm"]),
        (["*"], ["seed:latest", "debian:bookworm"]),
        (["*/*"], []),
        (["--filter", "reference=*:b[n-p]okworm"], ["debian:bookworm"]),
        (
            ["--filter", "reference=seed", "-f", "reference=debi?n"],
            ["seed:latest", "debian:bookworm"],
        ),
        (["--filter", "before=seed"], ["debian:bookworm"]),
        (["--filter", "since=debian:bookworm"], ["seed:latest"]),
        (["--filter", "label=stage"], ["seed:latest"]),
        (["--filter", "label=stage=demo"], ["seed:latest"]),
        (["--filter", "label=stage=other"], []),
        (["--filter", "dangling=true"], []),
    ],
)
def test_images_are_chosen_as_docker_chooses(
    store: Store, lamina: Lamina, arguments: list[str], expected: list[str]
) -> None:
    sample.seed(store)
    status, out, _ = lamina("images", "--format", "{{.Repository}}:{{.Tag}}", *arguments)
    assert (status, out.split()) == (0, expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--filter", "size=3"], "lamina: no filter 'size' here\n"),
        (["--filter", "dangling"], "lamina: not a filter: 'dangling'\n"),
        (["--filter", "dangling=maybe"], "lamina: dangling is true or false, not 'maybe'\n"),
        (["--filter", "since=nope"], "lamina: no image nope in the store\n"),
        (["--format", "{{.Nope}}"], "lamina: in the template, column 3: no field .Nope\n"),
    ],
)
def test_a_bad_choice_is_told(
    store: Store, lamina: Lamina, arguments: list[str], message: str
) -> None:
    sample.debian(store)
    status, out, err = lamina("images", *arguments)
    assert (status, out) == (1, "")
    assert err.startswith(message)


def test_formats(store: Store, lamina: Lamina) -> None:
    image = sample.seed(store)
    _, out, _ = lamina("images", "--format", "json", "seed")
    row = json.loads(out)
    assert row["ID"] == image.config.digest.short and row["Size"] == "206kB"
    assert row["CreatedAt"] == "2026-01-02 00:00:00 +0000 UTC"
    _, out, _ = lamina("images", "--format", r"table {{.ID}}\t{{.CreatedAt}}", "seed")
    assert out.splitlines()[0].split("  ") == ["IMAGE ID", "", "", " CREATED AT"]
    _, out, _ = lamina("images", "--digests", "debian")
    assert out.splitlines()[0].split() == [
        "REPOSITORY",
        "TAG",
        "DIGEST",
        "IMAGE",
        "ID",
        "CREATED",
        "SIZE",
    ]
    assert "<none>" in out


def test_an_empty_store_has_headings_alone(lamina: Lamina) -> None:
    assert lamina("images")[1] == "REPOSITORY   TAG       IMAGE ID   CREATED   SIZE\n"
    assert lamina("images", "-q")[1] == ""


def test_history_shows_what_each_layer_adds(store: Store, lamina: Lamina) -> None:
    sample.seed(store)
    check("cli/history.txt", lamina("history", "seed")[1])
    check("cli/history-no-trunc.txt", lamina("history", "--no-trunc", "--human=false", "seed")[1])


def test_history_of_an_image_without_any(store: Store, lamina: Lamina) -> None:
    image = sample.debian(store)
    bare = image.config.amend(history=[])
    from lamina.oci.manifest import Manifest
    from lamina.oci.reference import Reference

    manifest = Manifest.build(bare.descriptor(), image.manifest.layers)
    store.images.add(manifest, bare, Reference.parse("bare"))
    _, out, _ = lamina("history", "--format", "{{.ID}} {{.Size}}", "bare")
    assert out == f"{bare.digest.short} 155kB\n"


def test_history_ids(store: Store, lamina: Lamina) -> None:
    image = sample.seed(store)
    _, out, _ = lamina("history", "-q", "seed")
    assert out.split() == [image.config.digest.short, *["<missing>"] * 4]


def test_tag_and_rmi(store: Store, lamina: Lamina) -> None:
    image = sample.debian(store)
    assert lamina("tag", "debian:bookworm", "me/deb:1") == (0, "", "")
    assert lamina("rmi", "me/deb:1") == (0, "Untagged: me/deb:1\n", "")
    status, out, _ = lamina("rmi", "debian:bookworm")
    assert status == 0
    assert out.splitlines() == [
        "Untagged: debian:bookworm",
        f"Deleted: {image.config.digest}",
        f"Deleted: {image.layers[0]}",
    ]
    assert list(store.layers) == [] and list(store.refs.rows()) == []


def test_rmi_goes_on_after_an_error(store: Store, lamina: Lamina) -> None:
    sample.debian(store)
    status, out, err = lamina("rmi", "nope", "debian:bookworm")
    assert status == 1 and out.startswith("Untagged: debian:bookworm\n")
    assert err.startswith("lamina: no image nope in the store\n")
    assert lamina("rmi", "-f", "nope")[0] == 0


def test_rmi_spares_what_a_container_uses(store: Store, lamina: Lamina) -> None:
    sample.container(store, sample.debian(store))
    status, out, err = lamina("rmi", "debian:bookworm")
    assert (status, out) == (1, "") and "web" in err
    assert lamina("rmi", "-f", "debian:bookworm")[:2] == (0, "Untagged: debian:bookworm\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["history", "hostile"],
        ["history", "--no-trunc", "hostile"],
        ["history", "--format", "{{.CreatedBy}}", "hostile"],
        ["history", "--format", "json", "hostile"],
        ["inspect", "hostile"],
        ["explain", "hostile"],
        ["explain", "hostile", "--layer", "1"],
        ["explain", "hostile", "etc"],
        ["explain", "hostile", "--format", "json"],
        ["explain", "hostile", "/etc/\udce9.txt"],
    ],
    ids=" ".join,
)
def test_nothing_of_an_image_reaches_the_terminal_as_it_is(
    store: Store, lamina: Lamina, arguments: list[str]
) -> None:
    sample.hostile(store)
    status, out, err = lamina(*arguments)
    assert status == 0, err
    assert "red" in out or "\\xe9" in out
    assert all(c.isprintable() or c == "\n" for c in out)


def test_listing_reads_one_file_alone(
    store: Store, lamina: Lamina, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample.seed(store)
    for name in ("blobs", "layers"):
        (Path(store.root) / name).rename(Path(store.root) / f"{name}-away")
    assert lamina("images")[0] == 0
