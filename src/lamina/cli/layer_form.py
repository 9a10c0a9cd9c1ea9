"""`--layer-form`, for every command that brings layers into the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lamina.cli.app import App

if TYPE_CHECKING:
    from lamina.layer.contract import Form

FORMS = click.Choice(["image", "tree"])


def _choose(ctx: click.Context, _: click.Parameter, value: Form | None) -> None:
    app = ctx.find_object(App)
    assert app is not None
    app.layer_form = value


layer_form_option = click.option(
    "--layer-form",
    type=FORMS,
    envvar="LAMINA_LAYER_FORM",
    expose_value=False,
    callback=_choose,
    help="Keep layers as images (a tar under EROFS) or as trees (directories);"
    " by default as images where they can be mounted.",
)
