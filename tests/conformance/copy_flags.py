"""COPY's other flags: --link, --parents, --exclude."""

from __future__ import annotations

from tests.conformance.case import case, file, folder, link

COPY_FLAGS = (
    case(
        "--link",
        """
        FROM busybox
        RUN mkdir -m 700 /d
        COPY --link a /d/
        COPY --link a /new/b
        """,
        context=(file("a", "x"),),
        tree=(
            folder("d"),
            file("d/a", "x"),
            folder("new"),
            file("new/b", "x"),
        ),
        history=(
            "RUN /bin/sh -c mkdir -m 700 /d # buildkit",
            "COPY a /d/ # buildkit",
            "COPY a /new/b # buildkit",
        ),
    ),
    case(
        "--link does not follow links of the image",
        """
        FROM busybox
        RUN mkdir /real && ln -s real /l
        COPY --link a /l/
        """,
        context=(file("a", "x"),),
        tree=(folder("real"), folder("l"), file("l/a", "x")),
    ),
    case(
        "--link=false is no link",
        """
        FROM busybox
        RUN mkdir /real && ln -s real /l
        COPY --link=false a /l/
        """,
        context=(file("a", "x"),),
        tree=(folder("real"), link("l", "real"), file("real/a", "x")),
    ),
    case(
        "--link in a working directory",
        """
        FROM busybox
        WORKDIR /w
        COPY --link a .
        """,
        context=(file("a", "x"),),
        tree=(folder("w"), file("w/a", "x")),
        config={"WorkingDir": "/w"},
    ),
    case(
        "--parents",
        """
        FROM busybox
        COPY --parents p/q/a b /d/
        """,
        context=(folder("p", 0o700), folder("p/q", 0o711), file("p/q/a", "a"), file("b", "b")),
        tree=(
            folder("d"),
            folder("d/p", 0o700),
            folder("d/p/q", 0o711),
            file("d/p/q/a", "a"),
            file("d/b", "b"),
        ),
        history=("COPY --parents p/q/a b /d/ # buildkit",),
    ),
    case(
        "--parents with a wildcard",
        """
        FROM busybox
        COPY --parents */x.txt /d/
        """,
        context=(file("p/x.txt", "p"), file("q/x.txt", "q"), file("q/r/x.txt"), file("x.txt")),
        tree=(
            folder("d"),
            folder("d/p"),
            file("d/p/x.txt", "p"),
            folder("d/q"),
            file("d/q/x.txt", "q"),
        ),
    ),
    case(
        "--parents with two stars",
        """
        FROM busybox
        COPY --parents src/**/*.txt /d/
        """,
        context=(
            file("src/a.txt", "a"),
            file("src/p/b.txt", "b"),
            file("src/p/q/c.txt", "c"),
            file("src/p/q/no.md"),
        ),
        tree=(
            folder("d"),
            folder("d/src"),
            file("d/src/a.txt", "a"),
            folder("d/src/p"),
            file("d/src/p/b.txt", "b"),
            folder("d/src/p/q"),
            file("d/src/p/q/c.txt", "c"),
        ),
    ),
    case(
        "--parents from a pivot",
        """
        FROM busybox
        COPY --parents p/./q/a /d/
        """,
        context=(file("p/q/a", "a"),),
        tree=(folder("d"), folder("d/q"), file("d/q/a", "a")),
    ),
    case(
        "--parents of a directory",
        """
        FROM busybox
        COPY --parents p/q /d/
        """,
        context=(file("p/q/a", "a"), file("p/q/r/b", "b"), file("p/no")),
        tree=(
            folder("d"),
            folder("d/p"),
            folder("d/p/q"),
            file("d/p/q/a", "a"),
            folder("d/p/q/r"),
            file("d/p/q/r/b", "b"),
        ),
    ),
    case(
        "--parents of what is not there",
        """
        FROM busybox
        COPY --parents p/nosuch /d/
        """,
        context=(file("p/a"),),
        error=(2, "nosuch"),
    ),
    case(
        "--exclude",
        """
        FROM busybox
        COPY --exclude=*.txt --exclude=sub src /d/
        """,
        context=(
            file("src/a.txt"),
            file("src/b.md", "b"),
            file("src/sub/c.md"),
            file("src/d/e.txt", "e"),
        ),
        tree=(folder("d"), file("d/b.md", "b"), folder("d/d"), file("d/d/e.txt", "e")),
        history=("COPY src /d/ # buildkit",),
    ),
    case(
        "--exclude with two stars",
        """
        FROM busybox
        COPY --exclude=**/*.txt src /d/
        """,
        context=(
            file("src/a.txt"),
            file("src/b.md", "b"),
            file("src/d/e.txt"),
            file("src/d/f.md", "f"),
        ),
        tree=(folder("d"), file("d/b.md", "b"), folder("d/d"), file("d/d/f.md", "f")),
    ),
    case(
        "--exclude with an exception",
        """
        FROM busybox
        COPY --exclude=*.txt --exclude=!keep.txt src /d/
        """,
        context=(file("src/a.txt"), file("src/keep.txt", "k")),
        tree=(folder("d"), file("d/keep.txt", "k")),
    ),
    case(
        "--exclude of a wildcard's match",
        """
        FROM busybox
        COPY --exclude=b.txt *.txt /d/
        """,
        context=(file("a.txt", "a"), file("b.txt", "b")),
        tree=(folder("d"), file("d/a.txt", "a")),
    ),
    case(
        "--exclude from a stage",
        """
        FROM busybox AS one
        RUN mkdir /s && echo a > /s/a && echo b > /s/b
        FROM busybox
        COPY --from=one --exclude=b /s /d/
        """,
        tree=(folder("d"), file("d/a", "a\n")),
    ),
    case(
        "a flag that COPY has not",
        "FROM busybox\nCOPY --chwon=1 a /b\n",
        context=(file("a"),),
        error=(2, "chwon"),
    ),
    case(
        "a flag twice",
        "FROM busybox\nCOPY --chown=1 --chown=2 a /b\n",
        context=(file("a"),),
        error=(2, "chown"),
    ),
)
