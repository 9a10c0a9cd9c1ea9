"""Files that are known to hold credentials, by their path: `.npmrc`, `.aws/credentials`,
`/etc/shadow`, keystores.  Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import msgspec

from lamina.leaks.keystores import key_database, keystore
from lamina.leaks.named_secrets import in_history, settings
from lamina.leaks.secret import Match, Secret, is_placeholder

Reader = Callable[[bytes], Iterator[Match]]


class KnownFile(msgspec.Struct, frozen=True):
    """What kind of file it is, and what reads it."""

    name: str
    read: Reader
    binary: bool = False


def _values(kind: str, pattern: str, *, hashes: bool = False) -> Reader:
    """Finds the first group of a pattern, line by line; `hashes` may look like variables."""
    compiled = re.compile(pattern)

    def read(data: bytes) -> Iterator[Match]:
        for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
            for found in compiled.finditer(line[:16_384]):
                value = found[1].strip("\"'")
                if len(value) >= 4 and (hashes or not is_placeholder(value)):
                    yield Match(kind, Secret(value), number)

    return read


def _json(kind: str, *keys: str) -> Reader:
    names = "|".join(keys)
    return _values(kind, rf'"(?:{names})"\s*:\s*"([^"\\]+)"')


_AWS = _values("aws-secret-key", r"(?i)^\s*aws_(?:secret_access_key|session_token)\s*=\s*(\S+)")
_NPM = _values("npm-credentials", r"(?:_authToken|_password|(?<![\w-])_auth)\s*=\s*(\S+)")
_NETRC = _values("netrc-password", r"\bpassword\s+(\S+)")
_DOCKER = _json("docker-credentials", "auth", "identitytoken", "registrytoken", "password")
_KUBE = _values(
    "kubernetes-credentials", r"^\s*(?:-\s*)?(?:token|password|client-key-data):\s*(\S+)"
)
_GCLOUD = _json("gcloud-credentials", "refresh_token", "client_secret")
_AZURE = _json(
    "azure-credentials",
    "refreshToken",
    "accessToken",
    "secret",
    "client_secret",
    "servicePrincipalKey",
)
_TERRAFORM = _json(
    "terraform-secret",
    r"[a-z_]*(?:password|secret|token|private_key|access_key|connection_string)"
    r"(?:_(?:pem|openssh))?",
)
_HASH = r"(?:\$[0-9a-z]{1,8}\$[^:\s]{8,}|\{SHA\}[^:\s]{20,}|[./0-9A-Za-z]{13}(?=:|$))"
"""As crypt(5) has them, SHA-1 of Apache, and the 13 characters of DES."""
_SHADOW = _values("password-hash", rf"^[^:\s]+:!?({_HASH})", hashes=True)
_PASSWORD_LINE = _values(
    "password-in-file", r"(?i)^\s*[\"']?(?:password|secret_key)[\"']?\s*[:=]\s*(\S+)"
)
_WORDPRESS = _values(
    "wordpress-secret",
    r"""define\(\s*['"](?:DB_PASSWORD|[A-Z_]*(?:AUTH|LOGGED_IN|NONCE)_(?:KEY|SALT))['"]\s*,\s*['"]([^'"]+)""",
)
_CARGO = _values("cargo-token", r"^\s*token\s*=\s*(\S+)")
_WHOLE_LINE = _values("token-file", r"^\s*([A-Za-z0-9._-]{20,})\s*$")

_ENV = KnownFile(".env", settings)
_HISTORY = KnownFile("shell history", in_history)
_HTPASSWD = KnownFile(".htpasswd", _values("password-hash", rf"^[^:\s]+:({_HASH})", hashes=True))
_STATE = KnownFile("Terraform state", _TERRAFORM)
_KEYSTORE = KnownFile("keystore", keystore, binary=True)
_DATABASE = KnownFile("password database", key_database, binary=True)

_BY_NAME = {
    ".npmrc": KnownFile(".npmrc", _NPM),
    ".netrc": KnownFile(".netrc", _NETRC),
    "_netrc": KnownFile(".netrc", _NETRC),
    ".pypirc": KnownFile(".pypirc", _PASSWORD_LINE),
    ".my.cnf": KnownFile(".my.cnf", _PASSWORD_LINE),
    ".s3cfg": KnownFile(".s3cfg", _PASSWORD_LINE),
    ".git-credentials": KnownFile(
        ".git-credentials", _values("git-credentials", r"://[^\s:@/]*:([^\s@/]+)@")
    ),
    ".pgpass": KnownFile(
        ".pgpass", _values("postgresql-password", r"^[^#:\s]+:[^:]*:[^:]*:[^:]*:(\S+)")
    ),
    ".dockercfg": KnownFile(".dockercfg", _DOCKER),
    "application_default_credentials.json": KnownFile("gcloud", _GCLOUD),
    "accessTokens.json": KnownFile("Azure", _AZURE),
    "msal_token_cache.json": KnownFile("Azure", _AZURE),
    "kubeconfig": KnownFile("kubeconfig", _KUBE),
    "wp-config.php": KnownFile("wp-config.php", _WORDPRESS),
    ".vault-token": KnownFile(".vault-token", _WHOLE_LINE),
    "credentials.tfrc.json": KnownFile("Terraform", _json("terraform-secret", "token")),
    ".htpasswd": _HTPASSWD,
    "htpasswd": _HTPASSWD,
    ".env": _ENV,
    **dict.fromkeys(
        (".bash_history", ".zsh_history", ".sh_history", ".ash_history", ".mysql_history"), _HISTORY
    ),
}
_BY_TAIL = {
    ".aws/credentials": KnownFile("AWS", _AWS),
    ".aws/config": KnownFile("AWS", _AWS),
    ".docker/config.json": KnownFile("Docker", _DOCKER),
    ".kube/config": KnownFile("kubeconfig", _KUBE),
    "kubernetes/admin.conf": KnownFile("kubeconfig", _KUBE),
    "k3s/k3s.yaml": KnownFile("kubeconfig", _KUBE),
    "etc/shadow": KnownFile("/etc/shadow", _SHADOW),
    "etc/shadow-": KnownFile("/etc/shadow", _SHADOW),
    "etc/gshadow": KnownFile("/etc/shadow", _SHADOW),
    ".azure/service_principal_entries.json": KnownFile("Azure", _AZURE),
    ".cargo/credentials": KnownFile("Cargo", _CARGO),
    ".cargo/credentials.toml": KnownFile("Cargo", _CARGO),
    ".composer/auth.json": KnownFile(
        "Composer", _values("composer-credentials", r'"[\w.-]+"\s*:\s*"([^"\\]{16,})"')
    ),
    ".gem/credentials": KnownFile("RubyGems", _values("rubygems-key", r"^\s*:\w+:\s*(\S+)")),
    ".m2/settings.xml": KnownFile(
        "Maven", _values("maven-password", r"<(?:password|passphrase)>([^<{$]+)<")
    ),
    "config/master.key": KnownFile("Rails", _values("rails-master-key", r"^([0-9a-f]{32})$")),
}
_BY_SUFFIX = {
    "p12": _KEYSTORE,
    "pfx": _KEYSTORE,
    "jks": _KEYSTORE,
    "keystore": _KEYSTORE,
    "kdbx": _DATABASE,
    "tfstate": _STATE,
    "tfvars": _ENV,
    "env": _ENV,
    "htpasswd": _HTPASSWD,
    "kubeconfig": KnownFile("kubeconfig", _KUBE),
}
_EXAMPLES = {"example", "sample", "template", "dist", "tpl", "tmpl", "test"}


def known_file(path: str) -> KnownFile | None:
    """What is known of a file by its path; None when it is a file like any other."""
    parent, _, name = path.rpartition("/")
    stem, dot, suffix = name.rpartition(".")
    if suffix.lower() in _EXAMPLES:
        return None
    found = _BY_NAME.get(name) or _BY_TAIL.get(f"{parent.rpartition('/')[2]}/{name}")
    if found is not None or not dot:
        return found
    if name.startswith(".env."):
        return _ENV
    if suffix == "backup" and stem.endswith(".tfstate"):
        return _STATE
    return _BY_SUFFIX.get(suffix.lower())
