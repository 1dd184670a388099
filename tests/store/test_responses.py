"""Stored responses in both databases: chains, items, ends, expiry, and that an owner finds only what is his."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from spatz.store import responses
from spatz.store.db import Database
from spatz.store.responses import Stored, StoredItem

NOW = 1_000_000
LATER = NOW + 100 * 86_400
SIZE = 1 << 20


def items(*names: str) -> list[StoredItem]:
    return [StoredItem(name, f'{{"id":"{name}"}}') for name in names]


def add(database: Database, id: str, *, owner: str = "ada", expires_at: int = LATER, **fields: object) -> None:
    with database.transaction() as connection:
        responses.add(
            connection,
            owner,
            Stored(id, str(fields.pop("status", "completed")), f'{{"id":"{id}"}}'),
            items(f"{id}-in"),
            items(f"{id}-out") if fields.pop("output", True) else (),
            expires_at=expires_at,
            **fields,  # type: ignore[arg-type]
        )


def test_kept_as_it_is_and_for_its_owner(database: Database) -> None:
    add(database, "a")
    with database.reading() as connection:
        assert responses.get(connection, "ada", "a", NOW) == Stored("a", "completed", '{"id":"a"}')
        assert responses.get(connection, "bob", "a", NOW) is None
        assert responses.get(connection, "ada", "a", LATER) is None  # expired, though not yet swept
        assert responses.input_items(connection, "ada", "a", NOW) == items("a-in")
        assert responses.input_items(connection, "bob", "a", NOW) is None
        assert responses.find_items(connection, "ada", ["a-in", "a-out", "x"], NOW) == {
            "a-in": '{"id":"a-in"}',
            "a-out": '{"id":"a-out"}',
        }
        assert responses.find_items(connection, "bob", ["a-in"], NOW) == {}
        assert responses.find_items(connection, "ada", ["a-in"], LATER) == {}
        assert responses.chain(connection, "bob", "a", NOW, SIZE) is None


def test_a_chain_is_all_items_in_order(database: Database) -> None:
    add(database, "a")
    add(database, "b", previous="a", depth=2)
    add(database, "c", previous="b", depth=3)
    add(database, "other", previous="a", depth=2)
    with database.reading() as connection:
        found = responses.chain(connection, "ada", "c", NOW, SIZE)
        assert found is not None and not found.broken and found.depth == 3
        names = [f"{id}-{side}" for id in "abc" for side in ("in", "out")]
        assert list(found.items) == [item.body for item in items(*names)]
        assert found.size == sum(map(len, found.items))
        assert responses.input_items(connection, "ada", "c", NOW) == items(*names[:-1])
        short = responses.chain(connection, "ada", "c", NOW, found.size - 1)
        assert short is not None and short.items == () and short.size == found.size and not short.broken


def test_a_chain_that_lost_a_part(database: Database) -> None:
    add(database, "a")
    add(database, "b", previous="a", depth=2)
    add(database, "c", previous="b", depth=3)
    with database.transaction() as connection:
        assert not responses.remove(connection, "bob", "b")
        assert responses.remove(connection, "ada", "b")
        assert not responses.remove(connection, "ada", "b")
    with database.reading() as connection:
        found = responses.chain(connection, "ada", "c", NOW, SIZE)
        assert found is not None and found.broken and found.items == ()
        assert responses.input_items(connection, "ada", "c", NOW) == items("c-in")
        left = select(func.count()).select_from(responses.response_items)
        assert connection.execute(left).scalar_one() == 4  # those of b went with it


def test_a_chain_does_not_cross_owners(database: Database) -> None:
    add(database, "a", owner="bob")
    add(database, "b", previous="a", depth=2)
    with database.reading() as connection:
        found = responses.chain(connection, "ada", "b", NOW, SIZE)
        assert found is not None and found.broken


def test_a_chain_in_use_is_kept(database: Database) -> None:
    add(database, "a", expires_at=NOW + 1)
    add(database, "b", expires_at=NOW + 2, previous="a", depth=2)
    add(database, "c", expires_at=LATER, previous="b", depth=3)
    with database.transaction() as connection:
        assert responses.delete_expired(connection, NOW + 86_400, 10) == 0
        found = responses.chain(connection, "ada", "c", NOW + 86_400, SIZE)
    assert found is not None and not found.broken


def test_what_has_expired_is_swept_piece_by_piece(database: Database) -> None:
    for number in range(5):
        add(database, f"old{number}", expires_at=NOW)
    add(database, "new")
    with database.transaction() as connection:
        assert [responses.delete_expired(connection, NOW, 3) for _ in range(3)] == [3, 2, 0]
        assert responses.get(connection, "ada", "new", NOW) is not None
        left = select(func.count()).select_from(responses.response_items)
        assert connection.execute(left).scalar_one() == 2


@pytest.mark.parametrize("status", ["completed", "cancelled", "failed"])
def test_one_that_runs_ends_once(database: Database, status: str) -> None:
    add(database, "a", status="queued", output=False, runner="me")
    with database.transaction() as connection:
        assert responses.unfinished(connection) == [("me", Stored("a", "queued", '{"id":"a"}'))]
        responses.set_status(connection, Stored("a", "in_progress", "{}"))
        assert responses.unfinished(connection) == [("me", Stored("a", "in_progress", "{}"))]
        responses.set_status(connection, Stored("a", "queued", "later"))  # only one that is queued is begun
        assert responses.finish(connection, Stored("a", status, '{"x":1}'), items("a-out"), b"\x00events")
        assert not responses.finish(connection, Stored("a", "completed", "{}"), items("more"))
        assert responses.unfinished(connection) == []
        assert responses.get(connection, "ada", "a", NOW) == Stored("a", status, '{"x":1}')
        assert responses.events(connection, "ada", "a", NOW) == b"\x00events"
        assert responses.events(connection, "bob", "a", NOW) is None
        found = responses.chain(connection, "ada", "a", NOW, SIZE)
        assert found is not None and list(found.items) == ['{"id":"a-in"}', '{"id":"a-out"}']


def test_one_that_was_deleted_does_not_come_back(database: Database) -> None:
    add(database, "a", status="queued", output=False)
    with database.transaction() as connection:
        responses.remove(connection, "ada", "a")
        responses.set_status(connection, Stored("a", "in_progress", "{}"))
        assert not responses.finish(connection, Stored("a", "completed", "{}"), items("x"))
        assert responses.get(connection, "ada", "a", NOW) is None
