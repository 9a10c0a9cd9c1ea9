"""The reports of secrets and of copies: readable, and without any secret."""

from __future__ import annotations

import json

import msgspec
import pytest

from lamina.explain.stack import Stack
from lamina.leaks.leaks import leaks
from lamina.leaks.recover import copies, hidden_below, newest_hidden
from lamina.oci.config import Execution, History, ImageConfig
from lamina.oci.platform import Platform
from lamina.report.leaks import as_json, as_text
from lamina.report.paper import Paper
from lamina.report.recover import list_as_json, list_as_text, recovered, recovered_tree
from lamina.text import to_json
from tests.fakes import secrets
from tests.fakes.stacks import stack_of_files
from tests.golden.golden import check

TOKEN, NPM, KEY = secrets.github_token(), secrets.npm_token(), secrets.pem("RSA ")
VALUE = "q9W!ee77x"
ESCAPE = "\x1b[31m\u202e"


def config() -> ImageConfig:
    history = [
        History(created_by=f"ENV GITHUB_TOKEN={TOKEN}", empty_layer=True),
        History(created_by="COPY . /", empty_layer=False),
    ]
    scratch = ImageConfig.scratch(Platform("amd64"))
    execution = Execution(env=(f"GITHUB_TOKEN={TOKEN}",))
    return scratch.amend(execution=execution, history=history[:1])


def image() -> Stack:
    return stack_of_files(
        [
            {
                "root/.ssh/id_rsa": KEY.encode(),
                "root/.npmrc": f"//registry/:_authToken={NPM}\n".encode(),
                "etc/a.jks": b"\xfe\xed\xfe\xed\0\0\0\2\0\0\0\1\0\0\0\1",
                "bin/sh": bytes(10),
            },
            {"root/.npmrc": b"\n", "app/.env": f"DB_PASSWORD={VALUE}\n".encode()},
            {"root/.ssh/.wh.id_rsa": b""},
        ],
        [
            "COPY . /",
            f"RUN echo DB_PASSWORD={VALUE} > /app/.env && true # long enough to be cut",
            "RUN rm",
        ],
        config=config(),
    )


SECRETS = [TOKEN, NPM, VALUE, KEY.splitlines()[1]]


@pytest.mark.parametrize(
    ("name", "paper"),
    [("wide", Paper(120)), ("narrow", Paper(80)), ("colour", Paper(100, colored=True))],
)
def test_the_report(name: str, paper: Paper) -> None:
    stack = image()
    text = as_text(stack, leaks(stack), paper)
    check(f"cli/leaks-{name}.txt", text)
    assert not [secret for secret in SECRETS if secret in text]


def test_the_secrets_are_shown_to_who_asks() -> None:
    stack = image()
    found = leaks(stack)
    text = as_text(stack, found, Paper(2000), show=True)
    assert [secret for secret in SECRETS if secret in text] == SECRETS
    shown = [leak.get("secret") for leak in as_json(stack, found, show=True)["leaks"]]
    assert TOKEN in shown and None in shown  # of a keystore the file is the secret


def test_json() -> None:
    stack = image()
    document = as_json(stack, leaks(stack))
    text = to_json(document, indent=2)
    check("cli/leaks.json", text + "\n")
    assert not [secret for secret in SECRETS if secret in text]


def test_nothing_found_and_what_was_not_read() -> None:
    stack = stack_of_files([{"a": b"text", "b": bytes(10)}])
    found = msgspec.structs.replace(leaks(stack), cut=["a", "long"])
    assert as_text(stack, found, Paper(100)) == (
        "demo:latest   no secrets found\n"
        " searched: config, history, 1 text file of 1 layer; not the 1 binary\n"
        " of 2 long files only the first 10.0 MB were read\n"
    )


def test_many_places_are_counted() -> None:
    stack = stack_of_files([{f"f{at}": TOKEN.encode() for at in range(9)}])
    assert "and 3 more places   (--format json has all)" in as_text(stack, leaks(stack), Paper(100))


def test_nothing_that_an_image_wrote_reaches_the_terminal_or_the_shell() -> None:
    path = f"a b/{ESCAPE};rm \udcff'"
    content = f"TOKEN={ESCAPE}12345\nx {TOKEN}".encode()
    stack = stack_of_files([{f"{path}.env": content}, {".wh.a b": b""}], ["A", ESCAPE])
    found = leaks(stack)
    assert len(found.found) == 2
    text = as_text(stack, found, Paper(300), show=True)
    assert text.isascii() or not {"\x1b", "\u202e", "\udcff"} & set(text)
    assert "'/a b/\\e[31m\\u202e;rm \\xff'\"'\"'.env'" in text
    assert json.loads(to_json(as_json(stack, found, show=True)))
    list_text = list_as_text(stack, f"{path}.env", copies(stack, f"{path}.env"), Paper(300))
    assert not {"\x1b", "\u202e", "\udcff"} & set(list_text)


def test_copies_are_listed() -> None:
    stack = image()
    found = copies(stack, "root/.npmrc")
    check("cli/recover-list.txt", list_as_text(stack, "root/.npmrc", found, Paper(100)))
    document = list_as_json(stack, "root/.npmrc", found)
    assert [(each["layer"], each["visible"], each["hidden_by"]) for each in document["copies"]] == [
        ("2", True, None),
        ("1", False, "2"),
    ]


def test_what_was_brought_back_is_told_in_a_line() -> None:
    stack = image()
    copy = newest_hidden(copies(stack, "root/.ssh/id_rsa"))
    size = copy.content.size
    assert recovered(stack, copy, Paper(100)) == (
        f"/root/.ssh/id_rsa   {size} B from layer 1 (COPY . /)   deleted by layer 3"
    )
    seen = newest_hidden(copies(stack, "bin/sh"))
    assert recovered(stack, seen, Paper(100)).endswith("not deleted: lamina cat shows it as well")
    below = hidden_below(stack, "root")
    assert recovered_tree(stack, "root", below, 100, Paper(100)) == (
        "/root   2 hidden files, 100 B, from layer 1"
    )
