"""Two RUN as one: real shells leave the same either way, or the two stay two."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from lamina.rewrite.document import Document
from lamina.rewrite.finding import apply
from lamina.rewrite.joining import join

SCRIPTS = r"""
echo a > a
echo b >> a; echo c > c
false; echo d > d
false || echo e > e
true && false || echo f > f
! test -e zz
mkdir -p sub && cd sub && echo g > g
x=1; echo $x > x
echo "${x:-none}" > seen
: ${x:=7}; echo $x > y
: $((x = 5))
[ -e a ] && rm a || true
exit 0; echo never
echo z > z; exit 0
if [ -e a ]; then rm a; else touch noa; fi
for i in 1 2; do touch f$i; done
(cd sub 2>/dev/null; pwd | wc -c > pwdlen)
f() { touch fun; }; f
echo "$i" > loopvar
set -e; touch s1; touch s2
set -e; (false; touch t1) || true; touch t2
set -ex && touch u
umask 077; touch m1
touch m2
command cd sub && touch h
builtin cd sub; touch hh
test -d sub
mkdir sub
trap 'touch trapped' EXIT; touch w
while read l; do echo $l >> lines; done < a
read v < a || true; echo $v > v
printf -v q hi; echo $q > q
echo "$q" > q2
sleep 0.05 & touch bg
{ touch g1; touch g2; }
{ cd sub; touch g3; }
cat a | while read l; do x=$l; done
true | false
set -o pipefail; true | true
let x=3
export x=9; env | grep ^x= > exp || true
unset HOME; touch u1
echo $HOME > home
exec touch ex
command exec touch ex2
touch last; exec true
case $x in 5) touch five;; *) touch other;; esac
test -e a && touch yes
alias ll=ls; touch al
pushd sub && touch pd
false && touch zz1
touch q1 || touch q22
echo 'a && b' > quoted
echo "$(cd sub && pwd | wc -c)" > subst
shopt -s nullglob; echo *.none > ng
echo *.none > ng2
set -- a b; echo $# > argc
echo $# > argc2
eval "x=4"; touch ev
x=3 env > /dev/null; echo "$x" > px
(( x++ )); touch ari
[[ -n $x ]] && touch dbl
touch a; test -e b
mapfile -t arr < /dev/null; touch mf
""".strip().split("\n")
SHELLS = {
    "sh": ["/bin/sh", "-c"],
    "sh -e": ["/bin/sh", "-ec"],
    "bash": ["/bin/bash", "-c"],
    "bash -euo pipefail": ["/bin/bash", "-euo", "pipefail", "-c"],
}


def dockerfile(scripts: Sequence[str], *, shell: Sequence[str] = (), flags: str = "") -> Document:
    head = f"FROM x\n{f'SHELL {json.dumps(shell)}' if shell else ''}\nWORKDIR /w\n"
    return Document.read(head + "".join(f"RUN {flags}{each}\n" for each in scripts))


def joined(document: Document) -> str:
    """The script of the one RUN that the file's become; raises AssertionError with the reason."""
    edits = join(document, [each for each in document.steps if each.keyword == "RUN"])
    assert not isinstance(edits, str), edits
    (one,) = [
        each for each in Document.read(apply(document.text, edits)).steps if each.keyword == "RUN"
    ]
    assert one.script is not None
    return one.line.text


def reason(document: Document) -> str:
    edits = join(document, [each for each in document.steps if each.keyword == "RUN"])
    assert isinstance(edits, str)
    return edits


def left(shell: Sequence[str], scripts: Sequence[str], directory: Path) -> object:
    """The files that a build's RUN instructions leave; None when one of them fails."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    environment = {"PATH": os.environ["PATH"], "HOME": "/h"}
    for each in scripts:
        done = subprocess.run(
            [*shell, each],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=20,
            check=False,
        )
        if done.returncode:
            return None
    return {
        str(each.relative_to(directory)): (
            oct(each.stat().st_mode),
            each.read_bytes() if each.is_file() else None,
        )
        for each in sorted(directory.rglob("*"))
    }


@pytest.mark.parametrize("name", SHELLS)
def test_what_is_joined_leaves_the_same(name: str, tmp_path: Path) -> None:
    shell = SHELLS[name]
    if not os.path.exists(shell[0]):
        pytest.skip(f"needs {shell[0]}")
    choice = random.Random(name)
    one = 0
    for _ in range(150):
        scripts = choice.choices(SCRIPTS, k=choice.choice([2, 3]))
        document = dockerfile(scripts, shell=[] if name == "sh" else shell)
        if isinstance(join(document, [e for e in document.steps if e.keyword == "RUN"]), str):
            continue
        one += 1
        text = joined(document)
        directory = tmp_path / "d"
        assert left(shell, scripts, directory) == left(shell, [text], directory), (scripts, text)
    assert one > 10


def test_how_it_is_written() -> None:
    text = "FROM x\nRUN a\n# why\n\nRUN b \\\n  && c\nRUN cd /d; e\nRUN f\n"
    document = Document.read(text)
    edits = join(document, document.steps)
    assert not isinstance(edits, str)
    assert apply(text, edits) == (
        "FROM x\nRUN a \\\n# why\n    && b \\\n  && c \\\n    && ( cd /d; e ) \\\n    && f\n"
    )


def test_line_ends_flags_on_lines_of_their_own_and_another_escape() -> None:
    text = (
        "# escape=`\r\nFROM x\r\nRUN --network=none `\r\n  a\r\n"
        "# why\r\nRUN --network=none `\r\n  `\r\n  b"
    )
    document = Document.read(text)
    edits = join(document, document.steps)
    assert not isinstance(edits, str)
    new = apply(text, edits)
    assert new == ("# escape=`\r\nFROM x\r\nRUN --network=none `\r\n  a `\r\n# why\r\n    && b")
    assert len(Document.read(new).steps) == 1


@pytest.mark.parametrize(
    ("scripts", "flags", "said"),
    [
        (["a &", "b"], "", "end with a command"),
        (["(a &) && c", "b"], "", "background"),
        (["a", "service mysql start && c"], "", "starts a service"),
        (["sudo service mysql start", "c"], "", "starts a service"),
        (["/etc/init.d/mysql start", "c"], "", "starts a service"),
        (["redis-server --daemonize yes", "c"], "", "starts a service"),
        (["set -e; a; b", "c"], "", "sets options"),
        (["exec a", "c"], "", "replaces its shell"),
        (["a # b", "c"], "", "comment"),
        (["a", "(b"], "", "that could be read"),
        (["a", "b"], "--mount=type=tmpfs,target=/tmp ", "mount"),
        (["a", "b"], "--mount=type=bind,target=/s,rw ", "mount"),
        (["echo 1.2.3.4 x >> /etc/hosts", "b"], "", "no layer keeps"),
        (["a && rm -rf /w", "b > c"], "", "directory"),
        (["mv /w /v", "b > c"], "", "directory"),
        (["rm -rf ../w", "b > c"], "", "directory"),
    ],
)
def test_what_is_not_joined(scripts: list[str], flags: str, said: str) -> None:
    assert said in reason(dockerfile(scripts, flags=flags))


def test_flags_must_be_the_same() -> None:
    document = Document.read("FROM x\nRUN --network=none a\nRUN b\n")
    assert "flags" in reason(document)
    cached = "--mount=type=cache,target=/c "
    assert joined(dockerfile(["a", "b"], flags=cached)).split() == ["a", "&&", "b"]


def test_a_command_that_looks_for_another_is_no_reason() -> None:
    assert "( " not in joined(dockerfile(["command -v gcc && a", "b"]))
