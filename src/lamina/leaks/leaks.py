"""Secrets in an image: in the files of every layer, seen or hidden, in its configuration and in
its history."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from functools import cached_property

import msgspec

from lamina.explain.cause import instruction
from lamina.explain.stack import Stack
from lamina.layer.entry import Entry, Kind
from lamina.layer.union import Cause, Union
from lamina.leaks.access import User, may_read, plain_users
from lamina.leaks.named_secrets import KIND, build_arguments, on_a_command_line, setting
from lamina.leaks.private_keys import private_keys
from lamina.leaks.secret import Match, Secret
from lamina.leaks.secret_text import Nature, in_content, nature
from lamina.leaks.tokens import require_detector, tokens
from lamina.oci.config import Execution, History

MOST_BYTES = 10_000_000
"""Of one file: what lies behind is not read."""
_HEAD = 8192
"""Bytes that tell a text from a binary: a binary has a zero byte among them."""


class State(Enum):
    """Who can read a secret; whoever pulls the image can read all of them."""

    VISIBLE = "visible"
    """Any user inside a container; in the configuration and history, whoever looks at them."""
    HIDDEN = "hidden"
    """Nobody inside a container, for a later layer hides the file: it is shipped all the same."""
    ROOT_ONLY = "root-only"
    """Inside a container, root alone."""


class Source(Enum):
    """Where a secret stands."""

    FILE = "file"
    ENV = "env"
    LABEL = "label"
    COMMAND = "command"
    """Cmd, entrypoint, health check, ONBUILD."""
    HISTORY = "history"
    BUILD_ARGUMENT = "build-argument"


class Place(msgspec.Struct, frozen=True):
    """One place of a secret."""

    source: Source
    state: State
    layer: int | None = None
    """The layer whose file or instruction it is; None for the configuration."""
    name: str = ""
    """The file's path without the leading slash; the name of the variable, label, command or
    build argument; of the history, the instruction."""
    line: int = 0
    """Of a file, from 1; 0 where the whole file is meant."""
    hidden_by: int | None = None
    """The layer that hides the file."""
    cause: Cause | None = None
    """How it came to be hidden."""


class Leak(msgspec.Struct, frozen=True):
    """One secret, and every place that has it."""

    kind: str
    secret: Secret
    places: Sequence[Place]
    """Those that anyone can read first, then the hidden ones."""

    @property
    def state(self) -> State:
        """Of the place that is easiest to read."""
        return self.places[0].state


class Leaks(msgspec.Struct, frozen=True):
    """What was found, and what was looked at."""

    found: Sequence[Leak]
    """The easiest to read first."""
    texts: int
    """Different file contents that were read."""
    binaries: int
    """Different file contents that were not, for they are no text."""
    cut: Sequence[str]
    """The paths of texts longer than MOST_BYTES, of which the rest was not read."""


_ORDER = list(State)


def leaks(stack: Stack, *, begin: Callable[[str], object] = lambda _: None) -> Leaks:
    """Look for secrets in an image or container; `begin` is told what is looked at.

    Every different content is read once.  Raises NoDetector and LayerDamaged.
    """
    require_detector()
    finds = _Finds()
    begin("the configuration")
    for match, place in _in_config(stack):
        finds.add(match, place)
    files = _Files(stack, finds)
    for layer in range(len(stack)):
        begin(f"layer {stack.label(layer)} of {len(stack)}")
        files.search(layer)
    return Leaks(finds.leaks(), files.texts, files.binaries, files.cut)


class _Finds:
    """Finds gathered by their secret."""

    def __init__(self) -> None:
        self._kinds: dict[str, str] = {}
        self._places: dict[str, dict[Place, None]] = {}

    def add(self, match: Match, place: Place) -> None:
        value = match.secret.value
        # What a form or a known file says of a secret says more than its name.
        if self._kinds.get(value, KIND) == KIND:
            self._kinds[value] = match.kind
        self._places.setdefault(value, {})[place] = None

    def leaks(self) -> list[Leak]:
        found = [
            Leak(kind, Secret(value), sorted(self._places[value], key=_easiest))
            for value, kind in self._kinds.items()
        ]
        return sorted(found, key=lambda leak: (_ORDER.index(leak.state), leak.kind == KIND))


def _easiest(place: Place) -> tuple[int, int]:
    return _ORDER.index(place.state), -1 if place.layer is None else place.layer


class _Files:
    """The search through the files of layers."""

    def __init__(self, stack: Stack, finds: _Finds) -> None:
        self._stack = stack
        self._finds = finds
        self._known: dict[tuple[bytes, Nature], Sequence[Match]] = {}
        self.texts = 0
        self.binaries = 0
        self.cut: list[str] = []

    @cached_property
    def _users(self) -> set[User]:
        return plain_users(self._stack)

    def search(self, layer: int) -> None:
        for at, entry in enumerate(self._stack.listings[layer].entries):
            if entry.kind is not Kind.FILE or not entry.size:
                continue
            matches = self._matches(layer, entry)
            if matches:
                place = self._place(layer, at, entry)
                for match in matches:
                    self._finds.add(match, msgspec.structs.replace(place, line=match.line))

    def _matches(self, layer: int, entry: Entry) -> Sequence[Match]:
        what = nature(entry.path)
        if what.made_up:
            return ()
        key = entry.sha256, what
        found = self._known.get(key) if entry.sha256 else None
        if found is None:
            found = self._known[key] = self._read(layer, entry, what)
        return found

    def _read(self, layer: int, entry: Entry, what: Nature) -> Sequence[Match]:
        with self._stack.open(layer, entry) as file:
            head = file.read(_HEAD)
            if b"\0" in head and not (what.known and what.known.binary):
                self.binaries += 1
                return ()
            data = head + file.read(MOST_BYTES - len(head)) if len(head) == _HEAD else head
        self.texts += 1
        if entry.size > MOST_BYTES:
            self.cut.append(entry.path)
        return list(in_content(data, what))

    def _place(self, layer: int, at: int, entry: Entry) -> Place:
        fate = self._stack.fates[layer]
        if fate.shown(at):
            path = _seen_as(self._stack.union, entry)
            readable = may_read(self._stack.union, path, self._users)
            state = State.VISIBLE if readable else State.ROOT_ONLY
            return Place(Source.FILE, state, layer, path)
        return Place(
            Source.FILE,
            State.HIDDEN,
            layer,
            entry.path,
            hidden_by=max(fate.hidden_by[at], layer),
            cause=fate.cause(at),
        )


def _seen_as(union: Union, entry: Entry) -> str:
    """The path at which a content is seen: its own, or that of a hard link which outlived it."""
    seen = union.content(entry.path)
    if seen is not None and seen.entry is entry:
        return entry.path
    for _, other in union.walk():
        if other.kind is Kind.HARDLINK:
            linked = union.content(other.path)
            if linked is not None and linked.entry is entry:
                return other.path
    return entry.path


def _in_config(stack: Stack) -> Iterator[tuple[Match, Place]]:
    """What the configuration and the history say: it is text that anyone can look at."""
    if stack.config is None:
        return
    execution = stack.config.execution
    for name, value in execution.environment().items():
        yield from _in_setting(Source.ENV, name, value)
    for name, value in stack.config.labels.items():
        yield from _in_setting(Source.LABEL, name, value)
    for name, command in _commands(execution):
        yield from _in_command(command, Place(Source.COMMAND, State.VISIBLE, None, name))
    yield from _in_history(stack.config.history)


def _in_history(history: Sequence[History]) -> Iterator[tuple[Match, Place]]:
    layer = -1
    told: set[tuple[str, str]] = set()
    for line in history:
        layer += not line.empty_layer
        at = None if line.empty_layer else layer
        place = Place(Source.HISTORY, State.VISIBLE, at, instruction(line))
        for text in dict.fromkeys((instruction(line), line.comment, line.author)):
            yield from _in_command(text, place)
        # An argument is written down again with every instruction that follows.
        for argument in build_arguments(line.created_by):
            if argument not in told:
                told.add(argument)
                yield from _in_setting(Source.BUILD_ARGUMENT, *argument, layer=at)


def _commands(execution: Execution) -> Iterator[tuple[str, str]]:
    yield "CMD", " ".join(execution.cmd or ())
    yield "ENTRYPOINT", " ".join(execution.entrypoint or ())
    yield "HEALTHCHECK", " ".join(execution.healthcheck.test if execution.healthcheck else ())
    for text in execution.on_build or ():
        yield "ONBUILD", text


def _in_setting(
    source: Source, name: str, value: str, *, layer: int | None = None
) -> Iterator[tuple[Match, Place]]:
    place = Place(source, State.VISIBLE, layer, name)
    secret = setting(name, value)
    formed = list(_formed(value))
    if secret is not None and not any(each.kind.endswith("private-key") for each in formed):
        yield Match(KIND, secret), place
    for match in formed:
        yield match, place


def _in_command(text: str, place: Place) -> Iterator[tuple[Match, Place]]:
    for secret in on_a_command_line(text):
        yield Match(KIND, secret), place
    for match in _formed(text):
        yield match, place


def _formed(text: str) -> Iterator[Match]:
    """Tokens and keys in a text that is no file."""
    data = text.encode("utf-8", "replace")
    for match in (*tokens(data), *private_keys(data)):
        yield msgspec.structs.replace(match, line=0)
