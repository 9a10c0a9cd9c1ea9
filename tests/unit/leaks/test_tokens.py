"""Tokens that are known by their form, and texts that only resemble them."""

from __future__ import annotations

from importlib.machinery import ModuleSpec
from time import process_time

import pytest

from lamina.leaks import tokens as subject
from lamina.leaks.tokens import NoDetector, require_detector, tokens
from tests.fakes import secrets
from tests.fakes.secrets import random_text

TOKENS = {
    "aws-access-key": secrets.aws_access_key(),
    "github-token": secrets.github_token(),
    "gitlab-token": "glp" + "at-" + random_text(20),
    "slack-token": "xo" + "xb-" + "1234-5678-" + random_text(24).lower(),
    "slack-webhook": "https://hooks.slack" + ".com/services/T00AB/B00CD/" + random_text(24),
    "stripe-key": "sk_" + "live_" + random_text(24),
    "pypi-token": "pypi-" + "AgEIcHlwaS5vcmc" + random_text(80),
    "npm-token": secrets.npm_token(),
    "sendgrid-key": "SG" + "." + random_text(22) + "." + random_text(43),
    "square-secret": "sq0" + "csp-" + random_text(43),
    "openai-key": "s" + "k-" + random_text(20) + "T3Blb" + "kFJ" + random_text(20),
    "google-api-key": "AI" + "za" + random_text(35),
    "hugging-face-token": "h" + "f_" + "aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH",
    "docker-hub-token": "dck" + "r_pat_" + random_text(27),
    "vault-token": "hv" + "s." + random_text(24),
    "digitalocean-token": "do" + "p_v1_" + "0123456789abcdef" * 4,
    "jwt": secrets.jwt(),
}
FINE_GRAINED = "github" + "_pat_" + random_text(22) + "_" + random_text(59)
STORAGE = "Account" + "Key=" + random_text(86) + "=="


def found(text: str, *, in_package: bool = False) -> list[tuple[str, str]]:
    matches = tokens(text.encode(), in_package=in_package)
    return [(match.kind, match.secret.value) for match in matches]


@pytest.mark.parametrize("kind", TOKENS)
def test_a_token_is_found_in_a_text(kind: str) -> None:
    assert found(f"a line\nkey: '{TOKENS[kind]}'\n") == [(kind, TOKENS[kind])]


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        (f"x {FINE_GRAINED}", "github-token", FINE_GRAINED),
        (f"Endpoint=a;{STORAGE};b", "azure-storage-key", STORAGE[11:]),
        (f"aws_secret_key = '{random_text(40)}'", "aws-secret-key", random_text(40)),
        (f"AWS_SECRET_ACCESS_KEY={random_text(40)}\n", "aws-secret-key", random_text(40)),
        ("pg://app:hUnt3r9xQ@db:5432/app", "url-password", "hUnt3r9xQ"),
    ],
)
def test_what_is_told_by_its_surroundings(text: str, kind: str, value: str) -> None:
    assert found(text) == [(kind, value)]


@pytest.mark.parametrize(
    "text",
    [
        "x" + TOKENS["github-token"],
        TOKENS["aws-access-key"] + "A",
        "AKIAIOSFODNN7" + "EXAMPLE",
        "gh" + "p_" + "x" * 36,
        "https://user:password@host/",
        "https://me:Tr0ub4dor@www.example.com/",
        "https://a:${PASSWORD}@host/",
        "https://host:8080/a@b",
        "eyJhbGciOiJub25lIn0.notjson.signature0123456789",
        secrets.jwt()[:-30],
        "hf_hub_download_and_more_words_of_code",
    ],
)
def test_what_only_looks_like_a_token(text: str) -> None:
    assert found(text) == []


def test_in_packages_only_what_no_document_makes_up_counts() -> None:
    text = f"{TOKENS['jwt']}\nhttp://joe:hUnt3r9xQ@h/\n{TOKENS['github-token']}"
    assert [kind for kind, _ in found(text, in_package=True)] == ["github-token"]


def test_lines_are_counted() -> None:
    one, two = secrets.github_token(), secrets.github_token(1)
    matches = tokens(f"\n\n{one}\n{two} {one}\n".encode())
    assert [match.line for match in matches] == [3, 4, 4]


@pytest.mark.parametrize(
    "piece",
    ["://", "eyJ", "eyJ.", "-eyJ", " eyJabcdefghijk.", "aws", "sk-T3BlbkFJ", "xoxb-1-", "AKIA",
     "-----BEGIN ", "gl" + "pat-", "SG."],
)  # fmt: skip
def test_a_hostile_text_takes_time_in_proportion(piece: str) -> None:
    """Ten times as much of it takes no hundred times as long."""
    list(tokens(piece.encode()))
    text = (piece * 100_000).encode()[:100_000]
    started = process_time()
    list(tokens(text))
    once = process_time() - started
    started = process_time()
    list(tokens(text * 10))
    assert process_time() - started < 40 * max(once, 0.01)


def test_a_missing_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str) -> ModuleSpec | None:
        return None

    monkeypatch.setattr(subject, "find_spec", none)
    with pytest.raises(NoDetector) as caught:
        require_detector()
    assert caught.value.hint == "pip install 'lamina[leaks]'"
