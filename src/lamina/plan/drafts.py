"""The stages of a Dockerfile before anything is asked of their images: heads and bodies.  Pure."""

from __future__ import annotations

import re

import msgspec

from lamina.dockerfile.expand import BadSubstitution, expand
from lamina.dockerfile.instruction import Dockerfile, Instruction
from lamina.dockerfile.source import DockerfileError
from lamina.dockerfile.words import quoted_words
from lamina.errors import Invalid
from lamina.oci.platform import Platform
from lamina.plan.stage import Settings, unknown_flag

_STAGE_NAME = re.compile(r"[a-z][a-z0-9_.-]*")
_NO_TEXT = re.compile(r"[\udc80-\udcff]")


class NoSuchStage(Invalid):
    """An option names a stage that is not there."""


class Draft(msgspec.Struct, frozen=True):
    """A FROM with its instructions, not yet looked at."""

    number: int
    name: str
    base: str
    platform: str
    line: Instruction
    body: tuple[Instruction, ...]

    @property
    def label(self) -> str:
        """The name of the stage, else its number."""
        return self.name or str(self.number)


class Drafts:
    """Every FROM of a file with what follows it, and the ARGs before the first.

    Raises DockerfileError at what is wrong with them.
    """

    def __init__(self, dockerfile: Dockerfile, settings: Settings) -> None:
        self.dockerfile = dockerfile
        self.source = dockerfile.source
        self.settings = settings
        self.globals = _platform_args(dockerfile, settings)
        """What ARGs inherit: the platforms, and those before the first FROM."""
        self.all = self._read()

    def _read(self) -> list[Draft]:
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

    def _draft(self, number: int, line: Instruction, body: list[Instruction]) -> Draft:
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
        return Draft(number, name, base, platform, line, tuple(body))

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
            return len(self.all) - 1
        found = self.number(wanted, len(self.all))
        if found is None:
            names = ", ".join(draft.label for draft in self.all)
            raise NoSuchStage(
                f"{self.source.name} has no stage {self.settings.target}", hint=f"it has: {names}"
            )
        return found

    def number(self, name: str, before: int) -> int | None:
        """The last stage of that name among the first `before`, else the one of that number.

        A named context stands before a stage, as in BuildKit.
        """
        if name in self.settings.contexts or name in self.settings.images:
            return None
        for draft in reversed(self.all[:before]):
            if draft.name and draft.name == name.lower():
                return draft.number
        return int(name) if name.isdecimal() and int(name) < before else None


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
