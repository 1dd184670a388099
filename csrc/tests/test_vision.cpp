// The vision tower against the scalar one, and the promise that an image's tokens depend on that image alone.
#include <doctest/doctest.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernel_list.h"
#include "logits.h"
#include "model/vision.h"
#include "tiny_vision.h"

namespace {

using namespace spatz;
using namespace spatz::test;

VisionConfig tower(int64_t patch, int64_t hidden, int64_t intermediate, int64_t heads, int64_t shuffle,
                   int64_t text_hidden, int64_t layers = 2) {
    VisionConfig c;
    c.patch = patch;
    c.positions = 25;
    c.hidden = hidden;
    c.intermediate = intermediate;
    c.layers = layers;
    c.heads = heads;
    c.shuffle = shuffle;
    c.text_hidden = text_hidden;
    return c;
}

std::vector<float> encode(VisionEncoder& encoder, const Pictures& pictures, int64_t text_hidden) {
    std::vector<float> out(
        static_cast<size_t>(pictures.images * encoder.tokens(pictures.height, pictures.width) * text_hidden), -7.0f);
    encoder.encode(pictures.view(), out);
    return out;
}

struct Shape {
    const char* name;
    VisionConfig config;
    int64_t height, width;
    bool masked;
};

const std::vector<Shape> kShapes = {
    {"more patches than a page has tokens", tower(4, 64, 96, 4, 2, 48), 48, 56, false},
    {"sizes that are no multiple of a block, pixels behind the last patch, padding", tower(3, 72, 100, 3, 3, 40), 19,
     29, true},
    {"one patch is one token", tower(2, 32, 64, 1, 1, 16, 1), 2, 2, false},
};

Pictures made(const TinyTower& model, const Shape& shape, int64_t images, uint64_t seed) {
    Pictures out = model.pictures(images, shape.height, shape.width, seed);
    for (size_t i = 0; shape.masked && i < out.positions.size(); ++i) out.mask.push_back(i % 7 < 5 ? 1 : 0);
    return out;
}

}  // namespace

TEST_CASE("vision: every shape, format and instruction set against the scalar tower") {
    ThreadPool pool(2);
    for (const Shape& shape : kShapes) {
        for (const std::string format : {"q4", "q8", "bf16"}) {
            const TinyTower model(shape.config, format, pool, 81);
            const Pictures pictures = made(model, shape, 2, 82);
            std::vector<float> expected = model.reference_tokens(pictures, 0);
            const std::vector<float> second = model.reference_tokens(pictures, 1);
            expected.insert(expected.end(), second.begin(), second.end());
            for (const Kernels* kernels : all_kernels()) {
                CAPTURE(std::string(shape.name));
                CAPTURE(format);
                CAPTURE(std::string(isa_name(kernels->isa)));
                VisionEncoder encoder(shape.config, model.weights, *kernels, pool);
                CHECK(relative_error(encode(encoder, pictures, shape.config.text_hidden), expected) < 0.02);
            }
        }
    }
}

TEST_CASE("vision: threads, the images beside it and what was encoded before do not change a bit") {
    for (const Shape& shape : kShapes) {
        for (const std::string format : {"q8", "bf16"}) {
            std::vector<float> expected;
            for (const int threads : {1, 2}) {
                CAPTURE(std::string(shape.name));
                CAPTURE(format);
                ThreadPool pool(threads);
                const TinyTower model(shape.config, format, pool, 83);
                const Pictures three = made(model, shape, 3, 84);
                VisionEncoder encoder(shape.config, model.weights, *all_kernels().front(), pool);
                if (threads == 1) expected = encode(encoder, three, shape.config.text_hidden);
                CHECK(encode(encoder, three, shape.config.text_hidden) == expected);
                Pictures last{1, three.height, three.width, {}, {}, {}};
                const auto third = [](const auto& all, auto& to) {
                    to.assign(all.end() - static_cast<ptrdiff_t>(all.size() / 3), all.end());
                };
                third(three.pixels, last.pixels);
                third(three.positions, last.positions);
                third(three.mask, last.mask);
                std::vector<float> wanted;
                third(expected, wanted);
                CHECK(encode(encoder, last, shape.config.text_hidden) == wanted);
            }
        }
    }
}

TEST_CASE("vision: beside padding, an image becomes what it is without any") {
    ThreadPool pool(2);
    const VisionConfig config = tower(4, 64, 96, 4, 2, 48);
    for (const std::string format : {"q8", "bf16"}) {
        const TinyTower model(config, format, pool, 85);
        const Pictures small = model.pictures(1, 32, 40, 86);  // 8 x 10 patches
        Pictures padded = model.pictures(1, 48, 56, 87);       // 12 x 14 patches
        padded.mask.assign(padded.positions.size(), 0);
        for (int64_t channel = 0; channel < kImageChannels; ++channel) {
            for (int64_t y = 0; y < 32; ++y) {
                std::copy_n(small.pixels.begin() + (channel * 32 + y) * 40, 40,
                            padded.pixels.begin() + (channel * 48 + y) * 56);
            }
        }
        for (int64_t y = 0; y < 8; ++y) {
            std::copy_n(small.positions.begin() + y * 10, 10, padded.positions.begin() + y * 14);
            std::fill_n(padded.mask.begin() + y * 14, 10, 1);
        }
        for (const Kernels* kernels : all_kernels()) {
            CAPTURE(format);
            CAPTURE(std::string(isa_name(kernels->isa)));
            VisionEncoder encoder(config, model.weights, *kernels, pool);
            const std::vector<float> alone = encode(encoder, small, 48);  // 4 x 5 tokens
            const std::vector<float> beside = encode(encoder, padded, 48);
            for (int64_t y = 0; y < 4; ++y) {
                CHECK(std::equal(alone.begin() + y * 5 * 48, alone.begin() + (y + 1) * 5 * 48,
                                 beside.begin() + y * 7 * 48));
            }
        }
    }
}

TEST_CASE("vision: images that do not fit are refused, and leave no trace") {
    ThreadPool pool(1);
    const VisionConfig config = tower(4, 64, 96, 4, 2, 48);
    const TinyTower model(config, "q8", pool, 88);
    VisionEncoder encoder(config, model.weights, *all_kernels().front(), pool);
    CHECK(encoder.tokens(16, 24) == 6);
    CHECK(encoder.tokens(19, 27) == 6);  // pixels behind the last patch
    for (const auto& [height, width] : {std::pair{3, 16}, std::pair{16, 0}, std::pair{-16, 16}, std::pair{12, 16},
                                        std::pair{16, 20}, std::pair{16384, 16384}, std::pair{16392, 8}}) {
        CHECK_THROWS_AS(encoder.tokens(height, width), std::invalid_argument);
    }
    const Pictures good = model.pictures(2, 16, 24, 89);
    const std::vector<float> expected = encode(encoder, good, 48);
    const auto refused = [&](auto change) {
        Pictures bad = good;
        change(bad);
        std::vector<float> out(2 * 6 * 48);
        CHECK_THROWS_AS(encoder.encode(bad.view(), out), std::invalid_argument);
    };
    refused([](Pictures& p) { p.images = 0; });
    refused([](Pictures& p) { p.images = 3; });
    refused([](Pictures& p) { p.pixels.pop_back(); });
    refused([](Pictures& p) { p.height = 24; });
    refused([](Pictures& p) { p.positions.pop_back(); });
    refused([](Pictures& p) { p.positions[5] = 25; });
    refused([](Pictures& p) { p.positions[47] = -1; });
    refused([](Pictures& p) { p.mask.assign(47, 1); });
    refused([](Pictures& p) { p.mask.assign(48, 1), std::fill_n(p.mask.begin() + 24, 24, 0); });
    std::vector<float> short_one(2 * 6 * 48 - 1);
    CHECK_THROWS_AS(encoder.encode(good.view(), short_one), std::invalid_argument);
    CHECK(encode(encoder, good, 48) == expected);
}

TEST_CASE("vision: configurations and tensors that make no sense are refused") {
    ThreadPool pool(1);
    const auto wrong = [](auto change) {
        VisionConfig config = tower(4, 64, 96, 4, 2, 48);
        change(config);
        CHECK_THROWS_AS(VisionWeights{config}, std::invalid_argument);
    };
    wrong([](VisionConfig& c) { c.patch = 0; });
    wrong([](VisionConfig& c) { c.positions = 0; });
    wrong([](VisionConfig& c) { c.heads = 3; });
    wrong([](VisionConfig& c) { c.heads = 0; });
    wrong([](VisionConfig& c) { c.hidden = 2048, c.heads = 1; });
    wrong([](VisionConfig& c) { c.intermediate = -1; });
    wrong([](VisionConfig& c) { c.layers = 0; });
    wrong([](VisionConfig& c) { c.norm_eps = -1.0; });
    wrong([](VisionConfig& c) { c.shuffle = 0; });
    wrong([](VisionConfig& c) { c.hidden = 16384, c.heads = 64, c.shuffle = 4; });
    wrong([](VisionConfig& c) { c.text_hidden = 0; });

    VisionWeights weights(tower(4, 64, 96, 4, 2, 48));
    const std::vector<uint8_t> zeros(64 * 96 * 4);
    const auto set = [&](const std::string& name, std::vector<int64_t> shape) {
        size_t bytes = 4;
        for (const int64_t n : shape) bytes *= static_cast<size_t>(n);
        weights.set(name, "F32", shape, std::span(zeros).first(bytes), "", pool);
    };
    set("layers.1.ffn_up", {96, 64});
    CHECK_THROWS_AS(set("layers.1.ffn_up", {96, 64}), std::invalid_argument);
    CHECK_THROWS_AS(set("layers.0.ffn_up", {64, 96}), std::invalid_argument);
    CHECK_THROWS_AS(set("layers.2.ffn_up", {96, 64}), std::invalid_argument);
    CHECK_THROWS_AS(set("layers.0.ffn_gate", {96, 64}), std::invalid_argument);
    CHECK_THROWS_AS(set("positions", {64}), std::invalid_argument);
    CHECK_THROWS_AS(set("lm_head", {64}), std::invalid_argument);
    set("positions", {25, 64});
    set("patch_bias", {64});
    CHECK_THROWS_AS(weights.finish(), std::invalid_argument);
}
