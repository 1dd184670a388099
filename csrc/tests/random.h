// Reproducible test data: the same numbers on every machine and standard library.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

namespace spatz::test {

// xorshift64*; std's distributions differ between libraries, so they are made here.
class Random {
  public:
    explicit Random(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15ULL + 0x1234567) {}

    uint64_t bits() {
        state_ ^= state_ >> 12;
        state_ ^= state_ << 25;
        state_ ^= state_ >> 27;
        return state_ * 0x2545f4914f6cdd1dULL;
    }
    int64_t below(int64_t bound) { return static_cast<int64_t>(bits() % static_cast<uint64_t>(bound)); }
    double uniform() { return static_cast<double>(bits() >> 11) * 0x1.0p-53; }
    float normal(float scale = 1.0f) {  // Box-Muller
        const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
        return static_cast<float>(radius * std::cos(6.283185307179586 * uniform())) * scale;
    }
    std::vector<float> normals(int64_t count, float scale = 1.0f) {
        std::vector<float> values(static_cast<size_t>(count));
        for (float& v : values) v = normal(scale);
        return values;
    }

  private:
    uint64_t state_;
};

}  // namespace spatz::test
