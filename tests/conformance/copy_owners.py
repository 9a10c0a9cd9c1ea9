"""COPY --chown and --chmod."""

from __future__ import annotations

from tests.conformance.case import case, file, folder, link

KNOWN = """\
FROM busybox AS known
RUN echo 'u:x:12:34::/:' >> /etc/passwd && echo 'g:x:56:u' >> /etc/group
"""

COPY_OWNERS = (
    case(
        "--chown with numbers",
        """
        FROM busybox
        COPY --chown=12:34 a /a
        COPY --chown=12 a /b
        """,
        context=(file("a", "x"),),
        tree=(file("a", "x", owner=(12, 34)), file("b", "x", owner=(12, 12))),
        history=("COPY --chown=12:34 a /a # buildkit", "COPY --chown=12 a /b # buildkit"),
    ),
    case(
        "--chown with names",
        f"{KNOWN}COPY --chown=u a /w/a\nCOPY --chown=u:g a /w/b\nCOPY --chown=7:g a /w/c\n"
        "FROM busybox\nCOPY --from=known /w /w\n",
        context=(file("a", "x"),),
        tree=(
            folder("w"),
            file("w/a", "x", owner=(12, 34)),
            file("w/b", "x", owner=(12, 56)),
            file("w/c", "x", owner=(7, 56)),
        ),
    ),
    case(
        "--chown of a directory and of what is made on the way",
        """
        FROM busybox
        COPY --chown=3:4 src /p/q/dst
        """,
        context=(
            folder("src", 0o711),
            file("src/a", "a"),
            file("src/sub/b", "b"),
            link("src/l", "a"),
        ),
        tree=(
            folder("p", owner=(3, 4)),
            folder("p/q", owner=(3, 4)),
            folder("p/q/dst", owner=(3, 4)),
            file("p/q/dst/a", "a", owner=(3, 4)),
            folder("p/q/dst/sub", owner=(3, 4)),
            file("p/q/dst/sub/b", "b", owner=(3, 4)),
            link("p/q/dst/l", "a", owner=(3, 4)),
        ),
    ),
    case(
        "--chown leaves the directory that is there",
        """
        FROM busybox
        RUN mkdir -m 700 /dst
        COPY --chown=3:4 src /dst
        """,
        context=(file("src/a", "a"),),
        tree=(folder("dst", 0o700), file("dst/a", "a", owner=(3, 4))),
    ),
    case(
        "--chown with variables",
        """
        FROM busybox
        ARG OWNER=3
        COPY --chown=${OWNER}:4 a /a
        """,
        context=(file("a", "x"),),
        tree=(file("a", "x", owner=(3, 4)),),
        history=("ARG OWNER=3", "COPY --chown=3:4 a /a # buildkit"),
    ),
    case(
        "--chown from a stage",
        """
        FROM busybox AS one
        RUN mkdir /d && echo x > /d/f && chown -R 3:4 /d
        FROM busybox
        COPY --from=one --chown=5:6 /d /d
        """,
        tree=(folder("d", owner=(5, 6)), file("d/f", "x\n", owner=(5, 6))),
    ),
    case(
        "--chown with a name that the image does not know",
        """
        FROM busybox
        COPY --chown=nosuch a /a
        """,
        context=(file("a"),),
        error=(2, "nosuch"),
    ),
    case(
        "USER does not change who owns a copy",
        """
        FROM busybox
        USER 7
        COPY a /d/a
        """,
        context=(file("a"),),
        tree=(folder("d"), file("d/a")),
        config={"User": "7"},
    ),
    case(
        "--chmod in octal",
        """
        FROM busybox
        COPY --chmod=755 a /a
        COPY --chmod=0600 a /b
        COPY --chmod=4711 a /c
        """,
        context=(file("a", "x"),),
        tree=(file("a", "x", 0o755), file("b", "x", 0o600), file("c", "x", 0o4711)),
        history=(
            "COPY --chmod=755 a /a # buildkit",
            "COPY --chmod=0600 a /b # buildkit",
            "COPY --chmod=4711 a /c # buildkit",
        ),
    ),
    case(
        "--chmod of a directory and of what is made on the way",
        """
        FROM busybox
        COPY --chmod=750 src /p/dst
        """,
        context=(file("src/a", "a"), file("src/sub/b", "b"), link("src/l", "a")),
        tree=(
            folder("p", 0o750),
            folder("p/dst", 0o750),
            file("p/dst/a", "a", 0o750),
            folder("p/dst/sub", 0o750),
            file("p/dst/sub/b", "b", 0o750),
            link("p/dst/l", "a"),
        ),
    ),
    case(
        "--chmod in letters",
        """
        FROM busybox
        COPY --chmod=u=rwX,go=rX src /d
        COPY --chmod=a+x,o-r src/f /e
        COPY --chmod=g=u src/f /g
        """,
        context=(folder("src", 0o700), file("src/f", "f", 0o640), file("src/x", "x", 0o700)),
        tree=(
            folder("d", 0o755),
            file("d/f", "f", 0o644),
            file("d/x", "x", 0o755),
            file("e", "f", 0o751),
            file("g", "f", 0o660),
        ),
    ),
    case(
        "--chmod and --chown together",
        """
        FROM busybox
        COPY --chmod=700 --chown=3:4 a /d/a
        """,
        context=(file("a", "x"),),
        tree=(folder("d", 0o700, (3, 4)), file("d/a", "x", 0o700, (3, 4))),
        history=("COPY --chown=3:4 --chmod=700 a /d/a # buildkit",),
    ),
    case(
        "--chmod with a variable",
        """
        FROM busybox
        ARG M=711
        COPY --chmod=$M a /a
        """,
        context=(file("a", "x"),),
        tree=(file("a", "x", 0o711),),
    ),
    case(
        "--chmod of a document",
        """
        FROM busybox
        COPY --chmod=755 --chown=1:2 <<EOF /f
        x
        EOF
        """,
        tree=(file("f", "x\n", 0o755, (1, 2)),),
    ),
    case(
        "a mode that is none",
        "FROM busybox\nCOPY --chmod=rw a /a\n",
        context=(file("a"),),
        error=(2, "rw"),
    ),
    case(
        "a mode that is too great",
        "FROM busybox\nCOPY --chmod=17777 a /a\n",
        context=(file("a"),),
        error=(2, "17777"),
    ),
    case(
        "--link with --chown by number",
        """
        FROM busybox
        COPY --link --chown=3:4 a /d/
        """,
        context=(file("a", "x"),),
        tree=(folder("d", owner=(3, 4)), file("d/a", "x", owner=(3, 4))),
    ),
)
