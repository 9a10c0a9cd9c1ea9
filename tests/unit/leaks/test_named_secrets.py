"""Secrets that are known by the name they are given."""

from __future__ import annotations

from time import process_time

import pytest

from lamina.leaks.named_secrets import (
    assignments,
    build_arguments,
    in_history,
    is_secret_name,
    on_a_command_line,
    setting,
    settings,
)

VALUE = "q9W!ee77x"


@pytest.mark.parametrize(
    "name",
    [
        *("DB_PASSWORD", "password", "dbPassword", "api-key", "API_KEY_2", "db.x.password"),
        *("TOKEN", "DB_PASS", "pass", "CLIENT_SECRET", "SECRET_KEY_BASE64", "AWS_ACCESS_KEY"),
    ],
)
def test_telling_names(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *("GPG_KEY", "TOKENIZERS_PARALLELISM", "PASSWORD_FILE", "BYPASS", "PUBLIC_KEY", "KEY"),
        *("PATH", "API_KEY_ID", "SECRET_NAME", "TOKEN_URL", "compass", "x" * 300 + "_TOKEN"),
    ],
)
def test_other_names(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    "value", ["", "abc", "true", "${TOKEN}", "/run/secrets/token", "30000", "https://host/token"]
)
def test_values_that_are_no_secret(value: str) -> None:
    assert setting("API_TOKEN", value) is None


def test_settings_are_read_as_a_shell_would() -> None:
    text = f"""# DB_PASSWORD={VALUE}
export DB_PASSWORD="{VALUE}1"
 TOKEN = '{VALUE}2' # no comment
API_KEY={VALUE}3 # a comment
ENV SECRET={VALUE}4
NAME={VALUE}5
"""
    assert [(match.secret.value[-1], match.line) for match in settings(text.encode())] == [
        ("1", 2),
        ("2", 3),
        ("3", 4),
        ("4", 5),
    ]


@pytest.mark.parametrize(
    "line",
    [
        f"password = '{VALUE}'",
        f'"apiKey": "{VALUE}",',
        f"config[\"secret\"] = '{VALUE}'",
        f"token => '{VALUE}',",
        f'db_password := "{VALUE}"',
    ],
)
def test_code_assigns_strings(line: str) -> None:
    (match,) = assignments(f"first\n{line}\n".encode(), quoted=True)
    assert (match.secret.value, match.line) == (VALUE, 2)


@pytest.mark.parametrize(
    "line",
    [
        "password = get_password2(config)",
        "token = 'settings.TOKEN2.value'",
        "password: 'login.password2.label'",
        "secret = 'justwords'",
        "token = '<token-0123>'",
        "passwords = ['a1b2c3d4']",
        "password = ''",
    ],
)
def test_programs_are_full_of_variables_called_so(line: str) -> None:
    assert list(assignments(line.encode(), quoted=True)) == []


def test_a_configuration_needs_no_quotes() -> None:
    text = f"user: a\npassword: {VALUE}\n".encode()
    (match,) = assignments(text, quoted=False)
    assert (match.secret.value, match.line) == (VALUE, 2)
    assert list(assignments(text, quoted=True)) == []


@pytest.mark.parametrize(
    "command",
    [
        f"make TOKEN={VALUE}",
        f"export API_KEY='{VALUE}' && make",
        f"deploy --password {VALUE} --now",
        f"deploy --auth-token={VALUE}",
        f"java -Ddb.password={VALUE} -jar a.jar",
        f"curl -u app:{VALUE} https://host/",
        f"curl -H 'Authorization: Bearer {VALUE}' https://host/",
        f'curl -H "PRIVATE-TOKEN: {VALUE}" https://host/',
        f"mysql -u root -p{VALUE} app",
        f"sshpass -p {VALUE} ssh host",
        f"/bin/sh -c echo 'root:{VALUE}' | chpasswd",
    ],
)
def test_commands_are_given_secrets(command: str) -> None:
    assert [secret.value for secret in on_a_command_line(command)] == [VALUE]
    (match,) = in_history(f"ls\n{command}\n".encode())
    assert match.line == 2


@pytest.mark.parametrize(
    "command",
    [
        "make TOKEN=$TOKEN",
        "deploy --password-file /run/secrets/token",
        "curl -H 'Authorization: Bearer ${TOKEN}' https://host/",
        "useradd --password ! app",
        "apt-get install -y passwd secret-tool",
    ],
)
def test_commands_that_are_given_none(command: str) -> None:
    assert list(on_a_command_line(command)) == []


@pytest.mark.parametrize(
    ("created_by", "expected"),
    [
        ("|2 TOKEN=abc A=1 /bin/sh -c make", [("TOKEN", "abc"), ("A", "1")]),
        ("RUN |1 TEXT=two words /bin/sh -c make # buildkit", [("TEXT", "two words")]),
        ("RUN |1 A=b /bin/bash -o pipefail -c make", [("A", "b")]),
        ("/bin/sh -c make", []),
        ("RUN |0 /bin/sh -c make", []),
    ],
)
def test_build_arguments_are_read_from_the_history(
    created_by: str, expected: list[tuple[str, str]]
) -> None:
    assert list(build_arguments(created_by)) == expected


def test_a_list_of_something_else_is_not_read_to_its_end() -> None:
    text = b"".join(b"password: a1b2c3d4%d\n" % at for at in range(3000))
    assert len(list(assignments(text, quoted=False))) == 1000


@pytest.mark.parametrize(
    "piece",
    ["password", "password=", "token:'", "secret ", 'api_key="a1', "a-password.", "'secret"],
)
def test_a_hostile_line_takes_time_in_proportion(piece: str) -> None:
    text = (piece * 100_000).encode()[:100_000]
    started = process_time()
    list(assignments(text, quoted=False))
    once = process_time() - started
    started = process_time()
    list(assignments(text * 10, quoted=False))
    assert process_time() - started < 40 * max(once, 0.01)


@pytest.mark.parametrize("piece", ["mysql ", "echo a:", "-u a:", "--a", "token", " A="])
def test_a_hostile_command_is_survived(piece: str) -> None:
    started = process_time()
    list(in_history((piece * 100_000).encode()))
    list(on_a_command_line(piece * 2000))
    list(build_arguments("|1 " + piece * 10_000))
    assert process_time() - started < 5
