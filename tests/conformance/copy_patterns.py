"""COPY's sources as patterns."""

from __future__ import annotations

from tests.conformance.case import case, file, folder, link

COPY_PATTERNS = (
    case(
        "a wildcard of files",
        """
        FROM busybox
        COPY *.txt /d/
        """,
        context=(file("a.txt", "a"), file("b.txt", "b"), file("c.md", "c"), file("d/e.txt")),
        tree=(folder("d"), file("d/a.txt", "a"), file("d/b.txt", "b")),
    ),
    case(
        "a wildcard that matches one file takes the name",
        """
        FROM busybox
        COPY a*.txt /d
        """,
        context=(file("a1.txt", "a"),),
        tree=(file("d", "a"),),
    ),
    case(
        "a wildcard with a question mark and a set",
        """
        FROM busybox
        COPY a?.[ch] /d/
        """,
        context=(file("a1.c", "1"), file("a2.h", "2"), file("a3.o", "3"), file("a12.c", "12")),
        tree=(folder("d"), file("d/a1.c", "1"), file("d/a2.h", "2")),
    ),
    case(
        "a wildcard with a set that is negated",
        """
        FROM busybox
        COPY [^b] /d/
        """,
        context=(file("a", "a"), file("b", "b"), file("c", "c")),
        tree=(folder("d"), file("d/a", "a"), file("d/c", "c")),
    ),
    case(
        "a wildcard in the middle",
        """
        FROM busybox
        COPY */x /d/
        """,
        context=(file("p/x", "p"), file("q/y", "q")),
        tree=(folder("d"), file("d/x", "p")),
    ),
    case(
        "a wildcard of directories gives what is in them",
        """
        FROM busybox
        COPY d* /dst/
        """,
        context=(file("d1/a", "a"), file("d2/sub/b", "b"), file("e/c")),
        tree=(folder("dst"), file("dst/a", "a"), folder("dst/sub"), file("dst/sub/b", "b")),
    ),
    case(
        "a wildcard takes hidden files too",
        """
        FROM busybox
        COPY * /d/
        """,
        context=(file(".h", "h"), file("a", "a")),
        tree=(folder("d"), file("d/.h", "h"), file("d/a", "a")),
    ),
    case(
        "a wildcard that matches nothing",
        """
        FROM busybox
        COPY nosuch* /d/
        """,
        context=(file("a"),),
        tree=(),
    ),
    case(
        "two stars are not many directories",
        """
        FROM busybox
        COPY **/x /d/
        """,
        context=(file("x", "0"), file("p/x", "1"), file("p/q/x", "2")),
        tree=(folder("d"), file("d/x", "1")),
    ),
    case(
        "a set of one character for a special name",
        """
        FROM busybox
        COPY a[[]0].txt /d/
        """,
        context=(file("a[0].txt", "x"),),
        tree=(folder("d"), file("d/a[0].txt", "x")),
    ),
    case(
        "a link with a wildcard is followed",
        """
        FROM busybox
        COPY l* /d/
        """,
        context=(file("a", "text"), link("l1", "a")),
        tree=(folder("d"), file("d/l1", "text")),
    ),
    case(
        "a wildcard in a stage, through a link",
        """
        FROM busybox AS one
        RUN mkdir /real && echo a > /real/a.txt && echo b > /real/b.md && ln -s real /l
        FROM busybox
        COPY --from=one /l/*.txt /d/
        """,
        tree=(folder("d"), file("d/a.txt", "a\n")),
    ),
    case(
        "a pattern that is none",
        "FROM busybox\nCOPY a[ /f\n",
        context=(file("a["),),
        error=(2, "a["),
    ),
)
