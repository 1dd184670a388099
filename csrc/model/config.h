// The switches of the one decoder, and what rotary frequencies they ask for.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ops/kernels.h"

namespace spatz {

struct RopeScaling {
    std::string kind = "none";  // "none", "linear", "llama3", "factors"
    double factor = 1.0;
    double low_freq_factor = 1.0;
    double high_freq_factor = 4.0;
    double original_context = 8192.0;
    std::vector<double> factors;  // [rope_dims / 2], for "factors"
};

struct ModelConfig {
    int64_t vocab = 0;
    int64_t hidden = 0;
    int64_t intermediate = 0;
    int64_t layers = 0;
    int64_t heads = 0;
    int64_t kv_heads = 0;
    int64_t head_dim = 0;
    double norm_eps = 1e-5;
    double embedding_scale = 1.0;
    double query_scale = 0.0;  // 0: 1 / sqrt(head_dim)
    std::string activation = "silu";
    bool rope_interleaved = false;
    int64_t rope_dims = 0;  // 0: head_dim
    std::vector<double> rope_theta;
    std::vector<bool> rope_scaled;
    RopeScaling rope_scaling;
    std::vector<int64_t> window;

    // Throws std::invalid_argument that names the field.
    void check() const;
    int64_t rotated() const { return rope_dims == 0 ? head_dim : rope_dims; }
    int64_t query_width() const { return heads * head_dim; }
    int64_t kv_width() const { return kv_heads * head_dim; }
    int64_t group() const { return heads / kv_heads; }
    Activation activation_kind() const { return activation == "silu" ? Activation::kSilu : Activation::kGeluTanh; }
};

// Angle per position of each rotated pair, [dims / 2]: theta^(-2i/dims), scaled.
std::vector<double> rope_frequencies(double theta, int64_t dims, const RopeScaling& scaling);

}  // namespace spatz
