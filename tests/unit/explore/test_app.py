"""The explorer itself, driven by keys, read off its screen."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from textual.widgets import Static

from lamina.errors import Corrupt
from lamina.explain.stack import Stack
from lamina.explore.app import ExplorerApp
from lamina.explore.glyphs import Glyphs, glyphs
from tests.fakes.stacks import Files, stack_of_files
from tests.unit.explore.test_model import SEED

INSTRUCTIONS = ["ADD rootfs", "RUN dd", "RUN rm", "RUN edit"]
HOSTILE = "\x1b[31mred\u202e[bold]x[link=a]"


def screen_of(app: ExplorerApp) -> str:
    """What is on the screen, as text."""
    width, height = app.size
    lines = app.screen._compositor.render_strips()
    return "\n".join(strip.text[:width] for strip in lines[:height])


def screens(
    keys: Sequence[str],
    *,
    stack: Stack | None = None,
    size: tuple[int, int] = (100, 30),
    signs: Glyphs | None = None,
) -> list[str]:
    """What is on the screen at the start, and after each key."""
    stack = stack_of_files(SEED, INSTRUCTIONS) if stack is None else stack
    app = ExplorerApp(stack, signs or Glyphs())
    seen: list[str] = []

    async def press() -> None:
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            seen.append(screen_of(app))
            for key in keys:
                await pilot.press(key)
                await settled(app)
                await pilot.pause()
                seen.append(screen_of(app))

    async def settled(app: ExplorerApp) -> None:
        while app._typing is not None:
            await asyncio.sleep(0)

    asyncio.run(press())
    assert app.return_code in (0, None)
    return seen


def after(*keys: str, stack: Stack | None = None, size: tuple[int, int] = (100, 30)) -> str:
    """What is on the screen after some keys."""
    return screens(keys, stack=stack, size=size)[-1]


def row(screen: str, text: str) -> str:
    """The only line of a screen's tree that has a text."""
    rows = [line[40:] for line in screen.splitlines() if text in line[40:]]
    assert len(rows) == 1, screen
    return rows[0].strip("│ ")


def test_the_first_screen_has_layers_sums_and_the_tree() -> None:
    screen = after()
    assert "demo:latest   6.0 kB = 959 B visible + 5.1 kB hidden (84.1 %)" in screen
    assert [line[2:40].rstrip("│ …") for line in screen.splitlines()[2:7]] == [
        "▌all   6.0 kB ▒▒▒▒▒ demo:latest"[1:],
        "  4     59 B       RUN edit",
        "  3      0 B       RUN rm",
        "  2   5.0 kB ▒▒▒▒▒ RUN dd",
        "  1    954 B ▒···· ADD rootfs",
    ]
    assert row(screen, "home/") == "+▒      0 B   5.0 kB ▸ home/"


def test_another_layer_is_another_tree() -> None:
    _, edit, rm, dd = screens(["down", "down", "down"])
    assert row(edit, "new") == "+       1 B            new"
    assert "home" in edit
    assert row(rm, "home/") == "~▒      0 B   5.0 kB ▸ home/"
    assert row(dd, "home/") == "+▒   5.0 kB   5.0 kB ▸ home/"
    assert "layer 2, its changes" in dd
    assert "layer 2\n" in "\n".join(
        line.strip("│ ").split("│")[0].rstrip() for line in dd.splitlines()
    )


def test_directories_open_and_close_with_dive_s_keys_and_vi_s() -> None:
    seen = screens(["tab", "j", "j", "space", "space", "l", "l", "h", "h", "ctrl+@", "ctrl+@"])
    opened = ["50M.file" in screen for screen in seen]
    assert opened[3:] == [False, True, False, True, True, True, False, True, False]


def test_deleted_files_are_shown_and_left_out() -> None:
    seen = screens(["tab", "e", "r", "ctrl+r", "a", "m", "ctrl+m", "u"])
    assert row(seen[2], "50M.file") == "-▒   5.0 kB   5.0 kB     50M.file"
    assert "50M.file" not in seen[3] and "without deleted" in seen[3]
    assert "50M.file" in seen[4]
    assert "  new" in seen[4] and "  new" not in seen[5]
    assert "passwd" in seen[5] and "passwd" not in seen[6]
    assert "passwd" in seen[7]
    assert "bin/" in seen[7] and "bin/" not in seen[8]


def test_sorting_by_waste_puts_the_wasted_file_first() -> None:
    screen = after("s", "ctrl+o")
    first = screen.splitlines()[2][40:]
    assert "home/" in first
    assert "by hidden" in screen


def test_a_filter_is_typed_kept_and_taken_back() -> None:
    seen = screens(["slash", "p", "a", "s", "enter", "escape"])
    assert "passwd" in seen[4] and "home/" not in seen[4]
    assert "only pas" in seen[5] and "passwd" in seen[5]
    assert "home/" in seen[6] and "only" not in seen[6]
    nothing = after("ctrl+f", "z", "z")
    assert "nothing here" in nothing


def test_the_cause_is_the_layer_that_hid_the_file_and_then_the_one_that_shipped_it() -> None:
    seen = screens(["tab", "j", "j", "l", "l", "c", "c"])
    assert "layer 3, its changes" in seen[6]
    assert "▌" in row(seen[6], "50M.file") and "-▒" in row(seen[6], "50M.file")
    assert "layer 2, its changes" in seen[7]
    assert "+▒" in row(seen[7], "50M.file")
    assert "no other layer" in after("tab", "c", "c")


def test_a_deleted_file_can_be_looked_into() -> None:
    stack = stack_of_files([{"secret": b"token=abc\n\x1b[2J"}, {".wh.secret": b""}])
    seen = screens(["tab", "enter", "escape"], stack=stack)
    assert "token=abc" in seen[2] and "\\e[2J" in seen[2]
    assert "/secret  14 B, from layer 1" in seen[2]
    assert "token=abc" not in seen[3]


def test_binary_files_are_dumped_and_only_their_beginning() -> None:
    screen = after("tab", "enter", stack=stack_of_files([{"big": bytes(100_000)}]))
    assert "00000000  00 00" in screen
    assert "100.0 kB, the first 65.5 kB, from layer 1" in screen


def test_a_file_that_cannot_be_read_is_told() -> None:
    stack = stack_of_files([{"a": b"1"}])

    def damaged(layer: int, entry: object) -> None:
        raise Corrupt("layer 1 is damaged")

    stack._contents.open = damaged  # type: ignore[assignment, method-assign]
    assert "/a cannot be read: layer 1 is damaged" in after("tab", "enter", stack=stack)


def test_names_of_an_image_are_written_out_and_mean_no_markup() -> None:
    files: Files = {HOSTILE: HOSTILE.encode(), "\udce9": b"x"}
    stack = stack_of_files([files], [f"RUN {HOSTILE}"], name="x")
    seen = screens(["tab", "enter", "escape", "j"], stack=stack, size=(140, 30))
    for screen in seen:
        assert "\x1b" not in screen and "\u202e" not in screen
    assert "\\e[31mred\\u202e[bold]x[link=a]" in row(seen[0], "red")
    assert "/\\e[31mred\\u202e[bold]x[link=a]" in seen[2]
    assert "\\xe9" in seen[4]


def test_modes_and_owners_are_shown_on_request() -> None:
    assert "drwxr-xr-x    0:0" in after("tab", "b")


@pytest.mark.parametrize("size", [(80, 24), (60, 20), (40, 10), (200, 60)])
def test_it_fits_any_terminal(size: tuple[int, int]) -> None:
    seen = screens(["tab", "e", "end", "home", "question_mark", "q"], size=size)
    for screen in seen:
        lines = screen.splitlines()
        assert len(lines) == size[1]
        assert all(len(line) <= size[0] for line in lines)
    assert "layers" in seen[0]
    assert "bin/" in seen[0] or size[0] < 60


def test_the_terminal_may_change_its_size() -> None:
    app = ExplorerApp(stack_of_files(SEED, INSTRUCTIONS), Glyphs())
    seen: list[str] = []

    async def resize() -> None:
        async with app.run_test(size=(140, 40)) as pilot:
            await pilot.press("tab", "e")
            await pilot.resize_terminal(80, 24)
            await pilot.pause()
            seen.append(screen_of(app))

    asyncio.run(resize())
    assert len(seen[0].splitlines()) == 24
    assert "50M.file" in seen[0]


def test_the_keys_are_told() -> None:
    seen = screens(["question_mark", "escape"])
    assert "Ctrl+Space or e" in seen[1] and "shipped, and nobody sees it" in seen[1]
    assert "Ctrl+Space or e" not in seen[2]


def test_without_utf_8_all_signs_are_ascii() -> None:
    for screen in screens(["tab", "e", "question_mark"], signs=glyphs("ascii")):
        assert screen.isascii()


def test_the_last_line_says_what_keys_there_are() -> None:
    app = ExplorerApp(stack_of_files(SEED), Glyphs())

    async def look() -> None:
        async with app.run_test():
            assert "filter" in str(app.query_one("#footer", Static).render())

    asyncio.run(look())


def test_an_image_without_layers_can_be_looked_at() -> None:
    screen = after("tab", "j", "enter", "c", stack=stack_of_files([], name="empty"))
    assert "empty" in screen


def test_the_mouse_chooses_a_layer() -> None:
    app = ExplorerApp(stack_of_files(SEED, INSTRUCTIONS), Glyphs())
    seen: list[str] = []

    async def click() -> None:
        async with app.run_test(size=(100, 30)) as pilot:
            await pilot.click("#layers", offset=(5, 3))
            await pilot.pause()
            seen.append(screen_of(app))

    asyncio.run(click())
    assert "layer 3, its changes" in seen[0]
