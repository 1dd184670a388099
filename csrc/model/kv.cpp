#include "model/kv.h"

#include <cstring>
#include <stdexcept>
#include <string>

namespace spatz {
namespace {
constexpr int64_t kSystemPage = 4096;
constexpr int64_t kMostBytes = int64_t{1} << 46;  // of address space
}  // namespace

KVKind parse_kv_kind(std::string_view name) {
    if (name == "int8") return KVKind::kInt8;
    if (name == "bf16") return KVKind::kBf16;
    throw std::invalid_argument("KV cache kind '" + std::string(name) + "' is not one of int8, bf16");
}

KVCache::KVCache(const ModelConfig& config, int64_t max_pages, KVKind kind)
    : kind_(kind),
      layers_(config.layers),
      kv_heads_(config.kv_heads),
      head_dim_(config.head_dim),
      max_pages_(max_pages),
      head_bytes_(kv_head_bytes(kind, config.head_dim)),
      page_bytes_(round_up(head_bytes_ * config.layers * config.kv_heads, kSystemPage)) {
    if (max_pages < 1 || max_pages > kMostBytes / page_bytes_) {
        throw std::invalid_argument("max_pages must be between 1 and " + std::to_string(kMostBytes / page_bytes_));
    }
    pages_ = Mapping(static_cast<size_t>(page_bytes_ * max_pages));
}

void KVCache::check(int64_t page) const {
    if (page < 0 || page >= max_pages_) {
        throw std::invalid_argument("page " + std::to_string(page) + " is not one of the cache's " +
                                    std::to_string(max_pages_));
    }
}

void KVCache::copy(int64_t source, int64_t target) const {
    check(source);
    check(target);
    if (source != target) std::memcpy(page(target), page(source), static_cast<size_t>(page_bytes_));
}

void KVCache::gather(int64_t page_id, std::span<const int32_t> heads, std::span<uint8_t> out) const {
    check(page_id);
    const auto each = static_cast<size_t>(head_bytes_);
    if (out.size() != heads.size() * each) throw std::invalid_argument("the room for a page's heads has another size");
    for (const int32_t head : heads) {
        if (head < 0 || head >= layers_ * kv_heads_) throw std::invalid_argument("there is no such KV head");
    }
    for (size_t i = 0; i < heads.size(); ++i) {
        std::memcpy(out.data() + i * each, page(page_id) + heads[i] * head_bytes_, each);
    }
}

void KVCache::release(int64_t page) const {
    check(page);
    pages_.release(static_cast<size_t>(page * page_bytes_), static_cast<size_t>(page_bytes_));
}

}  // namespace spatz
