"""What is executed, as `run` and `create` take it: variables, user, names, labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from lamina.cli.declared import Option
from lamina.errors import Invalid


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


OPTIONS = (
    Option("-e", "--env", multiple=True, metavar="NAME[=VALUE]", help="Set a variable."),
    Option(
        "--env-file",
        multiple=True,
        kind="file",
        help="Read variables from a file, one NAME=VALUE a line.",
    ),
    Option("-w", "--workdir", default="", help="The directory to start in."),
    Option("-u", "--user", default="", metavar="USER[:GROUP]", help="Names or numbers."),
    Option("--group-add", multiple=True, metavar="GROUP", help="A further group."),
    Option("--entrypoint", help="Replace the image's entry point ('' for none)."),
    Option("-h", "--hostname", default="", help="The host name inside."),
    Option("--domainname", default="", help="The NIS domain name inside."),
    Option("--add-host", multiple=True, metavar="NAME:ADDRESS", help="Add to /etc/hosts."),
    Option("-l", "--label", multiple=True, metavar="NAME[=VALUE]", help="Label the container."),
    Option("--label-file", multiple=True, kind="file", help="Read labels from a file."),
    Option("--init", kind="flag", help="A small first process that hands on signals and reaps."),
    Option(
        "--sysctl", multiple=True, metavar="NAME=VALUE", help="Set a kernel parameter of its own."
    ),
    Option(
        "--oom-score-adj",
        kind="number",
        metavar="-1000…1000",
        help="Who is killed first when memory runs out.",
    ),
)


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
