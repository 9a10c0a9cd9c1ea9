"""Parser directives: `# syntax=…`, `# escape=…` and `# check=…` at the top of a file.  Pure."""

from __future__ import annotations

import re

from lamina.dockerfile.source import DockerfileError, Source, Span
from lamina.dockerfile.spaces import SPACES

CHECK_ARG = "BUILDKIT_DOCKERFILE_CHECK"
"""The build argument that stands for the file's own `# check=`."""
_DIRECTIVE = re.compile(r"([a-zA-Z][a-zA-Z0-9]*)[\t\f\r ]*=[\t\f\r ]*(.+?)[\t\f\r ]*")
_KNOWN = {"syntax", "escape", "check"}


def directive(comment: str) -> tuple[str, str] | None:
    """Name (in lower case) and value that a comment's text gives; None when it gives none."""
    match = _DIRECTIVE.fullmatch(comment.lstrip(SPACES))
    if match is None or match[1].lower() not in _KNOWN:
        return None
    return match[1].lower(), match[2]


def directives(source: Source) -> dict[str, str]:
    """Those of a file: the first line that is none ends them.

    Raises DockerfileError for one given twice and for an escape that is none.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(source.lines, 1):
        stripped = line.lstrip(SPACES)
        read = directive(stripped[1:]) if stripped.startswith("#") else None
        if read is None:
            break
        name, value = read
        where = Span(number, 1, len(line))
        if name in found:
            raise DockerfileError(source, where, f"only one {name} directive can be used")
        if name == "escape" and value not in ("\\", "`"):
            raise DockerfileError(
                source, where, f"invalid escape character {value}", note="it is \\ or `"
            )
        found[name] = value
    return found
