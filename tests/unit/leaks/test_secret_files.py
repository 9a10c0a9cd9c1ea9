"""Files that are known to hold credentials, read by their paths."""

from __future__ import annotations

from base64 import b64encode

import pytest

from lamina.leaks.secret_files import known_file
from tests.fakes.secrets import random_text

VALUE = random_text(24)
CREDENTIALS = b64encode(f"app:{VALUE}".encode()).decode()
CRYPT = "$6" + "$salt$" + random_text(60)
KEY_BAG = bytes.fromhex("060b2a864886f70d010c0a0102")


def found(path: str, text: str | bytes) -> list[tuple[str, str]]:
    known = known_file(path)
    assert known is not None
    data = text if isinstance(text, bytes) else text.encode()
    return [(match.kind, match.secret.value) for match in known.read(data)]


@pytest.mark.parametrize(
    ("path", "text", "kind", "value"),
    [
        ("root/.npmrc", f"//r/:_authToken={VALUE}\n", "npm-credentials", VALUE),
        ("root/.npmrc", f"_password = {VALUE}", "npm-credentials", VALUE),
        ("root/.netrc", f"machine h login a password {VALUE}\n", "netrc-password", VALUE),
        ("root/.pypirc", f"[pypi]\npassword: {VALUE}", "password-in-file", VALUE),
        ("root/.my.cnf", f"[client]\npassword='{VALUE}'", "password-in-file", VALUE),
        ("root/.git-credentials", f"https://a:{VALUE}@h\n", "git-credentials", VALUE),
        ("root/.pgpass", f"h:5432:*:app:{VALUE}\n", "postgresql-password", VALUE),
        ("root/.aws/credentials", f"aws_secret_access_key = {VALUE}", "aws-secret-key", VALUE),
        (
            "root/.docker/config.json",
            f'{{"auths": {{"h": {{"auth": "{CREDENTIALS}"}}}}}}',
            "docker-credentials",
            CREDENTIALS,
        ),
        ("root/.dockercfg", f'{{"h":{{"auth":"{VALUE}"}}}}', "docker-credentials", VALUE),
        ("root/.kube/config", f"    token: {VALUE}\n", "kubernetes-credentials", VALUE),
        ("ci.kubeconfig", f"- client-key-data: {VALUE}", "kubernetes-credentials", VALUE),
        (
            "x/gcloud/application_default_credentials.json",
            f'"refresh_token": "{VALUE}"',
            "gcloud-credentials",
            VALUE,
        ),
        ("x/.azure/accessTokens.json", f'"accessToken": "{VALUE}"', "azure-credentials", VALUE),
        ("app/.env", f"DB_PASSWORD={VALUE}", "named-secret", VALUE),
        ("app/.env.production", f"DB_PASSWORD={VALUE}", "named-secret", VALUE),
        ("app/prod.tfvars", f'db_password = "{VALUE}"', "named-secret", VALUE),
        ("root/.bash_history", f"export TOKEN={VALUE}", "named-secret", VALUE),
        ("etc/shadow", f"daemon:*:1::\nroot:{CRYPT}:1::\n", "password-hash", CRYPT),
        ("etc/shadow-", f"root:!{CRYPT}:1::\n", "password-hash", CRYPT),
        ("srv/.htpasswd", f"a:{CRYPT}\n", "password-hash", CRYPT),
        ("terraform.tfstate", f'"master_password": "{VALUE}",', "terraform-secret", VALUE),
        ("x.tfstate.backup", f'"private_key_pem": "{VALUE}",', "terraform-secret", VALUE),
        ("www/wp-config.php", f"define( 'DB_PASSWORD', '{VALUE}' );", "wordpress-secret", VALUE),
        ("root/.cargo/credentials.toml", f'token = "{VALUE}"', "cargo-token", VALUE),
        ("root/.m2/settings.xml", f"<password>{VALUE}</password>", "maven-password", VALUE),
        ("root/.vault-token", VALUE, "token-file", VALUE),
        ("app/config/master.key", "0123456789abcdef" * 2, "rails-master-key", ""),
    ],
)
def test_each_file_gives_its_secret(path: str, text: str, kind: str, value: str) -> None:
    assert found(path, text) == [(kind, value or text)]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("root/.npmrc", "//r/:_authToken=${NPM_TOKEN}\nregistry=https://r/\n"),
        ("root/.netrc", "machine h login a\n"),
        ("etc/shadow", "root:*:19000:0:99999:7:::\ndaemon:!:1::\nnew::1::\nx:!!:1::\ny:x:1::\n"),
        ("app/.env", "DB_PASSWORD=\nTOKEN=changeme\n#TOKEN=" + VALUE),
        ("www/wp-config.php", "define('AUTH_KEY', 'put your unique phrase here');"),
        ("root/.docker/config.json", '{"auths": {"h": {}}, "credsStore": "pass"}'),
        ("root/.kube/config", "    tokenFile: /run/token\n"),
    ],
)
def test_files_without_a_secret(path: str, text: str) -> None:
    assert found(path, text) == []


@pytest.mark.parametrize(
    "path",
    [
        "app/.env.example",
        "app/.env.sample",
        "etc/passwd",
        "config.json",
        "etc/hosts",
        "a/credentials",
    ],
)
def test_files_like_any_other(path: str) -> None:
    assert known_file(path) is None


def jks(*tags: int, magic: bytes = b"\xfe\xed\xfe\xed") -> bytes:
    """A keystore with an entry for each tag: 1 is a private key, 2 a certificate."""
    entries = b"".join(
        tag.to_bytes(4, "big") + b"\x00\x01a" + bytes(8) + b"\x00\x05X.509" + b"\x00\x00\x00\x03abc"
        for tag in tags
    )
    return magic + bytes([0, 0, 0, 2]) + len(tags).to_bytes(4, "big") + entries


@pytest.mark.parametrize(
    ("path", "data", "kind"),
    [
        ("a.jks", jks(2, 1), "keystore"),
        ("a.keystore", jks(1, magic=b"\xce\xce\xce\xce"), "keystore"),
        ("a.P12", b"\x30\x82\x00\x00" + KEY_BAG, "keystore"),
        ("a.kdbx", b"\x03\xd9\xa2\x9a" + bytes(60), "password-database"),
    ],
)
def test_keystores_are_secrets_as_a_whole(path: str, data: bytes, kind: str) -> None:
    ((was, _),) = found(path, data)
    assert was == kind


@pytest.mark.parametrize(
    "data", [jks(2, 2), jks(), jks(1)[:12], b"\x30\x82\x00\x00certificates only", b"text", b""]
)
def test_a_store_of_certificates_is_none(data: bytes) -> None:
    assert found("a.jks", data) == []
