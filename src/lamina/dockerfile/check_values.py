"""Checks of what instructions use: variables, secrets, paths, ports, files.  Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from lamina.dockerfile.check_rules import Finding, found
from lamina.dockerfile.check_walk import Scene, Stage, arguments, pairs
from lamina.dockerfile.expand import BadSubstitution, expand_document, expand_words
from lamina.dockerfile.instruction import Instruction
from lamina.dockerfile.lookups import Lookups, meant, reference
from lamina.dockerfile.ports import BadPort, read_ports

_SECRET = {"apikey", "auth", "credential", "credentials", "key", "password", "pword", "passwd"}
_SECRET |= {"secret", "token"}
"""Parts of a name, between underscores, that tell of a secret."""
_HARMLESS = {"public", "file", "version"}
"""Parts that tell otherwise."""
_REMOTE = ("http://", "https://", "git://", "ssh://", "git@")
_EXPANDED_FLAGS = {"ADD": ("chown", "chmod", "checksum"), "COPY": ("chown", "chmod")}


def undefined(scene: Scene, stage: Stage, line: Instruction) -> Iterator[Finding]:
    """UndefinedVar; silent where a base image that is not known may set the variable."""
    if not stage.certain:
        return
    lookups = Lookups(stage.values)
    for text in _expanded(scene, line):
        if read := scene.expand(text, stage.values):
            lookups.missing |= read[1].missing
    for doc in line.heredocs if line.keyword in ("ADD", "COPY") else ():
        if doc.expand:
            try:
                expand_document(doc.text, lookups)
            except BadSubstitution:
                continue
    known = stage.values.keys() | stage.declared
    for name in sorted(lookups.missing - known):
        message = f"{line.keyword} uses ${name}, which is not set{meant(name, known)}"
        yield found("UndefinedVar", line, message, scene.place(line, reference(name)))


def _expanded(scene: Scene, line: Instruction) -> Iterator[str]:
    """The texts of an instruction in which variables are replaced."""
    if line.keyword in ("ENV", "LABEL"):
        yield from (text for pair in pairs(scene, line) for text in pair)
    elif line.keyword == "ARG":
        given = scene.around.build_args
        values = arguments(scene, line).items()
        yield from (value for name, value in values if value is not None and name not in given)
    elif line.keyword in ("USER", "WORKDIR", "STOPSIGNAL"):
        yield line.text
    elif line.keyword == "VOLUME":
        yield from line.words()
    elif line.keyword in _EXPANDED_FLAGS:
        names = _EXPANDED_FLAGS[line.keyword]
        yield from (flag.value or "" for flag in line.flags if flag.name in names)
        yield from _words(line)
    elif line.keyword == "RUN":
        for flag in line.flags:
            parts = (flag.value or "").split(",") if flag.name == "mount" else []
            yield from (part for part in parts if not part.startswith("from="))


def _words(line: Instruction) -> list[str]:
    """Sources and destination of COPY or ADD, without heredocs."""
    documents = {doc.word for doc in line.heredocs}
    return [word for word in line.words() if word not in documents]


def secrets(scene: Scene, stage: Stage, line: Instruction) -> Iterator[Finding]:
    """SecretsUsedInArgOrEnv, by the names alone."""
    names = list(arguments(scene, line)) if line.keyword == "ARG" else []
    names += [name for name, _ in pairs(scene, line)] if line.keyword == "ENV" else []
    for name in names:
        parts = set(name.lower().split("_"))
        if parts & _SECRET and not parts & _HARMLESS:
            message = f"{line.keyword} keeps {name}, a secret by its name"
            place = scene.place(line, rf"(?<![\w${{]){re.escape(name)}(?!\w)")
            yield found("SecretsUsedInArgOrEnv", line, message, place)


def workdir(scene: Scene, stage: Stage, line: Instruction) -> Iterator[Finding]:
    """WorkdirRelativePath, for the first WORKDIR of a stage and of those that it begins with."""
    read = scene.expand(line.text, stage.values)
    if stage.has_workdir or read is None or read[0].startswith("/"):
        return
    if read[1].missing and not stage.certain:
        return
    message = f"WORKDIR {read[0]} begins where the base image has its own"
    yield found("WorkdirRelativePath", line, message, line.place(line.text))


def exposed(scene: Scene, stage: Stage, line: Instruction) -> Iterator[Finding]:
    """ExposeProtoCasing, ExposeInvalidFormat."""
    for text in line.words():
        try:
            words = expand_words(text, stage.values, escape=scene.dockerfile.escape)
            ports = [(word, read_ports(word)) for word in words]
        except (BadSubstitution, BadPort):
            continue
        for word, port in ports:
            if port.protocol != port.protocol.lower():
                message = f"the protocol of {word} is not in small letters"
                yield found("ExposeProtoCasing", line, message, line.place(text))
            if port.mapped:
                message = f"{word} names more than a port of the container"
                yield found("ExposeInvalidFormat", line, message, line.place(text))


def ignored(scene: Scene, stage: Stage, line: Instruction) -> Iterator[Finding]:
    """CopyIgnoredFile, for what comes from the context."""
    hidden = scene.around.hidden
    if hidden is None or any(flag.name == "from" for flag in line.flags):
        return
    words = _words(line)
    for text in words if line.heredocs and len(words) == 1 else words[:-1]:
        read = scene.expand(text, stage.values)
        if (
            read is None
            or read[0].lower().startswith(_REMOTE)
            or (read[1].missing and not stage.certain)
        ):
            continue
        path = posixpath.normpath("/" + read[0].lstrip("/"))[1:] or "."
        if hidden(path):
            message = f"the ignore file hides {read[0]}"
            yield found("CopyIgnoredFile", line, message, line.place(text))
