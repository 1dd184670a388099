// The thread pool: every task once, barriers that publish, exceptions, callers that take turns.
#include <doctest/doctest.h>

#include <atomic>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include "base/thread_pool.h"

using spatz::Team;
using spatz::ThreadPool;
using spatz::Turns;

TEST_CASE("thread pool: every thread runs the function once") {
    for (const int threads : {1, 2, 3, 7}) {
        ThreadPool pool(threads);
        CHECK(pool.threads() == threads);
        for (int round = 0; round < 200; ++round) {
            std::vector<std::atomic<int>> runs(static_cast<size_t>(threads));
            pool.run([&](Team& team) {
                CHECK(team.threads() == threads);
                runs[static_cast<size_t>(team.thread())].fetch_add(1);
            });
            for (const auto& count : runs) CHECK(count.load() == 1);
        }
    }
}

TEST_CASE("thread pool: parallel_for hands out each index once, and again after every barrier") {
    for (const int threads : {1, 2, 5}) {
        ThreadPool pool(threads);
        for (const int64_t count : {0, 1, 2, 3, 64, 1000}) {
            std::vector<std::atomic<int>> seen(static_cast<size_t>(count) + 1);
            pool.run([&](Team& team) {
                for (int round = 0; round < 20; ++round) {
                    team.parallel_for(count, [&](int64_t i) { seen[static_cast<size_t>(i)].fetch_add(1); });
                    if (round % 3 == 0) team.barrier();  // an odd number of barriers between
                }
            });
            for (int64_t i = 0; i < count; ++i) CHECK(seen[static_cast<size_t>(i)].load() == 20);
            CHECK(seen.back().load() == 0);
        }
    }
}

TEST_CASE("thread pool: what is written before a barrier is seen after it") {
    const int threads = 4;
    ThreadPool pool(threads);
    std::vector<int64_t> cells(threads, 0);  // not atomic on purpose
    std::atomic<int> wrong{0};
    pool.run([&](Team& team) {
        for (int64_t round = 1; round <= 300; ++round) {
            cells[static_cast<size_t>(team.thread())] = round;
            team.barrier();
            for (const int64_t cell : cells) wrong += cell == round ? 0 : 1;
            team.barrier();
        }
    });
    CHECK(wrong.load() == 0);
}

TEST_CASE("thread pool: shares are contiguous and cover everything") {
    for (const int threads : {1, 2, 3, 5}) {
        ThreadPool pool(threads);
        for (const int64_t count : {0, 1, 4, 49152}) {
            std::vector<std::pair<int64_t, int64_t>> shares(static_cast<size_t>(threads));
            pool.run([&](Team& team) { shares[static_cast<size_t>(team.thread())] = team.share(count); });
            int64_t next = 0;
            for (const auto& [begin, end] : shares) {
                CHECK(begin == next);
                CHECK(end >= begin);
                next = end;
            }
            CHECK(next == count);
        }
    }
}

TEST_CASE("thread pool: an exception reaches the caller, whoever threw it, and the pool goes on") {
    ThreadPool pool(3);
    for (int thrower = 0; thrower < 3; ++thrower) {
        CHECK_THROWS_AS(pool.run([&](Team& team) {
            if (team.thread() == thrower) throw std::runtime_error("as planned");
        }),
                        std::runtime_error);
        std::atomic<int> runs{0};
        pool.run([&](Team&) { runs.fetch_add(1); });
        CHECK(runs.load() == 3);
    }
    CHECK_THROWS_AS(pool.run([](Team&) { throw std::runtime_error("all at once"); }), std::runtime_error);
}

TEST_CASE("thread pool: callers on several threads take turns") {
    ThreadPool pool(2);
    std::atomic<int> inside{0};
    std::atomic<int> overlaps{0};
    std::atomic<int> runs{0};
    std::vector<std::thread> callers;
    for (int caller = 0; caller < 4; ++caller) {
        callers.emplace_back([&] {
            for (int round = 0; round < 100; ++round) {
                pool.run([&](Team& team) {
                    if (team.thread() == 0 && inside.fetch_add(1) != 0) overlaps.fetch_add(1);
                    team.barrier();
                    runs.fetch_add(1);
                    if (team.thread() == 0) inside.fetch_sub(1);
                });
            }
        });
    }
    for (std::thread& caller : callers) caller.join();
    CHECK(overlaps.load() == 0);
    CHECK(runs.load() == 800);
}

TEST_CASE("turns: whoever asked before is served before one who asks again at once") {
    Turns turns;
    std::vector<int> order;
    std::vector<std::thread> guests;
    turns.lock();
    for (int guest = 0; guest < 3; ++guest) {
        guests.emplace_back([&, guest] {
            const std::lock_guard<Turns> turn(turns);
            order.push_back(guest);
        });
        while (turns.waiting() != static_cast<uint64_t>(guest) + 1) std::this_thread::yield();
    }
    turns.unlock();
    turns.lock();
    CHECK(order == std::vector<int>{0, 1, 2});
    turns.unlock();
    for (std::thread& guest : guests) guest.join();
}

TEST_CASE("thread pool: counts that make no sense are refused") {
    CHECK_THROWS_AS(ThreadPool(0), std::invalid_argument);
    CHECK_THROWS_AS(ThreadPool(-2), std::invalid_argument);
    CHECK_THROWS_AS(ThreadPool(1 << 20), std::invalid_argument);
}
