// Persistent threads that run one function together, with a barrier and shared task counters inside it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace spatz {

// Called while waiting for another thread's work, with how often it was called: spins at first, then offers the core to
// others.
void pause_or_yield(int spins);

// A lock that is given in the order in which it was asked for. With std::mutex, whoever lets go of it and asks at once
// again always has it again first: a caller with many short runs would keep all others waiting.
class Turns {
  public:
    void lock();
    void unlock();
    uint64_t waiting();  // how many have asked and are not served

  private:
    std::mutex lock_;
    std::condition_variable moved_;
    uint64_t asked_ = 0;
    uint64_t given_ = 0;  // whose turn it is
};

class ThreadPool;

// What a function run by the pool sees of its team.
class Team {
  public:
    Team(ThreadPool& pool, int thread) : pool_(pool), thread_(thread) {}
    int thread() const { return thread_; }
    int threads() const;
    // Returns when every thread has arrived; what each wrote before is seen by all after.
    void barrier();
    // Hands out 0..count-1, each to one thread, in order; calls task(i). Ends with a barrier.
    template <typename Task>
    void parallel_for(int64_t count, Task&& task);
    // This thread's share of 0..count-1: [begin, end), contiguous and fixed.
    std::pair<int64_t, int64_t> share(int64_t count) const {
        return {count * thread_ / threads(), count * (thread_ + 1) / threads()};
    }

  private:
    ThreadPool& pool_;
    int thread_;
};

// The caller is thread 0; threads - 1 others wait for work, first spinning for some microseconds, then asleep.
class ThreadPool {
  public:
    explicit ThreadPool(int threads);  // >= 1
    ~ThreadPool();
    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    int threads() const { return threads_; }
    // Runs body once on every thread and returns when all are done. Calls from several threads take turns, in order.
    // `body` must not throw past a barrier: an exception on one thread while others wait at one would never let them
    // go.
    void run(const std::function<void(Team&)>& body);

  private:
    friend class Team;
    void work(int thread);
    void stop();
    void arrive();

    int threads_;
    Turns turn_;
    std::vector<std::thread> workers_;
    const std::function<void(Team&)>* body_ = nullptr;
    std::atomic<uint32_t> generation_{0};
    std::atomic<bool> stop_{false};
    std::exception_ptr failure_;
    std::mutex failure_lock_;
    alignas(64) std::atomic<uint32_t> arrived_{0};
    alignas(64) std::atomic<uint32_t> phase_{0};
    // Two counters used in turn: the one not in use is reset by whoever arrives last at the barrier between.
    alignas(64) std::atomic<int64_t> next_task_[2] = {};
};

inline int Team::threads() const { return pool_.threads_; }
inline void Team::barrier() { pool_.arrive(); }

template <typename Task>
void Team::parallel_for(int64_t count, Task&& task) {
    std::atomic<int64_t>& next = pool_.next_task_[pool_.phase_.load(std::memory_order_relaxed) & 1];
    for (int64_t i = next.fetch_add(1, std::memory_order_relaxed); i < count;
         i = next.fetch_add(1, std::memory_order_relaxed)) {
        task(i);
    }
    barrier();
}

}  // namespace spatz
