"""The instructions that change a file system: RUN, COPY, ADD, WORKDIR become vertices.  Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable

from lamina.build.graph import CopyOp, Document, MakeDirOp, RunOp, Vertex
from lamina.build.stage import Stage
from lamina.dockerfile.expand import BadSubstitution, expand_document
from lamina.dockerfile.parse import Heredoc, Instruction

PROXIES = tuple(
    name
    for stem in ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")
    for name in (stem.upper(), stem)
)
"""Arguments that every RUN sees without ARG, and that neither cache nor history knows."""
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
            MakeDirOp(path), parent=stage.tip, instruction=line, title=f"WORKDIR {path}"
        )
    stage.record(f"WORKDIR {path}", vertex)


def run(stage: Stage, line: Instruction) -> None:
    """RUN in shell or JSON form, or with heredocs."""
    flags = stage.flags(line, ("network", "security"), ("mount", "device"))
    network = flags["network"].value if "network" in flags else stage.settings.network
    if network not in ("default", "none", "host"):
        raise stage.error(line, f"not a network: {network}", note="default, none or host")
    if "security" in flags and flags["security"].value != "sandbox":
        raise stage.not_yet(line, "RUN --security=insecure is not supported yet", "--security")
    args, script = _command(stage, line)
    op = RunOp(
        args,
        tuple(f"{name}={value}" for name, value in stage.variables.items()),
        stage.execution.user,
        stage.cwd,
        network,
        script,
    )
    proxies = tuple(
        f"{name}={stage.settings.build_args[name]}"
        for name in PROXIES
        if name in stage.settings.build_args
    )
    used = [f"{name}={stage.variables.get(name, '')}" for name in stage.declared]
    counted = [f"|{len(used)}", *used] if used else []
    vertex = stage.graph.add(
        op,
        parent=stage.tip,
        instruction=line,
        title="RUN " + " ".join(line.text.split()),
        proxies=proxies,
    )
    stage.record(f"RUN {' '.join([*counted, *args])} # buildkit", vertex)


def _command(stage: Stage, line: Instruction) -> tuple[tuple[str, ...], str]:
    """What RUN executes, and the script to mount for it when there is one."""
    if line.json is not None:
        if not line.json:
            raise stage.error(line, "RUN needs a command", line.text)
        return line.json, ""
    text = line.text
    if line.heredocs:
        first = line.heredocs[0]
        if text == first.word:
            text = _chomped(first)
            if text.startswith("#!"):
                return (f"/dev/pipes/{first.name}",), text
        else:
            text += "".join(f"\n{doc.content}{doc.name}" for doc in line.heredocs)
    return (*stage.shell, text), ""


def _chomped(doc: Heredoc) -> str:
    return re.sub(r"^\t+", "", doc.content, flags=re.MULTILINE) if doc.chomp else doc.content


def copy(stage: Stage, line: Instruction, find: Callable[[str], Vertex]) -> None:
    """COPY from the context, from documents, or from what `find` gives for `--from`."""
    flags = stage.flags(line, ("from", "chown", "chmod"), _COPY_LATER)
    origin = None
    if "from" in flags:
        name = flags["from"].value or ""
        if "$" in name:
            raise stage.error(line, "--from cannot have a variable", "--from")
        origin = find(name)
    _transfer(stage, line, origin, unpack=False)


def add(stage: Stage, line: Instruction) -> None:
    """ADD: COPY from the context that unpacks archives."""
    stage.flags(line, ("chown", "chmod"), _ADD_LATER)
    _transfer(stage, line, None, unpack=True)


def _transfer(stage: Stage, line: Instruction, origin: Vertex | None, *, unpack: bool) -> None:
    options = {
        flag.name: stage.expand(line, flag.value or "")
        for flag in line.flags
        if flag.name != "from"
    }
    sources, dest = _paths(stage, line)
    for source in sources:
        if unpack and _REMOTE.match(source):
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
        sources,
        target,
        documents,
        options.get("chown", ""),
        _mode(stage, line, options.get("chmod", "")),
        unpack,
    )
    kept = "".join(f" --{name}={options[name]}" for name in ("chown", "chmod") if name in options)
    what = " ".join([*sources, *(f"<<{doc.name}" for doc in documents), dest])
    vertex = stage.graph.add(
        op,
        parent=stage.tip,
        origin=origin,
        instruction=line,
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
    text = _chomped(doc)
    if doc.expand:
        try:
            text = expand_document(text, stage.variables)
        except BadSubstitution as error:
            raise stage.error(line, str(error), doc.word) from None
    return Document(doc.name, text)


def _mode(stage: Stage, line: Instruction, text: str) -> int | None:
    if not text:
        return None
    if _OCTAL.fullmatch(text) and int(text, 8) <= 0o7777:
        return int(text, 8)
    if re.fullmatch(r"[ugoa]*[-+=][rwxXst]*(?:,[ugoa]*[-+=][rwxXst]*)*", text):
        raise stage.not_yet(line, f"--chmod in symbols is not supported yet: {text}", "--chmod")
    raise stage.error(line, f"not a mode: {text}", "--chmod", note="as in 0755")
