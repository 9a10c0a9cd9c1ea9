"""The rules that a user has told hadolint to leave out: ours that say the same are as unwanted."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

_ENVIRONMENT = "HADOLINT_IGNORE"


def ignored_rules(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Those of HADOLINT_IGNORE and of the configuration that hadolint would read here.

    A configuration that cannot be read ignores nothing: hadolint itself says so.
    """
    named = environment.get(_ENVIRONMENT, "").split(",")
    found = [name.strip() for name in named if name.strip()]
    for place in _places(environment):
        try:
            with open(place, encoding="utf-8") as file:
                text = file.read()
        except (OSError, UnicodeDecodeError):
            continue
        return (*found, *_ignored(text))
    return tuple(found)


def _places(environment: Mapping[str, str]) -> Iterator[str]:
    """Where hadolint looks, the first that there is counts."""
    yield from (".hadolint.yaml", ".hadolint.yml")
    home = environment.get("HOME", "")
    directories = [environment.get("XDG_CONFIG_HOME", ""), home and f"{home}/.config"]
    for directory in filter(None, directories):
        yield from (os.path.join(directory, name) for name in ("hadolint.yaml", "hadolint.yml"))
    if home:
        names = (".hadolint.yaml", ".hadolint.yml", "hadolint/config.yaml", "hadolint/config.yml")
        yield from (os.path.join(home, name) for name in names)


def _ignored(text: str) -> list[str]:
    if "ignored" not in text:
        return []
    import yaml  # type: ignore[import-untyped]  # its stubs are a package of their own

    try:
        settings = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return []
    listed = settings.get("ignored") if isinstance(settings, dict) else None
    return [each for each in listed if isinstance(each, str)] if isinstance(listed, list) else []
