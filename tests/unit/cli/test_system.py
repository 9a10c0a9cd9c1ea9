"""`system df`, `prune`, `verify`, `info` and `version`."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lamina.cli.filters import BadFilter
from lamina.cli.info import userland
from lamina.cli.prune import until
from lamina.oci.digest import Digest
from lamina.store.contract import StepResult, Store
from tests.fakes.images import make_image, make_layer, make_record
from tests.rights import needs_rights
from tests.unit.cli.conftest import Lamina


@pytest.fixture
def full(store: Store) -> Store:
    """Two images, one without a name, a stopped container and a build step."""
    base = {"bin/sh": b"x" * 500_000}
    make_image(store, "app:1", {"old": b"o" * 200_000})
    image = make_image(store, "app:1", base, {"app": b"a" * 100_000})
    store.containers.create(make_record("box", image, status="exited"))
    cached = make_layer(store, {"cached": b"c" * 300_000})
    store.steps.put(StepResult(Digest.of(b"1"), (cached,), description="RUN \x1b[31mmake"))
    return store


def du(root: Path) -> int:
    return int(subprocess.check_output(["du", "-sB1", root]).split()[0])


def test_df_has_dockers_columns(full: Store, lamina: Lamina) -> None:
    status, out, _ = lamina("system", "df")
    assert status == 0
    lines = out.splitlines()
    assert lines[0].split() == ["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"]
    assert [line.split("  ")[0] for line in lines[1:5]] == [
        "Images",
        "Containers",
        "Build Cache",
        "Other",
    ]
    assert lines[1].split()[1:3] == ["2", "1"]
    assert lines[2].split()[1:3] == ["1", "0"]
    assert lines[3].split()[2:4] == ["1", "0"]


def test_df_adds_up_and_prune_frees_what_it_says(full: Store, lamina: Lamina) -> None:
    lamina("tag", "app:1", "app:again")  # from here on there is a journal
    lamina("rmi", "app:again")
    _, out, _ = lamina("system", "df", "--format", "json")
    rows = [json.loads(line) for line in out.splitlines()]
    before = du(full.root)
    assert sum(row["SizeBytes"] for row in rows) == before
    for flag, row in zip(("--images", "--build-cache", "--containers"), (0, 2, 1), strict=True):
        _, out, _ = lamina("system", "df", "--format", "json")
        foretold = json.loads(out.splitlines()[row])["ReclaimableBytes"]
        before = du(full.root)
        status, out, _ = lamina("prune", "-af", flag)
        assert status == 0
        assert before - du(full.root) == foretold > 0


def test_df_says_what_prune_frees(full: Store, lamina: Lamina) -> None:
    _, out, _ = lamina("system", "df")
    assert out.splitlines()[-1].startswith("`lamina prune` frees ")
    foretold = out.splitlines()[-1].split("frees ")[1].split(",")[0]
    _, out, _ = lamina("prune", "-f")
    assert out.splitlines()[-1] == f"Total reclaimed space: {foretold}"


def test_df_verbose(full: Store, lamina: Lamina) -> None:
    status, out, _ = lamina("system", "df", "-v")
    assert status == 0
    assert "REPOSITORY   TAG       IMAGE ID" in out
    assert "SHARED SIZE   UNIQUE SIZE   CONTAINERS" in out
    assert "CONTAINER ID" in out
    assert "\x1b" not in out
    _, out, _ = lamina("system", "df", "-v", "--format", "json")
    details = json.loads(out)
    for image in details["Images"]:
        assert image["SizeBytes"] == image["SharedSizeBytes"] + image["UniqueSizeBytes"]
    assert [each["Repository"] for each in details["Images"]] == ["<none>", "app"]
    assert [each["Names"] for each in details["Containers"]] == ["box"]
    assert [each["InUse"] for each in details["BuildCache"]] == ["false"]


def test_df_template(full: Store, lamina: Lamina) -> None:
    _, out, _ = lamina("system", "df", "--format", "{{.Type}}={{.TotalCount}}")
    assert out.splitlines()[:2] == ["Images=2", "Containers=1"]


@pytest.mark.parametrize("command", [("prune",), ("system", "prune")])
def test_prune_asks(
    full: Store, lamina: Lamina, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: "n")
    status, out, _ = lamina(*command)
    assert status == 0
    assert "WARNING! This will remove:\n  - all stopped containers\n" in out
    assert "  - all dangling images\n" in out
    assert "Total" not in out
    assert len(full.refs.rows()) == 2
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: "y")
    status, out, _ = lamina(*command)
    assert "Total reclaimed space: " in out
    assert len(full.refs.rows()) == 1


def test_prune_lists_what_it_removed(full: Store, lamina: Lamina) -> None:
    image = full.images.find("app:1").config.digest
    _, out, _ = lamina("prune", "--all", "--force")
    assert f"Deleted Containers:\n{1:064x}\n" in out
    assert f"untagged: app:1\ndeleted: {image}\n" in out
    assert "Deleted build cache objects:\n" in out
    assert list(full.layers) == []
    assert list(full.blobs) == []


def test_prune_until(full: Store, lamina: Lamina) -> None:
    make_image(full, "new", created="2999-01-01T00:00:00Z")
    lamina("prune", "-af", "--images", "--filter", "until=1h")
    assert [row.created[:4] for row in full.refs.rows()] == ["2024", "2999"]
    status, _, err = lamina("prune", "-f", "--filter", "until=yesterday")
    assert status == 1
    assert "not a time: until='yesterday'" in err
    status, _, err = lamina("prune", "-f", "--filter", "colour=red")
    assert (status, "no filter 'colour'" in err) == (1, True)


NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("24h", datetime(2026, 2, 28, 12, tzinfo=UTC)),
        ("1h30m", datetime(2026, 3, 1, 10, 30, tzinfo=UTC)),
        ("1.5h", datetime(2026, 3, 1, 10, 30, tzinfo=UTC)),
        ("7d", datetime(2026, 2, 22, 12, tzinfo=UTC)),
        ("2026-01-01T00:00:00Z", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-01-01", datetime(2026, 1, 1, tzinfo=UTC)),
        ("1767225600", datetime(2026, 1, 1, tzinfo=UTC)),
    ],
)
def test_times(text: str, expected: datetime) -> None:
    assert until([f"until={text}"], NOW) == expected
    assert until([f"until={text}", "until=99d"], NOW) == until(["until=99d"], NOW)


@pytest.mark.parametrize("text", ["", "h", "12x", "1h5", "-1h", "1..h", "9" * 400 + "h"])
def test_bad_times(text: str) -> None:
    with pytest.raises(BadFilter):
        until([f"until={text}"], NOW)


def test_verify_says_that_all_is_well(full: Store, lamina: Lamina) -> None:
    status, out, err = lamina("verify")
    assert (status, err) == (0, "")
    assert out.startswith("all is well: 2 images, 4 layers, 4 blobs, 1 container, 1 build step; ")
    assert lamina("verify", "--quiet") == (0, "", "")
    status, out, _ = lamina("verify", "app:1")
    assert out.startswith("all is well: 1 image, 2 layers; ")


@needs_rights
def test_verify_names_what_is_wrong_and_exits_3(full: Store, lamina: Lamina) -> None:
    (path,) = full.root.glob("layers/*/fs/bin/sh")
    with path.open("r+b") as file:
        file.write(b"X")
    status, out, err = lamina("verify", "app:1")
    assert status == 3
    assert "'bin/sh'" in out
    assert "wrong with" in err
    assert lamina("verify", "nobody")[0] == 1
    status, _, _ = lamina("verify")
    assert status == 3


def test_info(full: Store, lamina: Lamina) -> None:
    status, out, _ = lamina("info")
    assert status == 0
    fields = dict(line.strip().split(": ", 1) for line in out.splitlines())
    assert fields["Store"] == str(full.root)
    assert (fields["Images"], fields["Containers"], fields["Stopped"]) == ("2", "1", "1")
    assert fields["Kernel"].startswith("Linux ")
    _, out, _ = lamina("info", "--format", "json")
    assert json.loads(out)["Format"] == 2
    _, out, _ = lamina("info", "--format", "{{.CgroupVersion}} {{.Images}}")
    assert out.split()[1] == "2"


def test_userland(tmp_path: Path) -> None:
    assert userland(tmp_path) == "unknown"
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "os-release").write_text('NAME=x\nPRETTY_NAME="Debian 12"\n# y\n')
    assert userland(tmp_path) == "Debian 12"


def test_version(lamina: Lamina) -> None:
    status, out, _ = lamina("version")
    assert status == 0
    assert out.startswith("Version: ")
    assert "msgspec:" in out
    _, out, _ = lamina("version", "--format", "json")
    assert set(json.loads(out)) >= {"Version", "Python", "KernelVersion", "Libraries"}
