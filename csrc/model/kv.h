// Pages of keys and values. A page holds 128 tokens of every layer and KV head; who owns which page is decided above.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/memory.h"
#include "model/config.h"
#include "ops/layout.h"

namespace spatz {

KVKind parse_kv_kind(std::string_view name);  // "int8", "bf16"; throws std::invalid_argument

class KVCache {
  public:
    // Throws std::invalid_argument, std::bad_alloc.
    KVCache(const ModelConfig& config, int64_t max_pages, KVKind kind);

    KVKind kind() const { return kind_; }
    int64_t max_pages() const { return max_pages_; }
    int64_t page_bytes() const { return page_bytes_; }
    bool fits(const ModelConfig& config) const {
        return layers_ == config.layers && kv_heads_ == config.kv_heads && head_dim_ == config.head_dim;
    }

    // page < max_pages is the caller's to check in these two, which are called in the inner loops.
    uint8_t* page(int64_t page) const { return pages_.data() + page * page_bytes_; }
    uint8_t* head(int64_t page_id, int64_t layer, int64_t kv_head) const {
        return page(page_id) + (layer * kv_heads_ + kv_head) * head_bytes_;
    }
    void copy(int64_t source, int64_t target) const;  // throws std::invalid_argument
    // The keys and values of some heads (layer * kv_heads + head), [heads][head_bytes]. Throws std::invalid_argument.
    void gather(int64_t page, std::span<const int32_t> heads, std::span<uint8_t> out) const;
    int64_t head_bytes() const { return head_bytes_; }
    int64_t heads() const { return layers_ * kv_heads_; }
    void release(int64_t page) const;  // throws std::invalid_argument
    void check(int64_t page) const;    // throws std::invalid_argument

  private:
    KVKind kind_;
    int64_t layers_, kv_heads_, head_dim_;
    int64_t max_pages_, head_bytes_, page_bytes_;
    Mapping pages_;
};

}  // namespace spatz
