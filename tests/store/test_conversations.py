"""Conversations in both databases: places, pages, bounds, expiry, and two that append at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from spatz.store import conversations
from spatz.store.conversations import Conversation, TooManyItems
from spatz.store.db import Database
from spatz.store.responses import StoredItem

NOW = 1_000_000
LATER = NOW + 1000


def items(*names: str) -> list[StoredItem]:
    return [StoredItem(name, f'{{"id":"{name}"}}') for name in names]


def create(database: Database, id: str = "talk", *names: str, expires_at: int = LATER) -> None:
    with database.transaction() as connection:
        conversations.create(connection, "ada", Conversation(id, NOW, "{}"), expires_at=expires_at)
        assert conversations.append(connection, "ada", id, NOW - 1, items(*names), expires_at=expires_at)


def ids(found: list[StoredItem] | None) -> str:
    return "".join(item.id for item in found or ())


def test_its_life(database: Database) -> None:
    create(database)
    with database.transaction() as connection:
        assert conversations.get(connection, "ada", "talk", NOW) == Conversation("talk", NOW, "{}")
        assert conversations.get(connection, "bob", "talk", NOW) is None
        assert conversations.get(connection, "ada", "talk", LATER) is None
        assert conversations.set_metadata(connection, "ada", "talk", NOW, '{"a":"b"}', expires_at=LATER + 5)
        assert not conversations.set_metadata(connection, "bob", "talk", NOW, "{}", expires_at=LATER)
        found = conversations.get(connection, "ada", "talk", LATER)
        assert found is not None and found.metadata == '{"a":"b"}'
        assert not conversations.remove(connection, "bob", "talk")
        assert conversations.remove(connection, "ada", "talk")
        assert conversations.get(connection, "ada", "talk", NOW) is None
        assert not conversations.append(connection, "ada", "talk", NOW, items("x"), expires_at=LATER)


def test_items_and_their_pages(database: Database) -> None:
    create(database, "talk", *"abcde")
    create(database, "other", "a", "x")
    with database.transaction() as connection:
        assert ids(conversations.list_items(connection, "talk")) == "abcde"
        assert ids(conversations.list_items(connection, "talk", ascending=False, limit=2)) == "ed"
        assert ids(conversations.list_items(connection, "talk", after="b", limit=2)) == "cd"
        assert ids(conversations.list_items(connection, "talk", after="b", ascending=False)) == "a"
        assert conversations.list_items(connection, "talk", after="x") is None
        assert conversations.get_item(connection, "talk", "c") == '{"id":"c"}'
        assert conversations.get_item(connection, "talk", "x") is None
        assert conversations.size(connection, "talk") == 5 * len('{"id":"c"}')
        assert conversations.size(connection, "none") == 0
        assert conversations.known(connection, "talk", ["a", "x", "e"]) == {"a", "e"}
        assert conversations.remove_item(connection, "talk", "e")
        assert not conversations.remove_item(connection, "talk", "e")
        assert conversations.append(connection, "ada", "talk", NOW, items("f"), expires_at=LATER)
        assert ids(conversations.list_items(connection, "talk")) == "abcdf"
        assert conversations.find_items(connection, "ada", ["b", "x", "none"], NOW) == {
            "b": '{"id":"b"}',
            "x": '{"id":"x"}',
        }
        assert conversations.find_items(connection, "bob", ["b"], NOW) == {}


def test_it_has_a_bounded_length(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversations, "MAX_ITEMS", 3)
    create(database, "talk", *"ab")
    with pytest.raises(TooManyItems), database.transaction() as connection:
        conversations.append(connection, "ada", "talk", NOW, items("c", "d"), expires_at=LATER)
    with database.reading() as connection:
        assert ids(conversations.list_items(connection, "talk")) == "ab"


def test_two_that_append_at_once(database: Database) -> None:
    create(database)

    def append(number: int) -> None:
        with database.transaction() as connection:
            assert conversations.append(
                connection, "ada", "talk", NOW, items(f"{number}a", f"{number}b"), expires_at=LATER
            )

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(append, range(20)))
    with database.reading() as connection:
        found = [item.id for item in conversations.list_items(connection, "talk") or ()]
    assert len(found) == 40
    # What belongs together stands together.
    assert all(first[:-1] == second[:-1] for first, second in zip(found[::2], found[1::2], strict=True))


def test_what_has_expired_is_swept_and_what_is_used_is_kept(database: Database) -> None:
    create(database, "old", "a", expires_at=NOW)
    create(database, "used", "b", expires_at=NOW)
    with database.transaction() as connection:
        assert conversations.append(connection, "ada", "used", NOW - 1, items("c"), expires_at=LATER)
        assert conversations.delete_expired(connection, NOW, 10) == 1
        assert ids(conversations.list_items(connection, "used")) == "bc"
        assert ids(conversations.list_items(connection, "old")) == ""
