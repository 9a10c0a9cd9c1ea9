"""FROM: bases, stages by name and number, targets."""

from __future__ import annotations

from tests.conformance.case import PATH, case, file, folder

STAGES = (
    case("a base and nothing else", "FROM busybox\n", history=()),
    case(
        "scratch",
        """
        FROM scratch
        COPY a /
        """,
        context=(file("a", "text"),),
        scratch=True,
        tree=(file("a", "text"),),
        config={"Env": [PATH], "WorkingDir": "/"},
        history=("COPY a / # buildkit",),
    ),
    case(
        "a stage by its name",
        """
        FROM busybox AS one
        RUN echo made > /out
        FROM scratch
        COPY --from=one /out /got
        """,
        scratch=True,
        tree=(file("got", "made\n"),),
        config={"Env": [PATH], "WorkingDir": "/"},
    ),
    case(
        "a stage by its number",
        """
        FROM busybox
        RUN echo zero > /out
        FROM busybox
        COPY --from=0 /out /got
        """,
        tree=(file("got", "zero\n"),),
    ),
    case(
        "the name of a stage in another case of letters",
        """
        FROM busybox AS Base
        RUN echo x > /out
        FROM busybox
        COPY --from=bASE /out /got
        """,
        tree=(file("got", "x\n"),),
    ),
    case(
        "a stage that starts from a stage",
        """
        FROM busybox AS one
        ENV A=1
        WORKDIR /w
        FROM one
        RUN echo $A > f
        """,
        tree=(folder("w"), file("w/f", "1\n")),
        config={"Env": [PATH, "A=1"], "WorkingDir": "/w"},
        history=("ENV A=1", "WORKDIR /w", "RUN /bin/sh -c echo $A > f # buildkit"),
    ),
    case(
        "a stage that nothing needs is not built",
        """
        FROM busybox AS broken
        RUN exit 1
        FROM busybox
        RUN echo fine > /f
        """,
        tree=(file("f", "fine\n"),),
    ),
    case(
        "a target",
        """
        FROM busybox AS one
        RUN echo one > /f
        FROM busybox AS two
        RUN exit 1
        """,
        options=("--target", "one"),
        tree=(file("f", "one\n"),),
    ),
    case(
        "a target by its number",
        """
        FROM busybox
        RUN echo zero > /f
        FROM busybox
        RUN exit 1
        """,
        options=("--target", "0"),
        tree=(file("f", "zero\n"),),
    ),
    case(
        "a target in another case of letters",
        """
        FROM busybox AS one
        RUN echo one > /f
        FROM busybox
        RUN exit 1
        """,
        options=("--target", "ONE"),
        tree=(file("f", "one\n"),),
    ),
    case(
        "a target that is not there",
        "FROM busybox AS one\n",
        options=("--target", "two"),
        error=(0, "two"),
    ),
    case(
        "a base by an ARG before FROM",
        """
        ARG BASE=busybox
        FROM ${BASE}
        RUN echo x > /f
        """,
        tree=(file("f", "x\n"),),
    ),
    case(
        "a base by a build argument",
        """
        ARG BASE=nosuch
        FROM $BASE
        RUN echo x > /f
        """,
        options=("--build-arg", "BASE=busybox"),
        tree=(file("f", "x\n"),),
    ),
    case(
        "a stage chosen by an ARG",
        """
        ARG KIND=b
        FROM busybox AS pick-a
        RUN exit 1
        FROM busybox AS pick-b
        RUN echo b > /f
        FROM pick-${KIND}
        """,
        tree=(file("f", "b\n"),),
    ),
    case(
        "FROM with the platform of the build",
        """
        FROM --platform=$BUILDPLATFORM busybox
        RUN echo x > /f
        """,
        tree=(file("f", "x\n"),),
    ),
    case(
        "FROM in small letters",
        """
        from busybox as one
        run echo x > /f
        from one
        """,
        tree=(file("f", "x\n"),),
        history=("RUN /bin/sh -c echo x > /f # buildkit",),
    ),
    case(
        "a stage named like an image hides it",
        """
        FROM busybox AS busybox
        RUN echo x > /f
        FROM busybox
        """,
        tree=(file("f", "x\n"),),
    ),
    case(
        "a stage begins with the arguments of the stage that it starts from",
        """
        FROM busybox AS one
        ARG A=1
        FROM one
        RUN echo "[$A]" > /f
        """,
        tree=(file("f", "[1]\n"),),
        history=("ARG A=1", 'RUN |1 A=1 /bin/sh -c echo "[$A]" > /f # buildkit'),
    ),
    case(
        "files of an image",
        """
        FROM scratch
        COPY --from=busybox /etc/hostname /got/
        """,
        scratch=True,
        tree=(folder("got"), file("got/hostname")),
        config={"Env": [PATH], "WorkingDir": "/"},
        history=("COPY /etc/hostname /got/ # buildkit",),
    ),
    case(
        "owners come along from a stage",
        """
        FROM busybox AS one
        RUN mkdir /d && echo x > /d/f && chown 3:4 /d/f && chown 5:6 /d && chmod 2750 /d
        FROM busybox
        COPY --from=one /d /e
        """,
        tree=(folder("e"), file("e/f", "x\n", owner=(3, 4))),
    ),
    case(
        "three stages in a row",
        """
        FROM busybox AS a
        RUN echo a > /a
        FROM busybox AS b
        COPY --from=a /a /a
        RUN cat /a > /b && echo b >> /b
        FROM scratch
        COPY --from=b /b /c
        """,
        scratch=True,
        tree=(file("c", "a\nb\n"),),
        config={"Env": [PATH], "WorkingDir": "/"},
    ),
    case(
        "the last stage of a name counts",
        """
        FROM busybox AS x
        RUN echo 1 > /f
        FROM busybox AS y
        RUN echo 2 > /g
        FROM busybox
        COPY --from=x /f /f
        COPY --from=1 /g /g
        """,
        tree=(file("f", "1\n"), file("g", "2\n")),
    ),
    case(
        "a base that is not there",
        """
        # first line
        FROM nosuch.invalid/image
        """,
        error=(2, "nosuch.invalid/image"),
    ),
    case(
        "an instruction before FROM",
        """
        RUN true
        FROM busybox
        """,
        error=(1, "before the first FROM"),
    ),
    case(
        "no FROM at all",
        "ARG A=1\n",
        error=(0, "FROM"),
    ),
    case(
        "FROM without anything",
        """
        FROM
        """,
        error=(1, "FROM needs"),
    ),
    case(
        "FROM with two images",
        """
        FROM busybox busybox
        """,
        error=(1, "FROM takes"),
    ),
    case(
        "a stage whose name begins with a digit",
        """
        FROM busybox AS 1st
        """,
        error=(1, "not a name for a stage"),
    ),
    case(
        "a base that is empty",
        """
        ARG BASE
        FROM $BASE
        """,
        error=(2, "empty"),
    ),
    case(
        "COPY --from of a stage that comes later",
        """
        FROM busybox AS early
        COPY --from=late /etc/passwd /b
        FROM busybox AS late
        """,
        options=("--target", "early"),
        error=(2, "late"),
    ),
    case(
        "COPY --from its own stage",
        """
        FROM busybox AS me
        COPY --from=me /etc/passwd /b
        """,
        error=(2, "me"),
    ),
)
