// Times the forward pass alone, on random weights of SmolLM2-135M's shape: for profilers, which see no Python here.
// Usage: spatz_bench [threads] [isa]. Figures of the real model come from `spatz bench`.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "model/decoder.h"

using namespace spatz;

namespace {

ModelConfig small_config() {
    ModelConfig c;
    c.vocab = 49152;
    c.hidden = 576;
    c.intermediate = 1536;
    c.layers = 30;
    c.heads = 9;
    c.kv_heads = 3;
    c.head_dim = 64;
    c.rope_interleaved = true;
    c.rope_theta.assign(30, 100000.0);
    c.rope_scaled.assign(30, false);
    c.window.assign(30, 0);
    return c;
}

// Bytes of a tensor of type `dtype`: random values, scales of a sensible size.
std::vector<uint8_t> random_blocks(DType dtype, int64_t values, uint32_t& state) {
    std::vector<uint8_t> bytes(static_cast<size_t>(values / block_elements(dtype) * block_bytes(dtype)));
    for (uint8_t& b : bytes) {
        state = state * 1664525u + 1013904223u;
        b = static_cast<uint8_t>(state >> 24);
    }
    for (size_t at = 0; at < bytes.size(); at += static_cast<size_t>(block_bytes(dtype))) {
        bytes[at] = 0;
        bytes[at + 1] = 0x20;  // f16 0.0078
        if (dtype == DType::kQ4_1) {
            bytes[at + 2] = 0;
            bytes[at + 3] = 0xab;  // f16 -0.055
        }
    }
    return bytes;
}

double seconds(const std::function<void()>& work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

struct Bench {
    ModelConfig config = small_config();
    ThreadPool pool;
    const Kernels& kernels;
    Weights weights{config};
    KVCache cache{config, 80, KVKind::kInt8};
    std::vector<int32_t> pages = std::vector<int32_t>(80);

    Bench(int threads, Isa isa) : pool(threads), kernels(*kernels_for(isa)) {
        uint32_t state = 1;
        const auto matrix = [&](const std::string& name, const char* dtype, int64_t n, int64_t k) {
            const auto data = random_blocks(parse_dtype(dtype), n * k, state);
            weights.set(name, dtype, std::vector<int64_t>{n, k}, data, "", 0.0f, pool);
        };
        const auto ones = [&](const std::string& name) {
            const std::vector<float> values(static_cast<size_t>(config.hidden), 1.0f);
            weights.set(name, "F32", std::vector<int64_t>{config.hidden},
                        {reinterpret_cast<const uint8_t*>(values.data()), values.size() * 4}, "", 0.0f, pool);
        };
        for (int64_t i = 0; i < config.layers; ++i) {
            const std::string layer = "layers." + std::to_string(i) + ".";
            ones(layer + "attn_norm");
            ones(layer + "ffn_norm");
            matrix(layer + "attn_q", "Q4_1", config.query_width(), config.hidden);
            matrix(layer + "attn_k", "Q4_1", config.kv_width(), config.hidden);
            matrix(layer + "attn_v", "Q4_1", config.kv_width(), config.hidden);
            matrix(layer + "attn_out", "Q4_1", config.hidden, config.query_width());
            matrix(layer + "ffn_gate", "Q4_1", config.intermediate, config.hidden);
            matrix(layer + "ffn_up", "Q4_1", config.intermediate, config.hidden);
            matrix(layer + "ffn_down", "Q4_1", config.hidden, config.intermediate);
        }
        matrix("embed", "Q8_0", config.vocab, config.hidden);
        ones("final_norm");
        weights.finish();
        for (size_t i = 0; i < pages.size(); ++i) {
            pages[i] = static_cast<int32_t>(i);
            // Memory that was never written is one page of zeros to the system, and is read from the cache.
            std::memset(cache.page(pages[i]), 0x3c, static_cast<size_t>(cache.page_bytes()));
        }
    }

    // `count` sequences with `each` new tokens at position `depth`, logits for the last of each.
    void step(Decoder& decoder, int count, int each, int depth) {
        std::vector<int32_t> tokens(static_cast<size_t>(count * each));
        std::vector<int32_t> starts, positions, rows, table;
        for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<int32_t>(i * 7919 % 40000);
        const int per = (depth + each + 127) / 128;
        for (int s = 0; s < count; ++s) {
            starts.push_back(s * each);
            positions.push_back(depth);
            rows.push_back(s * each + each - 1);
            for (int p = 0; p < per; ++p) table.push_back(pages[static_cast<size_t>((s * per + p) % 80)]);
        }
        starts.push_back(count * each);
        BatchView view{tokens, starts, positions, table, per, rows};
        decoder.forward(cache, view, [](int64_t, std::span<float>) {});
    }
};

}  // namespace

int main(int argc, char** argv) {
    const int threads = argc > 1 ? std::atoi(argv[1]) : available_cores();
    Bench bench(threads, choose_isa(argc > 2 ? argv[2] : ""));
    Decoder decoder(bench.config, bench.weights, bench.kernels, bench.pool);
    const auto report = [&](const char* what, int count, int each, int depth, int rounds) {
        double best = 1e9;
        for (int i = 0; i < rounds; ++i)
            best = std::min(best, seconds([&] { bench.step(decoder, count, each, depth); }));
        std::printf("%-28s %9.1f tok/s %9.3f ms\n", what, count * each / best, best * 1e3);
    };
    bench.step(decoder, 1, 504, 0);
    report("prefill 504 at 0", 1, 504, 0, 5);
    report("prefill 504 at 2048", 1, 504, 2048, 5);
    report("prefill 504 at 7424", 1, 504, 7424, 3);
    report("decode at 0", 1, 1, 8, 200);
    report("decode at 2048", 1, 1, 2048, 100);
    report("decode at 8000", 1, 1, 8000, 50);
    report("decode 16 at 192", 16, 1, 192, 50);
    return 0;
}
