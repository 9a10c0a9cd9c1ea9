"""What `lamina exec` does, without the library that reads options: it may have been read
quickly (cli/quick.py), and then that is never loaded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from lamina.errors import Conflict, EngineError, Invalid

if TYPE_CHECKING:
    from lamina.store.containers_alone import Containers


NOT_EXECUTED = 126
"""Docker's exit status for what could not become of a program in a container that runs."""


class NotATerminal(Invalid):
    """-i and -t together need a terminal to read from."""


class BadWorkdir(Invalid):
    """The working directory is not absolute."""


def execute(
    store: Containers,
    container: str,
    args: tuple[str, ...],
    *,
    interactive: bool = False,
    tty: bool = False,
    detach: bool = False,
    env: tuple[str, ...] = (),
    env_file: tuple[Path, ...] = (),
    workdir: str = "",
    user: str = "",
    privileged: bool = False,
    detach_keys: str = "ctrl-p,ctrl-q",
) -> tuple[int, str, str]:
    """Execute, with the streams of this process; the exit status, and when it could not be,
    why, and what to do.

    Raises EngineError when there is nothing to execute in.
    """
    from lamina.lifecycle import exec as verb
    from lamina.run.keys import detach_keys as keys
    from lamina.run.spec import Streams
    from lamina.supervise.log import timestamp

    if interactive and tty and not detach and not os.isatty(0):
        raise NotATerminal("the input device is not a terminal", hint="leave out -t")
    if workdir and not workdir.startswith("/"):
        raise BadWorkdir(
            f"the working directory {workdir!r} is invalid, it needs to be an absolute path",
            hint=f"-w /{workdir}",
        )
    request = verb.Request(
        args,
        env=_environment(env, env_file),
        cwd=workdir,
        user=user,
        terminal=tty and not detach,
        stdin=interactive and not detach,
        privileged=privileged,
        keys=keys(detach_keys),
    )
    record = store.containers.find(container)
    try:
        if detach:
            outcome = verb.execute_detached(store, record, request, timestamp)
        else:
            outcome = verb.execute(store, record, request, Streams(0, 1, 2), timestamp)
    except Conflict:
        raise
    except EngineError as error:
        return NOT_EXECUTED, str(error), error.hint
    return outcome.status, outcome.refused, ""


def _environment(env: tuple[str, ...], files: tuple[Path, ...]) -> tuple[str, ...]:
    if not files and all("=" in line for line in env):
        return env
    from lamina.cli.run_process import file_lines
    from lamina.run.request import environment_lines

    lines = [line for path in files for line in file_lines(path, "--env-file")]
    return tuple(environment_lines([*lines, *env], os.environ))
