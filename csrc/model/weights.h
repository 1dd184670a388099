// A model's packed weights by name.
#pragma once

#include <array>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/thread_pool.h"
#include "model/config.h"
#include "model/tensors.h"
#include "ops/pack.h"

namespace spatz {

struct LayerWeights {
    PackedMatrix q, k, v, out, gate, up, down;
    const float* attn_norm = nullptr;       // [hidden]
    const float* ffn_norm = nullptr;        // [hidden]
    const float* q_bias = nullptr;          // [heads * head_dim], optional
    const float* k_bias = nullptr;          // [kv_heads * head_dim], optional
    const float* v_bias = nullptr;          // [kv_heads * head_dim], optional
    const float* out_bias = nullptr;        // [hidden], optional
    const float* q_norm = nullptr;          // [head_dim], optional
    const float* k_norm = nullptr;          // [head_dim], optional
    const float* attn_post_norm = nullptr;  // [hidden], optional
    const float* ffn_post_norm = nullptr;   // [hidden], optional
};

class Weights {
  public:
    explicit Weights(const ModelConfig& config);

    // dtype and format as in _core.pyi; format "" is the dtype's own. Throws std::invalid_argument.
    void set(std::string_view name, std::string_view dtype, std::span<const int64_t> shape,
             std::span<const uint8_t> data, std::string_view format, float add, ThreadPool& pool);
    // Throws std::invalid_argument that names what is missing.
    void finish();
    bool finished() const { return finished_; }

    const LayerWeights& layer(int64_t i) const { return layers_[static_cast<size_t>(i)]; }
    const PackedMatrix& embed() const { return embed_; }
    const PackedMatrix& head() const { return head_.data == nullptr ? embed_ : head_; }
    const float* final_norm() const { return final_norm_; }

    int64_t bytes_per_token() const;  // packed weights that a decode step reads
    int64_t linear_macs() const;      // per token, without the head
    std::map<std::string, int64_t> bytes_by_format() const;

  private:
    TensorStore::Slot find(std::string_view name);
    std::vector<const PackedMatrix*> matrices() const;

    ModelConfig config_;
    std::vector<LayerWeights> layers_;
    PackedMatrix embed_, head_;
    const float* final_norm_ = nullptr;
    TensorStore store_;
    bool finished_ = false;
};

}  // namespace spatz
