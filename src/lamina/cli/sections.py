"""A command whose options are many: its help puts them under headings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import click


class SectionedCommand(click.Command):
    """A command with `sections`: names of options under each heading, separated by spaces.

    Options that stand nowhere come last.
    """

    sections: ClassVar[Mapping[str, str]] = {}

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = {
            each.name: record
            for each in self.get_params(ctx)
            if isinstance(each, click.Option) and (record := each.get_help_record(ctx)) is not None
        }
        placed = {title: names.split() for title, names in self.sections.items()}
        known = {name for names in placed.values() for name in names}
        placed["Other"] = [name for name in rows if name and name not in known]
        for title, names in placed.items():
            if shown := [rows[name] for name in names if name in rows]:
                with formatter.section(title):
                    formatter.write_dl(shown)
