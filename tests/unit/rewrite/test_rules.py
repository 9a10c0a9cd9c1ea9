"""What each rule edits, what it only suggests and why, and what it lets pass."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from lamina.rewrite.document import Document
from lamina.rewrite.evidence import Evidence
from lamina.rewrite.finding import Finding
from lamina.rewrite.rewrite import Rewritten, rewrite
from lamina.rewrite.rules import NoSuchRule, check_names, judge
from tests.fakes.stacks import Files, stack_of_files
from tests.unit.rewrite.contexts import Context


def done(text: str, *also: str, files: Mapping[str, str] | None = None) -> Rewritten:
    context = Context(files) if files is not None else None
    return rewrite(text, Evidence(context=context), also=also)


def reason(text: str, rule: str, files: Mapping[str, str] | None = None) -> str:
    """Why a rule suggests and does not edit."""
    found = done(text, files=files)
    assert rule not in found.rules
    (one,) = [each for each in found.suggested if each.rule == rule]
    return one.reason


def silent(text: str, rule: str) -> bool:
    found = judge(Document.read(text), Evidence())
    return rule not in {each.rule for each in found}


APT = "FROM debian\nRUN apt-get update && apt-get install -y --no-install-recommends curl\n"


@pytest.mark.parametrize(
    ("behind", "why"),
    [
        (
            "COPY a /\nRUN apt-get install -y git\n",
            "line 4 uses the lists: apt-get install without update",
        ),
        ("RUN ./setup.sh\n", "line 3 runs a script that is not in this file"),
        ("RUN bash setup.sh\n", "line 3 runs a script that is not in this file"),
        ("RUN sh -c 'apt-get install git'\n", "line 3 runs a shell of its own"),
        ("RUN <<E\nls\nE\n", "line 3 is not a shell command that could be read"),
        ('CMD ["apt-get", "install", "git"]\n', "line 3 runs apt-get in the container"),
        ("ONBUILD RUN apt-get install git\n", "line 3 runs in images that are built on this one"),
    ],
)
def test_lists_stay_where_something_later_may_want_them(behind: str, why: str) -> None:
    assert reason(APT + behind, "apt-lists") == why


@pytest.mark.parametrize(
    "text",
    [
        "RUN apt-get update && rm -rf /var/lib/apt/lists/*\n",
        "RUN apt-get update && rm -rf '/var/lib/apt/lists'\n",
        "RUN apt-get update && rm -rf /var/lib/apt/*\n",
        "RUN --mount=type=cache,target=/var/lib/apt apt-get update\n",
        "RUN --mount=type=tmpfs,target=/var/lib/apt/lists apt-get update\n",
        "RUN echo apt-get update\n",
    ],
)
def test_lists_that_do_not_ship(text: str) -> None:
    assert silent(f"FROM debian\n{text}", "apt-lists")


def test_lists_of_a_stage_that_does_not_ship_are_left_alone() -> None:
    assert silent(f"{APT.replace('debian', 'debian AS a')}FROM debian\n", "apt-lists")
    assert not silent(f"{APT.replace('debian', 'debian AS a')}FROM a\n", "apt-lists")


def test_a_later_step_that_updates_again_is_no_reason() -> None:
    found = done(f"{APT}RUN apt-get update && apt-get install -y --no-install-recommends git\n")
    assert found.new.count("rm -rf /var/lib/apt/lists/*") == 2


@pytest.mark.parametrize(
    ("script", "kept"),
    [
        ("set -e; apt-get update; if a; then b; fi", True),  # -e would not hold in the `if`
        ("set -e; apt-get update; b", False),
        ("apt-get update; exec b", True),
        ("apt-get update # fetch", True),
        ("apt-get update;", True),
    ],
)
def test_where_nothing_can_be_put_behind(script: str, kept: bool) -> None:
    text = f"FROM debian\nRUN {script}\n"
    assert ("rm -rf" not in done(text).new) is kept
    if kept:
        assert reason(text, "apt-lists") == "nothing can be put behind its last command"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("dnf -y install nginx", "dnf -y install nginx && dnf clean all"),
        ("yum install -y nginx; true", "yum install -y nginx; true && yum clean all"),
        ("npm ci", "npm ci && npm cache clean --force"),
        ("pip3 install six", "pip3 install --no-cache-dir six"),
        ("pip3.12 install six", "pip3.12 install --no-cache-dir six"),
        ("/v/bin/pip -q install six", "/v/bin/pip -q install --no-cache-dir six"),
        ("(cd x && pip install .) || true", "(cd x && pip install --no-cache-dir .) || true"),
        ("apk add a && apk add b", "apk add --no-cache a && apk add --no-cache b"),
        ("apk update && apk add a", "apk add --no-cache a"),
    ],
)
def test_what_is_written_for_each_installer(before: str, after: str) -> None:
    assert done(f"FROM a\nRUN {before}\n").new == f"FROM a\nRUN {after}\n"


@pytest.mark.parametrize(
    "text",
    [
        "RUN pip install --no-cache-dir six\n",
        "RUN pip list\n",
        "RUN echo pip install six\n",
        "RUN PIP_NO_CACHE_DIR=1 pip install six\n",
        "ENV PIP_NO_CACHE_DIR=1\nRUN pip install six\n",
        "RUN pip install six && rm -rf ~/.cache\n",
        "RUN --mount=type=cache,target=/root/.cache/pip pip install six\n",
        "RUN npm ci && npm cache clean --force\n",
        "RUN apk add --no-cache a\n",
        "RUN apk add a && rm -rf /var/cache/apk/*\n",
        "RUN dnf install -y a && dnf clean all\n",
        'RUN ["pip", "install", "six"]\n',
    ],
)
def test_what_needs_no_edit(text: str) -> None:
    assert done(f"FROM a\n{text}").new == f"FROM a\n{text}"


def test_an_update_that_more_hangs_on_is_not_taken_out() -> None:
    text = "FROM a\nRUN apk update || exit 1; apk add b\n"
    found = done(text)
    assert found.new == text
    assert [each.rule for each in found.suggested] == ["apk-cache"]


def test_a_name_that_would_be_a_variable_in_a_label() -> None:
    found = done('FROM a\nMAINTAINER "$A" "b" \\c\n')
    assert (
        found.new == 'FROM a\nLABEL org.opencontainers.image.authors="\\"\\$A\\" \\"b\\" \\\\c"\n'
    )


COPIED = "FROM scratch\nCOPY a /app/\nRUN chown -R 1:2 /app\n"


def test_an_owner_given_at_once() -> None:
    assert done(COPIED).new == "FROM scratch\nCOPY --chown=1:2 a /app/\n"
    kept = COPIED.replace("/app\n", "/app && echo x\n")
    assert done(kept).new == "FROM scratch\nCOPY --chown=1:2 a /app/\nRUN echo x\n"
    last = COPIED.rstrip("\n")
    assert done(last).new == "FROM scratch\nCOPY --chown=1:2 a /app/"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (COPIED.replace("1:2", "web:2"), "the user web is not known to exist at line 2"),
        (COPIED.replace("1:2", "1:web"), "the group web is not known to exist at line 2"),
        (
            COPIED.replace("scratch", "debian"),
            "without the image it is not known whether its base has /app",
        ),
        (
            COPIED.replace("COPY", "RUN touch /app/x\nCOPY"),
            "line 2 may have put something into /app",
        ),
        (COPIED.replace("/app", "/srv/app"), "COPY would make /srv with that owner too"),
    ],
)
def test_an_owner_that_cannot_be_given_at_once(text: str, why: str) -> None:
    assert reason(text, "copy-chown") == why


@pytest.mark.parametrize(
    "text",
    [
        COPIED.replace("-R ", ""),
        COPIED.replace("1:2", "1"),
        COPIED.replace("RUN", "RUN touch /app/y\nRUN"),
        COPIED.replace("RUN chown", "RUN touch x && chown"),
        COPIED.replace("/app\n", "/app /srv\n"),
        COPIED.replace("/app\n", "$APP\n"),
        COPIED.replace("COPY", "COPY --chown=3:3"),
    ],
)
def test_an_owner_that_is_of_something_else(text: str) -> None:
    assert silent(text, "copy-chown")


def with_image(text: str, *layers: Files, base: Files) -> Rewritten:
    """Rewritten with the layers that the file's RUN, COPY and WORKDIR left on a base."""
    document = Document.read(text)
    of_step = [frozenset[int]() for _ in document.dockerfile.instructions]
    made = [e for e in document.steps if e.keyword in {"RUN", "COPY", "WORKDIR"}]
    assert len(made) == len(layers)
    for number, step in enumerate(made, 1):
        of_step[step.index] = frozenset({number})
    return rewrite(text, Evidence(stack_of_files([base, *layers]), of_step))


PASSWD: Files = {"etc/passwd": b"root:x:0:0::/:\nweb:x:9:9::/:\n", "etc/group": b"web:x:9:\n"}
DATA = b"x" * 2_000_000


def test_an_owner_that_the_image_knows() -> None:
    text = "FROM web\nWORKDIR /app\nCOPY . .\nRUN chown -R web:web /app\n"
    copy: Files = {"app/a": DATA}
    found = with_image(text, {"app": None}, copy, copy, base=PASSWD)
    assert found.new == (
        "FROM web\nWORKDIR /app\nCOPY --chown=web:web . .\nRUN chown web:web /app\n"
    )
    (one,) = found.made
    assert (one.amount.bytes, one.amount.basis) == (len(DATA), "measured")


def test_what_the_base_has_at_the_target_keeps_its_owner() -> None:
    text = "FROM web\nCOPY . /app\nRUN chown -R web:web /app\n"
    copy: Files = {"app/a": DATA}
    assert with_image(text, copy, copy, base=PASSWD).rules == {"copy-chown"}
    found = with_image(text, copy, copy, base={**PASSWD, "app/old": b"x"})
    assert found.new == text
    assert [each.reason for each in found.suggested if each.rule == "copy-chown"] == [
        "/app has something in it already"
    ]


def test_a_mode_that_the_image_knows() -> None:
    text = "FROM web\nCOPY start.sh /bin/\nRUN chmod +x /bin/start.sh\n"
    layer: Files = {"bin/start.sh": DATA}
    found = with_image(text, layer, layer, base={**PASSWD, "bin": None})
    assert found.new == "FROM web\nCOPY --chmod=0644 start.sh /bin/\n"  # the mode that it has


def test_archives_that_the_base_keeps_are_removed_with_the_lists() -> None:
    layer: Files = {"var/lib/apt/lists/a": DATA, "var/cache/apt/archives/a.deb": DATA}
    found = with_image(APT, layer, base=PASSWD)
    assert "apt-get clean && rm -rf /var/lib/apt/lists/*" in found.new
    assert [each.amount.bytes for each in found.made] == [2 * len(DATA)]
    assert with_image(APT, {"usr/bin/curl": DATA}, base=PASSWD).new == APT


def test_what_was_edited_away_is_not_told_as_hidden_by_a_later_step() -> None:
    text = f"{APT}COPY a /\nRUN rm -rf /var/lib/apt/lists/*\n"
    layers: list[Files] = [
        {"var/lib/apt/lists/a": DATA},
        {"a": b""},
        {"var/lib/apt/lists/.wh.a": b""},
    ]
    found = with_image(text, *layers, base=PASSWD)
    assert [(each.rule, each.amount.bytes) for each in found.made] == [("apt-lists", len(DATA))]
    assert found.suggested == ()


INSTALLING = "FROM python\nWORKDIR /app\nCOPY . .\nRUN pip install --no-cache-dir -r req.txt\n"


@pytest.mark.parametrize(
    "line", ["six", "six==1.0", "a[b,c]>=1,<2", "six ; python_version<'3'", "# x"]
)
def test_requirements_that_are_packages(line: str) -> None:
    found = done(INSTALLING, files={"req.txt": f"{line}\n"})
    assert found.rules == {"copy-before-install"}
    assert "COPY req.txt ./\nRUN pip install --no-cache-dir -r req.txt\nCOPY . .\n" in found.new


@pytest.mark.parametrize("line", ["-e .", "-r other.txt", "./x", "a @ file:///app/a", "../b", "."])
def test_requirements_that_are_more(line: str) -> None:
    why = reason(INSTALLING, "copy-before-install", {"req.txt": f"six\n{line}\n"})
    assert why == f"req.txt names more than packages: {line!r}"


def test_requirements_that_nobody_can_look_at() -> None:
    assert reason(INSTALLING, "copy-before-install") == "req.txt cannot be looked at"


LOCK = '{"lockfileVersion": 3, "packages": {}}'
NPM = "FROM node\nWORKDIR /app\nCOPY . .\nRUN npm ci && npm cache clean --force\n"


def test_packages_of_node() -> None:
    files = {"package.json": '{"scripts": {"test": "x"}}', "package-lock.json": LOCK}
    assert "COPY package.json package-lock.json ./\n" in done(NPM, files=files).new


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"package.json": '{"scripts": {"postinstall": "x"}}'}, "runs something of its own"),
        ({"package.json": '{"dependencies": {"a": "file:../a"}}'}, "names more than packages"),
        ({"package.json": "[]"}, "cannot be read"),
        (
            {"package.json": "{}", "package-lock.json": LOCK, "node_modules/a/x": ""},
            "has a node_modules",
        ),
        ({}, "cannot be looked at"),
    ],
)
def test_packages_of_node_that_are_more(files: Mapping[str, str], why: str) -> None:
    assert why in reason(NPM, "copy-before-install", files)


BUILT = """\
FROM debian
RUN apt-get update && apt-get install -y --no-install-recommends gcc && \
rm -rf /var/lib/apt/lists/*
COPY a.c /src/
ENV A=1
RUN gcc -o /bin/a /src/a.c
EXPOSE 80
ENTRYPOINT ["/bin/a", "-v"]
"""


def test_a_program_from_a_stage_of_its_own() -> None:
    new = done(BUILT, files={"a.c": "int main(void) { return 0; }"}).new
    assert new.startswith("FROM debian AS build\n")
    assert new.endswith(
        "\nFROM debian\nENV A=1\nCOPY --from=build /bin/a /bin/a\n"
        'EXPOSE 80\nENTRYPOINT ["/bin/a", "-v"]\n'
    )


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("COPY a.c /src/", "COPY . /src/", "line 3 copies more than source files of C"),
        ("a.c\nEXPOSE", "a.c -lssl\nEXPOSE", "the last RUN is not one compiler"),
        ("ENV A=1", "RUN touch /x", "line 4 does more than install build tools"),
        ("gcc &&", "gcc git &&", "line 2 does more than install build tools"),
        ('"-v"', '"/etc/a.conf"', "the program is given a path"),
        ('["/bin/a", "-v"]', '["/bin/b"]', "the image does not start /bin/a"),
        ("ENV A=1", "VOLUME /data\nUSER 1", "line 5 sets who builds"),
    ],
)
def test_tools_that_may_be_missed(old: str, new: str, why: str) -> None:
    assert old in BUILT
    assert why in reason(BUILT.replace(old, new), "build-stage")


def test_tools_that_are_removed_again() -> None:
    assert silent("FROM a\nRUN apt-get install gcc && make && apt-get purge gcc\n", "build-stage")


def test_a_rule_that_is_not_there() -> None:
    check_names(["apt-lists"])
    with pytest.raises(NoSuchRule, match="apt-list"):
        check_names(["apt-list"])


def test_no_rule_speaks_of_what_is_well_written() -> None:
    text = (
        "FROM debian:12 AS build\nRUN apt-get update && apt-get install -y gcc\nCOPY a.c .\n"
        "RUN gcc a.c\nRUN rm a.c\nFROM scratch\nCOPY --from=build --chown=1:1 a.out /\n"
        'LABEL a=b\nCMD ["/a.out"]\n'
    )
    found: list[Finding] = list(judge(Document.read(text), Evidence()))
    assert found == []
