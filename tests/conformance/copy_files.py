"""What COPY carries: hard links, pipes, modes, names, times; and documents."""

from __future__ import annotations

from tests.conformance.case import PATH, case, fifo, file, folder, hard

COPY_FILES = (
    case(
        "names with blanks, in JSON",
        """
        FROM busybox
        COPY ["a b", "c", "/d e/"]
        """,
        context=(file("a b", "ab"), file("c", "c")),
        tree=(folder("d e"), file("d e/a b", "ab"), file("d e/c", "c")),
        history=("COPY a b c /d e/ # buildkit",),
    ),
    case(
        "hard links of the context",
        """
        FROM busybox
        COPY src /d
        """,
        context=(file("src/a", "x"), hard("src/b", "src/a")),
        tree=(folder("d"), file("d/a", "x"), hard("d/b", "d/a")),
    ),
    case(
        "hard links of a stage",
        """
        FROM busybox AS one
        RUN mkdir /src && echo x > /src/a && ln /src/a /src/b
        FROM busybox
        COPY --from=one /src /d
        """,
        tree=(folder("d"), file("d/a", "x\n"), hard("d/b", "d/a")),
    ),
    case(
        "a pipe of a stage",
        """
        FROM busybox AS one
        RUN mkdir /src && mkfifo /src/p && chmod 600 /src/p
        FROM busybox
        COPY --from=one /src /d
        """,
        tree=(folder("d"), fifo("d/p", 0o600)),
    ),
    case(
        "set-id and sticky bits of the context",
        """
        FROM busybox
        COPY src /d
        """,
        context=(
            folder("src", 0o1777),
            file("src/a", "a", 0o4755),
            file("src/b", "b", 0o2755),
            folder("src/c", 0o2775),
        ),
        tree=(
            folder("d"),
            file("d/a", "a", 0o4755),
            file("d/b", "b", 0o2755),
            folder("d/c", 0o2775),
        ),
    ),
    case(
        "names that are hard to write",
        """
        FROM busybox
        COPY src /d
        """,
        context=(file("src/a b", "1"), file("src/ü", "2"), file("src/a\nb", "3"), file("src/'")),
        tree=(
            folder("d"),
            file("d/a b", "1"),
            file("d/ü", "2"),
            file("d/a\nb", "3"),
            file("d/'"),
        ),
    ),
    case(
        "a name that is no UTF-8",
        """
        FROM busybox
        COPY src /d
        """,
        context=(file("src/a\udcffb", "x"),),
        tree=(folder("d"), file("d/a\udcffb", "x")),
    ),
    case(
        "the time of a file's last change",
        """
        FROM busybox AS one
        RUN echo x > /x && touch -d @1234567891 /x
        FROM busybox
        COPY a /d/
        COPY --from=one /x /x
        """,
        context=(file("a", "dated", mtime=1234567890),),
        tree=(
            folder("d"),
            file("d/a", "dated", mtime=1234567890),
            file("x", "x\n", mtime=1234567891),
        ),
    ),
    case(
        "a document",
        """
        FROM busybox
        ENV A=1
        COPY <<EOF /d/f
        a is $A
        EOF
        """,
        tree=(folder("d"), file("d/f", "a is 1\n")),
        config={"Env": [PATH, "A=1"]},
        history=("ENV A=1", "COPY <<EOF /d/f # buildkit"),
    ),
    case(
        "a document with a name of its own, as it is written",
        """
        FROM busybox
        ENV A=1
        COPY <<"one.txt" <<two.txt /d/
        $A "\\$A"
        one.txt
        $A "\\$A"
        two.txt
        """,
        tree=(
            folder("d"),
            file("d/one.txt", '$A "\\$A"\n'),
            file("d/two.txt", '1 "$A"\n'),
        ),
        config={"Env": [PATH, "A=1"]},
    ),
    case(
        "a document with a file",
        """
        FROM busybox
        COPY a <<EOF /d/
        text
        EOF
        """,
        context=(file("a", "a"),),
        tree=(folder("d"), file("d/a", "a"), file("d/EOF", "text\n")),
    ),
)
