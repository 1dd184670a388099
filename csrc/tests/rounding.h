// What packed weights stand for, and activations rounded as the kernels round them: for forward passes in plain loops.
#pragma once

#include <string>
#include <vector>

#include "ops/half.h"
#include "ops/pack.h"
#include "ops/reference.h"

namespace spatz::test {

inline std::vector<float> dense_row(const PackedMatrix& m, int64_t row) {
    std::vector<float> out(static_cast<size_t>(m.k_padded));
    unpack_row(m, row, out.data());
    out.resize(static_cast<size_t>(m.k));
    return out;
}

inline std::vector<float> dense(const PackedMatrix& m) {  // [n, k]
    std::vector<float> all;
    for (int64_t i = 0; i < m.n; ++i) {
        const std::vector<float> row = dense_row(m, i);
        all.insert(all.end(), row.begin(), row.end());
    }
    return all;
}

inline std::vector<float> rounded_to_bf16(std::vector<float> x) {
    for (float& v : x) v = bf16_to_float(float_to_bf16(v));
    return x;
}

// In blocks of 32, the last one padded; format: that of the matrix which reads them.
inline std::vector<float> rounded(std::vector<float> x, const std::string& format) {
    if (format == "bf16") return rounded_to_bf16(std::move(x));
    const size_t size = x.size();
    x.resize((size + kBlock - 1) / kBlock * kBlock, 0.0f);
    x = reference::dequantize_int8(reference::quantize_int8(x, kBlock));
    x.resize(size);
    return x;
}

// Heads of queries, keys or values.
inline std::vector<float> rounded_heads(const std::vector<float>& x, int64_t head_dim, KVKind kind) {
    if (kind == KVKind::kBf16) return rounded_to_bf16(x);
    return reference::dequantize_int8(reference::quantize_int8(x, head_dim));
}

}  // namespace spatz::test
