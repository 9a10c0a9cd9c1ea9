"""COPY's flags: --chown, --chmod, --link, --parents, --exclude, --from."""

from __future__ import annotations

from tests.conformance.case import case, file, folder, link

NAMES = "RUN echo 'u:x:12:34::/:' >> /etc/passwd && echo 'g:x:56:u' >> /etc/group\n"
KNOWN = "FROM busybox AS known\n" + NAMES

COPY_FLAGS = (
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
        "--link with --chown by number",
        """
        FROM busybox
        COPY --link --chown=3:4 a /d/
        """,
        context=(file("a", "x"),),
        tree=(folder("d", owner=(3, 4)), file("d/a", "x", owner=(3, 4))),
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
        "--from another context",
        """
        FROM busybox
        COPY --from=other a /f
        """,
        beside=(file("o/a", "other"),),
        options=("--build-context", "other=@BESIDE@/o"),
        tree=(file("f", "other"),),
        history=("COPY a /f # buildkit",),
    ),
    case(
        "another context hides a stage",
        """
        FROM busybox AS one
        RUN exit 1
        FROM busybox
        COPY --from=one a /f
        """,
        beside=(file("o/a", "other"),),
        options=("--build-context", "one=@BESIDE@/o"),
        tree=(file("f", "other"),),
    ),
    case(
        "another context that is an image",
        """
        FROM base
        RUN echo x > /f
        """,
        options=("--build-context", "base=docker-image://busybox"),
        tree=(file("f", "x\n"),),
    ),
    case(
        "another context has an ignore file of its own",
        """
        FROM busybox
        COPY --from=other . /d/
        """,
        beside=(file("o/a", "a"), file("o/b", "b"), file("o/.dockerignore", "b\n")),
        options=("--build-context", "other=@BESIDE@/o"),
        tree=(folder("d"), file("d/a", "a"), file("d/.dockerignore", "b\n")),
    ),
    case(
        "--from with a variable",
        """
        FROM busybox AS one
        FROM busybox
        ARG S=one
        COPY --from=$S /etc/passwd /f
        """,
        error=(4, "--from"),
    ),
    case(
        "a document does not come from elsewhere",
        """
        FROM busybox AS one
        FROM busybox
        COPY --from=one /etc/hostname <<EOF /d/
        x
        EOF
        """,
        tree=(folder("d"), file("d/hostname"), file("d/EOF", "x\n")),
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
