"""What `run` and `create` share: their options, and a container made of them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lamina.cli import (
    run_limits,
    run_mounts,
    run_network,
    run_process,
    run_runtime,
    run_security,
    run_watch,
)
from lamina.cli.app import App, timestamp
from lamina.cli.declared import Option
from lamina.errors import Exists

if TYPE_CHECKING:
    from lamina.oci.digest import Digest
    from lamina.run.settings import Settings
    from lamina.store.container_contract import ContainerRecord
    from lamina.store.contract import Image, Store

OPTIONS = (
    Option("-i", "--interactive", kind="flag", help="Keep standard input open."),
    Option("-t", "--tty", kind="flag", help="Give the container a terminal."),
    Option("--rm", name="remove", kind="flag", help="Remove the container when it ends."),
    Option("--name", help="The container's name (default: a random one)."),
    Option("--cidfile", kind="path", help="Write the container's id into a new file."),
    Option("--platform", default="", metavar="OS/ARCH", help="Of a multi-platform image."),
    Option(
        "--pull",
        choices=("missing", "always", "never"),
        default="missing",
        show_default=True,
        help="When to pull the image.",
    ),
    Option(
        "--with-removed",
        kind="flag",
        help="With what `slim --minify --keep-removed` took out of the image.",
    ),
    *run_process.OPTIONS,
    *run_mounts.OPTIONS,
    *run_network.OPTIONS,
    *run_security.OPTIONS,
    *run_limits.OPTIONS,
    *run_watch.OPTIONS,
    *run_runtime.OPTIONS,
)


class IdFileThere(Exists):
    """The file for the id is there already: it may be another container's."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"container ID file found: {path}",
            hint=f"make sure the other container isn't running, or rm {path}",
        )


def new_container(
    app: App, options: dict[str, Any], *, detached: bool = False
) -> tuple[ContainerRecord, Settings]:
    """Make a container as the options say, which does not run yet; its record and settings."""
    from lamina.lifecycle.create import Naming, create, free_name
    from lamina.lifecycle.naming import check_name
    from lamina.run.settings import settings_of
    from lamina.store.tell import tell_container

    chosen = Chosen(options)
    app.require_containers()
    id_file = options["cidfile"]
    if id_file is not None and id_file.exists():
        raise IdFileThere(id_file)
    image = find(app, options)
    name = check_name(options["name"]) if options["name"] else free_name(app.engine.store)
    naming = Naming(os.urandom(32).hex(), name, options["image"])
    over = removed(app, image) if options["with_removed"] else ()
    settings = chosen.settings(app, image, options, naming.identity, detached=detached)
    store = app.containers
    for warning in chosen.security.warnings:
        print(f"lamina: {warning}", file=sys.stderr)
    labels = chosen.process.labels
    record = create(store, image, settings, naming, timestamp(), labels=labels, over=over)
    if settings.namespaces.user == "private":
        settings = settings_of(record.name, record.settings)  # with the ids that it was given
    tell_container(store, record, "create", record.created)
    if id_file is not None:
        id_file.write_text(record.id)
    return record, settings


class Chosen:
    """The options of each group, read: what is wrong with them is said before an image is
    looked for."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.process = run_process.read(options, os.environ)
        self.mounts = run_mounts.read(options)
        self.network = run_network.network_request(options)
        self.security = run_security.read(options)
        self.limits = run_limits.limits(options)
        self.ulimits = run_limits.ulimits(options["ulimits"])
        self.device_rules = run_limits.device_rules(options)
        self.cgroup_parent = run_limits.cgroup_parent(options)
        self.restart = run_watch.restart(options["restart"], remove=options["remove"])
        self.log = run_watch.log(options)
        self.runtime = run_runtime.runtime(options)

    def settings(
        self,
        app: App,
        image: Image,
        options: dict[str, Any],
        identity: str,
        *,
        detached: bool,
        make: bool = True,
    ) -> Settings:
        """All that is decided of a container of the image; its volumes are made, if `make`."""
        from msgspec.structs import replace

        store = app.engine.store
        # As in Docker, whose network is joined is looked for when the container starts.
        spaces = self.security.namespaces
        for space in (spaces.pid, spaces.ipc, spaces.user):
            if space.startswith("container:"):
                store.containers.find(space.removeprefix("container:"))
        base = self._with_image(store, image, options, identity, make=make)
        asked = self.process
        stop = options["stop_timeout"]
        return replace(
            base,
            process=replace(base.process, groups=asked.groups),
            stdin=options["interactive"],
            stdin_once=options["interactive"] and not detached,
            domainname=asked.domainname,
            network=self.network,
            namespaces=self.security.namespaces,
            security=self.security.security,
            extra_hosts=asked.extra_hosts,
            read_only=self.security.read_only,
            init=asked.init,
            shm_size=self.mounts.shm_size,
            sysctls=asked.sysctls,
            ulimits=self.ulimits,
            devices=self.security.devices,
            device_rules=self.device_rules,
            limits=self.limits,
            cgroup_parent=self.cgroup_parent,
            oom_score_adj=asked.oom_score_adj,
            stop_signal=options["stop_signal"] or base.stop_signal,
            stop_timeout=base.stop_timeout if stop is None else stop,
            restart=self.restart,
            health=run_watch.health(options, base.health),
            log=self.log,
            remove=options["remove"],
            exposed=tuple(sorted({*base.exposed, *run_network.exposed(options)})),
            runtime=self.runtime,
        )

    def _with_image(
        self, store: Store, image: Image, options: dict[str, Any], identity: str, *, make: bool
    ) -> Settings:
        """What the image and the options decide together: the process and the mounts."""
        from lamina.lifecycle.create import resolved
        from lamina.run.request import RunRequest
        from lamina.run.volumes import inherited_mounts

        inherited = [
            mount
            for name, read_only in self.mounts.inherited
            for mount in inherited_mounts(store.containers.find(name), read_only=read_only)
        ]
        asked = self.process
        host = self.network.mode == "host" or self.security.namespaces.uts == "host"
        request = RunRequest(
            command=options["command"],
            entrypoint=asked.entrypoint,
            env=asked.env,
            workdir=asked.workdir,
            user=asked.user,
            terminal=options["tty"],
            mounts=self.mounts.requests,
        )
        return resolved(
            store,
            image,
            request,
            identity=identity,
            hostname=asked.hostname or (os.uname().nodename if host else identity[:12]),
            now=timestamp(),
            inherited=inherited,
            make=make,
        )


def removed(app: App, image: Image) -> tuple[Digest, ...]:
    """The layer of what was taken out of an image; fetched when it was not pulled along."""
    from lamina.minify.removed import removed_artifact, removed_layers

    store = app.engine.store
    if not all(map(store.layers.has, removed_artifact(store, image).diff_ids)):
        from lamina.cli.removed import fetch_removed

        fetch_removed(app, image)
    return removed_layers(store, image)


def find(app: App, options: dict[str, Any]) -> Image:
    """The image that the options name, pulled if they say so.  Raises ImageNotFound."""
    from lamina.store.errors import ImageNotFound

    name, when, platform = options["image"], options["pull"], options["platform"]
    if when != "always":
        try:
            return app.engine.store.images.find(name, platform=platform)
        except ImageNotFound:
            if when == "never":
                raise
    _pull(app, name, platform)
    return app.engine.store.images.find(name, platform=platform)


def _pull(app: App, name: str, platform: str) -> None:
    from contextlib import redirect_stdout

    from lamina.cli.pull import command as pull

    words = [*(["--platform", platform] if platform else []), "--", name]
    with redirect_stdout(sys.stderr):  # standard output is the container's
        pull.main(words, prog_name="lamina pull", obj=app, standalone_mode=False)
