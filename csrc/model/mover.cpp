#include "model/mover.h"

#include <cmath>
#include <stdexcept>

#include "model/rope.h"
#include "ops/half.h"

namespace spatz {
namespace {

constexpr int64_t kMostDim = 512;

// Where an int8 key's or value's dimension d of a slot lies, see layout.h; bf16 in units of two bytes.
int64_t key_at(KVKind kind, int64_t dim, int64_t slot, int64_t d) {
    const int64_t each = kind == KVKind::kInt8 ? 4 : 2;
    return (slot / 16 * (dim / each) + d / each) * 16 * each + slot % 16 * each + d % each;
}
int64_t value_at(KVKind kind, int64_t dim, int64_t slot, int64_t d) {
    const int64_t each = kind == KVKind::kInt8 ? 4 : 2;
    return (slot / each * (dim / 16) + d / 16) * 16 * each + d % 16 * each + slot % each;
}

void read_slot(KVKind kind, int64_t dim, const uint8_t* head, int64_t slot, float* key, float* value) {
    const int64_t half = kPageTokens * dim;
    if (kind == KVKind::kInt8) {
        const auto* scales = reinterpret_cast<const float*>(head + 2 * half);
        const float key_scale = scales[slot];
        const float value_scale = scales[kPageTokens + slot];
        const auto* values = reinterpret_cast<const int8_t*>(head + half);
        for (int64_t d = 0; d < dim; ++d) {
            key[d] = key_scale * static_cast<float>(static_cast<int>(head[key_at(kind, dim, slot, d)]) - 128);
            value[d] = value_scale * static_cast<float>(values[value_at(kind, dim, slot, d)]);
        }
        return;
    }
    const auto* keys = reinterpret_cast<const uint16_t*>(head);
    const auto* values = keys + half;
    for (int64_t d = 0; d < dim; ++d) {
        key[d] = bf16_to_float(keys[key_at(kind, dim, slot, d)]);
        value[d] = bf16_to_float(values[value_at(kind, dim, slot, d)]);
    }
}

}  // namespace

Mover::Mover(const ModelConfig& config, const Kernels& kernels, const std::vector<std::vector<double>>& frequencies,
             const std::vector<int>& rope_of_layer)
    : config_(config), kernels_(kernels), frequencies_(frequencies), rope_of_layer_(rope_of_layer) {}

void Mover::move(const KVCache& cache, const Task& task, ThreadPool& pool) const {
    const auto require = [](bool holds, const char* what) {
        if (!holds) throw std::invalid_argument(what);
    };
    require(cache.fits(config_) && config_.head_dim <= kMostDim, "the KV cache was made for a model of another shape");
    cache.check(task.page);
    require(task.source.size() == task.heads.size() * static_cast<size_t>(cache.head_bytes()),
            "the source has another size than its heads");
    for (const int32_t head : task.heads) require(head >= 0 && head < cache.heads(), "there is no such KV head");
    const auto inside = [&](int64_t slot) { return slot >= 0 && slot <= kPageTokens - task.count; };
    require(task.count >= 0 && inside(task.source_slot) && inside(task.slot), "slots lie outside of a page");
    pool.run([&](Team& team) {
        team.parallel_for(static_cast<int64_t>(task.heads.size()),
                          [&](int64_t i) { move_head(cache, task, static_cast<size_t>(i)); });
    });
}

void Mover::move_head(const KVCache& cache, const Task& task, size_t i) const {
    const int64_t layer = task.heads[i] / config_.kv_heads;
    const uint8_t* from = task.source.data() + static_cast<int64_t>(i) * cache.head_bytes();
    uint8_t* to = cache.head(task.page, layer, task.heads[i] % config_.kv_heads);
    const std::vector<double>& frequencies =
        frequencies_[static_cast<size_t>(rope_of_layer_[static_cast<size_t>(layer)])];
    float cos[kMostDim / 2];
    float sin[kMostDim / 2];
    for (size_t pair = 0; pair < frequencies.size(); ++pair) {
        const double angle = static_cast<double>(task.distance) * frequencies[pair];
        cos[pair] = static_cast<float>(std::cos(angle));
        sin[pair] = static_cast<float>(std::sin(angle));
    }
    alignas(64) float key[kMostDim];
    alignas(64) float value[kMostDim];
    for (int64_t t = 0; t < task.count; ++t) {
        read_slot(cache.kind(), config_.head_dim, from, task.source_slot + t, key, value);
        rope(key, config_.rotated(), config_.rope_interleaved, cos, sin);
        kernels_.put_key_value(cache.kind(), key, value, static_cast<int>(config_.head_dim), to,
                               static_cast<int>(task.slot + t));
    }
}

}  // namespace spatz
