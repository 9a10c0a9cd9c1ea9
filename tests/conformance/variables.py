"""ARG, ENV, and what `$name` means where."""

from __future__ import annotations

from tests.conformance.case import PATH, case, file, folder

VARIABLES = (
    case(
        "ENV sees what was before it",
        """
        FROM busybox
        ENV abc=hello
        ENV abc=bye def=$abc
        ENV ghi=$abc
        """,
        config={"Env": [PATH, "abc=bye", "def=hello", "ghi=bye"]},
        history=("ENV abc=hello", "ENV abc=bye def=hello", "ENV ghi=bye"),
    ),
    case(
        "ENV in the old form takes the rest of the line",
        """
        FROM busybox
        ENV A b c  d
        ENV B "quoted" too
        """,
        config={"Env": [PATH, "A=b c  d", "B=quoted too"]},
        history=("ENV A=b c  d", "ENV B=quoted too"),
    ),
    case(
        "ENV over several lines",
        """
        FROM busybox
        ENV A=1 \\
            B="two words" \\
            C=3\\ 3
        """,
        config={"Env": [PATH, "A=1", "B=two words", "C=3 3"]},
        history=("ENV A=1 B=two words C=3 3",),
    ),
    case(
        "ENV can be changed and keeps its place",
        """
        FROM busybox
        ENV A=1
        ENV B=2
        ENV A=3
        ENV PATH=/x:$PATH
        """,
        config={"Env": [PATH.replace("=", "=/x:"), "A=3", "B=2"]},
    ),
    case(
        "ENV with an equals sign in its value",
        """
        FROM busybox
        ENV A=b=c D="e=f"
        """,
        config={"Env": [PATH, "A=b=c", "D=e=f"]},
    ),
    case(
        "ENV wins over ARG",
        """
        FROM busybox
        ARG V=arg
        ENV V=env
        RUN echo $V > /f
        """,
        options=("--build-arg", "V=asked"),
        tree=(file("f", "env\n"),),
        config={"Env": [PATH, "V=env"]},
    ),
    case(
        "ENV from an ARG's default",
        """
        FROM busybox
        ARG V
        ENV W=${V:-default}
        """,
        config={"Env": [PATH, "W=default"]},
    ),
    case(
        "ARG with a default",
        """
        FROM busybox
        ARG V=1
        RUN echo $V > /f
        """,
        tree=(file("f", "1\n"),),
        history=("ARG V=1", "RUN |1 V=1 /bin/sh -c echo $V > /f # buildkit"),
    ),
    case(
        "ARG with quotes and blanks",
        """
        FROM busybox
        ARG A="a b" B='c $A' C=d\\ e
        RUN echo "$A-$B-$C" > /f
        """,
        tree=(file("f", "a b-c $A-d e\n"),),
        history=(
            "ARG A=a b B=c $A C=d e",
            'RUN |3 A=a b B=c $A C=d e /bin/sh -c echo "$A-$B-$C" > /f # buildkit',
        ),
    ),
    case(
        "ARG sees what stands before it on its line",
        """
        FROM busybox
        ARG A=1 B=$A-2
        RUN echo $B > /f
        """,
        tree=(file("f", "1-2\n"),),
    ),
    case(
        "ARG from the command line",
        """
        FROM busybox
        ARG V=1
        RUN echo $V > /f
        """,
        options=("--build-arg", "V=2"),
        tree=(file("f", "2\n"),),
        history=("ARG V=2", "RUN |1 V=2 /bin/sh -c echo $V > /f # buildkit"),
    ),
    case(
        "several ARGs on a line",
        """
        FROM busybox
        ARG A=1 B C=3
        RUN echo "$A-$B-$C" > /f
        """,
        tree=(file("f", "1--3\n"),),
    ),
    case(
        "ARG from before FROM",
        """
        ARG V=1
        FROM busybox
        RUN echo "[$V]" > /f
        ARG V
        RUN echo "[$V]" > /g
        """,
        tree=(file("f", "[]\n"), file("g", "[1]\n")),
    ),
    case(
        "ARG is nothing before its line",
        """
        FROM busybox
        RUN echo "[$V]" > /f
        ARG V=1
        RUN echo "[$V]" > /g
        """,
        options=("--build-arg", "V=2"),
        tree=(file("f", "[]\n"), file("g", "[2]\n")),
    ),
    case(
        "ARG from another ARG",
        """
        ARG A=1
        ARG B=$A-2
        FROM busybox
        ARG B
        ARG C=${B}-3
        RUN echo $C > /f
        """,
        tree=(file("f", "1-2-3\n"),),
    ),
    case(
        "a build argument that no ARG declares",
        """
        FROM busybox
        RUN echo "[$V]" > /f
        """,
        options=("--build-arg", "V=2"),
        tree=(file("f", "[]\n"),),
    ),
    case(
        "a proxy needs no ARG and is in no history",
        """
        FROM busybox
        RUN echo "$http_proxy" > /f
        """,
        options=("--build-arg", "http_proxy=http://p"),
        tree=(file("f", "http://p\n"),),
        history=('RUN /bin/sh -c echo "$http_proxy" > /f # buildkit',),
    ),
    case(
        "platform arguments",
        """
        FROM busybox
        ARG TARGETPLATFORM TARGETOS TARGETARCH BUILDPLATFORM BUILDOS BUILDARCH
        RUN test "$TARGETPLATFORM $TARGETOS $TARGETARCH" = "@PLATFORM@ linux @ARCH@"
        RUN test "$BUILDPLATFORM $BUILDOS $BUILDARCH" = "@PLATFORM@ linux @ARCH@"
        """,
    ),
    case(
        "platform arguments are nothing without ARG",
        """
        FROM busybox
        RUN echo "[$TARGETARCH]" > /f
        """,
        tree=(file("f", "[]\n"),),
    ),
    case(
        "platform arguments before FROM",
        """
        FROM busybox AS stage-@ARCH@
        RUN echo mine > /f
        FROM stage-$TARGETARCH
        """,
        tree=(file("f", "mine\n"),),
    ),
    case(
        "the name of the stage that is built",
        """
        FROM busybox AS inner
        ARG TARGETSTAGE
        RUN echo $TARGETSTAGE > /f
        """,
        options=("--target", "inner"),
        tree=(file("f", "inner\n"),),
    ),
    case(
        "where variables are expanded",
        """
        FROM busybox
        ENV D=dir U=7 P=80 L=lab S=SIGINT V=vol
        WORKDIR /$D
        COPY --chown=$U:$U a$L /$D/$L
        EXPOSE $P
        LABEL k$L="v $L"
        STOPSIGNAL $S
        USER $U
        VOLUME /$V
        """,
        context=(file("alab", "x"),),
        tree=(folder("dir"), file("dir/lab", "x", owner=(7, 7))),
        config={
            "Env": [PATH, "D=dir", "U=7", "P=80", "L=lab", "S=SIGINT", "V=vol"],
            "WorkingDir": "/dir",
            "ExposedPorts": {"80/tcp": {}},
            "Labels": {"klab": "v lab"},
            "StopSignal": "SIGINT",
            "User": "7",
            "Volumes": {"/vol": {}},
        },
    ),
    case(
        "where variables are not expanded",
        """
        FROM busybox
        ENV A=1
        CMD ["echo", "$A"]
        ENTRYPOINT echo $A
        RUN ["/bin/sh", "-c", "echo '$A' > /f"]
        """,
        tree=(file("f", "$A\n"),),
        config={
            "Env": [PATH, "A=1"],
            "Cmd": ["echo", "$A"],
            "Entrypoint": ["/bin/sh", "-c", "echo $A"],
        },
    ),
    case(
        "words are not split after expansion in COPY",
        """
        FROM busybox
        ENV NAMES="a b"
        COPY $NAMES /d/
        """,
        context=(file("a b", "both"), file("a", "a"), file("b", "b")),
        tree=(folder("d"), file("d/a b", "both")),
        config={"Env": [PATH, "NAMES=a b"]},
    ),
    case(
        "ports are split after expansion",
        """
        FROM busybox
        ENV PORTS="80 81/udp"
        EXPOSE $PORTS
        """,
        config={"Env": [PATH, "PORTS=80 81/udp"], "ExposedPorts": {"80/tcp": {}, "81/udp": {}}},
    ),
    case(
        "a variable that must be set",
        """
        FROM busybox

        ENV A=${nosuch:?please set it}
        """,
        error=(3, "please set it"),
    ),
    case(
        "a form of expansion that is not there",
        """
        FROM busybox
        ENV A=${x:=y}
        """,
        error=(2, "x:=y"),
    ),
    case(
        "an expansion without an end",
        """
        FROM busybox
        ENV A=${x
        """,
        error=(2, "${x"),
    ),
    case("ENV without a value", "FROM busybox\nENV A\n", error=(2, "ENV needs")),
    case("ENV with a word without equals", "FROM busybox\nENV A=1 b\n", error=(2, "b")),
    case("ENV without a name", "FROM busybox\nENV =1\n", error=(2, "name")),
    case("ARG without a name", "FROM busybox\nARG =1\n", error=(2, "name")),
)
