"""`lamina explain`: where the bytes of an image come from, and who can see them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lamina.cli.app import App
from lamina.cli.completion import object_names
from lamina.cli.format import emit, to_json
from lamina.cli.reports import paper
from lamina.cli.stacks import opened_stack

if TYPE_CHECKING:
    from lamina.explain.check import Verdict
    from lamina.explain.lookup import Search
    from lamina.explain.ownership import Member
    from lamina.explain.stack import Stack
    from lamina.layer.entry import Entry
    from lamina.report.search import Subject
    from lamina.store.contract import Store

_LIMIT = 10
_DOES_NOT_HOLD = 3


@click.command(epilog="Example: lamina explain seed:latest /home/50M.file")
@click.argument("name", metavar="IMAGE|CONTAINER", shell_complete=object_names)
@click.argument("path", metavar="[PATH]", required=False)
@click.option(
    "--format",
    "fmt",
    type=click.Choice(["text", "json", "sarif", "junit"]),
    default="text",
    help="How to print it; sarif is of a whole image, junit of --ci.",
)
@click.option("--layer", metavar="N", help="Show what one layer ships and hides: 1 is the lowest.")
@click.option(
    "--instruction", metavar="TEXT", help="... or the layers whose instruction contains TEXT."
)
@click.option("--ci", is_flag=True, help="Hold the image to rules; exit 3 when one does not hold.")
@click.option(
    "--ci-config",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The rules: a TOML, or dive's YAML (default: .lamina.toml or .dive-ci here). Means --ci.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    help="Show at most so many findings or files, 10 unless said (JSON has them all).",
)
@click.option("--html", metavar="FILE", help="Write one page for a browser; - is the output.")
@click.option("--compare", metavar="IMAGE", help="... with that image beside this one.")
@click.pass_obj
def command(
    app: App,
    name: str,
    path: str | None,
    fmt: str,
    layer: str | None,
    instruction: str | None,
    ci: bool,
    ci_config: Path | None,
    limit: int | None,
    html: str | None,
    compare: str | None,
) -> int:
    """Say of an image which layer ships what, and which of it nobody can see.

    With PATH: the search for it from the top layer down, what hides it, and what
    it hides; of a directory also which layer gave which entry.  For a container
    its own writable layer lies on top.  A container's exact name or id wins over
    an image's name.  IMAGE may lie elsewhere: docker-archive:FILE, ./image.tar,
    oci:DIR, docker://NAME.
    """
    ci = ci or ci_config is not None
    asked = {
        "PATH": path,
        "--layer": layer,
        "--instruction": instruction,
        "--ci": ci or None,
        "--html": html,
    }
    _refuse_mixtures([each for each, value in asked.items() if value is not None], fmt, compare)
    with opened_stack(app, name, alone=True) as stack:
        if path is not None:
            emit(_path_report(app, stack, path, limit, as_json=fmt == "json"))
        elif layer is not None:
            emit(_layers_report(app, stack, [stack.place(layer)], limit, fmt, alone=True))
        elif instruction is not None:
            from lamina.explain.instructions import layers_by

            emit(_layers_report(app, stack, layers_by(stack, instruction), limit, fmt))
        elif html is not None:
            _page(app, stack, compare, html)
        elif ci:
            return _check(app, stack, ci_config, limit, fmt)
        else:
            emit(_image_report(app, stack, limit, fmt))
    return 0


def _refuse_mixtures(given: Sequence[str], fmt: str, compare: str | None) -> None:
    """Raise UsageError for options that do not go together; `given` are those that say what
    to report."""
    if len(given) > 1:
        raise click.UsageError(f"give either {' or '.join(given)}")
    if compare is not None and "--html" not in given:
        raise click.UsageError("--compare is for a page: give --html as well")
    if "--html" in given and fmt != "text":
        raise click.UsageError("give either --html or --format")
    if fmt == "junit" and "--ci" not in given:
        raise click.UsageError("--format junit is for rules: give --ci as well")
    if fmt == "sarif" and given and "--ci" not in given:
        raise click.UsageError(f"--format sarif is of a whole image: leave {given[0]} out")


def _page(app: App, stack: Stack, other: str | None, target: str) -> None:
    from lamina.cli.html_page import write_page

    if other is None:
        write_page(target, stack, None)
        return
    with opened_stack(app, other, alone=True) as old:
        write_page(target, stack, old)


def _image_report(app: App, stack: Stack, limit: int | None, fmt: str) -> str:
    from lamina.report import account as reports

    if fmt == "sarif":
        return _sarif(stack, None)
    if fmt == "json":
        return to_json(reports.as_json(stack), indent=2)
    return reports.as_text(stack, paper(app), limit=_LIMIT if limit is None else limit)


def _layers_report(
    app: App, stack: Stack, layers: Sequence[int], limit: int | None, fmt: str, alone: bool = False
) -> str:
    from lamina.report import layer as reports

    if fmt == "json":
        documents = [reports.as_json(stack, each) for each in layers]
        return to_json(documents[0] if alone else documents, indent=2)
    return reports.as_text(stack, layers, paper(app), limit=_LIMIT if limit is None else limit)


def _check(app: App, stack: Stack, config: Path | None, limit: int | None, fmt: str) -> int:
    """Print how the image does by its rules; the exit status says whether they hold."""
    from lamina.cli.policy import find_policy
    from lamina.explain.check import check

    verdict = check(stack, find_policy(config, Path()))
    most = _LIMIT if limit is None else limit
    if fmt == "sarif":
        emit(_sarif(stack, verdict))
    elif fmt == "junit":
        from lamina.report.junit import as_junit

        emit(as_junit(stack, verdict, limit=most))
    else:
        from lamina.report import checks

        if fmt == "json":
            emit(to_json(checks.as_json(stack, verdict), indent=2))
        else:
            emit(checks.as_text(stack, verdict, paper(app), limit=most))
    return 0 if verdict.holds else _DOES_NOT_HOLD


def _sarif(stack: Stack, verdict: Verdict | None) -> str:
    from lamina import __version__
    from lamina.explain.advice import advise
    from lamina.report.sarif import as_sarif

    return to_json(as_sarif(stack, advise(stack), verdict, version=__version__), indent=2)


def _path_report(app: App, stack: Stack, path: str, limit: int | None, *, as_json: bool) -> str:
    from lamina.explain.lookup import search
    from lamina.report import members as listings
    from lamina.report import search as searches

    found = search(stack.union, path, name=stack.name)
    subject = searches.Subject(stack.name, stack.origins)
    if stack.is_container:
        subject = _container_subject(app.engine.store, stack, found)
    inside: Sequence[Member] = ()
    if found.is_directory:
        from lamina.explain.ownership import members

        inside = members(stack.union, found.path)
    if as_json:
        document = searches.as_json(found, subject)
        if found.is_directory:
            document["entries"] = listings.as_json(inside, stack.origins)
        return to_json(document, indent=2)
    text = searches.as_text(found, subject, paper(app))
    told = listings.as_text(inside, stack.origins, paper(app), limit=limit)
    return f"{text}\n{told}" if told else text


def _container_subject(store: Store, stack: Stack, found: Search) -> Subject:
    from lamina.layer.union import Union
    from lamina.report.search import Subject, happened

    image = Union.of(stack.listings[:-1])
    below, content = image.get(found.path), image.content(found.path)
    own = found.steps[0].entry
    same = own is not None and content is not None and _same(stack, own, content.entry)
    written = happened(
        found,
        below.entry if below else None,
        same_content=same,
        when=_clock(own.mtime) if own else "",
    )
    sharers = 0
    if found.found is not None and found.found.layer < len(stack) - 1:
        shared = stack.listings[found.found.layer].diff_id
        sharers = sum(
            each.id != stack.identity and shared in each.layers for each in store.containers
        )
    return Subject(stack.name, stack.origins, written, sharers)


def _same(stack: Stack, own: Entry, below: Entry) -> bool:
    """Whether the container's copy has the image's content."""
    from lamina.explain.content import content_sha256
    from lamina.layer.entry import Kind

    if own.kind is not Kind.FILE or own.size != below.size or not below.sha256:
        return False
    return content_sha256(stack, len(stack) - 1, own) == below.sha256


def _clock(mtime: int) -> str:
    from datetime import datetime

    moment = datetime.fromtimestamp(mtime // 10**9).astimezone()
    today = datetime.now().astimezone().date()
    return f"{moment:%H:%M:%S}" if moment.date() == today else f"{moment:%Y-%m-%d %H:%M:%S}"
