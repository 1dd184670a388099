#include "ops/sampling_kernels.h"

#include <cstring>
#include <limits>

#define SPATZ_INLINE inline __attribute__((always_inline))

namespace spatz {
namespace {

constexpr float kMinusInf = -std::numeric_limits<float>::infinity();
constexpr size_t kLanes = 16;  // independent partial results: one AVX-512 register, two of AVX2, four of SSE or NEON

// GCC and Clang vector types of B bytes: the compiler's own loop vectorizer is not to be relied on here.
template <int B>
struct Vector {
    using F [[gnu::vector_size(B)]] = float;
    using I [[gnu::vector_size(B)]] = int32_t;
    static constexpr size_t kWidth = B / sizeof(float);
    static constexpr size_t kParts = kLanes / kWidth;  // vectors that hold the lanes
};

template <int B>
SPATZ_INLINE void load(typename Vector<B>::F& v, const float* x) {
    std::memcpy(&v, x, B);
}

// Cephes' expf: 2^n * P(r) with n = round(y / ln 2), r = y - n ln 2 in two parts. y <= 0 or NaN; 0 below -87.
template <int B>
SPATZ_INLINE void exp_vector(typename Vector<B>::F& y) {
    using F = typename Vector<B>::F;
    using I = typename Vector<B>::I;
    const F lowest = F{} - 87.0f;
    const I possible = y >= lowest;  // false for NaN
    const F bounded = possible ? y : lowest;
    const I n = __builtin_convertvector(bounded * 1.44269504f - 0.5f, I);  // in [-126, 0]
    const F nf = __builtin_convertvector(n, F);
    const F r = (bounded - nf * 0.693359375f) + nf * 2.12194440e-4f;
    F p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    const I bits = (n + 127) << 23;
    F scale;
    std::memcpy(&scale, &bits, B);
    y = possible ? p * scale : F{};
}

template <int B>
SPATZ_INLINE float max_of_block(const float* x) {
    using V = Vector<B>;
    typename V::F lane[V::kParts];
    for (auto& part : lane) part = typename V::F{} + kMinusInf;
    for (size_t i = 0; i < kSampleBlock; i += kLanes) {
        for (size_t j = 0; j < V::kParts; ++j) {
            typename V::F v;
            load<B>(v, x + i + j * V::kWidth);
            lane[j] = v > lane[j] ? v : lane[j];  // NaN loses
        }
    }
    for (size_t j = 1; j < V::kParts; ++j) lane[0] = lane[j] > lane[0] ? lane[j] : lane[0];
    float largest = kMinusInf;
    for (size_t k = 0; k < V::kWidth; ++k) largest = lane[0][k] > largest ? lane[0][k] : largest;
    return largest;
}

template <int B>
SPATZ_INLINE double exp_sum_of_block(const float* x, float top, float inverse_temperature) {
    using V = Vector<B>;
    typename V::F lane[V::kParts] = {};
    for (size_t i = 0; i < kSampleBlock; i += kLanes) {
        for (size_t j = 0; j < V::kParts; ++j) {
            typename V::F v;
            load<B>(v, x + i + j * V::kWidth);
            v = (v - top) * inverse_temperature;
            exp_vector<B>(v);
            lane[j] += v;
        }
    }
    double sum = 0.0;
    for (size_t j = 0; j < V::kParts; ++j)
        for (size_t k = 0; k < V::kWidth; ++k) sum += static_cast<double>(lane[j][k]);
    return sum;
}

SPATZ_INLINE void pad_block(const float* x, size_t n, float* padded) {
    for (size_t i = 0; i < kSampleBlock; ++i) padded[i] = i < n ? x[i] : kMinusInf;
}

template <int B>
SPATZ_INLINE void block_maxima_body(const float* x, size_t n, float* maxima) {
    const size_t whole = n / kSampleBlock;
    for (size_t b = 0; b < whole; ++b) maxima[b] = max_of_block<B>(x + b * kSampleBlock);
    if (n % kSampleBlock != 0) {
        float padded[kSampleBlock];
        pad_block(x + whole * kSampleBlock, n % kSampleBlock, padded);
        maxima[whole] = max_of_block<B>(padded);
    }
}

template <int B>
SPATZ_INLINE void block_exp_sums_body(const float* x, size_t n, float top, float inverse_temperature,
                                      const float* maxima, double* sums) {
    const size_t whole = n / kSampleBlock;
    for (size_t b = 0; b < whole; ++b) {
        // Low temperatures leave most blocks without any weight.
        const bool empty = !((maxima[b] - top) * inverse_temperature >= -87.0f);
        sums[b] = empty ? 0.0 : exp_sum_of_block<B>(x + b * kSampleBlock, top, inverse_temperature);
    }
    if (n % kSampleBlock != 0) {
        float padded[kSampleBlock];
        pad_block(x + whole * kSampleBlock, n % kSampleBlock, padded);
        sums[whole] = exp_sum_of_block<B>(padded, top, inverse_temperature);
    }
}

template <int B>
SPATZ_INLINE void exp_weights_body(const float* x, size_t n, float top, float inverse_temperature, float* weights) {
    using V = Vector<B>;
    size_t i = 0;
    for (; i + V::kWidth <= n; i += V::kWidth) {
        typename V::F v;
        load<B>(v, x + i);
        v = (v - top) * inverse_temperature;
        exp_vector<B>(v);
        std::memcpy(weights + i, &v, B);
    }
    if (i == n) return;
    typename V::F v = typename V::F{} + top;
    std::memcpy(&v, x + i, (n - i) * sizeof(float));
    v = (v - top) * inverse_temperature;
    exp_vector<B>(v);
    std::memcpy(weights + i, &v, (n - i) * sizeof(float));
}

template <int B>
SPATZ_INLINE void apply_mask_body(float* x, size_t n, const uint32_t* mask) {
    using V = Vector<B>;
    using I = typename V::I;
    const size_t whole = n / 32;
    I bit;  // 1 << lane
    for (size_t k = 0; k < V::kWidth; ++k) bit[k] = int32_t{1} << k;
    for (size_t w = 0; w < whole; ++w) {
        if (mask[w] == ~uint32_t{0}) continue;
        for (size_t j = 0; j < 32; j += V::kWidth) {
            const I allowed = (I{} + static_cast<int32_t>(mask[w] >> j)) & bit;
            typename V::F v;
            load<B>(v, x + w * 32 + j);
            v = allowed != 0 ? v : typename V::F{} + kMinusInf;
            std::memcpy(x + w * 32 + j, &v, B);
        }
    }
    for (size_t i = whole * 32; i < n; ++i)
        if (((mask[i / 32] >> (i % 32)) & 1U) == 0) x[i] = kMinusInf;
}

// Plain functions with a target attribute instead of target_clones: those need ifunc, which sanitizers and musl lack.
#define SPATZ_SAMPLING_VARIANT(variant, bytes, attribute)                                                   \
    attribute void block_maxima_##variant(const float* x, size_t n, float* maxima) {                        \
        block_maxima_body<bytes>(x, n, maxima);                                                             \
    }                                                                                                       \
    attribute void block_exp_sums_##variant(const float* x, size_t n, float top, float inverse_temperature, \
                                            const float* maxima, double* sums) {                            \
        block_exp_sums_body<bytes>(x, n, top, inverse_temperature, maxima, sums);                           \
    }                                                                                                       \
    attribute void exp_weights_##variant(const float* x, size_t n, float top, float inverse_temperature,    \
                                         float* weights) {                                                  \
        exp_weights_body<bytes>(x, n, top, inverse_temperature, weights);                                   \
    }                                                                                                       \
    attribute void apply_mask_##variant(float* x, size_t n, const uint32_t* mask) {                         \
        apply_mask_body<bytes>(x, n, mask);                                                                 \
    }                                                                                                       \
    constexpr SamplingKernels k_##variant{#variant, block_maxima_##variant, block_exp_sums_##variant,       \
                                          exp_weights_##variant, apply_mask_##variant};

SPATZ_SAMPLING_VARIANT(portable, 16, )
#if defined(__x86_64__)
SPATZ_SAMPLING_VARIANT(avx2, 32, __attribute__((target("avx2"))))
SPATZ_SAMPLING_VARIANT(avx512, 64,
                       __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,prefer-vector-width=512"))))
#endif

}  // namespace

std::vector<const SamplingKernels*> supported_sampling_kernels() {
    std::vector<const SamplingKernels*> kernels;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq"))
        kernels.push_back(&k_avx512);
    if (__builtin_cpu_supports("avx2")) kernels.push_back(&k_avx2);
#endif
    kernels.push_back(&k_portable);
    return kernels;
}

}  // namespace spatz
