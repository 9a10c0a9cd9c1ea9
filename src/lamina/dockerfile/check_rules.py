"""The checks of a Dockerfile by name, what each finds, and which are asked for.  Pure.

Names and what they mean are BuildKit's, so that `# check=skip=…` means the same here.
"""

from __future__ import annotations

import re

import msgspec

from lamina.dockerfile.instruction import Instruction
from lamina.dockerfile.source import Span
from lamina.dockerfile.spaces import SPACES
from lamina.errors import Invalid


class BadCheckOption(Invalid):
    """What follows `check=` is no list of options."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"not an option of the checks: {text!r}",
            hint="as in skip=JSONArgsRecommended,UndefinedVar;error=true",
        )


class Rule(msgspec.Struct, frozen=True):
    """One check."""

    name: str
    description: str
    """What holds where it finds nothing."""
    advice: str
    """What to do where it finds something."""
    experimental: bool = False
    """Runs only when it is asked for."""

    @property
    def url(self) -> str:
        """Docker's page about it."""
        words = re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z][a-z]+|[A-Z]+", self.name)
        return f"https://docs.docker.com/go/dockerfile/rule/{'-'.join(words).lower()}/"


_TABLE = (
    Rule("StageNameCasing", "stage names are in lower case", "write the name in lower case"),
    Rule(
        "FromAsCasing",
        "AS is in the case of its FROM",
        "write both in capitals, or both in small letters",
    ),
    Rule(
        "NoEmptyContinuation",
        "there are no empty lines inside an instruction",
        "take the empty line out, or make it a comment",
    ),
    Rule(
        "ConsistentInstructionCasing",
        "instructions are all in capitals or all in small letters",
        "write it as most of this file is written",
    ),
    Rule("DuplicateStageName", "every stage has a name of its own", "rename one of the stages"),
    Rule(
        "ReservedStageName",
        "no stage is called scratch or context",
        "rename the stage: the word has a meaning of its own",
    ),
    Rule(
        "JSONArgsRecommended",
        "CMD and ENTRYPOINT are JSON arrays",
        'write ["program", "argument"]: signals then reach the program, not a shell',
    ),
    Rule(
        "MaintainerDeprecated",
        "the author is a label",
        "write LABEL org.opencontainers.image.authors=… instead",
    ),
    Rule(
        "UndefinedArgInFrom",
        "FROM uses arguments that are declared before it",
        "declare it with ARG above the first FROM",
    ),
    Rule(
        "WorkdirRelativePath",
        "the first WORKDIR of a stage is absolute",
        "begin the path with /, or it depends on the base image",
    ),
    Rule(
        "UndefinedVar",
        "variables are set before they are used",
        "set it with ARG or ENV above, or correct its name",
    ),
    Rule(
        "MultipleInstructionsDisallowed",
        "CMD, ENTRYPOINT and HEALTHCHECK stand once in a stage",
        "take this one out: only the last counts",
    ),
    Rule(
        "LegacyKeyValueFormat",
        "ENV and LABEL have = between name and value",
        "write name=value, with the value in quotes when it has blanks",
    ),
    Rule(
        "InvalidBaseImagePlatform",
        "base images are for the platform that is built",
        "pull the image for that platform, or choose another with --platform",
    ),
    Rule(
        "RedundantTargetPlatform",
        "FROM does not ask for the platform that it gets anyway",
        "take --platform out",
    ),
    Rule(
        "SecretsUsedInArgOrEnv",
        "ARG and ENV carry no secrets",
        "use RUN --mount=type=secret: no layer and no history keeps it",
    ),
    Rule(
        "InvalidDefaultArgInFrom",
        "FROM names an image when no build argument is given",
        "give the ARG a default that makes a name",
    ),
    Rule(
        "FromPlatformFlagConstDisallowed",
        "FROM takes its platform from an argument",
        "leave --platform out or use $BUILDPLATFORM, or name the stage after the platform",
    ),
    Rule(
        "CopyIgnoredFile",
        "COPY and ADD ask for nothing that the ignore file hides",
        "correct the path, or let it through with a ! line of the ignore file",
    ),
    Rule(
        "InvalidDefinitionDescription",
        "a comment above ARG or a named FROM describes it",
        "begin the comment with the name, or leave an empty line below it",
        experimental=True,
    ),
    Rule("ExposeProtoCasing", "protocols of EXPOSE are in small letters", "write tcp, udp or sctp"),
    Rule(
        "ExposeInvalidFormat",
        "EXPOSE names ports of the container alone",
        "write the last port alone; -p maps it when a container runs",
    ),
)
RULES = {rule.name: rule for rule in _TABLE}
"""All of them, by name."""


class Finding(msgspec.Struct, frozen=True):
    """Something that a check found."""

    rule: Rule
    message: str
    span: Span
    """The place itself."""
    first_line: int
    last_line: int
    """The lines of the instruction: by these BuildKit reports it."""
    heeds: tuple[str, ...] = ()
    """The comments whose `check=` may silence it."""


def found(
    rule: str,
    line: Instruction,
    message: str,
    span: Span | None = None,
    *,
    heeds: Instruction | None = None,
) -> Finding:
    """A finding at `span` of an instruction, at its keyword without one.

    The comments above it may silence it, and those above `heeds`.
    """
    place = span or line.span
    first = line.offsets[0][1] if line.offsets else place.line
    lines = (line, heeds) if heeds is not None else (line,)
    comments = tuple(comment.text for each in lines for comment in each.comments)
    return Finding(
        RULES[rule], message, place, first, max(line.span.last_line, place.line), comments
    )


class Options(msgspec.Struct, frozen=True):
    """Which checks run, as `skip=A,B;experimental=C;error=true` says."""

    skip: frozenset[str] = frozenset()
    """Rules that do not run; `all` is every one that is not experimental."""
    experimental: frozenset[str] = frozenset()
    """Experimental rules that run; `all` is every one."""
    error: bool = False
    """Whether a finding fails the build."""

    @classmethod
    def parse(cls, text: str) -> Options:
        """Read what follows `check=`.  Raises BadCheckOption."""
        values: dict[str, str] = {}
        for part in text.strip(SPACES).split(";", 2) if text.strip(SPACES) else ():
            name, equals, value = (piece.strip(SPACES) for piece in part.partition("="))
            if not equals or name not in ("skip", "experimental", "error"):
                raise BadCheckOption(part)
            values[name] = value
        error = values.get("error", "false")
        if error not in _TRUE | _FALSE:
            raise BadCheckOption(f"error={error}")
        return cls(_names(values.get("skip")), _names(values.get("experimental")), error in _TRUE)

    def runs(self, rule: Rule) -> bool:
        """Whether a rule runs."""
        named = self.experimental if rule.experimental else self.skip
        return bool(named & {rule.name, "all"}) == rule.experimental


_TRUE = {"1", "t", "T", "true", "TRUE", "True"}
_FALSE = {"0", "f", "F", "false", "FALSE", "False"}


def _names(text: str | None) -> frozenset[str]:
    return frozenset(name.strip(SPACES) for name in text.split(",")) if text else frozenset()
