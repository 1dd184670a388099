// The 16-lane vocabulary of kernels_impl.h in AVX-512 (F, BW, VL, DQ, VNNI, and BF16 where the compiler is told so).
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#ifdef __AVX512BF16__
#define SPATZ_SIMD_NAMESPACE avx512_bf16
#else
#define SPATZ_SIMD_NAMESPACE avx512
#endif

namespace spatz::SPATZ_SIMD_NAMESPACE {

// Rows of a tile: 12 integer and 12 float accumulators, and what one step of a block needs, fill the 32 registers.
constexpr int kMaxRows = 12;

using F = __m512;   // 16 floats
using I = __m512i;  // 16 int32
using B = __m512i;  // 64 bytes: 16 lanes of 4

inline F zero_f() { return _mm512_setzero_ps(); }
inline F set_f(float x) { return _mm512_set1_ps(x); }
inline F load_f(const float* p) { return _mm512_loadu_ps(p); }
inline void store_f(float* p, F x) { _mm512_storeu_ps(p, x); }
inline F add_f(F a, F b) { return _mm512_add_ps(a, b); }
inline F sub_f(F a, F b) { return _mm512_sub_ps(a, b); }
inline F mul_f(F a, F b) { return _mm512_mul_ps(a, b); }
inline F div_f(F a, F b) { return _mm512_div_ps(a, b); }
inline F fma_f(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
inline F max_f(F a, F b) { return _mm512_max_ps(a, b); }
inline F min_f(F a, F b) { return _mm512_min_ps(a, b); }
inline F abs_f(F a) { return _mm512_abs_ps(a); }
// The first n floats at p, then zeros. n: 1 to 16
inline F load_n(const float* p, int n) { return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), p); }
inline void store_n(float* p, int n, F x) { _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1), x); }

// Lane r: op over the lanes of v[r], in one order for every R; the lanes from R on hold what they hold.
template <int R, typename Op>
inline F fold_rows(const F (&v)[R], Op op) {
    static_assert(R <= 16);
    constexpr int kFours = (R + 3) / 4;
    F four[kFours];
#pragma GCC unroll 4
    for (int i = 0; i < kFours; ++i) {
        const F a = v[4 * i];
        const F b = v[4 * i + 1 < R ? 4 * i + 1 : 4 * i];
        const F c = v[4 * i + 2 < R ? 4 * i + 2 : 4 * i];
        const F d = v[4 * i + 3 < R ? 4 * i + 3 : 4 * i];
        const F ab = op(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
        const F cd = op(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
        four[i] = op(_mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(ab), _mm512_castps_pd(cd))),
                     _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(ab), _mm512_castps_pd(cd))));
    }
    const F x = four[0];
    const F y = four[kFours > 1 ? 1 : 0];
    const F z = four[kFours > 2 ? 2 : 0];
    const F w = four[kFours > 3 ? 3 : 0];
    const F xy = op(_mm512_shuffle_f32x4(x, y, 0x44), _mm512_shuffle_f32x4(x, y, 0xee));
    const F zw = kFours > 2 ? op(_mm512_shuffle_f32x4(z, w, 0x44), _mm512_shuffle_f32x4(z, w, 0xee)) : xy;
    return op(_mm512_shuffle_f32x4(xy, zw, 0x88), _mm512_shuffle_f32x4(xy, zw, 0xdd));
}
template <int R>
inline F sum_rows(const F (&v)[R]) {
    return fold_rows<R>(v, [](F a, F b) { return add_f(a, b); });
}
template <int R>
inline F largest_rows(const F (&v)[R]) {
    return fold_rows<R>(v, [](F a, F b) { return max_f(a, b); });
}
inline float sum_f(F a) { return _mm512_reduce_add_ps(a); }
inline float largest_f(F a) { return _mm512_reduce_max_ps(a); }
inline F load_f16(const uint16_t* p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
// Lanes first..last-1 of a, the others `other`. first and last may lie outside 0..16.
inline F keep_lanes(F a, int first, int last, float other) {
    const I lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __mmask16 keep = _mm512_cmp_epi32_mask(lane, _mm512_set1_epi32(first), _MM_CMPINT_NLT) &
                           _mm512_cmp_epi32_mask(lane, _mm512_set1_epi32(last), _MM_CMPINT_LT);
    return _mm512_mask_blend_ps(keep, set_f(other), a);
}
inline I zero_i() { return _mm512_setzero_si512(); }
inline I set_i(int32_t x) { return _mm512_set1_epi32(x); }
inline I add_i(I a, I b) { return _mm512_add_epi32(a, b); }
inline I shift_left_7(I a) { return _mm512_slli_epi32(a, 7); }
inline I shift_right_7(I a) { return _mm512_srli_epi32(a, 7); }
inline I and_i(I a, I b) { return _mm512_and_si512(a, b); }
// a * 2^n for a near 1 and n within -126..127, which stands in the low bits of `power`.
inline F scale_f(F a, F power) {
    return _mm512_castsi512_ps(add_i(_mm512_castps_si512(a), _mm512_slli_epi32(_mm512_castps_si512(power), 23)));
}
inline F to_f(I a) { return _mm512_cvtepi32_ps(a); }
inline I to_i(F a) { return _mm512_cvtps_epi32(a); }  // nearest even
inline int32_t sum_i(I a) { return _mm512_reduce_add_epi32(a); }
// The low byte of each lane.
inline void store_bytes(void* p, I a) { _mm_storeu_si128(static_cast<__m128i*>(p), _mm512_cvtepi32_epi8(a)); }

// The low bytes of four times 16 lanes, which hold 0..127: 64 bytes.
inline void store_64_bytes(void* p, I a, I b, I c, I d) {
    const I order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const I packed = _mm512_packus_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
    _mm512_storeu_si512(p, _mm512_permutexvar_epi32(order, packed));
}

inline B load_b(const void* p) { return _mm512_loadu_si512(p); }
inline B low_nibbles(B a) { return _mm512_and_si512(a, _mm512_set1_epi8(0x0f)); }
inline B high_nibbles(B a) { return _mm512_and_si512(_mm512_srli_epi16(a, 4), _mm512_set1_epi8(0x0f)); }

struct __attribute__((packed, may_alias)) Four {
    int32_t x;
};
inline int32_t load_4(const void* p) {
    int32_t x;
    std::memcpy(&x, p, 4);
    return x;
}
// The accumulating instructions are written out: from the intrinsics, GCC 12 copies every accumulator once a round
// (attention took 1.8 times as long), and it never folds the broadcast into the operand.
// Per lane: acc + sum over 4 of unsigned weights * the 4 signed bytes at p. dot_u7 promises weights below 128.
inline I dot_u8(I acc, B weights, const void* p) {
    asm("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(acc) : "v"(weights), "m"(*static_cast<const Four*>(p)));
    return acc;
}
inline I dot_u7(I acc, B weights, const void* p) { return dot_u8(acc, weights, p); }
// Per lane: acc + sum over 4 of the 4 unsigned bytes (below 128) at p * signed values.
inline I dot_s8(I acc, const void* p, B values) {
    asm("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(set_i(load_4(p))), "v"(values));
    return acc;
}

// Per lane: acc + weights' pair of bf16 . the pair of bf16 at p.
inline F dot_bf16(F acc, B weights, const void* p) {
#ifdef __AVX512BF16__
    asm("vdpbf16ps %2%{1to16%}, %1, %0" : "+v"(acc) : "v"(weights), "m"(*static_cast<const Four*>(p)));
    return acc;
#else
    const I pair = set_i(load_4(p));
    const I high = set_i(static_cast<int32_t>(0xffff0000u));
    acc = fma_f(_mm512_castsi512_ps(_mm512_slli_epi32(weights, 16)), _mm512_castsi512_ps(_mm512_slli_epi32(pair, 16)),
                acc);
    return fma_f(_mm512_castsi512_ps(and_i(weights, high)), _mm512_castsi512_ps(and_i(pair, high)), acc);
#endif
}

}  // namespace spatz::SPATZ_SIMD_NAMESPACE
