"""`spatz keys` as a person and a script meet it: the key alone on stdout, everything else beside it."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from spatz.cli import main
from spatz.store.keys import key_hash


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("SPATZ_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("SPATZ_DATA_DIR", str(tmp_path))


class Shell:
    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.errors = ""

    def __call__(self, *arguments: str, code: int = 0) -> str:
        assert main(["keys", *arguments]) == code
        captured = self._capsys.readouterr()
        self.errors = captured.err
        return captured.out

    def listed(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self("list", "--json"))
        return found


@pytest.fixture
def keys(capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)


def test_create_prints_the_key_once(keys: Shell, tmp_path: Path) -> None:
    text = keys("create", "ada").removesuffix("\n")
    assert text.startswith("sk-spatz-")
    assert "\n" not in text
    told = keys.errors
    assert text not in told
    assert "from now on the server answers nobody without one" in told
    (row,) = keys.listed()
    assert f"spatz: {row['id']} (ada): keep the key" in told
    assert text not in keys("list")
    assert set(row) == {
        *("id", "name", "prefix", "state", "admin", "requests_per_minute", "tokens_per_minute", "max_concurrent"),
        *("created_at", "expires_at", "last_used_at", "revoked_at"),
    }
    assert text.startswith(row["prefix"])
    with closing(sqlite3.connect(tmp_path / "spatz.db")) as database:
        assert database.execute("SELECT hash FROM api_keys").fetchall() == [(key_hash(text.encode()),)]
    assert (tmp_path / "spatz.db").stat().st_mode & 0o077 == 0
    assert keys("create", "bob") != text
    assert "from now on" not in keys.errors


def test_limits_and_expiry(keys: Shell) -> None:
    before = int(time.time())
    keys("create", "plain")
    limits = ("--requests-per-minute", "60", "--tokens-per-minute", "0", "--max-concurrent", "2")
    keys("create", "both [x]", *limits, "--expires", "3", "--admin")
    plain, both = keys.listed()
    names = ("requests_per_minute", "tokens_per_minute", "max_concurrent")
    assert [plain[name] for name in names] == [None, None, None]
    assert [both[name] for name in names] == [60, 0, 2]
    assert (plain["admin"], both["admin"]) == (False, True)
    assert plain["expires_at"] is None
    assert both["expires_at"] - before - 3 * 86_400 in range(60)
    table = keys("list").splitlines()
    assert len(table) == 3
    assert "both [x]" in table[2]
    assert "active, admin" in table[2]
    assert table[2].split()[-3:] == ["60", "none", "2"]


def test_revoke_and_remove(keys: Shell) -> None:
    keys("create", "ada")
    keys("create", "bob")
    ada, bob = (row["id"] for row in keys.listed())
    assert keys("revoke", ada) == f"revoked {ada} (ada)\n"
    assert keys.errors == ""
    assert [row["state"] for row in keys.listed()] == ["revoked", "active"]
    assert keys("revoke", ada) == f"{ada} (ada) was revoked before\n"
    assert keys("remove", bob, code=2) == ""
    assert keys.errors == f"spatz: {bob} is in use: revoke it first\n"
    assert keys("remove", ada) == f"removed {ada} (ada)\n"
    keys("revoke", bob)
    assert "no key is left" in keys.errors
    assert [row["id"] for row in keys.listed()] == [bob]
    keys("remove", bob)
    assert keys.listed() == []
    assert keys("list") == ""
    assert "there are no keys" in keys.errors


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), ""),
        (("create",), "NAME"),
        (("create", ""), "the name of a key"),
        (("create", "a\nb"), "the name of a key"),
        (("create", "a", "--requests-per-minute", "-1"), "--requests-per-minute"),
        (("create", "a", "--tokens-per-minute", "many"), "--tokens-per-minute"),
        (("create", "a", "--tokens-per-minute", "9" * 30), "--tokens-per-minute"),
        (("create", "a", "--expires", "0"), "--expires"),
        (("create", "a", "--expires", "99999999"), "--expires"),
        (("revoke", "key_none"), "there is no key 'key_none'"),
        (("remove", "key_none"), "there is no key 'key_none'"),
        (("revoke",), "ID"),
        (("fly",), "fly"),
    ],
)
def test_wrong_usage(keys: Shell, arguments: tuple[str, ...], words: str) -> None:
    out = keys(*arguments, code=2)
    assert "sk-spatz" not in out
    assert words in keys.errors
    assert keys.listed() == []


def test_a_database_that_cannot_be_opened(keys: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPATZ_DATABASE_URL", "mysql://somebody:secret@nowhere/db")
    keys("create", "a", code=2)
    assert "secret" not in keys.errors
    assert keys.errors.startswith("spatz: database_url")
