"""Variables in words, against BuildKit's rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.dockerfile.expand import (
    BadSubstitution,
    expand,
    expand_document,
    expand_words,
    heredoc_name,
    raw_words,
)

VALUES = {
    "PWD": "/home",
    "SHELL": "bash",
    "KOREAN": "한국어",
    "EMPTY": "",
    "PATH": "/usr/local/bin:/usr/bin",
    "SPACED": "a b",
    "URL": "https://example.org/a/b.tar.gz",
    "LINES": "a\nb",
}


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("", ""),
        ("hello", "hello"),
        ("he'll'o", "hello"),
        ("he'll\\'o'", None),
        ("he\\'llo", "he'llo"),
        ('he"llo"', "hello"),
        ('he"l\\"lo"', 'hel"lo'),
        ('he"l\\lo"', "hel\\lo"),
        ('"\\$PWD"', "$PWD"),
        ("'$PWD'", "$PWD"),
        ("$PWD", "/home"),
        ("${PWD}", "/home"),
        ("$PWDx", ""),
        ("$한국어", ""),
        ("$x²", "²"),
        ("${PWD}x", "/homex"),
        ("\\$PWD", "$PWD"),
        ("\\\\$PWD", "\\/home"),
        ("$", "$"),
        ("a$", "a$"),
        ("$ x", "$ x"),
        ("$1 $10x $@ $? $$", " x   "),
        ("${}", None),
        ("${", None),
        ("${:x}", None),
        ("${PWD", None),
        ("${PWD:=x}", None),
        ("${PWD:", None),
        ("${PWD=x}", None),
        ("${UNSET-x}", "x"),
        ("${UNSET:-x}", "x"),
        ("${EMPTY-x}", ""),
        ("${EMPTY:-x}", "x"),
        ("${PWD:-x}", "/home"),
        ("${UNSET+x}", ""),
        ("${EMPTY+x}", "x"),
        ("${EMPTY:+x}", ""),
        ("${PWD:+x}", "x"),
        ("${UNSET:-${PWD}/x}", "/home/x"),
        ("${UNSET:-$SHELL}", "bash"),
        ('${UNSET:-"a b"}', "a b"),
        ("${PWD:?no}", "/home"),
        ("${UNSET:?no}", None),
        ("${EMPTY?no}", ""),
        ("${EMPTY:?no}", None),
        ("${KOREAN}", "한국어"),
        ("${PATH#*/}", "usr/local/bin:/usr/bin"),
        ("${PATH##*/}", "bin"),
        ("${PATH%/*}", "/usr/local/bin:/usr"),
        ("${PATH%%:*}", "/usr/local/bin"),
        ("${PATH%%/*}", ""),
        ("${PATH#nothing}", "/usr/local/bin:/usr/bin"),
        ("${PATH:#/usr}", "/local/bin:/usr/bin"),
        ("${PATH:/a/b}", None),
        ("${SHELL#b?}", "sh"),
        ("${SHELL/a/o}", "bosh"),
        ("${PATH/bin/sbin}", "/usr/local/sbin:/usr/bin"),
        ("${PATH//bin/sbin}", "/usr/local/sbin:/usr/sbin"),
        ("${PATH//:*/}", "/usr/local/bin"),
        ("${URL##*/}", "b.tar.gz"),
        ("${SHELL//*/x}", "x"),
        ("${SHELL///-}", "-b-a-s-h-"),
        ("${EMPTY//*/x}", "x"),
        ("${SHELL/*/x}", "x"),
        ("${SHELL#\\b}", None),
        ("${URL%\\/*}", "https://example.org/a"),
        ("${SHELL%h\\}}", "bash"),
        ('${SHELL#"b"}', "ash"),
        ("${LINES%%b*}", "a\n"),
        ("${LINES#*}", "a\nb"),
        ("${LINES##*}", "\nb"),
        ("${SPACED/ /\\}}", "a\\}b"),
        ("'", None),
        ('"', None),
        ("${SHELL%\\", None),
    ],
)
def test_words(text: str, result: str | None) -> None:
    if result is None:
        with pytest.raises(BadSubstitution):
            expand(text, VALUES)
    else:
        assert expand(text, VALUES) == result


def test_the_message_of_a_required_variable_is_the_files() -> None:
    with pytest.raises(BadSubstitution, match="VERSION: give a version"):
        expand("${VERSION:?give a version}", {})
    with pytest.raises(BadSubstitution, match="VERSION: is not allowed to be unset"):
        expand("${VERSION?}", {})
    with pytest.raises(BadSubstitution, match="VERSION: is not allowed to be empty"):
        expand("${VERSION:?}", {"VERSION": ""})


def test_another_escape_character() -> None:
    assert expand("C:\\dir`$x$x", {"x": "1"}, escape="`") == "C:\\dir$x1"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a  b", ["a", "b"]),
        ("$SPACED", ["a", "b"]),
        ('"$SPACED"', ["a b"]),
        ("'a b' c", ["a b", "c"]),
        ("a\\ b", ["a b"]),
        ("x${SPACED}y", ["xa", "by"]),
        ("$EMPTY", []),
        ("", []),
    ],
)
def test_splitting(text: str, words: list[str]) -> None:
    assert expand_words(text, VALUES) == words


def test_a_document_keeps_its_quotes() -> None:
    text = "\"a\" '$x' \\$x ${x}\n\\\n"
    assert expand_document(text, {"x": "1"}) == "\"a\" '1' $x 1\n\n"


def test_raw_words_change_nothing() -> None:
    assert raw_words('a \'$x y\' "b\\" c" $z') == ["a", "'$x y'", '"b\\" c"', "$z"]
    assert raw_words("it's") == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("EOF", ("EOF", False)),
        ("'E F'", ("E F", True)),
        ('"x"', ("x", True)),
        ('a"b"', ("ab", True)),
        ("\\EOF", ("EOF", False)),
        ("$x", ("$x", False)),
        ("a b", None),
        ('""', None),
    ],
)
def test_the_name_of_a_heredoc(text: str, named: tuple[str, bool] | None) -> None:
    assert heredoc_name(text) == named


@given(st.text(alphabet=st.characters(exclude_characters="$'\"\\", exclude_categories=["Cs"])))
def test_text_without_marks_stays(text: str) -> None:
    assert expand(text, VALUES) == text


@given(st.text())
def test_single_quotes_are_literal(text: str) -> None:
    inner = text.replace("'", "")
    assert expand(f"'{inner}'", VALUES) == inner


@given(st.text(alphabet="${}:-+?#%/*abcX'\"\\ ", max_size=40))
def test_anything_expands_or_is_refused(text: str) -> None:
    for function in (expand, expand_words):
        try:
            function(text, {"a": "1", "b": "x y", "X": "a/b/c"})
        except BadSubstitution:
            pass


@given(st.text(alphabet="ab/.", max_size=12), st.text(alphabet="ab/.*?", min_size=1, max_size=5))
def test_a_prefix_taken_is_the_shortest_or_longest_match(value: str, pattern: str) -> None:
    from fnmatch import fnmatchcase

    matching = [size for size in range(len(value) + 1) if fnmatchcase(value[:size], pattern)]
    short, long = (matching[0], matching[-1]) if matching else (0, 0)
    word = pattern.replace("/", "\\/")
    assert expand(f"${{v#{word}}}", {"v": value}) == value[short:]
    assert expand(f"${{v##{word}}}", {"v": value}) == value[long:]


Model = tuple[str, str | None]
"""A text as a file would have it, and what it means; None when it must be refused."""

SET = {"x": "a/b.a", "y": "", "z": "ab ba"}
UNSET = "u"


def joined(parts: list[Model]) -> Model:
    meanings = [meaning for _, meaning in parts]
    known = [meaning for meaning in meanings if meaning is not None]
    return "".join(text for text, _ in parts), (
        "".join(known) if len(known) == len(meanings) else None
    )


def defaulted(name: str, mark: str, word: Model) -> Model:
    """`${v-w}` and its kin, by the table of the shell's manual."""
    text, meaning = word
    value = SET.get(name)
    counts = value is not None and (value != "" or not mark.startswith(":"))
    written = f"${{{name}{mark}{text}}}"
    if meaning is None:
        return written, None
    if mark.endswith("-"):
        return written, value if counts else meaning
    if mark.endswith("+"):
        return written, meaning if counts else ""
    return written, value if counts else None


def trimmed(name: str, mark: str, pattern: str) -> Model:
    """`${v#p}` and its kin: try every beginning, or end, and take the shortest or longest."""
    value = SET.get(name, "")
    places = [at for at in range(len(value) + 1) if fits(pattern, cut(value, mark, at))]
    if places:
        short = min(places) if mark[0] == "#" else max(places)
        long = max(places) if mark[0] == "#" else min(places)
        at = long if len(mark) == 2 else short
        value = value[at:] if mark[0] == "#" else value[:at]
    return f"${{{name}{mark}{pattern.replace('/', chr(92) + '/')}}}", value


def cut(value: str, mark: str, at: int) -> str:
    return value[:at] if mark[0] == "#" else value[at:]


def fits(pattern: str, text: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(fits(pattern[1:], text[at:]) for at in range(len(text) + 1))
    return bool(text) and pattern[0] in ("?", text[0]) and fits(pattern[1:], text[1:])


variables = st.sampled_from([*SET, UNSET])
trim_patterns = st.text(alphabet="ab/.*?", min_size=1, max_size=4)
simple: st.SearchStrategy[Model] = st.one_of(
    st.text(alphabet="ab.:,", min_size=1, max_size=3).map(lambda text: (text, text)),
    st.sampled_from("ab$'\" }").map(lambda mark: ("\\" + mark, mark)),
    st.text(alphabet='ab $"}\\', max_size=3).map(lambda text: (f"'{text}'", text)),
    variables.map(lambda name: (f"${{{name}}}", SET.get(name, ""))),
    variables.map(lambda name: (f"${name}.", SET.get(name, "") + ".")),
    st.builds(trimmed, variables, st.sampled_from(["#", "##", "%", "%%"]), trim_patterns),
)
modifiers = st.sampled_from([":-", "-", ":+", "+", ":?", "?"])
models = st.recursive(
    simple,
    lambda inner: st.builds(
        defaulted, variables, modifiers, st.lists(inner, min_size=1, max_size=3).map(joined)
    ),
    max_leaves=4,
)


@given(st.lists(models, max_size=3).map(joined))
def test_expansion_means_what_its_parts_mean(model: Model) -> None:
    text, meaning = model
    try:
        found = expand(text, SET)
    except BadSubstitution:
        found = None
    assert found == meaning


@given(st.text(alphabet="ab", min_size=1, max_size=2), st.text(alphabet="ab", max_size=8))
def test_replacing_literal_text_is_what_python_replaces(pattern: str, value: str) -> None:
    assert expand(f"${{v//{pattern}/-}}", {"v": value}) == value.replace(pattern, "-")
    assert expand(f"${{v/{pattern}/-}}", {"v": value}) == value.replace(pattern, "-", 1)
