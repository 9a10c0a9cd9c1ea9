"""In what the configurations of two images differ.  Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from lamina.oci.config import ImageConfig


class SettingChange(msgspec.Struct, frozen=True):
    """One setting that two images do not have alike."""

    setting: str
    """`env`, `cmd`, `user` and so on."""
    key: str
    """Of what has many: the variable, label, port or volume; else empty."""
    old: Any
    """JSON values; None where the setting is missing."""
    new: Any


def setting_changes(old: ImageConfig | None, new: ImageConfig | None) -> list[SettingChange]:
    """Every difference that a container of the image would notice, in the order of `_settings`.

    Nothing when a configuration is missing, as that of a container whose image has gone.
    """
    if old is None or new is None:
        return []
    before, after = _settings(old), _settings(new)
    return [
        SettingChange(*place, before.get(place), after.get(place))
        for place in {**before, **after}
        if before.get(place) != after.get(place)
    ]


def _settings(config: ImageConfig) -> dict[tuple[str, str], Any]:
    """Each setting that is set, by its name and key."""
    run = config.execution
    single = {
        "platform": str(config.platform),
        "user": run.user,
        "workdir": run.working_dir,
        "entrypoint": _list(run.entrypoint),
        "cmd": _list(run.cmd),
        "shell": _list(run.shell),
        "onbuild": _list(run.on_build),
        "healthcheck": msgspec.to_builtins(run.healthcheck) if run.healthcheck else None,
        "stop signal": run.stop_signal,
        "stop timeout": run.stop_timeout,
        "hostname": run.hostname,
        "domain name": run.domainname,
    }
    many: Mapping[str, Mapping[str, Any]] = {
        "env": run.environment(),
        "port": dict.fromkeys(run.exposed_ports or {}, True),
        "volume": dict.fromkeys(run.volumes or {}, True),
        "label": run.labels or {},
    }
    settings = {(name, ""): value for name, value in single.items() if value not in ("", None)}
    for name, values in many.items():
        settings |= {(name, key): value for key, value in values.items()}
    return settings


def _list(words: tuple[str, ...] | None) -> list[str] | None:
    # An empty list says no more than none.
    return list(words) if words else None
