"""Everything that a registry can do wrong: each is one clear error, or is overcome."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from itertools import islice

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lamina.errors import Corrupt, Denied, EngineError, Invalid, NotFound, Unavailable, Unsupported
from lamina.oci import mediatype
from lamina.oci.descriptor import Descriptor
from lamina.oci.manifest import Manifest
from lamina.registry import errors
from lamina.registry.upload import _Segment, _Tally
from tests.contract.source_sink import describe, material, pieces, put_image, read
from tests.fakes import registry as fake
from tests.fakes.registry import FakeRegistry
from tests.unit.registry.conftest import Client, Naps

BLOB = material(5_000_000)
DESCRIPTOR = describe(BLOB)


@pytest.fixture
def image(client: Client) -> Manifest:
    return put_image(client(push=True), BLOB)


# --- silence and broken connections ---------------------------------------------------------


def test_a_registry_that_hangs_is_unavailable(client: Client, registry: FakeRegistry) -> None:
    registry.fault("GET", "/v2/", fake.hang())
    with pytest.raises(errors.TimedOut, match=f"{registry.host}: no answer within the timeout"):
        client(idle_timeout=0.3).resolve()


def test_a_hang_in_the_middle_of_a_blob_is_unavailable(
    client: Client, registry: FakeRegistry, image: Manifest
) -> None:
    registry.fault("GET", "/blobs/", fake.hang(1_000_000))
    with pytest.raises(Unavailable, match="no answer within the timeout"):
        read(client(idle_timeout=1.0), DESCRIPTOR)


def test_nobody_listening_is_said_at_once(client: Client, naps: Naps) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(errors.Unreachable) as caught:
            client(host=host).resolve()
    assert str(caught.value) == (
        f"{host}: nobody listens there: connection refused (GET http://{host}/v2/)"
    )
    assert naps.seconds == []


def test_a_host_that_does_not_exist_is_named(client: Client) -> None:
    with pytest.raises(errors.Unreachable, match=r"nowhere\.invalid: there is no such host"):
        client(host="nowhere.invalid").resolve()


def test_a_reset_before_the_answer_is_tried_again(
    client: Client, registry: FakeRegistry, image: Manifest, naps: Naps
) -> None:
    registry.fault("HEAD", "/manifests/", fake.reset, times=3)
    assert client().resolve() == image.descriptor
    assert len(naps.seconds) == 3
    assert 0.125 <= naps.seconds[0] <= 0.375
    assert naps.seconds[2] > naps.seconds[0]


def test_a_registry_that_always_resets_is_unavailable(
    client: Client, registry: FakeRegistry, naps: Naps
) -> None:
    registry.fault("HEAD", "/manifests/", fake.reset, times=99)
    with pytest.raises(errors.Interrupted, match="the connection broke"):
        client().resolve()
    assert len(naps.seconds) == 4


def test_a_reset_of_the_very_first_request_is_tried_again(
    client: Client, registry: FakeRegistry, image: Manifest
) -> None:
    registry.fault("GET", "/v2/", fake.reset)
    assert client().resolve() == image.descriptor


def test_a_broken_blob_is_taken_up_where_it_broke(
    client: Client, registry: FakeRegistry, image: Manifest
) -> None:
    registry.fault("GET", "/blobs/", fake.break_after(2_000_000))
    registry.fault("GET", "/blobs/", fake.break_after(100))
    assert read(client(), DESCRIPTOR) == BLOB
    asked = [seen.headers.get("range") for seen in registry.asked("GET", "/blobs/")]
    assert asked[0] is None
    assert asked[1:] == [f"bytes={start}-" for start in _starts(asked)]
    assert len(asked) == 3


def _starts(ranges: list[str | None]) -> list[int]:
    starts = [int(each.removeprefix("bytes=").rstrip("-")) for each in ranges[1:] if each]
    assert starts == sorted(starts)
    assert starts[0] > 1_000_000
    return starts


def test_a_broken_blob_without_range_support_starts_again_and_skips(
    client: Client, registry: FakeRegistry, image: Manifest
) -> None:
    registry.ranges = False
    registry.fault("GET", "/blobs/", fake.break_after(2_000_000))
    assert read(client(), DESCRIPTOR) == BLOB
    assert read(client(), DESCRIPTOR, 4_999_999) == BLOB[-1:]


def test_a_blob_that_always_breaks_at_the_same_place_is_given_up(
    client: Client, registry: FakeRegistry, image: Manifest, naps: Naps
) -> None:
    registry.ranges = False
    registry.fault("GET", "/blobs/", fake.break_after(2_000_000), times=99)
    with pytest.raises(errors.Interrupted, match="the connection broke"):
        read(client(), DESCRIPTOR)
    assert 4 <= len(naps.seconds) <= 6


# --- lies about length and digest -----------------------------------------------------------


@pytest.mark.parametrize(("size", "told"), [(4_999_999, "4999999"), (5_000_001, "5000001")])
def test_a_length_that_differs_from_the_descriptor_is_corrupt(
    client: Client, registry: FakeRegistry, image: Manifest, size: int, told: str
) -> None:
    registry.fault("GET", "/blobs/", fake.with_body(bytes(size)))
    with pytest.raises(Corrupt, match=f"5000000 bytes by its descriptor.*sends {told}"):
        read(client(), DESCRIPTOR)


def test_a_body_longer_than_promised_without_a_length_is_cut_off(
    client: Client, registry: FakeRegistry, image: Manifest
) -> None:
    registry.fault("GET", "/blobs/", fake.unframed(BLOB + b"more"))
    with pytest.raises(Corrupt, match="longer than the 5000000 bytes"):
        read(client(), DESCRIPTOR)


def test_a_body_shorter_than_promised_without_a_length_is_corrupt(
    client: Client, registry: FakeRegistry, image: Manifest
) -> None:
    registry.fault("GET", "/blobs/", fake.unframed(BLOB[:-1]))
    with pytest.raises(Corrupt, match="ended after 4999999 of the 5000000 bytes"):
        read(client(), DESCRIPTOR)


def test_a_range_from_another_offset_is_corrupt(
    client: Client, registry: FakeRegistry, image: Manifest
) -> None:
    registry.fault("GET", "/blobs/", fake.with_headers(Content_Range="bytes 0-9/5000000"))
    with pytest.raises(Corrupt, match="another offset than 10"):
        read(client(), DESCRIPTOR, 10)


def test_a_wrong_digest_header_does_not_get_past_the_bytes(
    client: Client, registry: FakeRegistry, image: Manifest
) -> None:
    other = describe(b"other").digest
    registry.add_manifest("team/app", "", b"other")
    registry.fault("HEAD", "/manifests/", fake.with_headers(Docker_Content_Digest=str(other)))
    found = client().resolve()
    with pytest.raises(Corrupt, match="came as other bytes"):
        client().document(found)


def test_a_digest_header_that_is_no_digest_is_not_used(
    client: Client, registry: FakeRegistry, image: Manifest
) -> None:
    registry.fault("HEAD", "/manifests/", fake.with_headers(Docker_Content_Digest="md5:1"))
    assert client().resolve() == image.descriptor


def test_another_manifest_than_the_digest_asked_for_is_corrupt(
    client: Client, registry: FakeRegistry, image: Manifest
) -> None:
    other = describe(b"other").digest
    registry.fault("HEAD", "/manifests/", fake.with_headers(Docker_Content_Digest=str(other)))
    with pytest.raises(Corrupt, match="came as another manifest"):
        client(f"team/app@{image.digest}").resolve()


def test_a_manifest_of_100_mb_is_refused_before_it_is_read(
    client: Client, registry: FakeRegistry, image: Manifest
) -> None:
    registry.fault("GET", "/manifests/", fake.with_headers(Content_Length=str(100 << 20)))
    with pytest.raises(errors.TooLarge, match=r"of 104\.9 MB is larger than the 4 MiB"):
        client().document(image.descriptor)


def test_a_manifest_that_hides_its_length_is_read_only_to_the_limit(
    client: Client, registry: FakeRegistry, image: Manifest
) -> None:
    registry.fault("GET", "/manifests/", fake.unframed(bytes(6 << 20)))
    with pytest.raises(errors.TooLarge, match="larger than the 4 MiB"):
        client().document(image.descriptor)


# --- redirects ------------------------------------------------------------------------------


def test_a_redirect_circle_is_detected(client: Client, registry: FakeRegistry) -> None:
    here = "/v2/team/app/manifests/v1"
    registry.fault("HEAD", here, fake.say(302, Location=here + "?again"), times=99)
    with pytest.raises(errors.BadRedirect, match=f"{registry.host} redirects in a circle"):
        client().resolve()


def test_endless_redirects_are_given_up(client: Client, registry: FakeRegistry) -> None:
    here = "/v2/team/app/manifests/v1"
    for turn in range(20):
        registry.fault("HEAD", here, fake.say(307, Location=f"{here}?{turn}"))
    with pytest.raises(errors.BadRedirect, match="more than 10 times"):
        client().resolve()


@pytest.mark.parametrize("target", ["ftp://x/y", "file:///etc/passwd", "http://[bad/"])
def test_a_redirect_to_no_web_address_is_refused(
    client: Client, registry: FakeRegistry, target: str
) -> None:
    registry.fault("HEAD", "/manifests/", fake.say(302, Location=target))
    with pytest.raises(errors.BadRedirect, match="no web address"):
        client().resolve()


def test_a_blob_may_lie_elsewhere_and_resumes_there(
    client: Client, registry: FakeRegistry, image: Manifest
) -> None:
    with FakeRegistry() as other:
        other.add_blob("any", BLOB)
        target = f"{other.url}/elsewhere/{DESCRIPTOR.digest}"
        registry.fault("GET", "/blobs/", fake.say(307, Location=target), times=2)
        other.fault("GET", "/elsewhere/", fake.break_after(1_500_000))
        assert read(client(), DESCRIPTOR) == BLOB
        assert [seen.headers.get("range", "")[:6] for seen in other.requests] == ["", "bytes="]


# --- statuses -------------------------------------------------------------------------------


def test_html_is_no_registry(client: Client, registry: FakeRegistry) -> None:
    registry.fault("HEAD", "/manifests/", fake.html())
    registry.fault("GET", "/manifests/", fake.html())
    with pytest.raises(errors.NotARegistry, match="answers with a web page") as caught:
        client().resolve()
    assert caught.value.hint == "is this the address of a registry?"


def test_too_many_requests_waits_as_long_as_asked(
    client: Client, registry: FakeRegistry, image: Manifest, naps: Naps
) -> None:
    registry.fault("HEAD", "/manifests/", fake.error(429, "TOOMANYREQUESTS", Retry_After="7"))
    assert client().resolve() == image.descriptor
    assert naps.seconds == [7.0]


def test_a_date_to_retry_after_is_read_against_the_answers_own_date(
    client: Client, registry: FakeRegistry, image: Manifest, naps: Naps
) -> None:
    registry.fault(
        "GET",
        "/blobs/",
        fake.error(
            503,
            "UNAVAILABLE",
            Retry_After="Wed, 01 Jan 2098 00:00:09 GMT",
            Date="Wed, 01 Jan 2098 00:00:00 GMT",
        ),
    )
    assert read(client(), DESCRIPTOR) == BLOB
    assert naps.seconds == [9.0]


def test_a_limit_that_lasts_too_long_is_an_error_with_the_registrys_words(
    client: Client, registry: FakeRegistry, naps: Naps
) -> None:
    refusal = fake.error(
        429, "TOOMANYREQUESTS", "You have reached your pull rate limit", Retry_After="3600"
    )
    registry.fault("HEAD", "/manifests/", refusal)
    registry.fault("GET", "/manifests/", refusal)
    with pytest.raises(Unavailable, match="limits how often it may be asked"):
        client().resolve()
    assert naps.seconds == []


def test_500_then_ok_is_ok(
    client: Client, registry: FakeRegistry, image: Manifest, naps: Naps
) -> None:
    registry.fault("GET", "/blobs/", fake.error(500, "UNKNOWN"), times=2)
    registry.fault("GET", "/blobs/", fake.say(502, b"bad gateway"))
    assert read(client(), DESCRIPTOR) == BLOB
    assert len(naps.seconds) == 3


def test_500_for_ever_is_unavailable(client: Client, registry: FakeRegistry) -> None:
    registry.fault("GET", "/blobs/", fake.error(500, "UNKNOWN", "out of\ndisk"), times=99)
    with pytest.raises(errors.ServerFailed) as caught:
        read(client(), DESCRIPTOR)
    url = f"http://{registry.host}/v2/team/app/blobs/{DESCRIPTOR.digest}"
    assert str(caught.value) == f"{registry.host} failed (GET {url}: UNKNOWN: out of disk)"
    assert caught.value.status == 500


def test_a_missing_tag_names_tags_like_it(
    client: Client, registry: FakeRegistry, image: Manifest
) -> None:
    registry.add_manifest("team/app", "bookworm", image.raw)
    with pytest.raises(errors.TagNotFound) as caught:
        client("team/app:bokworm").resolve()
    assert f"{registry.host}/team/app has no tag bokworm (GET http://" in str(caught.value)
    assert "MANIFEST_UNKNOWN: manifest unknown" in str(caught.value)
    assert caught.value.hint == "similar there: bookworm"


def test_a_missing_repository_is_not_a_missing_tag(client: Client, registry: FakeRegistry) -> None:
    with pytest.raises(errors.RepositoryNotFound, match=f"no repository {registry.host}/team/nope"):
        client("team/nope:v1").resolve()


def test_a_missing_digest_is_named(client: Client, image: Manifest) -> None:
    digest = describe(b"nope").digest
    with pytest.raises(NotFound, match=f"has no manifest {digest}"):
        client(f"team/app@{digest}").resolve()


def test_denied_says_how_to_log_in(client: Client, registry: FakeRegistry) -> None:
    registry.fault("HEAD", "/manifests/", fake.error(403, "DENIED"))
    registry.fault("GET", "/manifests/", fake.error(403, "DENIED", "not for you"))
    with pytest.raises(Denied, match="DENIED: not for you") as caught:
        client().resolve()
    assert caught.value.hint == f"lamina login {registry.host}"


def test_a_registry_that_does_not_delete_says_so(
    client: Client, registry: FakeRegistry, image: Manifest
) -> None:
    registry.deletes = False
    with pytest.raises(Unsupported, match="does not offer this"):
        client(push=True).delete()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Invalid),
        (404, NotFound),
        (405, Unsupported),
        (413, Invalid),
        (418, Invalid),
        (501, Unsupported),
    ],
)
def test_every_other_status_has_its_kind(
    client: Client,
    registry: FakeRegistry,
    image: Manifest,
    status: int,
    kind: type[EngineError],
) -> None:
    registry.fault("GET", "/blobs/", fake.say(status, b"{]"))
    with pytest.raises(kind, match=f": {status}"):
        read(client(), DESCRIPTOR)


def test_errors_show_no_query_and_no_control_characters(
    client: Client, registry: FakeRegistry, image: Manifest
) -> None:
    with FakeRegistry() as other:
        target = f"http://me:pass@{other.host}/elsewhere/sha256:0?signature=secret"
        registry.fault("GET", "/blobs/", fake.say(302, Location=target))
        other.fault("GET", "/elsewhere/", fake.error(400, "BAD", "\x1b[31mred"))
        with pytest.raises(Invalid) as caught:
            read(client(), DESCRIPTOR)
    assert "secret" not in str(caught.value)
    assert "pass" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


# --- uploads --------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [fake.reset, fake.error(503, "UNAVAILABLE")])
def test_a_broken_upload_starts_afresh(
    client: Client, registry: FakeRegistry, change: fake.Fault
) -> None:
    registry.fault("PUT", "/blobs/uploads/", change, times=2)
    asked = []

    def chunks() -> list[bytes]:
        asked.append("again")
        return list(pieces(BLOB, 1_000_000))

    client(push=True).put_blob(DESCRIPTOR, chunks)
    assert registry.blobs["team/app"] == {str(DESCRIPTOR.digest): BLOB}
    assert len(asked) == 3
    assert all(not upload or upload == BLOB for upload in registry.uploads.values())


def test_what_is_sent_is_closed_however_it_ends(client: Client, registry: FakeRegistry) -> None:
    closed = []

    def chunks() -> Iterator[bytes]:
        try:
            yield from pieces(BLOB, 1_000_000)
        finally:
            closed.append(True)

    registry.fault("PUT", "/blobs/uploads/", fake.reset)
    client(push=True).put_blob(DESCRIPTOR, chunks)
    assert len(closed) == 2


def test_a_broken_stream_goes_on_where_the_registry_stands(
    client: Client, registry: FakeRegistry
) -> None:
    registry.fault("PATCH", "/blobs/uploads/", fake.reset)
    found = client(push=True).put_stream(mediatype.OCI_LAYER_GZIP, pieces(BLOB, 300_000))
    assert found == DESCRIPTOR
    assert registry.blobs["team/app"] == {str(DESCRIPTOR.digest): BLOB}
    assert registry.uploads == {}


def test_a_stream_goes_in_segments(client: Client, registry: FakeRegistry) -> None:
    uploader = replace(client(push=True)._uploader, segment=1_000_000)
    registry.fault("PATCH", "/blobs/uploads/", fake.error(502, "BAD_GATEWAY"), times=2)
    assert uploader.unnamed(mediatype.OCI_LAYER_GZIP, pieces(BLOB, 300_000)) == DESCRIPTOR
    assert registry.blobs["team/app"] == {str(DESCRIPTOR.digest): BLOB}
    assert len([seen for seen in registry.asked("PATCH") if seen.body]) == 5


def test_a_stream_of_which_too_much_is_lost_is_given_up(
    client: Client, registry: FakeRegistry
) -> None:
    uploader = replace(client(push=True)._uploader, kept=1_000_000)
    registry.fault("PATCH", "/blobs/uploads/", fake.reset)
    registry.fault("GET", "/blobs/uploads/", fake.with_headers(Range="0-0"))
    with pytest.raises(errors.Interrupted):
        uploader.unnamed(mediatype.OCI_LAYER_GZIP, pieces(BLOB, 300_000))
    assert len([seen for seen in registry.asked("PATCH") if seen.body]) == 1
    assert registry.uploads == {}
    assert registry.blobs == {}


@given(
    st.lists(st.binary(min_size=1, max_size=9), max_size=12),
    st.integers(1, 60),
    st.integers(1, 30),
    st.integers(0, 12),
    st.data(),
)
def test_the_end_of_a_segment_can_be_sent_again(
    chunks: list[bytes], size: int, keep: int, sent: int, data: st.DataObject
) -> None:
    segment = _Segment(_Tally(iter(chunks)), size, keep)
    first = list(islice(segment.pieces(0), sent))
    assert first == chunks[: len(first)]
    assert segment.known - segment.dropped >= min(segment.known, keep)
    assert segment.known - segment.dropped < keep + 9
    skip = data.draw(st.integers(segment.dropped, segment.known))
    rest = b"".join(segment.pieces(skip))
    whole = b"".join(chunks)
    assert rest == whole[skip : segment.known]
    assert segment.length(skip) == len(rest)
    assert segment.known >= min(size, len(whole))


def test_an_upload_that_never_works_is_cancelled(client: Client, registry: FakeRegistry) -> None:
    registry.fault("PUT", "/blobs/uploads/", fake.error(500, "UNKNOWN"), times=99)
    with pytest.raises(errors.ServerFailed):
        client(push=True).put_blob(DESCRIPTOR, lambda: pieces(BLOB, 1_000_000))
    assert registry.uploads == {}


def test_a_proxy_that_limits_uploads_is_named(client: Client, registry: FakeRegistry) -> None:
    registry.fault("PUT", "/blobs/uploads/", fake.say(413, b"<html>too large</html>"))
    with pytest.raises(EngineError, match="413"):
        client(push=True).put_blob(DESCRIPTOR, lambda: pieces(BLOB, 1_000_000))


def test_a_registry_that_stores_other_bytes_is_caught(
    client: Client, registry: FakeRegistry
) -> None:
    other = str(describe(b"other").digest)
    registry.fault("PUT", "/manifests/", fake.with_headers(Docker_Content_Digest=other))
    with pytest.raises(Corrupt, match=f"as {other}"):
        put_image(client(push=True))


def test_a_mount_spares_the_upload(client: Client, registry: FakeRegistry) -> None:
    registry.add_blob("team/base", BLOB)
    repository = client(push=True)
    assert repository.mount_blob(DESCRIPTOR, "team/base")
    assert repository.has_blob(DESCRIPTOR)
    assert registry.uploads == {}


def test_a_refused_mount_leaves_its_upload_to_the_sending(
    client: Client, registry: FakeRegistry
) -> None:
    repository = client(push=True)
    assert not repository.mount_blob(DESCRIPTOR, "team/base")
    repository.put_blob(DESCRIPTOR, lambda: pieces(BLOB, 1_000_000))
    assert repository.has_blob(DESCRIPTOR)
    assert len(registry.asked("POST")) == 1


# --- foreign layers, tags -------------------------------------------------------------------


def test_a_foreign_layer_comes_from_its_urls(client: Client, registry: FakeRegistry) -> None:
    foreign = Descriptor(
        mediatype.OCI_FOREIGN_LAYER + "+gzip",
        DESCRIPTOR.digest,
        DESCRIPTOR.size,
        urls=(
            f"{registry.url}/elsewhere/sha256:0",
            f"{registry.url}/elsewhere/{DESCRIPTOR.digest}",
        ),
    )
    registry.add_blob("elsewhere", BLOB)
    assert read(client(), foreign) == BLOB
    with pytest.raises(NotFound):
        read(client(), msgspec.structs.replace(foreign, urls=()))


def test_tags_come_in_pages(client: Client, registry: FakeRegistry, image: Manifest) -> None:
    for tag in ("a", "b", "c", "d"):
        registry.add_manifest("team/app", tag, image.raw)
    registry.page = 2
    assert client().tags() == ["a", "b", "c", "d", "v1"]
    assert len(registry.asked("GET", "/tags/list")) == 3


def test_tags_of_a_missing_repository(client: Client) -> None:
    with pytest.raises(errors.RepositoryNotFound):
        client("team/nope:v1").tags()


def test_delete_takes_the_manifest_away(
    client: Client, registry: FakeRegistry, image: Manifest
) -> None:
    assert client(push=True).delete() == image.digest
    with pytest.raises(NotFound):
        client().resolve()
