"""The report as one page: strata, treemap, findings and instructions, with all it needs in it.

The page asks nothing of a network: style, script and data stand in it, and its policy
forbids the rest.  Only the script that is shipped with it may run, by its digest, so nothing
that an image wrote could, even if it came out as markup.  The same stacks give the same page.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from importlib.resources import files
from string import Template
from typing import Any

import msgspec

from lamina.explain.fate import CAUSES
from lamina.explain.stack import Stack
from lamina.page.markup import NOTHING, Markup, element, joined
from lamina.page.strata import drawing, ribbons, strata
from lamina.page.subject import Subject, subjects
from lamina.page.tables import (
    advice_table,
    comparison,
    facts,
    findings_table,
    headline,
    instructions,
)
from lamina.page.tree import tree
from lamina.sha256 import sha256
from lamina.text import escape

_SCRIPTS = (
    "text.js",
    "squarify.js",
    "treemap.js",
    "findings.js",
    "page.js",
)
"""One script, in parts that build on those before them."""
_UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def page(new: Stack, old: Stack | None = None) -> bytes:
    """The page of one image or container, or of two side by side: HTML in UTF-8."""
    shown = subjects([new] if old is None else [old, new])
    script = "\n".join(_shipped(name) for name in _SCRIPTS)
    title = " and ".join(subject.stack.name for subject in shown)
    text = Template(_shipped("page.html")).substitute(
        policy=_policy(script),
        title=joined(title),
        style=_shipped("page.css"),
        header=_header(shown),
        sections=_sections(shown),
        data=_data(shown),
        script=script,
    )
    return text.encode()


def _shipped(name: str) -> str:
    return (files("lamina.page") / name).read_text("utf-8")


def _policy(script: str) -> str:
    digest = b64encode(sha256(script.encode())).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline';"
        " img-src data:; base-uri 'none'; form-action 'none'"
    )


def _header(shown: Sequence[Subject]) -> Markup:
    largest = max(subject.stack.account.bytes for subject in shown)
    return joined(
        *(
            element(
                "div",
                element("h1", element("bdi", subject.stack.name)),
                headline(subject, largest),
                facts(subject.stack),
                class_="subject",
            )
            for subject in shown
        )
    )


def _sections(shown: Sequence[Subject]) -> Markup:
    parts = [_section("layers", "Layers", _layers(shown))]
    if len(shown) == 2:
        parts.append(_section("totals", "Difference", comparison(*shown)))
    parts += [
        _section("files", "Files", _each(shown, _treemap)),
        _section("findings", "Hidden files", _each(shown, findings_table)),
        _section("advice", "Visible, but probably not wanted", _each(shown, advice_table)),
        _section("instructions", "Instructions", _each(shown, instructions)),
    ]
    return joined(*parts)


def _section(name: str, heading: str, content: Markup) -> Markup:
    head = element("h2", heading, id=f"{name}-heading")
    return element("section", head, content, id=name, aria_labelledby=f"{name}-heading")


def _layers(shown: Sequence[Subject]) -> Markup:
    drawn = drawing([subject.stack for subject in shown])
    note = element("div", class_="chosen", aria_live="polite", hidden=True)
    if len(shown) == 1:
        return joined(strata(shown[0], drawn), note)
    old, new = shown
    between = element("div", ribbons(old, new, drawn), class_="between")
    pair = (strata(old, drawn, mirrored=True), between, strata(new, drawn))
    return joined(
        element("div", *pair, class_="pair", style=f"--height:{drawn.height:.0f}px"), note
    )


def _each(shown: Sequence[Subject], part: Callable[[Subject], Markup]) -> Markup:
    """One part for each subject, under its name where there are two."""
    return joined(
        *(
            element(
                "div",
                element("h3", element("bdi", subject.stack.name)) if len(shown) > 1 else NOTHING,
                part(subject),
                class_="part",
                data_image=subject.number,
            )
            for subject in shown
        )
    )


def _treemap(subject: Subject) -> Markup:
    if not subject.stack.account.bytes:
        return element("p", "It has no files with any content.", class_="none")
    asks = "The treemap of the files is drawn by a script, which does not run here."
    return element("div", element("noscript", element("p", asks)), class_="files")


def _data(shown: Sequence[Subject]) -> Markup:
    """What the script draws from; no text in it can end the element that it stands in."""
    document: dict[str, Any] = {
        "causes": [cause.value for cause in CAUSES],
        "images": [
            {
                "name": escape(subject.stack.name),
                "layers": [
                    [origin.label, escape(origin.instruction), colour]
                    for origin, colour in zip(subject.stack.origins, subject.colours, strict=True)
                ],
                "tree": tree(subject.stack),
            }
            for subject in shown
        ],
    }
    text = msgspec.json.encode(document).decode()
    for character, written in _UNSAFE.items():
        text = text.replace(character, written)
    return Markup(text)
