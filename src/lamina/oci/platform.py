"""Platforms (OCI image-spec, image-index.md): `linux/arm64/v8` and which runs where.  Pure."""

from __future__ import annotations

import msgspec

from lamina.errors import Invalid

_MACHINES = {
    "x86_64": ("amd64", ""),
    "amd64": ("amd64", ""),
    "i386": ("386", ""),
    "i686": ("386", ""),
    "aarch64": ("arm64", ""),
    "arm64": ("arm64", ""),
    "armv8l": ("arm", "v7"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "armv5l": ("arm", "v5"),
    "ppc64le": ("ppc64le", ""),
    "riscv64": ("riscv64", ""),
    "s390x": ("s390x", ""),
    "loongarch64": ("loong64", ""),
    "mips64": ("mips64le", ""),
}
_ALIASES = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "i386": ("386", ""),
    "aarch64": ("arm64", ""),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
}
_ARM_ORDER = ("v5", "v6", "v7", "v8")
_AMD64_ORDER = ("", "v2", "v3", "v4")


class BadPlatform(Invalid):
    """The text is not `os/architecture[/variant]`."""


class Platform(msgspec.Struct, frozen=True, omit_defaults=True):
    """An operating system and a processor, as an image index names them."""

    architecture: str
    # A factory's default is never omitted: the specification requires the field.
    os: str = msgspec.field(default_factory=lambda: "linux")
    os_version: str = msgspec.field(default="", name="os.version")
    os_features: tuple[str, ...] = msgspec.field(default=(), name="os.features")
    variant: str = ""

    @classmethod
    def parse(cls, text: str, *, host: Platform) -> Platform:
        """Read `os/arch[/variant]`, or `arch` or `os` alone and the rest from `host`.

        Raises BadPlatform.
        """
        parts = [part.lower() for part in text.split("/")]
        if not 1 <= len(parts) <= 3 or not all(parts):
            raise BadPlatform(
                f"not a platform: {text!r}", hint="write os/architecture, as in linux/arm64"
            )
        if len(parts) == 1:
            if parts[0] in ("linux", "windows", "darwin", "freebsd"):
                return Platform(host.architecture, parts[0], variant=host.variant)
            parts = [host.os, *parts]
        architecture, variant = _ALIASES.get(parts[1], (parts[1], ""))
        if len(parts) == 3:
            variant = parts[2]
        return Platform(architecture, parts[0], variant=variant).normal()

    @classmethod
    def of_machine(cls, machine: str) -> Platform:
        """The Linux platform of what `uname -m` prints.

        Raises BadPlatform for a processor that images have no name for.
        """
        if machine not in _MACHINES:
            raise BadPlatform(f"no image platform is known for the processor {machine!r}")
        architecture, variant = _MACHINES[machine]
        return Platform(architecture, variant=variant)

    def normal(self) -> Platform:
        """The same platform without variants that say nothing (`arm64/v8`, `arm` for `arm/v7`)."""
        variant = self.variant
        if (self.architecture, variant) in (("arm64", "v8"), ("arm64", "8"), ("amd64", "v1")):
            variant = ""
        elif self.architecture == "arm":
            variant = variant or "v7"
            variant = variant if variant.startswith("v") else "v" + variant
        return msgspec.structs.replace(self, variant=variant)

    def rank(self, candidate: Platform) -> int | None:
        """How well an image for `candidate` runs here: 0 is exact, more is worse, None is not.

        An older variant of the same architecture runs on a newer processor.
        """
        want, have = self.normal(), candidate.normal()
        if (want.os, want.architecture) != (have.os, have.architecture):
            return None
        if want.variant == have.variant:
            return 0
        for name, order in (("arm", _ARM_ORDER), ("amd64", _AMD64_ORDER)):
            if want.architecture == name and {want.variant, have.variant} <= set(order):
                step = order.index(want.variant) - order.index(have.variant)
                return step if step > 0 else None
        return None

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)
