"""Stored chat completions, on both databases: found by their owner alone, in order, and gone when their time is up."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from spatz.store import chat_completions
from spatz.store.chat_completions import StoredChat, add, chats, delete_expired, delete_one, get, page, set_labels
from spatz.store.db import Database

NOW = 50


def stored(number: int, model: str = "m", **labels: str) -> StoredChat:
    return StoredChat(f"chatcmpl-{number}", model, f'{{"n":{number}}}', '["hé"]', labels)


def ids(found: list[StoredChat]) -> list[int]:
    return [int(chat.id.partition("-")[2]) for chat in found]


def test_what_is_stored_comes_back(database: Database) -> None:
    with database.transaction() as connection:
        add(connection, "ada", stored(1, color="blue", size='9"'), 100)
        assert get(connection, "ada", "chatcmpl-1", now=NOW) == stored(1, color="blue", size='9"')
        assert get(connection, "ada", "chatcmpl-2", now=NOW) is None


def test_another_owner_sees_nothing_and_changes_nothing(database: Database) -> None:
    with database.transaction() as connection:
        add(connection, "ada", stored(1, color="blue"), 100)
        assert get(connection, "bob", "chatcmpl-1", now=NOW) is None
        assert get(connection, "", "chatcmpl-1", now=NOW) is None
        assert page(connection, "bob", now=NOW, limit=10) == []
        assert set_labels(connection, "bob", "chatcmpl-1", {"color": "red"}, now=NOW) is None
        assert not delete_one(connection, "bob", "chatcmpl-1", now=NOW)
        with pytest.raises(KeyError):
            page(connection, "bob", now=NOW, limit=10, after="chatcmpl-1")
        assert get(connection, "ada", "chatcmpl-1", now=NOW) == stored(1, color="blue")


def test_pages_follow_one_another_in_both_orders(database: Database) -> None:
    with database.transaction() as connection:
        for number in range(5):
            add(connection, "ada", stored(number), 100)
        assert ids(page(connection, "ada", now=NOW, limit=2)) == [0, 1]
        assert ids(page(connection, "ada", now=NOW, limit=2, after="chatcmpl-1")) == [2, 3]
        assert ids(page(connection, "ada", now=NOW, limit=9, after="chatcmpl-4")) == []
        assert ids(page(connection, "ada", now=NOW, limit=2, newest_first=True)) == [4, 3]
        assert ids(page(connection, "ada", now=NOW, limit=9, newest_first=True, after="chatcmpl-3")) == [2, 1, 0]


def test_filters_hold_all_at_once(database: Database) -> None:
    with database.transaction() as connection:
        add(connection, "ada", stored(1, "a", color="blue", size="9"), 100)
        add(connection, "ada", stored(2, "b", color="blue"), 100)
        add(connection, "ada", stored(3, "a", color="red"), 100)
        assert ids(page(connection, "ada", now=NOW, limit=9, model="a")) == [1, 3]
        assert ids(page(connection, "ada", now=NOW, limit=9, wanted={"color": "blue"})) == [1, 2]
        assert ids(page(connection, "ada", now=NOW, limit=9, wanted={"color": "blue", "size": "9"})) == [1]
        assert ids(page(connection, "ada", now=NOW, limit=9, wanted={"color": "blue"}, model="b")) == [2]
        assert ids(page(connection, "ada", now=NOW, limit=9, wanted={"co'lor\"": "%"})) == []


def test_labels_are_replaced_whole(database: Database) -> None:
    with database.transaction() as connection:
        add(connection, "ada", stored(1, color="blue"), 100)
        assert set_labels(connection, "ada", "chatcmpl-1", {"size": "9"}, now=NOW) == stored(1, size="9")
        assert set_labels(connection, "ada", "chatcmpl-1", {}, now=NOW) == stored(1)


def test_what_has_expired_is_gone_before_it_is_deleted(database: Database) -> None:
    with database.transaction() as connection:
        add(connection, "ada", stored(1, color="blue"), NOW)
        assert get(connection, "ada", "chatcmpl-1", now=NOW) is None
        assert page(connection, "ada", now=NOW, limit=9) == []
        assert set_labels(connection, "ada", "chatcmpl-1", {}, now=NOW) is None
        assert not delete_one(connection, "ada", "chatcmpl-1", now=NOW)
        assert get(connection, "ada", "chatcmpl-1", now=NOW - 1) is not None


def test_what_has_expired_is_deleted_in_pieces_with_its_labels(database: Database) -> None:
    with database.transaction() as connection:
        for number in range(5):
            add(connection, f"owner{number}", stored(number, color="blue"), 100 + number)
        assert delete_expired(connection, 99, 10) == 0
        assert delete_expired(connection, 103, 3) == 3
        assert delete_expired(connection, 103, 3) == 1
        assert connection.execute(select(chats.c.id)).scalars().all() == ["chatcmpl-4"]
        assert connection.execute(select(func.count()).select_from(chat_completions.labels)).scalar() == 1
