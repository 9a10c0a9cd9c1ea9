"""`lamina completion`: what a shell needs to complete commands, options and names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lamina.errors import EngineError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from lamina.cli.app import App

_WHERE = {
    "bash": "lamina completion bash > /etc/bash_completion.d/lamina",
    "zsh": 'lamina completion zsh > "${fpath[1]}/_lamina"',
    "fish": "lamina completion fish > ~/.config/fish/completions/lamina.fish",
}


@click.command(epilog="Example: source <(lamina completion bash)")
@click.argument("shell", type=click.Choice(list(_WHERE)))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell: of commands, options, images and containers."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    group = ctx.find_root().command
    script = kind(group, {}, "lamina", "_LAMINA_COMPLETE").source()
    click.echo(f"# To keep it: {_WHERE[shell]}\n{script}", nl=not script.endswith("\n"))


def image_names(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The names of images that begin with what is typed."""
    return _items(ctx, incomplete, images=True, containers=False)


def object_names(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The names of images and containers that begin with what is typed."""
    return _items(ctx, incomplete, images=True, containers=True)


def _items(
    ctx: click.Context, incomplete: str, *, images: bool, containers: bool
) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    names: list[str] = []
    try:
        # While completing, the group's callback has not run: its options give the root.
        store = _app(ctx).engine.store
        if images:
            rows = store.refs.rows()
            names += [row.reference.familiar for row in rows if row.reference is not None]
        if containers:
            names += [record.name for record in store.containers]
    except (EngineError, OSError):
        # A shell that completes is no place to say that the store cannot be read.
        return []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _app(ctx: click.Context) -> App:
    import os

    from lamina.cli.app import App
    from lamina.store.place import default_root

    root = ctx.find_root().params.get("root")
    return App(root or default_root(os.environ, os.geteuid()))
