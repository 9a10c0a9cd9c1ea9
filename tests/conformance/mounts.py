"""RUN --mount."""

from __future__ import annotations

from tests.conformance.case import PATH, case, file, folder

MOUNTS = (
    case(
        "bind from the context",
        """
        FROM busybox
        RUN --mount=type=bind,target=/m cat /m/a > /f && ls /m > /g
        """,
        context=(file("a", "text"), file("b")),
        tree=(file("f", "text"), file("g", "a\nb\n")),
        history=("RUN /bin/sh -c cat /m/a > /f && ls /m > /g # buildkit",),
    ),
    case(
        "bind is what a mount without a type is",
        """
        FROM busybox
        RUN --mount=source=d,target=/m cat /m/a > /f
        """,
        context=(file("d/a", "text"),),
        tree=(file("f", "text"),),
    ),
    case(
        "bind of a file",
        """
        FROM busybox
        RUN --mount=type=bind,source=a,dst=/m/file cat /m/file > /f
        """,
        context=(file("a", "text"),),
        tree=(file("f", "text"),),
    ),
    case(
        "bind cannot be written",
        """
        FROM busybox
        RUN --mount=type=bind,target=/m touch /m/x
        """,
        context=(file("a"),),
        error=(2, "exit status 1"),
    ),
    case(
        "what is written to a bind is thrown away",
        """
        FROM busybox
        RUN --mount=type=bind,target=/m,rw echo x > /m/x && cat /m/x > /f
        RUN --mount=type=bind,target=/m,readwrite ls /m > /g
        """,
        context=(file("a"),),
        tree=(file("f", "x\n"), file("g", "a\n")),
    ),
    case(
        "bind from a stage",
        """
        FROM busybox AS one
        RUN mkdir /out && echo made > /out/a
        FROM busybox
        RUN --mount=type=bind,from=one,source=/out,target=/m cat /m/a > /f
        """,
        tree=(file("f", "made\n"),),
    ),
    case(
        "bind from an image",
        """
        FROM busybox
        RUN --mount=from=busybox,src=/etc,target=/m test -f /m/passwd && echo yes > /f
        """,
        tree=(file("f", "yes\n"),),
    ),
    case(
        "bind with a target relative to WORKDIR",
        """
        FROM busybox
        WORKDIR /home
        RUN --mount=target=m cat /home/m/a > /f
        """,
        context=(file("a", "text"),),
        tree=(file("f", "text"),),
        config={"WorkingDir": "/home"},
    ),
    case(
        "bind from another context",
        """
        FROM busybox
        RUN --mount=from=other,target=/m cat /m/a > /f
        """,
        beside=(file("o/a", "other"),),
        options=("--build-context", "other=@BESIDE@/o"),
        tree=(file("f", "other"),),
    ),
    case(
        "a cache keeps what was written",
        """
        FROM busybox
        RUN --mount=type=cache,id=@ID@,target=/c echo x > /c/kept
        RUN --mount=type=cache,id=@ID@,target=/other cat /other/kept > /f
        """,
        tree=(file("f", "x\n"),),
    ),
    case(
        "a cache with an owner and a mode",
        """
        FROM busybox
        RUN --mount=type=cache,id=o@ID@,target=/c,uid=3,gid=4,mode=0711 stat -c '%a %u %g' /c > /f
        """,
        tree=(file("f", "711 3 4\n"),),
    ),
    case(
        "a cache that begins with what a stage has",
        """
        FROM busybox AS one
        RUN mkdir /s && echo begun > /s/a
        FROM busybox
        RUN --mount=type=cache,id=f@ID@,target=/c,from=one,source=/s cat /c/a > /f
        """,
        tree=(file("f", "begun\n"),),
    ),
    case(
        "a cache that is read only",
        """
        FROM busybox
        RUN --mount=type=cache,id=r@ID@,target=/c,readonly touch /c/x
        """,
        error=(2, "exit status 1"),
    ),
    case(
        "a cache by a variable",
        """
        FROM busybox
        ARG WHERE=/c
        RUN --mount=type=cache,id=v@ID@,target=$WHERE echo x > /c/y && ls /c > /f
        """,
        tree=(file("f", "y\n"),),
    ),
    case(
        "a tmpfs leaves nothing",
        """
        FROM busybox
        RUN --mount=type=tmpfs,target=/t echo x > /t/a && grep -c ' /t tmpfs ' /proc/mounts > /f
        """,
        tree=(file("f", "1\n"),),
    ),
    case(
        "a tmpfs over what is there",
        """
        FROM busybox
        RUN echo old > /home/old
        RUN --mount=type=tmpfs,target=/home,size=1048576 touch /home/x && ls /home > /f
        """,
        tree=(file("home/old", "old\n"), file("f", "x\n")),
    ),
    case(
        "a secret",
        """
        FROM busybox
        RUN --mount=type=secret,id=s cat /run/secrets/s | wc -c > /f
        RUN --mount=type=secret,id=s stat -c '%a %u %g' /run/secrets/s > /g
        """,
        beside=(file("s", "hush"),),
        options=("--secret", "id=s,src=@BESIDE@/s"),
        tree=(file("f", "4\n"), file("g", "400 0 0\n")),
        history=(
            "RUN /bin/sh -c cat /run/secrets/s | wc -c > /f # buildkit",
            "RUN /bin/sh -c stat -c '%a %u %g' /run/secrets/s > /g # buildkit",
        ),
    ),
    case(
        "a secret at a place of its own",
        """
        FROM busybox
        RUN --mount=type=secret,id=s,target=/etc/token,uid=3,gid=4,mode=0440 \\
            stat -c '%a %u %g' /etc/token > /f && cmp /etc/token /etc/token
        """,
        beside=(file("s", "hush"),),
        options=("--secret", "id=s,src=@BESIDE@/s"),
        tree=(file("f", "440 3 4\n"),),
    ),
    case(
        "a secret as a variable",
        """
        FROM busybox
        RUN --mount=type=secret,id=s,env=TOKEN test "$TOKEN" = hush && test ! -e /run/secrets/s
        RUN test -z "$TOKEN"
        """,
        beside=(file("s", "hush"),),
        options=("--secret", "id=s,src=@BESIDE@/s"),
    ),
    case(
        "a secret that is not given is not there",
        """
        FROM busybox
        RUN --mount=type=secret,id=s test ! -e /run/secrets/s
        """,
    ),
    case(
        "a secret that must be given",
        """
        FROM busybox
        RUN --mount=type=secret,id=s,required cat /run/secrets/s
        """,
        error=(2, "secret"),
    ),
    case(
        "several mounts",
        """
        FROM busybox
        RUN --mount=target=/a --mount=type=tmpfs,target=/b --mount=type=cache,id=s@ID@,target=/c \\
            cp /a/x /b/x && cp /b/x /c/x && cat /c/x > /f
        """,
        context=(file("x", "text"),),
        tree=(file("f", "text"),),
    ),
    case(
        "a mount in a mount",
        """
        FROM busybox
        RUN --mount=type=tmpfs,target=/a --mount=target=/a/b cat /a/b/x > /f
        """,
        context=(file("x", "text"),),
        tree=(file("f", "text"),),
    ),
    case(
        "a mount with a heredoc",
        """
        FROM busybox
        RUN --mount=target=/m <<EOF
        cat /m/x > /f
        EOF
        """,
        context=(file("x", "text"),),
        tree=(file("f", "text"),),
    ),
    case(
        "a mount over the working directory leaves no trace",
        """
        FROM busybox
        WORKDIR /w
        RUN --mount=target=. cat x > /f
        """,
        context=(file("x", "text"),),
        tree=(folder("w"), file("f", "text")),
        config={"WorkingDir": "/w"},
    ),
    case(
        "mounts do not change the environment",
        """
        FROM busybox
        ENV A=1
        RUN --mount=type=tmpfs,target=/t env | grep ^A= > /f
        """,
        tree=(file("f", "A=1\n"),),
        config={"Env": [PATH, "A=1"]},
    ),
    case(
        "a type of mount that is none",
        "FROM busybox\nRUN --mount=type=moon,target=/m true\n",
        error=(2, "moon"),
    ),
    case(
        "a key that mounts have not",
        "FROM busybox\nRUN --mount=type=bind,nosuch=1,target=/m true\n",
        error=(2, "nosuch"),
    ),
    case(
        "a mount without a target",
        "FROM busybox\nRUN --mount=type=cache true\n",
        error=(2, "target"),
    ),
    case(
        "a key that this type has not",
        "FROM busybox\nRUN --mount=type=bind,target=/m,size=1 true\n",
        error=(2, "size"),
    ),
    case(
        "a bind of what is not there",
        "FROM busybox\nRUN --mount=source=nosuch,target=/m true\n",
        error=(2, "nosuch"),
    ),
    case(
        "a bind from a stage that is not there",
        "FROM busybox\nRUN --mount=from=nosuch.invalid/x,target=/m true\n",
        error=(2, "nosuch"),
    ),
    case(
        "a sharing that is none",
        "FROM busybox\nRUN --mount=type=cache,target=/c,sharing=never true\n",
        error=(2, "never"),
    ),
)
