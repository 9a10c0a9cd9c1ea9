"""Keys: equal work on equal content has one, and any difference gives another."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.cache.cache import key_of
from lamina.copying.reading import nameless
from lamina.oci.digest import Digest
from lamina.plan.graph import CopyOp, CopySource, Document, MakeDirOp, Op, RunMount, RunOp

A, B, C = (Digest.of(name) for name in (b"a", b"b", b"c"))
RUN = RunOp(("sh", "-c", "x"), ("A=1", "B=2"), "", "/")
COPY = CopyOp((CopySource("a"), CopySource("b")), "/d/")

# Few values each, so that two that are drawn are often equal, and often nearly.
TEXT = st.sampled_from(["", "a", "b", "a\0b", '"', "ab"])
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
SMALL = st.integers(0, 2)
MOUNTS = st.builds(
    RunMount,
    kind=st.sampled_from(["bind", "cache", "tmpfs", "secret", "ssh"]),
    target=TEXT,
    source=TEXT,
    origin=st.integers(-1, 1),
    id=TEXT,
    sharing=st.sampled_from(["shared", "private", "locked"]),
    read_only=st.booleans(),
    env=TEXT,
    size=SMALL,
    mode=st.none() | SMALL,
    uid=SMALL,
)
OPS: st.SearchStrategy[Op] = st.one_of(
    st.builds(
        RunOp,
        args=TEXTS,
        env=TEXTS,
        user=TEXT,
        cwd=TEXT,
        script=TEXT,
        mounts=st.lists(MOUNTS, max_size=2).map(tuple),
        insecure=st.booleans(),
        hosts=TEXTS,
    ),
    st.builds(
        CopyOp,
        sources=st.lists(st.builds(CopySource, TEXT, SMALL, st.booleans()), max_size=2).map(tuple),
        dest=TEXT,
        documents=st.lists(st.builds(Document, TEXT, TEXT), max_size=2).map(tuple),
        owner=st.sampled_from(["", "0", "1:2", "app", "app:1", "1:app"]),
        mode=TEXT,
        link=st.booleans(),
        exclude=TEXTS,
    ),
    st.builds(MakeDirOp, path=TEXT, owner=TEXT),
)
DIGESTS = st.lists(st.sampled_from([A, B, C]), max_size=3)
STEPS = st.tuples(OPS, DIGESTS, DIGESTS, st.none() | SMALL)
Step = tuple[Op, Sequence[Digest], Sequence[Digest], int | None]


def key(step: Step) -> Digest:
    op, below, contents, epoch = step
    return key_of(op, below, contents, epoch=epoch)


def what_matters(step: Step) -> object:
    """All of a step, but what a linked copy lies on where that has no say."""
    op, below, contents, epoch = step
    if isinstance(op, CopyOp) and op.link and "app" not in op.owner:
        below = []
    return type(op), msgspec.to_builtins(op), list(below), list(contents), epoch


@given(STEPS, STEPS)
@settings(max_examples=400)
def test_equal_steps_and_no_others_have_equal_keys(one: Step, two: Step) -> None:
    assert (key(one) == key(two)) == (what_matters(one) == what_matters(two))


@given(STEPS, st.data())
@settings(max_examples=200)
def test_one_change_is_another_key(step: Step, data: st.DataObject) -> None:
    op, below, contents, epoch = step
    fields = [each.name for each in msgspec.structs.fields(op)]
    other = data.draw(OPS.filter(lambda each: type(each) is type(op)))
    name = data.draw(st.sampled_from(fields))
    changed = msgspec.structs.replace(op, **{name: getattr(other, name)})
    again = (changed, below, contents, epoch)
    assert (key(step) == key(again)) == (what_matters(step) == what_matters(again))


@pytest.mark.parametrize(
    ("below", "contents"), [((A, B), (C,)), ((A,), (B, C)), ((A, B, C), ()), ((B, A), (C,))]
)
def test_what_lies_below_is_not_what_is_read(
    below: tuple[Digest, ...], contents: tuple[Digest, ...]
) -> None:
    every = [((A, B), (C,)), ((A,), (B, C)), ((A, B, C), ()), ((B, A), (C,))]
    same = [pair for pair in every if key_of(RUN, *pair) == key_of(RUN, below, contents)]
    assert same == [(below, contents)]


def test_the_order_of_instructions_counts() -> None:
    assert key_of(RUN, [A, B], []) != key_of(RUN, [B, A], [])


def test_a_linked_copy_stands_on_nothing() -> None:
    linked = msgspec.structs.replace(COPY, link=True)
    assert key_of(linked, [A], [C]) == key_of(linked, [B], [C])
    assert key_of(COPY, [A], [C]) != key_of(COPY, [B], [C])


@pytest.mark.parametrize(
    ("owner", "depends"), [("1000:1000", False), ("app", True), ("0:app", True)]
)
def test_a_linked_copy_whose_owner_is_a_name_stands_on_who_knows_it(
    owner: str, depends: bool
) -> None:
    linked = msgspec.structs.replace(COPY, link=True, owner=owner)
    assert (key_of(linked, [A], [C]) != key_of(linked, [B], [C])) is depends


def test_where_content_lay_does_not_matter() -> None:
    other = msgspec.structs.replace(COPY, sources=(CopySource("x", 3), CopySource("y")))
    assert key_of(nameless(COPY), [A], [B, C]) == key_of(nameless(other), [A], [B, C])
    assert key_of(nameless(COPY), [A], [B, C]) != key_of(nameless(COPY), [A], [C, B])
