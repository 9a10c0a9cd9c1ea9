"""ADD: archives, and what is none."""

from __future__ import annotations

from tests.conformance.case import case, fifo, file, folder, hard, link, tar

INSIDE = (
    folder("p", 0o750, (3, 4)),
    file("p/a", "a", 0o640, (5, 6)),
    link("p/l", "a"),
    file("b", "b", 0o4755),
)
UNPACKED = (
    folder("d"),
    folder("d/p", 0o750, (3, 4)),
    file("d/p/a", "a", 0o640, (5, 6)),
    link("d/p/l", "a"),
    file("d/b", "b", 0o4755),
)

ARCHIVES = tuple(
    case(
        f"an archive, {compression}",
        """
        FROM busybox
        ADD some /d/
        """,
        context=(file("some", tar(*INSIDE, compression=compression)),),
        tree=UNPACKED,
        history=("ADD some /d/ # buildkit",),
    )
    for compression in ("none", "gzip", "bzip2", "xz", "zstd")
)

ADD = (
    *ARCHIVES,
    case(
        "a file",
        """
        FROM busybox
        ADD a /d/
        """,
        context=(file("a", "text"),),
        tree=(folder("d"), file("d/a", "text")),
    ),
    case(
        "a directory",
        """
        FROM busybox
        ADD src /d
        """,
        context=(file("src/a", "a"), file("src/sub/b", "b")),
        tree=(folder("d"), file("d/a", "a"), folder("d/sub"), file("d/sub/b", "b")),
    ),
    case(
        "a name like an archive's is no archive",
        """
        FROM busybox
        ADD a.tar.gz /d/
        """,
        context=(file("a.tar.gz", "just text"),),
        tree=(folder("d"), file("d/a.tar.gz", "just text")),
    ),
    case(
        "something compressed is no archive",
        """
        FROM busybox
        ADD a.gz /d/
        """,
        context=(file("a.gz", tar(compression="gzip")[:0] + b"\x1f\x8bnot really"),),
        tree=(folder("d"), file("d/a.gz", b"\x1f\x8bnot really")),
    ),
    case(
        "COPY unpacks nothing",
        """
        FROM busybox
        COPY some /d/
        """,
        context=(file("some", tar(*INSIDE)),),
        tree=(folder("d"), file("d/some", tar(*INSIDE))),
    ),
    case(
        "archives in a directory stay as they are",
        """
        FROM busybox
        ADD src /d/
        """,
        context=(file("src/some", tar(*INSIDE)),),
        tree=(folder("d"), file("d/some", tar(*INSIDE))),
    ),
    case(
        "an archive to a name makes a directory of that name",
        """
        FROM busybox
        ADD some /d
        """,
        context=(file("some", tar(*INSIDE)),),
        tree=UNPACKED,
    ),
    case(
        "an archive over what is there",
        """
        FROM busybox
        RUN mkdir -m 700 /d && mkdir /d/p && echo old > /d/p/a && echo kept > /d/p/kept
        ADD some /d
        """,
        context=(file("some", tar(*INSIDE)),),
        tree=(
            folder("d", 0o700),
            *UNPACKED[1:],
            file("d/p/kept", "kept\n"),
        ),
    ),
    case(
        "an archive with hard links and a pipe",
        """
        FROM busybox
        ADD some /d/
        """,
        context=(file("some", tar(file("a", "x"), hard("b", "a"), fifo("p", 0o600))),),
        tree=(folder("d"), file("d/a", "x"), hard("d/b", "d/a"), fifo("d/p", 0o600)),
    ),
    case(
        "an archive without entries for directories",
        """
        FROM busybox
        ADD some /d/
        """,
        context=(file("some", tar(file("p/q/a", "x"))),),
        tree=(folder("d"), folder("d/p"), folder("d/p/q"), file("d/p/q/a", "x")),
    ),
    case(
        "an archive that names a file twice",
        """
        FROM busybox
        ADD some /d/
        """,
        context=(file("some", tar(file("a", "first"), file("a", "second"))),),
        tree=(folder("d"), file("d/a", "second")),
    ),
    case(
        "an archive with its names from ./",
        """
        FROM busybox
        ADD some /d/
        """,
        context=(file("some", tar(folder("./", 0o711), folder("./p"), file("./p/a", "x"))),),
        tree=(folder("d"), folder("d/p"), file("d/p/a", "x")),
    ),
    case(
        "an archive that replaces a link by a directory",
        """
        FROM busybox
        RUN mkdir /real /d && ln -s /real /d/p
        ADD some /d/
        """,
        context=(file("some", tar(folder("p"), file("p/a", "x"))),),
        tree=(folder("real"), folder("d"), folder("d/p"), file("d/p/a", "x")),
    ),
    case(
        "an archive that tries to climb out",
        """
        FROM busybox
        ADD some /d/
        """,
        context=(file("some", tar(file("../../a", "x"))),),
        error=(2, ""),
    ),
    case(
        "attributes in an archive",
        """
        FROM busybox
        ADD some /d/
        """,
        context=(file("some", tar(file("a", "x", xattrs=(("user.colour", b"blue"),)))),),
        tree=(folder("d"), file("d/a", "x", xattrs=(("user.colour", b"blue"),))),
    ),
    case(
        "capabilities of a file in an archive, copied on from a stage",
        """
        FROM scratch AS one
        ADD some /
        FROM busybox
        COPY --from=one /a /a
        """,
        context=(
            file(
                "some",
                tar(
                    file("a", "x", xattrs=(("security.capability", b"\1\0\0\2\0\4" + b"\0" * 14),))
                ),
            ),
        ),
        tree=(file("a", "x", xattrs=(("security.capability", b"\1\0\0\2\0\4" + b"\0" * 14),)),),
    ),
    case(
        "archives and files together",
        """
        FROM busybox
        ADD some a src /d/
        """,
        context=(
            file("some", tar(file("x", "x"), compression="gzip")),
            file("a", "a"),
            file("src/b", "b"),
        ),
        tree=(folder("d"), file("d/x", "x"), file("d/a", "a"), file("d/b", "b")),
        history=("ADD some a src /d/ # buildkit",),
    ),
    case(
        "an archive by a link and by a wildcard",
        """
        FROM busybox
        ADD l /d/
        ADD s*e /e/
        """,
        context=(file("some", tar(file("x", "x"))), link("l", "some")),
        tree=(folder("d"), file("d/x", "x"), folder("e"), file("e/x", "x")),
    ),
    case(
        "--chown of an archive",
        """
        FROM busybox
        ADD --chown=7:8 some /d/
        """,
        context=(file("some", tar(*INSIDE)),),
        tree=(
            folder("d", owner=(7, 8)),
            folder("d/p", 0o750, (7, 8)),
            file("d/p/a", "a", 0o640, (7, 8)),
            link("d/p/l", "a", owner=(7, 8)),
            file("d/b", "b", 0o4755, (7, 8)),
        ),
        history=("ADD --chown=7:8 some /d/ # buildkit",),
    ),
    case(
        "--unpack=false leaves an archive alone",
        """
        FROM busybox
        ADD --unpack=false some /d/
        """,
        context=(file("some", tar(*INSIDE)),),
        tree=(folder("d"), file("d/some", tar(*INSIDE))),
    ),
    case(
        "--link",
        """
        FROM busybox
        RUN mkdir -m 700 /d
        ADD --link some /d/
        """,
        context=(file("some", tar(*INSIDE)),),
        tree=UNPACKED,
    ),
    case(
        "--exclude",
        """
        FROM busybox
        ADD --exclude=*.txt src /d/
        """,
        context=(file("src/a.txt"), file("src/b.md", "b")),
        tree=(folder("d"), file("d/b.md", "b")),
    ),
    case(
        "--chmod of a file",
        """
        FROM busybox
        ADD --chmod=711 a /d/
        """,
        context=(file("a", "x"),),
        tree=(folder("d", 0o711), file("d/a", "x", 0o711)),
    ),
    case(
        "a document",
        """
        FROM busybox
        ADD <<EOF /f
        text
        EOF
        """,
        tree=(file("f", "text\n"),),
        history=("ADD <<EOF /f # buildkit",),
    ),
    case(
        "ADD has no --from",
        """
        FROM busybox AS one
        FROM busybox
        ADD --from=one /etc/passwd /f
        """,
        error=(3, "from"),
    ),
    case(
        "the beginning of something compressed is no archive",
        """
        FROM busybox
        ADD some /d/
        """,
        context=(file("some", tar(file("a", "x"), compression="gzip")[:40]),),
        tree=(folder("d"), file("d/some", tar(file("a", "x"), compression="gzip")[:40])),
    ),
    case(
        "an archive that ends too early",
        """
        FROM busybox
        ADD some /d/
        """,
        context=(file("some", tar(file("a", "x" * 5000))[:2000]),),
        error=(2, "a"),
    ),
    case(
        "an empty file is no archive",
        """
        FROM busybox
        ADD some /d/
        """,
        context=(file("some"),),
        tree=(folder("d"), file("d/some")),
    ),
    case(
        "an archive of nothing",
        """
        FROM busybox
        ADD some /d/
        """,
        context=(file("some", tar()),),
        tree=(folder("d"), file("d/some", tar())),
    ),
)
