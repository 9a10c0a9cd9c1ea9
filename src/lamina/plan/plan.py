"""Instructions to a graph: stages by name and number, only those that the target needs.

Expansion needs the variables of base images, so planning asks a resolver for
each image it meets; nothing else here leaves memory.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

import msgspec

from lamina.dockerfile.expand import BadSubstitution, expand
from lamina.dockerfile.instruction import Dockerfile, Instruction
from lamina.dockerfile.parse import parse_line
from lamina.dockerfile.source import DockerfileError
from lamina.dockerfile.words import quoted_words
from lamina.errors import EngineError, Invalid
from lamina.oci.config import Execution
from lamina.oci.platform import Platform
from lamina.plan import copy_instruction, metadata, run_instruction
from lamina.plan.graph import BaseOp, ContextOp, CopyOp, CopySource, Graph, Vertex
from lamina.plan.stage import DEFAULT_PATH, Settings, Stage, unknown_flag
from lamina.store.contract import Image

Resolver = Callable[[str, str], Image]
"""Finds an image by name and platform ("" is the target's); raises ImageNotFound and its kin."""
_STAGE_NAME = re.compile(r"[a-z][a-z0-9_.-]*")
_NO_TEXT = re.compile(r"[\udc80-\udcff]")
_FREE_ARGS = frozenset(run_instruction.PROXIES) | {
    "SOURCE_DATE_EPOCH",
    "BUILDKIT_SYNTAX",
    "BUILDKIT_INLINE_CACHE",
    "BUILDKIT_CONTEXT_KEEP_GIT_DIR",
}


class NoSuchStage(Invalid):
    """An option names a stage that is not there."""


class Plan(msgspec.Struct, frozen=True):
    """What to build: the target's stage, and what the user should hear of."""

    stage: Stage
    image: Image | None
    """The image that the target starts from, through however many stages; None for scratch."""
    unused_args: tuple[str, ...]
    """`--build-arg` names that no ARG declares."""
    stages: tuple[str, ...]
    """What every stage of the file is called, the unneeded ones too: its name, else its number."""


class _Draft(msgspec.Struct, frozen=True):
    """A FROM with its instructions, not yet looked at."""

    number: int
    name: str
    base: str
    platform: str
    line: Instruction
    body: tuple[Instruction, ...]


def plan(
    dockerfile: Dockerfile, settings: Settings, resolve: Resolver, graph: Graph | None = None
) -> Plan:
    """The graph of `settings.target`, the last stage by default; a part of `graph` if given.

    Raises DockerfileError, pointing at the instruction; NoSuchStage.
    """
    planner = _Planner(dockerfile, settings, resolve, graph or Graph())
    stage = planner.stage(planner.target())
    if settings.labels:
        labels = {**(stage.execution.labels or {}), **settings.labels}
        stage.change(labels=labels)
    stages = tuple(draft.name or str(draft.number) for draft in planner.drafts)
    return Plan(stage, planner.images[id(stage)], planner.unused_args(), stages)


def called(made: Plan, names: Collection[str], option: str) -> frozenset[str]:
    """The stages of these names or numbers, as `Plan.stages` has them.  Raises NoSuchStage."""
    found = {name.lower(): name for name in made.stages}
    found |= {str(number): name for number, name in enumerate(made.stages)}
    for name in names:
        if name.lower() not in found:
            raise NoSuchStage(
                f"{option} names no stage: {name}", hint=f"there are: {', '.join(made.stages)}"
            )
    return frozenset(found[name.lower()] for name in names)


class _Planner:
    def __init__(
        self, dockerfile: Dockerfile, settings: Settings, resolve: Resolver, graph: Graph
    ) -> None:
        self.dockerfile = dockerfile
        self.source = dockerfile.source
        self.settings = settings
        self.resolve = resolve
        self.graph = graph
        self.globals = _platform_args(dockerfile, settings)
        self.drafts = self._drafts()
        self.done: dict[int, Stage] = {}
        self.images: dict[int, Image | None] = {}

    def _drafts(self) -> list[_Draft]:
        heads: list[tuple[Instruction, list[Instruction]]] = []
        for line in self.dockerfile.instructions:
            self._require_text(line)
            if line.keyword == "FROM":
                heads.append((line, []))
            elif heads:
                heads[-1][1].append(line)
            elif line.keyword == "ARG":
                self._global_arg(line)
            else:
                raise DockerfileError(
                    self.source, line.span, f"{line.keyword} before the first FROM"
                )
        if not heads:
            last = self.dockerfile.instructions[-1].span
            raise DockerfileError(self.source, last, "there is no FROM")
        return [self._draft(number, *head) for number, head in enumerate(heads)]

    def _require_text(self, line: Instruction) -> None:
        """Configurations and keys are JSON, which has no room for other bytes than UTF-8."""
        for text in (line.original, *(doc.content for doc in line.heredocs)):
            if (odd := _NO_TEXT.search(text)) is not None:
                byte = f"\\x{ord(odd[0]) - 0xDC00:02x}"
                place = line.at(odd.start(), 1) if text is line.original else line.span
                raise DockerfileError(self.source, place, f"{byte} is not UTF-8")

    def _global_arg(self, line: Instruction) -> None:
        for word in quoted_words(line.text, self.dockerfile.escape):
            name, equals, default = word.partition("=")
            if name in self.settings.build_args:
                self.globals[name] = self.settings.build_args[name]
            elif equals:
                self.globals[name] = self._expand(line, default)

    def _expand(self, line: Instruction, text: str) -> str:
        try:
            return expand(text, self.globals, escape=self.dockerfile.escape)
        except BadSubstitution as error:
            raise DockerfileError(self.source, line.place(text), str(error)) from None

    def _draft(self, number: int, line: Instruction, body: list[Instruction]) -> _Draft:
        platform = self._platform(line)
        words = line.words()
        name = self._name(line, words)
        base = self._expand(line, words[0])
        if not base:
            raise DockerfileError(
                self.source,
                line.place(words[0]),
                f"{words[0]} is empty here: no image to start from",
            )
        return _Draft(number, name, base, platform, line, tuple(body))

    def _platform(self, line: Instruction) -> str:
        """The value of `--platform`; empty when there is none."""
        platform = ""
        for flag in line.flags:
            if flag.name != "platform":
                raise unknown_flag(self.source, line, flag, ("platform",))
            if flag.value is None:
                raise DockerfileError(self.source, flag.span, "--platform needs a value")
            platform = self._expand(line, flag.value)
            if flag.value and not platform:
                problem = f"{flag.value} is empty here: no platform"
                raise DockerfileError(self.source, flag.span, problem)
        return platform

    def _name(self, line: Instruction, words: tuple[str, ...]) -> str:
        """The name after AS; empty when there is none."""
        if len(words) == 1:
            return ""
        if len(words) != 3 or words[1].upper() != "AS":
            raise DockerfileError(
                self.source, line.place(words[1]), "FROM takes an image, and AS with a name"
            )
        name = words[2].lower()
        if not _STAGE_NAME.fullmatch(name):
            raise DockerfileError(
                self.source,
                line.place(words[2]),
                f"not a name for a stage: {words[2]}",
                note="a letter, then letters, digits, _ . -",
            )
        return name

    def target(self) -> int:
        """The number of the stage to build.  Raises NoSuchStage."""
        wanted = self.settings.target.lower()
        if not wanted:
            return len(self.drafts) - 1
        found = self._number(wanted, len(self.drafts))
        if found is None:
            names = ", ".join(draft.name or str(draft.number) for draft in self.drafts)
            raise NoSuchStage(
                f"{self.source.name} has no stage {self.settings.target}", hint=f"it has: {names}"
            )
        return found

    def _number(self, name: str, before: int) -> int | None:
        """The last stage of that name among the first `before`, else the one of that number.

        A named context stands before a stage, as in BuildKit.
        """
        if name in self.settings.contexts or name in self.settings.images:
            return None
        for draft in reversed(self.drafts[:before]):
            if draft.name and draft.name == name.lower():
                return draft.number
        return int(name) if name.isdecimal() and int(name) < before else None

    def stage(self, number: int) -> Stage:
        """The stage, planned once, with whatever it needs."""
        if number not in self.done:
            draft = self.drafts[number]
            stage = self._begin(draft)
            self._triggers(stage, draft)
            for line in draft.body:
                self._dispatch(stage, draft, line)
            self.done[number] = stage
        return self.done[number]

    def _begin(self, draft: _Draft) -> Stage:
        inherited = None
        if not draft.base.isdecimal():
            inherited = self._number(draft.base, draft.number)
        if inherited is not None:
            return self._from_stage(draft, self.stage(inherited))
        if draft.base in self.settings.contexts:
            return self._from_context(draft)
        image = self._image(draft.base, draft.platform, draft.line)
        vertex = self._base_vertex(draft.base, image, draft.line)
        execution = image.config.execution if image else Execution(working_dir="/")
        stage = self._new_stage(draft, vertex, _with_path(execution))
        stage.author = image.config.author if image else ""
        # Some tools' imports say nothing of a processor.
        if image is not None and image.config.platform.architecture:
            stage.platform = image.config.platform
        self.images[id(stage)] = image
        return stage

    def _from_stage(self, draft: _Draft, base: Stage) -> Stage:
        stage = self._new_stage(draft, base.tip, base.execution)
        stage.author = base.author
        stage.platform = base.platform
        stage.history = list(base.history)
        # What ARG said in a stage goes on in those that begin with it.
        stage.variables = dict(base.variables)
        stage.declared = dict(base.declared)
        self.images[id(stage)] = self.images[id(base)]
        return stage

    def _from_context(self, draft: _Draft) -> Stage:
        """A stage that begins with the files of a named context."""
        scratch = self._base_vertex("scratch", None, draft.line)
        stage = self._new_stage(draft, scratch, _with_path(Execution(working_dir="/")))
        vertex = self.graph.add(
            CopyOp((CopySource("/"),), "/"),
            parent=scratch,
            origins=(self.graph.add(ContextOp(draft.base)),),
            instruction=draft.line,
            title=f"FROM {draft.base}",
            stage=stage.label,
        )
        stage.record(f"FROM {draft.base}", vertex)
        self.images[id(stage)] = None
        return stage

    def _new_stage(self, draft: _Draft, tip: Vertex, execution: Execution) -> Stage:
        return Stage(
            self.source,
            self.dockerfile.escape,
            self.graph,
            self.settings,
            tip,
            execution,
            draft.name or str(draft.number),
            variables=execution.environment(),
        )

    def _image(self, name: str, platform: str, line: Instruction) -> Image | None:
        if name == "scratch":
            return None
        try:
            return self.resolve(name, platform)
        except EngineError as error:
            if error.kind == "corrupt":
                raise
            raise DockerfileError(
                self.source, line.place(name), str(error), note=error.hint
            ) from None

    def _base_vertex(self, name: str, image: Image | None, line: Instruction) -> Vertex:
        layers = image.layers if image else ()
        return self.graph.add(BaseOp(name, layers), instruction=line, title=f"base {name}")

    def _triggers(self, stage: Stage, draft: _Draft) -> None:
        """Carry out what the base image's ONBUILD lines ask for, at the FROM."""
        triggers = stage.execution.on_build or ()
        stage.change(on_build=None)
        for text in triggers:
            self._dispatch(stage, draft, parse_line(self.source, text, draft.line.span))

    def _dispatch(self, stage: Stage, draft: _Draft, line: Instruction) -> None:
        if line.flags and line.keyword not in ("RUN", "COPY", "ADD", "HEALTHCHECK"):
            raise unknown_flag(self.source, line, line.flags[0], ())
        if line.keyword == "ARG":
            metadata.arg(stage, line, self.globals)
        elif line.keyword == "COPY":
            copy_instruction.copy(stage, line, lambda name: self._origin(draft, line, name))
        elif line.keyword == "ADD":
            copy_instruction.add(stage, line)
        elif line.keyword == "RUN":
            run_instruction.run(stage, line, lambda name: self._origin(draft, line, name))
        elif line.keyword == "WORKDIR":
            copy_instruction.workdir(stage, line)
        else:
            metadata.METADATA[line.keyword](stage, line)

    def _origin(self, draft: _Draft, line: Instruction, name: str) -> Vertex:
        """What `from` means to COPY and mounts: an earlier stage, a named context, an image."""
        number = self._number(name, draft.number)
        if number is not None:
            return self.stage(number).tip
        if name in self.settings.contexts:
            return self.graph.add(ContextOp(name))
        if name.isdecimal() or name.lower() == draft.name:
            raise DockerfileError(
                self.source, line.place(name), f"no stage {name} comes before this one"
            )
        return self._base_vertex(name, self._image(name, "", line), line)

    def unused_args(self) -> tuple[str, ...]:
        """Build arguments that nothing in the file declares."""
        declared = {
            word.partition("=")[0]
            for line in self.dockerfile.instructions
            if line.keyword == "ARG"
            for word in quoted_words(line.text, self.dockerfile.escape)
        }
        return tuple(sorted(set(self.settings.build_args) - declared - _FREE_ARGS))


def _with_path(execution: Execution) -> Execution:
    """PATH is always set, in the image as well, as BuildKit has it."""
    if "PATH" in execution.environment():
        return execution
    return msgspec.structs.replace(execution, env=(*(execution.env or ()), f"PATH={DEFAULT_PATH}"))


def _platform_args(dockerfile: Dockerfile, settings: Settings) -> dict[str, str]:
    found = {"TARGETSTAGE": settings.target or _last_name(dockerfile) or "default"}
    for prefix, platform in (("BUILD", settings.host), ("TARGET", settings.platform)):
        found |= _platform_names(prefix, platform)
    return {name: settings.build_args.get(name, value) for name, value in found.items()}


def _last_name(dockerfile: Dockerfile) -> str:
    words = [line.words() for line in dockerfile.instructions if line.keyword == "FROM"]
    return words[-1][2].lower() if words and len(words[-1]) == 3 else ""


def _platform_names(prefix: str, platform: Platform) -> dict[str, str]:
    return {
        f"{prefix}PLATFORM": str(platform),
        f"{prefix}OS": platform.os,
        f"{prefix}OSVERSION": platform.os_version,
        f"{prefix}ARCH": platform.architecture,
        f"{prefix}VARIANT": platform.variant,
    }
