"""The instructions that change the configuration alone."""

from __future__ import annotations

from tests.conformance.case import case, file, folder

SECOND = 10**9

METADATA = (
    case(
        "CMD in JSON",
        'FROM busybox\nCMD ["echo", "a b"]\n',
        config={"Cmd": ["echo", "a b"]},
        history=('CMD ["echo" "a b"]',),
    ),
    case(
        "CMD for the shell",
        "FROM busybox\nCMD echo  a b\n",
        config={"Cmd": ["/bin/sh", "-c", "echo  a b"]},
        history=('CMD ["/bin/sh" "-c" "echo  a b"]',),
    ),
    case(
        "CMD in JSON with escapes",
        'FROM busybox\nCMD ["\\u00e9", "a\\"b", "c\\\\d", "t\\te"]\n',
        config={"Cmd": ["é", 'a"b', "c\\d", "t\te"]},
        history=('CMD ["é" "a\\"b" "c\\\\d" "t\\te"]',),
    ),
    case("CMD that is empty", "FROM busybox\nCMD []\n", config={"Cmd": None}),
    case(
        "the last CMD counts",
        'FROM busybox\nCMD ["a"]\nCMD ["b"]\n',
        config={"Cmd": ["b"]},
        history=('CMD ["a"]', 'CMD ["b"]'),
    ),
    case(
        "ENTRYPOINT takes the base's CMD away",
        'FROM busybox\nENTRYPOINT ["/run"]\n',
        config={"Entrypoint": ["/run"], "Cmd": None},
        history=('ENTRYPOINT ["/run"]',),
    ),
    case(
        "ENTRYPOINT leaves a CMD of its own stage",
        'FROM busybox\nCMD ["x"]\nENTRYPOINT ["/run"]\n',
        config={"Entrypoint": ["/run"], "Cmd": ["x"]},
    ),
    case(
        "CMD after ENTRYPOINT",
        'FROM busybox\nENTRYPOINT ["/run"]\nCMD ["x"]\n',
        config={"Entrypoint": ["/run"], "Cmd": ["x"]},
    ),
    case(
        "ENTRYPOINT of a stage that starts from one with CMD",
        'FROM busybox AS one\nCMD ["x"]\nFROM one\nENTRYPOINT ["/run"]\n',
        config={"Entrypoint": ["/run"], "Cmd": None},
    ),
    case(
        "ENTRYPOINT for the shell",
        "FROM busybox\nENTRYPOINT exec top -b\n",
        config={"Entrypoint": ["/bin/sh", "-c", "exec top -b"], "Cmd": None},
    ),
    case(
        "LABEL in its forms",
        """
        FROM busybox
        LABEL a=1 "b"="two words" c.d=3
        LABEL e five words
        LABEL a=changed
        """,
        config={
            "Labels": {
                "a": "changed",
                "b": "two words",
                "c.d": "3",
                "e": "five words",
            }
        },
        history=("LABEL a=1 b=two words c.d=3", "LABEL e=five words", "LABEL a=changed"),
    ),
    case(
        "LABEL over several lines, with quotes and dollars",
        """
        FROM busybox
        ENV V=value
        LABEL a="one \\
        two" b='$V' c="$V" d=\\$V e=""
        """,
        config={
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "V=value"],
            "Labels": {"a": "one two", "b": "$V", "c": "value", "d": "$V", "e": ""},
        },
    ),
    case(
        "labels of the command line",
        "FROM busybox\nLABEL a=1 b=2\n",
        options=("--label", "b=3", "--label", "c=4"),
        config={"Labels": {"a": "1", "b": "3", "c": "4"}},
    ),
    case(
        "EXPOSE",
        "FROM busybox\nEXPOSE 80 53/udp 443/TCP\nEXPOSE 80\n",
        config={"ExposedPorts": {"80/tcp": {}, "53/udp": {}, "443/tcp": {}}},
        history=("EXPOSE [443/tcp 53/udp 80/tcp]", "EXPOSE [80/tcp]"),
    ),
    case(
        "EXPOSE of a range",
        "FROM busybox\nEXPOSE 8000-8002 9000-9001/udp\n",
        config={
            "ExposedPorts": {
                "8000/tcp": {},
                "8001/tcp": {},
                "8002/tcp": {},
                "9000/udp": {},
                "9001/udp": {},
            }
        },
    ),
    case("a port that is none", "FROM busybox\nEXPOSE http\n", error=(2, "http")),
    case("a range that runs backwards", "FROM busybox\nEXPOSE 9-8\n", error=(2, "9-8")),
    case("a port that is too great", "FROM busybox\nEXPOSE 70000\n", error=(2, "70000")),
    case(
        "VOLUME in its forms",
        'FROM busybox\nVOLUME /a /b\nVOLUME ["/c d", "/a"]\n',
        config={"Volumes": {"/a": {}, "/b": {}, "/c d": {}}},
        history=("VOLUME [/a /b]", "VOLUME [/c d /a]"),
    ),
    case(
        "what is written to a VOLUME stays",
        "FROM busybox\nRUN mkdir /v\nVOLUME /v\nRUN echo x > /v/f\n",
        config={"Volumes": {"/v": {}}},
        tree=(folder("v"), file("v/f", "x\n")),
    ),
    case(
        "USER with a group",
        "FROM busybox\nUSER 12:34\n",
        config={"User": "12:34"},
        history=("USER 12:34",),
    ),
    case(
        "USER whom nobody knows, when nothing runs",
        "FROM busybox\nUSER nobody-knows\n",
        config={"User": "nobody-knows"},
    ),
    case(
        "WORKDIR with a slash at its end",
        "FROM busybox\nWORKDIR /app/\nRUN pwd > f\nWORKDIR sub/\n",
        tree=(folder("app"), file("app/f", "/app\n"), folder("app/sub")),
        config={"WorkingDir": "/app/sub"},
        history=("WORKDIR /app/", "RUN /bin/sh -c pwd > f # buildkit", "WORKDIR /app/sub"),
    ),
    case(
        "WORKDIR is kept as it is written",
        "FROM busybox\nWORKDIR /home/../home/.\n",
        config={"WorkingDir": "/home/../home/."},
        history=("WORKDIR /home/../home/.",),
    ),
    case(
        "STOPSIGNAL",
        "FROM busybox\nSTOPSIGNAL SIGQUIT\nSTOPSIGNAL 9\n",
        config={"StopSignal": "9"},
        history=("STOPSIGNAL SIGQUIT", "STOPSIGNAL 9"),
    ),
    case(
        "signals by other names",
        "FROM busybox\nSTOPSIGNAL term\nSTOPSIGNAL SIGRTMIN+3\n",
        config={"StopSignal": "SIGRTMIN+3"},
        history=("STOPSIGNAL term", "STOPSIGNAL SIGRTMIN+3"),
    ),
    case("a signal that is none", "FROM busybox\nSTOPSIGNAL HELLO\n", error=(2, "HELLO")),
    case(
        "HEALTHCHECK with every flag",
        """
        FROM busybox
        HEALTHCHECK --interval=1m30s --timeout=3s --start-period=500ms --start-interval=2s \\
            --retries=4 CMD wget -q localhost
        """,
        config={
            "Healthcheck": {
                "Test": ["CMD-SHELL", "wget -q localhost"],
                "Interval": 90 * SECOND,
                "Timeout": 3 * SECOND,
                "StartPeriod": SECOND // 2,
                "StartInterval": 2 * SECOND,
                "Retries": 4,
            }
        },
        history=(
            'HEALTHCHECK &{["CMD-SHELL" "wget -q localhost"] "1m30s" "3s" "500ms" "2s" \'\\x04\'}',
        ),
    ),
    case(
        "HEALTHCHECK in JSON",
        'FROM busybox\nHEALTHCHECK CMD ["probe", "-x"]\n',
        config={"Healthcheck": {"Test": ["CMD", "probe", "-x"]}},
    ),
    case(
        "HEALTHCHECK NONE",
        "FROM busybox\nHEALTHCHECK CMD true\nHEALTHCHECK NONE\n",
        config={"Healthcheck": {"Test": ["NONE"]}},
    ),
    case(
        "HEALTHCHECK in small letters",
        "FROM busybox\nhealthcheck cmd true\n",
        config={"Healthcheck": {"Test": ["CMD-SHELL", "true"]}},
    ),
    case(
        "HEALTHCHECK with something else",
        "FROM busybox\nHEALTHCHECK RUN true\n",
        error=(2, "CMD"),
    ),
    case(
        "an interval that is none",
        "FROM busybox\nHEALTHCHECK --interval=soon CMD true\n",
        error=(2, "soon"),
    ),
    case(
        "an interval that is too short",
        "FROM busybox\nHEALTHCHECK --interval=1us CMD true\n",
        error=(2, "1ms"),
    ),
    case(
        "retries that are no number",
        "FROM busybox\nHEALTHCHECK --retries=often CMD true\n",
        error=(2, "often"),
    ),
    case("HEALTHCHECK NONE with more", "FROM busybox\nHEALTHCHECK NONE x\n", error=(2, "NONE")),
    case(
        "MAINTAINER",
        "FROM busybox\nMAINTAINER A Name <a@b>\n",
        history=("MAINTAINER A Name <a@b>",),
    ),
    case(
        "SHELL in the history",
        'FROM busybox\nSHELL ["/bin/ash", "-c"]\n',
        config={"Shell": ["/bin/ash", "-c"]},
        history=("SHELL [/bin/ash -c]",),
    ),
    case(
        "an image of settings alone has no layers of its own",
        "FROM busybox\nENV A=1\nUSER 1\nCOPY a /a\nLABEL x=y\n",
        context=(file("a", "a"),),
        tree=(file("a", "a"),),
        config={
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "A=1"],
            "User": "1",
            "Labels": {
                "x": "y",
            },
        },
    ),
    case(
        "CMD without anything",
        "FROM busybox\nCMD\n",
        config={"Cmd": ["/bin/sh", "-c", ""]},
    ),
    case(
        "ENTRYPOINT without anything",
        "FROM busybox\nENTRYPOINT\n",
        config={"Cmd": None, "Entrypoint": ["/bin/sh", "-c", ""]},
    ),
    case("VOLUME without anything", "FROM busybox\nVOLUME\n", error=(2, "VOLUME")),
    case("EXPOSE without anything", "FROM busybox\nEXPOSE\n", error=(2, "EXPOSE")),
    case("LABEL without anything", "FROM busybox\nLABEL\n", error=(2, "LABEL")),
    case("USER without anything", "FROM busybox\nUSER\n", error=(2, "USER")),
    case("WORKDIR without anything", "FROM busybox\nWORKDIR\n", error=(2, "WORKDIR")),
    case("LABEL without a value", "FROM busybox\nLABEL a\n", error=(2, "LABEL")),
    case("an EXPOSE flag", "FROM busybox\nEXPOSE --x=1 80\n", error=(2, "x")),
)
