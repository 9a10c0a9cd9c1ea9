"""Trees of files that are hard to carry over: links, kinds that change, odd names, devices."""

from __future__ import annotations

from tests.slimming.case import Case, case, noise

CASES: tuple[Case, ...] = (
    case(
        "hard links: the name that came first is removed",
        """
        FROM busybox
        COPY data /one/data
        RUN mkdir /two && cp -l /one/data /two/data && ln /two/data /two/again
        RUN rm /one/data
        RUN ln /two/again /three
        """,
        files={"data": noise(300_000)},
        probe="""
            [ /two/again -ef /three ] && echo one; [ /two/data -ef /three ] || echo two
            wc -c < /three; ls /one
            """,
        says="one\ntwo\n300000",
        shows="copies made for the count of links",
        base="busybox",
        hides=300_000,
    ),
    case(
        "hard links: one of two names is written to later",
        """
        FROM busybox
        RUN mkdir /d && seq 1 20000 > /d/a && ln /d/a /d/b && ln /d/a /d/c
        RUN rm /d/a && echo new > /d/a
        RUN chmod 600 /d/b
        """,
        probe="cd /d; cat a; stat -c '%n %a' a b c; tail -n 1 c",
        says="new\na 644\nb 600\nc 644\n20000",
        shows="nothing: a name of a lower layer keeps the content",
        base="busybox",
    ),
    case(
        "git: a clone that shares objects with the repository that goes away",
        """
        FROM tools
        RUN git init -q /a && cd /a && seq 1 5000 > n && git add n && \\
            git -c user.name=a -c user.email=a@b commit -q -m one && \
            git clone -q --local /a /b
        RUN rm -rf /a
        RUN cd /b && git remote remove origin && git gc -q
        """,
        probe="cd /b && git fsck 2>&1 && git log --format=%s && git status --short && wc -l < n",
        says="one\n5000",
        shows="a repository and its loose objects",
        base="tools",
        hides=20_000,
    ),
    case(
        "kinds: links become directories, directories become links",
        """
        FROM busybox
        RUN mkdir -p /v/1 /v/2 && echo 1 > /v/1/f && echo 2 > /v/2/f && ln -s v/1 /current
        RUN rm /current && mkdir /current && echo real > /current/f
        RUN mkdir /d && seq 1 9999 > /d/f && ln -s /nowhere /l
        RUN rm -r /d && ln -s v/2 /d
        RUN rm /l && ln -s current /l
        """,
        probe="cd /; cat current/f d/f l/f; readlink d; readlink l; [ -L current ] || echo dir",
        says="real\n2\nreal\nv/2\ncurrent\ndir",
        shows="what lay in the directory",
        base="busybox",
        hides=40_000,
    ),
    case(
        "kinds: files become directories, directories become files",
        """
        FROM busybox
        RUN mkdir -p /a/deep/er && seq 1 9999 > /a/deep/er/f && seq 1 9999 > /b
        RUN rm -r /a && echo file > /a
        RUN rm /b && mkdir -p /b/in && echo inside > /b/in/f
        RUN rm /a && mkfifo /a && rm /a && mkdir /a && rmdir /a && echo last > /a
        """,
        probe="cat /a /b/in/f; find /a /b | sort",
        says="last\ninside\n/a\n/b\n/b/in\n/b/in/f",
        shows="every earlier kind",
        base="busybox",
        hides=90_000,
    ),
    case(
        "directories removed and made again in one step",
        """
        FROM busybox
        RUN mkdir -p /cache/x/y && seq 1 9999 > /cache/x/y/f && seq 1 99 > /cache/keep
        RUN rm -rf /cache && mkdir /cache && echo fresh > /cache/new
        RUN mkdir /cache/x && echo again > /cache/x/z
        RUN rm -rf /cache/x && mkdir -m 700 /cache/x
        """,
        probe="cd /cache; find . | sort; cat new; stat -c %a x",
        says=".\n./new\n./x\nfresh\n700",
        shows="what was in the directory before",
        base="busybox",
        hides=40_000,
    ),
    case(
        "devices, pipes and files without content",
        """
        FROM busybox
        RUN mkdir /jail && mknod /jail/null c 1 3 && mknod /jail/disk b 7 200 && mkfifo /jail/pipe
        RUN chmod 666 /jail/null && touch /jail/empty && seq 1 9999 > /jail/log
        RUN rm /jail/disk /jail/log && mknod /jail/zero c 1 5
        RUN chown 5:6 /jail/pipe
        """,
        probe="cd /jail; stat -c '%n %F %t:%T %a %u' null zero pipe empty; ls",
        says="null character special file 1:3 666 0\nzero character special file 1:5 644 0\n"
        "pipe fifo 0:0 644 5\nempty regular empty file 0:0 644 0\nempty\nnull\npipe\nzero",
        shows="a log beside the devices",
        base="busybox",
        hides=40_000,
    ),
    case(
        "names: unicode, spaces, newlines, dashes and very long ones",
        r"""
        FROM busybox
        WORKDIR /n
        RUN seq 1 999 > 'naïve – 名前' && seq 1 999 > ' spaces ' && seq 1 999 > -dash
        RUN printf x > "$(printf 'new\nline')" && seq 1 999 > "$(printf 'not\377utf8')" && \
            seq 1 999 > 'back\slash' && seq 1 999 > '*'
        RUN L=$(printf '%0200d' 7) && mkdir -p $L/$L && seq 1 999 > $L/$L/f && ln -s $L/$L/f long
        RUN rm ' spaces ' 'back\slash' && echo changed > 'naïve – 名前'
        RUN echo y > "$(printf 'new\nline')" && chmod 600 -- -dash
        """,
        probe="cat 'naïve – 名前'; wc -l < long; ls | wc -l; stat -c %a -- -dash; cat new*",
        says="changed\n999\n7\n600\ny",
        shows="old contents of what has such names",
        base="busybox",
        hides=3_000,
    ),
    case(
        "names that contain .wh. and mark nothing",
        """
        FROM busybox
        WORKDIR /n
        RUN echo file > a.wh.b && echo other > ab && mkdir x.wh.y && seq 1 9999 > x.wh.y/.whale
        RUN echo more > wh.c && echo c > c && rm x.wh.y/.whale && echo z > x.wh.y/z.wh.
        RUN rm ab && echo changed > wh.c
        """,
        probe="find . -type f | sort | xargs tail -n 1 | sed '/^$/d'",
        says="==> ./a.wh.b <==\nfile\n==> ./c <==\nc\n==> ./wh.c <==\nchanged\n"
        "==> ./x.wh.y/z.wh. <==\nz",
        shows="a file in such a directory",
        base="busybox",
        hides=40_000,
    ),
    case(
        "sparse: holes of many megabytes, cut and grown",
        """
        FROM busybox
        RUN truncate -s 20M /disk.img && echo head | dd of=/disk.img conv=notrunc
        RUN echo tail | dd of=/disk.img bs=1M seek=12 conv=notrunc && truncate -s 13M /disk.img
        RUN truncate -s 3M /other.img
        """,
        probe="""
            head -n 1 /disk.img; tail -c +12582913 /disk.img | head -n 1
            cat /disk.img /other.img | wc -c
            """,
        says="head\ntail\n16777216",
        shows="the first state of the file",
        base="busybox",
        hides=20 << 20,
    ),
    case(
        "many small files, half of them removed",
        """
        FROM busybox
        RUN for d in $(seq 1 40); do mkdir -p /m/$d; for f in $(seq 1 50); do \\
            echo $d $f > /m/$d/$f; done; done
        RUN for d in $(seq 1 2 40); do rm -r /m/$d; done
        RUN for d in $(seq 2 2 40); do rm /m/$d/1? && echo again > /m/$d/10; done
        """,
        probe="find /m -type f | wc -l; grep -rl again /m | wc -l",
        says="820\n20",
        shows="a thousand files, and the markers for them",
        base="busybox",
        hides=5_000,
    ),
    case(
        "times: directories touched by what went through them",
        """
        FROM busybox
        RUN mkdir -p /t/a/b && touch -d '2001-01-01' /t/a/b /t/a /t
        RUN seq 1 999 > /t/a/b/temporary
        RUN rm /t/a/b/temporary && touch -d '2002-02-02 02:02:02' /t/a
        RUN ln -s gone /t/link && touch -h -d '2003-03-03 00:00:00' /t/link
        """,
        probe="stat -c '%n %Y' /t/a /t/link; find /t | sort",
        says="/t/a 1012615322\n/t/link 1046649600\n/t\n/t/a\n/t/a/b\n/t/link",
        shows="a temporary file, and times of directories that must stay",
        base="busybox",
        hides=3_000,
    ),
)
