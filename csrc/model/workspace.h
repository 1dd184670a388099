// Memory of one forward pass: what all threads share, sized by the tokens of the step, and each thread's own scratch.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/memory.h"
#include "model/attention.h"
#include "model/config.h"
#include "ops/layout.h"

namespace spatz {

// Room for one tile of up to `rows` rows of up to k columns.
class TileBuffer {
  public:
    TileBuffer() = default;
    TileBuffer(int64_t rows, int64_t k)
        : values_(static_cast<size_t>(rows * k)),
          rests_(static_cast<size_t>(rows * k)),
          scales_(static_cast<size_t>(rows * k / kBlock)),
          sums_(static_cast<size_t>(rows * k / kBlock)),
          offsets_(static_cast<size_t>(rows * k / kBlock)),
          rest_offsets_(static_cast<size_t>(rows * k / kBlock)),
          refined_(static_cast<size_t>(k / kBlock)),
          bf16_(static_cast<size_t>(rows * k)) {}
    Tile tile(int rows, int64_t k) const {
        return {rows,
                k,
                values_.data(),
                scales_.data(),
                sums_.data(),
                offsets_.data(),
                refined_.data(),
                rests_.data(),
                rest_offsets_.data(),
                bf16_.data()};
    }

  private:
    Buffer<int8_t> values_, rests_;
    Buffer<float> scales_, sums_;
    Buffer<int32_t> offsets_, rest_offsets_;
    Buffer<uint8_t> refined_;
    Buffer<uint16_t> bf16_;
};

// Room for the query rows of KV heads and their softmax states: `count` of them, each up to `rows` rows.
class AttentionBuffer {
  public:
    AttentionBuffer() = default;
    AttentionBuffer(int64_t count, int64_t rows, int64_t head_dim)
        : count_(count),
          head_dim_(head_dim),
          row_bytes_(head_dim * (1 + 2 + 4) + 4 * 4),  // q, q_bf16, out; q_scale, q_offset, largest, total
          each_(round_up(rows * row_bytes_ + 7 * 64, 64)),
          memory_(static_cast<size_t>(count * each_)) {}
    int64_t count() const { return count_; }
    // State i, laid out for `rows` rows.
    AttentionRows rows(int64_t i, int rows) const {
        uint8_t* next = memory_.data() + i * each_;
        const auto take = [&]<typename T>(T*& part, int64_t size) {
            part = reinterpret_cast<T*>(next);
            next += round_up(size * static_cast<int64_t>(sizeof(T)), 64);
        };
        AttentionRows out;
        out.rows = rows;
        out.head_dim = static_cast<int>(head_dim_);
        take(out.q, rows * head_dim_);
        take(out.q_bf16, rows * head_dim_);
        take(out.out, rows * head_dim_);
        take(out.q_scale, rows);
        take(out.q_offset, rows);
        take(out.largest, rows);
        take(out.total, rows);
        return out;
    }

  private:
    int64_t count_ = 0;
    int64_t head_dim_ = 0;
    int64_t row_bytes_ = 0;
    int64_t each_ = 0;
    Buffer<uint8_t> memory_;
};

// Columns of the feed-forward layer that are computed at once.
constexpr int64_t kGatedColumns = 8 * kPanel;

// Padded widths of a model's activations.
struct Widths {
    int64_t hidden, query, kv, intermediate, vocab, widest;
    explicit Widths(const ModelConfig& c)
        : hidden(round_up(c.hidden, kBlock)),
          query(round_up(c.query_width(), kBlock)),
          kv(round_up(c.kv_width(), kBlock)),
          intermediate(round_up(c.intermediate, kBlock)),
          vocab(round_up(c.vocab, kPanel)),
          widest(std::max({hidden, query, intermediate, kGatedColumns})) {}
};

struct ThreadScratch {
    ThreadScratch(const ModelConfig& config, int max_rows)
        : tile(max_rows, Widths(config).widest),
          attention(2 * config.group(), max_rows, config.head_dim),
          rows(static_cast<size_t>(max_rows * Widths(config).widest)),
          other(static_cast<size_t>(max_rows * Widths(config).widest)) {}
    TileBuffer tile;
    AttentionBuffer attention;         // of one split of a KV head's spans, then of all their splits
    Buffer<float> rows;                // [max_rows, widest] normed input, or attention output, or gated activations
    Buffer<float> other;               // [max_rows, widest]
    std::vector<AttentionRows> parts;  // of the task at hand, one per span
    std::vector<AttentionSpan> spans;
};

// Sin and cos of every token's angles, [T][dims / 2].
struct RopeTable {
    Buffer<float> cos, sin;
};

}  // namespace spatz
