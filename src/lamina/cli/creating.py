"""What `run` and `create` share: their options, and a container made of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lamina.cli import run_limits, run_watch
from lamina.cli.app import App, timestamp
from lamina.errors import Invalid, Unsupported

if TYPE_CHECKING:
    from lamina.oci.digest import Digest
    from lamina.run.request import RunRequest
    from lamina.run.settings import Settings
    from lamina.store.contract import ContainerRecord, Image

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option("-i", "--interactive", is_flag=True, help="Keep standard input open."),
    click.option("-t", "--tty", is_flag=True, help="Give the container a terminal."),
    click.option("--rm", "remove", is_flag=True, help="Remove the container when it ends."),
    click.option("--name", help="The container's name (default: a random one)."),
    click.option("-e", "--env", multiple=True, metavar="NAME[=VALUE]", help="Set a variable."),
    click.option(
        "--env-file",
        multiple=True,
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Read variables from a file, one NAME=VALUE a line.",
    ),
    click.option("-w", "--workdir", default="", help="The directory to start in."),
    click.option("-u", "--user", default="", metavar="USER[:GROUP]", help="Names or numbers."),
    click.option(
        "-v",
        "--volume",
        multiple=True,
        metavar="[SOURCE:]TARGET[:ro]",
        help="Mount a path or volume.",
    ),
    click.option("--mount", multiple=True, metavar="type=…,source=…,target=…", help="Mount."),
    click.option("--tmpfs", multiple=True, metavar="TARGET[:OPTIONS]", help="Mount a tmpfs."),
    click.option("--entrypoint", help="Replace the image's entry point ('' for none)."),
    click.option("-h", "--hostname", default="", help="The host name inside."),
    click.option(
        "--network",
        "--net",
        default="host",
        show_default=True,
        help="host, none or container:NAME.",
    ),
    click.option("--add-host", multiple=True, metavar="NAME:ADDRESS", help="Add to /etc/hosts."),
    click.option("--read-only", is_flag=True, help="Make the root file system read-only."),
    click.option("--cap-add", multiple=True, metavar="NAME", help="Give a capability (or all)."),
    click.option("--cap-drop", multiple=True, metavar="NAME", help="Take a capability (or all)."),
    click.option("--privileged", is_flag=True, help="Lift every restriction. Not a sandbox then."),
    click.option(
        "--security-opt",
        multiple=True,
        metavar="seccomp=unconfined|no-new-privileges=false",
        help="Lift one restriction.",
    ),
    click.option(
        "-l", "--label", multiple=True, metavar="NAME[=VALUE]", help="Label the container."
    ),
    click.option("--platform", default="", metavar="OS/ARCH", help="Of a multi-platform image."),
    click.option(
        "--pull",
        type=click.Choice(["missing", "always", "never"]),
        default="missing",
        show_default=True,
        help="When to pull the image.",
    ),
    click.option(
        "--with-removed",
        is_flag=True,
        help="With what `slim --minify --keep-removed` took out of the image.",
    ),
)


def options(command: F) -> F:
    """Add the options to a command."""
    command = run_limits.options(run_watch.options(command))
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def new_container(app: App, options: dict[str, Any], *, detached: bool = False) -> ContainerRecord:
    """Make a container as the options say; it does not run yet."""
    from lamina.lifecycle.create import Naming, create

    request = _request(options)
    image = _find(app, options)
    naming = Naming(os.urandom(32).hex(), options["name"] or _free_name(app), options["image"])
    over = _removed(app, image) if options["with_removed"] else ()
    settings = _settings(app, image, request, options, naming.identity, detached=detached)
    store = app.engine.store
    record = create(store, image, settings, naming, timestamp(), labels=request.labels, over=over)
    about = {"image": record.image, "name": record.name}
    store.events.append("container", "create", record.id, about, record.created)
    return record


def _settings(
    app: App,
    image: Image,
    request: RunRequest,
    options: dict[str, Any],
    identity: str,
    *,
    detached: bool,
) -> Settings:
    import msgspec

    from lamina.network.request import NetworkRequest
    from lamina.run.request import check_hostname, process
    from lamina.run.settings import Security, Settings
    from lamina.run.volumes import declared, mounts_of

    execution = image.config.execution
    hostname = check_hostname(request.hostname) or identity[:12]
    check = execution.healthcheck
    return Settings(
        process=process(execution, request, hostname=hostname),
        stdin=request.interactive,
        stdin_once=request.interactive and not detached,
        hostname=hostname,
        mounts=mounts_of(
            declared(request.mounts, execution.volumes or ()),
            app.engine.store.root / "volumes",
            identity,
        ),
        network=NetworkRequest(mode=request.network),
        security=Security(
            capabilities_add=request.capabilities_add,
            capabilities_drop=request.capabilities_drop,
            privileged=request.privileged,
            seccomp="" if request.seccomp else "unconfined",
            no_new_privileges=request.no_new_privileges,
        ),
        extra_hosts=request.extra_hosts,
        read_only=request.read_only,
        ulimits=run_limits.ulimits(options["ulimits"]),
        devices=run_limits.devices(options),
        device_rules=run_limits.device_rules(options),
        limits=run_limits.limits(options),
        cgroup_parent=run_limits.cgroup_parent(options),
        oom_score_adj=run_limits.oom_score_adj(options),
        stop_signal=options["stop_signal"] or execution.stop_signal,
        stop_timeout=(
            execution.stop_timeout if options["stop_timeout"] is None else options["stop_timeout"]
        ),
        restart=run_watch.restart(options["restart"], remove=request.remove),
        health=run_watch.health(options, msgspec.to_builtins(check) if check else None),
        log=run_watch.log(options),
        remove=request.remove,
        exposed=tuple(sorted(execution.exposed_ports or ())),
    )


def _removed(app: App, image: Image) -> tuple[Digest, ...]:
    """The layer of what was taken out of an image; fetched when it was not pulled along."""
    from lamina.minify.removed import removed_artifact, removed_layers

    store = app.engine.store
    if not all(map(store.layers.has, removed_artifact(store, image).diff_ids)):
        from lamina.cli.removed import fetch_removed

        fetch_removed(app, image)
    return removed_layers(store, image)


def _request(options: dict[str, Any]) -> RunRequest:
    from lamina.run.request import (
        RunRequest,
        environment_lines,
        parse_mount,
        parse_tmpfs,
        parse_volume,
    )

    files = [line for path in options["env_file"] for line in _env_file(path)]
    seccomp, no_new_privileges = _security(options["security_opt"])
    return RunRequest(
        command=options["command"],
        entrypoint=options["entrypoint"],
        env=tuple(environment_lines([*files, *options["env"]], os.environ)),
        workdir=_workdir(options["workdir"]),
        user=options["user"],
        mounts=(
            *map(parse_volume, options["volume"]),
            *map(parse_mount, options["mount"]),
            *map(parse_tmpfs, options["tmpfs"]),
        ),
        hostname=options["hostname"],
        network=options["network"],
        interactive=options["interactive"],
        terminal=options["tty"],
        read_only=options["read_only"],
        privileged=options["privileged"],
        capabilities_add=options["cap_add"],
        capabilities_drop=options["cap_drop"],
        extra_hosts=options["add_host"],
        labels={name: value for name, _, value in (x.partition("=") for x in options["label"])},
        seccomp=seccomp,
        no_new_privileges=no_new_privileges and not options["privileged"],
        remove=options["remove"],
    )


def _workdir(text: str) -> str:
    if text and not text.startswith("/"):
        raise Invalid(f"the working directory {text!r} is not absolute", hint=f"-w /{text}")
    return text


def _env_file(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise Invalid(f"{path} is not UTF-8 text") from None
    return [line.lstrip() for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _security(options: tuple[str, ...]) -> tuple[bool, bool]:
    """Whether seccomp and no_new_privs are on."""
    seccomp = no_new_privileges = True
    for text in options:
        match text.replace(":", "=").partition("="):
            case ("seccomp", _, "unconfined"):
                seccomp = False
            case ("no-new-privileges", _, "" | "true" | "false" as value):
                no_new_privileges = value != "false"
            case _:
                raise Unsupported(
                    f"unknown security option {text!r}",
                    hint="seccomp=unconfined and no-new-privileges=false are known",
                )
    return seccomp, no_new_privileges


def _find(app: App, options: dict[str, Any]) -> Image:
    from lamina.store.errors import ImageNotFound

    name, when, platform = options["image"], options["pull"], options["platform"]
    if when != "always":
        try:
            return app.engine.store.images.find(name, platform=platform)
        except ImageNotFound:
            if when == "never":
                raise
    _pull(name, platform)
    return app.engine.store.images.find(name, platform=platform)


def _pull(name: str, platform: str) -> None:
    from contextlib import redirect_stdout

    from lamina.cli.pull import command as pull

    with redirect_stdout(sys.stderr):  # standard output is the container's
        click.get_current_context().invoke(pull, name=name, platform=platform or None)


def _free_name(app: App) -> str:
    """A random name that no container has; `create` has the last word on it."""
    from lamina.cli.random_names import random_name

    taken = {record.name for record in app.engine.store.containers}
    while (name := random_name()) in taken:
        pass
    return name
