// One step's work, as given by the caller: the new tokens of several sequences and where their history lies.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/config.h"
#include "model/kv.h"

namespace spatz {

// Of a model's KV heads, those that see far: they keep what is older than the window. The others see their sinks and
// the window alone, so the layers above the last far head matter for the last few tokens of a text only.
class FarHeads {
  public:
    // heads: layer * kv_heads + head, in any order. Throws std::invalid_argument.
    FarHeads(const ModelConfig& config, std::vector<int32_t> heads);

    const std::vector<int32_t>& list() const { return list_; }
    bool sees_far(int64_t layer, int64_t kv_head) const {
        return flags_[static_cast<size_t>(layer * kv_heads_ + kv_head)];
    }
    // Layers that a token has to be run through for what the far heads keep of it.
    int64_t depth() const { return depth_; }
    bool fits(const ModelConfig& config) const {
        return kv_heads_ == config.kv_heads && static_cast<int64_t>(flags_.size()) == config.layers * config.kv_heads;
    }

  private:
    int64_t kv_heads_;
    int64_t depth_ = 1;
    std::vector<int32_t> list_;  // ascending
    std::vector<bool> flags_;    // [layers * kv_heads]
};

// How a sequence that is longer than what its pages hold lies in them: first the far pages, one of sinks, which every
// full-attention head sees, and those that were looked up for the far heads; then the window, up to the newest token.
struct Route {
    int32_t far_pages = 0;  // 0: the pages hold the sequence from its start
    int32_t offset = 0;     // of a token in the window: its place in the text - its place in the pages
    int32_t first = 0;      // nothing of the window before this place is seen
    int32_t first_top = 0;  // ... in the layers from FarHeads::depth on
};

struct BatchView {
    std::span<const int32_t> tokens;     // [T]
    std::span<const int32_t> starts;     // [S+1]
    std::span<const int32_t> positions;  // [S]
    std::span<const int32_t> pages;      // [S, pages_per_sequence]
    int64_t pages_per_sequence = 0;
    std::span<const int32_t> rows;            // [R] ascending indices into tokens
    std::span<const Route> routes;            // [S], or empty: no sequence is routed
    const FarHeads* far_heads = nullptr;      // needed with routes
    bool shallow = false;                     // run FarHeads::depth layers only; no rows then
    std::span<const float> embeddings;        // [E, hidden] the inputs of some tokens, in place of their embedding rows
    std::span<const int32_t> embedding_rows;  // [E] ascending indices into tokens
};

// A checked batch, with what each token needs to know of itself.
class Batch {
  public:
    // Throws std::invalid_argument for anything that would read or write out of place.
    Batch(const BatchView& view, const ModelConfig& config, const KVCache& cache);

    int64_t size() const { return static_cast<int64_t>(view_.tokens.size()); }
    int64_t sequences() const { return static_cast<int64_t>(view_.positions.size()); }
    int32_t token(int64_t t) const { return view_.tokens[static_cast<size_t>(t)]; }
    int64_t sequence(int64_t t) const { return sequence_[static_cast<size_t>(t)]; }
    // Where it lies in its sequence's pages.
    int64_t position(int64_t t) const { return position_[static_cast<size_t>(t)]; }
    // Where it stands in the text.
    int64_t place(int64_t t) const { return position(t) + route(sequence(t)).offset; }
    const Route& route(int64_t s) const { return view_.routes.empty() ? kWhole : view_.routes[static_cast<size_t>(s)]; }
    const FarHeads* far_heads() const { return view_.far_heads; }
    int64_t layers() const { return layers_; }  // that are run
    // The vector [hidden] that token t's input was given as; null: it is the token's own row.
    const float* embedding(int64_t t) const { return given_.empty() ? nullptr : given_[static_cast<size_t>(t)]; }
    int64_t start(int64_t s) const { return view_.starts[static_cast<size_t>(s)]; }
    int64_t end(int64_t s) const { return view_.starts[static_cast<size_t>(s) + 1]; }
    int64_t page(int64_t s, int64_t i) const {
        return view_.pages[static_cast<size_t>(s * view_.pages_per_sequence + i)];
    }
    std::span<const int32_t> rows() const { return view_.rows; }

  private:
    static constexpr Route kWhole{};
    BatchView view_;
    int64_t layers_;
    std::vector<int32_t> sequence_;    // [T]
    std::vector<int64_t> position_;    // [T]
    std::vector<const float*> given_;  // [T], or empty: no input was given
};

}  // namespace spatz
