#include "model/vision_weights.h"

#include <cmath>
#include <stdexcept>

namespace spatz {
namespace {

void require(bool holds, const char* what) {
    if (!holds) throw std::invalid_argument(std::string("vision configuration: ") + what);
}

bool within(int64_t value, int64_t low, int64_t high) { return value >= low && value <= high; }

bool is_set(const TensorStore::Slot& slot) {
    return slot.matrix != nullptr ? slot.matrix->data != nullptr : *slot.floats != nullptr;
}

}  // namespace

void VisionConfig::check() const {
    require(within(patch, 1, 256), "patch must be between 1 and 256");
    require(within(positions, 1, 1 << 16), "positions must be between 1 and 65,536");
    require(within(hidden, 1, 1 << 14), "hidden must be between 1 and 16,384");
    require(within(intermediate, 1, 1 << 17), "intermediate must be between 1 and 131,072");
    require(within(layers, 1, 256), "layers must be between 1 and 256");
    require(within(heads, 1, 256) && hidden % heads == 0, "hidden must be a multiple of heads, at most 256");
    require(within(head_dim(), 1, 1024), "a head must have at most 1,024 dimensions");
    require(std::isfinite(norm_eps) && norm_eps >= 0, "norm_eps must not be negative");
    require(within(shuffle, 1, 16), "shuffle must be between 1 and 16");
    require(shuffled() <= 1 << 17, "hidden * shuffle * shuffle must be at most 131,072");
    require(within(text_hidden, 1, 1 << 16), "text_hidden must be between 1 and 65,536");
}

VisionWeights::VisionWeights(const VisionConfig& config) : config_(config) {
    config_.check();
    layers_.resize(static_cast<size_t>(config_.layers));
}

std::vector<VisionWeights::Named> VisionWeights::slots() {
    const VisionConfig& c = config_;
    return {{"patch", {&patch_, nullptr, c.hidden, c.patch_values()}},
            {"patch_bias", {nullptr, &patch_bias_, c.hidden, 0}},
            {"positions", {nullptr, &positions_, c.positions, c.hidden}},
            {"post_norm", {nullptr, &post_norm_, c.hidden, 0}},
            {"post_norm_bias", {nullptr, &post_norm_bias_, c.hidden, 0}},
            {"connector", {&connector_, nullptr, c.text_hidden, c.shuffled()}}};
}

std::vector<VisionWeights::Named> VisionWeights::layer_slots(VisionLayerWeights& l) const {
    const VisionConfig& c = config_;
    return {{"attn_q", {&l.q, nullptr, c.hidden, c.hidden}},
            {"attn_k", {&l.k, nullptr, c.hidden, c.hidden}},
            {"attn_v", {&l.v, nullptr, c.hidden, c.hidden}},
            {"attn_out", {&l.out, nullptr, c.hidden, c.hidden}},
            {"ffn_up", {&l.up, nullptr, c.intermediate, c.hidden}},
            {"ffn_down", {&l.down, nullptr, c.hidden, c.intermediate}},
            {"attn_norm", {nullptr, &l.attn_norm, c.hidden, 0}},
            {"attn_norm_bias", {nullptr, &l.attn_norm_bias, c.hidden, 0}},
            {"ffn_norm", {nullptr, &l.ffn_norm, c.hidden, 0}},
            {"ffn_norm_bias", {nullptr, &l.ffn_norm_bias, c.hidden, 0}},
            {"attn_q_bias", {nullptr, &l.q_bias, c.hidden, 0}},
            {"attn_k_bias", {nullptr, &l.k_bias, c.hidden, 0}},
            {"attn_v_bias", {nullptr, &l.v_bias, c.hidden, 0}},
            {"attn_out_bias", {nullptr, &l.out_bias, c.hidden, 0}},
            {"ffn_up_bias", {nullptr, &l.up_bias, c.intermediate, 0}},
            {"ffn_down_bias", {nullptr, &l.down_bias, c.hidden, 0}}};
}

void VisionWeights::set(std::string_view name, std::string_view dtype, std::span<const int64_t> shape,
                        std::span<const uint8_t> data, std::string_view format, ThreadPool& pool) {
    if (finished_) tensor_error(name, "the model is finished");
    for (const Named& known : slots()) {
        if (name == known.name) return store_.put(name, known.slot, dtype, shape, data, format, 0.0f, pool);
    }
    const auto [index, part] = layer_name(name, config_.layers);
    for (const Named& known : layer_slots(layers_[static_cast<size_t>(index)])) {
        if (part == known.name) return store_.put(name, known.slot, dtype, shape, data, format, 0.0f, pool);
    }
    tensor_error(name, "no tensor of a layer has that name");
}

void VisionWeights::finish() {
    const auto need = [](const Named& known, const std::string& prefix) {
        if (!is_set(known.slot)) throw std::invalid_argument("tensor '" + prefix + known.name + "' is missing");
    };
    for (const Named& known : slots()) need(known, "");
    for (size_t i = 0; i < layers_.size(); ++i) {
        for (const Named& known : layer_slots(layers_[i])) need(known, "layers." + std::to_string(i) + ".");
    }
    finished_ = true;
}

std::map<std::string, int64_t> VisionWeights::bytes_by_format() const {
    std::map<std::string, int64_t> bytes;
    const auto count = [&](const PackedMatrix& m) { bytes[spatz::format_name(m.format)] += m.bytes(); };
    count(patch_);
    count(connector_);
    for (const VisionLayerWeights& l : layers_) {
        for (const PackedMatrix* m : {&l.q, &l.k, &l.v, &l.out, &l.up, &l.down}) count(*m);
    }
    return bytes;
}

}  // namespace spatz
