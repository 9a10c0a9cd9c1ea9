"""RUN with heredocs, and SHELL."""

from __future__ import annotations

from tests.conformance.case import PATH, case, file

RUN_HEREDOCS = (
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
)
