"""COPY: what goes where.  Sources, destinations, slashes, wildcards, links."""

from __future__ import annotations

from tests.conformance.case import PATH, case, fifo, file, folder, hard, link

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
        "a link with a wildcard is followed",
        """
        FROM busybox
        COPY l* /d/
        """,
        context=(file("a", "text"), link("l1", "a")),
        tree=(folder("d"), file("d/l1", "text")),
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
    case(
        "a pattern that is none",
        "FROM busybox\nCOPY a[ /f\n",
        context=(file("a["),),
        error=(2, "a["),
    ),
)
