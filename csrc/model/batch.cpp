#include "model/batch.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

namespace spatz {
namespace {

void require(bool holds, const char* what) {
    if (!holds) throw std::invalid_argument(what);
}

}  // namespace

FarHeads::FarHeads(const ModelConfig& config, std::vector<int32_t> heads)
    : kv_heads_(config.kv_heads),
      list_(std::move(heads)),
      flags_(static_cast<size_t>(config.layers * config.kv_heads), false) {
    std::sort(list_.begin(), list_.end());
    for (const int32_t head : list_) {
        require(head >= 0 && head < config.layers * config.kv_heads, "a far head is not one of the model's KV heads");
        require(!flags_[static_cast<size_t>(head)], "a far head is named twice");
        flags_[static_cast<size_t>(head)] = true;
        depth_ = head / config.kv_heads + 1;
    }
}

Batch::Batch(const BatchView& view, const ModelConfig& config, const KVCache& cache)
    : view_(view), layers_(config.layers) {
    const auto total = static_cast<int64_t>(view.tokens.size());
    const auto count = static_cast<int64_t>(view.positions.size());
    require(cache.fits(config), "the KV cache was made for a model of another shape");
    require(total > 0, "a step needs at least one token");
    require(count > 0 && view.starts.size() == view.positions.size() + 1,
            "starts must have one entry more than positions");
    require(view.pages_per_sequence >= 0 && static_cast<int64_t>(view.pages.size()) == count * view.pages_per_sequence,
            "pages must have one row per sequence");
    for (int32_t token : view.tokens) {
        if (token < 0 || token >= config.vocab) {
            throw std::invalid_argument("token " + std::to_string(token) + " is not in the vocabulary of " +
                                        std::to_string(config.vocab));
        }
    }
    require(view.starts.front() == 0 && view.starts.back() == total, "starts must run from 0 to the number of tokens");
    sequence_.reserve(view.tokens.size());
    position_.reserve(view.tokens.size());
    for (int64_t s = 0; s < count; ++s) {
        const int64_t first = view.starts[static_cast<size_t>(s)];
        const int64_t last = view.starts[static_cast<size_t>(s) + 1];
        const int64_t position = view.positions[static_cast<size_t>(s)];
        require(first < last && last <= total, "every sequence must have at least one token");
        require(position >= 0, "positions must not be negative");
        const int64_t needed = ceil_div(position + last - first, kPageTokens);
        require(needed <= view.pages_per_sequence, "a sequence needs more pages than its row of pages has");
        for (int64_t i = 0; i < needed; ++i) cache.check(page(s, i));
        for (int64_t t = first; t < last; ++t) {
            sequence_.push_back(static_cast<int32_t>(s));
            position_.push_back(position + t - first);
        }
    }
    if (!view.routes.empty()) {
        require(view.far_heads != nullptr && view.far_heads->fits(config), "routes need the far heads of this model");
        require(static_cast<int64_t>(view.routes.size()) == count, "routes must have one entry per sequence");
        for (size_t s = 0; s < view.routes.size(); ++s) {
            const Route& route = view.routes[s];
            require(route.far_pages >= 0 && route.far_pages <= view.positions[s] / kPageTokens,
                    "far pages must come before a sequence's new tokens");
            require(std::min(route.first, route.first_top) >= 0 &&
                        std::max(route.first, route.first_top) <= view.positions[s],
                    "what is seen of the window must begin before a sequence's new tokens");
        }
    }
    if (view.shallow) {
        require(!view.routes.empty() && view.rows.empty(), "a shallow step has routes and no rows");
        layers_ = view.far_heads->depth();
    }
    for (size_t r = 0; r < view.rows.size(); ++r) {
        require(view.rows[r] >= 0 && view.rows[r] < total && (r == 0 || view.rows[r] > view.rows[r - 1]),
                "rows must be ascending indices into tokens");
    }
    require(view.embeddings.size() == view.embedding_rows.size() * static_cast<size_t>(config.hidden),
            "embeddings must have one row of the model's hidden size per entry of embedding_rows");
    if (!view.embedding_rows.empty()) given_.assign(view.tokens.size(), nullptr);
    for (size_t e = 0; e < view.embedding_rows.size(); ++e) {
        const int32_t t = view.embedding_rows[e];
        require(t >= 0 && t < total && (e == 0 || t > view.embedding_rows[e - 1]),
                "embedding_rows must be ascending indices into tokens");
        given_[static_cast<size_t>(t)] = view.embeddings.data() + e * static_cast<size_t>(config.hidden);
    }
}

}  // namespace spatz
