"""Checks of how a Dockerfile is written: cases, names of stages, old forms, comments.  Pure."""

from __future__ import annotations

from collections.abc import Iterator

from lamina.dockerfile.check_rules import Finding, found
from lamina.dockerfile.check_walk import Scene, Stage, arguments
from lamina.dockerfile.directives import directive
from lamina.dockerfile.instruction import Instruction
from lamina.dockerfile.source import Span
from lamina.dockerfile.words import is_legacy, quoted_words

_RESERVED = ("scratch", "context")
_ONCE = ("CMD", "ENTRYPOINT", "HEALTHCHECK")


def stage_names(scene: Scene) -> Iterator[Finding]:
    """StageNameCasing, ReservedStageName, DuplicateStageName."""
    seen: set[str] = set()
    for stage in scene.stages:
        if not stage.name:
            continue
        written = stage.line.words()[2]
        place = stage.line.place(written)
        if written != stage.name:
            message = f"the stage {written} is not in lower case"
            yield found("StageNameCasing", stage.line, message, place)
        if stage.name in _RESERVED:
            message = f"a stage is called {stage.name}"
            yield found("ReservedStageName", stage.line, message, place)
        if stage.name in seen:
            message = f"another stage is called {stage.name} already"
            yield found("DuplicateStageName", stage.line, message, place)
        seen.add(stage.name)


def cases(scene: Scene) -> Iterator[Finding]:
    """ConsistentInstructionCasing, FromAsCasing."""
    lines = [line for stage in scene.stages for line in (stage.line, *stage.lines)]
    small = sum(line.word.islower() for line in lines) > sum(line.word.isupper() for line in lines)
    for line in lines:
        if not (line.word.islower() if small else line.word.isupper()):
            most = "small letters" if small else "capitals"
            message = f"{line.word} is not in {most}, as most instructions here are"
            yield found("ConsistentInstructionCasing", line, message)
    for stage in scene.stages:
        words = stage.line.words()
        case = _case(stage.line.word)
        if len(words) == 3 and case and _case(words[1]) != case:
            message = f"{words[1]} is not in the case of {stage.line.word}"
            yield found("FromAsCasing", stage.line, message, stage.line.place(words[1]))


def _case(word: str) -> str:
    return "small" if word.islower() else "capital" if word.isupper() else ""


def continuations(scene: Scene) -> Iterator[Finding]:
    """NoEmptyContinuation: BuildKit names the line that ends the instruction."""
    for line in scene.dockerfile.instructions:
        if line.blank_lines:
            last = max(line.blank_lines[-1], line.offsets[-1][1])
            place = Span(line.blank_lines[0], 1)
            message = f"an empty line inside {line.keyword}"
            finding = found("NoEmptyContinuation", line, message, place)
            yield Finding(finding.rule, message, place, last, last, finding.heeds)


def descriptions(scene: Scene) -> Iterator[Finding]:
    """InvalidDefinitionDescription."""
    names = {stage.line: (stage.name,) for stage in scene.stages if stage.name}
    for line in scene.dockerfile.instructions:
        described = tuple(arguments(scene, line)) if line.keyword == "ARG" else names.get(line, ())
        first = line.offsets[0][1]
        above = [each for each in line.comments if each.line == first - 1]
        if not described or not above or directive(above[0].text):
            continue
        if above[0].text.split(" ")[0] not in described:
            message = f"the comment above does not begin with {' or '.join(described)}"
            text = scene.dockerfile.source.lines[above[0].line - 1]
            place = Span(above[0].line, text.index("#") + 1, len(text.strip()))
            yield found("InvalidDefinitionDescription", line, message, place)


def repeated(scene: Scene) -> Iterator[Finding]:
    """MultipleInstructionsDisallowed: it is the earlier one that does not count."""
    for stage in scene.stages:
        last: dict[str, Instruction] = {}
        for line in stage.lines:
            if line.keyword not in _ONCE:
                continue
            if line.keyword in last:
                message = f"{line.keyword} stands again in line {line.span.line}"
                earlier = last[line.keyword]
                yield found("MultipleInstructionsDisallowed", earlier, message, heeds=line)
            last[line.keyword] = line


def maintainer(scene: Scene, stage: Stage, line: Instruction) -> Iterator[Finding]:
    """MaintainerDeprecated."""
    yield found("MaintainerDeprecated", line, "MAINTAINER is out of use")


def key_values(scene: Scene, stage: Stage, line: Instruction) -> Iterator[Finding]:
    """LegacyKeyValueFormat."""
    words = quoted_words(line.text, scene.dockerfile.escape)
    if is_legacy(words):
        message = f"{line.keyword} has no = between name and value"
        yield found("LegacyKeyValueFormat", line, message, line.place(line.text))


def commands(scene: Scene, stage: Stage, line: Instruction) -> Iterator[Finding]:
    """JSONArgsRecommended."""
    if line.json is None and not stage.has_shell:
        message = f"{line.keyword} runs through a shell"
        yield found("JSONArgsRecommended", line, message, line.place(line.text))
