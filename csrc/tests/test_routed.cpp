// Sequences that are longer than their pages: far pages, what each head sees of them, moved keys, shallow steps.
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

struct Call {
    std::vector<int32_t> tokens;
    int32_t position = 0;
    std::vector<int32_t> pages;
    Route route;
    bool shallow = false;
};

// A model with one sequence at a time, whose pages the test fills.
struct Fixture {
    TinyOptions options;
    ThreadPool pool{2};
    TinyModel model;
    KVCache cache;
    Decoder decoder;

    explicit Fixture(const TinyOptions& o, const Kernels& kernels, KVKind kind = KVKind::kInt8)
        : options(o),
          model(options, pool, 91),
          cache(options.config, 32, kind),
          decoder(options.config, model.weights, kernels, pool) {}

    // Logits [tokens, vocab]; of a shallow step, none.
    std::vector<float> run(const Call& call, const FarHeads* heads) {
        const std::vector<int32_t> starts = {0, static_cast<int32_t>(call.tokens.size())};
        const std::vector<int32_t> positions = {call.position};
        std::vector<int32_t> rows;
        for (size_t i = 0; i < call.tokens.size() && !call.shallow; ++i) rows.push_back(static_cast<int32_t>(i));
        const auto vocab = static_cast<size_t>(options.config.vocab);
        std::vector<float> logits(rows.size() * vocab);
        BatchView view{call.tokens, starts, positions, call.pages, static_cast<int64_t>(call.pages.size()), rows};
        const std::vector<Route> routes = {call.route};
        if (heads != nullptr) view.routes = routes;
        view.far_heads = heads;
        view.shallow = call.shallow;
        decoder.forward(cache, view, [&](int64_t row, std::span<float> values) {
            std::copy(values.begin(), values.end(), logits.begin() + row * static_cast<int64_t>(vocab));
        });
        return logits;
    }

    std::vector<uint8_t> gathered(int64_t page, const FarHeads& heads) const {
        std::vector<uint8_t> bytes(heads.list().size() * static_cast<size_t>(cache.head_bytes()));
        cache.gather(page, heads.list(), bytes);
        return bytes;
    }

    void move(const std::vector<uint8_t>& source, const FarHeads& heads, int64_t from, int64_t count, int64_t page,
              int64_t slot, int64_t distance) {
        decoder.move(cache, {source, heads.list(), from, count, page, slot, distance});
    }
};

std::vector<int32_t> slice(const std::vector<int32_t>& all, int64_t from, int64_t to) {
    return {all.begin() + from, all.begin() + to};
}

std::vector<int32_t> every_head(const ModelConfig& config) {
    std::vector<int32_t> heads;
    for (int64_t i = 0; i < config.layers * config.kv_heads; ++i) heads.push_back(static_cast<int32_t>(i));
    return heads;
}

TinyOptions small(int64_t layers = 3) {
    TinyOptions o = tiny_options(64, 96, 4, 2, 32, layers);
    o.format = "q8";
    return o;
}

}  // namespace

TEST_CASE("routed: with all of the past in its far pages, a sequence is what it would be without them") {
    for (const KVKind kind : {KVKind::kInt8, KVKind::kBf16}) {
        for (const bool interleaved : {false, true}) {
            for (const Kernels* kernels : all_kernels()) {
                CAPTURE(std::string(isa_name(kernels->isa)));
                CAPTURE((kind == KVKind::kInt8));
                TinyOptions options = small();
                options.config.rope_interleaved = interleaved;
                options.config.rope_dims = interleaved ? 16 : 0;
                Fixture f(options, *kernels, kind);
                const FarHeads all(options.config, every_head(options.config));
                const std::vector<int32_t> text = random_tokens(400, 92);
                f.run({slice(text, 0, 256), 0, {0, 1}, {}}, nullptr);
                const std::vector<float> expected = f.run({slice(text, 256, 400), 256, {0, 1, 2, 3}, {}}, nullptr);
                // The same two pages by way of blocks, in halves, to other pages; and nothing is turned.
                const std::vector<uint8_t> first = f.gathered(0, all);
                const std::vector<uint8_t> second = f.gathered(1, all);
                f.move(first, all, 0, 128, 10, 0, 0);
                f.move(second, all, 0, 64, 11, 0, 0);
                f.move(second, all, 64, 64, 11, 64, 0);
                const std::vector<float> got =
                    f.run({slice(text, 256, 400), 256, {10, 11, 12, 13}, {2, 0, 0, 0}}, &all);
                CHECK(relative_error(got, expected) < 1e-3);
            }
        }
    }
}

TEST_CASE("routed: what is moved is seen at its new distance") {
    for (const Kernels* kernels : all_kernels()) {
        CAPTURE(std::string(isa_name(kernels->isa)));
        const TinyOptions options = small(2);
        Fixture f(options, *kernels);
        const FarHeads all(options.config, every_head(options.config));
        const std::vector<int32_t> text = random_tokens(200, 93);
        f.run({slice(text, 0, 128), 0, {0}, {}}, nullptr);
        const std::vector<float> expected = f.run({slice(text, 128, 200), 128, {0, 1}, {}}, nullptr);
        // As if thousands of tokens lay between the first page and the rest, which see it right before them.
        const int32_t offset = 5000;
        f.move(f.gathered(0, all), all, 0, 128, 10, 0, offset);
        const std::vector<float> got = f.run({slice(text, 128, 200), 128, {10, 11}, {1, offset, 0, 0}}, &all);
        CHECK(relative_error(got, expected) < 0.04);
        // And it does matter: without the turn the first page is somewhere else.
        f.move(f.gathered(0, all), all, 0, 128, 10, 0, 0);
        const std::vector<float> wrong = f.run({slice(text, 128, 200), 128, {10, 11}, {1, offset, 0, 0}}, &all);
        CHECK(relative_error(wrong, expected) > 0.2);
    }
}

TEST_CASE("routed: heads that do not see far see the sinks alone") {
    for (const Kernels* kernels : all_kernels()) {
        CAPTURE(std::string(isa_name(kernels->isa)));
        const TinyOptions options = small();
        Fixture f(options, *kernels);
        const FarHeads none(options.config, {});
        const FarHeads one(options.config, {2});
        const FarHeads all(options.config, every_head(options.config));
        const std::vector<int32_t> text = random_tokens(500, 94);
        f.run({slice(text, 0, 256), 0, {0, 1}, {}}, nullptr);
        const auto far = [&](int64_t page, int64_t target, int64_t distance) {
            f.move(f.gathered(page, all), all, 0, 128, target, 0, distance);
        };
        const std::vector<int32_t> rest = slice(text, 256, 330);
        far(0, 10, 128);
        const std::vector<float> sinks_alone = f.run({rest, 128, {10, 12}, {1, 128, 0, 0}}, &all);
        far(1, 11, 0);
        const std::vector<float> local = f.run({rest, 256, {10, 11, 12}, {2, 0, 0, 0}}, &none);
        const std::vector<float> with_one = f.run({rest, 256, {10, 11, 12}, {2, 0, 0, 0}}, &one);
        // The sinks lie at the same distance in both, and the page between them is there for the far head alone.
        CHECK(relative_error(local, sinks_alone) < 1e-3);
        CHECK(relative_error(with_one, sinks_alone) > 1e-3);
    }
}

TEST_CASE("routed: sliding windows stay what they were, and see no far pages") {
    TinyOptions options = small();
    options.config.window = {40, 0, 40};
    for (const Kernels* kernels : all_kernels()) {
        Fixture f(options, *kernels);
        const FarHeads none(options.config, {});
        const FarHeads middle(options.config, {2, 3});
        const std::vector<int32_t> text = random_tokens(300, 95);
        f.run({slice(text, 0, 128), 0, {0}, {}}, nullptr);
        const std::vector<float> expected = f.run({slice(text, 128, 300), 128, {0, 1, 2}, {}}, nullptr);
        f.move(f.gathered(0, middle), middle, 0, 128, 10, 0, 0);
        // The tokens behind the first window's reach see the same as without far pages.
        const std::vector<float> got = f.run({slice(text, 128, 300), 128, {10, 11, 12}, {1, 0, 0, 0}}, &middle);
        const size_t from = 100 * 101;
        CHECK(relative_error({got.begin() + from, got.end()}, {expected.begin() + from, expected.end()}) < 0.2);
        CHECK(std::all_of(got.begin(), got.end(), [](float x) { return std::isfinite(x); }));
    }
}

TEST_CASE("routed: what lies before `first` is not seen, whatever it is") {
    for (const Kernels* kernels : all_kernels()) {
        CAPTURE(std::string(isa_name(kernels->isa)));
        const TinyOptions options = small();
        Fixture f(options, *kernels);
        const FarHeads all(options.config, every_head(options.config));
        const std::vector<int32_t> text = random_tokens(300, 96);
        f.run({slice(text, 0, 128), 0, {0}, {}}, nullptr);
        const auto run = [&] { return f.run({slice(text, 128, 250), 128 + 77, {0, 1, 2}, {1, 0, 128 + 77, 0}}, &all); };
        const std::vector<float> fresh = run();
        std::fill_n(f.cache.page(1), f.cache.page_bytes(), uint8_t{200});
        // Scales of what is hidden may be anything that a page once held.
        f.run({slice(text, 0, 128), 0, {1}, {}}, nullptr);
        CHECK(run() == fresh);
    }
}

TEST_CASE("routed: a shallow step fills what the far heads need, and nothing above") {
    for (const Kernels* kernels : all_kernels()) {
        for (const int64_t count : {int64_t{20}, int64_t{128}}) {  // by panels, and by rows
            CAPTURE(std::string(isa_name(kernels->isa)));
            CAPTURE(count);
            const TinyOptions options = small(4);
            Fixture f(options, *kernels);
            const FarHeads low(options.config, {1, 2});
            CHECK(low.depth() == 2);
            const std::vector<int32_t> text = random_tokens(count, 97);
            f.run({text, 0, {0}, {}}, nullptr);
            std::fill_n(f.cache.page(1), f.cache.page_bytes(), uint8_t{7});
            f.run({text, 0, {1}, {0, 0, 0, 0}, true}, &low);
            const int64_t per_layer = 2 * f.cache.head_bytes();
            // Slots behind the last token hold what was there.
            const FarHeads first(options.config, {0, 1, 2, 3});
            const std::vector<uint8_t> whole = f.gathered(0, first);
            const std::vector<uint8_t> shallow = f.gathered(1, first);
            if (count == 128) CHECK(whole == shallow);
            const uint8_t* above = f.cache.page(1) + 2 * per_layer;
            CHECK(std::all_of(above, above + 2 * per_layer, [](uint8_t byte) { return byte == 7; }));
        }
    }
}

TEST_CASE("routed: layers above the far heads see only what they were run for") {
    for (const Kernels* kernels : all_kernels()) {
        const TinyOptions options = small(3);
        Fixture f(options, *kernels);
        const FarHeads low(options.config, {0});
        const std::vector<int32_t> text = random_tokens(256, 98);
        f.run({slice(text, 0, 128), 0, {0}, {0, 0, 0, 0}, true}, &low);
        const auto rest = [&] { return f.run({slice(text, 128, 256), 128, {0, 1}, {0, 0, 0, 128}}, &low); };
        const std::vector<float> got = rest();
        const int64_t layer = 2 * f.cache.head_bytes();
        std::fill_n(f.cache.page(0) + layer, 2 * layer, uint8_t{3});
        CHECK(rest() == got);
    }
}

TEST_CASE("routed: what would be out of place is refused") {
    const TinyOptions options = small();
    Fixture f(options, *all_kernels().front());
    const FarHeads heads(options.config, {0});
    const std::vector<int32_t> text = random_tokens(4, 99);
    CHECK_THROWS_AS(FarHeads(options.config, {6}), std::invalid_argument);
    CHECK_THROWS_AS(FarHeads(options.config, {-1}), std::invalid_argument);
    CHECK_THROWS_AS(FarHeads(options.config, {1, 1}), std::invalid_argument);
    CHECK_THROWS_AS(f.run({text, 128, {0, 1}, {2, 0, 0, 0}}, &heads), std::invalid_argument);
    CHECK_THROWS_AS(f.run({text, 128, {0, 1}, {-1, 0, 0, 0}}, &heads), std::invalid_argument);
    CHECK_THROWS_AS(f.run({text, 128, {0, 1}, {1, 0, 129, 0}}, &heads), std::invalid_argument);
    CHECK_THROWS_AS(f.run({text, 128, {0, 1}, {1, 0, 0, -1}}, &heads), std::invalid_argument);
    const FarHeads other(small(4).config, {0});
    CHECK_THROWS_AS(f.run({text, 128, {0, 1}, {1, 0, 0, 0}}, &other), std::invalid_argument);
    const std::vector<uint8_t> block = f.gathered(0, heads);
    CHECK_THROWS_AS(f.move(block, heads, 0, 129, 1, 0, 0), std::invalid_argument);
    CHECK_THROWS_AS(f.move(block, heads, 100, 64, 1, 0, 0), std::invalid_argument);
    CHECK_THROWS_AS(f.move(block, heads, 0, 64, 1, 100, 0), std::invalid_argument);
    CHECK_THROWS_AS(f.move(block, heads, 0, 64, 32, 0, 0), std::invalid_argument);
    CHECK_THROWS_AS(f.move({block.begin(), block.end() - 1}, heads, 0, 64, 1, 0, 0), std::invalid_argument);
}
