"""Running the git program: it has the user's credentials, proxies and keys; it asks nothing."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from lamina.errors import Unavailable, Unsupported

_OURS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    "core.autocrlf=false",
    "core.symlinks=true",
    "init.templateDir=",
    "init.defaultBranch=master",
    "gc.auto=0",
    "maintenance.auto=false",
    "advice.detachedHead=false",
    "submodule.recurse=false",
)
"""What makes a checkout the same for every user, and runs no program of theirs."""
_ADVICE = (
    (
        re.compile("could not read (Username|Password)|Authentication failed|Permission denied"),
        "log in with git first: a credential helper, or a key that ssh-agent has",
    ),
    (re.compile("Could not resolve host"), "check the address and the network"),
    (
        re.compile("not found|does not exist|does not appear to be a git repo|not exported"),
        "check the address",
    ),
)


class GitFailed(Unavailable):
    """Git could not do it; the message is git's own."""


class NoGit(Unsupported):
    """The git program is not installed."""

    def __init__(self) -> None:
        super().__init__("building from a git repository needs the git program", hint="install git")


class Git(msgspec.Struct, frozen=True):
    """How git is run."""

    environment: Mapping[str, str]
    """The user's; what points git at a repository of theirs is left out."""
    files_allowed: bool = False
    """Whether a repository may name another one on this host: only one of this host may."""
    subject: str = "a repository"
    """What is worked on, for messages."""

    def run(
        self,
        *args: str,
        directory: Path,
        alone: bool = False,
    ) -> bytes:
        """What `git args` prints, run in `directory`.

        `alone` keeps the user's configuration out: for work on files, which must come out
        the same for everybody.  Raises GitFailed with git's words, NoGit.
        """
        import subprocess

        allow = "always" if self.files_allowed else "user"
        options = [
            each for line in (*_OURS, f"protocol.file.allow={allow}") for each in ("-c", line)
        ]
        try:
            process = subprocess.Popen(
                ["git", *options, *args],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=directory,
                env=self._environment(alone),
                # Without a terminal ssh cannot ask for a password, and nobody else ends it.
                start_new_session=True,
                umask=0o022,
            )
        except FileNotFoundError:
            raise NoGit from None
        try:
            output, errors = process.communicate()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        if process.returncode:
            raise _failure(self.subject, args, errors)
        return output

    def _environment(self, alone: bool) -> dict[str, str]:
        found = {
            name: value
            for name, value in self.environment.items()
            if not name.startswith("GIT_") or name in _KEPT
        }
        found |= {
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "",
            "GIT_LFS_SKIP_SMUDGE": "1",
            "LC_ALL": "C",
        }
        if alone:
            found |= {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
        return found


_KEPT = frozenset(
    (
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_SYSTEM",
        "GIT_CONFIG_NOSYSTEM",
        "GIT_SSH",
        "GIT_SSH_COMMAND",
        "GIT_SSH_VARIANT",
        "GIT_SSL_CAINFO",
        "GIT_SSL_CAPATH",
        "GIT_SSL_NO_VERIFY",
        "GIT_PROXY_COMMAND",
        "GIT_EXEC_PATH",
    )
)
"""How a user reaches repositories."""
_LOGIN = re.compile(r"(\w+://)[^/@\s]*@")


def _failure(subject: str, args: Sequence[str], errors: bytes) -> GitFailed:
    text = "".join(
        mark if mark.isprintable() or mark == "\n" else " "
        for mark in errors.decode("utf-8", "replace")
    )
    lines = [_LOGIN.sub(r"\1", line.strip()) for line in text.splitlines() if line.strip()]
    hint = next((advice for words, advice in _ADVICE if any(map(words.search, lines))), "")
    command = next((each for each in args if not each.startswith("-")), "")
    return GitFailed(f"git {command} failed for {subject}: {_reason(lines)}", hint=hint)


def _reason(lines: Sequence[str]) -> str:
    """Git's own words, or those of ssh, which come before them and say more."""
    for place, line in enumerate(lines):
        if not line.startswith(("fatal: ", "error: ")):
            continue
        reason = line.partition(": ")[2]
        if "Could not read from remote repository" in reason and place:
            return lines[place - 1]
        if reason.endswith(":"):
            return " ".join((reason, *lines[place + 1 : place + 2]))
        return reason
    return lines[-1] if lines else "it said nothing"
