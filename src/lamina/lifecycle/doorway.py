"""How a running container is entered, found from what was decided of it."""

from __future__ import annotations

from lamina.errors import EngineError
from lamina.linux import apparmor, capability, seccomp
from lamina.run import doorway
from lamina.run.doorway import Doorway
from lamina.run.settings import settings_of
from lamina.store.container_contract import ContainerRecord
from lamina.store.containers_alone import Containers


def keep_doorway(store: Containers, record: ContainerRecord) -> Doorway:
    """How the running container is entered, noted beside it for those in a hurry."""
    found = _doorway(store, record)
    doorway.write(str(store.containers.directory(record.id)), found)
    return found


def note_doorway(store: Containers, identity: str) -> None:
    """The same for a container that has just started, and that may be gone again."""
    try:
        keep_doorway(store, store.containers.find(identity))
    except EngineError:
        return


def _doorway(store: Containers, record: ContainerRecord) -> Doorway:
    settings = settings_of(record.name, record.settings)
    security, process = settings.security, settings.process
    if security.privileged:
        granted = capability.ALL
    else:
        granted = capability.granted(security.capabilities_add, security.capabilities_drop)
    program = b""
    if not security.privileged and security.seccomp != "unconfined":
        program = seccomp.filter_for(granted, store.root / "cache", security.seccomp)
    return Doorway(
        record.pid,
        record.pid_started,
        record.groups,
        env=process.env,
        cwd=process.cwd,
        user=process.user,
        further=process.groups,
        capabilities=sorted(granted),
        filter=program,
        no_new_privileges=security.no_new_privileges,
        limits=[(each.name, each.soft, each.hard) for each in settings.ulimits],
        apparmor=apparmor.applicable(security.apparmor),
        oom_score_adj=settings.oom_score_adj,
    )
