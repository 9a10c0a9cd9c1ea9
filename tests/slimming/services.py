"""Services and systems: servers, databases, packages of the distribution, users."""

from __future__ import annotations

from tests.slimming.case import Case, File, case, noise

CASES: tuple[Case, ...] = (
    case(
        "nginx: a site over the distribution's, owned by the server",
        """
        FROM tools
        RUN rm -r /var/www/html
        COPY site /var/www/html
        COPY default /etc/nginx/sites-enabled/default
        RUN chown -R www-data:www-data /var/www
        COPY site/index.html /var/www/html/index.html
        EXPOSE 80
        CMD ["nginx", "-g", "daemon off;"]
        """,
        files={
            "site/index.html": "<h1>a site</h1>\n",
            "site/picture.png": noise(500_000),
            "default": """\
                server { listen 127.0.0.1:8080; root /var/www/html; }
                """,
        },
        probe="nginx && curl -s localhost:8080/ && curl -s localhost:8080/picture.png | wc -c",
        says="<h1>a site</h1>\n500000",
        shows="a chown of the whole site, and the page before it",
        base="tools",
        hides=500_000,
    ),
    case(
        "sqlite: a database filled, thinned out and vacuumed",
        """
        FROM tools
        COPY schema.sql /
        RUN sqlite3 /data.db < /schema.sql
        RUN sqlite3 /data.db "DELETE FROM t WHERE n % 10"
        RUN sqlite3 /data.db VACUUM
        RUN rm /schema.sql
        VOLUME /backup
        """,
        files={
            "schema.sql": """\
                CREATE TABLE t (n INTEGER PRIMARY KEY, text TEXT);
                WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 20000)
                INSERT INTO t SELECT n, printf('a line of text, number %d', n) FROM c;
                """
        },
        probe="sqlite3 data.db 'SELECT count(*), sum(n), max(text) FROM t'; ls schema.sql 2>&1;:",
        says="2000|20010000|a line of text, number 9990\n"
        "ls: cannot access 'schema.sql': No such file or directory",
        shows="two earlier states of the database",
        base="tools",
        hides=1_000_000,
    ),
    case(
        "redis: data written at build time by the server itself",
        """
        FROM tools
        WORKDIR /var/lib/redis
        COPY fill.sh /
        RUN sh /fill.sh 1 20000
        RUN sh /fill.sh 20001 40000
        RUN rm /fill.sh
        """,
        files={
            "fill.sh": """\
                set -e
                redis-server --dir /var/lib/redis --daemonize yes --port 0 \\
                    --unixsocket /tmp/s --save '' > /dev/null
                until redis-cli -s /tmp/s ping > /dev/null 2>&1; do sleep 0.02; done
                seq $1 $2 | sed 's/.*/SET key:& value-of-&/' > /tmp/c
                redis-cli -s /tmp/s --pipe < /tmp/c > /dev/null; rm /tmp/c
                redis-cli -s /tmp/s shutdown save
                """
        },
        probe="""
            redis-server --daemonize yes --port 0 --unixsocket /tmp/s > /dev/null
            until redis-cli -s /tmp/s ping 2>/dev/null | grep -q PONG; do sleep 0.02; done
            redis-cli -s /tmp/s dbsize; redis-cli -s /tmp/s get key:39999
            """,
        says="40000\nvalue-of-39999",
        shows="the snapshot before the last one",
        base="tools",
        hides=300_000,
    ),
    case(
        "apt: lists removed in a later step",
        """
        FROM debian:bookworm
        RUN apt-get update
        RUN apt-get install -y --no-install-recommends less
        RUN rm -rf /var/lib/apt/lists/*
        CMD ["sh", "-c", "echo paged | less"]
        """,
        says="paged",
        shows="apt lists and caches",
        base="debian",
        hides=10_000_000,
        network=True,
    ),
    case(
        "apt: packages of the base installed again over it",
        """
        FROM debian:bookworm
        RUN apt-get update && apt-get install -y --reinstall coreutils tzdata \\
            && rm -rf /var/lib/apt/lists/*
        RUN apt-get clean
        """,
        probe="expr 6 '*' 7; dpkg -s coreutils | grep ^Status",
        says="42\nStatus: install ok installed",
        shows="files of the base: these stay, for the base is shared",
        base="debian",
        network=True,
    ),
    case(
        "docs: manuals, locales and documentation removed from a base",
        """
        FROM debian:bookworm
        COPY doc /usr/share/doc/app
        RUN rm -rf /usr/share/doc /usr/share/man /usr/share/locale
        RUN mkdir /usr/share/doc && echo see the web > /usr/share/doc/README
        """,
        files={"doc/manual.txt": b"a manual\n" * 20_000},
        probe="ls /usr/share/doc; cat /usr/share/doc/README; ls /usr/share/man 2>/dev/null; true",
        says="README\nsee the web",
        shows="the application's manual; the base's are shared",
        base="debian",
        hides=180_000,
    ),
    case(
        "chown: a tree of files given to a user in a step of its own",
        """
        FROM busybox
        COPY app /app
        RUN echo 'app:x:1000:1000::/app:/bin/sh' >> /etc/passwd
        RUN chown -R 1000:1000 /app
        RUN chmod -R g+w /app
        USER 1000
        """,
        files={f"app/{n % 10}/{n}.dat": noise(8_000, n) for n in range(200)},
        probe="id -u; find /app -type f -user 1000 -perm -g+w | wc -l; cat /app/*/*.dat | wc -c",
        says="1000\n200\n1600000",
        shows="every file three times",
        base="busybox",
        hides=3_200_000,
    ),
    case(
        "chmod: modes and times changed, content kept",
        """
        FROM busybox
        COPY bin /opt/bin
        RUN chmod 755 /opt/bin/*
        RUN touch -d '2020-02-02 02:02:02' /opt/bin/*
        RUN chmod 711 /opt/bin/b && chown 0:7 /opt/bin
        """,
        files={f"bin/{name}": b"#!/bin/sh\necho x\n" + b"#" * 100_000 for name in "abc"},
        probe="stat -c '%n %a %g %Y' /opt/bin /opt/bin/a /opt/bin/b | sed 's/ [0-9]*$/ t/;s/^/- /'",
        says="- /opt/bin 755 7 t\n- /opt/bin/a 755 0 t\n- /opt/bin/b 711 0 t",
        shows="copies made for modes and times",
        base="busybox",
        hides=600_000,
    ),
    case(
        "users: accounts added one by one",
        """
        FROM debian:bookworm
        RUN useradd --create-home --shell /bin/bash ann
        RUN useradd --create-home --groups ann bob
        RUN chmod 0700 /home/ann && echo ann > /home/ann/secret && chown ann: /home/ann/secret
        RUN chmod 0600 /home/ann/secret
        RUN userdel --remove bob
        RUN useradd --system --no-create-home service
        USER ann
        WORKDIR /home/ann
        """,
        probe="id -un; cat secret; stat -c '%a %U' . secret; ls /home; id -u bob 2>&1; true",
        says="ann\nann\n700 ann\n600 ann\nann\nid: 'bob': no such user",
        shows="versions of passwd, group and shadow, and a home that is gone",
        base="debian",
        hides=5_000,
    ),
    case(
        "permissions: shared directories, sticky bits and setgid",
        """
        FROM busybox
        RUN mkdir -p /srv/share/inbox && chmod 2775 /srv/share && chgrp 50 /srv/share
        RUN chmod 1777 /srv/share/inbox && touch /srv/share/inbox/a /srv/share/b
        RUN chown 10:20 /srv/share/inbox/a && chmod 000 /srv/share/b
        RUN chmod 3770 /srv/share/inbox
        RUN mkdir -m 555 /srv/fixed && touch /srv/fixed/f && rm /srv/fixed/f
        """,
        probe="cd /srv; stat -c '%n %a %u:%g' share share/inbox share/inbox/a share/b fixed",
        says="share 2775 0:50\nshare/inbox 3770 0:0\nshare/inbox/a 644 10:20\n"
        "share/b 0 0:50\nfixed 555 0:0",
        shows="directories whose last change counts",
        base="busybox",
    ),
    case(
        "setuid and file capabilities",
        """
        FROM tools
        COPY tool /usr/local/bin/a
        RUN cp /usr/local/bin/a /usr/local/bin/b && chmod 4755 /usr/local/bin/a
        RUN setcap cap_net_bind_service=+ep /usr/local/bin/b
        RUN chown root:games /usr/local/bin/a && chmod 6755 /usr/local/bin/a
        RUN cp -a /usr/local/bin/a /usr/local/bin/c && setcap cap_chown=ei /usr/local/bin/c
        RUN rm /usr/local/bin/c
        """,
        files={"tool": File(noise(300_000), 0o755)},
        probe="cd /usr/local/bin; stat -c '%n %a %G' a b; getcap a b",
        says="a 6755 games\nb 755 root\nb cap_net_bind_service=ep",
        shows="copies for bits and capabilities",
        base="tools",
        hides=600_000,
    ),
    case(
        "metadata: everything that a configuration can say",
        """
        FROM busybox
        LABEL org.opencontainers.image.title="all of it" line="one\\ntwo"
        ENV LANG=C.UTF-8 GREETING="good day"
        ARG VERSION=7
        ENV VERSION=$VERSION
        EXPOSE 80/tcp 53/udp
        VOLUME ["/data", "/var/log/app"]
        WORKDIR /srv/app
        RUN dd if=/dev/zero of=big bs=1k count=64
        HEALTHCHECK --interval=5s --timeout=2s CMD test -f ok
        STOPSIGNAL SIGUSR1
        RUN rm big && touch ok
        SHELL ["/bin/sh", "-eu", "-c"]
        ONBUILD COPY . /srv/app
        USER 12:34
        ENTRYPOINT ["/bin/sh", "-c"]
        CMD ["id -u; id -g; pwd; ls; echo $GREETING $VERSION"]
        """,
        says="12\n34\n/srv/app\nok\ngood day 7",
        shows="one file; history without layers all around it",
        base="busybox",
        hides=65_536,
    ),
    case(
        "log: written by one step, cut short by the next",
        """
        FROM busybox
        RUN mkdir -p /var/log && seq 1 100000 > /var/log/build.log
        RUN tail -n 1 /var/log/build.log > /last
        RUN : > /var/log/build.log
        """,
        probe="cat /last; wc -c < /var/log/build.log",
        says="100000\n0",
        shows="the log",
        base="busybox",
        hides=500_000,
    ),
    case(
        "build tree: sources compiled, installed, and removed step by step",
        """
        FROM tools
        WORKDIR /usr/src/app
        COPY . .
        RUN for part in one two three; do tcc -c -DNAME='"'$part'"' -o $part.o part.c; done
        RUN tcc -o app main.c && install -m 755 app /usr/local/bin/app
        RUN rm *.o
        RUN rm -rf /usr/src/app
        WORKDIR /
        CMD ["app"]
        """,
        files={
            "main.c": '#include <stdio.h>\nint main(void) { puts("built"); return 0; }\n',
            "part.c": "const char *name = NAME;\n",
            "testdata": noise(700_000),
        },
        says="built",
        shows="sources, objects and test data",
        base="tools",
        hides=700_000,
    ),
    case(
        "the seed: a file of 50 MB made and removed",
        """
        FROM debian:bookworm
        # the base image
        MAINTAINER xiongkun
        # who made it
        WORKDIR /home
        RUN dd if=/dev/zero of=50M.file bs=1M count=50
        # a test file of 50 MB
        RUN rm -rf 50M.file
        # and away with it
        """,
        probe="pwd; ls -A",
        says="/home",
        shows="the file",
        base="debian",
        hides=50 << 20,
    ),
)
