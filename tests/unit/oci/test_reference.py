from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.oci.digest import Digest
from lamina.oci.reference import BadReference, Reference

HEX = "a" * 64
DIGEST = f"sha256:{HEX}"


@pytest.mark.parametrize(
    ("text", "full", "familiar"),
    [
        ("debian", "docker.io/library/debian:latest", "debian:latest"),
        ("debian:bookworm", "docker.io/library/debian:bookworm", "debian:bookworm"),
        ("me/app", "docker.io/me/app:latest", "me/app:latest"),
        ("docker.io/debian", "docker.io/library/debian:latest", "debian:latest"),
        ("index.docker.io/me/app", "docker.io/me/app:latest", "me/app:latest"),
        ("ghcr.io/x/y/z:v1", "ghcr.io/x/y/z:v1", "ghcr.io/x/y/z:v1"),
        ("localhost/app", "localhost/app:latest", "localhost/app:latest"),
        ("localhost:5000/app", "localhost:5000/app:latest", "localhost:5000/app:latest"),
        ("[::1]:5000/app:1", "[::1]:5000/app:1", "[::1]:5000/app:1"),
        ("Host/app", "Host/app:latest", "Host/app:latest"),
        ("a__b--c.d_e", "docker.io/library/a__b--c.d_e:latest", "a__b--c.d_e:latest"),
        (f"debian@{DIGEST}", f"docker.io/library/debian@{DIGEST}", f"debian@{DIGEST}"),
        (f"debian:12@{DIGEST}", f"docker.io/library/debian:12@{DIGEST}", f"debian:12@{DIGEST}"),
        ("debian:" + "t" * 128, "docker.io/library/debian:" + "t" * 128, "debian:" + "t" * 128),
    ],
)
def test_names_are_completed_and_shortened_as_docker_does(
    text: str, full: str, familiar: str
) -> None:
    reference = Reference.parse(text)
    assert str(reference) == full
    assert reference.familiar == familiar
    assert Reference.parse(full) == Reference.parse(familiar) == reference


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not an image name"),
        (" debian", "not an image name"),
        ("Debian", "lower case"),
        ("me/App", "lower case"),
        ("debian:", "not a tag"),
        ("debian:-x", "not a tag"),
        ("debian:" + "t" * 129, "not a tag"),
        ("debian:a b", "not a tag"),
        ("a//b", "not an image name"),
        ("a/", "not an image name"),
        ("a___b", "not an image name"),
        ("a..b", "not an image name"),
        ("-a", "not an image name"),
        ("a-", "not an image name"),
        ("débian", "not an image name"),
        (HEX, "not an image name"),
        ("debian@sha256:abc", "not a sha256 digest"),
        ("-bad.host/x", "not the name of a registry"),
        ("a/" * 130 + "b", "more than 255 characters"),
    ],
)
def test_bad_names_are_refused_in_one_sentence(text: str, says: str) -> None:
    with pytest.raises(BadReference, match=says) as caught:
        Reference.parse(text)
    assert "\n" not in str(caught.value)


def test_upper_case_gets_the_name_that_was_meant() -> None:
    with pytest.raises(BadReference) as caught:
        Reference.parse("me/App:V1")
    assert caught.value.hint == "write me/app:V1"


def test_no_default_tag_on_request() -> None:
    assert Reference.parse("debian", default_tag="").tag == ""
    assert Reference.parse("debian:x").with_digest(Digest(DIGEST)).tag == ""
    assert str(Reference.parse(f"debian@{DIGEST}").with_tag("y")) == "docker.io/library/debian:y"


_part = st.from_regex(r"[a-z0-9]+((\.|_|__|-{1,3})[a-z0-9]+){0,2}", fullmatch=True)
_host = st.sampled_from(["docker.io", "ghcr.io", "localhost", "localhost:5000", "10.0.0.1:80"])
_tag = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True)


@given(_host, st.lists(_part, min_size=1, max_size=3), _tag, st.booleans())
def test_every_form_reads_back(host: str, parts: list[str], tag: str, pinned: bool) -> None:
    repository = "/".join(parts)
    text = f"{host}/{repository}:{tag}" + (f"@{DIGEST}" if pinned else "")
    reference = Reference.parse(text)
    assert Reference.parse(str(reference)) == reference
    assert reference.tag == tag
    if host != "docker.io":
        assert str(reference) == text


@given(st.text(max_size=60))
def test_any_text_is_a_reference_or_a_clear_error(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except BadReference:
        return
    assert Reference.parse(str(reference)) == reference


@pytest.mark.parametrize(
    ("text", "hint"), [("Debian", "write debian"), ("me/App:V1", "write me/app:V1")]
)
def test_capitals_are_told_as_they_should_be(text: str, hint: str) -> None:
    with pytest.raises(BadReference) as caught:
        Reference.parse(text)
    assert caught.value.hint == hint
