"""A container run to its end and watched by this program itself, without a process for that.

For programs that run many, one after the other: forking a watcher would take a third of the
time.  The container dies with the thread that runs it, and is put in order by whichever
command comes next.
"""

from __future__ import annotations

from threading import Thread

from lamina.errors import EngineError, Unsupported
from lamina.lifecycle.attach import Attachment
from lamina.lifecycle.begin import Refused, Started, begin_first, fail, leave, task_of
from lamina.run.settings import Settings
from lamina.run.spec import Streams
from lamina.store.container_contract import ContainerRecord
from lamina.store.contract import Store
from lamina.supervise import sockets
from lamina.supervise.watch import Watch


def run_here(
    store: Store, record: ContainerRecord, settings: Settings, streams: Streams, *, stdin: bool
) -> int:
    """Run a new container that is removed at its end; its exit status.

    An exception (KeyboardInterrupt) ends it.  Raises EngineError when no container could be
    made, and Unsupported when its program cannot be executed; nothing stays then.
    """
    try:
        begun = begin_first(store, record, settings, stays=True)
    except EngineError:
        raise
    except BaseException:
        fail(store, record, settings, "interrupted")
        raise
    if isinstance(begun, Refused):
        raise Unsupported(begun.message)
    return _watched(store, record, settings, begun, streams, stdin=stdin)


def _watched(
    store: Store,
    record: ContainerRecord,
    settings: Settings,
    begun: Started,
    streams: Streams,
    *,
    stdin: bool,
) -> int:
    ours, theirs = sockets.pair()
    watch = Watch(task_of(store, record, settings, begun, client=theirs))
    carrier = Thread(target=Attachment(ours, streams, stdin=stdin).run, name="lamina-streams")
    carrier.start()
    try:
        watch.run()
    except BaseException:
        begun.running.kill()
        watch.go_on()
        raise
    finally:
        begun.running.note(watch.status)
        leave(store, record.id, begun.held.close, watch)
        carrier.join()
    return watch.status
