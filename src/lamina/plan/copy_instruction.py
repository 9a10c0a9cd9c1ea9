"""COPY, ADD and WORKDIR as vertices of the graph."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lamina.dockerfile.expand import BadSubstitution, expand_document
from lamina.dockerfile.instruction import Heredoc, Instruction
from lamina.errors import Invalid
from lamina.plan.copy_flags import CopyFlags, copy_flags
from lamina.plan.graph import ContextOp, CopyOp, CopySource, Document, MakeDirOp, RemoteOp, Vertex
from lamina.plan.stage import Stage

if TYPE_CHECKING:
    from lamina.context.remote import RemoteSource

_ONE_FILE = "*"
"""The pattern of what is fetched from an http address: a file of whatever name."""


def workdir(stage: Stage, line: Instruction) -> None:
    """WORKDIR: always a layer, as BuildKit makes it, even an empty one; `/` makes none.

    As there, an absolute path stays as it is written, in the configuration and the history.
    """
    path = stage.expand(line, line.text)
    if not path.startswith("/"):
        path = posixpath.normpath(posixpath.join(stage.cwd, path))
    stage.change(working_dir=path)
    vertex = None
    directory = posixpath.normpath("/" + path.lstrip("/"))
    if directory != "/":
        vertex = stage.graph.add(
            MakeDirOp(directory, stage.execution.user),
            parent=stage.tip,
            instruction=line,
            title=f"WORKDIR {path}",
            stage=stage.label,
        )
    stage.record(f"WORKDIR {path}", vertex)


def copy(stage: Stage, line: Instruction, find: Callable[[str], Vertex]) -> None:
    """COPY from the context, from documents, or from what `find` gives for `--from`."""
    flags = copy_flags(stage, line)
    words, documents, dest = _arguments(stage, line)
    for word in words:
        if _remote(stage, line, word, flags) is not None:
            raise stage.error(line, f"COPY does not fetch: {word}", word, note="ADD does")
    origins: list[Vertex] = []
    if words:
        origins.append(find(flags.source) if flags.source else stage.graph.add(ContextOp()))
    sources = [CopySource(word) for word in words]
    op = _operation(stage, flags, sources, documents, dest)
    _record(stage, line, op, origins, words, dest)


def add(stage: Stage, line: Instruction) -> None:
    """ADD: COPY from the context that unpacks archives, and what is fetched from elsewhere."""
    flags = copy_flags(stage, line)
    words, documents, dest = _arguments(stage, line)
    remotes = [_remote(stage, line, word, flags) for word in words]
    if flags.checksum and (len(words) != 1 or documents or remotes[0] is None):
        problem = "--checksum is of one source, and that an address"
        raise stage.error(line, problem, "--checksum=" + flags.checksum)
    origins = [stage.graph.add(ContextOp())] if None in remotes else []
    sources: list[CopySource] = []
    for word, remote in zip(words, remotes, strict=True):
        if remote is None:
            sources.append(CopySource(word, unpack=flags.unpack is not False))
            continue
        fetched, path = _fetched(word, remote, flags)
        unpack = bool(flags.unpack) and path == _ONE_FILE
        sources.append(CopySource(path, len(origins), unpack))
        origins.append(stage.graph.add(fetched, title=word, stage=stage.label))
    op = _operation(stage, flags, sources, documents, dest)
    _record(stage, line, op, origins, words, dest)


def _arguments(
    stage: Stage, line: Instruction
) -> tuple[tuple[str, ...], tuple[Document, ...], str]:
    """The sources and the destination, expanded, and the documents, which are sources too."""
    *words, last = line.words() or ("",)
    waiting = list(line.heredocs)
    if last in [doc.word for doc in waiting]:
        raise stage.error(line, "a document is no destination", last)
    if not words:
        raise stage.error(line, f"{line.keyword} needs a source and a destination", line.text)
    sources: list[str] = []
    documents: list[Document] = []
    for word in words:
        if waiting and word == waiting[0].word:
            documents.append(_document(stage, line, waiting.pop(0)))
        elif source := stage.expand(line, word):
            sources.append(source)
        else:
            raise stage.error(line, f"{word or 'a source'} is empty", word)
    return tuple(sources), tuple(documents), stage.expand(line, last)


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


def _remote(stage: Stage, line: Instruction, word: str, flags: CopyFlags) -> RemoteSource | None:
    """What an address names; None for a path."""
    if ":" not in word:
        return None
    from lamina.context.remote import parse_remote

    try:
        return parse_remote(word, checksum=flags.checksum, keep_git_dir=flags.keep_git_dir)
    except Invalid as error:
        raise stage.error(line, str(error), word, note=error.hint) from None


def _fetched(word: str, remote: RemoteSource, flags: CopyFlags) -> tuple[RemoteOp, str]:
    """What fetches it, and what of that is copied: the one file, or all of a checkout."""
    from lamina.context.remote import RemoteCheckout

    if isinstance(remote, RemoteCheckout):
        return RemoteOp(word, flags.checksum, remote.keep_git_dir), "/"
    return RemoteOp(word, flags.checksum), _ONE_FILE


def _operation(
    stage: Stage,
    flags: CopyFlags,
    sources: Sequence[CopySource],
    documents: tuple[Document, ...],
    dest: str,
) -> CopyOp:
    target = posixpath.normpath(posixpath.join(stage.cwd, dest))
    if dest in ("", ".") or dest.endswith(("/", "/.")):
        target = target.rstrip("/") + "/"
    return CopyOp(
        tuple(sources),
        target,
        documents,
        flags.owner,
        flags.mode,
        # BuildKit lets go of --link when there is a --chmod.
        flags.link and not flags.mode,
        flags.parents,
        flags.exclude,
    )


def _record(
    stage: Stage,
    line: Instruction,
    op: CopyOp,
    origins: Sequence[Vertex],
    words: Sequence[str],
    dest: str,
) -> None:
    """Add the vertex, and its line to the history as BuildKit writes it."""
    vertex = stage.graph.add(
        op,
        parent=stage.tip,
        origins=tuple(origins),
        instruction=line,
        stage=stage.label,
        title=" ".join(f"{line.keyword} {line.original.strip()[len(line.keyword) :]}".split()),
    )
    told = [line.keyword]
    told += ["--parents"] if op.parents else []
    told += [f"--chown={op.owner}"] if op.owner else []
    told += [f"--chmod={op.mode}"] if op.mode else []
    told += [*words, *(f"<<{document.name}" for document in op.documents), dest, "# buildkit"]
    stage.record(" ".join(told), vertex)
