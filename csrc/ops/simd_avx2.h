// The 16-lane vocabulary of kernels_impl.h in AVX2 and FMA: each value is a pair of 256-bit registers.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#define SPATZ_SIMD_NAMESPACE avx2

namespace spatz::avx2 {

constexpr int kMaxRows = 4;

struct F {
    __m256 a, b;
};
struct I {
    __m256i a, b;
};
using B = I;  // 64 bytes: 16 lanes of 4

inline F zero_f() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
inline F set_f(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
inline F load_f(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
inline void store_f(float* p, F x) {
    _mm256_storeu_ps(p, x.a);
    _mm256_storeu_ps(p + 8, x.b);
}
inline F add_f(F x, F y) { return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
inline F sub_f(F x, F y) { return {_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)}; }
inline F mul_f(F x, F y) { return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
inline F div_f(F x, F y) { return {_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)}; }
inline F fma_f(F x, F y, F z) { return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)}; }
inline F max_f(F x, F y) { return {_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)}; }
inline F min_f(F x, F y) { return {_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)}; }
inline F abs_f(F x) {
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return {_mm256_andnot_ps(sign, x.a), _mm256_andnot_ps(sign, x.b)};
}
inline float sum_f(F x) {
    const __m256 s = _mm256_add_ps(x.a, x.b);
    __m128 h = _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
    h = _mm_add_ps(h, _mm_movehl_ps(h, h));
    return _mm_cvtss_f32(_mm_add_ss(h, _mm_movehdup_ps(h)));
}
inline float largest_f(F x) {
    const __m256 s = _mm256_max_ps(x.a, x.b);
    __m128 h = _mm_max_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
    h = _mm_max_ps(h, _mm_movehl_ps(h, h));
    return _mm_cvtss_f32(_mm_max_ss(h, _mm_movehdup_ps(h)));
}
inline F load_f16(const uint16_t* p) {
    return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))),
            _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 8)))};
}
inline __m256i within(__m256i lane, int first, int last) {
    return _mm256_andnot_si256(_mm256_cmpgt_epi32(_mm256_set1_epi32(first), lane),
                               _mm256_cmpgt_epi32(_mm256_set1_epi32(last), lane));
}
// Lanes first..last-1 of x, the others `other`. first and last may lie outside 0..16.
inline F keep_lanes(F x, int first, int last, float other) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256 fill = _mm256_set1_ps(other);
    return {_mm256_blendv_ps(fill, x.a, _mm256_castsi256_ps(within(lane, first, last))),
            _mm256_blendv_ps(fill, x.b, _mm256_castsi256_ps(within(lane, first - 8, last - 8)))};
}
inline __m256 scale_half(__m256 x, __m256 power) {
    return _mm256_castsi256_ps(
        _mm256_add_epi32(_mm256_castps_si256(x), _mm256_slli_epi32(_mm256_castps_si256(power), 23)));
}
// x * 2^n for x near 1 and n within -126..127, which stands in the low bits of `power`.
inline F scale_f(F x, F power) { return {scale_half(x.a, power.a), scale_half(x.b, power.b)}; }
// The first n floats at p, then zeros. n: 1 to 16
inline F load_n(const float* p, int n) {
    alignas(32) float lanes[16] = {};
    std::memcpy(lanes, p, static_cast<size_t>(n) * sizeof(float));
    return load_f(lanes);
}
inline void store_n(float* p, int n, F x) {
    alignas(32) float lanes[16];
    store_f(lanes, x);
    std::memcpy(p, lanes, static_cast<size_t>(n) * sizeof(float));
}
// Lane r: the sum, or the largest, of the lanes of v[r].
template <int R>
inline F sum_rows(const F (&v)[R]) {
    alignas(32) float lanes[16] = {};
    for (int r = 0; r < R; ++r) lanes[r] = sum_f(v[r]);
    return load_f(lanes);
}
template <int R>
inline F largest_rows(const F (&v)[R]) {
    alignas(32) float lanes[16] = {};
    for (int r = 0; r < R; ++r) lanes[r] = largest_f(v[r]);
    return load_f(lanes);
}

inline I zero_i() { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
inline I set_i(int32_t x) { return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
inline I add_i(I x, I y) { return {_mm256_add_epi32(x.a, y.a), _mm256_add_epi32(x.b, y.b)}; }
inline I shift_left_7(I x) { return {_mm256_slli_epi32(x.a, 7), _mm256_slli_epi32(x.b, 7)}; }
inline I shift_right_7(I x) { return {_mm256_srli_epi32(x.a, 7), _mm256_srli_epi32(x.b, 7)}; }
inline I and_i(I x, I y) { return {_mm256_and_si256(x.a, y.a), _mm256_and_si256(x.b, y.b)}; }
inline F to_f(I x) { return {_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)}; }
inline I to_i(F x) { return {_mm256_cvtps_epi32(x.a), _mm256_cvtps_epi32(x.b)}; }  // nearest even
inline int32_t sum_i(I x) {
    const __m256i s = _mm256_add_epi32(x.a, x.b);
    __m128i h = _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
    h = _mm_add_epi32(h, _mm_shuffle_epi32(h, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(h, _mm_shuffle_epi32(h, 0xb1)));
}
// The low byte of each lane; lanes hold -128..255.
inline void store_bytes(void* p, I x) {
    const __m256i low = _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 4, 8, 12, -1,
                                         -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
    const __m256i gather = _mm256_setr_epi32(0, 4, 1, 1, 1, 1, 1, 1);
    const __m256i a = _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(x.a, low), gather);
    const __m256i b = _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(x.b, low), gather);
    _mm_storeu_si128(static_cast<__m128i*>(p),
                     _mm_unpacklo_epi64(_mm256_castsi256_si128(a), _mm256_castsi256_si128(b)));
}

// The low bytes of four times 16 lanes, which hold 0..127: 64 bytes.
inline void store_64_bytes(void* p, I a, I b, I c, I d) {
    auto* out = static_cast<uint8_t*>(p);
    store_bytes(out, a);
    store_bytes(out + 16, b);
    store_bytes(out + 32, c);
    store_bytes(out + 48, d);
}

inline B load_b(const void* p) {
    const auto* q = static_cast<const __m256i*>(p);
    return {_mm256_loadu_si256(q), _mm256_loadu_si256(q + 1)};
}
inline B low_nibbles(B x) {
    const __m256i mask = _mm256_set1_epi8(0x0f);
    return {_mm256_and_si256(x.a, mask), _mm256_and_si256(x.b, mask)};
}
inline B high_nibbles(B x) {
    const __m256i mask = _mm256_set1_epi8(0x0f);
    return {_mm256_and_si256(_mm256_srli_epi16(x.a, 4), mask), _mm256_and_si256(_mm256_srli_epi16(x.b, 4), mask)};
}

inline __m256i broadcast_4(const void* p) {
    int32_t x;
    std::memcpy(&x, p, 4);
    return _mm256_set1_epi32(x);
}
// u below 128: the 16-bit sums of two products stay within 2 * 127 * 127.
inline __m256i dot_half(__m256i acc, __m256i u, __m256i s) {
    return _mm256_add_epi32(acc, _mm256_madd_epi16(_mm256_maddubs_epi16(u, s), _mm256_set1_epi16(1)));
}
// Per lane: acc + sum over 4 of unsigned weights * the 4 signed bytes at p. dot_u7 promises weights below 128.
inline I dot_u7(I acc, B weights, const void* p) {
    const __m256i s = broadcast_4(p);
    return {dot_half(acc.a, weights.a, s), dot_half(acc.b, weights.b, s)};
}
// maddubs saturates at 16 bits, so the weights' top bit is taken apart: 2 * 128 * 127 still fits.
inline I dot_u8(I acc, B weights, const void* p) {
    const __m256i s = broadcast_4(p);
    const __m256i low = _mm256_set1_epi8(0x7f);
    acc.a = dot_half(acc.a, _mm256_and_si256(weights.a, low), s);
    acc.b = dot_half(acc.b, _mm256_and_si256(weights.b, low), s);
    acc.a = dot_half(acc.a, _mm256_andnot_si256(low, weights.a), s);
    acc.b = dot_half(acc.b, _mm256_andnot_si256(low, weights.b), s);
    return acc;
}
// Per lane: acc + sum over 4 of the 4 unsigned bytes (below 128) at p * signed values.
inline I dot_s8(I acc, const void* p, B values) {
    const __m256i u = broadcast_4(p);
    return {dot_half(acc.a, u, values.a), dot_half(acc.b, u, values.b)};
}

inline __m256 dot_bf16_half(__m256 acc, __m256i weights, __m256i pair) {
    const __m256i high = _mm256_set1_epi32(static_cast<int32_t>(0xffff0000u));
    acc = _mm256_fmadd_ps(_mm256_castsi256_ps(_mm256_slli_epi32(weights, 16)),
                          _mm256_castsi256_ps(_mm256_slli_epi32(pair, 16)), acc);
    return _mm256_fmadd_ps(_mm256_castsi256_ps(_mm256_and_si256(weights, high)),
                           _mm256_castsi256_ps(_mm256_and_si256(pair, high)), acc);
}
// Per lane: acc + weights' pair of bf16 . the pair of bf16 at p.
inline F dot_bf16(F acc, B weights, const void* p) {
    const __m256i pair = broadcast_4(p);
    return {dot_bf16_half(acc.a, weights.a, pair), dot_bf16_half(acc.b, weights.b, pair)};
}

}  // namespace spatz::avx2
