"""Dockerfiles that look as if a rule could edit them, where the edit would break something."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from lamina.rewrite.document import Document
from lamina.rewrite.evidence import Evidence
from lamina.rewrite.rewrite import rewrite
from tests.fakes.stacks import Files, stack_of_files
from tests.unit.rewrite.contexts import Context

APT = "FROM debian\nRUN apt-get update && apt-get install -y --no-install-recommends curl\n"


def made(
    text: str,
    *,
    files: Mapping[str, str] | None = None,
    layers: Sequence[Files] = (),
    base: Files | None = None,
) -> frozenset[str]:
    """The rules that edit; `layers` are those that RUN, COPY and WORKDIR left on a base."""
    context = Context(files) if files is not None else None
    evidence = Evidence(context=context)
    if layers:
        document = Document.read(text)
        of_step = [frozenset[int]() for _ in document.dockerfile.instructions]
        steps = [e for e in document.steps if e.keyword in {"RUN", "COPY", "WORKDIR"}]
        assert len(steps) == len(layers)
        for number, step in enumerate(steps, 1):
            of_step[step.index] = frozenset({number})
        evidence = Evidence(stack_of_files([base or {}, *layers]), of_step, context)
    return rewrite(text, evidence).rules


@pytest.mark.parametrize(
    "behind",
    [
        "RUN apt-get -t stable install -y git\n",
        "RUN apt-get -o Dpkg::Use-Pty=0 install -y git\n",
        "RUN apt-get $FLAGS install git\n",
        "RUN apt-get satisfy git\n",
        "RUN sudo apt-get install -y git\n",
        "RUN echo git | xargs apt-get install -y\n",
        "RUN eval 'apt-get install -y git'\n",
        "RUN aptitude install -y git\n",
        "RUN apt-cache policy git\n",
        "RUN gdebi -n a.deb\n",
        "COPY a /\nRUN if a; then apt-get update; fi; apt-get install -y git\n",
        "RUN su web -c 'apt-get install -y git'\n",
        "RUN make dependencies\n",
        "COPY setup.sh /usr/local/bin/\nRUN /usr/local/bin/setup.sh\n",
        "COPY setup.sh /usr/local/bin/\nRUN setup.sh\n",
        "COPY setup.sh /usr/local/bin/setup\nRUN setup\n",
        "COPY bin/ /usr/local/bin/\nRUN setup\n",
        "COPY root/ /\nRUN setup\n",
        "COPY --from=tools / /usr/local/bin/\nRUN setup\n",
        "RUN . ./setup.sh\n",
        "RUN source /setup.sh\n",
        'CMD ["sh", "-c", "apt-get install -y git"]\n',
        "CMD exec apt-get install -y git\n",
    ],
)
def test_lists_that_a_later_step_may_use(behind: str) -> None:
    assert rewrite(APT + behind, Evidence()).new.startswith(APT)


@pytest.mark.parametrize(
    "behind",
    [
        "RUN apt-get update && apt-get -t stable install -y --no-install-recommends git\n",
        "COPY app.py /app/\nRUN python3 -c 'import app'\n",
        "COPY start.sh /usr/local/bin/\nRUN chmod +x /usr/local/bin/start.sh\n",
        "RUN groupadd web && useradd -g web web\n",
        'ENTRYPOINT ["/usr/local/bin/start.sh"]\n',
    ],
)
def test_lists_that_no_later_step_uses(behind: str) -> None:
    assert "apt-lists" in made(APT + behind)


@pytest.mark.parametrize("script", ["{ apt-get update; x; }", "if a; then apt-get update; fi"])
def test_a_shell_that_exits_early_would_not_inside_a_compound(script: str) -> None:
    shell = 'SHELL ["/bin/bash", "-ec"]\n'
    assert "apt-lists" not in made(f"FROM debian\n{shell}RUN {script}\n")
    assert "apt-lists" in made(f"FROM debian\nRUN {script}\n")


@pytest.mark.parametrize(
    "script",
    [
        "apk add --no-cache --virtual .b npm && npm ci && apk del .b",
        "npm ci && apt-get purge -y npm",
        "npm ci && rm -rf /usr/local/lib/node_modules",
        "(. ~/.nvm/nvm.sh && npm ci)",
        "if [ -f package.json ]; then npm ci; fi",
        "which npm && npm ci || true",
        "PATH=/opt/node/bin:$PATH npm ci",
        "HOME=/tmp npm ci",
        "./node/bin/npm ci",
        "npm ci --cache /tmp/npm",
    ],
)
def test_a_cleaner_that_may_not_be_there_or_cleans_another_cache(script: str) -> None:
    assert "npm-cache" not in made(f"FROM node\nRUN {script}\n")


def test_a_cleaner_that_is_called_by_its_path() -> None:
    done = rewrite("FROM node\nRUN /opt/bin/npm ci\n", Evidence())
    assert done.new == "FROM node\nRUN /opt/bin/npm ci && /opt/bin/npm cache clean --force\n"


@pytest.mark.parametrize(
    "text",
    [
        "RUN --mount=type=cache,target=/home/node/.npm npm ci\n",
        "ENV npm_config_cache=/c\nRUN --mount=type=cache,target=/c npm ci\n",
        "RUN --mount=type=cache,target=/root/.cache pip install six\n",
        "RUN --mount=type=cache,target=/c pip install --cache-dir=/c six\n",
        "RUN --mount=type=cache,target=/etc/apk/cache apk add curl\n",
        "RUN --mount=type=cache,target=/var/cache apk add curl\n",
        "RUN --mount=type=cache,target=/var/cache/libdnf5 dnf install -y curl\n",
        "RUN --mount=target=/home/web/.cache,type=cache pip install six\n",
    ],
)
def test_a_cache_on_a_mount_is_wanted(text: str) -> None:
    assert made(f"FROM a\n{text}") == frozenset()


@pytest.mark.parametrize(
    "text",
    [
        "RUN apk update && apk upgrade && apk add curl\n",
        "RUN test -f x || apk update && apk add curl\n",
        "RUN apk update && apk add curl\nRUN ./setup.sh\n",
        "RUN apk update && apk add curl\nRUN apk upgrade\n",
        "RUN apk add -U curl\nRUN apk fetch git\n",
        "RUN apk update && apk add curl\nRUN sudo apk add git\n",
        "RUN apk add --allow-untrusted ./a.apk\n",
    ],
)
def test_indexes_that_are_wanted(text: str) -> None:
    assert "apk-cache" not in made(f"FROM alpine\n{text}")


@pytest.mark.parametrize(
    "text",
    [
        "WORKDIR /app/sub\nCOPY . .\nRUN chown -R 1:2 /app\n",
        "COPY a /app/\nWORKDIR /app/data\nRUN chown -R 1:2 /app\n",
        "WORKDIR $APP\nCOPY a /app/\nRUN chown -R 1:2 /app\n",
        "WORKDIR /app\nCOPY a .\nRUN touch x\nCOPY b .\nRUN chown -R 1:2 /app\n",
        "COPY <<E /app/b\nE\nCOPY a /app/\nRUN chown -R 1:2 /app\n",
        "COPY a /app/\nCOPY <<E /app/b\nE\nRUN chown -R 1:2 /app\n",
        "COPY a /app/\nCOPY root/ /\nRUN chown -R 1:2 /app\n",
        "COPY root/ /\nCOPY a /app/\nRUN chown -R 1:2 /app\n",
        "COPY b $WHERE\nCOPY a /app/\nRUN chown -R 1:2 /app\n",
        "COPY --link a /app/\nRUN chown -R 1:2 /app\n",
        "COPY --parents a /app/\nRUN chown -R 1:2 /app\n",
        "COPY x y\nCOPY a /app/\nRUN chown -R 1:2 /app\n",
    ],
)
def test_an_owner_of_more_than_is_copied(text: str) -> None:
    assert "copy-chown" not in made(f"FROM scratch\n{text}")


def test_what_a_step_behind_workdir_put_there_keeps_its_owner() -> None:
    text = "FROM a\nWORKDIR /app\nRUN touch x\nCOPY . .\nRUN chown -R 1:2 /app\n"
    data = b"x" * 10
    layers: list[Files] = [{"app": None}, {"app/x": b""}, {"app/a": data}, {"app/a": data}]
    assert "copy-chown" not in made(text, layers=layers, base={"etc": None})
    layers[1] = {"x": b""}
    assert "copy-chown" in made(text, layers=layers, base={"etc": None})


@pytest.mark.parametrize("command", ["chown 1:2 /app -R", "chown -R 1:2 /app", "chown 1:2 -R /app"])
def test_a_flag_is_taken_out_wherever_it_stands(command: str) -> None:
    text = f"FROM scratch\nWORKDIR /app\nCOPY . .\nRUN {command}\nENV A=1\n"
    done = rewrite(text, Evidence())
    assert done.new == (
        "FROM scratch\nWORKDIR /app\nCOPY --chown=1:2 . .\nRUN chown 1:2 /app\nENV A=1\n"
    )


@pytest.mark.parametrize(
    ("text", "layers"),
    [
        # the later COPY lays another file there, which the mode was for
        (
            "COPY a /bin/\nCOPY bin/ /bin/\nRUN chmod 755 /bin/a\n",
            [{"bin/a": b"1"}, {"bin/a": b"22"}, {"bin/a": b"22"}],
        ),
        ("COPY a /new/\nRUN chmod 755 /new/a\n", [{"new": None, "new/a": b"1"}, {"new/a": b"1"}]),
        ("COPY a /bin/\nRUN chmod 4755 /bin/a\n", [{"bin/a": b"1"}, {}]),
        ("COPY --link a /bin/\nRUN chmod 755 /bin/a\n", [{"bin/a": b"1"}, {"bin/a": b"1"}]),
    ],
)
def test_a_mode_of_something_else(text: str, layers: list[Files]) -> None:
    assert "copy-chmod" not in made(f"FROM a\n{text}", layers=layers, base={"bin": None})


PIP = "FROM python\nWORKDIR /app\nCOPY . .\nRUN pip install --no-cache-dir -r req.txt"


@pytest.mark.parametrize(
    "line", ["a-1.0-py3-none-any.whl", "a.zip", "a-1.0.tar.gz", "a.tgz", "-c other", "a==1 \\"]
)
def test_requirements_that_are_files(line: str) -> None:
    assert made(f"{PIP}\n", files={"req.txt": f"{line}\n"}) == frozenset()


@pytest.mark.parametrize(
    "text",
    [
        f"{PIP} && rm -rf tests\n",
        f"{PIP} && rm req.txt\n",
        f"{PIP} && rm -rf /app/.git\n",
        f"{PIP} && rm -rf $JUNK\n",
        f"{PIP} && rm -rf /root/.cache/../../app/x\n",
        PIP.replace("WORKDIR", "ENV PIP_CONSTRAINT=/app/c.txt\nWORKDIR") + "\n",
        PIP.replace("WORKDIR", "ENV PIP_TARGET=lib\nWORKDIR") + "\n",
        PIP.replace("req.txt", "'req [1].txt'") + "\n",
    ],
)
def test_an_install_that_has_to_do_with_what_is_copied(text: str) -> None:
    files = {"req.txt": "six\n", "req [1].txt": "six\n"}
    assert "copy-before-install" in made(f"{PIP} && rm -rf /root/.cache\n", files=files)
    assert "copy-before-install" not in made(text, files=files)


NPM = "FROM node\nWORKDIR /app\nCOPY . .\nRUN npm ci && npm cache clean --force\n"
LOCK = '{"lockfileVersion": 3, "packages": {"node_modules/a": {"version": "1.0.0"}}}'


@pytest.mark.parametrize(
    ("files", "is_made"),
    [
        ({}, True),
        ({"package-lock.json": '{"lockfileVersion": 1}'}, False),
        ({"package-lock.json": "{}"}, False),
        ({"package-lock.json": "["}, False),
        # a package may run a script that reads the project: its schema, its settings
        ({"package-lock.json": LOCK.replace('"1.0.0"', '"1", "hasInstallScript": true')}, False),
        (
            {
                "package-lock.json": LOCK.replace(
                    '"1.0.0"', '"1", "hasInstallScript": true, "os": ["darwin"]'
                )
            },
            True,
        ),
        ({"package-lock.json": LOCK.replace('"1.0.0"', '"1", "link": true')}, False),
        ({"package-lock.json": LOCK.replace('"1.0.0"', '"1", "resolved": "file:a.tgz"')}, False),
        ({"binding.gyp": ""}, False),
        ({".npmrc": ""}, False),
    ],
)
def test_packages_of_node_that_run_something(files: Mapping[str, str], is_made: bool) -> None:
    all_files = {"package.json": "{}", "package-lock.json": LOCK, **files}
    assert ("copy-before-install" in made(NPM, files=all_files)) is is_made


def test_npm_install_writes_what_is_copied_behind_it() -> None:
    files = {"package.json": "{}", "package-lock.json": LOCK}
    assert "copy-before-install" not in made(NPM.replace("npm ci", "npm install"), files=files)
    assert "copy-before-install" not in made(
        NPM.replace("WORKDIR", "ENV npm_config_prefix=/app\nWORKDIR"), files=files
    )


BUILT = """\
FROM debian
RUN apt-get update && apt-get install -y --no-install-recommends gcc && rm -rf /var/lib/apt/lists/*
COPY a.c /src/
RUN gcc -O2 -Wall -o /bin/a /src/a.c
CMD ["/bin/a"]
"""
HELLO = '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n'


def test_a_program_that_needs_nothing_else() -> None:
    assert "build-stage" in made(BUILT, files={"a.c": HELLO})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("-O2", "-fopenmp"),
        ("-O2", "-fexceptions"),
        ("gcc -O2", "musl-gcc"),
        ("-O2", "-specs=x"),
        ("-O2", "@flags"),
        ("CMD", "HEALTHCHECK CMD make check\nCMD"),
        ("a.c /src/", "*.c /src/"),
    ],
)
def test_a_program_that_may_need_more(old: str, new: str) -> None:
    assert old in BUILT
    assert "build-stage" not in made(BUILT.replace(old, new), files={"a.c": HELLO})


@pytest.mark.parametrize(
    "line",
    [
        'system("gcc x.c");',
        'popen("make", "r");',
        'execvp("cc", v);',
        'fopen("/src/a.c", "r");',
        'open("x", 0);',
        'dlopen("x.so", 1);',
        'posix_spawn(&p, "cc", 0, 0, v, 0);',
        'asm("syscall");',
        "syscall(59);",
    ],
)
def test_a_program_that_starts_or_reads_something(line: str) -> None:
    source = HELLO.replace('puts("hello");', line)
    assert "build-stage" not in made(BUILT, files={"a.c": source})
    assert "build-stage" not in made(BUILT)


def test_line_ends_another_escape_and_comments_stay() -> None:
    rows = [
        "# escape=`",
        "FROM scratch",
        "WORKDIR /app",
        "COPY a `",
        "  # both of them",
        "  b ./",
        "RUN chown `",
        "  # for the web",
        "  -R 1:2 /app `",
        "  && pip install `",
        "  six",
        "",
    ]
    done = rewrite("\r\n".join(rows), Evidence())
    rows[3] = "COPY --chown=1:2 a `"
    rows[8] = "  1:2 /app `"
    rows[9] = "  && pip install --no-cache-dir `"
    assert done.new == "\r\n".join(rows)
