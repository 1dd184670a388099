#include "model/config.h"

#include <cmath>
#include <numbers>
#include <stdexcept>

namespace spatz {
namespace {

void require(bool holds, const char* what) {
    if (!holds) throw std::invalid_argument(std::string("model configuration: ") + what);
}

bool within(int64_t value, int64_t low, int64_t high) { return value >= low && value <= high; }

void check_scaling(const RopeScaling& scaling, int64_t pairs) {
    const std::string& kind = scaling.kind;
    require(kind == "none" || kind == "linear" || kind == "llama3" || kind == "factors",
            "rope_scaling.kind must be none, linear, llama3 or factors");
    if (kind == "linear" || kind == "llama3") {
        require(std::isfinite(scaling.factor) && scaling.factor > 0, "rope_scaling.factor must be positive");
    }
    if (kind == "llama3") {
        require(scaling.low_freq_factor > 0 && scaling.high_freq_factor > scaling.low_freq_factor &&
                    std::isfinite(scaling.high_freq_factor),
                "rope_scaling needs 0 < low_freq_factor < high_freq_factor");
        require(std::isfinite(scaling.original_context) && scaling.original_context > 0,
                "rope_scaling.original_context must be positive");
    }
    if (kind == "factors") {
        require(static_cast<int64_t>(scaling.factors.size()) == pairs,
                "rope_scaling.factors must have one value per rotated pair");
        for (double f : scaling.factors) require(std::isfinite(f) && f > 0, "rope_scaling.factors must be positive");
    }
}

}  // namespace

void ModelConfig::check() const {
    require(within(vocab, 1, 1 << 22), "vocab must be between 1 and 4,194,304");
    require(within(hidden, 1, 1 << 16), "hidden must be between 1 and 65,536");
    require(within(intermediate, 1, 1 << 18), "intermediate must be between 1 and 262,144");
    require(within(layers, 1, 1024), "layers must be between 1 and 1,024");
    require(within(heads, 1, 1024), "heads must be between 1 and 1,024");
    require(within(kv_heads, 1, heads) && heads % kv_heads == 0, "heads must be a multiple of kv_heads");
    require(within(head_dim, 16, 1024) && head_dim % 16 == 0, "head_dim must be a multiple of 16, at most 1,024");
    require(std::isfinite(norm_eps) && norm_eps >= 0, "norm_eps must not be negative");
    require(std::isfinite(embedding_scale), "embedding_scale must be finite");
    require(std::isfinite(query_scale) && query_scale >= 0, "query_scale must not be negative");
    require(activation == "silu" || activation == "gelu_tanh", "activation must be silu or gelu_tanh");
    require(within(rope_dims, 0, head_dim) && rope_dims % 2 == 0, "rope_dims must be even and at most head_dim");
    const auto count = static_cast<size_t>(layers);
    require(rope_theta.size() == count, "rope_theta must have one value per layer");
    require(rope_scaled.size() == count, "rope_scaled must have one value per layer");
    require(window.size() == count, "window must have one value per layer");
    for (double theta : rope_theta) require(std::isfinite(theta) && theta > 0, "rope_theta must be positive");
    for (int64_t w : window) require(w >= 0, "window must not be negative");
    check_scaling(rope_scaling, rotated() / 2);
}

std::vector<double> rope_frequencies(double theta, int64_t dims, const RopeScaling& scaling) {
    std::vector<double> frequencies(static_cast<size_t>(dims / 2));
    for (size_t i = 0; i < frequencies.size(); ++i) {
        double f = std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(dims));
        if (scaling.kind == "linear") f /= scaling.factor;
        if (scaling.kind == "factors") f /= scaling.factors[i];
        if (scaling.kind == "llama3") {
            // Long waves are stretched by factor, short ones kept, those between blended (Llama 3.1's definition).
            const double turns = scaling.original_context * f / (2.0 * std::numbers::pi);
            if (turns < scaling.low_freq_factor) {
                f /= scaling.factor;
            } else if (turns < scaling.high_freq_factor) {
                const double smooth =
                    (turns - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor);
                f = (1.0 - smooth) * f / scaling.factor + smooth * f;
            }
        }
        frequencies[i] = f;
    }
    return frequencies;
}

}  // namespace spatz
