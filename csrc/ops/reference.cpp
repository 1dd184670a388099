#include "ops/reference.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>

namespace spatz::reference {
namespace {

// ---- the formats' parts ----

uint16_t little16(const uint8_t* p) { return static_cast<uint16_t>(p[0] | (p[1] << 8)); }
uint32_t little32(const uint8_t* p) {
    return static_cast<uint32_t>(little16(p)) | static_cast<uint32_t>(little16(p + 2)) << 16;
}

float half(const uint8_t* p) {  // IEEE 754 binary16, by its definition
    const int bits = little16(p);
    const int exponent = (bits >> 10) & 31;
    const int fraction = bits & 1023;
    double value = 0.0;
    if (exponent == 0) {
        value = std::ldexp(fraction, -24);
    } else if (exponent == 31) {
        value = fraction == 0 ? HUGE_VAL : std::nan("");
    } else {
        value = std::ldexp(1024 + fraction, exponent - 25);
    }
    return static_cast<float>((bits & 0x8000) != 0 ? -value : value);
}

// 32 values: the low nibbles of 16 bytes, then the high ones.
int nibble(const uint8_t* packed, int i) { return i < 16 ? packed[i] & 15 : packed[i - 16] >> 4; }

// The eight 6-bit scales and minimums that Q4_K and Q5_K keep in 12 bytes.
struct ScaleMinimum {
    int scale;
    int minimum;
};
ScaleMinimum scale_minimum(const uint8_t* packed, int i) {
    if (i < 4) return {packed[i] & 63, packed[i + 4] & 63};
    return {(packed[i + 4] & 15) | (packed[i - 4] >> 6) << 4, (packed[i + 4] >> 4) | (packed[i] >> 6) << 4};
}

void block_f32(const uint8_t* p, float* out) { *out = std::bit_cast<float>(little32(p)); }
void block_f16(const uint8_t* p, float* out) { *out = half(p); }
void block_bf16(const uint8_t* p, float* out) { *out = std::bit_cast<float>(static_cast<uint32_t>(little16(p)) << 16); }

void block_q8_0(const uint8_t* p, float* out) {
    for (int i = 0; i < 32; ++i) out[i] = half(p) * static_cast<float>(static_cast<int8_t>(p[2 + i]));
}
void block_q4_0(const uint8_t* p, float* out) {
    for (int i = 0; i < 32; ++i) out[i] = half(p) * static_cast<float>(nibble(p + 2, i) - 8);
}
void block_q4_1(const uint8_t* p, float* out) {
    for (int i = 0; i < 32; ++i) out[i] = half(p) * static_cast<float>(nibble(p + 4, i)) + half(p + 2);
}
void block_q5_0(const uint8_t* p, float* out) {
    for (int i = 0; i < 32; ++i) {
        const int fifth = static_cast<int>((little32(p + 2) >> i) & 1) << 4;
        out[i] = half(p) * static_cast<float>((nibble(p + 6, i) | fifth) - 16);
    }
}
void block_q5_1(const uint8_t* p, float* out) {
    for (int i = 0; i < 32; ++i) {
        const int fifth = static_cast<int>((little32(p + 4) >> i) & 1) << 4;
        out[i] = half(p) * static_cast<float>(nibble(p + 8, i) | fifth) + half(p + 2);
    }
}
void block_q4_k(const uint8_t* p, float* out) {
    for (int i = 0; i < 256; ++i) {
        const auto [scale, minimum] = scale_minimum(p + 4, i / 32);
        const int byte = p[16 + i / 64 * 32 + i % 32];
        const int q = i / 32 % 2 == 0 ? byte & 15 : byte >> 4;
        out[i] =
            half(p) * static_cast<float>(scale) * static_cast<float>(q) - half(p + 2) * static_cast<float>(minimum);
    }
}
void block_q5_k(const uint8_t* p, float* out) {
    for (int i = 0; i < 256; ++i) {
        const auto [scale, minimum] = scale_minimum(p + 4, i / 32);
        const int byte = p[48 + i / 64 * 32 + i % 32];
        const int fifth = (p[16 + i % 32] >> (i / 32)) & 1;
        const int q = (i / 32 % 2 == 0 ? byte & 15 : byte >> 4) | fifth << 4;
        out[i] =
            half(p) * static_cast<float>(scale) * static_cast<float>(q) - half(p + 2) * static_cast<float>(minimum);
    }
}
void block_q6_k(const uint8_t* p, float* out) {
    for (int i = 0; i < 256; ++i) {
        const int part = i / 128;        // two halves of 128 values
        const int quarter = i / 32 % 4;  // of a half
        const int low_byte = p[part * 64 + (quarter % 2) * 32 + i % 32];
        const int low = quarter < 2 ? low_byte & 15 : low_byte >> 4;
        const int high = (p[128 + part * 32 + i % 32] >> (2 * quarter)) & 3;
        const auto scale = static_cast<int8_t>(p[192 + i / 16]);
        out[i] = half(p + 208) * static_cast<float>(scale) * static_cast<float>((low | high << 4) - 32);
    }
}

struct BlockType {
    std::string_view name;
    BlockShape shape;
    void (*decode)(const uint8_t* block, float* out);
};
constexpr BlockType kTypes[] = {
    {"F32", {1, 4}, block_f32},       {"F16", {1, 2}, block_f16},       {"BF16", {1, 2}, block_bf16},
    {"Q8_0", {32, 34}, block_q8_0},   {"Q4_0", {32, 18}, block_q4_0},   {"Q4_1", {32, 20}, block_q4_1},
    {"Q5_0", {32, 22}, block_q5_0},   {"Q5_1", {32, 24}, block_q5_1},   {"Q4_K", {256, 144}, block_q4_k},
    {"Q5_K", {256, 176}, block_q5_k}, {"Q6_K", {256, 210}, block_q6_k},
};

const BlockType& find_type(std::string_view type) {
    for (const BlockType& known : kTypes)
        if (known.name == type) return known;
    throw std::invalid_argument("unknown tensor type " + std::string(type));
}

void require(bool holds, const char* message) {
    if (!holds) throw std::invalid_argument(message);
}

}  // namespace

BlockShape block_shape(std::string_view type) { return find_type(type).shape; }

std::vector<float> dequantize(std::string_view type, std::span<const uint8_t> bytes) {
    const BlockType& known = find_type(type);
    const auto size = static_cast<int64_t>(bytes.size());
    require(size % known.shape.bytes == 0, "bytes are not whole blocks");
    const int64_t blocks = size / known.shape.bytes;
    std::vector<float> out(static_cast<size_t>(blocks * known.shape.values));
    for (int64_t b = 0; b < blocks; ++b)
        known.decode(bytes.data() + b * known.shape.bytes, out.data() + b * known.shape.values);
    return out;
}

Quantized quantize_int8(std::span<const float> x, int64_t group) {
    const auto size = static_cast<int64_t>(x.size());
    require(group > 0 && size % group == 0, "x is not whole groups");
    Quantized out;
    for (int64_t start = 0; start < size; start += group) {
        const auto part = x.subspan(static_cast<size_t>(start), static_cast<size_t>(group));
        float largest = 0.0f;
        for (const float v : part) largest = std::max(largest, std::fabs(v));
        out.scales.push_back(largest / 127.0f);
        for (const float v : part)
            out.values.push_back(largest > 0.0f ? static_cast<int8_t>(std::nearbyint(v * (127.0f / largest)))
                                                : int8_t{0});
    }
    return out;
}

std::vector<float> dequantize_int8(const Quantized& quantized) {
    std::vector<float> out(quantized.values.size());
    if (out.empty()) return out;
    const size_t group = out.size() / quantized.scales.size();
    for (size_t i = 0; i < out.size(); ++i)
        out[i] = static_cast<float>(quantized.values[i]) * quantized.scales[i / group];
    return out;
}

std::vector<float> matmul(std::span<const float> x, std::span<const float> weights, std::span<const float> bias,
                          int64_t rows, int64_t n, int64_t k) {
    require(static_cast<int64_t>(x.size()) == rows * k, "x must be [rows, k]");
    require(static_cast<int64_t>(weights.size()) == n * k, "weights must be [n, k]");
    require(bias.empty() || static_cast<int64_t>(bias.size()) == n, "bias must be [n]");
    std::vector<float> out(static_cast<size_t>(rows * n));
    for (int64_t r = 0; r < rows; ++r) {
        for (int64_t j = 0; j < n; ++j) {
            double sum = bias.empty() ? 0.0 : static_cast<double>(bias[static_cast<size_t>(j)]);
            const float* a = x.data() + r * k;
            const float* w = weights.data() + j * k;
            for (int64_t i = 0; i < k; ++i) sum += static_cast<double>(a[i]) * static_cast<double>(w[i]);
            out[static_cast<size_t>(r * n + j)] = static_cast<float>(sum);
        }
    }
    return out;
}

std::vector<float> rms_norm(std::span<const float> x, std::span<const float> weight, float eps) {
    require(!x.empty() && x.size() == weight.size(), "x and weight must have the same size");
    double squares = 0.0;
    for (const float v : x) squares += static_cast<double>(v) * static_cast<double>(v);
    const double scale = 1.0 / std::sqrt(squares / static_cast<double>(x.size()) + static_cast<double>(eps));
    std::vector<float> out(x.size());
    for (size_t i = 0; i < x.size(); ++i)
        out[i] = static_cast<float>(static_cast<double>(x[i]) * scale * static_cast<double>(weight[i]));
    return out;
}

std::vector<float> layer_norm(std::span<const float> x, std::span<const float> weight, std::span<const float> bias,
                              float eps) {
    require(!x.empty() && x.size() == weight.size() && x.size() == bias.size(),
            "x, weight and bias must have the same size");
    double sum = 0.0, squares = 0.0;
    for (const float v : x) sum += static_cast<double>(v);
    const double mean = sum / static_cast<double>(x.size());
    for (const float v : x) squares += (static_cast<double>(v) - mean) * (static_cast<double>(v) - mean);
    const double scale = 1.0 / std::sqrt(squares / static_cast<double>(x.size()) + static_cast<double>(eps));
    std::vector<float> out(x.size());
    for (size_t i = 0; i < x.size(); ++i) {
        out[i] = static_cast<float>((static_cast<double>(x[i]) - mean) * scale * static_cast<double>(weight[i]) +
                                    static_cast<double>(bias[i]));
    }
    return out;
}

float silu(float x) {
    const auto v = static_cast<double>(x);
    return static_cast<float>(v / (1.0 + std::exp(-v)));
}

float gelu_tanh(float x) {
    constexpr double kSqrt2OverPi = 0.7978845608028654;
    const auto v = static_cast<double>(x);
    return static_cast<float>(0.5 * v * (1.0 + std::tanh(kSqrt2OverPi * (v + 0.044715 * v * v * v))));
}

std::vector<float> softmax(std::span<const float> x) {
    require(!x.empty(), "softmax of nothing");
    const auto largest = static_cast<double>(*std::max_element(x.begin(), x.end()));
    double total = 0.0;
    for (const float v : x) total += std::exp(static_cast<double>(v) - largest);
    std::vector<float> out(x.size());
    for (size_t i = 0; i < x.size(); ++i)
        out[i] = static_cast<float>(std::exp(static_cast<double>(x[i]) - largest) / total);
    return out;
}

std::vector<double> rope_frequencies(const RopeShape& shape) {
    require(shape.dims > 0 && shape.dims % 2 == 0, "rope rotates an even number of dimensions");
    constexpr double kTwoPi = 6.283185307179586;
    std::vector<double> frequencies;
    for (int i = 0; i < shape.dims / 2; ++i) {
        const double f = std::pow(shape.theta, -2.0 * i / shape.dims);
        const double rotations = shape.original_context * f / kTwoPi;  // over the context that the model was trained on
        switch (shape.stretch) {
            case RopeStretch::kNone:
                frequencies.push_back(f);
                break;
            case RopeStretch::kLinear:
                frequencies.push_back(f / shape.factor);
                break;
            case RopeStretch::kLlama3: {
                const double blend = std::clamp(
                    (rotations - shape.low_freq_factor) / (shape.high_freq_factor - shape.low_freq_factor), 0.0, 1.0);
                frequencies.push_back((1.0 - blend) * f / shape.factor + blend * f);
                break;
            }
            case RopeStretch::kFactors:
                require(shape.factors.size() == static_cast<size_t>(shape.dims / 2), "factors must be [dims / 2]");
                frequencies.push_back(f / shape.factors[static_cast<size_t>(i)]);
                break;
        }
    }
    return frequencies;
}

void rope(std::span<float> head, const RopeShape& shape, int64_t position) {
    require(static_cast<size_t>(shape.dims) <= head.size(), "rope rotates no more than a head");
    const std::vector<double> frequencies = rope_frequencies(shape);
    const auto pairs = frequencies.size();
    for (size_t i = 0; i < pairs; ++i) {
        const double angle = static_cast<double>(position) * frequencies[i];
        float& a = head[shape.interleaved ? 2 * i : i];
        float& b = head[shape.interleaved ? 2 * i + 1 : i + pairs];
        const auto x = static_cast<double>(a);
        const auto y = static_cast<double>(b);
        a = static_cast<float>(x * std::cos(angle) - y * std::sin(angle));
        b = static_cast<float>(x * std::sin(angle) + y * std::cos(angle));
    }
}

std::vector<float> attention(std::span<const float> q, std::span<const float> keys, std::span<const float> values,
                             const AttentionShape& shape, int64_t position) {
    require(shape.kv_heads > 0 && shape.heads % shape.kv_heads == 0, "heads must be a multiple of kv_heads");
    require(q.size() == static_cast<size_t>(shape.heads * shape.head_dim), "q must be [heads, head_dim]");
    const int64_t token_size = int64_t{shape.kv_heads} * shape.head_dim;
    require(keys.size() == values.size() && static_cast<int64_t>(keys.size()) >= (position + 1) * token_size,
            "keys and values must be [tokens, kv_heads, head_dim]");
    const int64_t first = shape.window > 0 ? std::max<int64_t>(0, position - shape.window + 1) : 0;
    std::vector<float> out(q.size());
    for (int head = 0; head < shape.heads; ++head) {
        const int64_t kv_offset = int64_t{head / (shape.heads / shape.kv_heads)} * shape.head_dim;
        const float* query = q.data() + int64_t{head} * shape.head_dim;
        std::vector<float> scores;
        for (int64_t t = first; t <= position; ++t) {
            const float* key = keys.data() + t * token_size + kv_offset;
            double dot = 0.0;
            for (int i = 0; i < shape.head_dim; ++i) dot += static_cast<double>(query[i]) * static_cast<double>(key[i]);
            scores.push_back(static_cast<float>(dot * static_cast<double>(shape.scale)));
        }
        const std::vector<float> weights = softmax(scores);
        for (int i = 0; i < shape.head_dim; ++i) {
            double sum = 0.0;
            for (int64_t t = first; t <= position; ++t)
                sum += static_cast<double>(weights[static_cast<size_t>(t - first)]) *
                       static_cast<double>(values[static_cast<size_t>(t * token_size + kv_offset + i)]);
            out[static_cast<size_t>(int64_t{head} * shape.head_dim + i)] = static_cast<float>(sum);
        }
    }
    return out;
}

}  // namespace spatz::reference
