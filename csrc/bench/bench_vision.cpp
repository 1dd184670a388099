// Times the vision tower alone, on random weights of SmolVLM-256M's shape (SigLIP base, 93M): for profilers, which see
// no Python here. Usage: spatz_bench_vision [format] [threads] [isa]. One tile of 512 x 512 pixels is 64 tokens.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <numeric>
#include <string>
#include <vector>

#include "base/cpu.h"
#include "model/vision.h"

using namespace spatz;

namespace {

constexpr int kRounds = 8;
constexpr int64_t kPixels = 512;

VisionConfig base_config() {
    VisionConfig c;
    c.patch = 16;
    c.positions = 1024;
    c.hidden = 768;
    c.intermediate = 3072;
    c.layers = 12;
    c.heads = 12;
    c.shuffle = 4;
    c.text_hidden = 576;
    return c;
}

// About normal, from the sum of four bytes; the same on every machine.
std::vector<float> random_values(int64_t count, float scale, uint32_t& state) {
    std::vector<float> values(static_cast<size_t>(count));
    for (float& v : values) {
        int sum = -510;
        for (int i = 0; i < 4; ++i) {
            state = state * 1664525u + 1013904223u;
            sum += static_cast<int>(state >> 24);
        }
        v = static_cast<float>(sum) / 148.0f * scale;
    }
    return values;
}

void fill(VisionWeights& weights, const VisionConfig& c, const std::string& format, ThreadPool& pool) {
    uint32_t state = 1;
    const auto put = [&](const std::string& name, const std::vector<int64_t>& shape, const std::vector<float>& values) {
        weights.set(name, "F32", shape, {reinterpret_cast<const uint8_t*>(values.data()), values.size() * 4},
                    shape.size() == 1 ? "" : format, pool);
    };
    const auto matrix = [&](const std::string& name, int64_t n, int64_t k) {
        put(name, {n, k}, random_values(n * k, 1.0f / std::sqrt(static_cast<float>(k)), state));
    };
    const auto vector = [&](const std::string& name, int64_t n, float value) {
        put(name, {n}, std::vector<float>(static_cast<size_t>(n), value));
    };
    matrix("patch", c.hidden, c.patch_values());
    vector("patch_bias", c.hidden, 0.0f);
    put("positions", {c.positions, c.hidden}, random_values(c.positions * c.hidden, 1.0f, state));
    vector("post_norm", c.hidden, 1.0f);
    vector("post_norm_bias", c.hidden, 0.0f);
    matrix("connector", c.text_hidden, c.shuffled());
    for (int64_t i = 0; i < c.layers; ++i) {
        const std::string layer = "layers." + std::to_string(i) + ".";
        for (const char* name : {"attn_q", "attn_k", "attn_v", "attn_out"}) {
            matrix(layer + name, c.hidden, c.hidden);
            vector(layer + name + "_bias", c.hidden, 0.0f);
        }
        matrix(layer + "ffn_up", c.intermediate, c.hidden);
        vector(layer + "ffn_up_bias", c.intermediate, 0.0f);
        matrix(layer + "ffn_down", c.hidden, c.intermediate);
        vector(layer + "ffn_down_bias", c.hidden, 0.0f);
        for (const char* name : {"attn_norm", "ffn_norm"}) {
            vector(layer + name, c.hidden, 1.0f);
            vector(layer + name + "_bias", c.hidden, 0.0f);
        }
    }
    weights.finish();
}

}  // namespace

int main(int argc, char** argv) {
    const std::string format = argc > 1 ? argv[1] : "q8";
    ThreadPool pool(argc > 2 ? std::atoi(argv[2]) : available_cores());
    const VisionConfig config = base_config();
    VisionWeights weights(config);
    fill(weights, config, format, pool);
    VisionEncoder encoder(config, weights, *kernels_for(choose_isa(argc > 3 ? argv[3] : "")), pool);

    uint32_t state = 2;
    const std::vector<float> pixels = random_values(kImageChannels * kPixels * kPixels, 0.5f, state);
    std::vector<int32_t> positions(1024);
    std::iota(positions.begin(), positions.end(), 0);
    std::vector<float> out(static_cast<size_t>(encoder.tokens(kPixels, kPixels) * config.text_hidden));
    double wall = 1e9, cores = 1e9;
    for (int round = 0; round < kRounds; ++round) {
        const auto start = std::chrono::steady_clock::now();
        const std::clock_t used = std::clock();
        encoder.encode({pixels, 1, kPixels, kPixels, positions, {}}, out);
        wall = std::min(wall, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
        cores = std::min(cores, static_cast<double>(std::clock() - used) / CLOCKS_PER_SEC);
    }
    std::printf("%s, %d threads: %.3f s a tile, %.3f s of all cores\n", format.c_str(), pool.threads(), wall, cores);
    return 0;
}
