// The 16-lane vocabulary of kernels_impl.h in plain C++, for compilers to vectorize as they can (ARM, old x86).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "ops/half.h"

#define SPATZ_SIMD_NAMESPACE portable

namespace spatz::portable {

constexpr int kMaxRows = 4;
constexpr int kLanes = 16;

struct F {
    float v[kLanes];
};
struct I {
    int32_t v[kLanes];
};
struct B {
    uint8_t v[kLanes * 4];
};

template <typename Function>
inline F make_f(Function&& function) {
    F out;
    for (int i = 0; i < kLanes; ++i) out.v[i] = function(i);
    return out;
}
template <typename Function>
inline I make_i(Function&& function) {
    I out;
    for (int i = 0; i < kLanes; ++i) out.v[i] = function(i);
    return out;
}

inline F zero_f() {
    return make_f([](int) { return 0.0f; });
}
inline F set_f(float x) {
    return make_f([=](int) { return x; });
}
inline F load_f(const float* p) {
    return make_f([=](int i) { return p[i]; });
}
inline void store_f(float* p, const F& x) { std::memcpy(p, x.v, sizeof(x.v)); }
inline F add_f(const F& a, const F& b) {
    return make_f([&](int i) { return a.v[i] + b.v[i]; });
}
inline F sub_f(const F& a, const F& b) {
    return make_f([&](int i) { return a.v[i] - b.v[i]; });
}
inline F mul_f(const F& a, const F& b) {
    return make_f([&](int i) { return a.v[i] * b.v[i]; });
}
inline F div_f(const F& a, const F& b) {
    return make_f([&](int i) { return a.v[i] / b.v[i]; });
}
// Rounds twice: std::fma is a library call where the machine has no such instruction.
inline F fma_f(const F& a, const F& b, const F& c) {
    return make_f([&](int i) { return a.v[i] * b.v[i] + c.v[i]; });
}
inline F max_f(const F& a, const F& b) {
    return make_f([&](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
}
inline F min_f(const F& a, const F& b) {
    return make_f([&](int i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; });
}
inline F abs_f(const F& a) {
    return make_f([&](int i) { return std::fabs(a.v[i]); });
}
inline float sum_f(const F& a) {
    float sum = 0.0f;
    for (float x : a.v) sum += x;
    return sum;
}
inline float largest_f(const F& a) {
    float best = a.v[0];
    for (float x : a.v) best = x > best ? x : best;
    return best;
}
// The first n floats at p, then zeros. n: 1 to 16
inline F load_n(const float* p, int n) {
    return make_f([=](int i) { return i < n ? p[i] : 0.0f; });
}
inline void store_n(float* p, int n, const F& x) { std::memcpy(p, x.v, static_cast<size_t>(n) * sizeof(float)); }
// Lane r: the sum, or the largest, of the lanes of v[r].
template <int R>
inline F sum_rows(const F (&v)[R]) {
    return make_f([&](int r) { return r < R ? sum_f(v[r]) : 0.0f; });
}
template <int R>
inline F largest_rows(const F (&v)[R]) {
    return make_f([&](int r) { return r < R ? largest_f(v[r]) : 0.0f; });
}
inline F load_f16(const uint16_t* p) {
    return make_f([=](int i) { return half_to_float(p[i]); });
}
// Lanes first..last-1 of a, the others `other`. first and last may lie outside 0..16.
inline F keep_lanes(const F& a, int first, int last, float other) {
    return make_f([&](int i) { return i >= first && i < last ? a.v[i] : other; });
}
// a * 2^n for a near 1 and n within -126..127, which stands in the low bits of `power`.
inline F scale_f(const F& a, const F& power) {
    return make_f([&](int i) {
        uint32_t bits = 0;
        uint32_t n = 0;
        std::memcpy(&bits, &a.v[i], 4);
        std::memcpy(&n, &power.v[i], 4);
        bits += n << 23;
        float out = 0.0f;
        std::memcpy(&out, &bits, 4);
        return out;
    });
}

inline I zero_i() {
    return make_i([](int) { return 0; });
}
inline I set_i(int32_t x) {
    return make_i([=](int) { return x; });
}
inline I add_i(const I& a, const I& b) {
    return make_i([&](int i) { return a.v[i] + b.v[i]; });
}
inline I shift_left_7(const I& a) {
    return make_i([&](int i) { return a.v[i] * 128; });
}
inline I shift_right_7(const I& a) {
    return make_i([&](int i) { return static_cast<int32_t>(static_cast<uint32_t>(a.v[i]) >> 7); });
}
inline I and_i(const I& a, const I& b) {
    return make_i([&](int i) { return a.v[i] & b.v[i]; });
}
inline F to_f(const I& a) {
    return make_f([&](int i) { return static_cast<float>(a.v[i]); });
}
inline I to_i(const F& a) {  // nearest even
    return make_i([&](int i) { return static_cast<int32_t>(std::nearbyintf(a.v[i])); });
}
inline int32_t sum_i(const I& a) {
    int32_t sum = 0;
    for (int32_t x : a.v) sum += x;
    return sum;
}
// The low byte of each lane.
inline void store_bytes(void* p, const I& a) {
    auto* out = static_cast<uint8_t*>(p);
    for (int i = 0; i < kLanes; ++i) out[i] = static_cast<uint8_t>(a.v[i]);
}

// The low bytes of four times 16 lanes, which hold 0..127: 64 bytes.
inline void store_64_bytes(void* p, const I& a, const I& b, const I& c, const I& d) {
    auto* out = static_cast<uint8_t*>(p);
    store_bytes(out, a);
    store_bytes(out + 16, b);
    store_bytes(out + 32, c);
    store_bytes(out + 48, d);
}

inline B load_b(const void* p) {
    B out;
    std::memcpy(out.v, p, sizeof(out.v));
    return out;
}
inline B low_nibbles(const B& a) {
    B out;
    for (int i = 0; i < kLanes * 4; ++i) out.v[i] = a.v[i] & 0x0f;
    return out;
}
inline B high_nibbles(const B& a) {
    B out;
    for (int i = 0; i < kLanes * 4; ++i) out.v[i] = a.v[i] >> 4;
    return out;
}

// Per lane: acc + sum over 4 of unsigned weights * the 4 signed bytes at p. dot_u7 promises weights below 128.
inline I dot_u8(const I& acc, const B& weights, const void* p) {
    const auto* s = static_cast<const int8_t*>(p);
    return make_i([&](int i) {
        const uint8_t* w = weights.v + 4 * i;
        return acc.v[i] + w[0] * s[0] + w[1] * s[1] + w[2] * s[2] + w[3] * s[3];
    });
}
inline I dot_u7(const I& acc, const B& weights, const void* p) { return dot_u8(acc, weights, p); }
// Per lane: acc + sum over 4 of the 4 unsigned bytes (below 128) at p * signed values.
inline I dot_s8(const I& acc, const void* p, const B& values) {
    const auto* u = static_cast<const uint8_t*>(p);
    return make_i([&](int i) {
        const auto* s = reinterpret_cast<const int8_t*>(values.v + 4 * i);
        return acc.v[i] + u[0] * s[0] + u[1] * s[1] + u[2] * s[2] + u[3] * s[3];
    });
}

// Per lane: acc + weights' pair of bf16 . the pair of bf16 at p.
inline F dot_bf16(const F& acc, const B& weights, const void* p) {
    uint16_t pair[2];
    std::memcpy(pair, p, 4);
    const float x = bf16_to_float(pair[0]);
    const float y = bf16_to_float(pair[1]);
    return make_f([&](int i) {
        uint16_t w[2];
        std::memcpy(w, weights.v + 4 * i, 4);
        return acc.v[i] + bf16_to_float(w[0]) * x + bf16_to_float(w[1]) * y;
    });
}

}  // namespace spatz::portable
