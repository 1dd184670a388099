#include "model/weights.h"

#include <charconv>
#include <stdexcept>

namespace spatz {
namespace {

// Matrices share large mappings, so that huge pages cover small ones too.
constexpr size_t kArenaBytes = size_t{64} << 20;

[[noreturn]] void fail(std::string_view name, const std::string& what) {
    throw std::invalid_argument("tensor '" + std::string(name) + "': " + what);
}

std::string shape_text(std::span<const int64_t> shape) {
    std::string text = "[";
    for (size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
    return text + "]";
}

}  // namespace

// Where a tensor goes: a matrix [n, k], or a vector [n].
struct Weights::Slot {
    PackedMatrix* matrix = nullptr;
    const float** vector = nullptr;
    int64_t n = 0;
    int64_t k = 0;
};

Weights::Weights(const ModelConfig& config) : config_(config) {
    config_.check();
    layers_.resize(static_cast<size_t>(config_.layers));
}

Weights::Slot Weights::find(std::string_view name) {
    const ModelConfig& c = config_;
    if (name == "embed") return {&embed_, nullptr, c.vocab, c.hidden};
    if (name == "lm_head") return {&head_, nullptr, c.vocab, c.hidden};
    if (name == "final_norm") return {nullptr, &final_norm_, c.hidden, 0};
    constexpr std::string_view kPrefix = "layers.";
    if (!name.starts_with(kPrefix)) fail(name, "no tensor of this model has that name");
    const std::string_view rest = name.substr(kPrefix.size());
    int64_t index = -1;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), index);
    if (error != std::errc() || index < 0 || index >= c.layers || end == rest.data() + rest.size() || *end != '.') {
        fail(name, "the layer is not one of this model's " + std::to_string(c.layers));
    }
    const std::string_view part(end + 1, static_cast<size_t>(rest.data() + rest.size() - end - 1));
    LayerWeights& l = layers_[static_cast<size_t>(index)];
    const std::pair<std::string_view, Slot> slots[] = {
        {"attn_q", {&l.q, nullptr, c.query_width(), c.hidden}},
        {"attn_k", {&l.k, nullptr, c.kv_width(), c.hidden}},
        {"attn_v", {&l.v, nullptr, c.kv_width(), c.hidden}},
        {"attn_out", {&l.out, nullptr, c.hidden, c.query_width()}},
        {"ffn_gate", {&l.gate, nullptr, c.intermediate, c.hidden}},
        {"ffn_up", {&l.up, nullptr, c.intermediate, c.hidden}},
        {"ffn_down", {&l.down, nullptr, c.hidden, c.intermediate}},
        {"attn_norm", {nullptr, &l.attn_norm, c.hidden, 0}},
        {"ffn_norm", {nullptr, &l.ffn_norm, c.hidden, 0}},
        {"attn_post_norm", {nullptr, &l.attn_post_norm, c.hidden, 0}},
        {"ffn_post_norm", {nullptr, &l.ffn_post_norm, c.hidden, 0}},
        {"attn_q_norm", {nullptr, &l.q_norm, c.head_dim, 0}},
        {"attn_k_norm", {nullptr, &l.k_norm, c.head_dim, 0}},
        {"attn_q_bias", {nullptr, &l.q_bias, c.query_width(), 0}},
        {"attn_k_bias", {nullptr, &l.k_bias, c.kv_width(), 0}},
        {"attn_v_bias", {nullptr, &l.v_bias, c.kv_width(), 0}},
        {"attn_out_bias", {nullptr, &l.out_bias, c.hidden, 0}},
    };
    for (const auto& [known, slot] : slots) {
        if (part == known) return slot;
    }
    fail(name, "no tensor of a layer has that name");
}

uint8_t* Weights::take(int64_t bytes) {
    const auto size = static_cast<size_t>(round_up(bytes, 64));
    if (arena_.empty() || arena_.back().size() - used_ < size) {
        arena_.emplace_back(size > kArenaBytes ? size : kArenaBytes);
        used_ = 0;
    }
    uint8_t* place = arena_.back().data() + used_;
    used_ += size;
    return place;
}

void Weights::set(std::string_view name, std::string_view dtype_name, std::span<const int64_t> shape,
                  std::span<const uint8_t> data, std::string_view format_name, float add, ThreadPool& pool) {
    if (finished_) fail(name, "the model is finished");
    const Slot slot = find(name);
    const DType dtype = parse_dtype(dtype_name);
    const std::vector<int64_t> want =
        slot.matrix != nullptr ? std::vector<int64_t>{slot.n, slot.k} : std::vector<int64_t>{slot.n};
    if (!std::equal(shape.begin(), shape.end(), want.begin(), want.end())) {
        fail(name, "its shape is " + shape_text(shape) + ", this model needs " + shape_text(want));
    }
    const int64_t row = want.back();
    if (row % block_elements(dtype) != 0) {
        fail(name,
             "rows of " + std::to_string(row) + " values do not divide into blocks of " + std::string(dtype_name));
    }
    const int64_t blocks = (slot.matrix != nullptr ? slot.n : 1) * (row / block_elements(dtype));
    if (static_cast<int64_t>(data.size()) != blocks * block_bytes(dtype)) {
        fail(name, "it has " + std::to_string(data.size()) + " bytes, its type and shape ask for " +
                       std::to_string(blocks * block_bytes(dtype)));
    }
    if (slot.vector != nullptr) {
        if (*slot.vector != nullptr) fail(name, "set twice");
        if (block_elements(dtype) != 1) fail(name, "a vector must be F32, F16 or BF16");
        auto* values = reinterpret_cast<float*>(take(round_up(slot.n, kPanel) * 4));
        dequantize(dtype, data.data(), blocks, values);
        for (int64_t i = 0; i < slot.n; ++i) values[i] += add;
        *slot.vector = values;
        return;
    }
    if (slot.matrix->data != nullptr) fail(name, "set twice");
    PackedMatrix matrix{slot.n, slot.k, round_up(slot.k, kBlock), natural_format(dtype), nullptr};
    if (!format_name.empty()) matrix.format = parse_format(format_name);
    uint8_t* to = take(matrix.bytes());
    pack(matrix, dtype, data.data(), to, pool);
    matrix.data = to;
    *slot.matrix = matrix;
}

void Weights::finish() {
    const auto need = [](bool there, const std::string& name) {
        if (!there) throw std::invalid_argument("tensor '" + name + "' is missing");
    };
    need(embed_.data != nullptr, "embed");
    need(final_norm_ != nullptr, "final_norm");
    for (size_t i = 0; i < layers_.size(); ++i) {
        const LayerWeights& l = layers_[i];
        const std::string prefix = "layers." + std::to_string(i) + ".";
        need(l.q.data != nullptr, prefix + "attn_q");
        need(l.k.data != nullptr, prefix + "attn_k");
        need(l.v.data != nullptr, prefix + "attn_v");
        need(l.out.data != nullptr, prefix + "attn_out");
        need(l.gate.data != nullptr, prefix + "ffn_gate");
        need(l.up.data != nullptr, prefix + "ffn_up");
        need(l.down.data != nullptr, prefix + "ffn_down");
        need(l.attn_norm != nullptr, prefix + "attn_norm");
        need(l.ffn_norm != nullptr, prefix + "ffn_norm");
    }
    finished_ = true;
}

std::vector<const PackedMatrix*> Weights::matrices() const {
    std::vector<const PackedMatrix*> all;
    for (const LayerWeights& l : layers_) {
        for (const PackedMatrix* m : {&l.q, &l.k, &l.v, &l.out, &l.gate, &l.up, &l.down}) all.push_back(m);
    }
    return all;
}

int64_t Weights::bytes_per_token() const {
    int64_t bytes = head().bytes();
    for (const PackedMatrix* m : matrices()) bytes += m->bytes();
    return bytes;
}

int64_t Weights::linear_macs() const {
    int64_t macs = 0;
    for (const PackedMatrix* m : matrices()) macs += m->n * m->k;
    return macs;
}

std::map<std::string, int64_t> Weights::bytes_by_format() const {
    std::map<std::string, int64_t> bytes;
    for (const PackedMatrix* m : matrices()) bytes[spatz::format_name(m->format)] += m->bytes();
    bytes[spatz::format_name(embed_.format)] += embed_.bytes();
    if (head_.data != nullptr) bytes[spatz::format_name(head_.format)] += head_.bytes();
    return bytes;
}

}  // namespace spatz
