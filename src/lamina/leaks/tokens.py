"""Tokens and keys that are known by their form, wherever they stand: `ghp_…`, `AKIA…`.

What most of them look like is detect-secrets' knowledge: its patterns are used as they are.
Tried on each line of an operating system, as the library does, they take 20 s of processor time
for the 38 MB of text in Debian, and its keyword plugin 34 s more.  So a pattern is tried only where
the constant text that its tokens begin with was found by a search for bytes: 1 s.

Left out of files are the plugins whose patterns begin with no constant text (Telegram, Discord,
Twilio, Mailchimp, IBM), and those for high entropy: checksums, package lists and public keys
fill an image with random text, none of it secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import msgspec

from lamina.errors import Unsupported
from lamina.leaks.secret import Match, Secret, is_placeholder

_WINDOW = 512
"""Bytes from the beginning of a token that a pattern sees."""
_MOST = 1000
"""Tokens of one kind in one text; what has more is a list of something else."""


class NoDetector(Unsupported):
    """detect-secrets is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "looking for secrets needs detect-secrets", hint="pip install 'lamina[leaks]'"
        )


class _Form(msgspec.Struct, frozen=True):
    """One kind of token."""

    kind: str
    literals: tuple[bytes, ...]
    """What its tokens begin with."""
    plugin: str = ""
    """The module and class in detect_secrets.plugins whose patterns are used."""
    patterns: tuple[str, ...] = ()
    """Further patterns, of ours."""
    gate: bytes = b""
    """A text that any file with such a token has: asked first where the literal is common."""
    everywhere: bool = True
    """Whether it also counts in the files of packages: no document has made-up ones."""


_FORMS = (
    _Form("aws-access-key", (b"AKIA", b"ASIA", b"ABIA", b"ACCA"), "aws.AWSKeyDetector"),
    _Form(
        "aws-secret-key",
        (b"aws", b"AWS"),
        "aws.AWSKeyDetector",
        (r"(?i)aws_secret_(?:access_)?key\W{1,5}([0-9a-zA-Z/+]{40})(?![0-9a-zA-Z/+=])",),
    ),
    _Form(
        "github-token",
        (b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_"),
        "github_token.GitHubTokenDetector",
        (r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}",),
    ),
    _Form(
        "gitlab-token",
        (b"glpat-", b"gldt-", b"glrt-", b"glsoat-", b"glcbt-", b"glptt-", b"gloas-", b"GR1348941"),
        "gitlab_token.GitLabTokenDetector",
    ),
    _Form("slack-token", (b"xox",), "slack.SlackDetector"),
    _Form("slack-webhook", (b"https://hooks.slack.com/services/T",), "slack.SlackDetector"),
    _Form("stripe-key", (b"sk_live_", b"rk_live_"), "stripe.StripeDetector"),
    _Form("azure-storage-key", (b"AccountKey=",), "azure_storage_key.AzureStorageKeyDetector"),
    _Form("pypi-token", (b"pypi-AgE",), "pypi_token.PypiTokenDetector"),
    _Form("npm-token", (b"npm_",), patterns=(r"npm_[A-Za-z0-9]{36}(?![A-Za-z0-9])",)),
    _Form("sendgrid-key", (b"SG.",), "sendgrid.SendGridDetector"),
    _Form("square-secret", (b"sq0csp-",), "square_oauth.SquareOAuthDetector"),
    _Form("openai-key", (b"sk-",), "openai.OpenAIDetector", gate=b"T3BlbkFJ"),
    _Form("google-api-key", (b"AIza",), patterns=(r"AIza[0-9A-Za-z_-]{35}(?![0-9A-Za-z_-])",)),
    _Form("hugging-face-token", (b"hf_",), patterns=(r"hf_[A-Za-z]{34}(?![A-Za-z0-9])",)),
    _Form("docker-hub-token", (b"dckr_",), patterns=(r"dckr_[po]at_[A-Za-z0-9_-]{27,}",)),
    _Form("vault-token", (b"hvs.",), patterns=(r"hvs\.[A-Za-z0-9_-]{24,}",)),
    _Form("digitalocean-token", (b"dop_v1_",), patterns=(r"dop_v1_[a-f0-9]{64}",)),
    _Form("jwt", (b"eyJ",), "jwt.JwtTokenDetector", everywhere=False),
    _Form(
        "url-password",
        (b"://",),
        "basic_auth.BasicAuthDetector",
        everywhere=False,
    ),
)
_OWN_GROUP = {"aws-secret-key", "url-password"}
"""Kinds whose secret is the first group of the pattern; the others' is all of it."""
_IN_WORDS = {"aws-secret-key", "url-password", "azure-storage-key"}
"""Kinds that may begin in the middle of a word."""
_JWT = re.compile(r"eyJ[\w-]{10,2048}\.eyJ[\w-]{4,4096}\.[\w-]{16,1024}")
_EXAMPLE_URL = re.compile(
    r"(?i)://[^@]*@(?:[\w.-]*\.)?(?:example|test|invalid|hostname|domain|foo|bar|your\S*)\b"
)


def require_detector() -> None:
    """Raises NoDetector unless detect-secrets is installed; does not load it."""
    if find_spec("detect_secrets") is None:
        raise NoDetector


def tokens(data: bytes, *, in_package: bool = False) -> Iterator[Match]:
    """The tokens in a text; with `in_package` those kinds that documentation never makes up."""
    for form in _FORMS:
        if in_package and not form.everywhere:
            continue
        if form.gate and form.gate not in data:
            continue
        for literal in form.literals:
            if literal in data:
                yield from _of_form(form, literal, data)


def _of_form(form: _Form, literal: bytes, data: bytes) -> Iterator[Match]:
    line, counted, found = 1, 0, 0
    at = data.find(literal)
    while at >= 0 and found < _MOST:
        value = _token_at(form, data, at)
        if value is not None:
            found += 1
            line += data.count(b"\n", counted, at)
            counted = at
            yield Match(form.kind, Secret(value), line)
        at = data.find(literal, at + max(len(literal), len(value or "")))


def _token_at(form: _Form, data: bytes, at: int) -> str | None:
    if form.kind not in _IN_WORDS and at and (data[at - 1 : at].isalnum() or data[at - 1] == 0x5F):
        return None
    if form.kind == "jwt":
        return _jwt_at(data, at)
    text = data[at : at + _WINDOW].decode("utf-8", "replace")
    for pattern in _patterns(form):
        match = pattern.match(text)
        if match is None:
            continue
        value = match[1] if form.kind in _OWN_GROUP else match[0]
        value = value.removeprefix("AccountKey=")
        if _is_made_up(form, value, text):
            return None
        return value
    return None


def _is_made_up(form: _Form, value: str, text: str) -> bool:
    if form.kind == "url-password" and (_EXAMPLE_URL.match(text) or len(value) < 4):
        return True
    return is_placeholder(value) or len(set(value)) < 4


def _jwt_at(data: bytes, at: int) -> str | None:
    """A token of three parts, the first two of them JSON."""
    if data[at - 1 : at] == b"-":
        return None
    match = _JWT.match(data[at : at + 8192].decode("latin-1"))
    if match is None or not _is_jwt()(match[0]):
        return None
    return match[0]


@cache
def _patterns(form: _Form) -> Sequence[re.Pattern[str]]:
    """The library's patterns of a form, and ours."""
    found: list[re.Pattern[str]] = []
    if form.plugin:
        denylist = list(_plugin(form.plugin).denylist)
        if form.kind == "aws-access-key":
            denylist = [re.compile(f"{denylist[0].pattern}(?![0-9A-Za-z+/])")]
        elif form.kind == "aws-secret-key":
            denylist = denylist[1:]
        found += denylist
    return [*found, *map(re.compile, form.patterns)]


@cache
def _is_jwt() -> Callable[[str], bool]:
    check: Callable[[str], bool] = _plugin("jwt.JwtTokenDetector").is_formally_valid
    return check


def _plugin(name: str) -> Any:
    module, _, plugin = name.partition(".")
    return getattr(import_module(f"detect_secrets.plugins.{module}"), plugin)
