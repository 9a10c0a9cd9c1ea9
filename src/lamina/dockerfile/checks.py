"""The checks of a Dockerfile, run.  Pure.

Twenty-two rules, BuildKit's by name and meaning.  Each looks at every stage,
whether it is built or not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from lamina.dockerfile import check_form, check_from, check_values
from lamina.dockerfile.check_rules import BadCheckOption, Finding, Options
from lamina.dockerfile.check_walk import Scene, Stage, Surroundings
from lamina.dockerfile.directives import CHECK_ARG, directive
from lamina.dockerfile.instruction import Dockerfile, Instruction
from lamina.dockerfile.source import DockerfileError, Span

_FileRule = Callable[[Scene], Iterator[Finding]]
_StepRule = Callable[[Scene, Stage, Instruction], Iterator[Finding]]

_FILE_RULES: tuple[_FileRule, ...] = (
    check_form.stage_names,
    check_form.cases,
    check_form.continuations,
    check_form.descriptions,
    check_form.repeated,
    check_from.images,
    check_from.platforms,
)
_STEP_RULES: dict[str, tuple[_StepRule, ...]] = {
    "ADD": (check_values.undefined, check_values.ignored),
    "ARG": (check_values.undefined, check_values.secrets),
    "CMD": (check_form.commands,),
    "COPY": (check_values.undefined, check_values.ignored),
    "ENTRYPOINT": (check_form.commands,),
    "ENV": (check_values.undefined, check_values.secrets, check_form.key_values),
    "EXPOSE": (check_values.exposed,),
    "LABEL": (check_values.undefined, check_form.key_values),
    "MAINTAINER": (check_form.maintainer,),
    "RUN": (check_values.undefined,),
    "STOPSIGNAL": (check_values.undefined,),
    "USER": (check_values.undefined,),
    "VOLUME": (check_values.undefined,),
    "WORKDIR": (check_values.undefined, check_values.workdir),
}


def findings(dockerfile: Dockerfile, around: Surroundings) -> tuple[Finding, ...]:
    """What the checks that are asked for find, in the order of the file.

    `# check=` at the top of the file asks, or the build argument
    BUILDKIT_DOCKERFILE_CHECK in its place; a `# check=skip=…` above an
    instruction silences rules for it.  Raises DockerfileError, BadCheckOption.
    """
    asked = options(dockerfile, around.build_args)
    scene = Scene(dockerfile, around)
    kept = [each for each in _all(scene) if _is_wanted(each, asked)]
    kept.sort(key=lambda each: (each.first_line, each.span.line, each.span.column, each.rule.name))
    return tuple(kept)


def options(dockerfile: Dockerfile, build_args: Mapping[str, str]) -> Options:
    """The options of the file, or of the build argument.

    Raises DockerfileError, pointing at the directive; BadCheckOption for the argument.
    """
    if CHECK_ARG in build_args:
        return Options.parse(build_args[CHECK_ARG])
    try:
        return _read(dockerfile.directives.get("check", ""))
    except BadCheckOption as error:
        lines = dockerfile.source.lines
        number = next(at for at, line in enumerate(lines, 1) if _name(line) == "check")
        span = Span(number, 1, len(lines[number - 1]))
        raise DockerfileError(dockerfile.source, span, str(error), note=error.hint) from None


def _name(line: str) -> str:
    """The name of the directive on a line."""
    return (directive(line.strip().removeprefix("#")) or ("", ""))[0]


def _read(value: str) -> Options:
    """What stands behind a blank is a remark."""
    return Options.parse(value.split(" ")[0])


def _all(scene: Scene) -> Iterator[Finding]:
    for rule in _FILE_RULES:
        yield from rule(scene)
    for stage, line in scene.walk():
        for step_rule in _STEP_RULES.get(line.keyword, ()):
            yield from step_rule(scene, stage, line)


def _is_wanted(finding: Finding, asked: Options) -> bool:
    """By the file's options, with those of the first `check=` comment above it added."""
    added = asked
    for comment in finding.heeds:
        name, value = directive(comment) or ("", "")
        if name != "check":
            continue
        try:
            local = _read(value)
        except BadCheckOption:
            continue
        added = Options(added.skip | local.skip, added.experimental | local.experimental)
    return added.runs(finding.rule)
