// The forward pass over a ragged batch: prefill chunks and decodes of many sequences in one step.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "model/attention.h"
#include "model/batch.h"
#include "model/config.h"
#include "model/kv.h"
#include "model/mover.h"
#include "model/weights.h"
#include "model/workspace.h"
#include "ops/kernels.h"

namespace spatz {

class Decoder {
  public:
    Decoder(const ModelConfig& config, const Weights& weights, const Kernels& kernels, ThreadPool& pool);

    // Called for each wanted row with its logits [vocab], which may be overwritten; on any thread, several at once.
    using OnLogits = std::function<void(int64_t row, std::span<float> logits)>;
    // Runs one step. Calls from several threads take turns. What on_logits throws is thrown here, after the step.
    void forward(const KVCache& cache, const BatchView& view, const OnLogits& on_logits);
    // Runs the step, and measures how much of what the rows attend to lies in some places: what tells which heads fetch
    // things from far away. ranges: [R, 2] of each row, the places [first, last) in its sequence's pages. shares:
    // [R, layers, heads], each head's part of its attention, 0 to 1. Throws std::invalid_argument.
    void attention_mass(const KVCache& cache, const BatchView& view, std::span<const int32_t> ranges,
                        std::span<float> shares);
    // Waits for a step that is running.
    void move(const KVCache& cache, const Mover::Task& task);

  private:
    struct Step;  // one forward pass
    struct Shares {
        std::span<const int32_t> ranges;
        std::span<float> out;
    };
    void run(const KVCache& cache, const BatchView& view, const OnLogits& on_logits, const Shares* shares);

    const ModelConfig config_;
    const Weights& weights_;
    const Kernels& kernels_;
    ThreadPool& pool_;
    const Widths widths_;
    std::vector<std::vector<double>> frequencies_;  // of each distinct rope
    std::vector<int> rope_of_layer_;                // index into frequencies_

    const Mover mover_;

    std::mutex turn_;
    std::vector<ThreadScratch> scratch_;  // one per thread
    std::vector<RopeTable> ropes_;        // one per distinct rope
    Buffer<float> x_;                     // [T, hidden] residual stream
    Buffer<float> q_, k_, v_;             // [T, query], [T, kv], [T, kv]
    Buffer<float> mid_;                   // [T, widest] attention output, gated activations (column-wise mode)
    Buffer<float> delta_;                 // [T, hidden] before a post-norm (column-wise mode)
    std::vector<TileBuffer> tiles_;       // of all rows (column-wise mode)
    AttentionBuffer parts_;               // softmax state of each split (column-wise mode)
    Buffer<float> final_;                 // [tile rows, hidden] normed rows for the head
    Buffer<float> logits_;                // [kLogitRows, vocab]
};

}  // namespace spatz
