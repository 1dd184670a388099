// Random models of a few thousand parameters, and their forward pass as plain loops over ops/reference.h.
#pragma once

#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "model/decoder.h"
#include "ops/reference.h"
#include "random.h"
#include "rounding.h"

namespace spatz::test {

struct TinyOptions {
    ModelConfig config;
    std::string format = "q8";
    bool lm_head = false;
    bool biases = false;
    bool head_norms = false;
    bool post_norms = false;
};

class TinyModel {
  public:
    TinyModel(const TinyOptions& options, ThreadPool& pool, uint64_t seed)
        : options_(options), weights(options.config) {
        const ModelConfig& c = options.config;
        Random random(seed);
        const auto matrix = [&](const std::string& name, int64_t n, int64_t k) {
            const std::vector<float> w = random.normals(n * k, 1.0f / std::sqrt(static_cast<float>(k)));
            const std::vector<int64_t> shape = {n, k};
            weights.set(name, "F32", shape, bytes_of(w), options.format, 0.0f, pool);
        };
        const auto vector = [&](const std::string& name, int64_t n, float middle, float spread) {
            std::vector<float> w = random.normals(n, spread);
            const std::vector<int64_t> shape = {n};
            weights.set(name, "F32", shape, bytes_of(w), "", middle, pool);
            for (float& v : w) v += middle;
            vectors_[name] = w;
        };
        matrix("embed", c.vocab, c.hidden);
        if (options.lm_head) matrix("lm_head", c.vocab, c.hidden);
        vector("final_norm", c.hidden, 1.0f, 0.1f);
        for (int64_t i = 0; i < c.layers; ++i) {
            const std::string l = "layers." + std::to_string(i) + ".";
            matrix(l + "attn_q", c.query_width(), c.hidden);
            matrix(l + "attn_k", c.kv_width(), c.hidden);
            matrix(l + "attn_v", c.kv_width(), c.hidden);
            matrix(l + "attn_out", c.hidden, c.query_width());
            matrix(l + "ffn_gate", c.intermediate, c.hidden);
            matrix(l + "ffn_up", c.intermediate, c.hidden);
            matrix(l + "ffn_down", c.hidden, c.intermediate);
            vector(l + "attn_norm", c.hidden, 1.0f, 0.1f);
            vector(l + "ffn_norm", c.hidden, 1.0f, 0.1f);
            if (options.biases) {
                vector(l + "attn_q_bias", c.query_width(), 0.0f, 0.3f);
                vector(l + "attn_k_bias", c.kv_width(), 0.0f, 0.3f);
                vector(l + "attn_v_bias", c.kv_width(), 0.0f, 0.3f);
                vector(l + "attn_out_bias", c.hidden, 0.0f, 0.3f);
            }
            if (options.head_norms) {
                vector(l + "attn_q_norm", c.head_dim, 1.0f, 0.1f);
                vector(l + "attn_k_norm", c.head_dim, 1.0f, 0.1f);
            }
            if (options.post_norms) {
                vector(l + "attn_post_norm", c.hidden, 1.0f, 0.1f);
                vector(l + "ffn_post_norm", c.hidden, 1.0f, 0.1f);
            }
        }
        weights.finish();
    }

    // Logits [tokens, vocab] of one sequence from its start. Activations, queries, keys and values are rounded as the
    // format and the kind of cache round them.
    // on_attention: called with the query [heads, head_dim] of each layer and token, and the keys up to it.
    using OnAttention = std::function<void(int64_t layer, int64_t token, const std::vector<float>& query,
                                           const std::vector<float>& keys, const reference::AttentionShape& shape)>;
    std::vector<float> reference_logits(const std::vector<int32_t>& tokens, KVKind kind,
                                        const OnAttention& on_attention = {}) const {
        const ModelConfig& c = options_.config;
        const auto count = static_cast<int64_t>(tokens.size());
        std::vector<std::vector<float>> x;
        for (const int32_t token : tokens) {
            x.push_back(dense_row(weights.embed(), token));
            for (float& v : x.back()) v *= static_cast<float>(c.embedding_scale);
        }
        for (int64_t i = 0; i < c.layers; ++i) {
            const std::string l = "layers." + std::to_string(i) + ".";
            const LayerWeights& w = weights.layer(i);
            const std::vector<float> q = dense(w.q), k = dense(w.k), v = dense(w.v), out = dense(w.out);
            const std::vector<float> gate = dense(w.gate), up = dense(w.up), down = dense(w.down);
            std::vector<float> keys, values;
            for (int64_t t = 0; t < count; ++t) {
                std::vector<float>& h = x[static_cast<size_t>(t)];
                const std::vector<float> normed = norm(h, l + "attn_norm");
                std::vector<float> query = linear(normed, q, l + "attn_q_bias");
                std::vector<float> key = linear(normed, k, l + "attn_k_bias");
                std::vector<float> value = linear(normed, v, l + "attn_v_bias");
                heads(query, l + "attn_q_norm", i, t);
                heads(key, l + "attn_k_norm", i, t);
                query = rounded_heads(query, c.head_dim, kind);
                key = rounded_heads(key, c.head_dim, kind);
                value = rounded_heads(value, c.head_dim, kind);
                keys.insert(keys.end(), key.begin(), key.end());
                values.insert(values.end(), value.begin(), value.end());
                const double scale =
                    c.query_scale > 0 ? c.query_scale : 1.0 / std::sqrt(static_cast<double>(c.head_dim));
                const reference::AttentionShape shape{static_cast<int>(c.heads), static_cast<int>(c.kv_heads),
                                                      static_cast<int>(c.head_dim), c.window[static_cast<size_t>(i)],
                                                      static_cast<float>(scale)};
                if (on_attention) on_attention(i, t, query, keys, shape);
                const std::vector<float> mixed = reference::attention(query, keys, values, shape, t);
                add(h, linear(mixed, out, l + "attn_out_bias"), l + "attn_post_norm");
                const std::vector<float> inner = norm(h, l + "ffn_norm");
                std::vector<float> g = linear(inner, gate, "");
                const std::vector<float> u = linear(inner, up, "");
                for (size_t j = 0; j < g.size(); ++j)
                    g[j] = (c.activation == "silu" ? reference::silu(g[j]) : reference::gelu_tanh(g[j])) * u[j];
                add(h, linear(g, down, ""), l + "ffn_post_norm");
            }
        }
        const std::vector<float> head = dense(weights.head());
        std::vector<float> logits;
        for (const auto& h : x) {
            const std::vector<float> row = linear(norm(h, "final_norm"), head, "");
            logits.insert(logits.end(), row.begin(), row.end());
        }
        return logits;
    }

  private:
    TinyOptions options_;

  public:
    Weights weights;

  private:
    static std::span<const uint8_t> bytes_of(const std::vector<float>& w) {
        return {reinterpret_cast<const uint8_t*>(w.data()), w.size() * sizeof(float)};
    }
    std::vector<float> linear(const std::vector<float>& x, const std::vector<float>& w, const std::string& bias) const {
        const auto found = vectors_.find(bias);
        const std::vector<float> none;
        const auto k = static_cast<int64_t>(x.size());
        return reference::matmul(rounded(x, options_.format), w, found == vectors_.end() ? none : found->second, 1,
                                 static_cast<int64_t>(w.size()) / k, k);
    }
    std::vector<float> norm(const std::vector<float>& x, const std::string& name) const {
        return reference::rms_norm(x, vectors_.at(name), static_cast<float>(options_.config.norm_eps));
    }
    void add(std::vector<float>& x, std::vector<float> delta, const std::string& post_norm) const {
        if (vectors_.contains(post_norm)) delta = norm(delta, post_norm);
        for (size_t i = 0; i < x.size(); ++i) x[i] += delta[i];
    }
    void heads(std::vector<float>& x, const std::string& norm_name, int64_t layer, int64_t position) const {
        const ModelConfig& c = options_.config;
        reference::RopeShape rope;
        rope.dims = static_cast<int>(c.rotated());
        rope.theta = c.rope_theta[static_cast<size_t>(layer)];
        rope.interleaved = c.rope_interleaved;
        if (c.rope_scaled[static_cast<size_t>(layer)]) {
            const RopeScaling& s = c.rope_scaling;
            rope.stretch = s.kind == "linear"    ? reference::RopeStretch::kLinear
                           : s.kind == "llama3"  ? reference::RopeStretch::kLlama3
                           : s.kind == "factors" ? reference::RopeStretch::kFactors
                                                 : reference::RopeStretch::kNone;
            rope.factor = s.factor;
            rope.low_freq_factor = s.low_freq_factor;
            rope.high_freq_factor = s.high_freq_factor;
            rope.original_context = s.original_context;
            rope.factors = s.factors;
        }
        for (size_t start = 0; start < x.size(); start += static_cast<size_t>(c.head_dim)) {
            const std::span<float> head(x.data() + start, static_cast<size_t>(c.head_dim));
            if (vectors_.contains(norm_name)) {
                const std::vector<float> normed = norm({head.begin(), head.end()}, norm_name);
                std::copy(normed.begin(), normed.end(), head.begin());
            }
            reference::rope(head, rope, position);
        }
    }

    std::map<std::string, std::vector<float>> vectors_;
};

// The usual llama arrangement; tests change what they are about.
inline TinyOptions tiny_options(int64_t hidden, int64_t intermediate, int64_t heads, int64_t kv_heads, int64_t head_dim,
                                int64_t layers = 2) {
    TinyOptions o;
    ModelConfig& c = o.config;
    c.vocab = 101;
    c.hidden = hidden;
    c.intermediate = intermediate;
    c.layers = layers;
    c.heads = heads;
    c.kv_heads = kv_heads;
    c.head_dim = head_dim;
    c.rope_theta.assign(static_cast<size_t>(layers), 10000.0);
    c.rope_scaled.assign(static_cast<size_t>(layers), false);
    c.window.assign(static_cast<size_t>(layers), 0);
    return o;
}

}  // namespace spatz::test
