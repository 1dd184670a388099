// The whole forward pass of tiny models against the scalar one, and the promise that a token's result does not depend
// on chunks, batches, pages or threads.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernel_list.h"
#include "logits.h"
#include "model/decoder.h"
#include "tiny_model.h"

namespace {

using namespace spatz;
using namespace spatz::test;

// Runs steps and collects the logits of every token.
class Runner {
  public:
    Runner(const TinyOptions& options, const Weights& weights, const Kernels& kernels, ThreadPool& pool, KVKind kind,
           int64_t max_pages = 64)
        : options_(options), cache(options.config, max_pages, kind), decoder_(options.config, weights, kernels, pool) {}

    struct Part {
        std::vector<int32_t> tokens;
        int32_t position = 0;
        std::vector<int32_t> pages;
    };

    // Logits [all tokens of the parts, vocab].
    std::vector<float> step(const std::vector<Part>& parts) {
        size_t width = 1;
        for (const Part& part : parts) width = std::max(width, part.pages.size());
        std::vector<int32_t> tokens, starts = {0}, positions, pages, rows;
        for (const Part& part : parts) {
            tokens.insert(tokens.end(), part.tokens.begin(), part.tokens.end());
            starts.push_back(static_cast<int32_t>(tokens.size()));
            positions.push_back(part.position);
            pages.insert(pages.end(), part.pages.begin(), part.pages.end());
            pages.resize(positions.size() * width, -7);  // never looked at
        }
        for (size_t i = 0; i < tokens.size(); ++i) rows.push_back(static_cast<int32_t>(i));
        const auto vocab = static_cast<size_t>(options_.config.vocab);
        std::vector<float> logits(tokens.size() * vocab);
        decoder_.forward(cache, {tokens, starts, positions, pages, static_cast<int64_t>(width), rows},
                         [&](int64_t row, std::span<float> values) {
                             std::copy(values.begin(), values.end(),
                                       logits.begin() + row * static_cast<int64_t>(vocab));
                             std::fill(values.begin(), values.end(), 1e30f);  // they may be overwritten
                         });
        return logits;
    }

    // One sequence in chunks of the given sizes, the last one repeated to the end.
    std::vector<float> sequence(const std::vector<int32_t>& tokens, const std::vector<int64_t>& chunks,
                                const std::vector<int32_t>& pages) {
        std::vector<float> all;
        size_t chunk = 0;
        for (size_t at = 0; at < tokens.size(); ++chunk) {
            const auto size = static_cast<size_t>(chunks[std::min(chunk, chunks.size() - 1)]);
            const size_t end = std::min(tokens.size(), at + size);
            const std::vector<float> part =
                step({{{tokens.begin() + static_cast<ptrdiff_t>(at), tokens.begin() + static_cast<ptrdiff_t>(end)},
                       static_cast<int32_t>(at),
                       pages}});
            all.insert(all.end(), part.begin(), part.end());
            at = end;
        }
        return all;
    }

  private:
    TinyOptions options_;

  public:
    KVCache cache;

  private:
    Decoder decoder_;
};

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
    return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin());
}

struct Named {
    const char* name;
    TinyOptions options;
};

std::vector<Named> architectures() {
    std::vector<Named> all;
    TinyOptions o = tiny_options(64, 96, 4, 2, 16);
    o.config.rope_interleaved = true;
    all.push_back({"llama, pairs, tied", o});

    o = tiny_options(64, 160, 9, 3, 16, 3);
    o.lm_head = true;
    o.biases = true;
    o.config.rope_dims = 8;
    o.config.rope_scaling = {"llama3", 8.0, 1.0, 4.0, 40.0, {}};
    o.config.rope_scaled = {true, false, true};
    all.push_back({"qwen2, biases, partial rope, llama3 scaling, widths that are no multiple of 32", o});

    o = tiny_options(48, 80, 3, 1, 16);
    o.head_norms = true;
    o.post_norms = true;
    o.config.activation = "gelu_tanh";
    o.config.embedding_scale = std::sqrt(48.0);
    o.config.query_scale = 0.3;
    o.config.window = {5, 0};
    o.config.rope_theta = {10000.0, 1e6};
    o.config.rope_scaled = {false, true};
    o.config.rope_scaling.kind = "linear";
    o.config.rope_scaling.factor = 8.0;
    o.config.norm_eps = 1e-6;
    all.push_back({"gemma3, head and post norms, windows, gelu", o});

    o = tiny_options(50, 75, 2, 2, 48);
    o.head_norms = true;
    o.config.rope_scaling.kind = "factors";
    o.config.rope_scaling.factors.assign(24, 1.5);
    o.config.rope_scaling.factors[3] = 4.0;
    o.config.rope_scaled = {true, true};
    o.config.window = {0, 40};
    all.push_back({"qwen3, head norms, odd widths, factors", o});
    return all;
}

}  // namespace

TEST_CASE("decoder: every architecture, format and instruction set against the scalar forward pass") {
    ThreadPool pool(2);
    const std::vector<int32_t> tokens = random_tokens(60, 51);
    const std::vector<int32_t> pages = {3};
    for (Named& named : architectures()) {
        for (const std::string format : {"q4", "q8", "bf16"}) {
            named.options.format = format;
            const TinyModel model(named.options, pool, 52);
            for (const KVKind kind : {KVKind::kInt8, KVKind::kBf16}) {
                const std::vector<float> expected = model.reference_logits(tokens, kind);
                for (const Kernels* kernels : all_kernels()) {
                    CAPTURE(std::string(named.name));
                    CAPTURE(format);
                    CAPTURE((kind == KVKind::kInt8));
                    CAPTURE(std::string(isa_name(kernels->isa)));
                    Runner runner(named.options, model.weights, *kernels, pool, kind);
                    // A value near the middle of two steps may round either way, which is worth one step. A bf16 cache
                    // also rounds the attention weights to bf16, which the reference does not.
                    const double tolerance = kind == KVKind::kInt8 ? 0.02 : 0.03;
                    CHECK(relative_error(runner.sequence(tokens, {60}, pages), expected) < tolerance);
                }
            }
        }
    }
}

TEST_CASE("decoder: chunks, decode steps, threads and page order do not change a bit") {
    const std::vector<int32_t> tokens = random_tokens(300, 53);
    for (Named& named : architectures()) {
        for (const std::string format : {"q4", "q8", "bf16"}) {
            for (const Kernels* kernels : all_kernels()) {
                CAPTURE(std::string(named.name));
                CAPTURE(format);
                CAPTURE(std::string(isa_name(kernels->isa)));
                const KVKind kind = format == "bf16" ? KVKind::kBf16 : KVKind::kInt8;
                named.options.format = format;
                std::vector<float> expected;
                for (const int threads : {1, 2, 3}) {
                    CAPTURE(threads);
                    // More threads than cores make every barrier slow, so three are tried once for each architecture.
                    if (threads == 3 && (format != "q8" || kernels != all_kernels().front())) continue;
                    ThreadPool pool(threads);
                    const TinyModel model(named.options, pool, 54);
                    Runner runner(named.options, model.weights, *kernels, pool, kind);
                    const std::vector<float> whole = runner.sequence(tokens, {300}, {5, 2, 9});
                    if (expected.empty()) expected = whole;
                    CHECK(same_bits(whole, expected));
                    CHECK(same_bits(runner.sequence(tokens, {7, 100, 1, 150, 42}, {0, 1, 2}), expected));
                    if (threads == 2) {
                        CHECK(same_bits(runner.sequence(tokens, {128}, {7, 8, 6}), expected));
                        CHECK(
                            same_bits(runner.sequence(tokens, {120, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 160, 1}, {10, 4, 3}),
                                      expected));
                    }
                }
            }
        }
    }
}

TEST_CASE("decoder: a sequence's logits do not depend on its batch") {
    ThreadPool pool(2);
    const std::vector<int32_t> a = random_tokens(200, 55);
    const std::vector<int32_t> b = random_tokens(90, 56);
    const auto part = [](const std::vector<int32_t>& tokens, int64_t from, int64_t to, std::vector<int32_t> pages) {
        return Runner::Part{{tokens.begin() + from, tokens.begin() + to}, static_cast<int32_t>(from), std::move(pages)};
    };
    for (Named& named : architectures()) {
        for (const std::string format : {"q4", "bf16"}) {
            for (const Kernels* kernels : all_kernels()) {
                CAPTURE(std::string(named.name));
                CAPTURE(format);
                CAPTURE(std::string(isa_name(kernels->isa)));
                named.options.format = format;
                const TinyModel model(named.options, pool, 57);
                const auto vocab = static_cast<ptrdiff_t>(named.options.config.vocab);
                Runner alone(named.options, model.weights, *kernels, pool, KVKind::kInt8);
                const std::vector<float> of_a = alone.sequence(a, {200}, {0, 1});
                const std::vector<float> of_b = alone.sequence(b, {90}, {2});

                Runner mixed(named.options, model.weights, *kernels, pool, KVKind::kInt8);
                mixed.step({part(a, 0, 150, {4, 5})});
                // Prefill of one beside decode of the other, in either order; then sixteen branches that share a's
                // first page.
                const std::vector<float> first = mixed.step({part(b, 0, 89, {6}), part(a, 150, 151, {4, 5})});
                CHECK(std::equal(first.begin(), first.begin() + 89 * vocab, of_b.begin()));
                CHECK(std::equal(first.begin() + 89 * vocab, first.end(), of_a.begin() + 150 * vocab));
                const std::vector<float> second = mixed.step({part(a, 151, 199, {4, 5}), part(b, 89, 90, {6})});
                CHECK(std::equal(second.begin(), second.begin() + 48 * vocab, of_a.begin() + 151 * vocab));
                CHECK(std::equal(second.begin() + 48 * vocab, second.end(), of_b.begin() + 89 * vocab));
                std::vector<Runner::Part> branches;
                for (int32_t i = 0; i < 16; ++i) {
                    mixed.cache.copy(5, 10 + i);
                    branches.push_back(part(a, 199, 200, {4, 10 + i}));
                }
                const std::vector<float> third = mixed.step(branches);
                for (ptrdiff_t i = 0; i < 16; ++i)
                    CHECK(std::equal(third.begin() + i * vocab, third.begin() + (i + 1) * vocab, of_a.end() - vocab));
            }
        }
    }
}

TEST_CASE("decoder: histories of several splits, with and without windows") {
    ThreadPool pool(2);
    TinyOptions options = tiny_options(32, 32, 3, 1, 16, 3);
    options.config.window = {0, 1100, 30};
    options.format = "q8";
    const std::vector<int32_t> tokens = random_tokens(2200, 58);
    std::vector<int32_t> pages;
    for (int32_t i = 0; i < 18; ++i) pages.push_back(17 - i);
    const TinyModel model(options, pool, 59);
    const std::vector<float> expected = model.reference_logits(tokens, KVKind::kInt8);
    for (const Kernels* kernels : all_kernels()) {
        CAPTURE(std::string(isa_name(kernels->isa)));
        Runner runner(options, model.weights, *kernels, pool, KVKind::kInt8);
        const std::vector<float> whole = runner.sequence(tokens, {2200}, pages);
        CHECK(relative_error(whole, expected) < 0.03);
        CHECK(same_bits(runner.sequence(tokens, {1000, 60, 1, 1, 500, 40, 600}, pages), whole));
    }
}

TEST_CASE("decoder: only the wanted rows, in order; errors of the caller's function come through") {
    ThreadPool pool(2);
    const TinyOptions options = tiny_options(64, 96, 4, 2, 16);
    const TinyModel model(options, pool, 60);
    const Kernels& kernels = *all_kernels().front();
    Decoder decoder(options.config, model.weights, kernels, pool);
    const KVCache cache(options.config, 8, KVKind::kInt8);
    const std::vector<int32_t> tokens = random_tokens(250, 61);
    const std::vector<int32_t> starts = {0, 250}, positions = {0}, pages = {0, 1};
    Runner runner(options, model.weights, kernels, pool, KVKind::kInt8);
    const std::vector<float> all = runner.sequence(tokens, {250}, pages);
    for (const std::vector<int32_t>& rows : {std::vector<int32_t>{}, {249}, {0, 1, 5, 130, 131, 248}, {17}}) {
        std::vector<int> calls(rows.size(), 0);
        std::atomic<int> wrong{0};
        decoder.forward(cache, {tokens, starts, positions, pages, 2, rows}, [&](int64_t row, std::span<float> logits) {
            ++calls[static_cast<size_t>(row)];
            const auto from = all.begin() + rows[static_cast<size_t>(row)] * static_cast<ptrdiff_t>(logits.size());
            wrong += std::equal(logits.begin(), logits.end(), from) ? 0 : 1;
        });
        CHECK(std::all_of(calls.begin(), calls.end(), [](int n) { return n == 1; }));
        CHECK(wrong.load() == 0);
    }
    const std::vector<int32_t> rows = {3, 249};
    const BatchView view{tokens, starts, positions, pages, 2, rows};
    CHECK_THROWS_AS(
        decoder.forward(cache, view, [](int64_t, std::span<float>) { throw std::runtime_error("as planned"); }),
        std::runtime_error);
    int calls = 0;
    std::mutex lock;
    decoder.forward(cache, view, [&](int64_t, std::span<float>) {
        const std::lock_guard<std::mutex> guard(lock);
        ++calls;
    });
    CHECK(calls == 2);
}

namespace {

struct Watched {
    int32_t token, first, last;
};

// What share of its attention each head of these tokens pays to the places [first, last), in plain loops:
// [rows, layers, heads].
std::vector<double> plain_shares(const TinyModel& model, const ModelConfig& config, const std::vector<int32_t>& tokens,
                                 KVKind kind, const std::vector<Watched>& rows) {
    std::vector<double> shares(rows.size() * static_cast<size_t>(config.layers * config.heads));
    model.reference_logits(
        tokens, kind,
        [&](int64_t layer, int64_t t, const std::vector<float>& query, const std::vector<float>& keys,
            const reference::AttentionShape& shape) {
            for (size_t r = 0; r < rows.size(); ++r) {
                if (rows[r].token != t) continue;
                for (int64_t head = 0; head < config.heads; ++head) {
                    const auto dot = [&](int64_t at) {
                        double sum = 0.0;
                        for (int64_t i = 0; i < config.head_dim; ++i) {
                            const int64_t key = (at * config.kv_heads + head / config.group()) * config.head_dim + i;
                            sum += static_cast<double>(query[static_cast<size_t>(head * config.head_dim + i)]) *
                                   static_cast<double>(keys[static_cast<size_t>(key)]);
                        }
                        return sum * static_cast<double>(shape.scale);
                    };
                    double all = 0.0, in = 0.0;
                    for (int64_t at = shape.window == 0 ? 0 : std::max<int64_t>(0, t - shape.window + 1); at <= t;
                         ++at) {
                        const double weight = std::exp(dot(at));
                        all += weight;
                        if (at >= rows[r].first && at < rows[r].last) in += weight;
                    }
                    shares[(r * static_cast<size_t>(config.layers) + static_cast<size_t>(layer)) *
                               static_cast<size_t>(config.heads) +
                           static_cast<size_t>(head)] = in / all;
                }
            }
        });
    return shares;
}

}  // namespace

TEST_CASE("decoder: the attention that rows pay to a range is what plain softmax says") {
    ThreadPool pool(2);
    const std::vector<Watched> rows = {
        {3, 0, 1}, {250, 10, 140}, {1099, 1, 1100}, {1103, 1020, 1030}, {1104, 200, 4000}};
    const std::vector<int32_t> tokens = random_tokens(1105, 62);
    const std::vector<int32_t> starts = {0, 1105}, positions = {0}, pages = {8, 1, 2, 3, 9, 5, 6, 7, 0};
    std::vector<int32_t> wanted, ranges;
    for (const Watched& row : rows) {
        wanted.push_back(row.token);
        ranges.insert(ranges.end(), {row.first, row.last});
    }
    for (Named& named : architectures()) {
        for (const KVKind kind : {KVKind::kInt8, KVKind::kBf16}) {
            const ModelConfig& config = named.options.config;
            const TinyModel model(named.options, pool, 63);
            const auto heads = static_cast<size_t>(config.layers * config.heads);
            const std::vector<double> expected = plain_shares(model, config, tokens, kind, rows);
            for (const Kernels* kernels : all_kernels()) {
                CAPTURE(std::string(named.name));
                CAPTURE((kind == KVKind::kInt8));
                CAPTURE(std::string(isa_name(kernels->isa)));
                Decoder decoder(config, model.weights, *kernels, pool);
                const KVCache cache(config, 10, kind);
                const BatchView whole{tokens, starts, positions, pages, 9, wanted};
                std::vector<float> shares(rows.size() * heads, -1.0f);
                decoder.attention_mass(cache, whole, ranges, shares);
                double worst = 0.0;
                for (size_t i = 0; i < expected.size(); ++i) {
                    worst = std::max(worst, std::abs(static_cast<double>(shares[i]) - expected[i]));
                }
                CHECK(worst < 0.02);
                // A step of one token gives the same, and the step itself is as any other.
                const std::vector<int32_t> one = {0, 1}, last = {1104}, row = {0};
                std::vector<float> again(heads, -1.0f);
                decoder.attention_mass(cache, {std::span(tokens).last(1), one, last, pages, 9, row},
                                       std::span(ranges).last(2), again);
                CHECK(std::equal(again.begin(), again.end(), shares.end() - static_cast<ptrdiff_t>(heads)));
                Runner runner(named.options, model.weights, *kernels, pool, kind);
                runner.sequence(tokens, {1105}, pages);
                for (const int32_t page : {8, 5}) {
                    CHECK(std::equal(cache.page(page), cache.page(page) + cache.page_bytes(), runner.cache.page(page)));
                }
            }
        }
    }
    const TinyOptions options = tiny_options(64, 96, 4, 2, 16);
    const TinyModel model(options, pool, 64);
    Decoder decoder(options.config, model.weights, *all_kernels().front(), pool);
    const KVCache cache(options.config, 10, KVKind::kInt8);
    const BatchView view{tokens, starts, positions, pages, 9, wanted};
    std::vector<float> shares(rows.size() * 8);
    const auto refused = [&](const BatchView& given, std::vector<int32_t> bad, std::span<float> out) {
        CHECK_THROWS_AS(decoder.attention_mass(cache, given, bad, out), std::invalid_argument);
    };
    refused(view, {0, 1}, shares);
    refused(view, {0, 1, 0, 1, 0, 1, 0, 1, 5, 5}, shares);
    refused(view, {0, 1, 0, 1, -1, 1, 0, 1, 0, 1}, shares);
    refused(view, ranges, std::span(shares).first(8));
    refused({tokens, starts, positions, pages, 9, {}}, {}, {});
}

TEST_CASE("batch: whatever would read or write out of place is refused") {
    const TinyOptions options = tiny_options(64, 96, 4, 2, 16);
    const KVCache cache(options.config, 4, KVKind::kInt8);
    struct Input {
        std::vector<int32_t> tokens = {1, 2, 3};
        std::vector<int32_t> starts = {0, 2, 3};
        std::vector<int32_t> positions = {0, 127};
        std::vector<int32_t> pages = {0, -1, 3, 1};
        int64_t width = 2;
        std::vector<int32_t> rows = {1, 2};
    };
    const auto make = [&](const Input& in) {
        const Batch batch({in.tokens, in.starts, in.positions, in.pages, in.width, in.rows}, options.config, cache);
        CHECK(batch.size() == static_cast<int64_t>(in.tokens.size()));
    };
    make({});
    const auto refused = [&](auto change) {
        Input in;
        change(in);
        CHECK_THROWS_AS(make(in), std::invalid_argument);
    };
    refused([](Input& in) { in.tokens = {}; });
    refused([](Input& in) { in.tokens[1] = 101; });
    refused([](Input& in) { in.tokens[1] = -1; });
    refused([](Input& in) { in.starts = {0, 2}; });
    refused([](Input& in) { in.starts = {0, 2, 4}; });
    refused([](Input& in) { in.starts = {0, 2, 2}; });
    refused([](Input& in) { in.starts = {1, 2, 3}; });
    refused([](Input& in) { in.starts = {0, 3, 3}; });
    refused([](Input& in) { in.starts = {0, 0, 3}; });
    refused([](Input& in) { in.starts = {0, 5, 3}; });
    refused([](Input& in) { in.starts = {0, -1, 3}; });
    refused([](Input& in) { in.starts = {}; });
    refused([](Input& in) { in.positions[0] = -1; });
    refused([](Input& in) { in.positions[0] = 127; });  // its second token would need the second page, which is -1
    refused([](Input& in) { in.positions[1] = 256; });
    refused([](Input& in) { in.positions[1] = 2147483647; });
    refused([](Input& in) { in.pages[0] = 4; });
    refused([](Input& in) { in.pages.pop_back(); });
    refused([](Input& in) { in.width = 3; });
    refused([](Input& in) { in.width = -2; });
    refused([](Input& in) { in.rows = {2, 1}; });
    refused([](Input& in) { in.rows = {1, 1}; });
    refused([](Input& in) { in.rows = {3}; });
    refused([](Input& in) { in.rows = {-1}; });
    const TinyOptions other = tiny_options(64, 96, 4, 4, 16);
    const KVCache wrong(other.config, 4, KVKind::kInt8);
    const Input in;
    CHECK_THROWS_AS(Batch({in.tokens, in.starts, in.positions, in.pages, in.width, in.rows}, options.config, wrong),
                    std::invalid_argument);
}
