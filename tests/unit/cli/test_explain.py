"""`explain`, `inspect` and `completion` on a store."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

import pytest

from lamina.cli import explain as explain_command
from lamina.cli.main import run
from lamina.store.contract import Store
from tests.golden.golden import check
from tests.rights import needs_rights
from tests.unit.cli import sample

Lamina = Callable[..., tuple[int, str, str]]


@pytest.fixture
def lamina(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Lamina:
    """Run the command line on `store`: (exit status, standard output, standard error)."""
    monkeypatch.setattr(explain_command, "_clock", lambda mtime: "09:41:02")

    def call(*arguments: str) -> tuple[int, str, str]:
        status = run(["--root", str(store.root), *arguments])
        return status, *capsys.readouterr()

    return call


def test_the_seed_s_image_is_explained(store: Store, lamina: Lamina) -> None:
    sample.seed(store)
    status, out, _ = lamina("explain", "seed")
    assert status == 0
    check("cli/explain-seed.txt", out)


def test_json_has_the_promised_fields(store: Store, lamina: Lamina) -> None:
    image = sample.seed(store)
    document = json.loads(lamina("explain", "seed", "--format", "json")[1])
    assert (document["visible_bytes"], document["hidden_bytes"]) == (155_026, 51_200)
    assert [layer["diff_id"] for layer in document["layers"]] == [
        str(each) for each in image.layers
    ]
    assert [layer["bytes"] for layer in document["layers"]] == [155_026, 0, 51_200, 0]
    assert [layer["hidden_bytes"] for layer in document["layers"]] == [0, 0, 51_200, 0]
    assert document["layers"][3]["created_by"] == "RUN /bin/sh -c rm -rf 50M.file # buildkit"
    assert document["base"] == {"name": "debian:bookworm", "layers": 1}


def test_a_path_is_searched(store: Store, lamina: Lamina) -> None:
    sample.seed(store)
    check("cli/explain-seed-path.txt", lamina("explain", "seed", "/home/50M.file")[1])
    document = json.loads(lamina("explain", "seed", "bin/dash", "--format", "json")[1])
    assert (document["state"], document["layer"], document["steps"][-1]["bytes"]) == (
        "found",
        "1",
        120_000,
    )


def test_one_layer(store: Store, lamina: Lamina) -> None:
    sample.seed(store)
    _, out, _ = lamina("explain", "seed", "--layer", "1", "--limit", "2")
    assert out.splitlines()[-1] == "   and 2 smaller, 5.0 kB   (--limit 4 shows all)"
    document = json.loads(lamina("explain", "seed", "--layer", "3", "--format", "json")[1])
    assert document["files"][0]["hidden_by"] == "4"


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["nope"], 1, "lamina: no image nope in the store\n"),
        (["seed", "/nowhere"], 1, "lamina: no layer of seed:latest has /nowhere\n"),
        (["seed", "--layer", "9"], 1, "lamina: no layer 9 in seed:latest\n"),
        (["seed", "bin", "--layer", "1"], 2, "lamina: give either PATH or --layer\n"),
        (["seed", "--format", "xml"], 2, "lamina: invalid value for '--format'"),
    ],
)
def test_mistakes_are_told(
    store: Store, lamina: Lamina, arguments: list[str], status: int, message: str
) -> None:
    sample.seed(store)
    found, out, err = lamina("explain", *arguments)
    assert (found, out) == (status, "")
    assert err.startswith(message)


@needs_rights
def test_a_containers_own_layer_is_told(store: Store, lamina: Lamina) -> None:
    record = sample.container(store, sample.seed(store))
    upper = store.containers.directory(record.id) / "upper"
    (upper / "etc").mkdir()
    (upper / "etc/passwd").write_bytes(b"root:x:0:0::/root:/bin/sh\n")
    (upper / "etc/passwd").chmod(0o600)
    (upper / "bin").mkdir()
    (upper / "bin/sh").write_bytes(b"new")
    (upper / "new").write_bytes(b"n")
    check("cli/explain-web.txt", lamina("explain", "web")[1])
    told = {
        path: json.loads(lamina("explain", "web", path, "--format", "json")[1])["container"]
        for path in ("etc/passwd", "bin/sh", "new", "bin", "usr/share/doc/a")
    }
    assert told["etc/passwd"] == "copied up, the content is the image's; mode 0644 → 0600"
    assert told["bin/sh"] == "copied up when first written; last change 09:41:02"
    assert told["new"] == "new, only here; 09:41:02"
    assert told["bin"] == "something in it changed here; 09:41:02"
    assert told["usr/share/doc/a"] is None
    assert "read from here" in lamina("explain", "web", "usr/share/doc/a")[1]


def test_other_containers_share_the_layer(store: Store, lamina: Lamina) -> None:
    import msgspec

    record = sample.container(store, sample.seed(store))
    store.containers.create(msgspec.structs.replace(record, id="d" * 64, name="db"))
    _, out, _ = lamina("explain", "web", "etc/passwd")
    assert "read from here (shared with 1 other container)" in out


def test_a_container_s_name_wins_and_its_image_may_be_gone(store: Store, lamina: Lamina) -> None:
    image = sample.seed(store)
    sample.container(store, image, name="seed")
    assert json.loads(lamina("explain", "seed", "--format", "json")[1])["container"] == "seed"
    assert lamina("rmi", "-f", "seed:latest")[0] == 0
    assert lamina("rmi", "-f", image.config.digest.short)[0] == 0
    assert json.loads(lamina("explain", "c0ffee", "--format", "json")[1])["container"] == "seed"
    assert lamina("inspect", "c0ffee")[0] == 0


def without_root(text: str, store: Store) -> str:
    return text.replace(str(store.root), "ROOT")


@needs_rights
def test_inspect_has_dockers_shape(store: Store, lamina: Lamina) -> None:
    sample.container(store, sample.seed(store))
    status, out, _ = lamina("inspect", "seed", "debian:bookworm")
    assert status == 0
    check("cli/inspect-images.json", without_root(out, store))
    status, out, _ = lamina("inspect", "-s", "web")
    check("cli/inspect-container.json", without_root(out, store))


def test_inspect_prints_what_it_finds_and_tells_the_rest(store: Store, lamina: Lamina) -> None:
    sample.debian(store)
    status, out, err = lamina("inspect", "nope", "debian:bookworm")
    assert status == 1 and len(json.loads(out)) == 1
    assert err.startswith("lamina: no image or container nope\n")
    assert lamina("inspect", "nope")[:2] == (1, "[]\n")
    assert lamina("inspect", "--type", "container", "debian:bookworm")[0] == 1
    assert lamina("inspect", "--type", "image", "web")[0] == 1


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{.State.Status}} {{.State.ExitCode}}", "exited 3\n"),
        ("{{range .Config.Env}}{{println .}}{{end}}", "PATH=/bin\nA=1\n\n"),
        ("{{.Config.Labels.tier}} {{.Config.ExposedPorts}}", "front map[]\n"),
        ("{{range .Mounts}}{{.Source}}:{{.Destination}} {{.RW}}{{end}}", "/srv:/data false\n"),
        ("{{json .Args}}", '["-c","true"]\n'),
        ("{{.Name}} {{index .Config.Cmd 0}}", "/web sh\n"),
    ],
)
def test_inspect_takes_templates(
    store: Store, lamina: Lamina, template: str, expected: str
) -> None:
    sample.container(store, sample.seed(store))
    assert lamina("inspect", "--format", template, "web") == (0, expected, "")


def test_inspect_as_lines_of_json(store: Store, lamina: Lamina) -> None:
    sample.seed(store)
    _, out, _ = lamina("inspect", "-f", "json", "seed", "debian:bookworm")
    assert [json.loads(line)["RepoTags"] for line in out.splitlines()] == [
        ["seed:latest"],
        ["debian:bookworm"],
    ]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_name_the_program(lamina: Lamina, shell: str) -> None:
    status, out, _ = lamina("completion", shell)
    assert status == 0 and "_LAMINA_COMPLETE" in out and "lamina completion " in out


def completed(store: Store, words: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    count = len(words.split()) - (not words.endswith(" "))
    os.environ |= {
        "_LAMINA_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(count),
        "LAMINA_ROOT": str(store.root),
    }
    with pytest.raises(SystemExit):
        run([])
    lines = capsys.readouterr().out.splitlines()
    return [line.partition(",")[2] for line in lines if line]


def test_names_are_completed(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sample.container(store, sample.seed(store))
    for name in ("_LAMINA_COMPLETE", "COMP_WORDS", "COMP_CWORD", "LAMINA_ROOT"):
        monkeypatch.setenv(name, "")
    assert completed(store, "lamina expla", capsys) == ["explain"]
    assert completed(store, "lamina explain ", capsys) == ["debian:bookworm", "seed:latest", "web"]
    assert completed(store, "lamina rmi de", capsys) == ["debian:bookworm"]
    (store.root / "index.json").write_text("{")
    assert completed(store, "lamina rmi ", capsys) == []
