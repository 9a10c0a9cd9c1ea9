"""COPY, ADD and WORKDIR as vertices of the graph.  Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable

from lamina.build.graph import ContextOp, CopyOp, CopySource, Document, MakeDirOp, Vertex
from lamina.build.stage import Stage
from lamina.dockerfile.expand import BadSubstitution, expand_document
from lamina.dockerfile.instruction import Heredoc, Instruction

_REMOTE = re.compile(r"(?:https?|ftp|git|ssh)://|git@[^:/]+:", re.IGNORECASE)
_OCTAL = re.compile(r"[0-7]{1,5}")
_COPY_LATER = ("link", "parents", "exclude")
_ADD_LATER = ("link", "exclude", "keep-git-dir", "checksum", "unpack")


def workdir(stage: Stage, line: Instruction) -> None:
    """WORKDIR: always a layer, as BuildKit makes it, even an empty one; `/` makes none."""
    path = posixpath.normpath(posixpath.join(stage.cwd, stage.expand(line, line.text)))
    stage.change(working_dir=path)
    vertex = None
    if path != "/":
        vertex = stage.graph.add(
            MakeDirOp(path),
            parent=stage.tip,
            instruction=line,
            title=f"WORKDIR {path}",
            stage=stage.label,
        )
    stage.record(f"WORKDIR {path}", vertex)


def copy(stage: Stage, line: Instruction, find: Callable[[str], Vertex]) -> None:
    """COPY from the context, from documents, or from what `find` gives for `--from`."""
    flags = stage.flags(line, ("from", "chown", "chmod"), _COPY_LATER)
    origin = None
    if "from" in flags:
        name = flags["from"].value or ""
        if "$" in name:
            raise stage.error(line, "--from cannot have a variable", "--from")
        origin = find(name)
    _transfer(stage, line, origin, add=False)


def add(stage: Stage, line: Instruction) -> None:
    """ADD: COPY from the context that unpacks archives."""
    stage.flags(line, ("chown", "chmod"), _ADD_LATER)
    _transfer(stage, line, None, add=True)


def _transfer(stage: Stage, line: Instruction, origin: Vertex | None, *, add: bool) -> None:
    options = {
        flag.name: stage.expand(line, flag.value or "")
        for flag in line.flags
        if flag.name != "from"
    }
    sources, dest = _paths(stage, line)
    for source in sources:
        if add and _REMOTE.match(source):
            raise stage.not_yet(line, f"ADD from an address is not supported yet: {source}", source)
    documents = tuple(_document(stage, line, doc) for doc in line.heredocs)
    if documents and origin is not None:
        raise stage.error(line, "a heredoc cannot come --from elsewhere", "--from")
    if len(sources) + len(documents) > 1 and not dest.endswith("/") and dest != ".":
        raise stage.error(
            line,
            "with more than one source the destination must be a directory",
            dest,
            note="end it with /",
        )
    target = posixpath.normpath(posixpath.join(stage.cwd, dest))
    if dest.endswith("/") or dest in (".", ""):
        target = target.rstrip("/") + "/"
    op = CopyOp(
        tuple(CopySource(source) for source in sources),
        target,
        documents,
        options.get("chown", ""),
        _mode(stage, line, options.get("chmod", "")),
        add=add,
    )
    kept = "".join(f" --{name}={options[name]}" for name in ("chown", "chmod") if name in options)
    what = " ".join([*sources, *(f"<<{doc.name}" for doc in documents), dest])
    vertex = stage.graph.add(
        op,
        parent=stage.tip,
        origins=(origin or stage.graph.add(ContextOp()),),
        instruction=line,
        stage=stage.label,
        title=" ".join(f"{line.keyword} {line.original.strip()[len(line.keyword) :]}".split()),
    )
    stage.record(f"{line.keyword}{kept} {what} # buildkit", vertex)


def _paths(stage: Stage, line: Instruction) -> tuple[tuple[str, ...], str]:
    """Sources without the heredocs, and the destination, expanded."""
    words = line.words()
    if line.heredocs:
        text = line.text
        for doc in line.heredocs:
            text = text.replace(doc.word, " ", 1)
        words = tuple(text.split())
    expanded = [stage.expand(line, word) for word in words]
    if not expanded or len(expanded) + len(line.heredocs) < 2:
        raise stage.error(line, f"{line.keyword} needs a source and a destination", line.text)
    if not all(expanded[:-1]):
        raise stage.error(line, "a source is empty", line.text)
    return tuple(expanded[:-1]), expanded[-1]


def _document(stage: Stage, line: Instruction, doc: Heredoc) -> Document:
    if "/" in doc.name or doc.name in (".", ".."):
        raise stage.error(line, f"not a file name: {doc.name}", doc.word)
    text = doc.text
    if doc.expand:
        try:
            text = expand_document(text, stage.variables)
        except BadSubstitution as error:
            raise stage.error(line, str(error), doc.word) from None
    return Document(doc.name, text)


def _mode(stage: Stage, line: Instruction, text: str) -> str:
    if not text or (_OCTAL.fullmatch(text) and int(text, 8) <= 0o7777):
        return text
    if re.fullmatch(r"[ugoa]*[-+=][rwxXst]*(?:,[ugoa]*[-+=][rwxXst]*)*", text):
        raise stage.not_yet(line, f"--chmod in symbols is not supported yet: {text}", "--chmod")
    raise stage.error(line, f"not a mode: {text}", "--chmod", note="as in 0755")
