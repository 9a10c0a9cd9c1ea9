"""`lamina build --help`: options under headings, by what they are about."""

from __future__ import annotations

import click

SECTIONS: dict[str, tuple[str, ...]] = {
    "Dockerfile and files": (*("file", "contexts", "target", "build_args", "platforms", "pull"),),
    "Checks": ("check", "call"),
    "Image": ("tags", "labels"),
    "RUN": (*("secrets", "agents", "network", "hosts", "grants", "shm_size", "limits", "memory"),),
    "Cache": ("no_cache", "anew", "cache_from", "cache_to", "explain_cache"),
    "Reproducible builds and attestations": (
        *("reproducible", "verify_reproducible", "report", "attests", "sbom", "provenance"),
    ),
    "Output": ("outputs", "push", "load", "iidfile", "metadata_file", "quiet", "progress"),
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
        placed = {name for names in SECTIONS.values() for name in names}
        others = tuple(name for name in rows if name and name not in placed)
        for title, names in {**SECTIONS, "Other": others}.items():
            with formatter.section(title):
                formatter.write_dl([rows[name] for name in names if name in rows])
