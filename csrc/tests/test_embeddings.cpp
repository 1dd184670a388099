// Inputs that are given as vectors: what a decoder makes of a token's own row, it makes of the same vector given.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "kernel_list.h"
#include "logits.h"
#include "model/decoder.h"
#include "tiny_model.h"

namespace {

using namespace spatz;
using namespace spatz::test;

// Of two sequences, one after another, the first from its start and the second behind `history` tokens.
struct Step {
    std::vector<int32_t> tokens, starts, positions, pages, rows;
    std::vector<float> embeddings;
    std::vector<int32_t> embedding_rows;

    BatchView view() const {
        return {tokens, starts, positions, pages, 2, rows, {}, nullptr, false, embeddings, embedding_rows};
    }
};

Step step_of(int64_t first, int64_t second, int32_t history) {
    Step step;
    step.tokens = random_tokens(first + second, 71);
    step.starts = {0, static_cast<int32_t>(first), static_cast<int32_t>(first + second)};
    step.positions = {0, history};
    step.pages = {0, 1, 2, 3};
    for (int32_t t = 0; t < first + second; ++t) step.rows.push_back(t);
    return step;
}

// Says of some tokens what the decoder would look up for them, and makes their ids meaningless.
Step given(Step step, const TinyOptions& options, const Weights& weights) {
    for (size_t t = 0; t < step.tokens.size(); ++t) {
        if (t % 5 != 1 && t % 7 != 3) continue;
        std::vector<float> row(static_cast<size_t>(weights.embed().k_padded));
        unpack_row(weights.embed(), step.tokens[t], row.data());
        for (int64_t i = 0; i < options.config.hidden; ++i) {
            step.embeddings.push_back(row[static_cast<size_t>(i)] * static_cast<float>(options.config.embedding_scale));
        }
        step.embedding_rows.push_back(static_cast<int32_t>(t));
        step.tokens[t] = 100 - step.tokens[t];
    }
    return step;
}

std::vector<float> logits(Decoder& decoder, const KVCache& cache, const Step& step, int64_t vocab) {
    std::vector<float> all(step.rows.size() * static_cast<size_t>(vocab));
    decoder.forward(cache, step.view(), [&](int64_t row, std::span<float> values) {
        std::copy(values.begin(), values.end(), all.begin() + row * vocab);
    });
    return all;
}

}  // namespace

TEST_CASE("embeddings: a vector given in place of a token's row changes no bit if it is that row") {
    ThreadPool pool(2);
    TinyOptions scaled = tiny_options(50, 75, 2, 2, 16);
    scaled.config.embedding_scale = std::sqrt(50.0);
    for (TinyOptions options : {tiny_options(64, 96, 4, 2, 16), scaled}) {
        for (const std::string format : {"q4", "q8", "bf16"}) {
            options.format = format;
            const TinyModel model(options, pool, 72);
            for (const Kernels* kernels : all_kernels()) {
                CAPTURE(format);
                CAPTURE(std::string(isa_name(kernels->isa)));
                // As few tokens as share out the panels, and so many that each thread takes rows.
                for (const auto& [first, second] : {std::pair{3, 1}, std::pair{1, 1}, std::pair{150, 60}}) {
                    Decoder decoder(options.config, model.weights, *kernels, pool);
                    const KVCache cache(options.config, 4, KVKind::kInt8);
                    const Step plain = step_of(first, second, 20);
                    const std::vector<float> expected = logits(decoder, cache, plain, options.config.vocab);
                    const Step same = given(plain, options, model.weights);
                    CHECK(logits(decoder, cache, same, options.config.vocab) == expected);
                    if (same.embedding_rows.empty()) continue;
                    Step other = same;
                    other.embeddings[0] += 1.0f;
                    CHECK(logits(decoder, cache, other, options.config.vocab) != expected);
                }
            }
        }
    }
}

TEST_CASE("embeddings: what does not fit the step or the model is refused") {
    const TinyOptions options = tiny_options(64, 96, 4, 2, 16);
    const KVCache cache(options.config, 4, KVKind::kInt8);
    const auto make = [&](std::vector<int32_t> rows, size_t values) {
        Step step = step_of(4, 2, 0);
        step.embedding_rows = std::move(rows);
        step.embeddings.assign(values, 0.5f);
        const Batch batch(step.view(), options.config, cache);
        for (const int32_t t : step.embedding_rows) CHECK(batch.embedding(t) != nullptr);
        CHECK(batch.embedding(0) == nullptr);
    };
    make({}, 0);
    make({1, 5}, 128);
    CHECK_THROWS_AS(make({1, 5}, 127), std::invalid_argument);
    CHECK_THROWS_AS(make({1, 5}, 192), std::invalid_argument);
    CHECK_THROWS_AS(make({}, 64), std::invalid_argument);
    CHECK_THROWS_AS(make({5, 1}, 128), std::invalid_argument);
    CHECK_THROWS_AS(make({1, 1}, 128), std::invalid_argument);
    CHECK_THROWS_AS(make({6}, 64), std::invalid_argument);
    CHECK_THROWS_AS(make({-1}, 64), std::invalid_argument);
}
