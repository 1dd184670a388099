// Weights of each compute format in two forms: as plain floats, and packed as ops/layout.h describes it. Written from
// that description alone, so that a mistake in the real packing is not repeated here.
#pragma once

#include <cstring>
#include <vector>

#include "ops/half.h"
#include "ops/layout.h"
#include "random.h"

namespace spatz::test {

struct PackedWeights {
    int64_t n = 0;               // output rows, a multiple of 16
    int64_t k = 0;               // columns, a multiple of 32
    std::vector<float> values;   // [n, k] what the packed form stands for
    std::vector<uint8_t> bytes;  // panel after panel
};

inline const char* format_name(Format format) {
    return format == Format::kQ4 ? "q4" : format == Format::kQ8 ? "q8" : "bf16";
}

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
            const int64_t q8 = panel + block * kQ8BlockBytes;
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
                put16(w.bytes, panel + k / kBlock * kQ8BlockBytes + block * kScaleBytes + lane * 2, scale);
            }
        }
    }
    return w;
}

// A tile with buffers of exactly the size that the layout asks for, so that the sanitizer sees every step outside.
class OwnedTile {
  public:
    OwnedTile(int rows, int64_t k)
        : values_(static_cast<size_t>(rows * k)),
          scales_(static_cast<size_t>(rows * k / kBlock)),
          sums_(scales_.size()),
          offsets_(scales_.size()),
          bf16_(values_.size()) {
        tile.rows = rows;
        tile.k = k;
        tile.values = values_.data();
        tile.scales = scales_.data();
        tile.sums = sums_.data();
        tile.offsets = offsets_.data();
        tile.bf16 = bf16_.data();
    }
    Tile tile;

  private:
    std::vector<int8_t> values_;
    std::vector<float> scales_;
    std::vector<float> sums_;
    std::vector<int32_t> offsets_;
    std::vector<uint16_t> bf16_;
};

}  // namespace spatz::test
