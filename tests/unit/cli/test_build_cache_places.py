"""`--cache-to` and `--cache-from` as buildx reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.cli.build_cache_places import CachePlace, parse_from, parse_to
from lamina.errors import Invalid, Unsupported


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("me/app:cache", CachePlace("registry", "me/app:cache", "me/app:cache")),
        ("type=registry,ref=me/app", CachePlace("registry", "me/app:latest", "me/app:latest")),
        ("ref=me/app,type=registry", CachePlace("registry", "me/app:latest", "me/app:latest")),
        ("TYPE=local,SRC=a", CachePlace("local", "a", path=Path("a"))),
        (
            '"type=local","src=a,b",tag=main',
            CachePlace("local", "a,b", path=Path("a,b"), tag="main"),
        ),
        (
            "type=local,src=a,digest=sha256:12",
            CachePlace("local", "a", path=Path("a"), digest="sha256:12"),
        ),
    ],
)
def test_from(text: str, place: CachePlace) -> None:
    assert parse_from(text) == [place]


def test_several_names_at_once() -> None:
    assert [each.ref for each in parse_from("one:1,two:2")] == ["one:1", "two:2"]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("type=inline", CachePlace("inline", "in the image")),
        (
            "type=registry,ref=r.example/c:1,mode=max,compression=zstd,ignore-error=true",
            CachePlace(
                "registry",
                "r.example/c:1",
                "r.example/c:1",
                everything=True,
                compression="zstd",
                ignore_error=True,
            ),
        ),
        (
            "type=local,dest=out,compression=uncompressed,oci-mediatypes=true,image-manifest=true",
            CachePlace("local", "out", path=Path("out"), compression="none"),
        ),
    ],
)
def test_to(text: str, place: CachePlace) -> None:
    assert parse_to(text) == [place]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "--cache-to is empty"),
        ("type=registry", "--cache-to type=registry needs ref=…"),
        ("type=local,mode=max", "--cache-to type=local needs dest=…"),
        ("type=local,src=a", "--cache-to type=local has no option 'src'"),
        ("type=inline,mode=max", "--cache-to type=inline has no option 'mode'"),
        ("type=zip,dest=a", "--cache-to has no type 'zip'"),
        ("type=local,dest=a,mode=most", "--cache-to has no mode 'most'"),
        ("type=local,dest=a,compression=estargz", "has no compression 'estargz'"),
        ("type=local,dest=a,ignore-error=maybe", "ignore-error is true or false, not 'maybe'"),
        ("type=local,dest=a,oci-mediatypes=false", "caches are OCI manifests here"),
        ("type=local,dest", "'dest' is not NAME=VALUE"),
        ('"type=local', "cannot be read"),
    ],
)
def test_what_makes_no_sense(text: str, problem: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_to(text)
    assert problem in str(caught.value)


@pytest.mark.parametrize("kind", ["gha", "s3", "azblob"])
def test_services_that_are_not_spoken_to(kind: str) -> None:
    with pytest.raises(Unsupported) as caught:
        parse_from(f"type={kind}")
    assert "type=registry" in caught.value.hint


def test_an_inline_cache_is_read_by_the_images_name() -> None:
    with pytest.raises(Invalid):
        parse_from("type=inline")
