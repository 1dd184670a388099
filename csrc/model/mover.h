// Moves keys and values to another place in a text: rotary keys are turned by the distance, values go along.
//
// A key at position p is its vector turned by p times the frequencies, so that turning it by d more puts it at p + d:
// whether keys are kept before or after rotation makes no difference but for one rounding. What is far away in a text
// is brought within the distances that the model was trained on that way.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "model/config.h"
#include "model/kv.h"
#include "ops/kernels.h"

namespace spatz {

class Mover {
  public:
    // frequencies: of each distinct rope. rope_of_layer: [layers] index into them.
    Mover(const ModelConfig& config, const Kernels& kernels, const std::vector<std::vector<double>>& frequencies,
          const std::vector<int>& rope_of_layer);

    struct Task {
        std::span<const uint8_t> source;  // [heads][head_bytes], as KVCache::gather gives them
        std::span<const int32_t> heads;   // layer * kv_heads + head
        int64_t source_slot = 0;
        int64_t count = 0;  // tokens, one after another
        int64_t page = 0;
        int64_t slot = 0;
        int64_t distance = 0;  // added to the keys' positions
    };
    // Throws std::invalid_argument for anything that would read or write out of place.
    void move(const KVCache& cache, const Task& task, ThreadPool& pool) const;

  private:
    void move_head(const KVCache& cache, const Task& task, size_t i) const;

    const ModelConfig& config_;
    const Kernels& kernels_;
    const std::vector<std::vector<double>>& frequencies_;
    const std::vector<int>& rope_of_layer_;
};

}  // namespace spatz
