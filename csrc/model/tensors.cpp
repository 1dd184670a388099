#include "model/tensors.h"

#include <algorithm>
#include <charconv>
#include <stdexcept>

namespace spatz {
namespace {

// Matrices share large mappings, so that huge pages cover small ones too.
constexpr size_t kArenaBytes = size_t{64} << 20;

std::string shape_text(std::span<const int64_t> shape) {
    std::string text = "[";
    for (size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
    return text + "]";
}

}  // namespace

void tensor_error(std::string_view name, const std::string& what) {
    throw std::invalid_argument("tensor '" + std::string(name) + "': " + what);
}

uint8_t* TensorStore::take(int64_t bytes) {
    const auto size = static_cast<size_t>(round_up(bytes, 64));
    if (arena_.empty() || arena_.back().size() - used_ < size) {
        arena_.emplace_back(size > kArenaBytes ? size : kArenaBytes);
        used_ = 0;
    }
    uint8_t* place = arena_.back().data() + used_;
    used_ += size;
    return place;
}

void TensorStore::put(std::string_view name, const Slot& slot, std::string_view dtype_name,
                      std::span<const int64_t> shape, std::span<const uint8_t> data, std::string_view format_name,
                      float add, ThreadPool& pool) {
    const DType dtype = parse_dtype(dtype_name);
    const bool vector = slot.matrix == nullptr && slot.k == 0;
    const std::vector<int64_t> want = vector ? std::vector<int64_t>{slot.n} : std::vector<int64_t>{slot.n, slot.k};
    if (!std::equal(shape.begin(), shape.end(), want.begin(), want.end())) {
        tensor_error(name, "its shape is " + shape_text(shape) + ", this model needs " + shape_text(want));
    }
    const int64_t row = want.back();
    if (row % block_elements(dtype) != 0) {
        tensor_error(
            name, "rows of " + std::to_string(row) + " values do not divide into blocks of " + std::string(dtype_name));
    }
    const int64_t blocks = (vector ? 1 : slot.n) * (row / block_elements(dtype));
    if (static_cast<int64_t>(data.size()) != blocks * block_bytes(dtype)) {
        tensor_error(name, "it has " + std::to_string(data.size()) + " bytes, its type and shape ask for " +
                               std::to_string(blocks * block_bytes(dtype)));
    }
    if ((slot.matrix != nullptr ? slot.matrix->data != nullptr : *slot.floats != nullptr)) {
        tensor_error(name, "set twice");
    }
    if (slot.matrix == nullptr) {
        if (vector && block_elements(dtype) != 1) tensor_error(name, "a vector must be F32, F16 or BF16");
        const int64_t size = vector ? slot.n : slot.n * slot.k;
        auto* values = reinterpret_cast<float*>(take(round_up(size, kPanel) * 4));
        dequantize(dtype, data.data(), blocks, values);
        for (int64_t i = 0; vector && i < size; ++i) values[i] += add;
        *slot.floats = values;
        return;
    }
    PackedMatrix matrix{slot.n, slot.k, round_up(slot.k, kBlock), natural_format(dtype), nullptr};
    if (!format_name.empty()) matrix.format = parse_format(format_name);
    uint8_t* to = take(matrix.bytes());
    pack(matrix, dtype, data.data(), to, pool);
    matrix.data = to;
    *slot.matrix = matrix;
}

LayerName layer_name(std::string_view name, int64_t layers) {
    constexpr std::string_view kPrefix = "layers.";
    if (!name.starts_with(kPrefix)) tensor_error(name, "no tensor of this model has that name");
    const std::string_view rest = name.substr(kPrefix.size());
    int64_t index = -1;
    const char* last = rest.data() + rest.size();
    const auto [end, error] = std::from_chars(rest.data(), last, index);
    if (error != std::errc() || index < 0 || index >= layers || end == last || *end != '.') {
        tensor_error(name, "the layer is not one of this model's " + std::to_string(layers));
    }
    return {index, {end + 1, static_cast<size_t>(last - end - 1)}};
}

}  // namespace spatz
