// One step's work, as given by the caller: the new tokens of several sequences and where their history lies.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/config.h"
#include "model/kv.h"

namespace spatz {

struct BatchView {
    std::span<const int32_t> tokens;     // [T]
    std::span<const int32_t> starts;     // [S+1]
    std::span<const int32_t> positions;  // [S]
    std::span<const int32_t> pages;      // [S, pages_per_sequence]
    int64_t pages_per_sequence = 0;
    std::span<const int32_t> rows;  // [R] ascending indices into tokens
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
    int64_t position(int64_t t) const { return position_[static_cast<size_t>(t)]; }
    int64_t start(int64_t s) const { return view_.starts[static_cast<size_t>(s)]; }
    int64_t end(int64_t s) const { return view_.starts[static_cast<size_t>(s) + 1]; }
    int64_t page(int64_t s, int64_t i) const {
        return view_.pages[static_cast<size_t>(s * view_.pages_per_sequence + i)];
    }
    std::span<const int32_t> rows() const { return view_.rows; }

  private:
    BatchView view_;
    std::vector<int32_t> sequence_;  // [T]
    std::vector<int64_t> position_;  // [T]
};

}  // namespace spatz
