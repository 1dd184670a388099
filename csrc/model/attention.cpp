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
    const bool from_start = batch_.route(span.sequence).far_pages > 0 && sees(span, layer, 0);
    // Not what the top layers see alone: all layers with one sliding window are cut alike.
    const int64_t first = from_start ? 0 : first_visible(position(span, 0), layer);
    return {first / kSplitTokens, position(span, span.rows - 1) / kSplitTokens + 1};
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
    const bool far = page < batch_.route(span.sequence).far_pages;
    PageMask mask;
    for (int r = 0; r < span.rows; ++r) {
        const int64_t at = position(span, r);
        const int64_t first = far ? 0 : first_seen(span, at, layer);
        mask.first[r] = static_cast<int>(std::clamp<int64_t>(first - base, 0, kPageTokens));
        mask.last[r] = static_cast<int>(std::clamp<int64_t>(at + 1 - base, 0, kPageTokens));
    }
    return mask;
}

void Attention::run_split(std::span<const AttentionSpan> spans, int64_t layer, int64_t split,
                          std::span<const AttentionRows> rows) const {
    for (const AttentionRows& each : rows) clear(each);
    const bool routed = batch_.route(spans.front().sequence).far_pages > 0;
    const int64_t seen_first = routed ? 0 : first_seen(spans.front(), position(spans.front(), 0), layer);
    const int64_t seen_last = position(spans.back(), spans.back().rows - 1) + 1;
    const int64_t last = std::min((split + 1) * kSplitPages, ceil_div(seen_last, kPageTokens));
    struct At {
        int64_t page;
        size_t span;
    };
    // The pair that comes after this one, page by page, of those that are seen.
    const auto after = [&](At at) {
        do {
            if (++at.span == spans.size()) at = {at.page + 1, 0};
        } while (at.page < last && !sees(spans[at.span], layer, at.page));
        return at;
    };
    const auto place = [&](At at) {
        return cache_.head(batch_.page(spans[at.span].sequence, at.page), layer, spans[at.span].kv_head);
    };
    At at{std::max(split * kSplitPages, seen_first / kPageTokens), 0};
    if (at.page < last && !sees(spans[0], layer, at.page)) at = after(at);
    while (at.page < last) {
        const At then = after(at);
        const uint8_t* here = place(at);
        const uint8_t* next = then.page < last ? place(then) : nullptr;
        kernels_.attend(cache_.kind(), rows[at.span], here, mask(spans[at.span], layer, at.page),
                        next == here ? nullptr : next);
        at = then;
    }
}

void Attention::run_range(const AttentionSpan& span, int64_t layer, int64_t first, int64_t last,
                          const AttentionRows& rows) const {
    clear(rows);
    const int64_t seen_last = std::min(last, position(span, span.rows - 1) + 1);
    for (int64_t page = first / kPageTokens; page < ceil_div(seen_last, kPageTokens); ++page) {
        if (!sees(span, layer, page)) continue;
        PageMask part = mask(span, layer, page);
        for (int r = 0; r < span.rows; ++r) {
            part.first[r] = static_cast<int>(std::max<int64_t>(part.first[r], first - page * kPageTokens));
            part.last[r] = static_cast<int>(std::min<int64_t>(part.last[r], last - page * kPageTokens));
        }
        kernels_.attend(cache_.kind(), rows, cache_.head(batch_.page(span.sequence, page), layer, span.kv_head), part,
                        nullptr);
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
