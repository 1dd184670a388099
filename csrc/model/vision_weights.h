// A vision tower's shape and its packed weights by name: SigLIP (2023) as Idefics3 and SmolVLM have it.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/thread_pool.h"
#include "model/tensors.h"
#include "ops/pack.h"

namespace spatz {

constexpr int64_t kImageChannels = 3;

struct VisionConfig {
    int64_t patch = 0;      // pixels of a patch's side
    int64_t positions = 0;  // that the tower has learned
    int64_t hidden = 0;
    int64_t intermediate = 0;
    int64_t layers = 0;
    int64_t heads = 0;
    double norm_eps = 1e-6;
    int64_t shuffle = 1;      // patches of a side that become one token
    int64_t text_hidden = 0;  // of the decoder that reads the tokens

    // Throws std::invalid_argument that names the field.
    void check() const;
    int64_t head_dim() const { return hidden / heads; }
    int64_t patch_values() const { return kImageChannels * patch * patch; }
    int64_t shuffled() const { return hidden * shuffle * shuffle; }  // values that one token is made of
};

struct VisionLayerWeights {
    PackedMatrix q, k, v, out;  // [hidden, hidden]
    PackedMatrix up, down;      // [intermediate, hidden], [hidden, intermediate]
    const float* attn_norm = nullptr;
    const float* attn_norm_bias = nullptr;
    const float* ffn_norm = nullptr;
    const float* ffn_norm_bias = nullptr;
    const float* q_bias = nullptr;
    const float* k_bias = nullptr;
    const float* v_bias = nullptr;
    const float* out_bias = nullptr;
    const float* up_bias = nullptr;  // [intermediate]; all others [hidden]
    const float* down_bias = nullptr;
};

class VisionWeights {
  public:
    explicit VisionWeights(const VisionConfig& config);

    // dtype and format as in _core.pyi; format "" is the dtype's own. Throws std::invalid_argument.
    void set(std::string_view name, std::string_view dtype, std::span<const int64_t> shape,
             std::span<const uint8_t> data, std::string_view format, ThreadPool& pool);
    // Throws std::invalid_argument that names what is missing: there is no tensor that a tower can do without.
    void finish();

    const VisionLayerWeights& layer(int64_t i) const { return layers_[static_cast<size_t>(i)]; }
    const PackedMatrix& patch() const { return patch_; }             // [hidden, patch_values]
    const float* patch_bias() const { return patch_bias_; }          // [hidden]
    const float* positions() const { return positions_; }            // [positions, hidden]
    const float* post_norm() const { return post_norm_; }            // [hidden]
    const float* post_norm_bias() const { return post_norm_bias_; }  // [hidden]
    const PackedMatrix& connector() const { return connector_; }     // [text_hidden, shuffled]
    std::map<std::string, int64_t> bytes_by_format() const;

  private:
    struct Named {
        std::string name;
        TensorStore::Slot slot;
    };
    std::vector<Named> slots();
    std::vector<Named> layer_slots(VisionLayerWeights& layer) const;

    VisionConfig config_;
    std::vector<VisionLayerWeights> layers_;
    PackedMatrix patch_, connector_;
    const float* patch_bias_ = nullptr;
    const float* positions_ = nullptr;
    const float* post_norm_ = nullptr;
    const float* post_norm_bias_ = nullptr;
    TensorStore store_;
    bool finished_ = false;
};

}  // namespace spatz
