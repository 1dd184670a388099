// The block types of GGUF files, one function each. Layouts: the GGUF and GGML quantization specifications.
#include <cstring>

#include "ops/half.h"
#include "ops/pack.h"

namespace spatz {
namespace {

constexpr int kSuper = 256;  // values in a K-quant's super-block

uint16_t u16(const uint8_t* p) { return static_cast<uint16_t>(p[0] | p[1] << 8); }
float f16(const uint8_t* p) { return half_to_float(u16(p)); }

void q8_0(const uint8_t* p, float* out) {
    const float d = f16(p);
    for (int i = 0; i < 32; ++i) out[i] = d * static_cast<float>(static_cast<int8_t>(p[2 + i]));
}

void q4_0(const uint8_t* p, float* out) {
    const float d = f16(p);
    for (int i = 0; i < 16; ++i) {
        out[i] = d * static_cast<float>((p[2 + i] & 15) - 8);
        out[i + 16] = d * static_cast<float>((p[2 + i] >> 4) - 8);
    }
}

void q4_1(const uint8_t* p, float* out) {
    const float d = f16(p);
    const float m = f16(p + 2);
    for (int i = 0; i < 16; ++i) {
        out[i] = d * static_cast<float>(p[4 + i] & 15) + m;
        out[i + 16] = d * static_cast<float>(p[4 + i] >> 4) + m;
    }
}

// The fifth bits of 32 values.
uint32_t high_bits(const uint8_t* p) {
    uint32_t bits;
    std::memcpy(&bits, p, 4);
    return bits;
}

void q5_0(const uint8_t* p, float* out) {
    const float d = f16(p);
    const uint32_t high = high_bits(p + 2);
    for (int i = 0; i < 16; ++i) {
        const int low = (p[6 + i] & 15) | static_cast<int>(high >> i & 1) << 4;
        const int up = (p[6 + i] >> 4) | static_cast<int>(high >> (i + 16) & 1) << 4;
        out[i] = d * static_cast<float>(low - 16);
        out[i + 16] = d * static_cast<float>(up - 16);
    }
}

void q5_1(const uint8_t* p, float* out) {
    const float d = f16(p);
    const float m = f16(p + 2);
    const uint32_t high = high_bits(p + 4);
    for (int i = 0; i < 16; ++i) {
        const int low = (p[8 + i] & 15) | static_cast<int>(high >> i & 1) << 4;
        const int up = (p[8 + i] >> 4) | static_cast<int>(high >> (i + 16) & 1) << 4;
        out[i] = d * static_cast<float>(low) + m;
        out[i + 16] = d * static_cast<float>(up) + m;
    }
}

}  // namespace

void k_quant_scale(const uint8_t* scales, int block, int* scale, int* minimum) {
    if (block < 4) {
        *scale = scales[block] & 63;
        *minimum = scales[block + 4] & 63;
    } else {
        *scale = (scales[block + 4] & 15) | (scales[block - 4] >> 6) << 4;
        *minimum = (scales[block + 4] >> 4) | (scales[block] >> 6) << 4;
    }
}

namespace {

void q4_k(const uint8_t* p, float* out) {
    const float d = f16(p);
    const float dmin = f16(p + 2);
    const uint8_t* q = p + 16;
    for (int block = 0; block < kSuper / 32; ++block) {
        int scale = 0;
        int minimum = 0;
        k_quant_scale(p + 4, block, &scale, &minimum);
        const float ds = d * static_cast<float>(scale);
        const float ms = dmin * static_cast<float>(minimum);
        for (int i = 0; i < 32; ++i) {
            const uint8_t byte = q[block / 2 * 32 + i];
            out[block * 32 + i] = ds * static_cast<float>(block % 2 == 0 ? byte & 15 : byte >> 4) - ms;
        }
    }
}

void q5_k(const uint8_t* p, float* out) {
    const float d = f16(p);
    const float dmin = f16(p + 2);
    const uint8_t* high = p + 16;
    const uint8_t* q = p + 48;
    for (int block = 0; block < kSuper / 32; ++block) {
        int scale = 0;
        int minimum = 0;
        k_quant_scale(p + 4, block, &scale, &minimum);
        const float ds = d * static_cast<float>(scale);
        const float ms = dmin * static_cast<float>(minimum);
        for (int i = 0; i < 32; ++i) {
            const uint8_t byte = q[block / 2 * 32 + i];
            const int value = (block % 2 == 0 ? byte & 15 : byte >> 4) | (high[i] >> block & 1) << 4;
            out[block * 32 + i] = ds * static_cast<float>(value) - ms;
        }
    }
}

void q6_k(const uint8_t* p, float* out) {
    const float d = f16(p + 208);
    for (int half = 0; half < 2; ++half) {
        const uint8_t* low = p + half * 64;
        const uint8_t* high = p + 128 + half * 32;
        const uint8_t* scales = p + 192 + half * 8;
        for (int i = 0; i < 32; ++i) {
            const int q[4] = {(low[i] & 15) | (high[i] & 3) << 4, (low[i + 32] & 15) | (high[i] >> 2 & 3) << 4,
                              (low[i] >> 4) | (high[i] >> 4 & 3) << 4, (low[i + 32] >> 4) | (high[i] >> 6) << 4};
            for (int quarter = 0; quarter < 4; ++quarter) {
                const auto scale = static_cast<int8_t>(scales[quarter * 2 + i / 16]);
                out[half * 128 + quarter * 32 + i] =
                    d * static_cast<float>(scale) * static_cast<float>(q[quarter] - 32);
            }
        }
    }
}

void one_block(DType dtype, const uint8_t* p, float* out) {
    switch (dtype) {
        case DType::kF32:
            std::memcpy(out, p, 4);
            return;
        case DType::kF16:
            *out = f16(p);
            return;
        case DType::kBF16:
            *out = bf16_to_float(u16(p));
            return;
        case DType::kQ8_0:
            return q8_0(p, out);
        case DType::kQ4_0:
            return q4_0(p, out);
        case DType::kQ4_1:
            return q4_1(p, out);
        case DType::kQ5_0:
            return q5_0(p, out);
        case DType::kQ5_1:
            return q5_1(p, out);
        case DType::kQ4_K:
            return q4_k(p, out);
        case DType::kQ5_K:
            return q5_k(p, out);
        case DType::kQ6_K:
            return q6_k(p, out);
    }
}

}  // namespace

void dequantize(DType dtype, const uint8_t* data, int64_t blocks, float* out) {
    const int64_t bytes = block_bytes(dtype);
    const int64_t elements = block_elements(dtype);
    for (int64_t b = 0; b < blocks; ++b) one_block(dtype, data + b * bytes, out + b * elements);
}

}  // namespace spatz
