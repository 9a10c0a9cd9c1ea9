"""-o, --push and --load, read as Docker reads them."""

from __future__ import annotations

import pytest

from lamina.cli.build_output_spec import BadOutput, Output, parse_outputs
from lamina.oci.reference import Reference

APP = (Reference.parse("app:1"),)


def parsed(
    *texts: str, names: tuple[Reference, ...] = (), push: bool = False, load: bool = False
) -> list[Output]:
    return parse_outputs(texts, names, push=push, load=load)


@pytest.mark.parametrize(
    ("text", "output"),
    [
        ("out", Output("local", "out")),
        ("out/dir.d", Output("local", "out/dir.d")),
        ("-", Output("tar", "-")),
        ("out.tar", Output("tar", "out.tar")),
        ("type=local,dest=out", Output("local", "out")),
        ("type=tar,dest=out", Output("tar", "out")),
        ("type=tar", Output("tar", "-")),
        ("type=oci", Output("oci", "-")),
        ("type=oci,dest=a.tar,compression=zstd", Output("oci", "a.tar", compression="zstd")),
        ("type=oci,dest=d,tar=false", Output("oci", "d", directory=True)),
        ("type=docker", Output("docker")),
        ("type=docker,dest=-", Output("docker", "-")),
        ("TYPE=image", Output("image")),
        ("type=image,name=app:1", Output("image", names=APP)),
        ("type=image,name=app:1,push=true", Output("image", names=APP, push=True)),
        ("type=registry,name=app:1", Output("image", names=APP, push=True)),
        ('type=tar,"dest=a,b.tar"', Output("tar", "a,b.tar")),
        ('type=image,"name=app:1,b"', Output("image", names=(*APP, Reference.parse("b")))),
        (
            "type=registry,name=app:1,registry.insecure=true,compression=uncompressed",
            Output("image", names=APP, push=True, insecure=True, compression="none"),
        ),
    ],
)
def test_one_output(text: str, output: Output) -> None:
    assert parsed(text) == [output]


def test_without_any_the_image_is_kept() -> None:
    assert parsed(names=APP) == [Output("image", names=APP)]
    assert [each.keeps for each in parsed("out")] == [False]
    assert [each.keeps for each in parsed("type=docker")] == [True]
    assert [each.keeps for each in parsed("type=docker,dest=x.tar")] == [False]
    assert [each.keeps for each in parsed("type=image,store=false")] == [False]
    assert [each.keeps for each in parsed("out", load=True)] == [False, True]


def test_names_of_the_build_stand_before_those_of_an_output() -> None:
    assert parsed("type=oci,dest=a,name=other", names=APP)[0].names == APP


def test_push() -> None:
    assert parsed(names=APP, push=True) == [Output("image", names=APP, push=True)]
    both = parsed("out", names=APP, push=True)
    assert both == [Output("local", "out", names=APP), Output("image", names=APP, push=True)]
    assert parsed("type=image", names=APP, push=True) == [Output("image", names=APP, push=True)]


@pytest.mark.parametrize(
    ("texts", "push", "message"),
    [
        ([""], False, "an output is empty"),
        (["dest=x"], False, "has no type"),
        (["type=zip,dest=x"], False, "no output of type zip"),
        (["type=oci,colour=red"], False, "an output of type oci has no colour"),
        (["type=local"], False, "needs a directory"),
        (["type=local,dest=-"], False, "needs a directory"),
        (["type=tar,dest="], False, "empty dest"),
        (["type=oci,tar=false"], False, "needs a place"),
        (["type=oci,tar=maybe,dest=x"], False, "neither true nor false"),
        (["type=oci,oci-mediatypes=false"], False, "not supported"),
        (["type=oci,compression=estargz"], False, "compression=estargz is not supported"),
        (["type=image,push"], False, "not an output"),
        (['type=image,"name=a'], False, "not an output"),
        (["type=registry"], False, "no name to push to"),
        ([], True, "no name to push to"),
        (["-", "type=oci"], False, "only one output can go to standard output"),
    ],
)
def test_what_cannot_be(texts: list[str], push: bool, message: str) -> None:
    with pytest.raises(BadOutput, match=message):
        parsed(*texts, push=push)
