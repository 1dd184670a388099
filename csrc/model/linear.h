// Products of a tile of activations with packed matrices, whatever their formats.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>

#include "ops/kernels.h"
#include "ops/pack.h"

namespace spatz {

// Fills the parts of a tile that the matrices which read it ask for, from rows of their k columns; what lies behind
// those, up to tile.k, is overwritten with zeros. outlier: see Kernels::quantize.
inline void fill_tile(const Kernels& kernels, const Tile& tile, float* x, int64_t stride, float outlier,
                      std::initializer_list<const PackedMatrix*> readers) {
    const int64_t k = (*readers.begin())->k;
    if (k < tile.k) {
        for (int r = 0; r < tile.rows; ++r) std::fill(x + r * stride + k, x + r * stride + tile.k, 0.0f);
    }
    bool bytes = false;
    bool bf16 = false;
    for (const PackedMatrix* m : readers) (m->format == Format::kBf16 ? bf16 : bytes) = true;
    if (bytes) kernels.quantize(x, stride, outlier, tile);
    if (bf16) kernels.to_bf16(x, stride, tile);
}

// Some panels of out (+)= m . tile + bias. bias (or null) and out begin at the matrix's first row.
inline void multiply_panels(const Kernels& kernels, const PackedMatrix& m, int64_t first_panel, int64_t panels,
                            const Tile& tile, const float* bias, float* out, int64_t stride, bool accumulate = false) {
    kernels.matmul(m.format, m.panel(first_panel), panels, tile,
                   bias == nullptr ? nullptr : bias + first_panel * kPanel, out + first_panel * kPanel, stride,
                   accumulate);
}

}  // namespace spatz
