// The token index against its definition, computed from the text each time.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <stdexcept>
#include <vector>

#include "context/token_index.h"
#include "random.h"

namespace {

using spatz::context::TokenIndex;
using spatz::test::Random;

std::vector<float> plain_scores(const std::vector<int32_t>& text, int block_tokens, const std::vector<int32_t>& terms,
                                const std::vector<float>& weights) {
    const size_t blocks = (text.size() + static_cast<size_t>(block_tokens) - 1) / static_cast<size_t>(block_tokens);
    const auto count_in = [&](size_t block, int32_t term) {
        const size_t begin = block * static_cast<size_t>(block_tokens);
        const size_t end = std::min(text.size(), begin + static_cast<size_t>(block_tokens));
        return static_cast<double>(std::count(text.begin() + static_cast<std::ptrdiff_t>(begin),
                                              text.begin() + static_cast<std::ptrdiff_t>(end), term));
    };
    std::vector<float> scores(blocks, 0.0f);
    for (size_t i = 0; i < terms.size(); ++i) {
        double found = 0;
        for (size_t b = 0; b < blocks; ++b) found += count_in(b, terms[i]) > 0 ? 1 : 0;
        const double rarity = std::log(1.0 + (static_cast<double>(blocks) - found + 0.5) / (found + 0.5));
        for (size_t b = 0; b < blocks; ++b) {
            const double n = count_in(b, terms[i]);
            scores[b] += static_cast<float>(static_cast<double>(weights[i]) * rarity * n * 2.2 / (n + 1.2));
        }
    }
    return scores;
}

TEST_CASE("scores are those of the definition, however the text was cut") {
    Random random(7);
    for (const int block_tokens : {1, 3, 64}) {
        for (const size_t length : {size_t{1}, size_t{63}, size_t{64}, size_t{65}, size_t{1000}}) {
            std::vector<int32_t> text(length);
            for (int32_t& token : text) token = static_cast<int32_t>(random.below(40));
            TokenIndex index(50, block_tokens);
            for (size_t at = 0; at < length;) {
                const size_t n = std::min(length - at, static_cast<size_t>(1 + random.below(100)));
                index.append({text.data() + at, n});
                at += n;
            }
            CHECK(index.size() == static_cast<int64_t>(length));
            const std::vector<int32_t> terms = {0, 5, 39, 49, 5};
            const std::vector<float> weights = {1.0f, 0.5f, 2.0f, 1.0f, 1.0f};
            const std::vector<float> scores = index.score(terms, weights);
            const std::vector<float> expected = plain_scores(text, block_tokens, terms, weights);
            REQUIRE(scores.size() == expected.size());
            for (size_t b = 0; b < scores.size(); ++b) CHECK(scores[b] == doctest::Approx(expected[b]).epsilon(1e-5));
        }
    }
}

TEST_CASE("a block's own tokens are counted once a block") {
    TokenIndex index(10, 4);
    const std::vector<int32_t> text = {1, 1, 2, 3, 1, 4, 4, 4, 2};
    index.append(text);
    CHECK(index.blocks() == 3);
    CHECK(index.block_count(1) == 2);
    CHECK(index.block_count(2) == 2);
    CHECK(index.block_count(4) == 1);
    CHECK(index.block_count(9) == 0);
}

TEST_CASE("what is out of range is refused, and nothing of it is taken") {
    CHECK_THROWS_AS(TokenIndex(0), std::invalid_argument);
    CHECK_THROWS_AS(TokenIndex(10, 0), std::invalid_argument);
    TokenIndex index(10, 4);
    const std::vector<int32_t> bad = {1, 2, 10};
    CHECK_THROWS_AS(index.append(bad), std::invalid_argument);
    const std::vector<int32_t> negative = {-1};
    CHECK_THROWS_AS(index.append(negative), std::invalid_argument);
    CHECK(index.size() == 0);
    CHECK(index.blocks() == 0);
    CHECK_THROWS_AS(index.block_count(10), std::invalid_argument);
    const std::vector<int32_t> term = {1};
    const std::vector<float> weight = {1.0f};
    CHECK(index.score(term, weight).empty());
    CHECK_THROWS_AS(index.score(term, {}), std::invalid_argument);
    const std::vector<int32_t> outside = {10};
    CHECK_THROWS_AS(index.score(outside, weight), std::invalid_argument);
}

}  // namespace
