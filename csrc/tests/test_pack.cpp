// From file blocks to packed panels and back, and through the kernels.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/memory.h"
#include "base/thread_pool.h"
#include "kernel_list.h"
#include "ops/pack.h"
#include "ops/reference.h"
#include "packing.h"
#include "random.h"

namespace {

using namespace spatz;
using namespace spatz::test;

constexpr Format kFormats[] = {Format::kQ4, Format::kQ8, Format::kBf16};

// A packed matrix with memory of exactly its size.
struct Packed {
    Packed(DType dtype, Format format, int64_t n, int64_t k, const std::vector<uint8_t>& data, ThreadPool& pool)
        : storage(static_cast<size_t>(PackedMatrix{n, k, round_up(k, kBlock), format, nullptr}.bytes())),
          matrix{n, k, round_up(k, kBlock), format, storage.data()} {
        pack(matrix, dtype, data.data(), storage.data(), pool);
    }
    std::vector<uint8_t> storage;
    PackedMatrix matrix;

    std::vector<float> unpacked() const {  // [n, k]
        std::vector<float> all;
        std::vector<float> row(static_cast<size_t>(matrix.k_padded));
        for (int64_t i = 0; i < matrix.n; ++i) {
            unpack_row(matrix, i, row.data());
            all.insert(all.end(), row.begin(), row.begin() + matrix.k);
            for (int64_t j = matrix.k; j < matrix.k_padded; ++j) CHECK(row[static_cast<size_t>(j)] == 0.0f);
        }
        return all;
    }
};

bool kept_exactly(DType dtype, Format format) {
    if (dtype == DType::kQ4_0 || dtype == DType::kQ4_1) return format == Format::kQ4;
    if (dtype == DType::kQ8_0 || dtype == DType::kQ5_0) return format == Format::kQ8;
    return dtype == DType::kBF16 && format == Format::kBf16;
}

}  // namespace

TEST_CASE("dequantize: every file type, bit for bit as the reference") {
    Random random(41);
    for (const DType dtype : kAllTypes) {
        CAPTURE(std::string(type_name(dtype)));
        CHECK(parse_dtype(type_name(dtype)) == dtype);
        CHECK(block_bytes(dtype) == reference::block_shape(type_name(dtype)).bytes);
        CHECK(block_elements(dtype) == reference::block_shape(type_name(dtype)).values);
        const std::vector<uint8_t> data = random_file_blocks(dtype, 300, random);
        const std::vector<float> expected = reference::dequantize(type_name(dtype), data);
        std::vector<float> got(expected.size());
        dequantize(dtype, data.data(), 300, got.data());
        CHECK(got == expected);
    }
    CHECK_THROWS_AS(parse_dtype("Q2_K"), std::invalid_argument);
    CHECK_THROWS_AS(parse_format("q5"), std::invalid_argument);
}

TEST_CASE("pack: what comes back is what went in, as closely as the format allows") {
    Random random(42);
    ThreadPool pool(3);
    for (const DType dtype : kAllTypes) {
        for (const Format format : kFormats) {
            CAPTURE(std::string(type_name(dtype)));
            CAPTURE(std::string(format_name(format)));
            for (const int64_t n : {1, 15, 16, 17, 40, 300}) {
                const int64_t k = block_elements(dtype) == 1 ? 1 + random.below(100) : block_elements(dtype) * 2;
                const std::vector<uint8_t> data = random_file_blocks(dtype, n * k / block_elements(dtype), random);
                const Packed packed(dtype, format, n, k, data, pool);
                const std::vector<float> expected = reference::dequantize(type_name(dtype), data);
                const std::vector<float> got = packed.unpacked();
                REQUIRE(got.size() == expected.size());
                if (kept_exactly(dtype, format)) {
                    const bool has_lowest = dtype == DType::kQ8_0;  // -128 is moved to -127 with a larger scale
                    for (size_t i = 0; i < got.size(); ++i)
                        CHECK(std::abs(got[i] - expected[i]) <= (has_lowest ? 6e-3f * 128.0f * 0.021f : 0.0f));
                    continue;
                }
                for (size_t i = 0; i < got.size(); ++i) {
                    // Half a step of the block: its range / 15, or its largest magnitude / 127, and what f16 rounds
                    // off.
                    const size_t row = i / static_cast<size_t>(k) * static_cast<size_t>(k);
                    const size_t first = row + (i - row) / kBlock * kBlock;
                    const size_t last = std::min(first + kBlock, row + static_cast<size_t>(k));
                    float low = last - first < kBlock ? 0.0f : expected[first], high = low;
                    for (size_t j = first; j < last; ++j) {
                        low = std::min(low, expected[j]);
                        high = std::max(high, expected[j]);
                    }
                    const float largest = std::max(-low, high);
                    const float step = format == Format::kQ4   ? (high - low) / 15.0f
                                       : format == Format::kQ8 ? largest / 127.0f
                                                               : std::abs(expected[i]) / 128.0f;
                    CHECK(std::abs(got[i] - expected[i]) <= 0.5f * step + 2e-3f * largest + 1e-6f);
                }
            }
        }
    }
}

TEST_CASE("pack: matrices of odd sizes through every kernel") {
    Random random(43);
    ThreadPool pool(2);
    for (const Kernels* kernels : all_kernels()) {
        for (const Format format : kFormats) {
            for (const auto& [n, k] : {std::pair<int64_t, int64_t>{1, 1}, {17, 33}, {50, 64}, {16, 31}, {33, 100}}) {
                CAPTURE(std::string(isa_name(kernels->isa)));
                CAPTURE(std::string(format_name(format)));
                CAPTURE(n);
                CAPTURE(k);
                const std::vector<uint8_t> data = random_file_blocks(DType::kF32, n * k, random);
                const Packed packed(DType::kF32, format, n, k, data, pool);
                const int64_t padded = packed.matrix.k_padded;
                const int rows = std::min(kernels->max_rows, 3);
                std::vector<float> x(static_cast<size_t>(rows * padded), 0.0f);
                std::vector<float> seen;
                for (int r = 0; r < rows; ++r) {
                    for (int64_t i = 0; i < k; ++i) x[static_cast<size_t>(r * padded + i)] = random.normal();
                    std::vector<float> row(x.begin() + r * padded, x.begin() + (r + 1) * padded);
                    if (format != Format::kBf16)
                        row = reference::dequantize_int8(reference::quantize_int8(row, kBlock));
                    for (int64_t i = 0; i < k; ++i) {
                        const float v = row[static_cast<size_t>(i)];
                        seen.push_back(format == Format::kBf16 ? bf16_to_float(float_to_bf16(v)) : v);
                    }
                }
                OwnedTile owned(rows, padded);
                if (format == Format::kBf16) {
                    kernels->to_bf16(x.data(), padded, owned.tile);
                } else {
                    kernels->quantize(x.data(), padded, kNoOutlier, owned.tile);
                }
                const int64_t out_stride = packed.matrix.panels() * kPanel;
                std::vector<float> got(static_cast<size_t>(rows * out_stride));
                kernels->matmul(format, packed.matrix.data, packed.matrix.panels(), owned.tile, nullptr, got.data(),
                                out_stride, false);
                const std::vector<float> expected = reference::matmul(seen, packed.unpacked(), {}, rows, n, k);
                for (int64_t r = 0; r < rows; ++r) {
                    for (int64_t j = 0; j < n; ++j)
                        CHECK(std::abs(got[static_cast<size_t>(r * out_stride + j)] -
                                       expected[static_cast<size_t>(r * n + j)]) < 2e-5f);
                    for (int64_t j = n; j < out_stride; ++j)
                        CHECK(got[static_cast<size_t>(r * out_stride + j)] == 0.0f);
                }
            }
        }
    }
}

TEST_CASE("pack: any number of threads gives the same bytes") {
    Random random(44);
    ThreadPool one(1), four(4);
    for (const Format format : kFormats) {
        const std::vector<uint8_t> data = random_file_blocks(DType::kF16, 700 * 64, random);
        CHECK(Packed(DType::kF16, format, 700, 64, data, one).storage ==
              Packed(DType::kF16, format, 700, 64, data, four).storage);
    }
}
