// Where a model's packed tensors live: checks what is given against what its place wants, packs it and keeps it.
//
// It does not know which tensors a model has: weights.cpp and vision_weights.cpp name them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/memory.h"
#include "base/thread_pool.h"
#include "ops/pack.h"

namespace spatz {

[[noreturn]] void tensor_error(std::string_view name, const std::string& what);  // throws std::invalid_argument

class TensorStore {
  public:
    // Where a tensor goes: a packed matrix [n, k]; or floats, as a vector [n] (k is 0) or a table [n, k].
    struct Slot {
        PackedMatrix* matrix = nullptr;
        const float** floats = nullptr;
        int64_t n = 0;
        int64_t k = 0;
    };

    // dtype and format as in _core.pyi; format "" is the dtype's own. add: to each value of a vector. Vectors are
    // padded with zeros to whole panels. Throws std::invalid_argument that names the tensor.
    void put(std::string_view name, const Slot& slot, std::string_view dtype, std::span<const int64_t> shape,
             std::span<const uint8_t> data, std::string_view format, float add, ThreadPool& pool);

  private:
    uint8_t* take(int64_t bytes);

    std::vector<Mapping> arena_;
    size_t used_ = 0;  // of the last mapping in the arena
};

// "layers.I.X" as I and X. Throws std::invalid_argument for any other name, and for an I that is not below `layers`.
struct LayerName {
    int64_t layer;
    std::string_view part;
};
LayerName layer_name(std::string_view name, int64_t layers);

}  // namespace spatz
