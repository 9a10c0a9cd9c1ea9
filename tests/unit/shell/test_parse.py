"""The shell of RUN as values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.shell.parse import parse
from lamina.shell.script import Script, Unread


def read(text: str) -> Script:
    found = parse(text)
    assert isinstance(found, Script), text
    return found


def connectors(text: str) -> list[str]:
    return [each.connector for each in read(text).statements]


def test_a_chain_and_its_places() -> None:
    text = "apt-get update && apt-get install -y 'gcc' \"make\""
    script = read(text)
    assert script.is_chain
    assert [text[each.start : each.end] for each in script.statements] == text.split(" && ")
    assert [each.name for each in script.commands] == ["apt-get", "apt-get"]
    install = script.commands[1]
    assert [each.value for each in install.arguments] == ["install", "-y", "gcc", "make"]
    assert [text[each.start : each.end] for each in install.words] == [
        e.text for e in install.words
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a", [""]),
        ("a; b", [";", ""]),
        ("a\nb", [";", ""]),
        ("a && b || c", ["&&", "||", ""]),
        ("a &", ["&"]),
        ("a;", [";"]),
        ("if a; then b; fi && c", ["&&", ""]),
        ("a | b && c > d", ["&&", ""]),
    ],
)
def test_what_stands_behind_each_statement(text: str, found: list[str]) -> None:
    assert connectors(text) == found


def test_what_a_command_is_part_of() -> None:
    around = {each.name: each.around for each in read("a; (b); $(c); ! d; e | f; { g; }").commands}
    assert around["a"] == ()
    assert around["b"] == ("subshell",)
    assert around["c"][-1] == "substitution"
    assert around["d"] == ("negation",)
    assert around["e"] == around["f"] == ("pipeline",)
    assert around["g"] == ("group",)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("plain", "plain"),
        (r"a\ b", "a b"),
        ("'a b'", "a b"),
        ('"a b"', "a b"),
        (r'"a\"b\n"', r'a"b\n'),
        ("a'b'\"c\"", "abc"),
        ("$x", None),
        ('"$x"', None),
        ("a*", None),
        (r"a\*", "a*"),
        ("~", None),
        ("{a,b}", None),
        ("a$(b)", None),
    ],
)
def test_the_value_of_a_word(word: str, value: str | None) -> None:
    assert read(f"x {word}").commands[0].words[1].value == value


def test_the_name_of_a_command_has_no_directory() -> None:
    assert read("/usr/bin/apt-get update").commands[0].name == "apt-get"
    assert read("$tool update").commands[0].name == ""


def test_assignments() -> None:
    alone, before, told = read("a=1; b=2 c d; export e=3").commands
    assert (alone.assignments, alone.words) == (("a",), ())
    assert (before.assignments, before.name) == (("b",), "c")
    assert (told.assignments, told.name) == (("e",), "export")


def test_redirections_of_the_last_command() -> None:
    first, second = read("a && b > /c 2>&1").commands
    assert first.redirects == ()
    targets = [each.target.value for each in second.redirects if each.target]
    assert targets == ["/c", "1"]


@pytest.mark.parametrize(
    ("text", "is_so"),
    [
        ("a & b", True),
        ("(a &) && b", True),
        ("if a; then b & fi", True),
        ("for i in 1; do b & done", True),
        ("a && b", False),
        ("a 2>&1", False),
        ("a &> b", False),
        ("a '&' \"&\"", False),
    ],
)
def test_what_is_left_to_run_by_itself(text: str, is_so: bool) -> None:
    assert read(text).has_background is is_so


@pytest.mark.parametrize(
    ("text", "is_so"),
    [
        (": ${a:=b}", True),
        (': "${a=b}"', True),
        (": $((a = 1))", True),
        ("(( a++ )); b", True),
        (": ${a:-b} ${a%=b} ${#a}", False),
        (": $((a + 1))", False),
        ("(b)", False),
    ],
)
def test_what_sets_variables_as_words_are_expanded(text: str, is_so: bool) -> None:
    assert read(text).sets_by_expansion is is_so


def test_comments_documents_and_functions() -> None:
    assert read("a # b").has_comment
    assert read("cat <<E\nx\nE\n").has_heredoc
    assert read("f() { a; }; f").functions == frozenset({"f"})
    assert not read("a '# b'").has_comment


def test_what_is_no_shell_is_unread() -> None:
    found = parse("a && (b")
    assert isinstance(found, Unread)
    assert 0 <= found.offset <= len("a && (b")


def test_places_count_characters() -> None:
    text = "echo 'größe' && rm ü"
    script = read(text)
    assert text[script.commands[1].start : script.commands[1].end] == "rm ü"


@given(st.text(alphabet="ab &|;()'\"$\\\n#<>{}=ü", max_size=40))
def test_any_text_is_read_or_not(text: str) -> None:
    found = parse(text)
    if isinstance(found, Script):
        assert all(
            text[each.start : each.end] == each.text for c in found.commands for each in c.words
        )
        ends = [each.end for each in found.statements]
        assert ends == sorted(ends)
        assert all(0 <= each.start <= each.end <= len(text) for each in found.statements)
