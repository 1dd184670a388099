// Norms, gated activations, addition and the 16-bit conversions against the scalar reference.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "kernel_list.h"
#include "ops/half.h"
#include "ops/reference.h"
#include "random.h"

namespace {

using namespace spatz;
using namespace spatz::test;

// x must round to `bits` or, at a tie, to the even neighbour. to_float maps 0..infinity in ascending order.
template <typename ToFloat>
bool rounds_to_nearest(float x, uint16_t bits, uint16_t infinity, ToFloat to_float) {
    const auto magnitude = static_cast<uint16_t>(bits & 0x7fff);
    const double value = std::abs(static_cast<double>(x));
    const auto step = [&](int at) {  // infinity counts as the next power of two, as IEEE rounds
        if (at < infinity) return static_cast<double>(to_float(static_cast<uint16_t>(at)));
        return 2.0 * static_cast<double>(to_float(static_cast<uint16_t>(infinity - 1))) -
               static_cast<double>(to_float(static_cast<uint16_t>(infinity - 2)));
    };
    const double error = std::abs(value - step(magnitude));
    for (const int neighbour : {magnitude - 1, magnitude + 1}) {
        if (neighbour < 0 || neighbour > infinity) continue;
        const double other = std::abs(value - step(neighbour));
        if (other < error || (other == error && magnitude % 2 == 1)) return false;
    }
    return std::signbit(x) == ((bits & 0x8000) != 0);
}

}  // namespace

TEST_CASE("half and bf16: every 16-bit pattern widens as its definition says and survives the way back") {
    for (uint32_t pattern = 0; pattern < 65536; ++pattern) {
        const auto bits = static_cast<uint16_t>(pattern);
        uint8_t bytes[2];
        std::memcpy(bytes, &bits, 2);
        const float half = half_to_float(bits);
        const float expected = reference::dequantize("F16", bytes)[0];
        if (std::isnan(expected)) {
            CHECK(std::isnan(half));
            CHECK(std::isnan(half_to_float(float_to_half(half))));
        } else if (half != expected || float_to_half(half) != bits) {
            FAIL_CHECK("half " << pattern);
        }
        const float wide = bf16_to_float(bits);
        if (std::isnan(wide)) {
            CHECK(std::isnan(bf16_to_float(float_to_bf16(wide))));
        } else if (float_to_bf16(wide) != bits) {
            FAIL_CHECK("bf16 " << pattern);
        }
    }
}

TEST_CASE("half and bf16: floats round to the nearest, ties to even") {
    Random random(21);
    std::vector<float> values = {0.0f,          -0.0f,         65504.0f,      65519.996f, 65520.0f,  1e30f,
                                 5.9604645e-8f, 2.9802322e-8f, 2.98e-8f,      6.1035e-5f, 6.097e-5f, 2049.0f,
                                 2051.0f,       -2049.0f,      3.4028235e38f, 1e-45f};
    for (int i = 0; i < 200000; ++i) {
        const auto bits = static_cast<uint32_t>(random.bits());
        float x;
        std::memcpy(&x, &bits, 4);
        if (std::isfinite(x)) values.push_back(x);
        values.push_back(random.normal(static_cast<float>(std::exp2(static_cast<double>(random.below(44)) - 28.0))));
    }
    for (const float x : values) {
        if (!rounds_to_nearest(x, float_to_half(x), 0x7c00, half_to_float)) FAIL_CHECK("half of " << x);
        if (!rounds_to_nearest(x, float_to_bf16(x), 0x7f80, bf16_to_float)) FAIL_CHECK("bf16 of " << x);
    }
}

TEST_CASE("rms_norm: odd sizes, strides and misalignment") {
    Random random(22);
    for (const Kernels* kernels : all_kernels()) {
        CAPTURE(std::string(isa_name(kernels->isa)));
        for (const int64_t n : {1, 2, 15, 16, 17, 31, 32, 33, 64, 100, 576, 960}) {
            CAPTURE(n);
            const int rows = 3;
            const int64_t in_stride = n + 5, out_stride = n + 7;
            const std::vector<float> x = random.normals(rows * in_stride + 1, 4.0f);
            const std::vector<float> weight = random.normals(n);
            std::vector<float> out(static_cast<size_t>(rows * out_stride + 2), 7.0f);
            kernels->rms_norm(x.data() + 1, in_stride, rows, n, weight.data(), 1e-5f, out.data() + 1, out_stride);
            CHECK(out.front() == 7.0f);
            CHECK(out.back() == 7.0f);
            for (int r = 0; r < rows; ++r) {
                const float* row = x.data() + 1 + r * in_stride;
                const std::vector<float> expected = reference::rms_norm({row, static_cast<size_t>(n)}, weight, 1e-5f);
                const float* got = out.data() + 1 + r * out_stride;
                for (int64_t i = 0; i < n; ++i)
                    CHECK(std::abs(got[i] - expected[static_cast<size_t>(i)]) <=
                          2e-6f * std::abs(expected[static_cast<size_t>(i)]) + 1e-9f);
                for (int64_t i = n; i < out_stride; ++i) CHECK(got[i] == 0.0f);
                std::vector<float> alone(static_cast<size_t>(n));
                kernels->rms_norm(row, in_stride, 1, n, weight.data(), 1e-5f, alone.data(), n);
                CHECK(std::equal(alone.begin(), alone.end(), got));
            }
        }
    }
}

TEST_CASE("layer_norm: odd sizes, strides, misalignment, and rows far from zero") {
    Random random(25);
    for (const Kernels* kernels : all_kernels()) {
        CAPTURE(std::string(isa_name(kernels->isa)));
        for (const int64_t n : {1, 2, 15, 16, 17, 31, 32, 33, 64, 100, 768, 1152}) {
            CAPTURE(n);
            const int rows = 3;
            const int64_t in_stride = n + 5, out_stride = n + 7;
            std::vector<float> x = random.normals(rows * in_stride + 1, 4.0f);
            for (int64_t i = 0; i < in_stride; ++i) x[static_cast<size_t>(1 + i)] += 50.0f;
            const std::vector<float> weight = random.normals(n);
            const std::vector<float> bias = random.normals(n);
            std::vector<float> out(static_cast<size_t>(rows * out_stride + 2), 7.0f);
            kernels->layer_norm(x.data() + 1, in_stride, rows, n, weight.data(), bias.data(), 1e-6f, out.data() + 1,
                                out_stride);
            CHECK(out.front() == 7.0f);
            CHECK(out.back() == 7.0f);
            for (int r = 0; r < rows; ++r) {
                const float* row = x.data() + 1 + r * in_stride;
                const std::vector<float> expected =
                    reference::layer_norm({row, static_cast<size_t>(n)}, weight, bias, 1e-6f);
                const float* got = out.data() + 1 + r * out_stride;
                for (int64_t i = 0; i < n; ++i) CHECK(std::abs(got[i] - expected[static_cast<size_t>(i)]) <= 3e-5f);
                for (int64_t i = n; i < out_stride; ++i) CHECK(got[i] == 0.0f);
                std::vector<float> alone(row, row + n);
                kernels->layer_norm(alone.data(), n, 1, n, weight.data(), bias.data(), 1e-6f, alone.data(), n);
                CHECK(std::equal(alone.begin(), alone.end(), got));
            }
        }
    }
}

TEST_CASE("activate: what gated makes of it with ones") {
    Random random(26);
    for (const Kernels* kernels : all_kernels()) {
        CAPTURE(std::string(isa_name(kernels->isa)));
        for (const Activation activation : {Activation::kSilu, Activation::kGeluTanh}) {
            std::vector<float> x = random.normals(16 * 40 + 1, 5.0f);
            std::vector<float> gate = x;
            const std::vector<float> ones(x.size(), 1.0f);
            kernels->activate(activation, x.data() + 1, 16 * 40);
            kernels->gated(activation, gate.data() + 1, ones.data(), 16 * 40);
            CHECK(x == gate);
        }
    }
}

TEST_CASE("gated: silu and gelu over the whole range") {
    Random random(23);
    for (const Kernels* kernels : all_kernels()) {
        CAPTURE(std::string(isa_name(kernels->isa)));
        for (const Activation activation : {Activation::kSilu, Activation::kGeluTanh}) {
            std::vector<float> gate;
            for (float x = -120.0f; x <= 120.0f; x += 0.07f) gate.push_back(x);
            for (const float x : {0.0f, -0.0f, 1e-30f, -1e-30f, 1e4f, -1e4f, 1e15f, -1e15f}) gate.push_back(x);
            while (gate.size() % 16 != 1) gate.push_back(random.normal());  // one more, to misalign
            const auto n = static_cast<int64_t>(gate.size()) - 1;
            const std::vector<float> up = random.normals(n + 1);
            std::vector<float> got = gate;
            kernels->gated(activation, got.data() + 1, up.data() + 1, n);
            CHECK(got[0] == gate[0]);
            for (size_t i = 1; i < got.size(); ++i) {
                const float x = gate[i];
                const float act = activation == Activation::kSilu ? reference::silu(x) : reference::gelu_tanh(x);
                const float expected = act * up[i];
                // Far on the negative side the result is within rounding of 0, and only its magnitude matters.
                const float tolerance =
                    4e-6f * std::abs(expected) + 4e-7f * std::abs(up[i]) * std::min(1.0f, std::abs(x));
                if (!(std::abs(got[i] - expected) <= tolerance)) {
                    CAPTURE(x);
                    CHECK(got[i] == expected);
                }
            }
        }
    }
}

TEST_CASE("add: element by element") {
    Random random(24);
    for (const Kernels* kernels : all_kernels()) {
        for (const int64_t n : {16, 48, 576}) {
            std::vector<float> a = random.normals(n + 2);
            const std::vector<float> before = a;
            const std::vector<float> b = random.normals(n + 1);
            kernels->add(a.data() + 1, b.data() + 1, n);
            CHECK(a[0] == before[0]);
            CHECK(a.back() == before.back());
            for (size_t i = 1; i <= static_cast<size_t>(n); ++i) CHECK(a[i] == before[i] + b[i]);
        }
    }
}
