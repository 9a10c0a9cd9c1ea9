"""An ordinary user's command line becomes root in a user namespace, before it opens its store.

From there on all is as it is for root.  There is one namespace for all commands on a store
that run at the same time, since who wants to get at a container has to be in its user
namespace: the first command makes it, those that come later join it, and it goes with its
last process.  A tmpfs at `<store>/run`, seen only in there, goes with it: by that another
process is known to be in it.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from lamina.errors import Denied, Unsupported
from lamina.linux import mounts, userns
from lamina.linux.id_mapping import Map, parse_map, subordinate, user_map
from lamina.store.errors import writing

FILE = "userns"
"""In the store: a process of the namespace, then its maps of users and groups."""
_MARK = "namespaces"
"""In `<store>/run`: which namespaces these are."""
_CLONE = "kernel/unprivileged_userns_clone"
_APPARMOR = "kernel/apparmor_restrict_unprivileged_userns"


class NoUserNamespace(Unsupported):
    """This user may not make the namespace in which all happens."""


class IdsRefused(Denied):
    """The user's entries in /etc/subuid and /etc/subgid are not what may be handed out."""


class OtherIds(Denied):
    """Files of the store belong to ids that the user no longer has."""


def enter(root: Path) -> None:
    """Be root of the namespace of the store at `root`, which is made if it is not there.

    For a process with one thread and without root's rights; its pid, files, terminal and
    working directory stay.  LAMINA_ROOT says `root` from here on, since who asks the
    kernel is told that this is root.

    Raises NoUserNamespace, IdsRefused, OtherIds, and what making a store raises.
    """
    root = Path(os.path.realpath(root))
    with writing(root):
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(root / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        first, _, maps = os.read(lock, 1 << 16).decode(errors="replace").partition("\n")
        known = int(first) if first.isdecimal() else 0
        pid = _join_any(root, known)
        if not pid:
            pid, maps = os.getpid(), _make(root, maps)
        if pid != known:
            text = f"{pid}\n{maps}".encode()
            os.pwrite(lock, text, 0)
            os.ftruncate(lock, len(text))
    finally:
        os.close(lock)
    os.environ["LAMINA_ROOT"] = str(root)


# an existing namespace


def _join_any(root: Path, known: int) -> int:
    """Join the namespace of the store, if it still has a process; returns which, or 0."""
    before = _working_directory()
    for pid in _candidates(known):
        if _join(root, pid):
            _return_to(before)
            return pid
    return 0


def _candidates(known: int) -> Iterator[int]:
    if known:
        yield known
    own = os.geteuid()
    for name in os.listdir("/proc") if known else ():
        try:
            if name.isdecimal() and os.stat(f"/proc/{name}").st_uid == own:
                yield int(name)
        except OSError:
            continue  # it has ended


def _join(root: Path, pid: int) -> bool:
    """Join the namespaces of a process if they are this store's."""
    try:
        held = userns.open_namespaces(pid)
    except OSError:
        return False  # it has ended, or is not for us to look into
    try:
        # Opened first, then looked at: who has ended meanwhile has left them to us.
        with open(f"/proc/{pid}/root{root}/run/{_MARK}", encoding="utf-8") as mark:
            if mark.read() != _names(held):
                return False
        userns.enter(held)
    except OSError:
        return False
    finally:
        for fd in held:
            os.close(fd)
    return True


def _names(namespaces: Iterable[int]) -> str:
    return " ".join(str(os.fstat(fd).st_ino) for fd in namespaces)


def _working_directory() -> str:
    try:
        return os.getcwd()
    except OSError:
        return "/"  # it was deleted


def _return_to(directory: str) -> None:
    """The working directory by its name: who enters a mount namespace is at its root."""
    try:
        os.chdir(directory)
    except OSError:
        pass  # what is not there cannot be named from it either


# a new one


def _make(root: Path, before: str) -> str:
    """Make the namespace of the store; returns its maps as text."""
    import pwd

    uid, gid = os.geteuid(), os.getegid()
    try:
        names = [str(uid), pwd.getpwuid(uid).pw_name]
    except KeyError:
        names = [str(uid)]
    uids = user_map(uid, subordinate(_read("/etc/subuid"), names))
    gids = user_map(gid, subordinate(_read("/etc/subgid"), names))
    programs = _programs() if len(uids) > 1 and len(gids) > 1 else None
    if programs is None:
        uids, gids = uids[:1], gids[:1]
    maps = f"{_rows(uids)}\n{_rows(gids)}\n"
    _check_unchanged(root, before, uids, gids)
    with writing(root):
        (root / "run").mkdir(mode=0o700, exist_ok=True)
    try:
        userns.make(uids, gids, programs)
        _mark(root)
    except OSError as error:
        if programs is not None and isinstance(error, userns.MapRefused):
            raise _ids_refused(str(error), names[-1]) from None
        raise NoUserNamespace(
            f"this user may not make user namespaces: {error.strerror}", hint=_remedy(error)
        ) from None
    return maps


def _mark(root: Path) -> None:
    """Mount the tmpfs by which others know this namespace."""
    place = os.open(root / "run", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        mounts.attach(mounts.new_filesystem("tmpfs", (("mode", "700"),)), place)
    finally:
        os.close(place)
    held = userns.open_namespaces(os.getpid())
    with open(root / "run" / _MARK, "w", encoding="utf-8") as mark:
        mark.write(_names(held))
    for fd in held:
        os.close(fd)


def _programs() -> userns.Programs | None:
    """What hands out subordinate ids, if it is installed (Debian: uidmap)."""
    found = [_which("newuidmap"), _which("newgidmap")]
    return userns.Programs(*found) if all(found) else None


def _which(program: str) -> str:
    for directory in os.environ.get("PATH", os.defpath).split(":"):
        if os.access(path := f"{directory}/{program}", os.X_OK):
            return path
    return ""


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return ""


def _rows(extents: Map) -> str:
    return ",".join(f"{each.inside} {each.outside} {each.count}" for each in extents)


def _check_unchanged(root: Path, before: str, uids: Map, gids: Map) -> None:
    """Raise OtherIds unless all ids that files of the store may belong to are still there."""
    for text, now, file in zip(
        before.splitlines(), (uids, gids), ("subuid", "subgid"), strict=False
    ):
        old = parse_map(text.replace(",", "\n"))
        if now[: len(old)] != old:
            lost = [f"{each.outside}-{each.outside + each.count - 1}" for each in old[1:]]
            raise OtherIds(
                f"files in {root} belong to ids that this user no longer has in /etc/{file}",
                hint=f"give the user these ids back: {', '.join(lost)}; or choose another --root",
            )


# why not


def _ids_refused(reason: str, name: str) -> IdsRefused:
    return IdsRefused(
        f"the ids of {name} in /etc/subuid and /etc/subgid cannot be had: {reason}",
        hint="`usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER` gives a user"
        " ids of their own",
    )


def _remedy(error: OSError) -> str:
    """The command that switches user namespaces on, where something is known to refuse them."""
    if error.errno == errno.ENOSPC:
        return "sudo sysctl user.max_user_namespaces=15000"
    if _sysctl(_CLONE) == "0":
        return "sudo sysctl kernel.unprivileged_userns_clone=1"
    if _sysctl(_APPARMOR) == "1":
        return "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"
    return "in a container, seccomp refuses: --security-opt seccomp=unconfined; or run as root"


def _sysctl(name: str) -> str:
    return _read(f"/proc/sys/{name}").strip()
