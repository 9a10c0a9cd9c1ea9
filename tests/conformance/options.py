"""Options of `docker build` that change what commands see."""

from __future__ import annotations

from tests.conformance.case import case, file

OPTIONS = (
    case(
        "--add-host",
        r"""
        FROM busybox
        RUN grep far.example /etc/hosts | tr -s '\t' ' ' > /f
        """,
        options=("--add-host", "far.example:10.1.2.3"),
        tree=(file("f", "10.1.2.3 far.example\n"),),
        history=(r"RUN /bin/sh -c grep far.example /etc/hosts | tr -s '\t' ' ' > /f # buildkit",),
    ),
    case(
        "--shm-size",
        """
        FROM busybox
        RUN df -k /dev/shm | tail -n 1 | awk '{print $2}' > /f
        """,
        options=("--shm-size", "1m"),
        tree=(file("f", "1024\n"),),
    ),
    case(
        "--ulimit",
        """
        FROM busybox
        RUN echo "$(ulimit -S -n) $(ulimit -H -n)" > /f
        """,
        options=("--ulimit", "nofile=100:200"),
        tree=(file("f", "100 200\n"),),
    ),
    case(
        "--network=none",
        """
        FROM busybox
        RUN ls /sys/class/net > /f
        """,
        options=("--network=none",),
        tree=(file("f", "lo\n"),),
    ),
    case(
        "RUN --network over --network",
        """
        FROM busybox
        RUN --network=none ls /sys/class/net > /f
        """,
        options=("--network=host",),
        tree=(file("f", "lo\n"),),
    ),
    case(
        "a command in the sandbox",
        """
        FROM busybox
        RUN --security=sandbox echo x > /f
        """,
        tree=(file("f", "x\n"),),
    ),
    case(
        "a command without the sandbox must be allowed",
        """
        FROM busybox
        RUN --security=insecure true
        """,
        error=(2, "insecure"),
    ),
    case(
        "an agent that is not given is not there",
        """
        FROM busybox
        RUN --mount=type=ssh test ! -e /run/buildkit/ssh_agent.0
        """,
    ),
    case(
        "an agent that must be given",
        """
        FROM busybox
        RUN --mount=type=ssh,required true
        """,
        error=(2, "ssh"),
    ),
    case(
        "several names for build arguments: the last value counts",
        """
        FROM busybox
        ARG A
        RUN echo $A > /f
        """,
        options=("--build-arg", "A=1", "--build-arg", "A=2"),
        tree=(file("f", "2\n"),),
    ),
    case(
        "a build argument that is empty",
        """
        FROM busybox
        ARG A=default
        RUN echo "[$A]" > /f
        """,
        options=("--build-arg", "A="),
        tree=(file("f", "[]\n"),),
        history=("ARG A=", 'RUN |1 A= /bin/sh -c echo "[$A]" > /f # buildkit'),
    ),
)
