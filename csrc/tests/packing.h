// Weights of each compute format in two forms: as plain floats, and packed as ops/layout.h describes it. Written from
// that description alone, so that a mistake in the real packing is not repeated here.
#pragma once

#include <cstring>
#include <limits>
#include <vector>

#include "ops/half.h"
#include "ops/layout.h"
#include "ops/pack.h"
#include "random.h"

namespace spatz::test {

struct PackedWeights {
    int64_t n = 0;               // output rows, a multiple of 16
    int64_t k = 0;               // columns, a multiple of 32
    std::vector<float> values;   // [n, k] what the packed form stands for
    std::vector<uint8_t> bytes;  // panel after panel
};

inline void put16(std::vector<uint8_t>& bytes, int64_t at, uint16_t value) {
    std::memcpy(bytes.data() + at, &value, 2);
}

inline PackedWeights random_weights(Format format, int64_t n, int64_t k, Random& random) {
    PackedWeights w{n, k, std::vector<float>(static_cast<size_t>(n * k)), {}};
    const int64_t panel_size = panel_bytes(format, k);
    w.bytes.assign(static_cast<size_t>(n / kPanel * panel_size), 0);
    for (int64_t row = 0; row < n; ++row) {
        const int64_t panel = row / kPanel * panel_size;
        const int64_t lane = row % kPanel;
        for (int64_t block = 0; block < k / kBlock; ++block) {
            const uint16_t scale = float_to_half(0.001f + 0.02f * static_cast<float>(random.uniform()));
            const uint16_t minimum = float_to_half(random.normal(0.1f));
            const int64_t q4 = panel + block * kQ4BlockBytes;
            const int64_t q8_pair = panel + block / 2 * (2 * 512 + 2 * 32);  // 512 bytes of weights, 32 of scales
            const int64_t q8 = q8_pair + block % 2 * 512;
            for (int64_t i = 0; i < kBlock; ++i) {
                float& value = w.values[static_cast<size_t>(row * k + block * kBlock + i)];
                const int64_t group = i / 4;  // of four columns
                const int64_t byte = lane * 4 + i % 4;
                if (format == Format::kQ4) {
                    const auto q = static_cast<uint8_t>(random.below(16));
                    value = half_to_float(scale) * static_cast<float>(q) + half_to_float(minimum);
                    w.bytes[static_cast<size_t>(q4 + group / 2 * 64 + byte)] |=
                        static_cast<uint8_t>(group % 2 == 0 ? q : q << 4);
                } else if (format == Format::kQ8) {
                    const auto q = static_cast<int>(random.below(256)) - 128;
                    value = half_to_float(scale) * static_cast<float>(q);
                    w.bytes[static_cast<size_t>(q8 + group * 64 + byte)] = static_cast<uint8_t>(q + 128);
                } else {
                    const uint16_t bits = float_to_bf16(random.normal(0.1f));
                    value = bf16_to_float(bits);
                    const int64_t column = block * kBlock + i;
                    put16(w.bytes, panel + (column / 2 * kPanel + lane) * 4 + column % 2 * 2, bits);
                }
            }
            if (format == Format::kQ4) {
                put16(w.bytes, q4 + 4 * 64 + lane * 2, scale);
                put16(w.bytes, q4 + 4 * 64 + kScaleBytes + lane * 2, minimum);
            } else if (format == Format::kQ8) {
                put16(w.bytes, q8_pair + 2 * 512 + block % 2 * 32 + lane * 2, scale);
            }
        }
    }
    return w;
}

// Blocks of a file type as a model file would hold them: random bits, but scales that are numbers of ordinary size.
inline std::vector<uint8_t> random_file_blocks(DType dtype, int64_t blocks, Random& random) {
    const int64_t size = block_bytes(dtype);
    std::vector<uint8_t> bytes(static_cast<size_t>(blocks * size));
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random.bits());
    for (int64_t b = 0; b < blocks; ++b) {
        const int64_t at = b * size;
        const uint16_t scale = float_to_half(0.001f + 0.02f * static_cast<float>(random.uniform()));
        const float value = random.normal(0.1f);
        switch (dtype) {
            case DType::kF32:
                std::memcpy(bytes.data() + at, &value, 4);
                break;
            case DType::kF16:
                put16(bytes, at, float_to_half(value));
                break;
            case DType::kBF16:
                put16(bytes, at, float_to_bf16(value));
                break;
            case DType::kQ6_K:
                put16(bytes, at + 208, float_to_half(half_to_float(scale) / 100.0f));
                break;
            case DType::kQ4_K:
            case DType::kQ5_K:
                put16(bytes, at, float_to_half(half_to_float(scale) / 30.0f));
                put16(bytes, at + 2, float_to_half(half_to_float(scale) / 10.0f));
                break;
            case DType::kQ4_1:
            case DType::kQ5_1:
                put16(bytes, at, scale);
                put16(bytes, at + 2, float_to_half(value));
                break;
            case DType::kQ8_0:
            case DType::kQ4_0:
            case DType::kQ5_0:
                put16(bytes, at, scale);
                break;
        }
    }
    return bytes;
}

constexpr DType kAllTypes[] = {DType::kF32,  DType::kF16,  DType::kBF16, DType::kQ8_0, DType::kQ4_0, DType::kQ4_1,
                               DType::kQ5_0, DType::kQ5_1, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K};
constexpr const char* kTypeNames[] = {"F32",  "F16",  "BF16", "Q8_0", "Q4_0", "Q4_1",
                                      "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K"};
inline const char* type_name(DType dtype) { return kTypeNames[static_cast<int>(dtype)]; }

// As the threshold of quantize: no block has an outlier.
constexpr float kNoOutlier = std::numeric_limits<float>::infinity();

// A tile with buffers of exactly the size that the layout asks for, so that the sanitizer sees every step outside.
class OwnedTile {
  public:
    OwnedTile(int rows, int64_t k)
        : values_(static_cast<size_t>(rows * k)),
          scales_(static_cast<size_t>(rows * k / kBlock)),
          sums_(scales_.size()),
          offsets_(scales_.size()),
          refined_(static_cast<size_t>(k / kBlock)),
          rests_(values_.size()),
          rest_offsets_(scales_.size()),
          bf16_(values_.size()) {
        tile.rows = rows;
        tile.k = k;
        tile.values = values_.data();
        tile.scales = scales_.data();
        tile.sums = sums_.data();
        tile.offsets = offsets_.data();
        tile.refined = refined_.data();
        tile.rests = rests_.data();
        tile.rest_offsets = rest_offsets_.data();
        tile.bf16 = bf16_.data();
    }
    Tile tile;

  private:
    std::vector<int8_t> values_;
    std::vector<float> scales_;
    std::vector<float> sums_;
    std::vector<int32_t> offsets_;
    std::vector<uint8_t> refined_;
    std::vector<int8_t> rests_;
    std::vector<int32_t> rest_offsets_;
    std::vector<uint16_t> bf16_;
};

}  // namespace spatz::test
