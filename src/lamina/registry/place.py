"""One host that has a repository, and how it is asked about it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from lamina.registry.errors import Subject
from lamina.registry.session import Session
from lamina.registry.transport import Response


class Place(msgspec.Struct, frozen=True):
    """One host that has the repository: the registry itself, or a mirror."""

    session: Session
    repository: str
    """As that host calls it."""
    registry: str
    """As the user calls the host."""
    push: bool = False

    @property
    def path(self) -> str:
        """The repository in the API."""
        return f"/v2/{self.repository}"

    @property
    def scopes(self) -> frozenset[str]:
        """What a token must allow."""
        return frozenset({f"repository:{self.repository}:{'pull,push' if self.push else 'pull'}"})

    def about(self, part: str = "") -> Subject:
        """What a request here is about."""
        return Subject(self.registry, f"{self.registry}/{self.repository}", part)

    def ask(
        self,
        method: str,
        path: str,
        *,
        ok: tuple[int, ...] = (200,),
        part: str = "",
        headers: Mapping[str, str] | None = None,
        repeat: bool = True,
    ) -> Response:
        """A request without a body about this repository; `path` is below it."""
        return self.session.request(
            method,
            path if "://" in path else self.path + path,
            subject=self.about(part),
            ok=ok,
            scopes=self.scopes,
            headers=headers,
            repeat=repeat,
        )
