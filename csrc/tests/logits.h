// What tests of whole models share: made-up texts, and how far two results are apart.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "random.h"

namespace spatz::test {

// Token ids of a vocabulary of 101.
inline std::vector<int32_t> random_tokens(int64_t count, uint64_t seed) {
    Random random(seed);
    std::vector<int32_t> tokens;
    for (int64_t i = 0; i < count; ++i) tokens.push_back(static_cast<int32_t>(random.below(101)));
    return tokens;
}

// Root mean square of the difference over that of the reference.
inline double relative_error(const std::vector<float>& got, const std::vector<float>& expected) {
    REQUIRE(got.size() == expected.size());
    double difference = 0.0, magnitude = 0.0;
    for (size_t i = 0; i < got.size(); ++i) {
        const double d = static_cast<double>(got[i]) - static_cast<double>(expected[i]);
        difference += d * d;
        magnitude += static_cast<double>(expected[i]) * static_cast<double>(expected[i]);
    }
    return std::sqrt(difference / magnitude);
}

}  // namespace spatz::test
