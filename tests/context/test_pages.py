"""The page pool: every page is in one state, references count, the longest unused kept page goes first."""

from __future__ import annotations

import pytest

from spatz.context.pages import PagePool


def test_pages_are_given_lowest_first_and_run_out() -> None:
    pool = PagePool(3)
    assert [pool.allocate(), pool.allocate(), pool.allocate()] == [0, 1, 2]
    assert pool.allocate() is None
    assert (pool.available, pool.used, pool.idle) == (0, 3, 0)
    pool.check()


def test_a_released_page_is_taken_again_first() -> None:
    pool = PagePool(4)
    pool.allocate()
    second = pool.allocate()
    assert second is not None
    pool.release(second)
    assert pool.allocate() == second


def test_a_shared_page_is_free_after_its_last_reference() -> None:
    pool = PagePool(1)
    page = pool.allocate()
    assert page is not None
    pool.share(page)
    pool.release(page)
    assert pool.allocate() is None
    pool.release(page)
    assert pool.allocate() == page


def test_kept_pages_are_evicted_longest_unused_first() -> None:
    pool = PagePool(3)
    evicted: list[int] = []
    pool.on_evict = evicted.append
    pages = [pool.allocate() for _ in range(3)]
    for page in (2, 0, 1):
        assert page in pages
        pool.keep(page)
        pool.release(page)
    assert pool.idle == 3 and pool.available == 3
    pool.share(2)  # used again: no longer a candidate
    assert pool.allocate() == 0
    assert pool.allocate() == 1
    assert pool.allocate() is None
    assert evicted == [0, 1]
    pool.check()


def test_dropping_idle_pages_evicts_all_of_them() -> None:
    pool = PagePool(2)
    evicted: list[int] = []
    pool.on_evict = evicted.append
    for _ in range(2):
        page = pool.allocate()
        assert page is not None
        pool.keep(page)
    pool.release(0)
    assert pool.drop_idle() == [0] == evicted
    assert pool.used == 1
    pool.release(1)
    assert pool.idle == 1
    pool.check()


def test_only_so_many_pages_stay_for_their_content() -> None:
    pool = PagePool(6, most_taken=3)
    evicted: list[int] = []
    discarded: list[int] = []
    pool.on_evict, pool.on_discard = evicted.append, discarded.append
    assert [pool.allocate() for _ in range(5)] == [0, 1, 2, 3, 4]  # what is in use may be more
    for page in range(4):
        pool.keep(page)
        pool.release(page)
    assert evicted == discarded == [0, 1]  # the two longest unused
    assert (pool.used, pool.idle) == (1, 2)
    pool.release(4)  # not kept: free, and its memory is taken again first
    assert pool.allocate() == 4
    assert pool.allocate() == 2 and evicted == [0, 1, 2]  # an idle page goes before more memory is taken
    assert discarded == [0, 1]
    assert pool.allocate() == 3
    assert pool.allocate() == 5  # nothing is idle: those that were given back come last
    pool.check()


def test_misuse_is_refused() -> None:
    pool = PagePool(2)
    with pytest.raises(ValueError, match="no references"):
        pool.release(0)
    with pytest.raises(ValueError, match="free"):
        pool.share(0)
    with pytest.raises(ValueError, match="not in use"):
        pool.keep(0)
    with pytest.raises(ValueError, match="at least one"):
        PagePool(0)


def test_the_check_sees_a_page_in_two_states() -> None:
    pool = PagePool(2)
    pool.allocate()
    pool._references[0] = 0
    with pytest.raises(RuntimeError, match="page 0"):
        pool.check()
