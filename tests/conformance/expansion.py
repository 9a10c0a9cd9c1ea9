"""Every form of `${x}`."""

from __future__ import annotations

from tests.conformance.case import PATH, Node, case, file


def shown(value: str) -> tuple[Node, ...]:
    """The tree of a case that prints one value in brackets."""
    return (file("f", f"[{value}]\n"),)


EXPANSION = tuple(
    case(
        f"expansion {form}",
        f'FROM busybox\nARG x=hello.tar.gz\nARG empty=\nENV V={form}\nRUN echo "[$V]" > /f\n',
        tree=shown(value),
        config={"Env": [PATH, f"V={value}"]},
    )
    for form, value in (
        ("$x", "hello.tar.gz"),
        ("${x}", "hello.tar.gz"),
        ("a${x}b", "ahello.tar.gzb"),
        ("${x:-other}", "hello.tar.gz"),
        ("${empty:-other}", "other"),
        ("${nosuch:-other}", "other"),
        ("${empty-other}", ""),
        ("${nosuch-other}", "other"),
        ("${x:+other}", "other"),
        ("${empty:+other}", ""),
        ("${empty+other}", "other"),
        ("${nosuch+other}", ""),
        ("${nosuch:-${x}}", "hello.tar.gz"),
        ("${x#*.}", "tar.gz"),
        ("${x##*.}", "gz"),
        ("${x%.*}", "hello.tar"),
        ("${x%%.*}", "hello"),
        ("${x/l/L}", "heLlo.tar.gz"),
        ("${x//l/L}", "heLLo.tar.gz"),
        ("${x//[lo]/_}", "hello.tar.gz"),
        ("\\$x", "$x"),
        ("'$x'", "$x"),
        ('"$x"', "hello.tar.gz"),
        ('"a b"', "a b"),
        ("a\\ b", "a b"),
        ("$nosuch", ""),
    )
)
