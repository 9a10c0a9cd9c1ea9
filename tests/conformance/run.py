"""RUN in all its forms, SHELL, USER and WORKDIR as commands see them."""

from __future__ import annotations

from tests.conformance.case import PATH, case, file, folder, hard, link

RUN = (
    case(
        "the shell form",
        """
        FROM busybox
        RUN echo "a  b" > /f && echo $0 >> /f
        """,
        tree=(file("f", "a  b\n/bin/sh\n"),),
        history=('RUN /bin/sh -c echo "a  b" > /f && echo $0 >> /f # buildkit',),
    ),
    case(
        "the JSON form",
        """
        FROM busybox
        RUN ["/bin/sh", "-c", "echo \\"a b\\" > /f"]
        """,
        tree=(file("f", "a b\n"),),
        history=('RUN /bin/sh -c echo "a b" > /f # buildkit',),
    ),
    case(
        "JSON that is not JSON is a command of the shell",
        """
        FROM busybox
        RUN [ -d /etc ] && echo yes > /f
        """,
        tree=(file("f", "yes\n"),),
    ),
    case(
        "JSON with single quotes is a command of the shell",
        """
        FROM busybox
        RUN ['echo', 'x']
        """,
        error=(2, "exit status 127"),
    ),
    case(
        "a program that PATH finds",
        """
        FROM busybox
        RUN ["touch", "/f"]
        """,
        tree=(file("f"),),
    ),
    case(
        "several lines",
        """
        FROM busybox
        RUN echo one > /f; \\
            # a comment in between
            echo two >> /f; \\

            echo three >> /f
        """,
        tree=(file("f", "one\ntwo\nthree\n"),),
    ),
    case(
        "a line that ends in two backslashes does not go on",
        "FROM busybox\nRUN printf 'a\\\\\nRUN b' > /f\n",
        error=(2, "exit status"),
    ),
    case(
        "a heredoc of commands",
        """
        FROM busybox
        RUN <<EOF
        echo one > /f
        echo two >> /f
        EOF
        """,
        tree=(file("f", "one\ntwo\n"),),
        history=("RUN /bin/sh -c echo one > /f\necho two >> /f\n # buildkit",),
    ),
    case(
        "a heredoc whose variables are the shell's",
        """
        FROM busybox
        ENV A=env
        RUN <<EOF
        B=shell
        echo $A $B > /f
        EOF
        RUN <<"EOF"
        echo $A > /g
        EOF
        """,
        tree=(file("f", "env shell\n"), file("g", "env\n")),
        config={"Env": [PATH, "A=env"]},
    ),
    case(
        "a heredoc for an interpreter",
        """
        FROM busybox
        RUN <<EOF
        #!/bin/cat -n
        not a command
        EOF
        """,
    ),
    case(
        "a heredoc as standard input",
        """
        FROM busybox
        RUN cat <<EOF > /f
        a line
        EOF
        """,
        tree=(file("f", "a line\n"),),
    ),
    case(
        "two heredocs in a command",
        """
        FROM busybox
        RUN cat <<A > /a && cat <<B > /b
        first
        A
        second
        B
        """,
        tree=(file("a", "first\n"), file("b", "second\n")),
    ),
    case(
        "a heredoc without its leading tabs",
        "FROM busybox\nRUN <<-EOF\n\t\techo x > /f\n\tEOF\nRUN echo y > /g\n",
        tree=(file("f", "x\n"), file("g", "y\n")),
    ),
    case(
        "a heredoc for a program",
        """
        FROM busybox
        RUN sh -s x <<"EOF"
        echo $1 > /f
        EOF
        """,
        tree=(file("f", "x\n"),),
    ),
    case(
        "a heredoc that has no end",
        """
        FROM busybox
        RUN <<EOF
        echo x
        """,
        error=(2, "EOF has no end"),
    ),
    case(
        "SHELL",
        """
        FROM busybox
        SHELL ["/bin/sh", "-ec"]
        RUN echo $0 > /f
        CMD echo x
        """,
        tree=(file("f", "/bin/sh\n"),),
        config={"Shell": ["/bin/sh", "-ec"], "Cmd": ["/bin/sh", "-ec", "echo x"]},
        history=(
            "SHELL [/bin/sh -ec]",
            "RUN /bin/sh -ec echo $0 > /f # buildkit",
            'CMD ["/bin/sh" "-ec" "echo x"]',
        ),
    ),
    case(
        "SHELL stays in a stage that starts from it",
        """
        FROM busybox AS one
        SHELL ["/bin/sh", "-xc"]
        FROM one
        ENTRYPOINT run it
        """,
        config={
            "Shell": ["/bin/sh", "-xc"],
            "Entrypoint": ["/bin/sh", "-xc", "run it"],
            "Cmd": None,
        },
    ),
    case("SHELL without JSON", "FROM busybox\nSHELL /bin/sh -c\n", error=(2, "JSON")),
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
    case(
        "what is deleted",
        """
        FROM busybox
        RUN rm /etc/shadow && rm -r /home
        """,
        gone=("etc/shadow", "home"),
    ),
    case(
        "a directory that is deleted and made anew",
        """
        FROM busybox
        RUN mkdir -p /d/old && touch /d/old/f
        RUN rm -r /d && mkdir /d && touch /d/new
        """,
        tree=(folder("d"), file("d/new")),
    ),
    case(
        "a file where a directory was",
        """
        FROM busybox
        RUN rm -r /home && echo x > /home
        """,
        tree=(file("home", "x\n"),),
    ),
    case(
        "modes with set-id and sticky bits",
        """
        FROM busybox
        RUN mkdir /d && cd /d && touch a b c && chmod 4755 a && chmod 2755 b && chmod 1777 . && \\
            chmod 0 c
        """,
        tree=(
            folder("d", 0o1777),
            file("d/a", mode=0o4755),
            file("d/b", mode=0o2755),
            file("d/c", mode=0),
        ),
    ),
    case(
        "hard and symbolic links",
        """
        FROM busybox
        RUN mkdir /d && echo x > /d/a && ln /d/a /d/b && ln -s a /d/c && ln -s /no/where /d/d
        """,
        tree=(
            folder("d"),
            file("d/a", "x\n"),
            hard("d/b", "d/a"),
            link("d/c", "a"),
            link("d/d", "/no/where"),
        ),
    ),
    case(
        "a changed mode is a change",
        """
        FROM busybox
        RUN chmod 700 /tmp && chown 3:4 /home
        """,
        tree=(folder("tmp", 0o700), folder("home", owner=(3, 4))),
    ),
    case(
        "names that are hard to write",
        """
        FROM busybox
        RUN mkdir /d && cd /d && touch ' ' "a'b" 'a"b' "$(printf 'a\\nb')" '*' .hidden ünïcode
        """,
        tree=(
            folder("d"),
            file("d/ "),
            file("d/a'b"),
            file('d/a"b'),
            file("d/a\nb"),
            file("d/*"),
            file("d/.hidden"),
            file("d/ünïcode"),
        ),
    ),
    case(
        "a name that is no UTF-8",
        """
        FROM busybox
        RUN mkdir /d && touch "/d/$(printf 'a\\377b')"
        """,
        tree=(folder("d"), file("d/a\udcffb")),
    ),
    case(
        "the environment of a command",
        """
        FROM busybox
        ARG A=1
        ENV B=2
        RUN echo "$PATH $HOME $A $B" > /f
        """,
        tree=(file("f", f"{PATH[5:]} /root 1 2\n"),),
        config={"Env": [PATH, "B=2"]},
    ),
    case(
        "standard input is empty",
        """
        FROM busybox
        RUN cat > /f
        """,
        tree=(file("f"),),
    ),
    case(
        "RUN without a network",
        """
        FROM busybox
        RUN --network=none ls /sys/class/net > /f
        """,
        tree=(file("f", "lo\n"),),
        history=("RUN /bin/sh -c ls /sys/class/net > /f # buildkit",),
    ),
    case(
        "a command that fails",
        """
        FROM busybox
        RUN echo fine
        RUN echo oh no; exit 7
        """,
        error=(3, "exit status 7"),
    ),
    case(
        "a program that is not there",
        """
        FROM busybox
        RUN ["/no/such"]
        """,
        error=(2, "/no/such"),
    ),
    case(
        "RUN without a command does nothing",
        "FROM busybox\nRUN\n",
        history=("RUN /bin/sh -c  # buildkit",),
    ),
    case("a flag that RUN has not", "FROM busybox\nRUN --nosuch=1 true\n", error=(2, "nosuch")),
    case("a network that is none", "FROM busybox\nRUN --network=moon true\n", error=(2, "moon")),
)
