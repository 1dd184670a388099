#include "model/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace spatz {

Attention::Attention(const ModelConfig& config, const Kernels& kernels, const KVCache& cache, const Batch& batch)
    : config_(config), kernels_(kernels), cache_(cache), batch_(batch) {
    const double scale =
        config.query_scale > 0 ? config.query_scale : 1.0 / std::sqrt(static_cast<double>(config.head_dim));
    query_scale_ = static_cast<float>(scale * std::numbers::log2e);
}

std::pair<int64_t, int64_t> Attention::splits(const AttentionSpan& span, int64_t layer) const {
    return {first_visible(position(span, 0), layer) / kSplitTokens, position(span, span.rows - 1) / kSplitTokens + 1};
}

void Attention::put_queries(const AttentionSpan& span, const float* q, int64_t stride,
                            const AttentionRows& rows) const {
    const int64_t group = config_.group();
    for (int r = 0; r < span.rows; ++r) {
        const int64_t row = span.first_row + r;
        const int64_t head = span.kv_head * group + row % group;
        const float* from = q + (span.first_token + row / group) * stride + head * config_.head_dim;
        kernels_.put_query(cache_.kind(), from, query_scale_, rows, r);
    }
}

void Attention::clear(const AttentionRows& rows) {
    std::fill_n(rows.out, static_cast<int64_t>(rows.rows) * rows.head_dim, 0.0f);
    std::fill_n(rows.largest, rows.rows, -std::numeric_limits<float>::infinity());
    std::fill_n(rows.total, rows.rows, 0.0f);
}

PageMask Attention::mask(const AttentionSpan& span, int64_t layer, int64_t page) const {
    const int64_t base = page * kPageTokens;
    PageMask mask;
    for (int r = 0; r < span.rows; ++r) {
        const int64_t at = position(span, r);
        mask.first[r] = static_cast<int>(std::clamp<int64_t>(first_visible(at, layer) - base, 0, kPageTokens));
        mask.last[r] = static_cast<int>(std::clamp<int64_t>(at + 1 - base, 0, kPageTokens));
    }
    return mask;
}

void Attention::run_split(std::span<const AttentionSpan> spans, int64_t layer, int64_t split,
                          std::span<const AttentionRows> rows) const {
    for (const AttentionRows& each : rows) clear(each);
    const int64_t seen_first = first_visible(position(spans.front(), 0), layer);
    const int64_t seen_last = position(spans.back(), spans.back().rows - 1) + 1;
    const int64_t first = std::max(split * kSplitPages, seen_first / kPageTokens);
    const int64_t last = std::min((split + 1) * kSplitPages, ceil_div(seen_last, kPageTokens));
    const auto place = [&](int64_t page, size_t i) {
        return cache_.head(batch_.page(spans[i].sequence, page), layer, spans[i].kv_head);
    };
    for (int64_t page = first; page < last; ++page) {
        for (size_t i = 0; i < spans.size(); ++i) {
            const uint8_t* here = place(page, i);
            const uint8_t* next = nullptr;
            if (i + 1 < spans.size()) {
                next = place(page, i + 1);
            } else if (page + 1 < last) {
                next = place(page + 1, 0);
            }
            kernels_.attend(cache_.kind(), rows[i], here, mask(spans[i], layer, page), next == here ? nullptr : next);
        }
    }
}

void Attention::finish(const AttentionSpan& span, const AttentionRows& rows, float* out, int64_t stride) const {
    const int64_t group = config_.group();
    for (int r = 0; r < span.rows; ++r) {
        const int64_t row = span.first_row + r;
        float* to = out + row / group * stride + (span.kv_head * group + row % group) * config_.head_dim;
        const float* from = rows.out + static_cast<int64_t>(r) * config_.head_dim;
        const float scale = rows.total[r] > 0.0f ? 1.0f / rows.total[r] : 0.0f;
        for (int64_t i = 0; i < config_.head_dim; ++i) to[i] = from[i] * scale;
    }
}

}  // namespace spatz
