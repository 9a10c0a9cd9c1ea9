"""How a build came to be, as provenance tells it: its steps and all that went in, without
anything secret."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from lamina.attest.provenance import Build, BuildStep, Material, Recipe
from lamina.attest.purl import image_purl
from lamina.build.build import Product, Variant
from lamina.context.remote import Checkout
from lamina.context.tree import Tree
from lamina.oci.digest import Digest
from lamina.oci.reference import BadReference, Reference
from lamina.plan.graph import BaseOp, ContextOp, RemoteOp, RunOp, Vertex, in_order
from lamina.plan.stage import Settings
from lamina.store.contract import Image

_LOGIN = re.compile(r"(\w+://)[^/@\s]*@")
_MASK = "***"
_SHORTEST = 4
"""Characters of a secret that is looked for: what is shorter stands in too many words."""
_TELLING = {"apikey", "auth", "credential", "credentials", "key", "pass", "passwd", "password"}
_TELLING |= {"pword", "secret", "token"}
"""Parts of a variable's name, between underscores, that tell of a secret."""


class Circumstances(msgspec.Struct, frozen=True):
    """What is known of a run of a build beside its product."""

    recipe: Recipe
    images: Sequence[tuple[str, Image]]
    """The images that it asked for, by the names that it asked with."""
    tree: Callable[[RemoteOp], Tree]
    """What was fetched."""
    invocation: str
    started: str
    """RFC 3339."""
    finished: str
    contexts: Mapping[str, str] = {}
    """Named contexts: where each is from, empty for this machine."""
    local: bool = True
    """Whether the context itself lay on this machine."""
    secrets: Mapping[str, bytes] = {}
    """By id; the contents are only looked for."""
    agents: Sequence[str] = ()
    vcs: Mapping[str, str] = {}


def builds(product: Product, circumstances: Circumstances) -> list[Build]:
    """How each image of a product came to be, in their order."""
    return [_build(each, product, circumstances) for each in product.variants]


def _build(variant: Variant, product: Product, known: Circumstances) -> Build:
    settings = variant.plan.stage.settings
    order = in_order(variant.plan.stage.tip)
    scrub = _Scrubber(_hidden(settings, order, known))
    return Build(
        known.recipe,
        scrub.of(arguments(settings, known.contexts)),
        [each for vertex in order for each in _materials(vertex, known)],
        str(settings.host),
        known.invocation,
        known.started,
        known.finished,
        locals=_locals(order, known),
        secrets=sorted({each.id for each in _mounts(order, "secret")}),
        agents=sorted({each.id for each in _mounts(order, "ssh")}),
        hermetic=all(v.op.network == "none" for v in order if isinstance(v.op, RunOp)),
        steps=scrub.of(_steps(order, product)),
        vcs=known.vcs,
    )


def arguments(settings: Settings, contexts: Mapping[str, str]) -> dict[str, str]:
    """What was asked for, under BuildKit's names; of what is secret by its name the name alone."""
    found = {
        f"build-arg:{name}": _MASK if _is_telling(name) else value
        for name, value in settings.build_args.items()
        if not _is_proxy(name)
    }
    found |= {f"label:{name}": value for name, value in settings.labels.items()}
    found |= {f"context:{name}": place or "local" for name, place in contexts.items()}
    if settings.target:
        found["target"] = settings.target
    if settings.network != "default":
        found["force-network-mode"] = settings.network
    return dict(sorted(found.items()))


def _is_telling(name: str) -> bool:
    return not _TELLING.isdisjoint(re.split(r"[_\W]+", name.lower()))


def _is_proxy(name: str) -> bool:
    return name.lower().endswith("_proxy")


def _hidden(settings: Settings, order: Sequence[Vertex], known: Circumstances) -> list[str]:
    """Every value that is nobody's business: of secrets, and of variables called so."""
    variables = list(settings.build_args.items())
    for vertex in order:
        if isinstance(vertex.op, RunOp):
            variables += [pair.partition("=")[::2] for pair in vertex.op.env]
    found = [value for name, value in variables if _is_telling(name) or _is_proxy(name)]
    for content in known.secrets.values():
        text = content.decode("utf-8", "surrogateescape")
        found += [text, text.strip(), *(line.strip() for line in text.splitlines())]
    return found


class _Scrubber:
    """Writes `***` for each of some texts, in JSON values, and for logins in addresses."""

    def __init__(self, hidden: Iterable[str]) -> None:
        longest_first = sorted({each for each in hidden if len(each) >= _SHORTEST}, key=len)[::-1]
        self._pattern = re.compile("|".join(map(re.escape, longest_first)) or "(?!)")

    def of(self, value: Any) -> Any:
        if isinstance(value, str):
            return _LOGIN.sub(r"\1", self._pattern.sub(_MASK, value))
        if isinstance(value, Mapping):
            return {key: self.of(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.of(each) for each in value]
        if isinstance(value, msgspec.Struct):
            fields = {name: self.of(getattr(value, name)) for name in value.__struct_fields__}
            return type(value)(**fields)
        return value


def _mounts(order: Sequence[Vertex], kind: str) -> Iterable[Any]:
    for vertex in order:
        if isinstance(vertex.op, RunOp):
            yield from (each for each in vertex.op.mounts if each.kind == kind)


def _locals(order: Sequence[Vertex], known: Circumstances) -> list[str]:
    used = {vertex.op.name for vertex in order if isinstance(vertex.op, ContextOp)}
    here = [name for name in sorted(used - {""}) if not known.contexts.get(name)]
    main = ["context", "dockerfile"] if known.local else []
    return main + [f"context:{name}" for name in here]


def _materials(vertex: Vertex, known: Circumstances) -> Iterable[Material]:
    op = vertex.op
    if isinstance(op, RemoteOp):
        yield _fetched(op, known.tree(op))
    elif isinstance(op, BaseOp):
        for name, image in known.images:
            if name == op.name and image.layers == op.layers:
                yield from _base(name, image)


def _base(name: str, image: Image) -> Iterable[Material]:
    try:
        reference = image.row.reference or Reference.parse(name)
    except BadReference:
        return
    digests = dict(each.rpartition("@")[::2] for each in image.row.repo_digests)
    known = digests.get(reference.name)
    digest = Digest(known) if known else image.manifest.digest
    yield Material(image_purl(reference, str(image.config.platform)), {"sha256": digest.hex})


def _fetched(op: RemoteOp, tree: Tree) -> Material:
    from lamina.context.git_address import parse_git
    from lamina.context.http import shown

    if isinstance(tree, Checkout):
        commit = tree.identity.split(":")[1]
        source = parse_git(op.address)
        assert source is not None, "what was checked out has an address"
        return Material(source.text, {"sha1" if len(commit) == 40 else "sha256": commit})
    (file,) = tree.children("")
    return Material(shown(op.address), {"sha256": tree.digest(file).hex()})


def _steps(order: Sequence[Vertex], product: Product) -> list[BuildStep]:
    numbers = {vertex.digest: f"step{number}" for number, vertex in enumerate(order)}
    found = []
    for vertex in order:
        result = product.results.get(vertex.digest)
        made = result.made if result is not None else None
        found.append(
            BuildStep(
                numbers[vertex.digest],
                vertex.title or type(vertex.op).__name__.removesuffix("Op").lower(),
                msgspec.to_builtins(vertex.op, enc_hook=_text),
                tuple(numbers[each.digest] for each in vertex.inputs),
                str(made.layer) if made is not None else "",
            )
        )
    return found


def _text(value: Any) -> Any:
    return str(value)
