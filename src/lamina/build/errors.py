"""What can go wrong with a step that was understood."""

from __future__ import annotations

from lamina.dockerfile.source import DockerfileError
from lamina.errors import EngineError


class CommandFailed(EngineError):
    """A RUN ended with another exit status than 0."""

    kind = "invalid"

    def __init__(self, status: int) -> None:
        super().__init__(f"the command ended with exit status {status}")
        self.status = status


class StepError(DockerfileError):
    """An instruction was understood and could not be carried out."""

    status = 1
    """Of the command, when it was a RUN that failed."""
