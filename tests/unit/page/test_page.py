"""The page of one image, or of two: what stands in it, to the byte, and what cannot."""

from __future__ import annotations

import html
import json
import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given

from lamina.explain.cause import Base, Origin
from lamina.explain.fate import CAUSES
from lamina.explain.stack import Stack
from lamina.layer.contract import Listing
from lamina.layer.entry import Entry, Kind
from lamina.oci.config import Execution, History, ImageConfig
from lamina.oci.digest import Digest
from lamina.oci.platform import Platform
from lamina.page import tables
from lamina.page.markup import Markup, amount, element, joined
from lamina.page.page import page
from lamina.page.strata import bands, drawing, spread
from lamina.page.subject import subjects
from lamina.page.tree import DEPTH, tree
from tests.fakes.stacks import numbered, stack_of
from tests.unit.layer.stacks import listing, stacks

MEGA = 1_000_000
EVIL = "<img src=x onerror=alert(1)>"


def seed() -> Stack:
    """A stack that hides in every way."""
    return stack_of(
        [
            listing(f"f bin/sh {90 * MEGA}", f"f bin/dup {4 * MEGA} same", "f etc/a 100 old"),
            listing("d home", "f home/50M.file 52428800"),
            listing("w home/50M.file", f"f bin/dup {4 * MEGA} same", "f etc/a 120 new"),
        ],
        numbered(["ADD rootfs /", "RUN dd of=50M.file", "RUN rm 50M.file"]),
        name="seed:latest",
        base=Base("debian:bookworm", 1),
    )


class Reader(HTMLParser):
    """The elements of a page, with their attributes."""

    def __init__(self, text: bytes) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def data_of(text: bytes) -> Any:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text.decode())
    assert found is not None
    return json.loads(found[1])


def leaves(node: list[Any]) -> list[list[Any]]:
    """The files of a packed tree, those that are added up among them."""
    if isinstance(node[1], list):
        return [leaf for each in node[1] for leaf in leaves(each)]
    return [node]


def totals(packed: list[Any]) -> tuple[dict[int, int], dict[tuple[int, int], int]]:
    """Visible bytes of each layer, and hidden ones of each layer and who hides them."""
    seen: dict[int, int] = {}
    lost: dict[tuple[int, int], int] = {}
    for _, size, layer, *fate in leaves(packed):
        if fate:
            lost[layer, fate[0]] = lost.get((layer, fate[0]), 0) + size
        else:
            seen[layer] = seen.get(layer, 0) + size
    return seen, lost


def assert_agrees(stack: Stack, packed: list[Any]) -> None:
    seen, lost = totals(packed)
    for place, layer in enumerate(stack.account.layers):
        assert seen.get(place, 0) == layer.visible_bytes
        hidden = {by: size for (shipped, by), size in lost.items() if shipped == place}
        assert hidden == dict(layer.hidden_by)
    files = [entry for each in stack.listings for entry in each.entries if entry.size]
    names = [name for name, *_ in leaves(packed)]
    assert sum(1 if isinstance(name, str) else name for name in names) == len(files)


@given(stacks)
def test_the_tree_adds_up_to_the_account_however_few_files_have_names(
    layers: list[Listing],
) -> None:
    stack = stack_of(layers)
    for largest in (0, 1, 3, 100):
        assert_agrees(stack, tree(stack, largest=largest))


def test_a_large_image_is_folded_and_still_exact() -> None:
    def file(number: int, size: int) -> Entry:
        path = f"usr/lib/p{number % 300}/s{number % 7}/file{number}.py"
        return Entry(path, Kind.FILE, 0o644, 0, 0, size, 0, sha256=Digest.of(b"%d" % size).raw)

    below = tuple(file(number, 1 + number * 7919 % 60_000) for number in range(30_000))
    above = tuple(file(number, 5 + number % 90) for number in range(0, 30_000, 3))
    stack = stack_of([Listing(Digest.of(b"0"), below, 0), Listing(Digest.of(b"1"), above, 0)])
    text = page(stack)
    assert len(text) < 1_500_000
    assert_agrees(stack, data_of(text)["images"][0]["tree"])
    shown = Reader(text).all("tr")
    assert len(shown) < 400, "10,000 findings do not have a row each"


def test_the_largest_files_go_by_name_and_the_rest_are_counted() -> None:
    stack = stack_of([listing("f a/x 5", "f a/y 9", "f a/z 1", "f b/q 1")])
    assert tree(stack, largest=1) == ["/", [["a", [["y", 9, 0], [2, 6, 0]]], ["b", [[1, 1, 0]]]]]


def test_a_hidden_file_says_by_whom_and_how() -> None:
    stack = stack_of([listing("f a 5"), listing("w a")])
    (name, size, layer, hidden_by, cause) = tree(stack)[1][0]
    assert (name, size, layer, hidden_by, CAUSES[cause].value) == ("a", 5, 0, 1, "deleted")


def test_a_path_of_four_kilobytes_nests_no_deeper_than_readers_go() -> None:
    deep = "/".join("d" * 2047)
    node = tree(stack_of([listing(f"f {deep} 7")]))
    depth = 0
    while isinstance(node[1], list):
        (node,) = node[1]
        depth += 1
    assert depth == DEPTH + 1
    assert node[1:] == [7, 0] and len(node[0]) <= 300
    json.loads(json.dumps(node))


def test_numbers_of_the_page_are_those_of_the_account() -> None:
    stack = seed()
    text = page(stack)
    rows = [each for each in Reader(text).all("tr") if (each.get("id") or "").startswith("layer-")]
    assert [(int(row["data-visible"] or 0), int(row["data-hidden"] or 0)) for row in rows] == [
        (layer.visible_bytes, layer.hidden_bytes) for layer in stack.account.layers
    ]
    values = [int(each["value"] or 0) for each in Reader(text).all("data")]
    account = stack.account
    assert values[:3] == [account.bytes, account.visible_bytes, account.hidden_bytes]
    assert "150.4 MB</data></strong> = " in text.decode()
    assert 'title="52,428,800 bytes">52.4 MB<' in text.decode()


def test_nothing_hidden_is_said_and_needs_no_table() -> None:
    text = page(stack_of([listing("f a 7")], name="clean:1")).decode()
    assert "all of it visible" in text
    assert "every byte that ships can be seen" in text
    assert 'class="findings cards"' not in text


@pytest.mark.parametrize("layers", [[], [listing("d a")]], ids=["no-layers", "no-bytes"])
def test_an_image_of_nothing_has_a_page(layers: list[Listing]) -> None:
    assert "no files with any content" in page(stack_of(layers)).decode()


def test_findings_without_a_row_are_added_up() -> None:
    stack = seed()
    text = tables.findings_table(subjects([stack])[0], limit=1)
    assert "2 smaller" in text
    assert f'value="{4 * MEGA + 100}"' in text


def test_what_is_in_both_images_is_marked_and_has_one_colour() -> None:
    old, new = seed(), stack_of([*seed().listings[:1], listing("f srv/new 77")], name="new:1")
    first, second = subjects([old, new])
    assert dict(first.shared) == dict(second.shared) == {0: "1"}
    assert first.colours[0] == second.colours[0]
    assert second.colours[1] not in first.colours
    text = page(new, old).decode()
    assert text.index("seed:latest") < text.index("new:1"), "the old one stands on the left"
    own = new.account.bytes - old.account.bytes
    assert f'<data value="{own}" title="{own:+,} bytes">−' in text
    assert [image["name"] for image in data_of(text.encode())["images"]] == ["seed:latest", "new:1"]


def test_two_images_are_drawn_to_one_scale_and_stand_on_one_ground() -> None:
    old, new = seed(), stack_of([listing(f"f a {MEGA}")])
    drawn = drawing([old, new])
    for stack in (old, new):
        found = bands(stack, drawn)
        assert found[-1].top + found[-1].height == pytest.approx(drawn.height)
        for band in found:
            size = stack.account.layers[band.layer].bytes
            assert band.height == pytest.approx(drawn.scale * size)


def test_labels_stand_apart_in_order_and_as_near_as_they_can() -> None:
    assert spread([], 10, 100) == []
    assert spread([50], 10, 100) == [50]
    assert spread([0, 0, 100], 10, 100) == [5, 15, 95]
    assert spread([99, 99, 99], 10, 100) == [75, 85, 95]
    assert spread([50, 50], 10, 20) == [5, 15]


def test_instructions_without_a_layer_have_their_line() -> None:
    config = ImageConfig.scratch(Platform("amd64")).amend(
        diff_ids=[Digest.of(b"1")],
        history=[
            History("2026-01-01T00:00:00Z", "ADD rootfs /"),
            History("2026-01-02T00:00:00Z", 'CMD ["sh"]', empty_layer=True),
        ],
        execution=Execution(),
        created="2026-01-02T00:00:00Z",
    )
    stack = stack_of([listing("f a 7")], numbered(["ADD rootfs /"]), config=config)
    text = page(stack).decode()
    table = text[text.index('class="instructions') :]
    assert (
        table.index("ADD rootfs /") < table.index("CMD [&quot;sh&quot;]") < table.index("no layer")
    )
    assert "linux/amd64" in text and ">2026-01-02 00:00<" in text


def test_a_container_has_its_own_layer_last() -> None:
    layers = [listing("f a 7"), listing("w a", "f b 1")]
    stack = stack_of(layers, [*numbered(["ADD rootfs /"]), Origin("rw", "sh")], identity="c0ffee")
    text = page(stack).decode()
    assert "container id" in text and "diff_id" in text
    assert data_of(text.encode())["images"][0]["layers"][1][0] == "rw"


def hostile() -> Stack:
    def file(path: str, size: int = 1000) -> Entry:
        return Entry(path, Kind.FILE, 0o644, 0, 0, size, 0)

    names = [
        f"etc/{EVIL}",
        "etc/<script>alert(2)<\\script>",
        'etc/" onmouseover="alert(3)',
        "etc/\x1b[31mred\r\n\u202eexe.\u2028",
        "etc/caf\udce9",
        "etc/${title} $$ --><!--",
        "/".join(["x" * 200] * 20),
    ]
    below = Listing(Digest.of(b"1"), tuple(map(file, names)), 0)
    gone = [f"{path.rpartition('/')[0]}/.wh.{path.rpartition('/')[2]}" for path in names[:5]]
    above = Listing(Digest.of(b"2"), tuple(file(path, 0) for path in gone), 0)
    made = [Origin("1", f"RUN {EVIL}\x1b", EVIL, EVIL), Origin("2", '" onclick="alert(4)')]
    return stack_of([below, above], made, name=f"evil{EVIL}\u202e", identity=EVIL)


def test_nothing_that_an_image_wrote_becomes_markup_or_reorders_the_page() -> None:
    text = page(hostile())
    elements = Reader(text)
    assert not elements.all("img") and len(elements.all("script")) == 2
    assert not [name for _, each in elements.found for name in each if name.startswith("on")]
    shown = html.unescape(text.decode())
    assert "\x1b" not in shown and "\u202e" not in shown and "\u2028" not in shown
    assert "caf\\xe9" in shown and "\\e[31mred\\r\\n\\u202eexe." in shown
    assert "<" not in re.findall(r'id="data">(.*?)</script>', text.decode())[0]
    names = {name for name, *_ in leaves(data_of(text)["images"][0]["tree"])}
    assert "${title} $$ --><!--" in names


def test_the_page_asks_nothing_of_a_network_and_runs_no_script_but_its_own() -> None:
    text = page(seed())
    elements = Reader(text)
    assert b"http:" not in text and b"https:" not in text and b"url(" not in text
    for _, attributes in elements.found:
        assert "src" not in attributes
        href = attributes.get("href") or "#"
        assert href.startswith("#") or href == "data:,"
    (policy,) = [
        each["content"] or ""
        for each in elements.all("meta")
        if each.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none'; ")
    script = text.decode().rpartition("<script>")[2].partition("</script>")[0]
    digest = b64encode(sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in policy


def test_the_same_stack_gives_the_same_page() -> None:
    assert page(seed()) == page(seed())
    assert page(seed(), seed()) == page(seed(), seed())


def test_links_of_the_page_lead_somewhere() -> None:
    elements = Reader(page(seed(), seed()))
    ids = [str(each["id"]) for _, each in elements.found if "id" in each]
    assert len(ids) == len(set(ids))
    assert {str(each["href"]).removeprefix("#") for each in elements.all("a")} <= set(ids)


def test_text_is_escaped_and_elements_are_not() -> None:
    made = element("p", "a < b", Markup("<b>c</b>"), class_="x", data_n=3, hidden=True, id=None)
    assert made == '<p class="x" data-n="3" hidden>a &lt; b<b>c</b></p>'
    assert joined("a & b", element("i")) == "a &amp; b<i></i>"
    assert element("p", title='"<') == '<p title="&quot;&lt;"></p>'
    assert amount(1500, sign=True) == '<data value="1500" title="+1,500 bytes">+1.5 kB</data>'


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2) of `#rrggbb`."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_can_be_read_on_every_colour_that_it_stands_on(theme: int) -> None:
    style = page(seed()).decode()
    named = re.findall(r"--(\w+): light-dark\((#\w{6}), (#\w{6})\)", style)
    colours = {name: values[theme] for name, *values in named}
    layers = {name for name in colours if name.startswith(("hue", "grey"))}
    assert len(layers) == 10
    pairs = [("ink", under) for under in (*layers, "paper", "raised")]
    pairs += [
        (text, under)
        for text in ("quiet", "accent", "seen", "lost")
        for under in ("paper", "raised")
    ]
    found = {(a, b): contrast(colours[a], colours[b]) for a, b in pairs}
    assert {pair: ratio for pair, ratio in found.items() if ratio < 4.5} == {}
