"""The page of `explain --html` in a real browser: by mouse, by keyboard, on a phone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from lamina.store.contract import Store
from tests.system.conftest import Lamina, need_tool
from tests.unit.cli import sample

WIDE, PHONE = (1280, 900), (360, 740)
STICKS_OUT = """width => [...document.querySelectorAll("main *")]
    .filter(each => !each.closest(".unseen, caption, .cell, .labels, .legend, .detail"))
    .filter(each => each.getBoundingClientRect().right > width)
    .map(each => each.outerHTML.slice(0, 80))"""
"""What reaches past the window; what is clipped with an ellipsis is not asked."""
EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    chromium = need_tool("chromium", "chromium")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield running
        running.close()


@contextmanager
def opened(
    browser: Browser, path: Path, *, size: tuple[int, int] = WIDE, **options: Any
) -> Iterator[Page]:
    """A page that must complain of nothing, show no dialog and ask nobody."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, **options)
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("dialog", lambda dialog: wrong.append(f"dialog: {dialog.message}"))
    asked: set[str] = set()
    page.on("request", lambda request: asked.add(request.url))
    page.goto(path.as_uri())
    try:
        yield page
        assert (wrong, asked) == ([], {path.as_uri()})
    finally:
        context.close()


@pytest.fixture
def shop(store: Store, lamina: Lamina) -> Lamina:
    """The command on a store with an image that hides in several ways, and the one before it."""
    assert store.root == lamina.root
    base = sample.debian(store)
    copied: sample.Files = {
        "srv/app/data": b"d" * 40_000,
        "srv/app/lib/x": b"x" * 20_000,
        "srv/app/lib/y": b"y" * 10_000,
        "srv/app/tiny": b"t",
    }
    steps: list[tuple[str, sample.Files | None]] = [("COPY app /srv/app # buildkit", copied)]
    sample.make(store, "shop:1", steps, base=base)
    steps += [
        ("RUN /bin/sh -c chown -R app /srv/app/lib # buildkit", {"srv/app/lib/x": b"x" * 20_000}),
        ("ENV A=1", None),
        ("RUN /bin/sh -c rm /srv/app/data # buildkit", {"srv/app/.wh.data": b""}),
    ]
    sample.make(store, "shop:2", steps, base=base)
    return lamina


@pytest.fixture
def written(shop: Lamina, tmp_path: Path) -> Path:
    """The page of that image."""
    path = tmp_path / "shop.html"
    said = shop("explain", "shop:2", "--html", str(path)).stdout
    assert said.startswith(f"wrote {path}, ") and said.count("\n") == 1
    return path


def numbers(page: Page, selector: str) -> list[int]:
    """The exact bytes that stand there."""
    return [
        int(each.get_attribute("value") or "") for each in page.locator(f"{selector} data").all()
    ]


def cells(page: Page) -> list[str]:
    """The names in the treemap that can be reached, the largest first."""
    return page.locator(".treemap > button.cell > .name bdi").all_inner_texts()


def focused(page: Page) -> str:
    found: str = page.evaluate(
        "document.activeElement.getAttribute('aria-label') || document.activeElement.textContent"
    )
    return found


def test_the_numbers_on_the_page_are_those_of_the_json(
    browser: Browser, shop: Lamina, written: Path
) -> None:
    truth = json.loads(shop("explain", "shop:2", "--format", "json").stdout)
    with opened(browser, written) as page:
        assert numbers(page, ".sum") == [
            truth["bytes"],
            truth["visible_bytes"],
            truth["hidden_bytes"],
        ]
        assert numbers(page, ".labels") == [each["bytes"] for each in truth["layers"][::-1]]
        rows = page.locator(".findings tbody tr")
        for row, finding in zip(rows.all(), truth["findings"], strict=True):
            said = row.locator("td").all_inner_texts()
            assert (said[0], said[1]) == (finding["cause"], finding["path"])
            assert said[4:] == [finding["layer"], finding["hidden_by"]]
            assert [
                int(each.get_attribute("value") or "") for each in row.locator("data").all()
            ] == [
                finding["bytes"],
                finding["files"],
            ]
        # The treemap adds up what it draws by itself.
        assert numbers(page, "#files .path") == [truth["bytes"]]
        for shown, total in (("visible", "visible_bytes"), ("hidden", "hidden_bytes")):
            page.get_by_role("button", name=shown, exact=True).click()
            assert numbers(page, "#files .path") == [truth[total]]


def test_strata_and_cells_are_to_scale(browser: Browser, shop: Lamina, written: Path) -> None:
    truth = json.loads(shop("explain", "shop:2", "--format", "json").stdout)
    with opened(browser, written) as page:
        height = page.locator(".column").evaluate("each => each.clientHeight")
        bands = page.locator(".band").evaluate_all("all => all.map(each => each.offsetHeight)")
        for drawn, layer in zip(bands, truth["layers"][::-1], strict=True):
            assert drawn == pytest.approx(height * layer["bytes"] / truth["bytes"], abs=1.5)
        area = page.locator(".treemap").evaluate("each => each.clientWidth * each.clientHeight")
        drawn = page.locator(".treemap > button.cell").evaluate_all(
            "all => all.map(each => each.offsetWidth * each.offsetHeight)"
        )
        sizes = {"bin": 120_000, "srv": 90_001, "usr": 35_000}
        assert cells(page) == list(sizes)
        for found, size in zip(drawn, sizes.values(), strict=True):
            assert found == pytest.approx(area * size / truth["bytes"], rel=0.02)


def test_by_mouse(browser: Browser, written: Path) -> None:
    with opened(browser, written) as page:
        # A layer, from its stratum: it is marked, told, and the findings are those it is in.
        page.locator('.band[data-layer="1"]').click()
        assert "COPY app /srv/app" in page.locator(".chosen").inner_text()
        assert numbers(page, ".chosen") == [10_001, 60_000]
        assert page.locator(".labels [aria-selected=true]").count() == 1
        assert page.locator(".treemap .dim").count() > 0
        page.get_by_role("button", name="All layers").click()
        assert page.locator(".chosen").is_hidden() and page.locator(".treemap .dim").count() == 0
        page.locator('.labels a[data-layer="3"]').click()
        assert page.locator(".findings tbody tr:visible").count() == 1
        assert page.locator(".status").inner_text() == "1 of 2: shipped or hidden by layer 4"
        page.locator('.labels a[data-layer="3"]').click()
        assert page.locator(".findings tbody tr:visible").count() == 2
        # The treemap, down and up again by its path; what is too small to point at by a button.
        page.locator(".treemap > .cell", has_text="srv").first.click()
        page.locator(".treemap > .cell", has_text="app").first.click()
        assert cells(page) == ["lib", "data"]
        assert numbers(page, "#files .path") == [90_001]
        page.get_by_role("button", name="and 1 smaller, 1 B").click()
        assert cells(page) == ["tiny"]
        page.locator(".path").get_by_role("button", name="srv").click()
        assert cells(page) == ["app"]
        page.locator(".path").get_by_role("button", name="/").click()
        assert cells(page) == ["bin", "srv", "usr"]
        # What is pointed at is said below.
        page.locator(".treemap > .cell", has_text="srv").first.hover(position={"x": 4, "y": 4})
        assert numbers(page, ".detail") == [90_001, 30_001, 60_000]


def test_by_keyboard(browser: Browser, written: Path) -> None:
    with opened(browser, written) as page:
        page.keyboard.press("Tab")
        assert focused(page) == "Skip to the report"
        assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert "RUN rm /srv/app/data" in focused(page), "the first thing after the skip: the strata"
        page.keyboard.press("ArrowDown")
        assert "RUN chown" in focused(page)
        page.keyboard.press("End")
        page.keyboard.press("Enter")
        assert page.locator(".chosen .swatch").inner_text() == "1"
        page.keyboard.press("Escape")
        assert page.locator(".chosen").is_hidden()
        for _ in range(4):
            page.keyboard.press("Tab")
        assert focused(page) == "bin, directory, 120.0 kB"
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid", "where one is can be seen"
        page.keyboard.press("ArrowRight")
        assert focused(page) == "srv, directory, 90.0 kB, 60.0 kB of it hidden"
        page.keyboard.press("Enter")
        page.keyboard.press("Enter")
        page.keyboard.press("End")
        assert focused(page) == "data, 40.0 kB, layer 2, deleted by layer 4"
        page.keyboard.press("Home")
        page.keyboard.press("Enter")
        assert cells(page) == ["x", "x", "y"], "the copy that is hidden, and the one that is seen"
        for name in ("lib", "app", "srv"):
            page.keyboard.press("Escape")
            assert focused(page).startswith(f"{name}, directory"), "one is where one came from"
        assert page.locator("[aria-live=polite].unseen").inner_text().startswith("/, directory")


def test_findings_are_sorted(browser: Browser, written: Path) -> None:
    with opened(browser, written) as page:
        head = page.locator(".findings th", has_text="bytes")
        paths = page.locator(".findings td.path")
        assert head.get_attribute("aria-sort") == "descending"
        assert paths.all_inner_texts() == ["/srv/app/data", "/srv/app/lib/x"]
        head.get_by_role("button").click()
        assert head.get_attribute("aria-sort") == "ascending"
        assert paths.all_inner_texts() == ["/srv/app/lib/x", "/srv/app/data"]
        cause = page.locator(".findings th", has_text="cause")
        cause.get_by_role("button").press("Enter")
        assert cause.get_attribute("aria-sort") == "ascending"
        assert head.get_attribute("aria-sort") is None
        assert page.locator(".findings td.cause").all_inner_texts() == ["deleted", "duplicated"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark(browser: Browser, written: Path, scheme: str) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    with opened(browser, written, color_scheme=scheme) as page:
        before = page.evaluate(background)
        other = "light" if scheme == "dark" else "dark"
        page.get_by_role("button", name=f"Change to {other} colours").click()
        after = page.evaluate(background)
        assert before != after
        page.reload()
        assert page.evaluate(background) == after, "the choice is remembered"


def test_without_scripts_the_tables_are_there(browser: Browser, written: Path) -> None:
    with opened(browser, written, java_script_enabled=False) as page:
        assert page.locator(".findings tbody tr:visible").count() == 2
        assert page.locator(".instructions tbody tr:visible").count() == 5
        assert page.locator(".band").count() == 4
        assert "does not run here" in page.locator("noscript").inner_text()


def test_two_images_side_by_side(browser: Browser, shop: Lamina, tmp_path: Path) -> None:
    path = tmp_path / "pair.html"
    shop("explain", "shop:2", "--compare", "shop:1", "--html", str(path))
    with opened(browser, path) as page:
        assert page.locator("h1").all_inner_texts() == ["shop:1", "shop:2"]
        totals = [225_027, 245_027]  # of the sample's own files and those above
        assert totals[1] - totals[0] == 20_000
        assert numbers(page, ".totals tbody tr:nth-child(1)") == [*totals, 20_000]
        assert numbers(page, ".totals tbody tr:nth-child(4)") == [totals[0], totals[0], 0]
        left, right = (each.bounding_box() for each in page.locator(".column").all())
        assert left and right and left["y"] == right["y"] and left["x"] < right["x"]
        heights = page.locator('.band[data-layer="0"]').evaluate_all(
            "all => all.map(each => each.offsetHeight)"
        )
        assert heights[0] == heights[1], "one layer is one size on both sides"
        assert page.locator(".ribbons path").count() == 2
        assert page.locator(".labels .shared").all_inner_texts() == ["= layer 2", "= layer 1"] * 2
        page.locator('.strata[data-image="1"] .labels a').first.click()
        assert page.locator(".labels [aria-selected=true]").count() == 1
        assert page.locator("h3").all_inner_texts()[:2] == ["shop:1", "shop:2"]


@pytest.mark.parametrize("name", ["shop:2", "pair", "hostile"])
def test_nothing_sticks_out_on_a_phone(
    browser: Browser, shop: Lamina, store: Store, tmp_path: Path, name: str
) -> None:
    sample.hostile(store)
    path = tmp_path / "page.html"
    names = ["shop:2", "--compare", "shop:1"] if name == "pair" else [name]
    shop("explain", *names, "--html", str(path))
    with opened(browser, path, size=PHONE, has_touch=True) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE[0]
        past = page.evaluate(STICKS_OUT, PHONE[0])
        assert past == []
        page.locator(".treemap > .cell").first.tap()
        assert page.locator(".path button").count() >= 1


def test_what_an_image_wrote_stays_text(browser: Browser, store: Store, lamina: Lamina) -> None:
    named: sample.Files = {
        f"etc/{EVIL}": b"x" * 2000,
        "etc/\x1b[31m\u202egpj.exe": b"y" * 1500,
        "etc/caf\udce9": b"z" * 1000,
        "/".join(["d" * 200] * 15): b"w" * 900,
    }
    gone: sample.Files = {f"etc/.wh.{EVIL}": b"", "etc/.wh.caf\udce9": b""}
    sample.make(store, "evil", [(f"RUN {EVIL}", named), (f"</script>{EVIL}", gone)])
    path = lamina.root.parent / "evil.html"
    lamina("explain", "evil", "--html", str(path))
    with opened(browser, path) as page:
        page.locator(".treemap > .cell").first.click()
        assert cells(page) == [EVIL, "\\e[31m\\u202egpj.exe", "caf\\xe9"]
        page.locator(".treemap > .cell").first.click()
        assert page.locator(".chosen code").inner_text() == f"RUN {EVIL}"
        assert page.locator("img").count() == 0


def test_the_page_can_go_to_a_pipe_and_fails_in_one_sentence(
    shop: Lamina, written: Path, tmp_path: Path
) -> None:
    assert shop("explain", "shop:2", "--html", "-").stdout == written.read_text()
    failed = shop("explain", "shop:2", "--html", str(tmp_path / "no" / "page.html"), check=False)
    assert failed.returncode == 1
    assert failed.stderr == f"lamina: no directory {tmp_path / 'no'} to write the page in\n"
    (tmp_path / "taken").mkdir()
    before = sorted(tmp_path.iterdir())
    failed = shop("explain", "shop:2", "--html", str(tmp_path / "taken"), check=False)
    assert failed.returncode == 1 and failed.stderr.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before, "nothing is left behind"
