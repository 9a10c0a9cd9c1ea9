"""Images of a few files for the tests of the rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lamina.layer.contract import Listing
from lamina.layer.entry import Entry, Kind
from lamina.minify.image_tree import ImageTree
from lamina.minify.keep import Kept, Wishes, keep
from lamina.needs.system import System
from lamina.oci.config import ImageConfig
from lamina.oci.digest import Digest
from lamina.oci.document import encode
from tests.fakes.stacks import stack_of


class Link(str):
    """A symbolic link's target."""


class Same(str):
    """The path of another name of a file."""


Content = str | bytes | None
"""None is a directory; `Link` and `Same` are links."""


def tree_of(files: Mapping[str, Content], **execution: Any) -> ImageTree:
    """One layer of these; `execution` is the configuration's, in its own words (`Cmd`)."""
    entries: list[Entry] = []
    contents: dict[int, bytes] = {}
    made: set[str] = set()
    for path, content in files.items():
        at = path.rpartition("/")[0]
        above = []
        while at and at not in made and at not in files:
            above.append(at)
            made.add(at)
            at = at.rpartition("/")[0]
        entries += [Entry(each, Kind.DIRECTORY, 0o755, 0, 0, 0, 0) for each in reversed(above)]
        entries.append(_entry(path, content, contents, len(entries)))
    listing = Listing(Digest.of(repr(files).encode()), tuple(entries), 1024)
    document = {
        "architecture": "amd64",
        "os": "linux",
        "config": execution,
        "rootfs": {"type": "layers", "diff_ids": [str(listing.diff_id)]},
    }
    config = ImageConfig.parse(encode(document))
    return ImageTree(System(stack_of([listing], config=config, contents=contents)))


def _entry(path: str, content: Content, contents: dict[int, bytes], number: int) -> Entry:
    if content is None:
        return Entry(path, Kind.DIRECTORY, 0o755, 0, 0, 0, 0)
    if isinstance(content, Link):
        return Entry(path, Kind.SYMLINK, 0o777, 0, 0, 0, 0, str(content))
    if isinstance(content, Same):
        return Entry(path, Kind.HARDLINK, 0o644, 0, 0, 0, 0, str(content))
    raw = content if isinstance(content, bytes) else content.encode()
    mode = 0o755 if "bin/" in path else 0o644
    hash_ = Digest.of(raw).raw
    entry = Entry(path, Kind.FILE, mode, 0, 0, len(raw), 0, sha256=hash_, offset=number * 512)
    contents[id(entry)] = raw
    return entry


def kept(
    files: Mapping[str, Content], *used: str, wishes: Wishes | None = None, **execution: Any
) -> Kept:
    """What the rules keep of an image of these files."""
    return keep(tree_of(files, **execution), used, wishes or Wishes())


def gone(files: Mapping[str, Content], *used: str, **execution: Any) -> Sequence[str]:
    """Which of these files go when `used` are used, sorted; directories only as they are
    given."""
    return sorted(kept(files, *used, **execution).removed & files.keys())
