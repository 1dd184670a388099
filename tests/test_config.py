"""Settings: where they come from, which of them wins, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from spatz.config import Settings, document, load, options
from spatz.errors import ConfigError


def test_defaults() -> None:
    settings = load(environ={"SPATZ_CONFIG": ""})
    assert settings.port == 8000
    assert settings.aliases == ("gpt-4.1-nano",)


def test_flags_over_environment_over_file(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('port = 1\nmax_queue = 2\nhost = "localhost"\naliases = ["a", "b"]\n')
    environ = {"SPATZ_PORT": "3", "SPATZ_HOST": "::1", "SPATZ_CONFIG": str(file)}
    settings = load({"port": 4, "host": None}, environ=environ)
    assert (settings.port, settings.host, settings.max_queue, settings.aliases) == (4, "::1", 2, ("a", "b"))


def test_variables_are_parsed() -> None:
    environ = {"SPATZ_ALIASES": "a, b,", "SPATZ_DRAIN_SECONDS": "1.5", "SPATZ_DATA_DIR": "~/x", "SPATZ_THREADS": ""}
    settings = load(environ=environ)
    assert settings.aliases == ("a", "b")
    assert settings.drain_seconds == 1.5
    assert settings.data_dir == Path.home() / "x"
    assert settings.threads == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("prot = 1", "unknown key 'prot' .did you mean port"),
        ('port = "1"\nport = 2', "config.toml"),
        ("port = 70000", "above 65535"),
        ("port = -1", "below 0"),
        ("port = true", "whole number"),
        ("port = 1.5", "whole number"),
        ("drain_seconds = nan", "below 0"),
        ("host = 1", "expected text"),
        ('host = "a\\nb"', "control characters"),
        ("aliases = [1]", "expected text"),
        ('aliases = [""]', "empty"),
        ('kv = "int4"', "not one of"),
        ("[section]\nport = 1", "unknown key 'section'"),
        ("a = " + "[" * 5000, "config.toml"),
        ("port = ", "config.toml"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=words):
        load(config=file, environ={})


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load(config=tmp_path / "none.toml", environ={})
    with pytest.raises(ConfigError, match=r"none\.toml"):
        load(environ={"SPATZ_CONFIG": str(tmp_path / "none.toml")})
    with pytest.raises(ConfigError, match="directory"):
        load(config=tmp_path, environ={})
    (tmp_path / "latin").write_bytes(b'host = "\xe4"')
    with pytest.raises(ConfigError, match="UTF-8"):
        load(config=tmp_path / "latin", environ={})


@pytest.mark.parametrize("value", ["x", "1e3", "9" * 5000, "0x10", "1 2"])
def test_bad_variables(value: str) -> None:
    with pytest.raises(ConfigError, match="SPATZ_PORT"):
        load(environ={"SPATZ_PORT": value})


def test_unknown_variables_are_told() -> None:
    lines: list[str] = []
    load(environ={"SPATZ_PROT": "1", "HOME": "/", "SPATZ_CONFIG": ""}, warn=lines.append)
    assert lines == ["SPATZ_PROT is no setting and has no effect (did you mean SPATZ_PORT?)"]


def test_secrets_have_no_flag_and_are_not_shown() -> None:
    secret = [option for option in options() if option.secret]
    assert [option.name for option in secret] == ["fetch_proxy", "brave_key", "tavily_key", "api_key", "database_url"]
    assert not any(option.switch for option in secret)
    assert "hunter2" not in repr(load(environ={"SPATZ_API_KEY": "hunter2"}))


def test_every_default_passes_its_own_check() -> None:
    for option in options():
        assert option.convert(option.default, option.name) == option.default
    assert [option.name for option in options()] == list(Settings.__slots__)


def test_the_document_is_fresh() -> None:
    path = Path(__file__).parents[1] / "docs" / "configuration.md"
    assert path.read_text() == document(), "run: python -m spatz.config > docs/configuration.md"
