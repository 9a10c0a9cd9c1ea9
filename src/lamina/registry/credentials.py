"""Logins in Docker's config.json, and in the credential helpers that it names.

The file's layout is Docker's, so what `docker login` or `podman login` stored
is found, and what Lamina stores they find.  Unknown fields survive a change.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Any

import msgspec

from lamina.errors import Denied, Invalid, NotFound, Unavailable
from lamina.oci.reference import DEFAULT_REGISTRY
from lamina.registry.settings import Credential

HUB_KEY = "https://index.docker.io/v1/"
"""Under which every tool stores the login of docker.io, for history's sake."""
HELPER_TIMEOUT = 60.0
"""Seconds; a helper may ask the user to unlock a key ring."""
_IDENTITY = "<token>"


class BadCredentialFile(Invalid):
    """A config.json that is not what Docker writes."""


class HelperFailed(Unavailable):
    """A credential helper is missing, or fails."""


class NotLoggedIn(NotFound):
    """Nothing is stored for the registry."""


def storage_key(registry: str) -> str:
    """The name of a registry in config.json."""
    return HUB_KEY if registry == DEFAULT_REGISTRY else registry


def _hostname(key: str) -> str:
    """The registry that a key of `auths` means; empty for podman's `registry/namespace` keys.

    Old tools wrote a scheme before and `/v1/` or `/v2/` behind.
    """
    host, _, path = key.rpartition("://")[2].partition("/")
    return host if path.strip("/") in ("", "v1", "v2") else ""


class Helper(msgspec.Struct, frozen=True):
    """`docker-credential-NAME`, a program that keeps logins (Docker's helper protocol)."""

    name: str

    def get(self, key: str) -> Credential | None:
        """The login stored under `key`; None when there is none.  Raises HelperFailed."""
        try:
            answer = self._call("get", key.encode())
        except NotLoggedIn:
            return None
        try:
            fields: dict[str, str] = msgspec.json.decode(answer, type=dict[str, str])
        except msgspec.MsgspecError:
            raise HelperFailed(f"docker-credential-{self.name} answers no JSON") from None
        user, secret = fields.get("Username", ""), fields.get("Secret", "")
        if user == _IDENTITY:
            return Credential(identity_token=secret)
        return Credential(user, secret)

    def store(self, key: str, credential: Credential) -> None:
        """Keep a login.  Raises HelperFailed."""
        user = _IDENTITY if credential.identity_token else credential.username
        secret = credential.identity_token or credential.password
        document = {"ServerURL": key, "Username": user, "Secret": secret}
        self._call("store", msgspec.json.encode(document))

    def erase(self, key: str) -> None:
        """Forget a login; nothing happens when there is none.  Raises HelperFailed."""
        try:
            self._call("erase", key.encode())
        except NotLoggedIn:
            pass

    def _call(self, verb: str, data: bytes) -> bytes:
        import subprocess

        program = f"docker-credential-{self.name}"
        if "/" in self.name:
            raise BadCredentialFile(f"not the name of a credential helper: {self.name!r}")
        try:
            done = subprocess.run(
                [program, verb], input=data, capture_output=True, timeout=HELPER_TIMEOUT
            )
        except FileNotFoundError:
            raise HelperFailed(
                f"the credential helper {program} is not installed",
                hint="install it, or take credsStore and credHelpers out of config.json",
            ) from None
        except (OSError, subprocess.TimeoutExpired) as error:
            raise HelperFailed(f"the credential helper {program} failed: {error}") from None
        if done.returncode == 0:
            return done.stdout
        words = (done.stdout or done.stderr).decode("utf-8", "replace").strip()[:300]
        if "credentials not found" in words:
            raise NotLoggedIn(words)
        raise HelperFailed(f"{program} {verb} failed: {words or f'status {done.returncode}'}")


class CredentialFile(msgspec.Struct, frozen=True):
    """One config.json (or `auth.json`, which podman lays out alike)."""

    path: PurePath

    def get(self, registry: str) -> Credential | None:
        """The login for `registry`; None when the file, or the login, is not there.

        Raises BadCredentialFile, HelperFailed.
        """
        document = self._read()
        key = storage_key(registry)
        if helper := _helper(document, key, registry):
            found = helper.get(key)
            if found is not None:
                return found
        auths = document.get("auths") or {}
        for candidate in _candidates(auths, key, registry):
            if credential := self._decode(candidate, auths[candidate]):
                return credential
        return None

    def store(self, registry: str, credential: Credential) -> Helper | None:
        """Keep a login: with the file's helper, which is then returned, or in the file.

        The file is replaced at one moment, mode 0600.
        """
        document = self._read()
        key = storage_key(registry)
        if helper := _helper(document, key, registry):
            helper.store(key, credential)
            return helper
        entry: dict[str, str] = {}
        if credential.username or credential.password:
            pair = f"{credential.username}:{credential.password}".encode()
            entry["auth"] = base64.b64encode(pair).decode()
        if credential.identity_token:
            entry["identitytoken"] = credential.identity_token
        document["auths"] = {**(document.get("auths") or {}), key: entry}
        self._write(document)
        return None

    def erase(self, registry: str) -> bool:
        """Forget a login, in helper and file; whether there was one.  Raises HelperFailed."""
        document = self._read()
        key = storage_key(registry)
        helper = _helper(document, key, registry)
        found = False
        if helper is not None:
            found = helper.get(key) is not None
            helper.erase(key)
        auths = dict(document.get("auths") or {})
        keys = _candidates(auths, key, registry)
        if keys:
            document["auths"] = {name: auths[name] for name in auths if name not in keys}
            self._write(document)
        return found or bool(keys)

    def _read(self) -> dict[str, Any]:
        try:
            raw = Path(self.path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except PermissionError:
            raise Denied(f"no permission to read the logins in {self.path}") from None
        try:
            document = msgspec.json.decode(raw, type=dict[str, Any]) if raw.strip() else {}
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise BadCredentialFile(f"{self.path} is not valid: {error}") from None
        for name in ("auths", "credHelpers"):
            if not isinstance(document.get(name) or {}, dict):
                raise BadCredentialFile(f"{self.path} is not valid: {name} is not an object")
        return document

    def _write(self, document: dict[str, Any]) -> None:
        import tempfile

        # A symbolic link (dotfiles under version control) stays one: its target is replaced.
        path = os.path.realpath(self.path)
        folder = os.path.dirname(path)
        os.makedirs(folder, mode=0o700, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=".config-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(document), indent=8) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise

    def _decode(self, key: str, entry: Any) -> Credential | None:
        if not isinstance(entry, dict):
            raise BadCredentialFile(f"{self.path} is not valid: the login of {key} is no object")
        if token := entry.get("identitytoken"):
            return Credential(identity_token=str(token))
        if not entry.get("auth"):
            user, password = entry.get("username") or "", entry.get("password") or ""
            return Credential(str(user), str(password)) if user else None
        try:
            pair = base64.b64decode("".join(str(entry["auth"]).split()), validate=True).decode()
        except (binascii.Error, ValueError):
            raise BadCredentialFile(
                f"{self.path} is not valid: the login of {key} is not base64"
            ) from None
        user, _, password = pair.partition(":")
        # Very old Dockers padded the decoded pair with zero bytes.
        return Credential(user, password.rstrip("\0"))


def _helper(document: dict[str, Any], key: str, registry: str) -> Helper | None:
    chosen = document.get("credHelpers") or {}
    name = chosen.get(registry) or chosen.get(key) or document.get("credsStore")
    return Helper(str(name)) if name else None


def _candidates(auths: dict[str, Any], key: str, registry: str) -> list[str]:
    """The keys of `auths` that mean the registry, the exact one first."""
    names = {registry}
    if registry == DEFAULT_REGISTRY:
        names |= {"index.docker.io", "registry-1.docker.io"}
    return sorted(
        (name for name in auths if _hostname(name) in names), key=lambda name: name != key
    )


def find(files: Iterable[PurePath], registry: str) -> Credential | None:
    """The login for `registry` from the first file that has one; None when none does."""
    for path in files:
        if (credential := CredentialFile(path).get(registry)) is not None:
            return credential
    return None
