"""Two stacks beside each other; the property: the difference makes the new one of the old."""

from __future__ import annotations

import msgspec
from hypothesis import given

from lamina.explain.compare import compare, gather
from lamina.explain.difference import Aspect
from lamina.explain.settings import SettingChange, setting_changes
from lamina.explain.stack import Stack
from lamina.explain.view import Node, open_view
from lamina.layer.contract import Listing
from lamina.layer.entry import Entry, Kind
from lamina.oci.config import Execution, Healthcheck, ImageConfig
from lamina.oci.platform import Platform
from tests.fakes.stacks import stack_of, stack_of_files
from tests.unit.layer.stacks import listing, stacks

Seen = tuple[Kind, int, bytes, str, int]


def seen(node: Node) -> Seen:
    """All that a container sees of it."""
    inode = node.inode
    return inode.kind, inode.size, inode.sha256, inode.link, inode.mode


def tree(stack: Stack) -> dict[str, Seen]:
    return {node.path: seen(node) for node in open_view(stack).walk("")}


@given(stacks, stacks)
def test_the_difference_applied_to_the_old_tree_gives_the_new(
    old: list[Listing], new: list[Listing]
) -> None:
    before, after = stack_of(old), stack_of(new)
    found = compare(before, after)
    made = tree(before)
    for change in found.changes:
        if change.new is None:
            del made[change.path]
        else:
            assert made.get(change.path) != seen(change.new), "only what differs"
            made[change.path] = seen(change.new)
    assert made == tree(after)
    paths = [change.path.split("/") for change in found.changes]
    assert paths == sorted(paths)


@given(stacks)
def test_nothing_differs_from_itself(layers: list[Listing]) -> None:
    found = compare(stack_of(layers), stack_of(layers), mtime=True)
    assert found.is_empty
    assert not found.old_layers and not found.new_layers


@given(stacks, stacks)
def test_the_layers_that_only_one_has_are_the_difference_of_what_ships(
    old: list[Listing], new: list[Listing]
) -> None:
    before, after = stack_of(old), stack_of(new)
    found = compare(before, after)
    grown = sum(after.account.layers[layer].bytes for layer in found.new_layers)
    shrunk = sum(before.account.layers[layer].bytes for layer in found.old_layers)
    assert grown - shrunk == after.account.bytes - before.account.bytes


@given(stacks, stacks)
def test_gathering_loses_nothing(old: list[Listing], new: list[Listing]) -> None:
    changes = compare(stack_of(old), stack_of(new)).changes
    gathered = gather(changes)
    nodes = [change.new or change.old for change in changes]
    files = [node for node in nodes if node and node.entry.kind is not Kind.DIRECTORY]
    assert sum(each.files for each in gathered) == len(files)


def one(entry: Entry) -> Stack:
    return stack_of([Listing(listing("d a").diff_id, (entry,), 0)])


def aspects(**changes: object) -> tuple[Aspect, ...]:
    (entry,) = listing("f a 3 x").entries
    changed = msgspec.structs.replace(entry, **changes)
    mtime = "mtime" in changes
    found = compare(one(entry), one(changed), mtime=mtime).changes
    return found[0].aspects if found else ()


def test_every_aspect_is_told() -> None:
    assert aspects(sha256=b"y" * 32) == (Aspect.CONTENT,)
    assert aspects(size=4, mode=0o600) == (Aspect.CONTENT, Aspect.MODE)
    assert aspects(gid=5) == (Aspect.OWNER,)
    assert aspects(xattrs=(("security.capability", b"x"),)) == (Aspect.XATTRS,)
    assert aspects(kind=Kind.FIFO, mode=0) == (Aspect.TYPE,)
    assert aspects(mtime=5) == (Aspect.MTIME,)
    assert aspects(offset=512) == ()
    link = Entry("a", Kind.SYMLINK, 0o777, 0, 0, 0, 0, "x")
    other = msgspec.structs.replace(link, link="y", mode=0o755)
    assert compare(one(link), one(other)).changes[0].aspects == (Aspect.LINK,)
    null = Entry("a", Kind.CHAR, 0o666, 0, 0, 0, 0, device=(1, 3))
    zero = msgspec.structs.replace(null, device=(1, 5))
    assert compare(one(null), one(zero)).changes[0].aspects == (Aspect.DEVICE,)


def test_times_count_only_when_asked_for() -> None:
    (entry,) = listing("f a 3 x").entries
    later = msgspec.structs.replace(entry, mtime=9)
    assert compare(one(entry), one(later)).is_empty


def test_a_container_s_files_are_read_where_no_digest_is_known() -> None:
    (known,) = stack_of_files([{"a": b"one"}]).listings
    (unknown,) = (msgspec.structs.replace(each, sha256=b"") for each in known.entries)
    own = Listing(listing("d x").diff_id, (unknown,), 0)
    for content, expected in ((b"one", ()), (b"two", (Aspect.CONTENT,))):
        container = stack_of([own], contents={id(unknown): content})
        changes = compare(stack_of([known]), container).changes
        assert tuple(each.aspects for each in changes) == ((expected,) if expected else ())


def test_what_is_in_a_new_directory_is_one_change_for_people() -> None:
    old = stack_of([listing("f bin/a 5", "f gone/x 7", "h gone/y = gone/x")])
    new = stack_of(
        [listing("f bin/a 5", "f new/a 1"), listing("d new", "f new/b/c 100", "f bin/a 5 x")]
    )
    told = [
        (each.change.path, each.change.verdict, each.files, each.growth, list(each.layers))
        for each in gather(compare(old, new).changes)
    ]
    assert told == [
        ("new", "added", 2, 101, [1, 0]),
        ("gone", "removed", 2, -7, []),
        ("bin/a", "changed", 1, 0, [1]),
    ]


def test_a_new_owner_of_a_tree_is_one_change_for_people() -> None:
    first = listing("d srv", "f srv/a 1", "f srv/b 1", "l srv/c -> a")
    entries = [msgspec.structs.replace(each, uid=33) for each in first.entries]
    entries[2] = msgspec.structs.replace(entries[2], mode=0o600)
    new = stack_of([Listing(first.diff_id, tuple(entries), 0)])
    told = [
        (each.change.path, each.files) for each in gather(compare(stack_of([first]), new).changes)
    ]
    assert told == [("srv", 2), ("srv/b", 1)]


def dpkg(*packages: str) -> Stack:
    text = "".join(
        "Package: {}\nVersion: {}\nInstalled-Size: {}\n\n".format(*each.split())
        for each in packages
    )
    return stack_of_files([{"var/lib/dpkg/status": text.encode()}])


def test_packages() -> None:
    found = compare(
        dpkg("a 1 1", "b 1 2", "c 1 3", "c 2 3"), dpkg("a 1 1", "b 2 5", "c 2 3", "d 1 4")
    )
    told = [
        (each.name, each.verdict, each.old and each.old.version, each.new and each.new.version)
        for each in found.packages
    ]
    assert told == [
        ("b", "changed", "1", "2"),
        ("c", "removed", "1", None),
        ("d", "added", None, "1"),
    ]
    assert [each.growth for each in found.packages] == [3 * 1024, -3 * 1024, 4 * 1024]


def config(architecture: str = "amd64", **execution: object) -> ImageConfig:
    scratch = ImageConfig.scratch(Platform(architecture))
    return scratch.amend(execution=msgspec.structs.replace(Execution(), **execution))


def test_settings() -> None:
    old = config(env=("A=1", "B=2"), user="root", cmd=("sh",), exposed_ports={"80/tcp": {}})
    new = config(
        "arm64",
        env=("A=1", "B=3", "C"),
        entrypoint=("init",),
        cmd=(),
        labels={"x": "y"},
        healthcheck=Healthcheck(("CMD", "true")),
        volumes={"/data": {}},
        stop_timeout=0,
        user="root",
    )
    assert setting_changes(old, new) == [
        SettingChange("platform", "", "linux/amd64", "linux/arm64"),
        SettingChange("cmd", "", ["sh"], None),
        SettingChange("env", "B", "2", "3"),
        SettingChange("port", "80/tcp", True, None),
        SettingChange("entrypoint", "", None, ["init"]),
        SettingChange("healthcheck", "", None, {"Test": ("CMD", "true")}),
        SettingChange("stop timeout", "", None, 0),
        SettingChange("env", "C", None, ""),
        SettingChange("volume", "/data", None, True),
        SettingChange("label", "x", None, "y"),
    ]
    assert setting_changes(old, old) == setting_changes(None, new) == []
