"""The options of every command that looks into an image: which layers, and the hidden part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from lamina.cli.completion import object_names

F = TypeVar("F", bound=Callable[..., Any])


def view_options(command: F) -> F:
    """The argument `name`, and `--layer N` and `--hidden` as `layer` and `hidden`."""
    for option in (
        click.option("--hidden", is_flag=True, help="What ships and cannot be seen."),
        click.option("--layer", metavar="N", help="What one layer ships: 1 is the lowest."),
        click.argument("name", metavar="IMAGE|CONTAINER", shell_complete=object_names),
    ):
        command = option(command)
    return command


def json_option(command: F) -> F:
    """`--format text|json`, as `fmt`."""
    return click.option(
        "--format",
        "fmt",
        type=click.Choice(["text", "json"]),
        default="text",
        help="How to print it.",
    )(command)
