"""`lamina info`: what this host and this store can do."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lamina import __version__
from lamina.cli.app import App
from lamina.cli.format import emit, escape, render, size
from lamina.cli.layer_form import layer_form_option

if TYPE_CHECKING:
    from lamina.store.contract import LayerStore, Store

_LABELS = {
    "Version": "Version",
    "Root": "Store",
    "Format": " Format",
    "LayerForm": " Layer form",
    "BackingFilesystem": " File system",
    "Images": " Images",
    "Layers": " Layers",
    "LayersImage": "  As images",
    "LayersTree": "  As trees",
    "LayersMounted": "  Mounted",
    "Containers": " Containers",
    "ContainersRunning": "  Running",
    "ContainersStopped": "  Stopped",
    "KernelVersion": "Kernel",
    "OperatingSystem": "Userland",
    "Architecture": "Architecture",
    "Platform": "Platform",
    "NCPU": "CPUs",
    "MemTotal": "Memory",
    "Rootless": "Rootless",
    "Overlay": "Overlay mounts",
    "Run": "RUN",
    "UserNamespaces": "User namespaces",
    "Seccomp": "Seccomp",
    "CgroupVersion": "Control groups",
}


@click.command(epilog="Example: lamina info --format '{{.CgroupVersion}}'")
@click.option("-f", "--format", "fmt", default="", help="json, or a Go template.")
@layer_form_option
@click.pass_obj
def command(app: App, fmt: str) -> None:
    """Show the store, the kernel that containers share, and what works here."""
    store = app.engine.store
    found = {"Version": __version__, **_store(store), **_host(Path("/")), "Run": _run(store.root)}
    if fmt:
        emit(render([found], fmt, {}))
        return
    shown = {**found, "MemTotal": size(int(str(found["MemTotal"])))}
    emit("\n".join(f"{label}: {_text(shown[name])}" for name, label in _LABELS.items()))


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return escape(str(value))


def _store(store: Store) -> dict[str, object]:
    from lamina.store.place import FORMAT

    forms = Counter(store.layers.info(each).form for each in store.layers)
    running = [each.status == "running" for each in store.containers]
    return {
        "Root": str(store.root),
        "Format": FORMAT,
        "LayerForm": _layer_form(store.layers),
        "BackingFilesystem": _file_system(store.root, Path("/proc/self/mountinfo")),
        "Images": len({row.image_id for row in store.refs.rows()}),
        "Layers": forms.total(),
        "LayersImage": forms["image"],
        "LayersTree": forms["tree"],
        "LayersMounted": len(store.layers.mounted()),
        "Containers": len(running),
        "ContainersRunning": sum(running),
        "ContainersStopped": len(running) - sum(running),
    }


def _layer_form(layers: LayerStore) -> str:
    """How a layer that is pulled now would be kept, and why so."""
    if layers.no_tree_form and layers.no_image_form:
        return f"image (a tar; not mounted: {layers.no_image_form})"
    if layers.no_image_form:
        return f"tree (directories; {layers.no_image_form})"
    return "image (a tar under EROFS)" if layers.form == "image" else "tree (directories)"


def _run(root: Path) -> str:
    """How a build's commands run here, and why so when it is not as usual."""
    from lamina.run.isolation import NoWay, way

    try:
        found = way(root)
    except NoWay as error:
        return str(error)
    return "in namespaces, over overlay mounts" if found.usual else found.sentence


def _host(root: Path) -> dict[str, object]:
    from lamina.linux.cgroup import detect
    from lamina.linux.userns import is_initial
    from lamina.oci.platform import Platform

    uname = os.uname()
    return {
        "KernelVersion": f"{uname.sysname} {uname.release}",
        "OperatingSystem": userland(root),
        "Architecture": uname.machine,
        "Platform": str(Platform.of_machine(uname.machine)),
        "NCPU": len(os.sched_getaffinity(0)),
        "MemTotal": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "Rootless": os.geteuid() != 0 or not is_initial(),
        "Overlay": _overlay(),
        "UserNamespaces": _user_namespaces(root / "proc"),
        "Seccomp": (root / "proc/sys/kernel/seccomp/actions_avail").exists(),
        "CgroupVersion": detect(),
    }


def userland(root: Path) -> str:
    """The name that a root file system gives itself (os-release(5))."""
    for path in ("etc/os-release", "usr/lib/os-release"):
        try:
            lines = (root / path).read_text(errors="replace").splitlines()
        except OSError:
            continue
        pairs = (line.partition("=") for line in lines)
        fields = {name: value.strip("\"'") for name, _, value in pairs}
        if name := fields.get("PRETTY_NAME") or fields.get("NAME"):
            return name
    return "unknown"


def _overlay() -> bool:
    """Whether the kernel has overlayfs and lets this user mount it."""
    from lamina.linux.syscall import fsopen

    try:
        os.close(fsopen("overlay"))
    except OSError:
        return False
    return True


def _user_namespaces(proc: Path) -> bool:
    """Whether this user may make user namespaces."""
    if not (proc / "self/ns/user").exists():
        return False
    limits = [proc / "sys/user/max_user_namespaces"]
    if os.geteuid() != 0:
        limits.append(proc / "sys/kernel/unprivileged_userns_clone")  # Debian's own switch
    return all(_number(path) for path in limits if path.exists())


def _number(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return 0


def _file_system(path: Path, mountinfo: Path) -> str:
    """The type of the file system that `path` is on (proc(5), mountinfo)."""
    device = os.stat(path).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = mountinfo.read_text(errors="replace").splitlines()
    except OSError:
        return "unknown"
    for line in lines:
        before, _, after = line.partition(" - ")
        if before.split()[2] == wanted:
            return after.split()[0]
    return "unknown"
