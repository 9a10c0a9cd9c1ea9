"""`lamina exec` as it is usually written, without what a start costs otherwise.

People and scripts wait for `exec` more than for anything else, so the library that reads
options, and the parts of the store that have nothing to do with containers, are left alone
for it.  Whatever is not understood here goes the usual way, and so does every error.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from lamina.run.doorway import Doorway
    from lamina.run.executing import Told

_FORMAT = b"2\n"
_NOT_EXECUTED = 126
"""As in cli/exec_run.py."""
_LETTERS = {"i": "interactive", "t": "tty", "d": "detach"}
_FLAGS = {name: name for name in ("interactive", "tty", "detach", "privileged")}
_VALUES = {"e": "env", "u": "user", "w": "workdir", "env": "env", "user": "user"}
_VALUES |= {"workdir": "workdir", "detach-keys": "detach_keys"}
_MANY = {"env"}


class Words:
    """`lamina [--root ROOT] exec [OPTIONS] CONTAINER COMMAND...`, read."""

    def __init__(
        self, root: str, container: str, args: tuple[str, ...], options: dict[str, Any]
    ) -> None:
        self.root = root
        """Empty when it is not given."""
        self.container = container
        self.args = args
        self.options = options
        """As `execute` (cli/exec_run.py) takes them."""


def read(words: Sequence[str]) -> Words | None:
    """What the words mean; None when they are not of the usual kind."""
    rest = list(words)[::-1]
    root = ""
    if rest and rest[-1] == "--root" and len(rest) > 1:
        rest.pop()
        root = rest.pop()
    if not rest or rest.pop() != "exec":
        return None
    options: dict[str, Any] = {}
    while rest and rest[-1].startswith("-"):
        if not _option(rest.pop(), rest, options):
            return None
    if len(rest) < 2:
        return None
    container = rest.pop()
    return Words(root, container, tuple(rest[::-1]), options)


def _option(word: str, rest: list[str], options: dict[str, Any]) -> bool:
    """Take an option, and its value from `rest`.  False for what is not known here."""
    if word.startswith("--"):
        name, equals, value = word[2:].partition("=")
        if name in _FLAGS and not equals:
            options[_FLAGS[name]] = True
            return True
        return name in _VALUES and len(name) > 1 and _value(name, equals, value, rest, options)
    letters = word[1:]
    if letters and all(letter in _LETTERS for letter in letters):
        options.update((_LETTERS[letter], True) for letter in letters)
        return True
    return letters in {"e", "u", "w"} and _value(letters, "", "", rest, options)


def _value(name: str, equals: str, value: str, rest: list[str], options: dict[str, Any]) -> bool:
    if not equals:
        if not rest:
            return False
        value = rest.pop()
    field = _VALUES[name]
    options[field] = (*options.get(field, ()), value) if field in _MANY else value
    return True


def run(words: Sequence[str]) -> int | None:
    """Execute; the exit status, or None when the usual way is to be gone."""
    found = read(words)
    if found is None or os.geteuid() != 0 or not _is_plain(found):
        return None
    root = found.root or os.environ.get("LAMINA_ROOT") or "/var/lib/lamina"
    if not _is_store(root):
        return None
    from lamina.store.glance import glance

    record = glance(f"{root}/containers", found.container)
    if record is None or record.get("status") != "running":
        return None
    from lamina.run.doorway import read as read_doorway

    way = read_doorway(f"{root}/containers/{record['id']}")
    if way is None or (way.pid, way.since) != (record["pid"], record["pid_started"]):
        return None
    return _execute(root, record, way, found)


def _is_plain(words: Words) -> bool:
    """Whether nothing is asked that takes more to understand, or is wrong."""
    options = words.options
    if options.get("detach") or "detach_keys" in options:
        return False
    if not all("=" in line for line in options.get("env", ())):
        return False
    if options.get("interactive") and options.get("tty") and not os.isatty(0):
        return False
    return str(options.get("workdir", "/")).startswith("/")


def _is_store(root: str) -> bool:
    try:
        with open(f"{root}/format", "rb", 0) as stream:
            return stream.read() == _FORMAT
    except OSError:
        return False


def _execute(root: str, record: dict[str, Any], way: Doorway, words: Words) -> int | None:
    from lamina.errors import EngineError
    from lamina.linux.initial import is_initial
    from lamina.run import executing
    from lamina.run.entering import EndedJustNow, door
    from lamina.run.process import Streams

    if not is_initial():
        return None
    options = words.options
    terminal = options.get("tty", False)
    role = way.role(
        words.args,
        env=options.get("env", ()),
        cwd=options.get("workdir", ""),
        user=options.get("user", ""),
        terminal=terminal,
        privileged=options.get("privileged", False),
    )
    connected = executing.Way(terminal=terminal, stdin=options.get("interactive", False))
    try:
        with door(record["name"], record["id"], way.pid, way.since, groups=way.groups) as entry:
            told = _told(root, record, words.args)
            execute = executing.execute
            if terminal:
                from lamina.run.executing_terminal import execute_in_terminal as execute
            outcome = execute(entry, role, connected, Streams(0, 1, 2), told)
    except EndedJustNow:
        return None  # whoever looks closely knows how it ended
    except EngineError as error:
        from lamina.cli.failure import report

        report(str(error), error.hint)
        return _NOT_EXECUTED
    except KeyboardInterrupt:
        return 130
    if outcome.refused:
        from lamina.cli.failure import report

        report(outcome.refused, "")
    return outcome.status


def _told(root: str, record: dict[str, Any], args: tuple[str, ...]) -> Told:
    """Events, as `lamina.lifecycle.exec` notes them."""
    from lamina.run.executing import Told
    from lamina.store.journal import append_line, container_line
    from lamina.supervise.log import timestamp

    about = {
        **record.get("labels", {}),
        "image": record["image"],
        "name": record["name"],
        "execID": os.urandom(32).hex(),
    }

    def tell(action: str, **more: str) -> None:
        event = container_line(timestamp(), action, record["id"], {**about, **more})
        append_line(f"{root}/events", event)

    class _Events(Told):
        def begun(self) -> None:
            tell(f"exec_start: {line}")

        def ended(self, status: int) -> None:
            tell("exec_die", exitCode=str(status))

    line = " ".join(args)
    tell(f"exec_create: {line}")
    return _Events()
