"""The text of `RUN --mount` as a value."""

from __future__ import annotations

import pytest

from lamina.plan.mount_flag import BadMountFlag, MountFlag, parse_mount


def parsed(text: str) -> MountFlag:
    return parse_mount(text, lambda value: value.replace("$V", "v"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("target=/x", MountFlag(target="/x")),
        ("type=bind,dst=/x,src=a,from=b", MountFlag(origin="b", source="a", target="/x")),
        ("destination=/x,source=a,rw", MountFlag(source="a", target="/x", read_only=False)),
        ("target=/x,readwrite=true,ro", MountFlag(target="/x")),
        ("target=/x,ro,readonly=0", MountFlag(target="/x", read_only=False)),
        ("target=/x,rw,rw=f", MountFlag(target="/x")),
        ("TYPE=Bind,Target=/x", MountFlag(target="/x")),
        ("target=/$V,source=$V,from=$", MountFlag(origin="$", source="v", target="/v")),
        ("target=/a,target=/b", MountFlag(target="/b")),
        ('"target=/a,b","source=""q"""', MountFlag(source='"q"', target="/a,b")),
        (
            "type=cache,id=i,sharing=LOCKED,mode=1777,uid=1,gid=2,from=b,source=/s,target=c",
            MountFlag("cache", "b", "/s", "c", "i", "locked", False, False, 0, 0o1777, 1, 2),
        ),
        ("type=cache,target=/c,ro", MountFlag("cache", target="/c")),
        (
            "type=tmpfs,target=/t,size=1.5k",
            MountFlag("tmpfs", target="/t", size=1536, read_only=False),
        ),
        (
            "required,type=secret,id=s,target=/t,env=E,mode=0440,uid=1,gid=0",
            MountFlag(
                "secret", target="/t", id="s", required=True, mode=0o440, uid=1, gid=0, env="E"
            ),
        ),
        ("type=secret,source=s,required=false", MountFlag("secret", source="s")),
        ("type=ssh", MountFlag("ssh")),
        ("type=ssh,id=i,required=1,mode=0666", MountFlag("ssh", id="i", required=True, mode=0o666)),
    ],
)
def test_options(text: str, expected: MountFlag) -> None:
    assert parsed(text) == expected


@pytest.mark.parametrize(
    ("text", "fragment", "problem", "note"),
    [
        (
            "type=foo",
            "type=foo",
            "no type of mounts is called foo",
            "bind, cache, tmpfs, secret, ssh",
        ),
        ("type=cahce", "type=cahce", "no type of mounts is called cahce", "did you mean cache?"),
        ("targte=/x", "targte=/x", "mounts have no option targte", "did you mean target?"),
        ("target=/x,", "target=/x,", "an option of the mount is empty", ""),
        ("", "", "an option of the mount is empty", ""),
        ("target", "target", "target needs a value", "target=…"),
        ("id=a,size,type=tmpfs", "size", "size needs a value", "size=…"),
        ("ro=maybe", "ro=maybe", "readonly is true or false, not maybe", ""),
        ("rw=", "rw=", "readwrite is true or false, not ", ""),
        (
            "from=$x",
            "from=$x",
            "from cannot have a variable",
            "give the image a name with FROM … AS, and use that",
        ),
        (
            "type=cache,sharing=all",
            "sharing=all",
            "no sharing of mounts is called all",
            "shared, private, locked",
        ),
        (
            "sharing=locked",
            "sharing=locked",
            "a mount of type bind has no sharing",
            "sharing is for cache",
        ),
        (
            "required",
            "required",
            "a mount of type bind has no required",
            "required is for secret, ssh",
        ),
        ("type=cache,size=1", "size=1", "a mount of type cache has no size", "size is for tmpfs"),
        ("uid=1", "uid=1", "a mount of type bind has no uid", "uid is for cache, secret, ssh"),
        (
            "type=tmpfs,mode=1",
            "mode=1",
            "a mount of type tmpfs has no mode",
            "mode is for cache, secret, ssh",
        ),
        (
            "type=secret,id=a,from=b",
            "from=b",
            "a mount of type secret has no from",
            "from is for bind, cache, tmpfs, ssh",
        ),
        (
            "type=ssh,source=a",
            "source=a",
            "a mount of type ssh has no source",
            "source is for bind, cache, tmpfs, secret",
        ),
        ("type=secret", "type=secret", "a secret mount needs an id or a target", "id=NAME"),
        (
            "type=secret,id=a,src=b",
            "type=secret,id=a,src=b",
            "a secret mount has an id or a source, not both",
            "",
        ),
        ("type=secret,id=a,env=", "env", "env needs the name of a variable", "env=NAME"),
        ("type=ssh,mode=8", "mode=8", "not a mode: 8", "octal digits: 0400"),
        ("type=ssh,uid=-1", "uid=-1", "not a uid: -1", "a number"),
        ("type=ssh,gid=4294967296", "gid=4294967296", "not a gid: 4294967296", "a number"),
        ("type=tmpfs,size=big", "size=big", "not a size: 'big'", "a number with b, k, m or g: 64m"),
        (
            'target="/x"',
            'target="/x"',
            "a quote stands inside an option of the mount",
            "quote all of it",
        ),
        ('"target=/x', '"target=/x', "a quote of the mount is not closed", ""),
    ],
)
def test_errors(text: str, fragment: str, problem: str, note: str) -> None:
    with pytest.raises(BadMountFlag) as caught:
        parsed(text)
    assert (caught.value.fragment, str(caught.value), caught.value.hint) == (
        fragment,
        problem,
        note,
    )
