// Every operator once more as plain loops over plain arrays, written from its definition. The tests hold the kernels
// against these; nothing else uses them. They know nothing of packed weights, tiles or pages, and sum in double.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace spatz::reference {

// ---- formats ----

// Values of a GGUF block and its bytes: {1, 2} for F16, {32, 20} for Q4_1, ... Throws std::invalid_argument for unknown
// types.
struct BlockShape {
    int64_t values;
    int64_t bytes;
};
BlockShape block_shape(std::string_view type);

// type: F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K or Q6_K, laid out as the GGUF specification says,
// whole blocks only. Throws std::invalid_argument for unknown types and ragged sizes.
std::vector<float> dequantize(std::string_view type, std::span<const uint8_t> bytes);

// Symmetric int8: scale = largest magnitude / 127, values rounded to nearest even. A vector of zeros has scale 0.
struct Quantized {
    std::vector<int8_t> values;
    std::vector<float> scales;  // one per group
};
Quantized quantize_int8(std::span<const float> x,
                        int64_t group);  // group: 32 for activations, head_dim for keys and values
std::vector<float> dequantize_int8(const Quantized& quantized);

// ---- operators ----

// out[rows, n] = x[rows, k] . weights[n, k]^T + bias[n] (empty: none)
std::vector<float> matmul(std::span<const float> x, std::span<const float> weights, std::span<const float> bias,
                          int64_t rows, int64_t n, int64_t k);

// out[i] = x[i] / sqrt(mean(x^2) + eps) * weight[i]
std::vector<float> rms_norm(std::span<const float> x, std::span<const float> weight, float eps);

// out[i] = (x[i] - mean) / sqrt(variance + eps) * weight[i] + bias[i]
std::vector<float> layer_norm(std::span<const float> x, std::span<const float> weight, std::span<const float> bias,
                              float eps);

float silu(float x);
float gelu_tanh(float x);

std::vector<float> softmax(std::span<const float> x);

// ---- rope ----

enum class RopeStretch { kNone, kLinear, kLlama3, kFactors };

struct RopeShape {
    int dims = 0;  // rotated dimensions, the first ones of a head
    double theta = 10000.0;
    bool interleaved = false;  // pairs (2i, 2i + 1); else (i, i + dims / 2)
    RopeStretch stretch = RopeStretch::kNone;
    double factor = 1.0;
    double low_freq_factor = 1.0;
    double high_freq_factor = 4.0;
    double original_context = 8192.0;
    std::vector<double> factors;  // [dims / 2]
};

std::vector<double> rope_frequencies(const RopeShape& shape);  // [dims / 2] radians per position
void rope(std::span<float> head, const RopeShape& shape, int64_t position);

// ---- attention ----

struct AttentionShape {
    int heads = 0;
    int kv_heads = 0;
    int head_dim = 0;
    int64_t window = 0;  // a token sees itself and window - 1 before it; 0: all before it
    float scale = 0.0f;
};

// One query token at `position`. q: [heads, head_dim]; keys, values: [tokens > position, kv_heads, head_dim].
std::vector<float> attention(std::span<const float> q, std::span<const float> keys, std::span<const float> values,
                             const AttentionShape& shape, int64_t position);

}  // namespace spatz::reference
