"""`lamina build --help`: options under headings, by what they are about."""

from __future__ import annotations

import click

SECTIONS = {
    "Dockerfile and files": "file contexts target build_args platforms pull check",
    "Image": "tags labels",
    "RUN": "secrets agents network hosts grants shm_size limits memory",
    "Cache": "no_cache anew cache_from cache_to explain_cache",
    "Reproducible builds and attestations": (
        "reproducible verify_reproducible attests sbom provenance"
    ),
    "Output": "outputs push load iidfile metadata_file quiet progress report",
}
"""Options by name; those that stand nowhere come last."""


class BuildCommand(click.Command):
    """A command whose options are many."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = {
            each.name: record
            for each in self.get_params(ctx)
            if isinstance(each, click.Option) and (record := each.get_help_record(ctx)) is not None
        }
        placed = {title: names.split() for title, names in SECTIONS.items()}
        known = {name for names in placed.values() for name in names}
        placed["Other"] = [name for name in rows if name and name not in known]
        for title, names in placed.items():
            with formatter.section(title):
                formatter.write_dl([rows[name] for name in names if name in rows])
