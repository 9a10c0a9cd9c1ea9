"""`RUN --mount` as part of a vertex: what each mount shows, where, and what it reads.  Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Sequence

from lamina.context.tree import clean
from lamina.dockerfile.instruction import Flag, Instruction
from lamina.dockerfile.source import DockerfileError
from lamina.plan.graph import ContextOp, RunMount, Vertex
from lamina.plan.mount_flag import BadMountFlag, MountFlag, parse_mount
from lamina.plan.stage import Stage

_CACHE_NAMESPACE = "BUILDKIT_CACHE_MOUNT_NS"
"""A build argument that goes in front of the ids of cache mounts."""
AGENT_SOCKET = "SSH_AUTH_SOCK"


class Mounts:
    """The mounts of one RUN, as they are found."""

    def __init__(self, stage: Stage, line: Instruction, find: Callable[[str], Vertex]) -> None:
        self._stage = stage
        self._line = line
        self._find = find
        self._agents = 0
        self.found: list[RunMount] = []
        self.origins: list[Vertex] = []
        """What `RunMount.origin` counts in."""

    def add(self, flag: Flag) -> None:
        """Read one `--mount`.  Raises DockerfileError at it, and what `find` raises."""
        try:
            given = parse_mount(flag.value or "", lambda text: self._stage.expand(self._line, text))
            self.found.append(self._mount(given))
        except BadMountFlag as error:
            line, fragment = self._line, error.fragment
            inside = fragment and fragment in line.original
            place = line.place(fragment) if inside else flag.span
            raise DockerfileError(self._stage.source, place, str(error), note=error.hint) from None

    def environment(self, variables: Sequence[str]) -> tuple[str, ...]:
        """`NAME=value` lines to add to these: where the first agent is, unless they say so."""
        sockets = [mount.target for mount in self.found if mount.kind == "ssh"]
        if not sockets or any(each.startswith(f"{AGENT_SOCKET}=") for each in variables):
            return ()
        return (f"{AGENT_SOCKET}={sockets[0]}",)

    def _mount(self, given: MountFlag) -> RunMount:
        match given.kind:
            case "secret":
                return self._secret(given)
            case "ssh":
                return self._agent(given)
        target = self._target(given.target)
        if target == "/":
            raise BadMountFlag(given.target, "a mount cannot take the place of /", "target=/…")
        if given.kind == "tmpfs":
            return RunMount("tmpfs", target, read_only=given.read_only, size=given.size)
        if given.kind == "cache":
            return self._cache(given, target)
        return RunMount(
            "bind",
            target,
            clean(given.source),
            self._origin(given),
            read_only=given.read_only,
        )

    def _cache(self, given: MountFlag, target: str) -> RunMount:
        if given.source and not given.origin:
            note = "from=STAGE"
            raise BadMountFlag("source", "a source of a cache mount needs what it is from", note)
        name = given.id or posixpath.normpath(given.target)
        namespace = self._stage.settings.build_args.get(_CACHE_NAMESPACE, "")
        return RunMount(
            "cache",
            target,
            clean(given.source) if given.origin else "",
            self._origin(given) if given.origin else -1,
            f"{namespace}/{name}" if namespace else name,
            given.sharing,
            given.read_only,
            mode=given.mode,
            uid=given.uid or 0,
            gid=given.gid or 0,
        )

    def _secret(self, given: MountFlag) -> RunMount:
        name = given.id or given.source or posixpath.basename(given.target)
        target = given.target
        if not target and given.env is None:
            target = f"/run/secrets/{posixpath.basename(name)}"
        return RunMount(
            "secret",
            self._target(target) if target else "",
            id=name,
            read_only=True,
            required=given.required,
            env=given.env or "",
            mode=0o400 if given.mode is None else given.mode,
            uid=given.uid or 0,
            gid=given.gid or 0,
        )

    def _agent(self, given: MountFlag) -> RunMount:
        target = given.target or f"/run/buildkit/ssh_agent.{self._agents}"
        self._agents += 1
        return RunMount(
            "ssh",
            self._target(target),
            id=given.id or "default",
            read_only=True,
            required=given.required,
            mode=0o600 if given.mode is None else given.mode,
            uid=given.uid or 0,
            gid=given.gid or 0,
        )

    def _target(self, target: str) -> str:
        return "/" + clean(posixpath.join(self._stage.cwd, target))

    def _origin(self, given: MountFlag) -> int:
        """The place among the origins of what a mount is from: the context by default."""
        context = ContextOp()
        vertex = self._find(given.origin) if given.origin else self._stage.graph.add(context)
        if vertex not in self.origins:
            self.origins.append(vertex)
        return self.origins.index(vertex)
