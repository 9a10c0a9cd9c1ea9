"""RUN in its forms, and what commands leave."""

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
