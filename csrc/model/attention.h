// Attention of a few query rows over their pages, in splits of fixed position.
//
// A row's history is cut at multiples of kSplitTokens. Each split is summed on its own and the splits are merged in
// order, whether one thread does them one after another (prefill) or several at once (decode): the result is the same
// to the bit.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>

#include "model/batch.h"
#include "model/kv.h"
#include "ops/kernels.h"

namespace spatz {

constexpr int64_t kSplitPages = 8;
constexpr int64_t kSplitTokens = kSplitPages * kPageTokens;

// Query rows [first_row, first_row + rows) of one sequence and KV head, where row i is token first_token + i / group
// and head i % group of the KV head's group.
struct AttentionSpan {
    int64_t sequence = 0;
    int64_t first_token = 0;  // index into the batch
    int64_t first_row = 0;
    int rows = 0;
    int64_t kv_head = 0;
};

class Attention {
  public:
    Attention(const ModelConfig& config, const Kernels& kernels, const KVCache& cache, const Batch& batch);

    // Splits that hold anything the span's rows may see: [first, last).
    std::pair<int64_t, int64_t> splits(const AttentionSpan& span, int64_t layer) const;
    // Fills in the span's queries. q: [T, stride], head h of a token at h * head_dim, already rotated.
    void put_queries(const AttentionSpan& span, const float* q, int64_t stride, const AttentionRows& rows) const;
    // Sums one split into the rows' states, which are cleared first. spans: of the same tokens, several KV heads (whose
    // keys and values lie side by side in a page, so that memory is read in long runs) or several rows of one (which
    // then share what has come into the core's cache); in ascending order.
    void run_split(std::span<const AttentionSpan> spans, int64_t layer, int64_t split,
                   std::span<const AttentionRows> rows) const;
    // The same for the places [first, last) of the pages alone, as far as the rows see them.
    void run_range(const AttentionSpan& span, int64_t layer, int64_t first, int64_t last,
                   const AttentionRows& rows) const;
    static void clear(const AttentionRows& rows);
    // Divides by the total and writes row i to out + (token of i - span.first_token) * stride + head * head_dim.
    void finish(const AttentionSpan& span, const AttentionRows& rows, float* out, int64_t stride) const;

  private:
    PageMask mask(const AttentionSpan& span, int64_t layer, int64_t page) const;
    // Whether any of a page may be seen by the span's head at all; what each row sees of it, the mask says.
    bool sees(const AttentionSpan& span, int64_t layer, int64_t page) const {
        const Route& route = batch_.route(span.sequence);
        if (page >= route.far_pages) return page >= window_first(span, layer) / kPageTokens;
        if (config_.window[static_cast<size_t>(layer)] != 0) return false;  // local as it was trained
        return page == 0 || batch_.far_heads()->sees_far(layer, span.kv_head);
    }
    // The first place in the pages of what is no far page and seen in this layer, if no sliding window hides it.
    int64_t window_first(const AttentionSpan& span, int64_t layer) const {
        const Route& route = batch_.route(span.sequence);
        if (route.far_pages == 0 && route.first == 0 && route.first_top == 0) return 0;
        const int64_t first = std::max<int64_t>(route.far_pages * int64_t{kPageTokens}, route.first);
        return layer < batch_.far_heads()->depth() ? first : std::max<int64_t>(first, route.first_top);
    }
    // The first place that a row at `position` sees, far pages apart.
    int64_t first_seen(const AttentionSpan& span, int64_t position, int64_t layer) const {
        return std::max(first_visible(position, layer), window_first(span, layer));
    }
    int64_t position(const AttentionSpan& span, int row) const {
        return batch_.position(span.first_token + (span.first_row + row) / config_.group());
    }
    int64_t first_visible(int64_t position, int64_t layer) const {
        const int64_t window = config_.window[static_cast<size_t>(layer)];
        return window == 0 || position < window ? 0 : position - window + 1;
    }

    const ModelConfig& config_;
    const Kernels& kernels_;
    const KVCache& cache_;
    const Batch& batch_;
    float query_scale_;  // with log2(e): scores are in log2 units
};

}  // namespace spatz
