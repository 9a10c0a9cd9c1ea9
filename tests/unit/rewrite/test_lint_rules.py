"""Our own rules of the linter: what each finds, where, how many bytes, and what it lets pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.explain.unwanted import KINDS, Unwanted
from lamina.rewrite.lint_rules import LINT_RULES, own_problems
from lamina.rewrite.rule_build_tools import installed_tools
from lamina.rewrite.rule_context import unwanted_name
from lamina.rewrite.rule_copied_then_deleted import targets
from lamina.rewrite.rule_layers import MOST
from tests.unit.rewrite.dockerfiles import found, lay, view

MB = 1_000_000
BLOB = b"x" * MB
OTHER = b"y" * MB


def test_names_are_words_and_each_rule_has_one_of_its_own() -> None:
    names = [rule.name for rule in LINT_RULES]
    assert len(names) == len(set(names))
    assert all(name == name.lower() and " " not in name for name in names)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("debian", ["untagged-base"]),
        ("registry.example:5000/debian", ["untagged-base"]),
        ("debian:latest", ["latest-tag"]),
        ("debian:12", []),
        ("debian@sha256:" + "0" * 64, []),
        ("debian:latest@sha256:" + "0" * 64, []),
        ("scratch", []),
        ("$BASE", []),
    ],
)
def test_tags_of_base_images(image: str, expected: list[str]) -> None:
    seen = view(f"ARG BASE=a:1\nFROM {image}\n")
    assert [rule for rule, _, _ in found(seen)] == expected


def test_a_stage_is_no_image_without_a_tag() -> None:
    assert found(view("FROM debian:12 AS base\nFROM base\n")) == []


def test_what_a_later_run_deletes_is_told_where_it_is_shipped() -> None:
    seen = view("FROM debian:12\nRUN dd of=/a\nRUN rm /a\n", layers=[{"a": BLOB}, {".wh.a": b""}])
    assert found(seen, "hidden-bytes") == [("hidden-bytes", 2, MB)]
    problem = next(each for each in own_problems(seen)[0] if each.rule == "hidden-bytes")
    assert problem.message == "line 3 deletes what this step ships: /a"
    assert problem.advice == "do it in one RUN with line 3, joined by &&"
    assert problem.amount.basis == "measured"


def test_what_a_later_copy_overwrites_is_told_where_it_is_shipped() -> None:
    text = "FROM debian:12\nCOPY a /d/\nCOPY b /d/a\n"
    seen = view(text, layers=[{"d": None, "d/a": BLOB}, {"d": None, "d/a": OTHER}])
    assert found(seen, "hidden-bytes") == [("hidden-bytes", 2, MB)]


def test_a_few_bytes_are_not_worth_a_line() -> None:
    text = "FROM debian:12\nRUN dd of=/a\nRUN rm /a\n"
    seen = view(text, layers=[{"a": b"x" * 99_999}, {".wh.a": b""}])
    assert found(seen, "hidden-bytes") == []


def test_files_that_only_change_owner_are_shipped_twice() -> None:
    seen = view("FROM debian:12\nCOPY a /a\nRUN chown 1 /a\n", layers=[{"a": BLOB}, {"a": BLOB}])
    assert found(seen, "shipped-twice", "hidden-bytes") == [("shipped-twice", 3, MB)]
    problem = next(each for each in own_problems(seen)[0] if each.rule == "shipped-twice")
    assert problem.advice == "write --chown=… or --chmod=… in line 2"


def test_what_a_step_hides_of_the_base_is_told_at_the_step() -> None:
    text = "FROM debian:12\nRUN rm -rf /doc\n"
    seen = view(text, base={"doc": None, "doc/a": BLOB}, layers=[{".wh.doc": b""}])
    assert found(seen, "hidden-base-bytes") == [("hidden-base-bytes", 2, MB)]


@pytest.mark.parametrize(
    ("copy", "remove"),
    [
        ("COPY a.tar /tmp/", "rm /tmp/a.tar"),
        ("COPY a.tar /tmp/a.tar", "tar xf /tmp/a.tar && rm -f /tmp/a.tar"),
        ("COPY a.tar b.tar /tmp/", "rm -rf /tmp"),
        ("COPY a.tar /tmp/", "rm /tmp/*.tar"),
        ("WORKDIR /src\nCOPY a.tar .\n", "rm a.tar"),
        ("WORKDIR /src\nCOPY a.tar ./", "rm a.tar"),
        ('COPY ["a.tar", "/tmp/"]', "rm /tmp/a.tar"),
        ("ADD https://example.org/a.tar /tmp/a.tar", "rm /tmp/a.tar"),
    ],
)
def test_a_copy_that_a_later_run_surely_deletes(copy: str, remove: str) -> None:
    seen = view(f"FROM debian:12\n{copy}\nRUN {remove}\n")
    assert {rule for rule, _, _ in found(seen, "copied-then-deleted")} == {"copied-then-deleted"}


@pytest.mark.parametrize(
    ("copy", "remove"),
    [
        ("COPY a.tar /tmp/", "rm /tmp/b.tar"),
        ("COPY a.tar /tmp/", "rm /tmp/a.tar.gz"),
        ("COPY a.tar /tmp/", "rm /tmp/*.gz"),
        ("COPY a/b/ /tmp/", "rm /*.tar"),
        ("COPY a.tar /tmp/", "test -e /x && if false; then rm /tmp/a.tar; fi"),
        ("COPY a.tar $D", "rm /tmp/a.tar"),
        ("COPY a.tar /tmp/", "rm $F"),
        ("COPY a.tar /tmp/", "echo rm /tmp/a.tar"),
    ],
)
def test_a_copy_that_nothing_surely_deletes(copy: str, remove: str) -> None:
    seen = view(f"FROM debian:12\nARG D F\n{copy}\nRUN {remove}\n")
    assert found(seen, "copied-then-deleted") == []


def test_a_stage_that_is_not_shipped_may_delete_what_it_likes() -> None:
    text = """
        FROM debian:12 AS build
        COPY a.tar /tmp/
        RUN rm /tmp/a.tar
        FROM scratch
        COPY --from=build /x /x
    """
    assert found(view(text), "copied-then-deleted") == []


def test_a_deleted_copy_costs_what_lies_in_the_context(tmp_path: Path) -> None:
    text = "FROM debian:12\nCOPY a.tar /tmp/\nRUN rm /tmp/a.tar\n"
    seen = view(text, context=lay(tmp_path, {"a.tar": 5 * MB}))
    assert found(seen, "copied-then-deleted") == [("copied-then-deleted", 2, 5 * MB)]
    advice = next(e for e in own_problems(seen)[0] if e.rule == "copied-then-deleted").advice
    assert advice.startswith("ADD unpacks archives")


def test_a_measured_image_tells_better_than_the_text() -> None:
    text = "FROM debian:12\nCOPY a.tar /tmp/\nRUN rm /tmp/a.tar\n"
    tree = {"tmp": None, "tmp/a.tar": BLOB}
    seen = view(text, layers=[tree, {"tmp": None, "tmp/.wh.a.tar": b""}])
    assert found(seen, "copied-then-deleted", "hidden-bytes") == [("hidden-bytes", 2, MB)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("COPY a /d/", [("/d/a", "a")]),
        ("COPY a/ /d", [("/d", "a/")]),
        ("COPY . /d", []),
        ("COPY a /x", [("/x", "a")]),
        ("COPY a b/c /d", [("/d/a", "a"), ("/d/c", "b/c")]),
        ("COPY *.c /d/", []),
        ("COPY a d/", []),
        ("COPY $A /d/", []),
    ],
)
def test_targets(line: str, expected: list[tuple[str, str]]) -> None:
    step = view(f"FROM debian:12\n{line}\n").document.steps[0]
    assert list(targets(step)) == expected


def test_what_developers_have_and_images_need_not(tmp_path: Path) -> None:
    files = {
        ".git/objects/a": 3 * MB,
        "web/node_modules/b/c.js": 2 * MB,
        "app/__pycache__/d.pyc": 1000,
        "app/main.py": "print()",
    }
    seen = view("FROM debian:12\nCOPY . /app\n", context=lay(tmp_path, files))
    assert found(seen) == [("copies-unwanted", 2, 5 * MB + 1000)]
    (problem,) = own_problems(seen)[0]
    told = ".git (3.0 MB), node_modules (2.0 MB), __pycache__ (1.0 kB)"
    assert problem.message == f"COPY . takes {told} along"
    assert "**/.git, **/node_modules, **/__pycache__" in problem.advice


@pytest.mark.parametrize(
    "copy",
    [
        "COPY --exclude=.git --exclude=**/node_modules . /app",
        "COPY main.py /app/",
        "COPY --from=debian:12 . /app",
        "COPY app /app",
        "COPY *.py /app/",
        "COPY $WHAT /app",
    ],
)
def test_what_is_not_copied_is_not_told(copy: str, tmp_path: Path) -> None:
    files = {".git/a": MB, "x/node_modules/b": MB, "main.py": "", "app/a.py": ""}
    seen = view(f"FROM debian:12\n{copy}\n", context=lay(tmp_path, files))
    assert found(seen, "copies-unwanted") == []


def test_what_the_ignore_file_hides_is_not_told(tmp_path: Path) -> None:
    files = {".git/a": MB, "x/node_modules/b": MB, ".dockerignore": ".git\n**/node_modules\n"}
    seen = view("FROM debian:12\nCOPY . /app\n", context=lay(tmp_path, files))
    assert found(seen) == []


def test_a_directory_that_is_named_is_wanted_itself(tmp_path: Path) -> None:
    seen = view("FROM debian:12\nCOPY venv /venv\n", context=lay(tmp_path, {"venv/a.py": MB}))
    assert found(seen) == []


def test_patterns_find_directories(tmp_path: Path) -> None:
    files = {"pkgs/one/.git/a": MB, "pkgs/two/b": ""}
    seen = view("FROM debian:12\nCOPY pkgs/* /app/\n", context=lay(tmp_path, files))
    assert found(seen) == [("copies-unwanted", 2, MB)]


def test_a_large_file_is_named_by_who_wants_it(tmp_path: Path) -> None:
    lay(tmp_path, {"data/dump.sql": 20 * MB, "data/small": 19 * MB})
    assert found(view("FROM debian:12\nCOPY . /app\n", context=tmp_path)) == [
        ("copies-large-files", 2, 20 * MB)
    ]
    assert found(view("FROM debian:12\nCOPY data/dump.sql /app/\n", context=tmp_path)) == []


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (".git/config", ".git"),
        ("a/b/node_modules/c/index.js", "node_modules"),
        ("a/x.pyc", "*.pyc"),
        (".DS_Store", ".DS_Store"),
        ("git/config", ""),
        (".gitignore", ""),
        ("node_modules", ""),
    ],
)
def test_unwanted_names(path: str, name: str) -> None:
    assert unwanted_name(path) == name


def test_many_layers_are_told_at_the_longest_row() -> None:
    runs = "".join(f"RUN echo {number}\n" for number in range(MOST))
    few = view(f"FROM debian:12\n{runs}")
    assert found(few, "many-layers") == []
    many = view(f"FROM debian:12\nCOPY a /a\n{runs}")
    assert found(many, "many-layers") == [("many-layers", 3, 0)]
    problem = next(each for each in own_problems(many)[0] if each.rule == "many-layers")
    assert problem.message == (
        f"this file makes {MOST + 1} layers, {MOST} of them by RUN in lines 3 to {MOST + 2}"
    )


@pytest.mark.parametrize(
    ("command", "tools"),
    [
        ("apt-get install -y gcc curl", ["gcc"]),
        ("apt-get update && apt-get install -y --no-install-recommends g++-12 make libssl-dev",
         ["g++-12", "make", "libssl-dev"]),
        ("apk add --no-cache build-base=0.5-r3", ["build-base"]),
        ("dnf install -y gcc-c++ openssl-devel", ["gcc-c++", "openssl-devel"]),
        ("apt-get install -y gcc && make && apt-get purge -y gcc", []),
        ("apk add --virtual .deps gcc && make && apk del .deps", []),
        ("apt-get install -y nginx python3", []),
        ("apt-get install -y openjdk-17-jdk-headless", ["openjdk-17-jdk-headless"]),
        ("apt-get install -y openjdk-17-jre", []),
        ("echo gcc", []),
    ],
)  # fmt: skip
def test_packages_that_build(command: str, tools: list[str]) -> None:
    step = view(f"FROM debian:12\nRUN {command}\n").document.steps[0]
    assert installed_tools(step) == tools


def test_tools_are_measured_in_the_image() -> None:
    layer = {"usr/lib/gcc/cc1": BLOB, "usr/bin/gcc": b"x" * 1000, "usr/bin/curl": OTHER}
    seen = view("FROM debian:12\nRUN apt-get install -y gcc\n", layers=[layer])
    assert found(seen, "build-tools") == [("build-tools", 2, MB + 1000)]


def test_tools_in_a_stage_that_is_not_shipped_are_where_they_belong() -> None:
    text = """
        FROM debian:12 AS build
        RUN apt-get install -y gcc
        FROM debian:12
        COPY --from=build /app /app
    """
    assert found(view(text), "build-tools") == []


def of(kind: Unwanted) -> str:
    """A path that is of a kind."""
    if kind.paths:
        return f"{kind.paths[0]}/a"
    if kind.tails:
        return f"root/{kind.tails[0]}/a"
    return f"srv/{kind.names[0]}/a" if kind.names else f"srv/a.{kind.suffixes[0]}"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_what_a_step_leaves_is_measured(kind: Unwanted) -> None:
    text = "FROM debian:12\nRUN make\nRUN true\n"
    seen = view(text, base={"base": BLOB}, layers=[{of(kind): BLOB}, {"etc/b": OTHER}])
    assert found(seen) == [(f"left-{kind.kind}", 2, MB)]
    small = view(text, layers=[{of(kind): b"x" * 1000}, {"etc/b": OTHER}])
    assert found(small) == []
