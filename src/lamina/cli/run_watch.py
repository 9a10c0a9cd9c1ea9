"""Options of `run` and `create` on what watches the container: restarts, health, log, its end."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lamina.cli.declared import Option
from lamina.errors import Invalid, Unsupported

if TYPE_CHECKING:
    from lamina.run.settings import Health, LogSettings, Restart

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)"
_SIZE = r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?"


class BadOption(Invalid):
    """The value of an option is none."""


OPTIONS = (
    Option("--restart", default="no", metavar="no|on-failure[:N]|always|unless-stopped"),
    Option("--stop-signal", default="", metavar="SIGNAL", help="What `stop` sends."),
    Option("--stop-timeout", kind="number", metavar="SECONDS", help="Before `stop` kills."),
    Option("--health-cmd", default="", metavar="LINE", help="Check health by this."),
    Option("--health-interval", default="", metavar="DURATION", help="Between two checks."),
    Option("--health-timeout", default="", metavar="DURATION", help="For one check."),
    Option("--health-start-period", default="", metavar="DURATION", help="To start up."),
    Option("--health-start-interval", default="", metavar="DURATION", help="Meanwhile."),
    Option("--health-retries", kind="number", metavar="N", help="Failures until unhealthy."),
    Option("--no-healthcheck", kind="flag", help="Not even the image's check."),
    Option("--log-driver", default="json-file", metavar="json-file|local|none"),
    Option("--log-opt", multiple=True, metavar="max-size=10m|max-file=3", help="Rotate."),
)


def seconds(text: str, option: str) -> float:
    """`1m30s`, `500ms` as seconds.  Raises BadOption."""
    parts = re.findall(_DURATION, text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise BadOption(f"{option} is no length of time: {text!r}", hint="write 30s, 1m30s, 500ms")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def bytes_of(text: str, option: str) -> int:
    """`10m`, `1.5g`, `4096` as bytes, by 1024 as Docker counts there.  Raises BadOption."""
    match = re.fullmatch(_SIZE, text.strip(), re.IGNORECASE)
    if match is None:
        raise BadOption(
            f"{option} is no size: {text!r}", hint="write 512m, 2g or a number of bytes"
        )
    return int(float(match[1]) * 1024 ** " kmgt".index(match[2].lower() or " "))


def restart(text: str, *, remove: bool = False) -> Restart:
    """`--restart`.  Raises BadOption."""
    from lamina.run.settings import Restart

    policy, colon, count = text.partition(":")
    if policy == "no" and not colon:
        return Restart()
    if remove:
        raise BadOption("--restart and --rm contradict each other", hint="leave out one of them")
    if policy == "on-failure" and (not colon or count.isdigit()):
        return Restart("on-failure", int(count or 0))
    if policy == "always" and not colon:
        return Restart("always")
    if policy == "unless-stopped" and not colon:
        return Restart("unless-stopped")
    raise BadOption(
        f"invalid restart policy {text!r}", hint="no, on-failure[:N], always or unless-stopped"
    )


def health(options: dict[str, Any], image: Health) -> Health:
    """The image's check as the options change it.  Raises BadOption."""
    from lamina.run.settings import Health

    if options["no_healthcheck"]:
        if any(value for name, value in options.items() if name.startswith("health_")):
            raise BadOption("--no-healthcheck and other --health options contradict each other")
        return Health(("NONE",))
    command = options["health_cmd"]

    def span(name: str, otherwise: float) -> float:
        text = options[f"health_{name}"]
        return seconds(text, f"--health-{name.replace('_', '-')}") if text else otherwise

    return Health(
        test=("CMD-SHELL", command) if command else image.test,
        interval=span("interval", image.interval),
        timeout=span("timeout", image.timeout),
        start_period=span("start_period", image.start_period),
        start_interval=span("start_interval", image.start_interval),
        retries=options["health_retries"] or image.retries,
    )


def log(options: dict[str, Any]) -> LogSettings:
    """`--log-driver` and `--log-opt`.  Raises BadOption, Unsupported."""
    from lamina.run.settings import LogSettings

    driver = options["log_driver"]
    if driver not in {"json-file", "local", "none"}:
        raise Unsupported(f"there is no log driver {driver!r}", hint="json-file, local or none")
    found = {"max-size": "", "max-file": ""}
    for text in options["log_opt"]:
        name, _, value = text.partition("=")
        if name not in found:
            raise BadOption(f"unknown log option {name!r}", hint="max-size and max-file are known")
        found[name] = value
    size = bytes_of(found["max-size"], "max-size") if found["max-size"] not in {"", "-1"} else 0
    count = found["max-file"] or "1"
    if not count.isdigit() or not int(count):
        raise BadOption(f"max-file is no number of files: {count!r}")
    return LogSettings(driver, size, int(count))
