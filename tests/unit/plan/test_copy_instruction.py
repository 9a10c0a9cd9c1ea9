"""COPY and ADD as vertices: what their flags mean, what they fetch, what the history says."""

from __future__ import annotations

import pytest

from lamina.dockerfile.parse import parse
from lamina.dockerfile.source import DockerfileError
from lamina.errors import NotFound
from lamina.oci.platform import Platform
from lamina.plan.graph import ContextOp, CopyOp, CopySource, Document, RemoteOp, Vertex
from lamina.plan.plan import plan
from lamina.plan.stage import Settings, Stage
from lamina.store.contract import Image

HOST = Platform("linux", "amd64")
SUM = "sha256:" + "0f" * 32


def nothing(name: str, platform: str) -> Image:
    raise NotFound(f"no image {name}")


def stage(text: str) -> Stage:
    """The last stage of a Dockerfile that begins FROM scratch."""
    source = parse(f"FROM scratch AS one\nFROM scratch\n{text}\n")
    return plan(source, Settings(HOST, HOST), nothing).stage


def vertex(text: str) -> Vertex:
    return stage(text).tip


def op(text: str) -> CopyOp:
    found = vertex(text).op
    assert isinstance(found, CopyOp)
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("COPY a b /d/", CopyOp((CopySource("a"), CopySource("b")), "/d/")),
        ("COPY a b /d", CopyOp((CopySource("a"), CopySource("b")), "/d")),
        ("WORKDIR /w\nCOPY a .", CopyOp((CopySource("a"),), "/w/")),
        ("WORKDIR /w\nCOPY a ./x/../y", CopyOp((CopySource("a"),), "/w/y")),
        ("COPY a /d/.", CopyOp((CopySource("a"),), "/d/")),
        (
            "COPY --chown=u:g --chmod=u=rwX,go= a b",
            CopyOp((CopySource("a"),), "/b", (), "u:g", "u=rwX,go="),
        ),
        (
            "ARG W=5\nCOPY --chown=$W --chmod=0$W$W a b",
            CopyOp((CopySource("a"),), "/b", (), "5", "055"),
        ),
        ("COPY --chown= --chmod= a b", CopyOp((CopySource("a"),), "/b")),
        ("COPY --link a b", CopyOp((CopySource("a"),), "/b", link=True)),
        (
            "COPY --link=TRUE --chown=5:6 a b",
            CopyOp((CopySource("a"),), "/b", (), "5:6", link=True),
        ),
        ("COPY --link=false a b", CopyOp((CopySource("a"),), "/b")),
        (
            "COPY --link --chmod=600 --chown=me a b",
            CopyOp((CopySource("a"),), "/b", (), "me", "600"),
        ),
        ("COPY --parents a/./b c/", CopyOp((CopySource("a/./b"),), "/c/", parents=True)),
        (
            "ARG X=no\nCOPY --exclude=$X --exclude=!a/b c d",
            CopyOp((CopySource("c"),), "/d", exclude=("$X", "!a/b")),
        ),
        ("ADD a b /d/", CopyOp((CopySource("a", 0, True), CopySource("b", 0, True)), "/d/")),
        ("ADD --unpack=false a b", CopyOp((CopySource("a"),), "/b")),
        ("ADD --keep-git-dir --unpack a b", CopyOp((CopySource("a", 0, True),), "/b")),
        ("ADD github.com/a/b c", CopyOp((CopySource("github.com/a/b", 0, True),), "/c")),
        ("COPY <<E a /d/\ntext\nE", CopyOp((CopySource("a"),), "/d/", (Document("E", "text\n"),))),
        (
            'ENV A=1\nCOPY <<"x.txt" <<-y /d/\n$A\nx.txt\n\t$A\ny',
            CopyOp((), "/d/", (Document("x.txt", "$A\n"), Document("y", "1\n"))),
        ),
    ],
)
def test_operations(text: str, expected: CopyOp) -> None:
    assert op(text) == expected


def test_what_is_read() -> None:
    assert [each.op for each in vertex("COPY a b").origins] == [ContextOp()]
    assert vertex("COPY --from=one a b").origins[0].title == "base scratch"
    assert vertex("COPY <<E b\nE").origins == ()
    assert vertex("COPY --from=one <<E b\nE").origins == ()


def test_what_is_fetched() -> None:
    found = vertex(
        "ADD --keep-git-dir --unpack https://x/a.tgz a git@github.com:o/r.git#v1:sub /d/"
    )
    assert isinstance(found.op, CopyOp)
    assert found.op.sources == (
        CopySource("*", 1, True),
        CopySource("a", 0, True),
        CopySource("/", 2),
    )
    assert [each.op for each in found.origins] == [
        ContextOp(),
        RemoteOp("https://x/a.tgz"),
        RemoteOp("git@github.com:o/r.git#v1:sub", "", True),
    ]


def test_a_file_that_is_fetched_is_left_as_it_is() -> None:
    found = vertex(f"ADD --checksum={SUM} https://x/a.tgz /d/")
    assert isinstance(found.op, CopyOp)
    assert found.op.sources == (CopySource("*"),)
    assert [each.op for each in found.origins] == [RemoteOp("https://x/a.tgz", SUM)]


@pytest.mark.parametrize(
    ("text", "history"),
    [
        ("COPY a b /d/", "COPY a b /d/ # buildkit"),
        ('COPY ["a b", "c"]', "COPY a b c # buildkit"),
        (
            "COPY --chmod=600 --link --exclude=x --chown=5 --parents a b",
            "COPY --parents --chown=5 --chmod=600 a b # buildkit",
        ),
        ("COPY --from=one a b", "COPY a b # buildkit"),
        ("ADD --unpack=false --keep-git-dir a b", "ADD a b # buildkit"),
        (f"ADD --checksum={SUM} https://x/a /", "ADD https://x/a / # buildkit"),
        ("COPY <<E a <<'F' /d/\nE\nF", "COPY a <<E <<F /d/ # buildkit"),
        ("WORKDIR /w\nCOPY a .", "COPY a . # buildkit"),
    ],
)
def test_history(text: str, history: str) -> None:
    assert stage(text).history[-1].created_by == history


@pytest.mark.parametrize(
    ("text", "column", "problem", "note"),
    [
        ("COPY a", 6, "COPY needs a source and a destination", ""),
        ("COPY <<E\nE", 6, "a document is no destination", ""),
        ("COPY a <<E\nE", 8, "a document is no destination", ""),
        ("COPY <<a/b /d/\na/b", 6, "not a file name: a/b", ""),
        ("COPY $x a", 6, "$x is empty", ""),
        ("COPY --chown a b", 6, "--chown needs a value", ""),
        ("COPY --chown=a --chown=b a b", 16, "--chown is given twice", ""),
        ("COPY --link --link a b", 13, "--link is given twice", ""),
        ("COPY --link=yes a b", 6, "--link is true or false, not yes", ""),
        ("COPY --chmod=u=z a b", 6, "not a mode: u=z", "as in 0755 or u=rwX,go=rX"),
        ("COPY --chmod=0o644 a b", 6, "not a mode: 0o644", "as in 0755 or u=rwX,go=rX"),
        ("COPY --exclude=[ a b", 6, "not a file name pattern: '['", ""),
        ("COPY --exclude=! a b", 6, "not a file name pattern: '!'", ""),
        (
            "COPY --link --chown=me a b",
            13,
            "with --link there is no /etc/passwd to find me in",
            "give numbers, as in --chown=1000:1000",
        ),
        ("COPY --checksum=x a b", 6, "COPY has no flag --checksum", ""),
        ("COPY --parent a b", 6, "COPY has no flag --parent", "did you mean --parents?"),
        ("ADD --parents a b", 5, "ADD has no flag --parents", ""),
        ("ADD --from=one a b", 5, "ADD has no flag --from", ""),
        ("COPY https://x/y /d", 6, "COPY does not fetch: https://x/y", "ADD does"),
        ("COPY git@github.com:a/b /d", 6, "COPY does not fetch: git@github.com:a/b", "ADD does"),
        (
            f"ADD --checksum={SUM} a b",
            5,
            "--checksum is of one source, and that an address",
            "",
        ),
        (
            f"ADD --checksum={SUM} https://x/a https://x/b /d/",
            5,
            "--checksum is of one source, and that an address",
            "",
        ),
    ],
)
def test_errors_point(text: str, column: int, problem: str, note: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        stage(text)
    error = caught.value
    assert (error.problem, error.hint) == (problem, note)
    assert (error.span.line, error.span.column) == (3, column)


@pytest.mark.parametrize(
    "text",
    [
        "ADD --checksum=sha256:00 https://x/a /",
        "ADD --checksum=xyz https://x/a.git /",
        f"ADD --checksum={SUM} git@github.com:a/b /",
        "ADD https://x/a.git?nosuch=1 /",
    ],
)
def test_addresses_that_cannot_be_are_told_at_their_place(text: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        stage(text)
    assert caught.value.span.line == 3
