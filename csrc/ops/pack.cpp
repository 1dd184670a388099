#include "ops/pack.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "ops/half.h"

namespace spatz {

namespace {

struct TypeInfo {
    const char* name;
    DType dtype;
    Format format;
    int64_t elements;
    int64_t bytes;
};

constexpr TypeInfo kTypes[] = {
    {"F32", DType::kF32, Format::kBf16, 1, 4},     {"F16", DType::kF16, Format::kBf16, 1, 2},
    {"BF16", DType::kBF16, Format::kBf16, 1, 2},   {"Q8_0", DType::kQ8_0, Format::kQ8, 32, 34},
    {"Q4_0", DType::kQ4_0, Format::kQ4, 32, 18},   {"Q4_1", DType::kQ4_1, Format::kQ4, 32, 20},
    {"Q5_0", DType::kQ5_0, Format::kQ8, 32, 22},   {"Q5_1", DType::kQ5_1, Format::kQ8, 32, 24},
    {"Q4_K", DType::kQ4_K, Format::kQ4, 256, 144}, {"Q5_K", DType::kQ5_K, Format::kQ8, 256, 176},
    {"Q6_K", DType::kQ6_K, Format::kQ8, 256, 210},
};

const TypeInfo& info(DType dtype) { return kTypes[static_cast<int>(dtype)]; }

// Scale, minimum and 4-bit values of 32 weights: value = d * q + m.
struct Q4Block {
    uint16_t d;
    uint16_t m;
    uint8_t q[kBlock];
};

void split_nibbles(const uint8_t* p, uint8_t* q) {
    for (int i = 0; i < 16; ++i) {
        q[i] = p[i] & 15;
        q[i + 16] = p[i] >> 4;
    }
}

// Block `b` (of 32) of a row whose file type already is 4-bit: its values are kept as they are.
Q4Block take_q4(DType dtype, const uint8_t* row, int64_t b) {
    Q4Block out{};
    if (dtype == DType::kQ4_1) {
        const uint8_t* p = row + b * 20;
        std::memcpy(&out.d, p, 2);
        std::memcpy(&out.m, p + 2, 2);
        split_nibbles(p + 4, out.q);
    } else if (dtype == DType::kQ4_0) {
        const uint8_t* p = row + b * 18;
        std::memcpy(&out.d, p, 2);
        out.m = float_to_half(-8.0f * half_to_float(out.d));
        split_nibbles(p + 2, out.q);
    } else {  // Q4_K
        const uint8_t* p = row + b / 8 * 144;
        uint16_t d;
        uint16_t dmin;
        std::memcpy(&d, p, 2);
        std::memcpy(&dmin, p + 2, 2);
        int scale = 0;
        int minimum = 0;
        k_quant_scale(p + 4, static_cast<int>(b % 8), &scale, &minimum);
        out.d = float_to_half(half_to_float(d) * static_cast<float>(scale));
        out.m = float_to_half(-half_to_float(dmin) * static_cast<float>(minimum));
        const uint8_t* nibbles = p + 16 + b % 8 / 2 * 32;
        for (int i = 0; i < kBlock; ++i) out.q[i] = b % 2 == 0 ? nibbles[i] & 15 : nibbles[i] >> 4;
    }
    return out;
}

Q4Block make_q4(const float* x) {
    const auto [low, high] = std::minmax_element(x, x + kBlock);
    Q4Block out{};
    out.d = float_to_half((*high - *low) / 15.0f);
    out.m = float_to_half(*low);
    const float d = half_to_float(out.d);
    const float m = half_to_float(out.m);
    for (int i = 0; i < kBlock; ++i) {
        const float q = d > 0.0f ? std::nearbyint((x[i] - m) / d) : 0.0f;
        out.q[i] = static_cast<uint8_t>(std::clamp(std::isfinite(q) ? q : 0.0f, 0.0f, 15.0f));
    }
    return out;
}

void put_q4(const Q4Block& block, int lane, uint8_t* to) {
    for (int pair = 0; pair < 4; ++pair) {
        for (int i = 0; i < 4; ++i) {
            to[64 * pair + 4 * lane + i] = static_cast<uint8_t>(block.q[8 * pair + i] | block.q[8 * pair + 4 + i] << 4);
        }
    }
    std::memcpy(to + 256 + 2 * lane, &block.d, 2);
    std::memcpy(to + 256 + kScaleBytes + 2 * lane, &block.m, 2);
}

struct Q8Block {
    uint16_t d;
    int8_t q[kBlock];  // -127..127
};

// Types whose values are a scale times a small integer are kept as they are; the largest magnitude is then at most 127.
bool take_q8(DType dtype, const uint8_t* row, int64_t b, Q8Block* out) {
    if (dtype == DType::kQ8_0) {
        const uint8_t* p = row + b * 34;
        std::memcpy(&out->d, p, 2);
        std::memcpy(out->q, p + 2, kBlock);
        // -128 does not occur in files that follow the specification; the kernels count on it.
        return std::none_of(out->q, out->q + kBlock, [](int8_t q) { return q == -128; });
    }
    if (dtype == DType::kQ5_0) {
        const uint8_t* p = row + b * 22;
        std::memcpy(&out->d, p, 2);
        uint32_t high;
        std::memcpy(&high, p + 2, 4);
        for (int i = 0; i < kBlock; ++i) {
            const int nibble = i < 16 ? p[6 + i] & 15 : p[6 + i - 16] >> 4;
            out->q[i] = static_cast<int8_t>((nibble | static_cast<int>(high >> i & 1) << 4) - 16);
        }
        return true;
    }
    return false;
}

Q8Block make_q8(const float* x) {
    float largest = 0.0f;
    for (int i = 0; i < kBlock; ++i) largest = std::max(largest, std::isfinite(x[i]) ? std::fabs(x[i]) : 0.0f);
    Q8Block out{};
    out.d = float_to_half(largest / 127.0f);
    const float d = half_to_float(out.d);
    for (int i = 0; i < kBlock; ++i) {
        const float q = d > 0.0f && std::isfinite(x[i]) ? std::nearbyint(x[i] / d) : 0.0f;
        out.q[i] = static_cast<int8_t>(std::clamp(q, -127.0f, 127.0f));
    }
    return out;
}

void put_q8(const Q8Block& block, int lane, int64_t b, uint8_t* panel) {
    uint8_t* to = panel + q8_block(b) + 4 * lane;
    for (int i = 0; i < kBlock; ++i) to[i / 4 * 64 + i % 4] = static_cast<uint8_t>(block.q[i] + 128);
    std::memcpy(panel + q8_scales(b) + 2 * lane, &block.d, 2);
}

// One row of 16 in a panel; `floats` is scratch of k_padded values.
void pack_row(const PackedMatrix& matrix, DType dtype, const uint8_t* row, int lane, uint8_t* panel, float* floats) {
    const int64_t blocks = matrix.k_padded / kBlock;
    const bool kept_q4 = matrix.format == Format::kQ4 && natural_format(dtype) == Format::kQ4;
    const bool kept_q8 = matrix.format == Format::kQ8 && (dtype == DType::kQ8_0 || dtype == DType::kQ5_0);
    if (!kept_q4 && !kept_q8) {
        dequantize(dtype, row, matrix.k / block_elements(dtype), floats);
        std::fill(floats + matrix.k, floats + matrix.k_padded, 0.0f);
    }
    if (matrix.format == Format::kBf16) {
        auto* to = reinterpret_cast<uint16_t*>(panel) + 2 * lane;
        for (int64_t i = 0; i < matrix.k_padded; ++i) to[i / 2 * 32 + i % 2] = float_to_bf16(floats[i]);
        return;
    }
    for (int64_t b = 0; b < blocks; ++b) {
        if (matrix.format == Format::kQ4) {
            put_q4(kept_q4 ? take_q4(dtype, row, b) : make_q4(floats + b * kBlock), lane, panel + b * kQ4BlockBytes);
            continue;
        }
        Q8Block block{};
        if (!kept_q8) {
            block = make_q8(floats + b * kBlock);
        } else if (!take_q8(dtype, row, b, &block)) {
            float values[kBlock];
            dequantize(dtype, row + b * block_bytes(dtype), 1, values);
            block = make_q8(values);
        }
        put_q8(block, lane, b, panel);
    }
}

}  // namespace

DType parse_dtype(std::string_view name) {
    for (const TypeInfo& type : kTypes) {
        if (name == type.name) return type.dtype;
    }
    throw std::invalid_argument("tensor type '" + std::string(name) + "' is not supported");
}

Format parse_format(std::string_view name) {
    for (Format format : {Format::kQ4, Format::kQ8, Format::kBf16}) {
        if (name == format_name(format)) return format;
    }
    throw std::invalid_argument("compute format '" + std::string(name) + "' is not one of q4, q8, bf16");
}

const char* format_name(Format format) {
    switch (format) {
        case Format::kQ4:
            return "q4";
        case Format::kQ8:
            return "q8";
        case Format::kBf16:
            break;
    }
    return "bf16";
}

Format natural_format(DType dtype) { return info(dtype).format; }
int64_t block_elements(DType dtype) { return info(dtype).elements; }
int64_t block_bytes(DType dtype) { return info(dtype).bytes; }

void pack(const PackedMatrix& matrix, DType dtype, const uint8_t* data, uint8_t* to, ThreadPool& pool) {
    const int64_t row_bytes = matrix.k / block_elements(dtype) * block_bytes(dtype);
    std::vector<std::vector<float>> scratch(static_cast<size_t>(pool.threads()));
    for (auto& floats : scratch) floats.resize(static_cast<size_t>(matrix.k_padded));
    constexpr int64_t kPanelsPerTask = 8;
    pool.run([&](Team& team) {
        float* floats = scratch[static_cast<size_t>(team.thread())].data();
        team.parallel_for(ceil_div(matrix.panels(), kPanelsPerTask), [&](int64_t task) {
            const int64_t last = std::min(matrix.panels(), (task + 1) * kPanelsPerTask);
            for (int64_t p = task * kPanelsPerTask; p < last; ++p) {
                uint8_t* panel = to + p * matrix.bytes_per_panel();
                for (int lane = 0; lane < kPanel && p * kPanel + lane < matrix.n; ++lane) {
                    pack_row(matrix, dtype, data + (p * kPanel + lane) * row_bytes, lane, panel, floats);
                }
            }
        });
    });
}

void unpack_row(const PackedMatrix& matrix, int64_t row, float* out) {
    const uint8_t* panel = matrix.panel(row / kPanel);
    const int64_t lane = row % kPanel;
    const int64_t blocks = matrix.k_padded / kBlock;
    switch (matrix.format) {
        case Format::kBf16: {
            const auto* from = reinterpret_cast<const uint16_t*>(panel) + 2 * lane;
            for (int64_t i = 0; i < matrix.k_padded; ++i) out[i] = bf16_to_float(from[i / 2 * 32 + i % 2]);
            return;
        }
        case Format::kQ8: {
            for (int64_t b = 0; b < blocks; ++b) {
                uint16_t d;
                std::memcpy(&d, panel + q8_scales(b) + 2 * lane, 2);
                const float scale = half_to_float(d);
                const uint8_t* from = panel + q8_block(b) + 4 * lane;
                for (int i = 0; i < kBlock; ++i) {
                    out[b * kBlock + i] = scale * static_cast<float>(from[i / 4 * 64 + i % 4] - 128);
                }
            }
            break;
        }
        case Format::kQ4: {
            for (int64_t b = 0; b < blocks; ++b) {
                const uint8_t* block = panel + b * kQ4BlockBytes;
                uint16_t d;
                uint16_t m;
                std::memcpy(&d, block + 256 + 2 * lane, 2);
                std::memcpy(&m, block + 256 + kScaleBytes + 2 * lane, 2);
                for (int i = 0; i < kBlock; ++i) {
                    const uint8_t byte = block[64 * (i / 8) + 4 * lane + i % 4];
                    const int q = i % 8 < 4 ? byte & 15 : byte >> 4;
                    out[b * kBlock + i] = half_to_float(d) * static_cast<float>(q) + half_to_float(m);
                }
            }
            break;
        }
    }
    std::fill(out + matrix.k, out + matrix.k_padded, 0.0f);  // a padded q8 column is 0 already, a q4 one need not be
}

}  // namespace spatz
