#include "base/measure.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <stdexcept>

#include "base/memory.h"

namespace spatz {
namespace {

constexpr int kPasses = 7;

double seconds_since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Four independent sums, so that loads and not additions are what is waited for; compilers vectorize it.
uint64_t sum_words(const uint64_t* words, int64_t count) {
    uint64_t sums[32] = {};
    for (int64_t i = 0; i + 32 <= count; i += 32) {
        for (int j = 0; j < 32; ++j) sums[j] += words[i + j];
    }
    uint64_t total = 0;
    for (uint64_t s : sums) total += s;
    return total;
}

}  // namespace

double read_bandwidth(ThreadPool& pool, int megabytes) {
    if (megabytes < 16 || megabytes > 65536) throw std::invalid_argument("megabytes must be between 16 and 65,536");
    const Buffer<uint64_t> words(static_cast<size_t>(megabytes) * 1'000'000 / sizeof(uint64_t));
    const auto count = static_cast<int64_t>(words.size());
    std::memset(words.data(), 1, words.size() * sizeof(uint64_t));
    double best = 0.0;
    for (int pass = 0; pass < kPasses; ++pass) {
        std::atomic<uint64_t> total{0};
        const auto start = std::chrono::steady_clock::now();
        pool.run([&](Team& team) {
            const auto [begin, end] = team.share(count);
            total += sum_words(words.data() + begin, end - begin);
        });
        const double took = seconds_since(start);
        if (total.load() != 0) best = std::max(best, static_cast<double>(count) * 8.0 / took / 1e9);
    }
    return best;
}

double int8_peak(ThreadPool& pool, const Kernels& kernels) {
    double best = 0.0;
    for (int pass = 0; pass < kPasses; ++pass) {
        constexpr int64_t kRounds = 400'000;
        const auto start = std::chrono::steady_clock::now();
        std::atomic<int64_t> operations{0};
        pool.run([&](Team&) { operations += kernels.dot_rounds(kRounds); });
        best = std::max(best, static_cast<double>(operations.load()) / seconds_since(start) / 1e12);
    }
    return best;
}

}  // namespace spatz
