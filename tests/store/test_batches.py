"""Batches in the database: who may run one, and that a result is written once."""

from __future__ import annotations

import asyncio
import time

import pytest
from sqlalchemy import select, update

from spatz.store.batch_hold import Hold, LeaseLost
from spatz.store.batch_tables import Batch, Result, batch_results, batches
from spatz.store.batches import Batches
from spatz.store.db import Database


@pytest.fixture
def stored(database: Database) -> Batches:
    return Batches(database)


async def create(stored: Batches, owner: str = "me") -> Batch:
    batch = await stored.create(owner=owner, owner_name="n", endpoint="/v1/completions", input_file_id="file-1")
    assert batch is not None
    return batch


async def claim(stored: Batches, holder: str, lives: bool | None = True) -> Hold:
    taken = await stored.claim(holder, lambda name: lives)
    assert taken is not None
    return taken[1]


async def test_each_batch_has_one_holder(stored: Batches) -> None:
    first, second = await create(stored), await create(stored)
    one, two = await asyncio.gather(*(stored.claim(name, lambda name: True) for name in ("one", "two")))
    taken = {pair[0] for pair in (one, two) if pair is not None}
    if len(taken) < 2:  # both reached for the oldest; who lost it takes the next
        rest = await stored.claim("three", lambda name: True)
        assert rest is not None
        taken.add(rest[0])
    assert taken == {first.number, second.number}
    assert await stored.claim("four", lambda name: True) is None


@pytest.mark.parametrize(("lives", "over", "free"), [(True, False, False), (None, False, False), (False, False, True)])
async def test_who_may_take_over(stored: Batches, lives: bool | None, over: bool, free: bool) -> None:
    await create(stored)
    hold = await claim(stored, "one")
    taken = await stored.claim("two", lambda name: lives)
    assert (taken is not None) is free
    if free:
        with pytest.raises(LeaseLost):
            await hold.renew()
    else:
        assert (await hold.renew()).lease_holder == "one"


async def test_a_lease_runs_out(stored: Batches, database: Database) -> None:
    batch = await create(stored)
    hold = await claim(stored, "one")
    before = (await hold.renew()).lease_until
    assert before > time.time()
    with database.transaction() as connection:
        connection.execute(update(batches).values(lease_until=int(time.time())))
    other = await claim(stored, "two")
    assert (await other.renew()).number == batch.number
    for work in (hold.renew(), hold.record([Result(1, True, b"{}")]), hold.end(status="completed")):
        with pytest.raises(LeaseLost):
            await work
    assert await other.done() == set()
    await hold.release()  # of what it no longer has
    assert (await other.renew()).lease_holder == "two"
    await other.release()
    assert await claim(stored, "three")


async def test_a_process_takes_up_what_it_dropped_itself(stored: Batches) -> None:
    batch = await create(stored)
    await claim(stored, "one")
    assert await stored.claim("one", lambda name: True, {batch.number}) is None
    assert await stored.claim("one", lambda name: True, set()) is not None


async def test_results_are_counted_and_kept_once(stored: Batches, database: Database) -> None:
    await create(stored)
    hold = await claim(stored, "one")
    await hold.record([Result(1, True, b"one", 5, 2, 3), Result(4, False, b"four")])
    batch = await hold.record([Result(2, True, b"two", 1, 0, 1)])
    assert (batch.completed, batch.failed, batch.stored) == (2, 1, 10)
    assert (batch.input_tokens, batch.cached_tokens, batch.output_tokens) == (6, 2, 4)
    with pytest.raises(Exception, match=r"(?i)unique"):
        await hold.record([Result(3, True, b"three"), Result(4, True, b"again")])
    assert await hold.done() == {1, 2, 4}
    assert (await hold.renew()).completed == 2
    assert await hold.results(0, 2) == [(1, True, b"one"), (2, True, b"two")]
    assert await hold.results(2, 2) == [(4, False, b"four")]
    ended = await hold.end(status="completed", output_file_id="file-2")
    assert (ended.ended, ended.stored, ended.output_file_id) == (True, 0, "file-2")
    with database.reading() as connection:
        assert connection.execute(select(batch_results)).all() == []
    assert await stored.claim("two", lambda name: False) is None


async def test_a_step_is_taken_from_where_it_was_expected(stored: Batches) -> None:
    batch = await create(stored)
    hold = await claim(stored, "one")
    assert (await hold.change("validating", status="in_progress", total=3)).total == 3
    cancelled = await stored.cancel("me", batch.id)
    assert cancelled is not None
    assert cancelled.status == "cancelling"
    unchanged = await hold.change("in_progress", status="finalizing", total=9)
    assert (unchanged.status, unchanged.total) == ("cancelling", 3)
    assert await stored.cancel("you", batch.id) is None


async def test_only_so_many_at_once(stored: Batches) -> None:
    async def another(owner: str = "me") -> Batch | None:
        return await stored.create(owner=owner, owner_name="", endpoint="e", input_file_id="f", most=2)

    assert await another()
    assert await another()
    assert await another() is None
    assert await another("you")
    hold = await claim(stored, "one")
    await hold.end(status="completed")
    assert await another()


async def test_ended_batches_are_forgotten(stored: Batches, database: Database) -> None:
    old, new = await create(stored), await create(stored)
    for _ in range(2):
        await (await claim(stored, "one")).end(status="completed")
    with database.transaction() as connection:
        past = int(time.time()) - 3 * 86_400
        connection.execute(update(batches).where(batches.c.id == old.id).values(ended_at=past))
    await create(stored)
    await stored.sweep(3)
    listed, _ = await stored.list("me", after=None, limit=10)
    assert old.id not in [batch.id for batch in listed]
    assert len(listed) == 2
    assert await stored.find("me", new.id) is not None
