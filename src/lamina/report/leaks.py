"""The report of an image's secrets: for people and as JSON, the secrets redacted.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote
from typing import Any

from lamina.explain.stack import Stack
from lamina.leaks.leaks import MOST_BYTES, Leak, Leaks, Place, Source, State
from lamina.report.paper import Cell, Meaning, Paper
from lamina.report.words import DONE
from lamina.text import escape, prose_size

_TITLES = {
    "private-key": "private key",
    "encrypted-private-key": "private key, encrypted",
    "aws-access-key": "AWS access key",
    "aws-secret-key": "AWS secret key",
    "github-token": "GitHub token",
    "gitlab-token": "GitLab token",
    "slack-token": "Slack token",
    "slack-webhook": "Slack webhook",
    "stripe-key": "Stripe key",
    "azure-storage-key": "Azure storage key",
    "azure-credentials": "Azure credentials",
    "pypi-token": "PyPI token",
    "npm-token": "npm token",
    "npm-credentials": "npm credentials",
    "sendgrid-key": "SendGrid key",
    "square-secret": "Square secret",
    "openai-key": "OpenAI key",
    "google-api-key": "Google API key",
    "gcloud-credentials": "Google Cloud credentials",
    "digitalocean-token": "DigitalOcean token",
    "jwt": "JSON web token",
    "url-password": "password in a URL",
    "named-secret": "value with a telling name",
    "netrc-password": "password in .netrc",
    "rubygems-key": "RubyGems key",
    "postgresql-password": "PostgreSQL password",
    "wordpress-secret": "WordPress secret",
    "keystore": "keystore with a private key",
}
_WHOLE_FILES = {"keystore", "password-database"}
"""Kinds of which the secret is the file itself."""
_GROUPS: dict[State, tuple[str, str, Meaning]] = {
    State.VISIBLE: ("readable", "by any user in a container, or in what inspect shows", "hidden"),
    State.HIDDEN: ("hidden", "and shipped all the same: whoever pulls the image has it", "deleted"),
    State.ROOT_ONLY: ("root only", "in a container; whoever pulls the image has it too", "base"),
}
_SOURCES = {
    Source.ENV: "ENV ",
    Source.LABEL: "LABEL ",
    Source.COMMAND: "",
    Source.BUILD_ARGUMENT: "ARG ",
}
_PLACES = 6
"""Places of one secret that the text shows."""


def title(kind: str) -> str:
    """What a kind is called."""
    return _TITLES.get(kind, kind.replace("-", " "))


def as_json(stack: Stack, leaks: Leaks, *, show: bool = False) -> dict[str, Any]:
    """The findings as a JSON document, the easiest to read first; `show` adds the secrets."""
    return {
        "container" if stack.is_container else "image": stack.name,
        "id": stack.identity,
        "texts": leaks.texts,
        "binaries": leaks.binaries,
        "cut": ["/" + path for path in leaks.cut],
        "leaks": [_leak_json(stack, leaks, leak, show=show) for leak in leaks.found],
    }


def _leak_json(stack: Stack, leaks: Leaks, leak: Leak, *, show: bool) -> dict[str, Any]:
    secret = leak.secret
    document: dict[str, Any] = {
        "kind": leak.kind,
        "what": title(leak.kind),
        "state": leak.state.value,
        "fingerprint": secret.fingerprint,
        "start": "" if leak.kind in _WHOLE_FILES else secret.start,
        "length": len(secret.value),
        "places": [_place_json(stack, leaks, place, show=show) for place in leak.places],
    }
    if show and leak.kind not in _WHOLE_FILES:
        document["secret"] = secret.value
    return document


def _place_json(stack: Stack, leaks: Leaks, place: Place, *, show: bool) -> dict[str, Any]:
    def told(text: str) -> str:
        return text if show else _without(leaks, text)

    def made(layer: int | None) -> str | None:
        return None if layer is None else told(stack.origins[layer].instruction)

    is_file = place.source is Source.FILE
    return {
        "in": place.source.value,
        "state": place.state.value,
        "path": "/" + place.name if is_file else None,
        "line": place.line or None,
        "name": None if is_file else told(place.name) or None,
        "layer": stack.label(place.layer) if place.layer is not None else None,
        "instruction": made(place.layer),
        "cause": place.cause.value if place.cause else None,
        "hidden_by": stack.label(place.hidden_by) if place.hidden_by is not None else None,
        "hidden_by_instruction": made(place.hidden_by),
    }


def _without(leaks: Leaks, text: str) -> str:
    """A text of the image with every secret in it redacted: instructions have them too."""
    secrets = [leak.secret for leak in leaks.found if leak.secret.value in text]
    # The longest first: one may be a part of another.
    for secret in sorted(secrets, key=lambda each: -len(each.value)):
        text = text.replace(secret.value, f"{secret.start}…")
    return text


def as_text(stack: Stack, leaks: Leaks, paper: Paper, *, show: bool = False) -> str:
    """The findings for people: in groups, those that are easiest to read first."""
    if not leaks.found:
        head = [Cell(stack.name, "head"), Cell("   "), Cell("no secrets found", "visible")]
        return paper.write(*head) + "\n" + _scope(stack, leaks, paper)
    parts = [_headline(stack, leaks, paper)]
    for state in State:
        group = [leak for leak in leaks.found if leak.state is state]
        if group:
            parts.append(_group(stack, leaks, state, group, paper, show=show))
    parts.append(_advice(stack, leaks, paper) + _scope(stack, leaks, paper))
    return "\n".join(parts)


def _headline(stack: Stack, leaks: Leaks, paper: Paper) -> str:
    cells = [Cell(stack.name, "head"), Cell(f"   {_count(len(leaks.found), 'secret')}: ")]
    for state, (name, _, meaning) in _GROUPS.items():
        number = sum(leak.state is state for leak in leaks.found)
        if number:
            comma = [Cell(", ")] if len(cells) > 2 else []
            cells += [*comma, Cell(f"{number} {name}", meaning)]
    return paper.write(*cells) + "\n"


def _group(
    stack: Stack, leaks: Leaks, state: State, group: Sequence[Leak], paper: Paper, *, show: bool
) -> str:
    name, explained, meaning = _GROUPS[state]
    lines = [paper.write(Cell(name, meaning), Cell(f"   {explained}")) + "\n"]
    for leak in group:
        lines.append("\n" + _about(leak, paper, show=show))
        rows = [_row(stack, leaks, place, show=show) for place in leak.places[:_PLACES]]
        lines.append(paper.grid(rows, stretch=2))
        more = len(leak.places) - _PLACES
        if more > 0:
            lines.append(f"      and {_count(more, 'more place')}   (--format json has all)\n")
    return "".join(lines)


def _about(leak: Leak, paper: Paper, *, show: bool) -> str:
    value = leak.secret.redacted
    if leak.kind in _WHOLE_FILES:
        value = f"the whole file (sha256 {leak.secret.fingerprint})"
    elif show:
        value = leak.secret.value
    return paper.write(Cell(" "), Cell(title(leak.kind), "head"), Cell(f"   {value}")) + "\n"


def _row(stack: Stack, leaks: Leaks, place: Place, *, show: bool) -> list[Cell]:
    layer = instruction = ""
    if place.layer is not None:
        layer = f"layer {stack.label(place.layer)}"
        instruction = stack.origins[place.layer].instruction
    elif place.source is Source.HISTORY:
        instruction = place.name
    else:
        layer = "config"
    return [
        Cell(_where(place)),
        Cell(layer),
        Cell(instruction if show else _without(leaks, instruction)),
        _fate(stack, place),
    ]


def _where(place: Place) -> str:
    if place.source is Source.FILE:
        return f"/{place.name}:{place.line}" if place.line else f"/{place.name}"
    if place.source is Source.HISTORY:
        return "history"
    return f"{_SOURCES[place.source]}{place.name}"


def _fate(stack: Stack, place: Place) -> Cell:
    if place.state is State.ROOT_ONLY:
        return Cell("root only", "base")
    if place.hidden_by is None or place.cause is None:
        return Cell("")
    return Cell(f"{DONE[place.cause]} by layer {stack.label(place.hidden_by)}", "deleted")


def _advice(stack: Stack, leaks: Leaks, paper: Paper) -> str:
    lines = [
        "revoke and replace these secrets: nothing takes back what was pushed, and deleting a",
        "file in a later layer only hides it. Then build without them: RUN --mount=type=secret",
        "has one while a command runs, and in no layer (lamina build --secret id=NAME,src=FILE)",
    ]
    hidden = [
        place.name for leak in leaks.found for place in leak.places if place.state is State.HIDDEN
    ]
    if hidden:
        # Whoever copies the line into a shell must not run what the path says.
        name = hidden[0].rpartition("/")[2]
        path, name = quote(escape(f"/{hidden[0]}")), quote(escape(f"./{name}"))
        lines.append(f"see one: lamina recover {stack.name} {path} -o {name}")
    return "".join(paper.write(Cell(f" {line}")) + "\n" for line in lines)


def _scope(stack: Stack, leaks: Leaks, paper: Paper) -> str:
    """What was looked at, and what not."""
    text = f" searched: config, history, {_count(leaks.texts, 'text file')} of {_layers(stack)}"
    if leaks.binaries:
        text += f"; not the {_count(leaks.binaries, 'binary')}"
    lines = [text]
    if leaks.cut:
        size = prose_size(MOST_BYTES)
        lines.append(f" of {_count(len(leaks.cut), 'long file')} only the first {size} were read")
    return "".join(paper.write(Cell(line, "base")) + "\n" for line in lines)


def _layers(stack: Stack) -> str:
    return _count(len(stack), "layer")


def _count(number: int, noun: str) -> str:
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun[:-1]}ies" if noun.endswith("ry") else f"{number:,} {noun}s"
