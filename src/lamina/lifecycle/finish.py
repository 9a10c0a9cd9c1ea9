"""What is left of a container that has ended, taken away; and its record, made true."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from lamina.linux.cgroup_group import open_group
from lamina.linux.processes import boot, lives
from lamina.network.traces import has_members, is_member
from lamina.run.volumes import remove_anonymous
from lamina.store.atomic import locked
from lamina.store.container_contract import ContainerRecord, End
from lamina.store.containers import END, LIVELY, LOST, read_end
from lamina.store.contract import Store
from lamina.store.errors import ContainerNotFound
from lamina.store.tell import tell_container

if TYPE_CHECKING:
    from pathlib import Path

Clock = Callable[[], str]
_LOCK = "finish.lock"
_LEFT = ("attach", "stopping")


def finish(
    store: Store,
    identity: str,
    now: Clock,
    *,
    again: bool = False,
    gone: Callable[[], None] | None = None,
) -> None:
    """Put in order what a container leaves: control groups, network, record; `--rm` too.

    Its first process has ended.  `again` says that it is about to be started again, so that
    it is not removed.  A container that somebody removed meanwhile is fine.  `gone` is called
    when a container that is removed cannot be found any more, before its files are deleted.

    What cannot be taken away is told in the record (`error`), and the rest done nevertheless.
    """
    try:
        record = store.containers.written(identity)
        place = store.containers.directory(identity)
    except ContainerNotFound:
        clear(store, identity, ())
        return
    failed = _attempt("the runtime", partial(_clear_runtime, record, place))
    failed += clear(store, identity, record.groups)
    end = read_end(place) or End(LOST, now())
    goes = bool(record.settings.get("remove")) and not again
    try:
        if not goes:
            _note(store, record, end, failed, again=again)
        if end.out_of_memory:
            tell_container(store, record, "oom", now())
        tell_container(store, record, "die", now(), exitCode=str(end.status))
        if again:
            return
        if goes:
            removal = partial(_gone, store, record, now, gone)
            failed += _attempt("it", partial(store.containers.remove, identity, removal))
            if not failed:
                return
            _note(store, record, end, failed)
        for name in (END, *_LEFT):
            (place / name).unlink(missing_ok=True)
    except ContainerNotFound:
        pass


def _note(
    store: Store, record: ContainerRecord, end: End, failed: Sequence[str], *, again: bool = False
) -> None:
    """Say in the record how the container ended, and what failed then."""
    error = {"error": "; ".join(failed)} if failed else {}
    store.containers.update(
        record.id,
        status="restarting" if again else "exited",
        exit_status=end.status,
        out_of_memory=end.out_of_memory,
        finished=end.finished,
        pid=0,
        groups=(),
        **error,
    )


def _attempt(what: str, work: Callable[[], object]) -> list[str]:
    """Do it; a sentence when that fails."""
    try:
        work()
    except ContainerNotFound:
        pass
    except Exception as error:  # noqa: BLE001 - whatever it is, how the container ended comes first
        return [f"{what} could not be taken away after its end: {error}"]
    return []


def _clear_runtime(record: ContainerRecord, place: Path) -> None:
    if runtime := record.settings.get("runtime"):
        from lamina.run.external import remove_external

        remove_external(place, record.id, runtime)


def _gone(
    store: Store, record: ContainerRecord, now: Clock, further: Callable[[], None] | None
) -> None:
    remove_anonymous(store.root / "volumes", record)
    tell_container(store, record, "destroy", now())
    if further is not None:
        further()


def clear(store: Store, identity: str, groups: tuple[str, ...]) -> list[str]:
    """Take away what lies outside of the container's directory; a sentence for what fails."""
    failed = _attempt("its network", partial(_clear_network, store, identity))
    return failed + _attempt("its control group", partial(_clear_groups, groups))


def _clear_network(store: Store, identity: str) -> None:
    if is_member(str(store.root), identity):
        from lamina.network.sandbox import close_sandbox

        close_sandbox(store.root, identity)


def _clear_groups(groups: tuple[str, ...]) -> None:
    if groups:
        group = open_group(groups)
        # With the host's pids its other processes outlive the first one.
        group.kill()
        group.remove()


def put_in_order(store: Store, now: Clock) -> None:
    """Finish every container whose watcher was killed, or whose machine went down.

    Costs one look at each record that says that its container lives.
    """
    for record in list(store.containers.records()):
        if record.status in LIVELY and not _attended(record):
            finish_lost(store, record.id, now)
    if has_members(str(store.root)):
        from lamina.network.sandbox import reconcile

        reconcile(store.root)


def finish_lost(store: Store, identity: str, now: Clock) -> None:
    """Finish a container whose watcher is gone, unless somebody else has, or starts it again."""
    try:
        with locked(store.containers.directory(identity) / _LOCK):
            # Between looking at the record and at its watcher that may have finished it itself,
            # and taken the note of how it ended with it.
            record = store.containers.written(identity)
            if record.status in LIVELY and not _attended(record):
                finish(store, identity, now)
    except (ContainerNotFound, FileNotFoundError):
        pass  # removed meanwhile


def _attended(record: ContainerRecord) -> bool:
    if record.boot and record.boot != boot():
        return False
    if lives(record.watcher, record.watcher_started):
        return True
    # Another runtime's container does not end with its watcher: it is ended here.
    return not record.settings.get("runtime") and lives(record.pid, record.pid_started)
