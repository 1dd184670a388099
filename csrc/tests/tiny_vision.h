// Random vision towers of a few thousand parameters, and their forward pass as plain loops over ops/reference.h.
#pragma once

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "model/vision.h"
#include "ops/reference.h"
#include "random.h"
#include "rounding.h"

namespace spatz::test {

// Images of one size with all that the encoder wants to know of them.
struct Pictures {
    int64_t images = 0, height = 0, width = 0;
    std::vector<float> pixels;       // [images, 3, height, width]
    std::vector<int32_t> positions;  // [images, patches]
    std::vector<uint8_t> mask;       // [images, patches], or empty

    VisionView view() const { return {pixels, images, height, width, positions, mask}; }
};

class TinyTower {
  public:
    TinyTower(const VisionConfig& config, const std::string& format, ThreadPool& pool, uint64_t seed)
        : config_(config), format_(format), weights(config) {
        const VisionConfig& c = config;
        Random random(seed);
        const auto put = [&](const std::string& name, std::vector<int64_t> shape, float middle, float spread) {
            std::vector<float> w = random.normals(shape[0] * (shape.size() == 1 ? 1 : shape[1]), spread);
            for (float& v : w) v += middle;
            const std::span<const uint8_t> bytes{reinterpret_cast<const uint8_t*>(w.data()), w.size() * 4};
            weights.set(name, "F32", shape, bytes, shape.size() == 1 ? "" : format, pool);
            floats_[name] = std::move(w);
        };
        const auto matrix = [&](const std::string& name, int64_t n, int64_t k) {
            put(name, {n, k}, 0.0f, 1.0f / std::sqrt(static_cast<float>(k)));
        };
        matrix("patch", c.hidden, c.patch_values());
        put("patch_bias", {c.hidden}, 0.0f, 0.3f);
        put("positions", {c.positions, c.hidden}, 0.0f, 0.5f);
        put("post_norm", {c.hidden}, 1.0f, 0.1f);
        put("post_norm_bias", {c.hidden}, 0.0f, 0.3f);
        matrix("connector", c.text_hidden, c.shuffled());
        for (int64_t i = 0; i < c.layers; ++i) {
            const std::string l = "layers." + std::to_string(i) + ".";
            for (const char* name : {"attn_q", "attn_k", "attn_v", "attn_out"}) {
                matrix(l + name, c.hidden, c.hidden);
                put(l + name + "_bias", {c.hidden}, 0.0f, 0.3f);
            }
            matrix(l + "ffn_up", c.intermediate, c.hidden);
            put(l + "ffn_up_bias", {c.intermediate}, 0.0f, 0.3f);
            matrix(l + "ffn_down", c.hidden, c.intermediate);
            put(l + "ffn_down_bias", {c.hidden}, 0.0f, 0.3f);
            for (const char* name : {"attn_norm", "ffn_norm"}) {
                put(l + name, {c.hidden}, 1.0f, 0.1f);
                put(l + name + "_bias", {c.hidden}, 0.0f, 0.3f);
            }
        }
        weights.finish();
    }

    Pictures pictures(int64_t images, int64_t height, int64_t width, uint64_t seed) const {
        Random random(seed);
        Pictures out{images, height, width, random.normals(images * kImageChannels * height * width), {}, {}};
        for (int64_t i = 0; i < images * (height / config_.patch) * (width / config_.patch); ++i) {
            out.positions.push_back(static_cast<int32_t>(random.below(config_.positions)));
        }
        return out;
    }

    // [tokens, text_hidden] of image `i`. Activations, queries, keys and values are rounded as the format rounds them.
    std::vector<float> reference_tokens(const Pictures& pictures, int64_t image) const {
        const VisionConfig& c = config_;
        const int64_t rows = pictures.height / c.patch;
        const int64_t columns = pictures.width / c.patch;
        std::vector<std::vector<float>> x;  // [patches][hidden]
        for (int64_t p = 0; p < rows * columns; ++p) x.push_back(embedded(pictures, image, p, columns));
        for (int64_t i = 0; i < c.layers; ++i) run_layer(i, x, pictures, image);
        std::vector<float> out;
        for (std::vector<float>& patch : x) patch = norm(patch, "post_norm");
        const std::vector<float> connector = dense(weights.connector());
        for (int64_t top = 0; top < rows; top += c.shuffle) {
            for (int64_t left = 0; left < columns; left += c.shuffle) {
                std::vector<float> square;
                for (int64_t y = top; y < top + c.shuffle; ++y) {
                    for (int64_t z = left; z < left + c.shuffle; ++z) {
                        const std::vector<float>& patch = x[static_cast<size_t>(y * columns + z)];
                        square.insert(square.end(), patch.begin(), patch.end());
                    }
                }
                const std::vector<float> token = linear(square, connector, "");
                out.insert(out.end(), token.begin(), token.end());
            }
        }
        return out;
    }

  private:
    VisionConfig config_;
    std::string format_;

  public:
    VisionWeights weights;

  private:
    std::vector<float> embedded(const Pictures& pictures, int64_t image, int64_t patch, int64_t columns) const {
        const VisionConfig& c = config_;
        std::vector<float> values;
        for (int64_t channel = 0; channel < kImageChannels; ++channel) {
            for (int64_t y = 0; y < c.patch; ++y) {
                for (int64_t z = 0; z < c.patch; ++z) {
                    const int64_t row = patch / columns * c.patch + y;
                    const int64_t at = ((image * kImageChannels + channel) * pictures.height + row) * pictures.width +
                                       patch % columns * c.patch + z;
                    values.push_back(pictures.pixels[static_cast<size_t>(at)]);
                }
            }
        }
        std::vector<float> out = linear(values, dense(weights.patch()), "patch_bias");
        const auto all = static_cast<int64_t>(pictures.positions.size()) / pictures.images;
        const int64_t position = pictures.positions[static_cast<size_t>(image * all + patch)];
        for (int64_t i = 0; i < c.hidden; ++i) {
            out[static_cast<size_t>(i)] += floats_.at("positions")[static_cast<size_t>(position * c.hidden + i)];
        }
        return out;
    }

    void run_layer(int64_t i, std::vector<std::vector<float>>& x, const Pictures& pictures, int64_t image) const {
        const VisionConfig& c = config_;
        const std::string l = "layers." + std::to_string(i) + ".";
        const VisionLayerWeights& w = weights.layer(i);
        const std::vector<float> q = dense(w.q), k = dense(w.k), v = dense(w.v), out = dense(w.out);
        const std::vector<float> up = dense(w.up), down = dense(w.down);
        const KVKind kind = format_ == "bf16" ? KVKind::kBf16 : KVKind::kInt8;
        std::vector<std::vector<float>> queries;
        std::vector<float> keys, values;  // of the patches that are seen
        for (size_t p = 0; p < x.size(); ++p) {
            const std::vector<float> normed = norm(x[p], l + "attn_norm");
            queries.push_back(rounded_heads(linear(normed, q, l + "attn_q_bias"), c.head_dim(), kind));
            if (!pictures.mask.empty() && pictures.mask[static_cast<size_t>(image) * x.size() + p] == 0) continue;
            const std::vector<float> key = rounded_heads(linear(normed, k, l + "attn_k_bias"), c.head_dim(), kind);
            const std::vector<float> value = rounded_heads(linear(normed, v, l + "attn_v_bias"), c.head_dim(), kind);
            keys.insert(keys.end(), key.begin(), key.end());
            values.insert(values.end(), value.begin(), value.end());
        }
        // A patch looks at all others as a decoder's last token does.
        const auto heads = static_cast<int>(c.heads);
        const auto dim = static_cast<int>(c.head_dim());
        const reference::AttentionShape shape{heads, heads, dim, 0, 1.0f / std::sqrt(static_cast<float>(dim))};
        const auto last = static_cast<int64_t>(keys.size()) / c.hidden - 1;
        for (size_t p = 0; p < x.size(); ++p) {
            add(x[p], linear(reference::attention(queries[p], keys, values, shape, last), out, l + "attn_out_bias"));
            std::vector<float> inner = linear(norm(x[p], l + "ffn_norm"), up, l + "ffn_up_bias");
            for (float& value : inner) value = reference::gelu_tanh(value);
            add(x[p], linear(inner, down, l + "ffn_down_bias"));
        }
    }

    std::vector<float> linear(const std::vector<float>& x, const std::vector<float>& w, const std::string& bias) const {
        const auto k = static_cast<int64_t>(x.size());
        const std::vector<float> none;
        return reference::matmul(rounded(x, format_), w, bias.empty() ? none : floats_.at(bias), 1,
                                 static_cast<int64_t>(w.size()) / k, k);
    }
    std::vector<float> norm(const std::vector<float>& x, const std::string& name) const {
        return reference::layer_norm(x, floats_.at(name), floats_.at(name + "_bias"),
                                     static_cast<float>(config_.norm_eps));
    }
    static void add(std::vector<float>& x, const std::vector<float>& delta) {
        for (size_t i = 0; i < x.size(); ++i) x[i] += delta[i];
    }

    std::map<std::string, std::vector<float>> floats_;
};

}  // namespace spatz::test
