#include "base/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <utility>

namespace spatz {
namespace {

inline void relax() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// Spins at a barrier before the core is offered to others. Partners at a barrier are working, so they are soon there,
// unless the system has taken their core away; then yielding is what brings them back.
constexpr int kBarrierSpins = 4000;
// How long an idle worker spins before it sleeps: longer than the Python between two steps, shorter than a pause.
constexpr auto kIdleSpin = std::chrono::microseconds(60);

}  // namespace

void pause_or_yield(int spins) {
    if (spins < kBarrierSpins) {
        relax();
    } else {
        sched_yield();
    }
}

void Turns::lock() {
    std::unique_lock<std::mutex> guard(lock_);
    const uint64_t mine = asked_++;
    moved_.wait(guard, [&] { return given_ == mine; });
}

void Turns::unlock() {
    {
        const std::lock_guard<std::mutex> guard(lock_);
        ++given_;
    }
    moved_.notify_all();
}

uint64_t Turns::waiting() {
    const std::lock_guard<std::mutex> guard(lock_);
    return asked_ - std::min(asked_, given_ + 1);
}

ThreadPool::ThreadPool(int threads) : threads_(threads) {
    if (threads < 1 || threads > 1024) throw std::invalid_argument("threads must be between 1 and 1024");
    try {
        for (int thread = 1; thread < threads; ++thread) workers_.emplace_back([this, thread] { work(thread); });
    } catch (...) {
        stop();  // those that did start would otherwise end the process
        throw;
    }
}

ThreadPool::~ThreadPool() { stop(); }

void ThreadPool::stop() {
    stop_.store(true);
    generation_.fetch_add(1);
    generation_.notify_all();
    for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run(const std::function<void(Team&)>& body) {
    const std::lock_guard<Turns> turn(turn_);
    body_ = &body;
    next_task_[0].store(0, std::memory_order_relaxed);
    next_task_[1].store(0, std::memory_order_relaxed);
    generation_.fetch_add(1, std::memory_order_release);
    generation_.notify_all();
    try {
        Team team(*this, 0);
        body(team);
    } catch (...) {
        const std::lock_guard<std::mutex> guard(failure_lock_);
        if (!failure_) failure_ = std::current_exception();
    }
    arrive();
    body_ = nullptr;
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void ThreadPool::work(int thread) {
    uint32_t seen = 0;
    while (true) {
        const auto asleep = std::chrono::steady_clock::now() + kIdleSpin;
        uint32_t now = generation_.load(std::memory_order_acquire);
        for (int spin = 0; now == seen; now = generation_.load(std::memory_order_acquire)) {
            relax();
            if ((++spin & 63) == 0 && std::chrono::steady_clock::now() > asleep) {
                generation_.wait(seen, std::memory_order_acquire);
            }
        }
        seen = now;
        if (stop_.load()) return;
        try {
            Team team(*this, thread);
            (*body_)(team);
        } catch (...) {
            const std::lock_guard<std::mutex> guard(failure_lock_);
            if (!failure_) failure_ = std::current_exception();
        }
        arrive();
    }
}

void ThreadPool::arrive() {
    const uint32_t phase = phase_.load(std::memory_order_relaxed);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == static_cast<uint32_t>(threads_)) {
        arrived_.store(0, std::memory_order_relaxed);
        next_task_[phase & 1].store(0, std::memory_order_relaxed);
        phase_.store(phase + 1, std::memory_order_release);
        return;
    }
    for (int spins = 0; phase_.load(std::memory_order_acquire) == phase; ++spins) pause_or_yield(spins);
}

}  // namespace spatz
