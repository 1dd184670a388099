// Tiles and matmul of every format and instruction set against the scalar reference.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "kernel_list.h"
#include "ops/reference.h"
#include "packing.h"
#include "random.h"

namespace {

using namespace spatz;
using namespace spatz::test;

constexpr float kGuard = 12345.0f;

void fill_tile(const Kernels& kernels, Format format, const float* x, int64_t stride, const Tile& tile) {
    if (format == Format::kBf16) {
        kernels.to_bf16(x, stride, tile);
    } else {
        kernels.quantize(x, stride, kNoOutlier, tile);
    }
}

// What the kernel computes with: x rounded to int8 blocks or to bf16.
std::vector<float> rounded(Format format, const std::vector<float>& x) {
    if (format != Format::kBf16) return reference::dequantize_int8(reference::quantize_int8(x, kBlock));
    std::vector<float> out;
    for (const float v : x) out.push_back(bf16_to_float(float_to_bf16(v)));
    return out;
}

std::vector<float> run_matmul(const Kernels& kernels, Format format, const PackedWeights& w, const float* x,
                              int64_t stride, int rows) {
    OwnedTile owned(rows, w.k);
    fill_tile(kernels, format, x, stride, owned.tile);
    std::vector<float> out(static_cast<size_t>(rows * w.n), kGuard);
    kernels.matmul(format, w.bytes.data(), w.n / kPanel, owned.tile, nullptr, out.data(), w.n, false);
    return out;
}

// Largest error relative to the sum of the products' magnitudes.
double worst_error(const std::vector<float>& got, const std::vector<float>& x, const PackedWeights& w, int64_t rows,
                   const std::vector<float>& expected) {
    double worst = 0.0;
    for (int64_t r = 0; r < rows; ++r) {
        for (int64_t j = 0; j < w.n; ++j) {
            double magnitude = 1e-9;
            for (int64_t i = 0; i < w.k; ++i)
                magnitude += std::abs(static_cast<double>(x[static_cast<size_t>(r * w.k + i)]) *
                                      static_cast<double>(w.values[static_cast<size_t>(j * w.k + i)]));
            const auto at = static_cast<size_t>(r * w.n + j);
            worst =
                std::max(worst, std::abs(static_cast<double>(got[at]) - static_cast<double>(expected[at])) / magnitude);
        }
    }
    return worst;
}

constexpr Format kFormats[] = {Format::kQ4, Format::kQ8, Format::kBf16};

}  // namespace

TEST_CASE("matmul: every format, row count and shape against the reference") {
    Random random(11);
    for (const Kernels* kernels : all_kernels()) {
        for (const Format format : kFormats) {
            CAPTURE(std::string(isa_name(kernels->isa)));
            CAPTURE(std::string(format_name(format)));
            for (const int64_t k : {32, 64, 96, 576, 1536}) {
                const int64_t panels = k > 500 ? 3 : 1 + random.below(6);
                const PackedWeights w = random_weights(format, panels * kPanel, k, random);
                for (int rows = 1; rows <= kernels->max_rows; ++rows) {
                    CAPTURE(k);
                    CAPTURE(rows);
                    const std::vector<float> x = random.normals(rows * k, 2.0f);
                    const std::vector<float> seen = rounded(format, x);
                    const std::vector<float> expected = reference::matmul(seen, w.values, {}, rows, w.n, k);
                    const std::vector<float> got = run_matmul(*kernels, format, w, x.data(), k, rows);
                    CHECK(worst_error(got, seen, w, rows, expected) < 3e-6);
                }
            }
        }
    }
}

TEST_CASE("matmul: a row is the same to the bit whatever shares its tile") {
    Random random(12);
    for (const Kernels* kernels : all_kernels()) {
        for (const Format format : kFormats) {
            CAPTURE(std::string(isa_name(kernels->isa)));
            CAPTURE(std::string(format_name(format)));
            const int64_t k = 160;
            const PackedWeights w = random_weights(format, 5 * kPanel, k, random);
            const std::vector<float> x = random.normals(40 * k);
            std::vector<float> alone;
            for (int64_t r = 0; r < 40; ++r) {
                const std::vector<float> row = run_matmul(*kernels, format, w, x.data() + r * k, k, 1);
                alone.insert(alone.end(), row.begin(), row.end());
            }
            for (int rows = 2; rows <= kernels->max_rows; ++rows) {
                CAPTURE(rows);
                for (int64_t first = 0; first + rows <= 40; first += rows) {
                    const std::vector<float> got = run_matmul(*kernels, format, w, x.data() + first * k, k, rows);
                    CHECK(std::equal(got.begin(), got.end(), alone.begin() + first * w.n));
                }
            }
            // Nor does it matter how many panels one call takes.
            OwnedTile owned(3 <= kernels->max_rows ? 3 : 1, k);
            fill_tile(*kernels, format, x.data(), k, owned.tile);
            for (int64_t panel = 0; panel < 5; ++panel) {
                std::vector<float> out(static_cast<size_t>(owned.tile.rows * kPanel));
                kernels->matmul(format, w.bytes.data() + panel * panel_bytes(format, k), 1, owned.tile, nullptr,
                                out.data(), kPanel, false);
                for (int64_t r = 0; r < owned.tile.rows; ++r)
                    CHECK(std::equal(out.begin() + r * kPanel, out.begin() + (r + 1) * kPanel,
                                     alone.begin() + r * w.n + panel * kPanel));
            }
        }
    }
}

TEST_CASE("matmul: bias, accumulation, odd strides and misaligned pointers; nothing else is written") {
    Random random(13);
    for (const Kernels* kernels : all_kernels()) {
        for (const Format format : kFormats) {
            CAPTURE(std::string(isa_name(kernels->isa)));
            CAPTURE(std::string(format_name(format)));
            const int64_t k = 96, n = 2 * kPanel, in_stride = k + 3, out_stride = n + 5;
            const int rows = std::min(kernels->max_rows, 3);
            const PackedWeights w = random_weights(format, n, k, random);
            const std::vector<float> x = random.normals(rows * in_stride + 1);
            const std::vector<float> bias = random.normals(n + 1);
            OwnedTile owned(rows, k);
            fill_tile(*kernels, format, x.data() + 1, in_stride, owned.tile);
            std::vector<float> out(static_cast<size_t>(rows * out_stride + 1), kGuard);
            kernels->matmul(format, w.bytes.data(), 2, owned.tile, bias.data() + 1, out.data() + 1, out_stride, false);
            std::vector<float> twice = out;
            kernels->matmul(format, w.bytes.data(), 2, owned.tile, nullptr, twice.data() + 1, out_stride, true);
            CHECK(out[0] == kGuard);
            for (int64_t r = 0; r < rows; ++r) {
                const float* row = x.data() + 1 + r * in_stride;
                const std::vector<float> seen = rounded(format, std::vector<float>(row, row + k));
                const std::vector<float> plain = reference::matmul(seen, w.values, {}, 1, n, k);
                for (int64_t j = 0; j < out_stride; ++j) {
                    const auto at = static_cast<size_t>(1 + r * out_stride + j);
                    if (j >= n) {
                        CHECK(out[at] == kGuard);
                        CHECK(twice[at] == kGuard);
                        continue;
                    }
                    const float once = plain[static_cast<size_t>(j)] + bias[static_cast<size_t>(j + 1)];
                    CHECK(std::abs(out[at] - once) < 1e-4f);
                    CHECK(std::abs(twice[at] - once - plain[static_cast<size_t>(j)]) < 1e-4f);
                }
            }
        }
    }
}

TEST_CASE("quantize: tiles hold what the layout says") {
    Random random(14);
    for (const Kernels* kernels : all_kernels()) {
        CAPTURE(std::string(isa_name(kernels->isa)));
        for (int rows = 1; rows <= kernels->max_rows; ++rows) {
            const int64_t k = 128;
            std::vector<float> x = random.normals(rows * k, 3.0f);
            std::fill(x.begin() + 32, x.begin() + 64, 0.0f);
            const reference::Quantized expected = reference::quantize_int8(x, kBlock);
            OwnedTile owned(rows, k);
            kernels->quantize(x.data(), k, kNoOutlier, owned.tile);
            for (int64_t r = 0; r < rows; ++r) {
                for (int64_t b = 0; b < k / kBlock; ++b) {
                    int32_t sum = 0;
                    for (int64_t i = b * kBlock; i < (b + 1) * kBlock; ++i) {
                        const int8_t value = owned.tile.values[(i / 4 * rows + r) * 4 + i % 4];
                        CHECK(value == expected.values[static_cast<size_t>(r * k + i)]);
                        sum += value;
                    }
                    const float scale = expected.scales[static_cast<size_t>(r * (k / kBlock) + b)];
                    CHECK(owned.tile.scales[b * rows + r] == scale);
                    CHECK(owned.tile.sums[b * rows + r] == scale * static_cast<float>(sum));
                    CHECK(owned.tile.offsets[b * rows + r] == -128 * sum);
                }
            }
        }
    }
}

TEST_CASE("quantize: values that are tiny, huge or no numbers leave a consistent tile") {
    constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
    constexpr float kInf = std::numeric_limits<float>::infinity();
    for (const Kernels* kernels : all_kernels()) {
        CAPTURE(std::string(isa_name(kernels->isa)));
        for (const float odd : {0.0f, -0.0f, 1e-45f, 1e-38f, 3e-37f, 1e-20f, 1e30f, 3.4e38f, kNan, kInf, -kInf}) {
            for (const size_t place : {0, 5, 16, 31}) {
                for (const bool everywhere : {false, true}) {
                    CAPTURE(odd);
                    CAPTURE(place);
                    CAPTURE(everywhere);
                    std::vector<float> x(kBlock, everywhere ? odd : 0.0f);
                    x[place] = odd;
                    if (!everywhere) x[(place + 9) % kBlock] = std::isfinite(odd) ? -odd / 3.0f : 1.0f;
                    OwnedTile owned(1, kBlock);
                    kernels->quantize(x.data(), kBlock, kNoOutlier, owned.tile);
                    int32_t sum = 0;
                    for (int i = 0; i < kBlock; ++i) {
                        CHECK(owned.tile.values[i] >= -127);
                        sum += owned.tile.values[i];
                    }
                    CHECK(owned.tile.offsets[0] == -128 * sum);
                    CHECK(owned.tile.sums[0] == owned.tile.scales[0] * static_cast<float>(sum));
                    CHECK(std::isfinite(owned.tile.scales[0]));
                    if (std::isfinite(odd)) {
                        for (int i = 0; i < kBlock; ++i) {
                            const float back = static_cast<float>(owned.tile.values[i]) * owned.tile.scales[0];
                            CHECK(std::abs(back - x[static_cast<size_t>(i)]) <= std::abs(odd) / 200.0f + 1e-30f);
                        }
                    }
                }
            }
        }
    }
}
