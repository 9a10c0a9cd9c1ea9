"""USER and WORKDIR as commands see them."""

from __future__ import annotations

from tests.conformance.case import case, file, folder, link

RUN_USERS = (
    case(
        "USER by name, its group and its HOME",
        """
        FROM busybox AS one
        RUN echo 'u:x:12:34::/home/u:/bin/sh' >> /etc/passwd && mkdir -m 1777 /w
        USER u
        RUN echo "$(id -u) $(id -g) $HOME" > /w/f
        FROM busybox
        COPY --from=one /w/f /f
        """,
        tree=(file("f", "12 34 /home/u\n", owner=(12, 34)),),
    ),
    case(
        "files of a USER",
        """
        FROM busybox
        RUN mkdir -m 1777 /w
        USER 12:34
        RUN echo x > /w/f
        USER 0
        RUN echo y > /w/g
        """,
        tree=(
            folder("w", 0o1777),
            file("w/f", "x\n", owner=(12, 34)),
            file("w/g", "y\n"),
        ),
        config={"User": "0"},
        history=(
            "RUN /bin/sh -c mkdir -m 1777 /w # buildkit",
            "USER 12:34",
            "RUN /bin/sh -c echo x > /w/f # buildkit",
            "USER 0",
            "RUN /bin/sh -c echo y > /w/g # buildkit",
        ),
    ),
    case(
        "the groups that USER is in",
        """
        FROM busybox AS one
        RUN echo 'u:x:12:34::/:/bin/sh' >> /etc/passwd && echo 'g:x:56:u' >> /etc/group && \\
            mkdir -m 1777 /w
        USER u
        RUN id -G > /w/a
        USER u:g
        RUN id -G > /w/b
        USER 12
        RUN id -G > /w/c
        USER 99
        RUN id -G > /w/d
        FROM busybox
        COPY --from=one --chown=0 /w/ /
        """,
        tree=(file("a", "34 56\n"), file("b", "56\n"), file("c", "34 56\n"), file("d", "0\n")),
    ),
    case(
        "a USER that the image does not know",
        """
        FROM busybox
        USER nosuch
        RUN true
        """,
        error=(3, "nosuch"),
    ),
    case(
        "WORKDIR is made and RUN begins there",
        """
        FROM busybox
        WORKDIR /a/b
        RUN pwd > f
        """,
        tree=(folder("a"), folder("a/b"), file("a/b/f", "/a/b\n")),
        config={"WorkingDir": "/a/b"},
    ),
    case(
        "WORKDIR that is relative",
        """
        FROM busybox
        WORKDIR a
        WORKDIR b
        WORKDIR ../c
        RUN pwd > /f
        """,
        tree=(folder("a"), folder("a/b"), folder("a/c"), file("f", "/a/c\n")),
        config={"WorkingDir": "/a/c"},
        history=(
            "WORKDIR /a",
            "WORKDIR /a/b",
            "WORKDIR /a/c",
            "RUN /bin/sh -c pwd > /f # buildkit",
        ),
    ),
    case(
        "WORKDIR belongs to USER",
        """
        FROM busybox
        WORKDIR /there
        USER 7
        WORKDIR /there
        WORKDIR /w/x
        """,
        tree=(folder("there"), folder("w", owner=(7, 7)), folder("w/x", owner=(7, 7))),
        config={"User": "7", "WorkingDir": "/w/x"},
    ),
    case(
        "WORKDIR through a link",
        """
        FROM busybox
        RUN mkdir /real && ln -s real /l
        WORKDIR /l/sub
        RUN pwd -P > f
        """,
        tree=(
            folder("real"),
            link("l", "real"),
            folder("real/sub"),
            file("real/sub/f", "/real/sub\n"),
        ),
        config={"WorkingDir": "/l/sub"},
    ),
    case(
        "WORKDIR with blanks",
        """
        FROM busybox
        WORKDIR /a b
        RUN pwd > f
        """,
        tree=(folder("a b"), file("a b/f", "/a b\n")),
        config={"WorkingDir": "/a b"},
    ),
    case(
        "WORKDIR where a file is",
        """
        FROM busybox
        RUN touch /f
        WORKDIR /f
        """,
        error=(3, "/f"),
    ),
)
