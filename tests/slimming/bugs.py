"""What programs that squash images got wrong, one case a bug.

Numbers are issues of goldmann/docker-squash (on GitHub); `read` means that nobody has
reported it there and its source says so.
"""

from __future__ import annotations

from tests.slimming.case import Case, case, noise

CASES: tuple[Case, ...] = (
    case(
        "a hard link whose target is removed later",
        """
        FROM busybox
        RUN seq 1 5000 > /target && ln /target /kept
        RUN rm /target
        """,
        probe="wc -l < /kept",
        says="5000",
        shows="nothing: the link keeps the content",
        base="busybox",
        issue="#94",
    ),
    case(
        "a hard link removed with its directory, the other one kept",
        """
        FROM busybox
        RUN mkdir /cellar /bin2 && seq 1 5000 > /cellar/git && ln /cellar/git /bin2/git
        RUN rm -r /cellar
        RUN ln /bin2/git /bin2/git-log
        """,
        probe="wc -l < /bin2/git-log; [ /bin2/git -ef /bin2/git-log ] && echo one",
        says="5000\none",
        shows="a copy for the second link",
        base="busybox",
        issue="#80",
        hides=20_000,
    ),
    case(
        "files of the base are removed, and come back",
        """
        FROM debian:bookworm
        RUN rm -rf /etc/cron.d /etc/logrotate.d/*
        RUN rm -f /etc/cron.daily/*
        """,
        probe="ls -A /etc/cron.d /etc/logrotate.d /etc/cron.daily 2>/dev/null; true",
        says="/etc/cron.daily:\n\n/etc/logrotate.d:",
        shows="files of the base: these stay, for the base is shared",
        base="debian",
        issue="#97",
    ),
    case(
        "a file is removed through a symbolic link to its directory",
        """
        FROM debian:bookworm
        RUN seq 1 999 > /lib/mark && rm /lib/systemd/system/apt-daily.timer
        RUN rm /lib/mark && rm /bin/which.debianutils
        """,
        probe="cd /lib; ls . systemd/system | grep -c -e mark -e apt-daily.timer; readlink /lib",
        says="0\nusr/lib",
        shows="the mark",
        base="debian",
        issue="#108",
        hides=3_000,
    ),
    case(
        "a directory is moved, and a link to it takes its place",
        """
        FROM busybox
        RUN mkdir -p /dir/dir && touch /dir/a /dir/b && seq 1 999 > /dir/dir/file
        RUN mv /dir/dir /newdir
        RUN ln -s /newdir /dir/dir
        """,
        probe="readlink /dir/dir; wc -l < /dir/dir/file; ls /dir",
        says="/newdir\n999\na\nb\ndir",
        shows="the directory where it was",
        base="busybox",
        issue="#116",
        hides=3_000,
    ),
    case(
        "no path is twice in a layer",
        """
        FROM busybox
        RUN mkdir /d && ln -s /d /link && seq 1 99 > /d/f
        RUN rm /link && mkdir /link && seq 1 999 > /link/f
        RUN rm -r /link && ln -s d /link
        """,
        probe="readlink /link; wc -l < /link/f",
        says="d\n99",
        shows="what was a directory for a while",
        base="busybox",
        issue="#118",
        hides=3_000,
    ),
    case(
        "files of a lower layer are replaced by symbolic links",
        """
        FROM busybox
        RUN for name in A B C; do echo implement me > /$name; done
        RUN echo worked > /A && rm /B /C && ln -s A /B
        RUN ln -s A /C
        """,
        probe="cat /A /B /C; readlink /B; readlink /C",
        says="worked\nworked\nworked\nA\nA",
        shows="three small files",
        base="busybox",
        issue="#124",
        hides=30,
    ),
    case(
        "markers below a directory that has a marker itself",
        """
        FROM debian:bookworm
        RUN rm /etc/apt/apt.conf.d/01autoremove
        RUN rm -r /etc/apt/apt.conf.d
        RUN rm -r /etc/apt && echo instead > /etc/apt
        """,
        probe="cat /etc/apt",
        says="instead",
        shows="files of the base: these stay, for the base is shared",
        base="debian",
        issue="#181",
    ),
    case(
        "a directory is removed and made again: its old files come back",
        """
        FROM busybox
        RUN mkdir -p /d1 && seq 1 999 > /d1/foobar
        RUN rm -rf /d1 && mkdir -p /d1 && touch /d1/foo
        """,
        probe="ls /d1",
        says="foo",
        shows="the old file",
        base="busybox",
        issue="#186",
        hides=3_000,
    ),
    case(
        "a directory of the base is removed and made again",
        """
        FROM debian:bookworm
        RUN seq 1 999 > /etc/default/own
        RUN rm -rf /etc/default && mkdir /etc/default && echo 1 > /etc/default/one
        RUN echo 2 > /etc/default/two
        """,
        probe="ls /etc/default",
        says="one\ntwo",
        shows="one file; the base's directory stays hidden",
        base="debian",
        issue="#186",
        hides=3_000,
    ),
    case(
        "only the mode of a file changes",
        """
        FROM busybox
        RUN dd if=/dev/zero of=/file bs=10240 count=1
        RUN chmod 777 /file
        RUN touch /something
        """,
        probe="stat -c '%a %s' /file",
        says="777 10240",
        shows="the file before",
        base="busybox",
        issue="#20",
        hides=10_240,
    ),
    case(
        "a marker for a file whose name contains .wh. itself",
        """
        FROM busybox
        WORKDIR /n
        RUN seq 1 999 > a.wh.b && echo stays > ab && mkdir w.wh.d && echo stays > w.wh.d/f
        RUN rm a.wh.b && touch wd
        RUN echo x > w.wh.d/g
        """,
        probe="find . | sort; cat ab w.wh.d/f",
        says=".\n./ab\n./w.wh.d\n./w.wh.d/f\n./w.wh.d/g\n./wd\nstays\nstays",
        shows="the file",
        base="busybox",
        issue="read",
        hides=3_000,
    ),
    case(
        "a file whose name contains .wh. hides what is called the same without",
        """
        FROM busybox
        WORKDIR /n
        RUN echo stays > notes && mkdir logs && seq 1 999 > logs/1
        RUN echo a > .not.wh.es && echo b > no.wh.tes && echo c > lo.wh.gs
        """,
        probe="cat notes no.wh.tes lo.wh.gs .not.wh.es; wc -l < logs/1",
        says="stays\nb\nc\na\n999",
        shows="nothing",
        base="busybox",
        issue="read",
    ),
    case(
        "a symbolic link whose target is removed stays, and points nowhere",
        """
        FROM busybox
        RUN mkdir /releases && seq 1 999 > /releases/1 && ln -s /releases/1 /current
        RUN rm /releases/1
        RUN echo later > /later
        """,
        probe="readlink /current; ls /releases",
        says="/releases/1",
        shows="the target",
        base="busybox",
        issue="read",
        hides=3_000,
    ),
    case(
        "a hard link made to a file of a layer below",
        """
        FROM busybox
        COPY data /data
        RUN ln /data /second
        RUN rm /data && ln /second /third
        """,
        files={"data": noise(50_000)},
        probe="wc -c < /third; [ /second -ef /third ] && echo one",
        says="50000\none",
        shows="copies for the count of links",
        base="busybox",
        issue="#99",
        hides=100_000,
    ),
    case(
        "a file below what was a symbolic link before",
        """
        FROM busybox
        RUN mkdir -p /real/bin && echo a > /real/bin/a && ln -s /real /opt
        RUN rm /opt && mkdir -p /opt/bin && echo b > /opt/bin/b
        RUN echo c > /opt/bin/c && seq 1 999 > /opt/t
        RUN rm /opt/t
        """,
        probe="cat /opt/bin/b /opt/bin/c /real/bin/a; ls /opt/bin",
        says="b\nc\na\nb\nc",
        shows="a temporary file",
        base="busybox",
        issue="#128",
        hides=3_000,
    ),
)
