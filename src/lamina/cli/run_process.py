"""What is executed, as `run` and `create` take it: variables, user, names, labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from lamina.errors import Invalid

F = TypeVar("F", bound=Callable[..., Any])
_FILE = click.Path(dir_okay=False, path_type=Path)


class BadProcessOption(Invalid):
    """An option that says what is executed makes no sense."""


class ProcessOptions(msgspec.Struct, frozen=True):
    """What the options of this group come to; empty and None mean "as the image has it"."""

    env: tuple[str, ...] = ()
    """`NAME=value` lines."""
    workdir: str = ""
    user: str = ""
    groups: tuple[str, ...] = ()
    entrypoint: str | None = None
    hostname: str = ""
    domainname: str = ""
    labels: dict[str, str] = {}
    extra_hosts: tuple[str, ...] = ()
    """`name:address` lines; an address may be `host-gateway`."""
    sysctls: dict[str, str] = {}
    init: bool = False
    oom_score_adj: int | None = None


_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option("-e", "--env", multiple=True, metavar="NAME[=VALUE]", help="Set a variable."),
    click.option(
        "--env-file",
        multiple=True,
        type=_FILE,
        help="Read variables from a file, one NAME=VALUE a line.",
    ),
    click.option("-w", "--workdir", default="", help="The directory to start in."),
    click.option("-u", "--user", default="", metavar="USER[:GROUP]", help="Names or numbers."),
    click.option("--group-add", multiple=True, metavar="GROUP", help="A further group."),
    click.option("--entrypoint", help="Replace the image's entry point ('' for none)."),
    click.option("-h", "--hostname", default="", help="The host name inside."),
    click.option("--domainname", default="", help="The NIS domain name inside."),
    click.option("--add-host", multiple=True, metavar="NAME:ADDRESS", help="Add to /etc/hosts."),
    click.option(
        "-l", "--label", multiple=True, metavar="NAME[=VALUE]", help="Label the container."
    ),
    click.option("--label-file", multiple=True, type=_FILE, help="Read labels from a file."),
    click.option(
        "--init", is_flag=True, help="A small first process that hands on signals and reaps."
    ),
    click.option(
        "--sysctl", multiple=True, metavar="NAME=VALUE", help="Set a kernel parameter of its own."
    ),
    click.option(
        "--oom-score-adj",
        type=int,
        metavar="-1000…1000",
        help="Who is killed first when memory runs out.",
    ),
)


def options(command: F) -> F:
    """Options whose values `read` understands."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def read(values: dict[str, Any], environment: Mapping[str, str]) -> ProcessOptions:
    """The values of this group's options; `environment` is that of the command line.

    Raises BadProcessOption, BadHostname, BadHost, BadSysctl.
    """
    from lamina.run.network import check_host
    from lamina.run.request import check_hostname, environment_lines
    from lamina.run.sysctl import parse_sysctl

    files = [line for path in values["env_file"] for line in file_lines(path, "--env-file")]
    labels = [line for path in values["label_file"] for line in file_lines(path, "--label-file")]
    return ProcessOptions(
        env=tuple(environment_lines([*files, *values["env"]], environment)),
        workdir=_workdir(values["workdir"]),
        user=values["user"],
        groups=values["group_add"],
        entrypoint=values["entrypoint"],
        hostname=check_hostname(values["hostname"]),
        domainname=check_hostname(values["domainname"]),
        labels=dict(_labels([*labels, *values["label"]])),
        extra_hosts=tuple(map(check_host, values["add_host"])),
        sysctls=dict(map(parse_sysctl, values["sysctl"])),
        init=values["init"],
        oom_score_adj=_score(values["oom_score_adj"]),
    )


def _workdir(text: str) -> str:
    if text and not text.startswith("/"):
        raise BadProcessOption(
            f"the working directory {text!r} is invalid, it needs to be an absolute path",
            hint=f"-w /{text}",
        )
    return text


def file_lines(path: Path, option: str) -> Iterator[str]:
    """`NAME=value` or `NAME` lines, by the rules of Docker's env files."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise BadProcessOption(f"{path} is not UTF-8 text", hint=f"for {option}") from None
    except OSError as error:
        raise BadProcessOption(f"cannot open {path} for {option}: {error.strerror}") from None
    for number, line in enumerate(text.splitlines(), 1):
        line = line.lstrip()
        if not line or line.startswith("#"):
            continue
        name = line.partition("=")[0]
        if not name:
            raise BadProcessOption(f"{path}:{number}: no variable name on line {line!r}")
        if any(character.isspace() for character in name):
            raise BadProcessOption(f"{path}:{number}: variable {name!r} contains whitespaces")
        yield line


def _labels(texts: list[str]) -> Iterator[tuple[str, str]]:
    for text in texts:
        name, _, value = text.partition("=")
        if not name:
            raise BadProcessOption(f"not a label: {text!r}", hint="write NAME=VALUE")
        yield name, value


def _score(score: int | None) -> int | None:
    if score is not None and not -1000 <= score <= 1000:
        raise BadProcessOption(f"invalid value {score}, range for oom score adj is [-1000, 1000]")
    return score
