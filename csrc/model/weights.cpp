#include "model/weights.h"

#include <stdexcept>

namespace spatz {

Weights::Weights(const ModelConfig& config) : config_(config) {
    config_.check();
    layers_.resize(static_cast<size_t>(config_.layers));
}

TensorStore::Slot Weights::find(std::string_view name) {
    const ModelConfig& c = config_;
    if (name == "embed") return {&embed_, nullptr, c.vocab, c.hidden};
    if (name == "lm_head") return {&head_, nullptr, c.vocab, c.hidden};
    if (name == "final_norm") return {nullptr, &final_norm_, c.hidden, 0};
    const auto [index, part] = layer_name(name, c.layers);
    LayerWeights& l = layers_[static_cast<size_t>(index)];
    const std::pair<std::string_view, TensorStore::Slot> slots[] = {
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
    tensor_error(name, "no tensor of a layer has that name");
}

void Weights::set(std::string_view name, std::string_view dtype, std::span<const int64_t> shape,
                  std::span<const uint8_t> data, std::string_view format, float add, ThreadPool& pool) {
    if (finished_) tensor_error(name, "the model is finished");
    store_.put(name, find(name), dtype, shape, data, format, add, pool);
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
