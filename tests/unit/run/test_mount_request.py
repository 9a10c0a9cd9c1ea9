"""What is written after `-v`, `--mount`, `--tmpfs` and `--volumes-from`."""

from __future__ import annotations

import pytest

from lamina.run.mount_request import (
    BadMount,
    MountRequest,
    NoSuchMount,
    parse_mount,
    parse_size,
    parse_tmpfs,
    parse_volume,
    parse_volumes_from,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/data", MountRequest("volume", "/data")),
        ("vol:/data", MountRequest("volume", "/data", "vol")),
        ("/a:/b", MountRequest("bind", "/b", "/a", make_source=True)),
        ("./a:/b:ro", MountRequest("bind", "/b", "./a", True, make_source=True)),
        (".:/b//c/./d/", MountRequest("bind", "/b/c/d", ".", make_source=True)),
        (
            "/a:/b/../c:rslave,ro",
            MountRequest("bind", "/c", "/a", True, make_source=True, propagation="rslave"),
        ),
        ("vol:/b:nocopy", MountRequest("volume", "/b", "vol", copy=False)),
        ("vol:/b:ro,z", MountRequest("volume", "/b", "vol", True)),
    ],
)
def test_volumes(text: str, expected: MountRequest) -> None:
    assert parse_volume(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a:",
        ":b",
        "a:b:c:d",
        "a:b",
        "/a:/",
        "/a:/..",
        "/a:/b/../..",
        "relative/path:/b",
        "/a:/b:exec",
        "x:/b",
        "vol:/b:rshared",
        "/a:/b:nocopy",
    ],
)
def test_bad_volumes(text: str) -> None:
    with pytest.raises(BadMount):
        parse_volume(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("type=bind,source=/a,target=/b", MountRequest("bind", "/b", "/a")),
        ("type=bind,src=/a,dst=/b,readonly", MountRequest("bind", "/b", "/a", True)),
        ("type=volume,src=vol,destination=/b,ro=true", MountRequest("volume", "/b", "vol", True)),
        ("target=/b", MountRequest("volume", "/b")),
        ('"source=/a,b",type=bind,dst=/b', MountRequest("bind", "/b", "/a,b")),
        ("type=bind,src=/a,dst=/b,bind-propagation=rshared,bind-recursive=disabled",
         MountRequest("bind", "/b", "/a", propagation="rshared", recursive=False)),
        ("type=bind,src=/a,dst=/b,ro,bind-recursive=writable,bind-create-src=true",
         MountRequest("bind", "/b", "/a", True, make_source=True, read_only_below=False)),
        ("type=volume,src=vol,dst=/b,volume-nocopy,volume-subpath=x/y,volume-label=a=b,"
         "volume-opt=type=tmpfs,volume-opt=device=tmpfs,volume-driver=local",
         MountRequest("volume", "/b", "vol", copy=False, subpath="x/y", labels=(("a", "b"),),
                      driver_options=(("type", "tmpfs"), ("device", "tmpfs")))),
        ("type=tmpfs,target=/b,tmpfs-size=1m,tmpfs-mode=700",
         MountRequest("tmpfs", "/b", options="size=1048576,mode=700")),
    ],
)  # fmt: skip
def test_mounts(text: str, expected: MountRequest) -> None:
    assert parse_mount(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "type=bind,target=/b",
        "type=other,source=a,target=/b",
        "type=bind,source=/a",
        "type=tmpfs,target=/b,nonsense=1",
        "type=bind,source=/a,target=/b,size=1",
        "type=bind,source=/a,target=/b,volume-nocopy=true",
        "type=volume,source=a/b,target=/b",
        "type=bind,source=/a,target=/b,bind-recursive=readonly",
        "type=bind,source=/a,target=/",
        "type=volume,source=vol,target=/b,volume-subpath=../x",
        "type=tmpfs,source=a,target=/b",
        "type=bind,source=/a,target=/b,bind-propagation=up",
        "type=volume,target=/b,ro=maybe",
    ],
)
def test_bad_mounts(text: str) -> None:
    with pytest.raises(BadMount):
        parse_mount(text)


def test_tmpfs() -> None:
    assert parse_tmpfs("/t") == MountRequest("tmpfs", "/t")
    assert parse_tmpfs("/t:size=1m,exec") == MountRequest("tmpfs", "/t", options="size=1m,exec")


@pytest.mark.parametrize("text", ["t", "/t:size", "/t:bad=1", "/t:execc", "/"])
def test_bad_tmpfs(text: str) -> None:
    with pytest.raises(BadMount):
        parse_tmpfs(text)


def test_what_docker_mounts_and_we_do_not_is_told_apart() -> None:
    for text in ("type=npipe,source=a,target=/b", "type=volume,target=/b,volume-driver=nfs"):
        with pytest.raises(NoSuchMount):
            parse_mount(text)


def test_volumes_from() -> None:
    assert parse_volumes_from("db") == ("db", False)
    assert parse_volumes_from("db:ro") == ("db", True)
    for bad in ("", ":ro", "db:exec"):
        with pytest.raises(BadMount):
            parse_volumes_from(bad)


def test_sizes() -> None:
    assert [parse_size(text) for text in ("1", "2k", "3KB", "4MiB", "1g")] == [
        1, 2048, 3072, 4 << 20, 1 << 30,
    ]  # fmt: skip
    with pytest.raises(BadMount):
        parse_size("-1")
