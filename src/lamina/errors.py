"""The kinds of error that Lamina raises on purpose.

    EngineError
    ├── Invalid       the input breaks a rule: a reference, a Dockerfile, an archive
    ├── NotFound      no such image, layer, container, tag, path
    ├── Exists        the name is taken
    ├── Conflict      the thing is in use, or changed meanwhile
    ├── Denied        not permitted: by the kernel, a registry, a policy
    ├── Unsupported   well-formed, but not something this version or host can do
    ├── Unavailable   the other side does not answer: a registry, a full disk
    ├── Corrupt       bytes are not what their digest says
    └── CheckFailed   a check that the user asked for does not hold

The concrete classes live beside the code that raises them.  The command line
turns a kind into an exit status, the API into an HTTP status, each in one table.
"""

from __future__ import annotations


class EngineError(Exception):
    """Root of every error this package raises on purpose.

    The message is one sentence: what failed, on which object.  `hint`, when
    there is one, says what the user can do.
    """

    kind = "internal"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Invalid(EngineError):
    """The input breaks a rule of its format."""

    kind = "invalid"


class NotFound(EngineError):
    """Nothing goes by that name."""

    kind = "not-found"


class Exists(EngineError):
    """The name is taken."""

    kind = "exists"


class Conflict(EngineError):
    """The object is in use, or is not in the state that the request needs."""

    kind = "conflict"


class Denied(EngineError):
    """Somebody with the say refused: the kernel, a registry, a policy."""

    kind = "denied"


class Unsupported(EngineError):
    """Well-formed, but beyond this version, this host or this kernel."""

    kind = "unsupported"


class Unavailable(EngineError):
    """Something outside does not answer or has no room: a registry, a disk."""

    kind = "unavailable"


class Corrupt(EngineError):
    """Bytes are not what their digest, size or checksum says."""

    kind = "corrupt"


class CheckFailed(EngineError):
    """A check that the user asked for does not hold; nothing went wrong in doing it."""

    kind = "check-failed"


KINDS: dict[str, type[EngineError]] = {
    each.kind: each
    for each in (
        *(Invalid, NotFound, Exists, Conflict, Denied),
        *(Unsupported, Unavailable, Corrupt, CheckFailed),
    )
}
"""The kinds by name, for an error that comes from another process."""
