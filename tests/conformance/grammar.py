"""The text of a Dockerfile: directives, comments, continuation lines, ONBUILD."""

from __future__ import annotations

from tests.conformance.case import PATH, case, file, folder

GRAMMAR = (
    case(
        "comments and blank lines",
        "# first\n\n  # indented\nFROM busybox\n\n#RUN exit 1\nRUN echo x > /f # no comment\n",
        tree=(file("f", "x\n"),),
        history=("RUN /bin/sh -c echo x > /f # no comment # buildkit",),
    ),
    case(
        "the escape directive",
        "# escape=`\nFROM busybox\nRUN echo 'a\\d' > /f && `\n    echo c >> /f\n",
        tree=(file("f", "a\\d\nc\n"),),
    ),
    case(
        "the escape directive and variables",
        "# escape=`\nFROM busybox\nENV A=1 B=`$A C=\\$A\n",
        config={"Env": [PATH, "A=1", "B=$A", "C=\\"]},
    ),
    case(
        "a directive after a comment is a comment",
        "# hello\n# escape=`\nFROM busybox\nRUN echo x \\\n  > /f\n",
        tree=(file("f", "x\n"),),
    ),
    case(
        "a directive twice",
        "# escape=`\n# escape=`\nFROM busybox\n",
        error=(2, "only one"),
    ),
    case("an escape that is none", "# escape=x\nFROM busybox\n", error=(1, "escape")),
    case(
        "the check directive changes nothing",
        "# check=skip=all\nFROM busybox\nRUN echo x > /f\n",
        tree=(file("f", "x\n"),),
    ),
    case(
        "lines that end as on Windows",
        "FROM busybox\r\nRUN echo x > /f && \\\r\n  echo y >> /f\r\nENV A=1\r\n",
        tree=(file("f", "x\ny\n"),),
        config={"Env": [PATH, "A=1"]},
    ),
    case(
        "a byte order mark",
        "\ufeffFROM busybox\nRUN echo x > /f\n",
        tree=(file("f", "x\n"),),
    ),
    case(
        "blanks before and after",
        "  FROM busybox  \n\tRUN   echo x > /f  \n",
        tree=(file("f", "x\n"),),
        history=("RUN /bin/sh -c echo x > /f # buildkit",),
    ),
    case(
        "no newline at the end",
        "FROM busybox\nRUN echo x > /f",
        tree=(file("f", "x\n"),),
    ),
    case(
        "blanks after the backslash",
        "FROM busybox\nRUN echo x \\  \n  > /f\n",
        tree=(file("f", "x\n"),),
    ),
    case(
        "an instruction of many lines joins them as they are",
        "FROM busybox\nLABEL a=b \\\n\n# comment\n      c=d\n",
        config={"Labels": {"a": "b", "c": "d"}},
        history=("LABEL a=b c=d",),
    ),
    case(
        "words that a backslash joins",
        "FROM busybox\nENV A=one\\\ntwo\n",
        config={"Env": [PATH, "A=onetwo"]},
    ),
    case(
        "instructions in mixed letters",
        "From busybox\nrUn echo x > /f\neNv A=1\n",
        tree=(file("f", "x\n"),),
        config={"Env": [PATH, "A=1"]},
        history=("RUN /bin/sh -c echo x > /f # buildkit", "ENV A=1"),
    ),
    case(
        "a comment inside a heredoc is text",
        "FROM busybox\nCOPY <<E /f\n# not a comment\nE\n",
        tree=(file("f", "# not a comment\n"),),
    ),
    case(
        "ONBUILD is kept",
        "FROM busybox\nONBUILD RUN echo x > /f\nONBUILD COPY --chown=1 a /b\nONBUILD ENV A=$B\n",
        config={"OnBuild": ["RUN echo x > /f", "COPY --chown=1 a /b", "ENV A=$B"]},
        history=(),
    ),
    case(
        "ONBUILD is done in the next image",
        """
        FROM trigger
        RUN echo after >> /f
        """,
        given=(
            (
                "trigger",
                "FROM busybox\nONBUILD ENV A=1\nONBUILD RUN echo $A > /f\nONBUILD WORKDIR /w\n",
            ),
        ),
        tree=(file("f", "1\nafter\n"), folder("w")),
        config={"Env": [PATH, "A=1"], "WorkingDir": "/w"},
    ),
    case(
        "ONBUILD COPY takes the next context",
        "FROM trigger-copy\n",
        given=(("trigger-copy", "FROM busybox\nONBUILD COPY a /got\n"),),
        context=(file("a", "text"),),
        tree=(file("got", "text"),),
    ),
    case(
        "ONBUILD in a stage of the same file",
        """
        FROM busybox AS one
        ONBUILD RUN echo x > /f
        FROM one
        RUN echo y >> /f
        """,
        tree=(file("f", "x\ny\n"),),
    ),
    case(
        "ONBUILD is not inherited twice",
        """
        FROM trigger-once AS one
        FROM one
        RUN cat /f > /g
        """,
        given=(("trigger-once", "FROM busybox\nONBUILD RUN echo x >> /f\n"),),
        tree=(file("f", "x\n"), file("g", "x\n")),
    ),
    case(
        "ONBUILD with variables of the next build",
        "FROM trigger-args\nARG V\nRUN cat /f > /g\n",
        given=(("trigger-args", "FROM busybox\nONBUILD ARG V=none\nONBUILD RUN echo $V > /f\n"),),
        options=("--build-arg", "V=given"),
        tree=(file("f", "given\n"), file("g", "given\n")),
    ),
    case("ONBUILD ONBUILD", "FROM busybox\nONBUILD ONBUILD RUN x\n", error=(2, "ONBUILD")),
    case("ONBUILD FROM", "FROM busybox\nONBUILD FROM x\n", error=(2, "FROM")),
    case("ONBUILD MAINTAINER", "FROM busybox\nONBUILD MAINTAINER x\n", error=(2, "MAINTAINER")),
    case(
        "a trigger that is no instruction",
        "FROM busybox\nONBUILD RUNN x\n",
        error=(2, "RUNN"),
    ),
    case(
        "an unknown instruction",
        "FROM busybox\n\nRUNN true\n",
        error=(3, "did you mean RUN?"),
    ),
    case("an empty file", "", error=(0, "no instructions")),
    case("a file of comments", "# nothing\n", error=(0, "no instructions")),
    case(
        "an error after many lines",
        "FROM busybox\nRUN echo a \\\n  b \\\n  c\nCOPY\n",
        error=(5, "COPY"),
    ),
)
