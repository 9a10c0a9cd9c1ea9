"""Instructions to a graph: stages by name and number, only those that the target needs.

Expansion needs the variables of base images, so planning asks a resolver for
each image it meets; nothing else here leaves memory.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import msgspec

from lamina.dockerfile.instruction import Dockerfile, Instruction
from lamina.dockerfile.parse import parse_line
from lamina.dockerfile.source import DockerfileError
from lamina.dockerfile.words import quoted_words
from lamina.errors import EngineError
from lamina.oci.config import Execution
from lamina.plan import copy_instruction, metadata, run_instruction
from lamina.plan.drafts import Draft, Drafts, NoSuchStage
from lamina.plan.graph import BaseOp, ContextOp, CopyOp, CopySource, Graph, Vertex
from lamina.plan.stage import DEFAULT_PATH, Settings, Stage, unknown_flag
from lamina.store.contract import Image

Resolver = Callable[[str, str], Image]
"""Finds an image by name and platform ("" is the target's); raises ImageNotFound and its kin."""
_FREE_ARGS = frozenset(run_instruction.PROXIES) | {
    "SOURCE_DATE_EPOCH",
    "BUILDKIT_SYNTAX",
    "BUILDKIT_INLINE_CACHE",
    "BUILDKIT_CONTEXT_KEEP_GIT_DIR",
}


class Plan(msgspec.Struct, frozen=True):
    """What to build: the target's stage, and what the user should hear of."""

    stage: Stage
    image: Image | None
    """The image that the target starts from, through however many stages; None for scratch."""
    unused_args: tuple[str, ...]
    """`--build-arg` names that no ARG declares."""
    stages: tuple[str, ...]
    """What every stage of the file is called, the unneeded ones too: its name, else its number."""


def plan(
    dockerfile: Dockerfile, settings: Settings, resolve: Resolver, graph: Graph | None = None
) -> Plan:
    """The graph of `settings.target`, the last stage by default; a part of `graph` if given.

    Raises DockerfileError, pointing at the instruction; NoSuchStage.
    """
    planner = _Planner(dockerfile, settings, resolve, graph or Graph())
    stage = planner.stage(planner.drafts.target())
    if settings.labels:
        labels = {**(stage.execution.labels or {}), **settings.labels}
        stage.change(labels=labels)
    stages = tuple(draft.label for draft in planner.drafts.all)
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
        self.drafts = Drafts(dockerfile, settings)
        self.done: dict[int, Stage] = {}
        self.images: dict[int, Image | None] = {}

    def stage(self, number: int) -> Stage:
        """The stage, planned once, with whatever it needs."""
        if number not in self.done:
            draft = self.drafts.all[number]
            stage = self._begin(draft)
            self._triggers(stage, draft)
            for line in draft.body:
                self._dispatch(stage, draft, line)
            self.done[number] = stage
        return self.done[number]

    def _begin(self, draft: Draft) -> Stage:
        inherited = None
        if not draft.base.isdecimal():
            inherited = self.drafts.number(draft.base, draft.number)
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

    def _from_stage(self, draft: Draft, base: Stage) -> Stage:
        stage = self._new_stage(draft, base.tip, base.execution)
        stage.author = base.author
        stage.platform = base.platform
        stage.history = list(base.history)
        # What ARG said in a stage goes on in those that begin with it.
        stage.variables = dict(base.variables)
        stage.declared = dict(base.declared)
        self.images[id(stage)] = self.images[id(base)]
        return stage

    def _from_context(self, draft: Draft) -> Stage:
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

    def _new_stage(self, draft: Draft, tip: Vertex, execution: Execution) -> Stage:
        return Stage(
            self.source,
            self.dockerfile.escape,
            self.graph,
            self.settings,
            tip,
            execution,
            draft.label,
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

    def _triggers(self, stage: Stage, draft: Draft) -> None:
        """Carry out what the base image's ONBUILD lines ask for, at the FROM."""
        triggers = stage.execution.on_build or ()
        stage.change(on_build=None)
        for text in triggers:
            self._dispatch(stage, draft, parse_line(self.source, text, draft.line.span))

    def _dispatch(self, stage: Stage, draft: Draft, line: Instruction) -> None:
        if line.flags and line.keyword not in ("RUN", "COPY", "ADD", "HEALTHCHECK"):
            raise unknown_flag(self.source, line, line.flags[0], ())
        if line.keyword == "ARG":
            metadata.arg(stage, line, self.drafts.globals)
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

    def _origin(self, draft: Draft, line: Instruction, name: str) -> Vertex:
        """What `from` means to COPY and mounts: an earlier stage, a named context, an image."""
        number = self.drafts.number(name, draft.number)
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
