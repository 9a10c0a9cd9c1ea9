"""Applications: Python, Node, C, Perl and shell programs as people package them."""

from __future__ import annotations

from tests.slimming.case import Case, File, case, noise, tar_gz, wheel

_APP = """\
    import bottle

    app = bottle.Bottle()

    @app.get("/")
    def index():
        return "hello"

    if __name__ == "__main__":
        found = []
        asked = {"PATH_INFO": "/", "REQUEST_METHOD": "GET"}
        body = app(asked, lambda status, headers, *more: found.append(status))
        print(bottle.__version__, *found, b"".join(body).decode())
    """
_LOCK = """\
    {
      "name": "app", "version": "1.0.0", "lockfileVersion": 3, "requires": true,
      "packages": {
        "": {
          "name": "app", "version": "1.0.0",
          "dependencies": {"ms": "2.1.3"}, "devDependencies": {"uglify-js": "3.19.3"}
        },
        "node_modules/ms": {"version": "2.1.3"},
        "node_modules/uglify-js": {
          "version": "3.19.3", "dev": true, "bin": {"uglifyjs": "bin/uglifyjs"}
        }
      }
    }
    """
_PACKAGE = """\
    {"name": "app", "version": "1.0.0", "private": true, "dependencies": {"ms": "2.1.3"},
     "devDependencies": {"uglify-js": "3.19.3"}}
    """
_HELLO = """\
    #include <stdio.h>
    int main(void) { puts("hello from C"); return 0; }
    """
CASES: tuple[Case, ...] = (
    case(
        "python: apt and pip in many steps",
        """
        FROM python
        WORKDIR /app
        RUN apt-get update
        RUN apt-get install -y --no-install-recommends libyaml-0-2
        COPY requirements.txt .
        RUN pip install -r requirements.txt
        COPY . .
        RUN rm -rf /var/lib/apt/lists/*
        RUN rm -rf /root/.cache
        CMD ["python3", "app.py"]
        """,
        files={"requirements.txt": "bottle==0.12.25\n", "app.py": _APP},
        says="0.12.25 200 OK hello",
        shows="apt lists and pip's cache, removed too late",
        base="python",
        hides=10_000_000,
        network=True,
    ),
    case(
        "python: a virtual environment whose pip is renewed",
        """
        FROM python
        RUN python3 -m venv /opt/venv
        ENV PATH=/opt/venv/bin:$PATH
        RUN pip install --no-cache-dir --upgrade pip
        RUN pip install --no-cache-dir click==8.1.7
        RUN pip uninstall -y pip setuptools
        """,
        probe="""python -c 'import click; print(click.unstyle(click.style("ok", fg="red")))'""",
        says="ok",
        shows="pip and setuptools, twice installed and uninstalled",
        base="python",
        hides=10_000_000,
        network=True,
    ),
    case(
        "python: wheels copied in and removed",
        """
        FROM python
        COPY wheels /tmp/wheels
        RUN pip install --no-index --find-links /tmp/wheels --no-warn-script-location tables
        RUN rm -rf /tmp/wheels
        """,
        files={
            f"wheels/{name}": content
            for name, content in wheel(
                "tables", {"tables.py": b"def size():\n    return 42\n", "data.bin": noise(400_000)}
            ).items()
        },
        probe="python3 -c 'import tables; print(tables.size())'",
        says="42",
        shows="the wheels",
        base="python",
        hides=400_000,
    ),
    case(
        "python: bytecode made, removed and made again",
        """
        FROM python
        COPY app /srv/app
        RUN python3 -m compileall -q /srv/app
        RUN find /srv/app -name __pycache__ -prune -exec rm -r {} +
        RUN sed -i s/one/two/ /srv/app/words.py
        RUN python3 -m compileall -q /srv/app
        WORKDIR /srv
        CMD ["python3", "-m", "app"]
        """,
        files={
            "app/__init__.py": "",
            "app/__main__.py": "from app.words import WORD\n\nprint(WORD)\n",
            "app/words.py": 'WORD = "one"\n' + "# a comment\n" * 500,
        },
        says="two",
        shows="old bytecode and the old source",
        base="python",
        hides=6_000,
    ),
    case(
        "python: built in a stage, copied to the last one",
        """
        FROM python AS build
        COPY wheels /wheels
        RUN python3 -m venv /venv && /venv/bin/pip install --no-index --find-links /wheels poems
        RUN rm -rf /venv/lib/python3.11/site-packages/pip* /venv/bin/pip*
        FROM python
        COPY --from=build /venv /venv
        RUN chown -R www-data:www-data /venv
        RUN rm -rf /venv/lib/python3.11/site-packages/setuptools*
        USER www-data
        CMD ["/venv/bin/python", "-c", "import poems; print(poems.LINE)"]
        """,
        files={
            f"wheels/{name}": content
            for name, content in wheel("poems", {"poems.py": b'LINE = "rose"\n'}).items()
        },
        says="rose",
        shows="a chown of all that was copied, and what is removed after it",
        base="python",
        hides=1_000_000,
    ),
    case(
        "node: npm ci, its cache cleaned in a step of its own",
        """
        FROM node
        WORKDIR /app
        COPY package.json package-lock.json ./
        RUN npm ci
        RUN npm cache clean --force
        COPY index.js .
        CMD ["node", "index.js"]
        """,
        files={
            "package.json": _PACKAGE,
            "package-lock.json": _LOCK,
            "index.js": 'console.log(require("ms")("2 days"));\n',
        },
        says="172800000",
        shows="npm's cache",
        base="node",
        hides=200_000,
        network=True,
    ),
    case(
        "node: built with all modules, then installed again without those of development",
        """
        FROM node
        WORKDIR /app
        COPY package.json package-lock.json ./
        RUN npm ci --cache /tmp/npm
        COPY index.js .
        RUN npx uglifyjs index.js -o app.js
        RUN rm -rf node_modules
        RUN npm ci --omit=dev --cache /tmp/npm
        RUN rm -rf /tmp/npm index.js
        CMD ["node", "app.js"]
        """,
        files={
            "package.json": _PACKAGE,
            "package-lock.json": _LOCK,
            "index.js": 'const word = "1h";\nconsole.log(require("ms")(word));\n',
        },
        says="3600000",
        shows="modules of development, the cache, the source",
        base="node",
        hides=1_000_000,
        network=True,
    ),
    case(
        "c: gcc installed, used and purged",
        """
        FROM debian:bookworm
        RUN apt-get update
        RUN apt-get install -y --no-install-recommends gcc libc6-dev
        COPY hello.c /src/
        RUN gcc -O2 -o /usr/local/bin/hello /src/hello.c
        RUN apt-get purge -y --auto-remove gcc libc6-dev
        RUN rm -rf /var/lib/apt/lists/* /src
        CMD ["hello"]
        """,
        files={"hello.c": _HELLO},
        says="hello from C",
        shows="a compiler, apt lists and the source",
        base="debian",
        hides=150_000_000,
        network=True,
    ),
    case(
        "c: compiled in a stage, the program copied and made executable",
        """
        FROM tools AS build
        COPY hello.c .
        RUN tcc -o hello hello.c
        FROM debian:bookworm
        COPY --from=build /hello /usr/local/bin/hello
        RUN chmod 0700 /usr/local/bin/hello
        RUN chmod 0711 /usr/local/bin/hello
        ENTRYPOINT ["/usr/local/bin/hello"]
        """,
        files={"hello.c": _HELLO},
        says="hello from C",
        shows="two copies of the program, for its mode alone",
        base="debian",
        also=("tools",),
        hides=2_000,
    ),
    case(
        "static: one program on scratch, replaced by its next version",
        """
        FROM busybox AS build
        RUN cp /bin/busybox /first && echo first >> /first && cp /bin/busybox /second
        FROM scratch
        COPY --from=build /first /busybox
        COPY --from=build /second /busybox
        ENTRYPOINT ["/busybox", "echo"]
        CMD ["static"]
        """,
        says="static",
        shows="the first version; there is no shell",
        base="busybox",
        hides=1_000_000,
    ),
    case(
        "perl: a program with modules and their documentation",
        """
        FROM tools
        COPY lib /opt/words/lib
        COPY words.pl /opt/words/bin/words
        RUN chmod +x /opt/words/bin/words
        RUN cp -r /opt/words/lib /opt/words/lib.old
        RUN find /opt/words/lib -name '*.pod' -delete && rm -r /opt/words/lib.old
        CMD ["/opt/words/bin/words"]
        """,
        files={
            "words.pl": """\
                #!/usr/bin/perl
                use strict; use lib "/opt/words/lib"; use Words;
                print Words::count("a few words"), "\\n";
                """,
            "lib/Words.pm": "package Words; sub count { scalar split ' ', shift } 1;\n",
            "lib/Words.pod": "=head1 NAME\n\nWords\n\n" + "much is to be said\n\n" * 2000,
        },
        says="3",
        shows="documentation, and a copy of everything",
        base="tools",
        hides=70_000,
    ),
    case(
        "shell: a web server of busybox whose page is rewritten",
        """
        FROM busybox
        COPY www /www
        COPY serve.sh /serve.sh
        RUN chmod 755 /serve.sh
        RUN sed -i s/draft/final/ /www/index.html
        RUN mv /www/cgi-bin/now.sh /www/cgi-bin/now && chmod +x /www/cgi-bin/now
        CMD ["/serve.sh"]
        """,
        files={
            "serve.sh": """\
                #!/bin/sh
                busybox httpd -p 127.0.0.1:8000 -h /www
                busybox wget -q -O - http://127.0.0.1:8000/index.html
                busybox wget -q -O - http://127.0.0.1:8000/cgi-bin/now
                """,
            "www/index.html": "<p>draft</p>\n",
            "www/cgi-bin/now.sh": "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nnow\\n'\n",
        },
        says="<p>final</p>\nnow",
        shows="old versions of small files",
        base="busybox",
        hides=100,
    ),
    case(
        "archive: copied in, unpacked and removed in three steps",
        """
        FROM busybox
        COPY dist.tar.gz /tmp/
        RUN mkdir /opt && tar -xzf /tmp/dist.tar.gz -C /opt
        RUN rm /tmp/dist.tar.gz
        """,
        files={
            "dist.tar.gz": tar_gz({"tool/run": b"echo run\n", "tool/data": noise(3_000_000)}),
        },
        probe="sh /opt/tool/run; wc -c < /opt/tool/data",
        says="run\n3000000",
        shows="the archive",
        base="busybox",
        hides=3_000_000,
    ),
    case(
        "release: the program is copied again and again while the file is written",
        """
        FROM busybox
        COPY app-1 /app
        COPY app-2 /app
        COPY app-3 /app
        RUN chmod 755 /app
        CMD ["/app"]
        """,
        files={
            f"app-{number}": File(f"#!/bin/sh\necho {number}\n".encode() + b"#\n" * 100_000)
            for number in (1, 2, 3)
        },
        says="3",
        shows="three old versions",
        base="busybox",
        hides=600_000,
    ),
)
