"""COPY and symbolic links, in sources and in destinations."""

from __future__ import annotations

from tests.conformance.case import case, file, folder, link

COPY_LINKS = (
    case(
        "a link as the source is followed",
        """
        FROM busybox
        COPY l /f
        """,
        context=(file("a", "text", 0o600), link("l", "a")),
        tree=(file("f", "text", 0o600),),
    ),
    case(
        "a link as the source keeps its own name",
        """
        FROM busybox
        COPY l /d/
        """,
        context=(file("a", "text"), link("l", "a")),
        tree=(folder("d"), file("d/l", "text")),
    ),
    case(
        "a link to a directory as the source",
        """
        FROM busybox
        COPY l /d
        """,
        context=(file("real/a", "text"), link("l", "real")),
        tree=(folder("d"), file("d/a", "text")),
    ),
    case(
        "a source through a link",
        """
        FROM busybox
        COPY l/a /f
        """,
        context=(file("real/a", "text"), link("l", "real")),
        tree=(file("f", "text"),),
    ),
    case(
        "a link in a directory stays a link",
        """
        FROM busybox
        COPY src /d
        """,
        context=(file("src/a", "x"), link("src/l", "a"), link("src/up", "../../else")),
        tree=(folder("d"), file("d/a", "x"), link("d/l", "a"), link("d/up", "../../else")),
    ),
    case(
        "a link out of the context leads nowhere",
        """
        FROM busybox
        COPY l /f
        """,
        context=(link("l", "/etc/passwd"),),
        error=(2, "l"),
    ),
    case(
        "a link to a directory as the destination",
        """
        FROM busybox
        RUN mkdir /real && ln -s real /l
        COPY a /l
        COPY a /l/b
        COPY src /l
        """,
        context=(file("a", "a"), file("src/c", "c")),
        tree=(
            folder("real"),
            link("l", "real"),
            file("real/a", "a"),
            file("real/b", "a"),
            file("real/c", "c"),
        ),
    ),
    case(
        "an absolute link as the destination stays in the image",
        """
        FROM busybox
        RUN mkdir /real && ln -s /real /l
        COPY a /l/
        """,
        context=(file("a", "a"),),
        tree=(folder("real"), link("l", "/real"), file("real/a", "a")),
    ),
    case(
        "a link that climbs out stays in the image",
        """
        FROM busybox
        RUN ln -s ../../../../out /l
        COPY a /l/
        """,
        context=(file("a", "a"),),
        tree=(link("l", "../../../../out"), folder("out"), file("out/a", "a")),
    ),
    case(
        "a link to a file as the destination",
        """
        FROM busybox
        RUN echo old > /f && ln -s f /l
        COPY a /l
        """,
        context=(file("a", "new"),),
        tree=(file("f", "new"), link("l", "f")),
    ),
    case(
        "a link in the destination's directory is replaced",
        """
        FROM busybox
        RUN mkdir /d && echo old > /f && ln -s ../f /d/a
        COPY a /d/
        """,
        context=(file("a", "new"),),
        tree=(folder("d"), file("f", "old\n"), file("d/a", "new")),
    ),
    case(
        "a directory over a link to a directory",
        """
        FROM busybox
        RUN mkdir /d /real && ln -s /real /d/sub
        COPY src /d
        """,
        context=(file("src/sub/a", "a"),),
        error=(3, "d/sub"),
    ),
    case(
        "a link as the source in a stage",
        """
        FROM busybox AS one
        RUN echo a > /a && chmod 600 /a && ln -s a /l && ln -s /l /m
        FROM busybox
        COPY --from=one /m /d/
        """,
        tree=(folder("d"), file("d/m", "a\n", 0o600)),
    ),
    case(
        "a link in the destination's way that leads nowhere",
        """
        FROM busybox
        RUN ln -s /nowhere /l
        COPY a /l/b
        """,
        context=(file("a", "a"),),
        tree=(link("l", "/nowhere"), folder("nowhere"), file("nowhere/b", "a")),
    ),
    case(
        "a destination that is a link to nothing",
        """
        FROM busybox
        RUN ln -s nowhere /l
        COPY a /l
        """,
        context=(file("a", "a"),),
        tree=(link("l", "nowhere"), file("nowhere", "a")),
    ),
)
