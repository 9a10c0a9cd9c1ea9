"""COPY: what goes where.  Sources, destinations, slashes."""

from __future__ import annotations

from tests.conformance.case import case, file, folder

COPY_PATHS = (
    case(
        "a file to a name",
        """
        FROM busybox
        COPY a /b
        """,
        context=(file("a", "text", 0o640),),
        tree=(file("b", "text", 0o640),),
        history=("COPY a /b # buildkit",),
    ),
    case(
        "a file into a directory that is missing",
        """
        FROM busybox
        COPY a /d/e/
        """,
        context=(file("a", "text"),),
        tree=(folder("d"), folder("d/e"), file("d/e/a", "text")),
    ),
    case(
        "a file to a name in directories that are missing",
        """
        FROM busybox
        COPY a /d/e/f
        """,
        context=(file("a", "text"),),
        tree=(folder("d"), folder("d/e"), file("d/e/f", "text")),
    ),
    case(
        "a file to a directory that is there",
        """
        FROM busybox
        COPY a /home
        """,
        context=(file("a", "text"),),
        tree=(file("home/a", "text"),),
    ),
    case(
        "a file over a file",
        """
        FROM busybox
        RUN echo old > /f && chmod 600 /f && chown 3:4 /f
        COPY a /f
        """,
        context=(file("a", "new", 0o755),),
        tree=(file("f", "new", 0o755),),
    ),
    case(
        "a destination relative to WORKDIR",
        """
        FROM busybox
        WORKDIR /w
        COPY a b
        COPY a .
        COPY a ./sub/
        COPY a ../up
        """,
        context=(file("a", "text"),),
        tree=(
            folder("w"),
            file("w/b", "text"),
            file("w/a", "text"),
            folder("w/sub"),
            file("w/sub/a", "text"),
            file("up", "text"),
        ),
        config={"WorkingDir": "/w"},
        history=(
            "WORKDIR /w",
            "COPY a b # buildkit",
            "COPY a . # buildkit",
            "COPY a ./sub/ # buildkit",
            "COPY a ../up # buildkit",
        ),
    ),
    case(
        "a source with a slash in front",
        """
        FROM busybox
        COPY /a /b
        COPY ./a /c
        COPY ../a /d
        """,
        context=(file("a", "text"),),
        tree=(file("b", "text"), file("c", "text"), file("d", "text")),
    ),
    case(
        "a directory gives what is in it",
        """
        FROM busybox
        COPY src /dst
        """,
        context=(file("src/a", "a"), folder("src/sub", 0o700), file("src/sub/b", "b", 0o600)),
        tree=(
            folder("dst"),
            file("dst/a", "a"),
            folder("dst/sub", 0o700),
            file("dst/sub/b", "b", 0o600),
        ),
    ),
    case(
        "a directory into a directory with a slash",
        """
        FROM busybox
        COPY src /dst/
        COPY src/ /other/
        COPY src/. /third
        """,
        context=(file("src/a", "a"),),
        tree=(
            folder("dst"),
            file("dst/a", "a"),
            folder("other"),
            file("other/a", "a"),
            folder("third"),
            file("third/a", "a"),
        ),
    ),
    case(
        "the destination is made new, whatever the source's mode",
        """
        FROM busybox
        COPY src /dst
        COPY src /slash/
        """,
        context=(folder("src", 0o711), file("src/a", "a")),
        tree=(
            folder("dst"),
            file("dst/a", "a"),
            folder("slash"),
            file("slash/a", "a"),
        ),
    ),
    case(
        "a directory over a directory",
        """
        FROM busybox
        RUN mkdir -m 700 -p /dst/sub && chown 3:4 /dst /dst/sub && echo old > /dst/sub/old
        COPY src /dst
        """,
        context=(folder("src", 0o711), folder("src/sub", 0o711), file("src/sub/new", "new")),
        tree=(
            folder("dst", 0o755, (3, 4)),
            folder("dst/sub", 0o711),
            file("dst/sub/old", "old\n"),
            file("dst/sub/new", "new"),
        ),
    ),
    case(
        "a directory that is empty",
        """
        FROM busybox
        COPY src /dst
        """,
        context=(folder("src"), folder("src/empty", 0o750)),
        tree=(folder("dst"), folder("dst/empty", 0o750)),
    ),
    case(
        "the whole context",
        """
        FROM busybox
        COPY . /all
        """,
        context=(file("a", "a"), file(".hidden", "h"), file("d/b", "b")),
        tree=(
            folder("all"),
            file("all/a", "a"),
            file("all/.hidden", "h"),
            folder("all/d"),
            file("all/d/b", "b"),
        ),
    ),
    case(
        "the whole context has the Dockerfile too",
        """
        FROM busybox
        COPY Dockerfile /all/
        """,
        context=(file("Dockerfile"),),
        tree=(folder("all"), file("all/Dockerfile", "FROM busybox\nCOPY Dockerfile /all/\n")),
    ),
    case(
        "several sources",
        """
        FROM busybox
        COPY a b/c d /dst/
        """,
        context=(file("a", "a"), file("b/c", "c"), file("d/e", "e")),
        tree=(
            folder("dst"),
            file("dst/a", "a"),
            file("dst/c", "c"),
            file("dst/e", "e"),
        ),
        history=("COPY a b/c d /dst/ # buildkit",),
    ),
    case(
        "several sources of one name: the last stays",
        """
        FROM busybox
        COPY x/a y/a /dst/
        """,
        context=(file("x/a", "x"), file("y/a", "y")),
        tree=(folder("dst"), file("dst/a", "y")),
    ),
    case(
        "several sources to a name that is no directory: the last stays",
        """
        FROM busybox
        COPY a b /dst
        """,
        context=(file("a", "a"), file("b", "b")),
        tree=(file("dst", "b"),),
    ),
    case(
        "several sources into the working directory",
        """
        FROM busybox
        WORKDIR /w
        COPY a b .
        """,
        context=(file("a", "a"), file("b", "b")),
        tree=(folder("w"), file("w/a", "a"), file("w/b", "b")),
        config={"WorkingDir": "/w"},
    ),
    case(
        "a file over a directory",
        """
        FROM busybox
        RUN mkdir -p /d/a
        COPY src /d
        """,
        context=(file("src/a", "a"),),
        error=(3, "d/a"),
    ),
    case(
        "a directory over a file",
        """
        FROM busybox
        RUN touch /d
        COPY src /d
        """,
        context=(file("src/a", "a"),),
        error=(3, "/d"),
    ),
    case(
        "a file below a file",
        """
        FROM busybox
        RUN touch /d
        COPY a /d/
        """,
        context=(file("a", "a"),),
        error=(3, "d"),
    ),
    case(
        "a destination that ends in a dot",
        """
        FROM busybox
        COPY a /d/.
        """,
        context=(file("a", "a"),),
        tree=(folder("d"), file("d/a", "a")),
    ),
    case(
        "directories that are on both sides take the source's mode and owner",
        """
        FROM busybox
        RUN mkdir -p /d/sub/deep && chmod 700 /d/sub/deep && chown 3:4 /d/sub /d/sub/deep
        COPY --chown=5:6 src /d
        """,
        context=(folder("src/sub", 0o711), folder("src/sub/deep", 0o755), file("src/sub/deep/f")),
        tree=(
            folder("d"),
            folder("d/sub", 0o711, (5, 6)),
            folder("d/sub/deep", 0o755, (5, 6)),
            file("d/sub/deep/f", owner=(5, 6)),
        ),
    ),
    case(
        "the root itself",
        """
        FROM busybox
        COPY src /
        """,
        context=(folder("src", 0o700), file("src/a", "a"), file("src/home/b", "b")),
        tree=(file("a", "a"), file("home/b", "b")),
    ),
    case(
        "a source that is not there",
        """
        FROM busybox

        COPY nosuch /f
        """,
        error=(3, "nosuch"),
    ),
    case(
        "a directory below a file as the source",
        """
        FROM busybox
        COPY a/b /f
        """,
        context=(file("a"),),
        error=(2, "a/b"),
    ),
    case(
        "a source that is not there in a stage",
        """
        FROM busybox AS one
        FROM busybox
        COPY --from=one /nosuch /f
        """,
        error=(3, "nosuch"),
    ),
    case("COPY without a destination", "FROM busybox\nCOPY a\n", error=(2, "COPY needs")),
)
