"""What the checks of a Dockerfile say beside a build: before it when they forbid it, else at
its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lamina.cli.app import App
from lamina.errors import CheckFailed, EngineError

if TYPE_CHECKING:
    from lamina.cli.build_context import Gathered
    from lamina.dockerfile.check_rules import Finding
    from lamina.dockerfile.instruction import Dockerfile
    from lamina.plan.stage import Settings
    from lamina.store.contract import Image


class ChecksForbid(CheckFailed):
    """`# check=error=true`, and a check found something."""


def found_by_checks(
    app: App, dockerfile: Dockerfile, gathered: Gathered, asked: Settings, *, shown: bool
) -> tuple[Finding, ...]:
    """What they find.  When nobody is `shown` it they run only where they may forbid the build.

    Raises ChecksForbid, DockerfileError, BadCheckOption.
    """
    from lamina.dockerfile.directives import CHECK_ARG

    if not shown and "check" not in dockerfile.directives and CHECK_ARG not in asked.build_args:
        return ()
    from lamina.cli.build_check import is_image_name
    from lamina.dockerfile.check_walk import Surroundings
    from lamina.dockerfile.checks import findings, options

    forbids = options(dockerfile, asked.build_args).error
    knowledge = surroundings(app, gathered, asked)
    around = Surroundings(
        platform=str(asked.platform),
        build_platform=str(asked.host),
        is_image_name=is_image_name,
        build_args=asked.build_args,
        **knowledge,
    )
    found = findings(dockerfile, around)
    if found and forbids:
        lines = ", ".join(f"{each.rule.name} (line {each.first_line})" for each in found)
        raise ChecksForbid(f"the checks of {dockerfile.source.name} found: {lines}")
    return found


def surroundings(app: App, gathered: Gathered, asked: Settings) -> dict[str, Any]:
    """What `Surroundings` and `run_checks` want to know of contexts and images; images are
    looked for in the store alone."""

    def image(name: str) -> Image | None:
        try:
            return app.engine.store.images.find(name, platform=str(asked.platform))
        except EngineError:
            return None

    def environment(name: str) -> Mapping[str, str] | None:
        found = image(name)
        return found.config.execution.environment() if found else None

    def platform(name: str) -> str | None:
        found = image(name)
        return str(found.config.platform) if found else None

    hidden: Callable[[str], bool] | None = getattr(gathered.opened.tree, "hidden", None)
    return {"environment": environment, "image_platform": platform, "hidden": hidden}


def sentences(found: Sequence[Finding]) -> list[str]:
    """One line for all, and one for each."""
    if not found:
        return []
    count = "1 warning" if len(found) == 1 else f"{len(found)} warnings"
    head = f" {count} found: `lamina build --check` says more"
    return [
        head,
        *(f"   {each.rule.name}: {each.message} (line {each.first_line})" for each in found),
    ]
