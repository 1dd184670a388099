// All kernels, written once over the 16-lane vocabulary of a simd_*.h, which is included before this file.
//
// The order of every floating-point operation that makes one output depends on that output's own row alone, never on
// how many rows a tile has: what a token computes is the same to the bit in a prefill chunk, in a batch and alone.

#include <cmath>
#include <cstring>
#include <limits>

#include "ops/half.h"
#include "ops/kernels.h"

// GCC keeps an array of accumulators in registers only if every loop over it is unrolled early; one that is not makes
// it store all of them once a round.
#define SPATZ_UNROLL _Pragma("GCC unroll 16")

namespace spatz::SPATZ_SIMD_NAMESPACE {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

// ---- activations into tiles ----

// Whether values up to `largest` have a scale. What is all but zero, or no number, becomes zeros.
static inline bool quantizable(float largest) {
    return largest > 1e-30f && largest <= std::numeric_limits<float>::max();
}

// Nearest integers within -127..127. A NaN among numbers becomes -127: min gives its second operand then.
static inline I to_i8(F x) { return to_i(max_f(min_f(x, set_f(127.0f)), set_f(-127.0f))); }

// Values as kept in place (block b, row r) of a tile: 8 groups of 4 bytes, `rows` groups apart. Gives their sum.
static inline int32_t put_block(I a, I b, int8_t* to, int64_t rows) {
    int8_t bytes[kBlock];
    store_bytes(bytes, a);
    store_bytes(bytes + 16, b);
    for (int group = 0; group < kBlock / 4; ++group) std::memcpy(to + group * rows * 4, bytes + group * 4, 4);
    return sum_i(add_i(a, b));
}

// Quantizes one block; fills what a rest would be taken from. Gives the largest magnitude.
static inline float quantize_block(const float* x, const Tile& tile, int64_t b, int64_t r) {
    const int64_t rows = tile.rows;
    const F low = load_f(x);
    const F high = load_f(x + 16);
    const float largest = largest_f(max_f(abs_f(low), abs_f(high)));
    const bool usable = quantizable(largest);
    const float d = usable ? largest / 127.0f : 0.0f;
    const F inverse = set_f(usable ? 127.0f / largest : 0.0f);
    const I qa = usable ? to_i8(mul_f(low, inverse)) : zero_i();
    const I qb = usable ? to_i8(mul_f(high, inverse)) : zero_i();
    const int32_t total = put_block(qa, qb, tile.values + (b * (kBlock / 4) * rows + r) * 4, rows);
    tile.scales[b * rows + r] = d;
    tile.sums[b * rows + r] = d * static_cast<float>(total);
    tile.offsets[b * rows + r] = -128 * total;
    return usable ? largest : 0.0f;
}

// The rest of a block that is refined in this row, or zeros where it is not.
static inline void quantize_rest(const float* x, const Tile& tile, int64_t b, int64_t r, bool needed) {
    const int64_t rows = tile.rows;
    int8_t* to = tile.rests + (b * (kBlock / 4) * rows + r) * 4;
    const float d = tile.scales[b * rows + r];
    if (!needed || d == 0.0f) {
        put_block(zero_i(), zero_i(), to, rows);
        tile.rest_offsets[b * rows + r] = 0;
        return;
    }
    const F inverse = set_f(1.0f / d);
    const F a = mul_f(load_f(x), inverse);
    const F c = mul_f(load_f(x + 16), inverse);
    const I qa = to_i8(mul_f(sub_f(a, to_f(to_i8(a))), set_f(kRestUnits)));
    const I qb = to_i8(mul_f(sub_f(c, to_f(to_i8(c))), set_f(kRestUnits)));
    const int32_t total = put_block(qa, qb, to, rows);
    tile.sums[b * rows + r] += d / kRestUnits * static_cast<float>(total);
    tile.rest_offsets[b * rows + r] = -128 * total;
}

static void quantize(const float* x, int64_t stride, float outlier, const Tile& tile) {
    const int64_t blocks = tile.k / kBlock;
    std::memset(tile.refined, 0, static_cast<size_t>(blocks));
    float bound[kMaxRows];  // of each row: the largest magnitude that needs no refining
    for (int64_t r = 0; r < tile.rows; ++r) {
        const float* row = x + r * stride;
        F squares = zero_f();
        for (int64_t i = 0; i < tile.k; i += 16) squares = fma_f(load_f(row + i), load_f(row + i), squares);
        bound[r] = outlier * std::sqrt(sum_f(squares) / static_cast<float>(tile.k));
        for (int64_t b = 0; b < blocks; ++b) {
            if (quantize_block(row + b * kBlock, tile, b, r) > bound[r]) tile.refined[b] = 1;
        }
    }
    for (int64_t b = 0; b < blocks; ++b) {
        if (tile.refined[b] == 0) continue;
        for (int64_t r = 0; r < tile.rows; ++r) {
            const bool needed = tile.scales[b * tile.rows + r] * 127.0f > bound[r];
            quantize_rest(x + r * stride + b * kBlock, tile, b, r, needed);
        }
    }
}

static void to_bf16(const float* x, int64_t stride, const Tile& tile) {
    const int64_t rows = tile.rows;
    for (int64_t r = 0; r < rows; ++r) {
        const float* row = x + r * stride;
        uint16_t* to = tile.bf16 + r * 2;
        for (int64_t b = 0; b < tile.k; b += kBlock) {
            // A block at a time, which compilers turn into vectors; then in pairs to where they belong.
            uint16_t block[kBlock];
            for (int i = 0; i < kBlock; ++i) block[i] = float_to_bf16(row[b + i]);
            for (int i = 0; i < kBlock; i += 2, to += rows * 2) std::memcpy(to, block + i, 4);
        }
    }
}

// ---- matmul ----

template <int R>
static inline void store_rows(const F (&sum)[R], const float* bias, float* out, int64_t stride, bool accumulate) {
    SPATZ_UNROLL
    for (int r = 0; r < R; ++r) {
        F value = sum[r];
        if (bias != nullptr) value = add_f(value, load_f(bias));
        if (accumulate) value = add_f(load_f(out + r * stride), value);
        store_f(out + r * stride, value);
    }
}

// dot += the block's 4-bit values . the rows' int8 at a
template <int R>
static inline void dot_block_q4(const uint8_t* weights, const int8_t* a, I (&dot)[R]) {
#pragma GCC unroll 4
    for (int pair = 0; pair < 4; ++pair) {
        const B packed = load_b(weights + 64 * pair);
        const B low = low_nibbles(packed);
        SPATZ_UNROLL
        for (int r = 0; r < R; ++r) dot[r] = dot_u7(dot[r], low, a + 4 * r);
        const B high = high_nibbles(packed);
        SPATZ_UNROLL
        for (int r = 0; r < R; ++r) dot[r] = dot_u7(dot[r], high, a + 4 * (R + r));
        a += 8 * R;
    }
}

// dot += the block's 8-bit values + 128 . the rows' int8 at a
template <int R>
static inline void dot_block_q8(const uint8_t* weights, const int8_t* a, I (&dot)[R]) {
#pragma GCC unroll 8
    for (int group = 0; group < 8; ++group) {
        const B values = load_b(weights + 64 * group);
        SPATZ_UNROLL
        for (int r = 0; r < R; ++r) dot[r] = dot_u8(dot[r], values, a + 4 * r);
        a += 4 * R;
    }
}

// sum += dot * weights' scale * (rows' scale * unit)
template <int R>
static inline void scale_block(const I (&dot)[R], F d, const float* scale, F (&sum)[R]) {
    SPATZ_UNROLL
    for (int r = 0; r < R; ++r) sum[r] = fma_f(to_f(dot[r]), mul_f(d, set_f(scale[r])), sum[r]);
}

template <int R>
static void matmul_q4(const uint8_t* weights, int64_t panels, const Tile& tile, const float* bias, float* out,
                      int64_t stride, bool accumulate) {
    const int64_t blocks = tile.k / kBlock;
    for (int64_t panel = 0; panel < panels; ++panel) {
        F sum[R];
        SPATZ_UNROLL
        for (int r = 0; r < R; ++r) sum[r] = zero_f();
        for (int64_t b = 0; b < blocks; ++b) {
            const float* scale = tile.scales + b * R;
            const float* total = tile.sums + b * R;
            const F d = load_f16(reinterpret_cast<const uint16_t*>(weights + 256));
            const F m = load_f16(reinterpret_cast<const uint16_t*>(weights + 256 + kScaleBytes));
            I dot[R];
            SPATZ_UNROLL
            for (int r = 0; r < R; ++r) dot[r] = zero_i();
            dot_block_q4<R>(weights, tile.values + b * kBlock * R, dot);
            scale_block<R>(dot, d, scale, sum);
            SPATZ_UNROLL
            for (int r = 0; r < R; ++r) sum[r] = fma_f(m, set_f(total[r]), sum[r]);
            if (tile.refined[b] != 0) [[unlikely]] {
                SPATZ_UNROLL
                for (int r = 0; r < R; ++r) dot[r] = zero_i();
                dot_block_q4<R>(weights, tile.rests + b * kBlock * R, dot);
                scale_block<R>(dot, mul_f(d, set_f(1.0f / kRestUnits)), scale, sum);
            }
            weights += kQ4BlockBytes;
        }
        store_rows<R>(sum, bias == nullptr ? nullptr : bias + panel * kPanel, out + panel * kPanel, stride, accumulate);
    }
}

template <int R>
static void matmul_q8(const uint8_t* weights, int64_t panels, const Tile& tile, const float* bias, float* out,
                      int64_t stride, bool accumulate) {
    const int64_t blocks = tile.k / kBlock;
    const int64_t bytes = panel_bytes(Format::kQ8, tile.k);
    for (int64_t panel = 0; panel < panels; ++panel) {
        F sum[R];
        SPATZ_UNROLL
        for (int r = 0; r < R; ++r) sum[r] = zero_f();
        const uint8_t* from = weights + panel * bytes;
        for (int64_t b = 0; b < blocks; ++b) {
            const float* scale = tile.scales + b * R;
            const uint8_t* w = from + q8_block(b);
            const F d = load_f16(reinterpret_cast<const uint16_t*>(from + q8_scales(b)));
            I dot[R];
            SPATZ_UNROLL
            for (int r = 0; r < R; ++r) dot[r] = set_i(tile.offsets[b * R + r]);
            dot_block_q8<R>(w, tile.values + b * kBlock * R, dot);
            scale_block<R>(dot, d, scale, sum);
            if (tile.refined[b] != 0) [[unlikely]] {
                SPATZ_UNROLL
                for (int r = 0; r < R; ++r) dot[r] = set_i(tile.rest_offsets[b * R + r]);
                dot_block_q8<R>(w, tile.rests + b * kBlock * R, dot);
                scale_block<R>(dot, mul_f(d, set_f(1.0f / kRestUnits)), scale, sum);
            }
        }
        store_rows<R>(sum, bias == nullptr ? nullptr : bias + panel * kPanel, out + panel * kPanel, stride, accumulate);
    }
}

template <int R, int P>
static void matmul_bf16_panels(const uint8_t* weights, const Tile& tile, const float* bias, float* out, int64_t stride,
                               bool accumulate) {
    const int64_t bytes = panel_bytes(Format::kBf16, tile.k);
    F sum[P][R];
    SPATZ_UNROLL
    for (int p = 0; p < P; ++p) {
        SPATZ_UNROLL
        for (int r = 0; r < R; ++r) sum[p][r] = zero_f();
    }
    const uint16_t* a = tile.bf16;
    for (int64_t pair = 0; pair < tile.k / 2; ++pair) {
        SPATZ_UNROLL
        for (int p = 0; p < P; ++p) {
            const B values = load_b(weights + p * bytes + 64 * pair);
            SPATZ_UNROLL
            for (int r = 0; r < R; ++r) sum[p][r] = dot_bf16(sum[p][r], values, a + 2 * r);
        }
        a += 2 * R;
    }
    SPATZ_UNROLL
    for (int p = 0; p < P; ++p) {
        store_rows<R>(sum[p], bias == nullptr ? nullptr : bias + p * kPanel, out + p * kPanel, stride, accumulate);
    }
}

template <int R>
static void matmul_bf16(const uint8_t* weights, int64_t panels, const Tile& tile, const float* bias, float* out,
                        int64_t stride, bool accumulate) {
    // One row has one chain of dependent sums a panel; several panels at once keep the multipliers busy.
    constexpr int kAtOnce = R == 1 ? 4 : R <= 3 ? 2 : 1;
    const int64_t bytes = panel_bytes(Format::kBf16, tile.k);
    int64_t panel = 0;
    for (; panel + kAtOnce <= panels; panel += kAtOnce) {
        matmul_bf16_panels<R, kAtOnce>(weights + panel * bytes, tile, bias == nullptr ? nullptr : bias + panel * kPanel,
                                       out + panel * kPanel, stride, accumulate);
    }
    for (; panel < panels; ++panel) {
        matmul_bf16_panels<R, 1>(weights + panel * bytes, tile, bias == nullptr ? nullptr : bias + panel * kPanel,
                                 out + panel * kPanel, stride, accumulate);
    }
}

template <int R>
static void matmul_rows(Format format, const uint8_t* weights, int64_t panels, const Tile& tile, const float* bias,
                        float* out, int64_t stride, bool accumulate) {
    switch (format) {
        case Format::kQ4:
            return matmul_q4<R>(weights, panels, tile, bias, out, stride, accumulate);
        case Format::kQ8:
            return matmul_q8<R>(weights, panels, tile, bias, out, stride, accumulate);
        case Format::kBf16:
            return matmul_bf16<R>(weights, panels, tile, bias, out, stride, accumulate);
    }
}

// Calls function<R>() for the R that equals rows, 1..kMaxRows.
template <int R = kMaxRows, typename Function>
static inline void with_rows(int rows, Function&& function) {
    if constexpr (R > 0) {
        if (rows == R) {
            function.template operator()<R>();
        } else {
            with_rows<R - 1>(rows, function);
        }
    }
}

static void matmul(Format format, const uint8_t* weights, int64_t panels, const Tile& tile, const float* bias,
                   float* out, int64_t stride, bool accumulate) {
    with_rows(tile.rows,
              [&]<int R>() { matmul_rows<R>(format, weights, panels, tile, bias, out, stride, accumulate); });
}

// ---- element-wise ----

static void rms_norm(const float* x, int64_t stride, int rows, int64_t n, const float* weight, float eps, float* out,
                     int64_t out_stride) {
    const int64_t whole = n / 16 * 16;
    for (int r = 0; r < rows; ++r) {
        const float* row = x + r * stride;
        float* to = out + r * out_stride;
        F squares = zero_f();
        for (int64_t i = 0; i < whole; i += 16) squares = fma_f(load_f(row + i), load_f(row + i), squares);
        float sum = sum_f(squares);
        for (int64_t i = whole; i < n; ++i) sum += row[i] * row[i];
        const float scale = 1.0f / std::sqrt(sum / static_cast<float>(n) + eps);
        for (int64_t i = 0; i < whole; i += 16) {
            store_f(to + i, mul_f(mul_f(load_f(row + i), set_f(scale)), load_f(weight + i)));
        }
        for (int64_t i = whole; i < n; ++i) to[i] = row[i] * scale * weight[i];
        for (int64_t i = n; i < out_stride; ++i) to[i] = 0.0f;
    }
}

static void layer_norm(const float* x, int64_t stride, int rows, int64_t n, const float* weight, const float* bias,
                       float eps, float* out, int64_t out_stride) {
    const int64_t whole = n / 16 * 16;
    const auto count = static_cast<float>(n);
    for (int r = 0; r < rows; ++r) {
        const float* row = x + r * stride;
        float* to = out + r * out_stride;
        F lanes = zero_f();
        for (int64_t i = 0; i < whole; i += 16) lanes = add_f(lanes, load_f(row + i));
        float sum = sum_f(lanes);
        for (int64_t i = whole; i < n; ++i) sum += row[i];
        const float mean = sum / count;
        F squares = zero_f();
        for (int64_t i = 0; i < whole; i += 16) {
            const F centred = sub_f(load_f(row + i), set_f(mean));
            squares = fma_f(centred, centred, squares);
        }
        sum = sum_f(squares);
        for (int64_t i = whole; i < n; ++i) sum += (row[i] - mean) * (row[i] - mean);
        const float scale = 1.0f / std::sqrt(sum / count + eps);
        for (int64_t i = 0; i < whole; i += 16) {
            const F normed = mul_f(sub_f(load_f(row + i), set_f(mean)), set_f(scale));
            store_f(to + i, fma_f(normed, load_f(weight + i), load_f(bias + i)));
        }
        for (int64_t i = whole; i < n; ++i) to[i] = (row[i] - mean) * scale * weight[i] + bias[i];
        for (int64_t i = n; i < out_stride; ++i) to[i] = 0.0f;
    }
}

// A float of this size has no bits behind the point: adding it rounds to the nearest integer, which is then in the low
// bits of the sum. Cheaper than rounding and scaling, which take the pipes that multiply.
constexpr float kRounder = 12582912.0f;  // 1.5 * 2^23

// 2^x for x up to 100; what is below -100 counts as -100. Relative error under 1e-7 (minimax over -1/2..1/2); exact at
// 0.
static inline F exp2_f(F x) {
    const F bounded = max_f(x, set_f(-100.0f));
    const F n = add_f(bounded, set_f(kRounder));
    const F f = sub_f(bounded, sub_f(n, set_f(kRounder)));
    F p = set_f(1.327647151e-3f);
    p = fma_f(p, f, set_f(9.675541331e-3f));
    p = fma_f(p, f, set_f(5.550713275e-2f));
    p = fma_f(p, f, set_f(2.402211972e-1f));
    p = fma_f(p, f, set_f(6.931469671e-1f));
    p = fma_f(p, f, set_f(1.0f));
    return scale_f(p, n);
}

// 1 / (1 + e^-x)
static inline F sigmoid_f(F x) {
    constexpr float kLog2E = 1.44269504f;
    const F power = exp2_f(min_f(mul_f(x, set_f(-kLog2E)), set_f(100.0f)));
    return div_f(set_f(1.0f), add_f(set_f(1.0f), power));
}

static inline F activation_f(Activation activation, F x) {
    F inner = x;
    if (activation == Activation::kGeluTanh) {
        // 0.5 (1 + tanh(y)) is sigmoid(2 y), with y = sqrt(2/pi) (x + 0.044715 x^3)
        const F cube = mul_f(mul_f(x, x), x);
        inner = mul_f(set_f(1.59576912f), fma_f(set_f(0.044715f), cube, x));
    }
    return mul_f(x, sigmoid_f(inner));
}

static void activate(Activation activation, float* x, int64_t n) {
    for (int64_t i = 0; i < n; i += 16) store_f(x + i, activation_f(activation, load_f(x + i)));
}

static void gated(Activation activation, float* gate, const float* up, int64_t n) {
    for (int64_t i = 0; i < n; i += 16) {
        store_f(gate + i, mul_f(activation_f(activation, load_f(gate + i)), load_f(up + i)));
    }
}

static void add(float* a, const float* b, int64_t n) {
    for (int64_t i = 0; i < n; i += 16) store_f(a + i, add_f(load_f(a + i), load_f(b + i)));
}

// ---- attention ----

// A score that is masked, before it is multiplied by a q_scale, which is at least kLeastScale: its weight is 0.
constexpr float kUnseen = -1e30f;
constexpr float kLeastScale = 1e-20f;

// Quantizes n (a multiple of 16) values symmetrically to int8; gives the scale.
static float quantize_vector(const float* x, int n, int8_t* values, int32_t* sum) {
    F largest_lanes = zero_f();
    for (int i = 0; i < n; i += 16) largest_lanes = max_f(largest_lanes, abs_f(load_f(x + i)));
    const float largest = largest_f(largest_lanes);
    const bool usable = quantizable(largest);
    const F inverse = set_f(usable ? 127.0f / largest : 0.0f);
    I total = zero_i();
    for (int i = 0; i < n; i += 16) {
        const I q = usable ? to_i8(mul_f(load_f(x + i), inverse)) : zero_i();
        total = add_i(total, q);
        store_bytes(values + i, q);
    }
    *sum = sum_i(total);
    return usable ? largest / 127.0f : 0.0f;
}

static inline uint16_t finite_bf16(float x) { return std::isfinite(x) ? float_to_bf16(x) : uint16_t{0}; }

static void put_query(KVKind kind, const float* q, float scale, const AttentionRows& rows, int r) {
    const int dim = rows.head_dim;
    if (kind == KVKind::kBf16) {
        for (int i = 0; i < dim; ++i) rows.q_bf16[((i / 2) * rows.rows + r) * 2 + i % 2] = finite_bf16(q[i]);
        rows.q_scale[r] = scale;
        return;
    }
    int8_t values[1024];
    int32_t sum = 0;
    const float q_scale = scale * quantize_vector(q, dim, values, &sum);
    rows.q_scale[r] = q_scale > kLeastScale ? q_scale : kLeastScale;
    rows.q_offset[r] = -128 * sum;
    for (int i = 0; i < dim; i += 4)
        std::memcpy(rows.q + (static_cast<int64_t>(i / 4) * rows.rows + r) * 4, values + i, 4);
}

static void put_key_value(KVKind kind, const float* key, const float* value, int dim, uint8_t* page, int slot) {
    const int64_t half = static_cast<int64_t>(kPageTokens) * dim;  // elements of all keys, and of all values
    if (kind == KVKind::kBf16) {
        auto* keys = reinterpret_cast<uint16_t*>(page) + static_cast<int64_t>(slot / 16) * 16 * dim + slot % 16 * 2;
        auto* values = reinterpret_cast<uint16_t*>(page) + half + static_cast<int64_t>(slot / 2) * 2 * dim + slot % 2;
        for (int i = 0; i < dim; ++i) {
            keys[i / 2 * 32 + i % 2] = finite_bf16(key[i]);
            values[i * 2] = finite_bf16(value[i]);
        }
        return;
    }
    int8_t quantized[1024];
    int32_t unused = 0;
    auto* key_scales = reinterpret_cast<float*>(page + 2 * half);
    key_scales[slot] = quantize_vector(key, dim, quantized, &unused);
    uint8_t* keys = page + static_cast<int64_t>(slot / 16) * 16 * dim + slot % 16 * 4;
    for (int i = 0; i < dim; i += 4) {
        uint32_t four;
        std::memcpy(&four, quantized + i, 4);
        four ^= 0x80808080u;  // + 128
        std::memcpy(keys + i * 16, &four, 4);
    }
    key_scales[kPageTokens + slot] = quantize_vector(value, dim, quantized, &unused);
    uint8_t* values = page + half + static_cast<int64_t>(slot / 4) * 4 * dim + slot % 4;
    for (int i = 0; i < dim; ++i) values[i * 4] = static_cast<uint8_t>(quantized[i]);
}

// Brings the page that comes next near, a line now and then: its keys and values are a few kilobytes in one place,
// which is over before the machine's own prefetching has got going (decoding at 8,000 tokens took 1.8 times as long
// without). Spread over all that is computed meanwhile; in one go they filled the queue of misses and held up the
// page's own loads (8 % of decoding at 8,000).
struct Ahead {
    const uint8_t* at;
    const uint8_t* end;
    inline void ask(int lines) {
        for (int i = 0; i < lines && at < end; ++i, at += 64) __builtin_prefetch(at, 0, 2);
    }
};

// Scores of `groups` groups of 16 keys, to be multiplied by the row's q_scale. scores: [R][128]; top: lanes of each
// row's largest.
template <int R>
static inline void score_int8(const AttentionRows& rows, const uint8_t* page, Ahead& ahead, int groups, float* scores,
                              F (&top)[R]) {
    const int dim = rows.head_dim;
    const auto* key_scales = reinterpret_cast<const float*>(page + 2 * static_cast<int64_t>(kPageTokens) * dim);
    // With few rows, two groups at once keep enough independent sums under way.
    constexpr int kAtOnce = R <= 4 ? 2 : 1;
    for (int group = 0; group < groups; group += kAtOnce) {
        I dot[kAtOnce][R];
        SPATZ_UNROLL
        for (int g = 0; g < kAtOnce; ++g) {
            SPATZ_UNROLL
            for (int r = 0; r < R; ++r) dot[g][r] = set_i(rows.q_offset[r]);
        }
        const uint8_t* keys = page + static_cast<int64_t>(group) * 16 * dim;
        const int8_t* q = rows.q;
        for (int i = 0; i < dim; i += 4) {
            ahead.ask(1);
            SPATZ_UNROLL
            for (int g = 0; g < kAtOnce; ++g) {
                const B k = load_b(keys + static_cast<int64_t>(g) * 16 * dim);
                SPATZ_UNROLL
                for (int r = 0; r < R; ++r) dot[g][r] = dot_u8(dot[g][r], k, q + 4 * r);
            }
            keys += 64;
            q += 4 * R;
        }
        SPATZ_UNROLL
        for (int g = 0; g < kAtOnce; ++g) {
            const F scale = load_f(key_scales + (group + g) * 16);
            SPATZ_UNROLL
            for (int r = 0; r < R; ++r) {
                const F score = mul_f(to_f(dot[g][r]), scale);
                top[r] = max_f(top[r], score);
                store_f(scores + r * kPageTokens + (group + g) * 16, score);
            }
        }
    }
}

template <int R>
static inline void score_bf16(const AttentionRows& rows, const uint8_t* page, Ahead& ahead, int groups, float* scores,
                              F (&top)[R]) {
    const int dim = rows.head_dim;
    for (int group = 0; group < groups; ++group) {
        F dot[R];
        SPATZ_UNROLL
        for (int r = 0; r < R; ++r) dot[r] = zero_f();
        const uint8_t* keys = page + static_cast<int64_t>(group) * 32 * dim;
        const uint16_t* q = rows.q_bf16;
        for (int i = 0; i < dim; i += 2) {
            ahead.ask(1);
            const B k = load_b(keys);
            SPATZ_UNROLL
            for (int r = 0; r < R; ++r) dot[r] = dot_bf16(dot[r], k, q + 2 * r);
            keys += 64;
            q += 2 * R;
        }
        SPATZ_UNROLL
        for (int r = 0; r < R; ++r) {
            top[r] = max_f(top[r], dot[r]);
            store_f(scores + r * kPageTokens + group * 16, dot[r]);
        }
    }
}

// The largest of 128 value scales among slots first..last-1.
static inline float largest_scale(const float* scales, int first, int last) {
    F top = zero_f();
    for (int g = 0; g < kPageTokens / 16; ++g) {
        top = max_f(top, keep_lanes(load_f(scales + 16 * g), first - 16 * g, last - 16 * g, 0.0f));
    }
    return largest_f(top);
}

// Hides what lies outside of first..last-1; gives the lanes of the largest of the rest.
static inline F mask_scores(float* scores, int groups, int first, int last) {
    F top = set_f(kUnseen);
    for (int g = 0; g < groups; ++g) {
        const F s = keep_lanes(load_f(scores + 16 * g), first - 16 * g, last - 16 * g, kUnseen);
        store_f(scores + 16 * g, s);
        top = max_f(top, s);
    }
    return top;
}

// One row's place in a page, between its scores and its weights.
struct RowStep {
    float base;    // what weights are relative to, log2
    float shrink;  // by how much what was summed before must shrink
    float top;     // the page's largest weight
};

// Masks a row's scores where the page is not wholly visible, and brings the row's largest score up to date.
static inline RowStep begin_row(float* scores, F top, float q_scale, int groups, int first, int last, float* largest) {
    if (first > 0 || last < groups * 16) top = mask_scores(scores, groups, first, last);
    const float page_top = largest_f(top) * q_scale;
    const bool seen = first < last;
    const float before = *largest;
    const float now = seen && page_top > before ? page_top : before;
    *largest = now;
    // A row that has seen nothing yet keeps -inf; relative to 0 all its weights are 0.
    const float base = now == kMinusInfinity ? 0.0f : now;
    return {base, before == now ? 1.0f : std::exp2(before - base), seen ? std::exp2(page_top - base) : 0.0f};
}

// 2^x with a relative error under 3e-6, which is finer than what weights are rounded to.
static inline F weight_f(F x) {
    const F bounded = max_f(x, set_f(-100.0f));
    const F n = add_f(bounded, set_f(kRounder));
    const F f = sub_f(bounded, sub_f(n, set_f(kRounder)));
    F p = set_f(9.58285e-3f);
    p = fma_f(p, f, set_f(5.590643e-2f));
    p = fma_f(p, f, set_f(2.4024099e-1f));
    p = fma_f(p, f, set_f(6.9312419e-1f));
    p = fma_f(p, f, set_f(1.0f));
    return scale_f(p, n);
}

constexpr int8_t kOnes[4] = {1, 1, 1, 1};
constexpr float kPeak = 0.04f;    // of the row's total, above which the low half is needed
constexpr float kShift = 0.001f;  // of the row's total: the most that rounding may take or add

// What turns a row's scores into steps: integers within 0..127, the largest possible one for the page's largest weight
// times the largest value scale.
struct StepRule {
    float q_scale;
    float offset;  // log2
    int groups;
    int first, last;  // slots that the row may see
    const float* value_scales;

    bool whole() const { return first <= 0 && last >= groups * 16; }
    // The weights of group g, in units in which a weight times its value's scale is a number of steps.
    F weights(const float* scores, int g) const {
        return weight_f(fma_f(load_f(scores + 16 * g), set_f(q_scale), set_f(offset)));
    }
    // What lies in slots that are not in use may be anything.
    F scales(int g) const {
        const F scale = load_f(value_scales + 16 * g);
        return whole() ? scale : keep_lanes(scale, first - 16 * g, last - 16 * g, 0.0f);
    }
};

// Puts a row's steps down as bytes. sum: of the weights; steps, counted: of the steps before and after rounding.
template <bool Whole>
static inline void put_steps(const float* scores, const StepRule& rule, uint8_t* high, Ahead& ahead, int lines, F* sum,
                             F* steps, F* counted) {
    F weight_sum = zero_f();
    F step_sum = zero_f();
    I count = zero_i();
    for (int four = 0; four < kPageTokens / 16; four += 4) {
        if (four >= rule.groups) {
            std::memset(high + 16 * four, 0, 64);
            continue;
        }
        I rounded[4];
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) {
            const int g = four + i;
            rounded[i] = zero_i();
            if (!Whole && g >= rule.groups) continue;
            ahead.ask(lines);
            const F weight = rule.weights(scores, g);
            weight_sum = add_f(weight_sum, weight);
            const F step = mul_f(weight, Whole ? load_f(rule.value_scales + 16 * g) : rule.scales(g));
            step_sum = add_f(step_sum, step);
            rounded[i] = to_i(step);
        }
        store_64_bytes(high + 16 * four, rounded[0], rounded[1], rounded[2], rounded[3]);
        count = dot_u7(count, load_b(high + 16 * four), kOnes);
    }
    *sum = weight_sum;
    *steps = step_sum;
    *counted = to_f(count);
}

// The same steps in 14 bits: 7 in high, 7 in low.
static inline void put_fine_steps(const float* scores, const StepRule& rule, uint8_t* high, uint8_t* low) {
    for (int four = 0; four < kPageTokens / 16; four += 4) {
        I q[4];
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) {
            const int g = four + i;
            q[i] = zero_i();
            if (g < rule.groups) {
                const F step = mul_f(rule.weights(scores, g), rule.scales(g));
                q[i] = to_i(mul_f(step, set_f(128.0f)));
            }
        }
        const I mask = set_i(127);
        store_64_bytes(high + 16 * four, shift_right_7(q[0]), shift_right_7(q[1]), shift_right_7(q[2]),
                       shift_right_7(q[3]));
        store_64_bytes(low + 16 * four, and_i(q[0], mask), and_i(q[1], mask), and_i(q[2], mask), and_i(q[3], mask));
    }
}

// out = out * shrink + page's values weighted by the bytes, 16 dimensions at a time.
template <int R, bool Low>
static inline void sum_values(const AttentionRows& rows, const uint8_t* values, int groups, const uint8_t* high,
                              const uint8_t* low, const float* shrink, const float* unit, Ahead& ahead) {
    const int dim = rows.head_dim;
    for (int block = 0; block < dim; block += 16) {
        I above[R];
        I below[R];
        SPATZ_UNROLL
        for (int r = 0; r < R; ++r) above[r] = below[r] = zero_i();
        const uint8_t* from = values + static_cast<int64_t>(block) * 4;
        for (int four = 0; four < groups * 16; four += 4) {
            ahead.ask(1);
            const B v = load_b(from);
            SPATZ_UNROLL
            for (int r = 0; r < R; ++r) above[r] = dot_s8(above[r], high + r * kPageTokens + four, v);
            if constexpr (Low) {
                SPATZ_UNROLL
                for (int r = 0; r < R; ++r) below[r] = dot_s8(below[r], low + r * kPageTokens + four, v);
            }
            from += 4 * static_cast<int64_t>(dim);
        }
        SPATZ_UNROLL
        for (int r = 0; r < R; ++r) {
            float* out = rows.out + static_cast<int64_t>(r) * dim + block;
            // Whole numbers below 2^31, so a row without a low half gets the same with and without the second pass.
            const F page_sum = mul_f(to_f(add_i(shift_left_7(above[r]), below[r])), set_f(unit[r]));
            store_f(out, fma_f(load_f(out), set_f(shrink[r]), page_sum));
        }
    }
}

// Steps have seven bits. Those alone would lose the many small weights beside one large one (an attention sink), so a
// row gets seven more where the page's largest weight is a good part of all that it has seen, or where rounding would
// shift the sum. All that is one number a row is computed for all rows at once, lane r for row r.
template <int R>
static void attend_int8(const AttentionRows& rows, const uint8_t* page, const uint8_t* next, const PageMask& mask,
                        int groups) {
    alignas(64) float scores[R * kPageTokens];
    alignas(64) uint8_t high[R * kPageTokens];
    alignas(64) uint8_t low[R * kPageTokens];
    const int64_t half = static_cast<int64_t>(kPageTokens) * rows.head_dim;
    Ahead ahead{next, next == nullptr ? nullptr : next + kv_head_bytes(KVKind::kInt8, rows.head_dim)};
    F top[R];
    SPATZ_UNROLL
    for (int r = 0; r < R; ++r) top[r] = set_f(kUnseen);
    score_int8<R>(rows, page, ahead, groups, scores, top);

    const auto* value_scales = reinterpret_cast<const float*>(page + 2 * half) + kPageTokens;
    const float page_scale = largest_scale(value_scales, 0, kPageTokens);
    bool all_whole = groups == kPageTokens / 16;
    bool all_seen = true;
    alignas(64) float scale_top[16];  // at least the largest scale of the values that the row may see; not 0
    for (int r = 0; r < R; ++r) {
        scale_top[r] = page_scale > kLeastScale ? page_scale : 1.0f;
        if (mask.first[r] <= 0 && mask.last[r] >= kPageTokens) continue;
        all_whole = false;
        all_seen = all_seen && mask.first[r] < mask.last[r];
        // Of the slots in sight, so that it does not matter what lies in the others.
        const float seen = largest_scale(value_scales, mask.first[r], mask.last[r]);
        scale_top[r] = seen > kLeastScale ? seen : 1.0f;
        top[r] = mask_scores(scores + r * kPageTokens, groups, mask.first[r], mask.last[r]);
    }
    const F before = load_n(rows.largest, R);
    F page_top = mul_f(largest_rows<R>(top), load_n(rows.q_scale, R));
    F now = max_f(page_top, before);
    F base = now;
    F weight_top = exp2_f(sub_f(page_top, now));  // the page's largest weight
    if (!all_seen) {
        alignas(64) float lane[4][16];
        store_f(lane[0], page_top);
        store_f(lane[1], now);
        store_f(lane[2], base);
        store_f(lane[3], weight_top);
        for (int r = 0; r < R; ++r) {
            if (mask.first[r] < mask.last[r]) continue;
            lane[0][r] = lane[3][r] = 0.0f;
            lane[1][r] = rows.largest[r];
            // A row that has seen nothing yet keeps -inf.
            lane[2][r] = rows.largest[r] == kMinusInfinity ? 0.0f : rows.largest[r];
        }
        page_top = load_f(lane[0]);
        now = load_f(lane[1]);
        base = load_f(lane[2]);
        weight_top = load_f(lane[3]);
    }
    store_n(rows.largest, R, now);
    const F shrink = exp2_f(sub_f(before, base));  // of what has never seen anything, 0 is shrunk

    alignas(64) float offset[16];
    store_f(offset, sub_f(set_f(std::log2(127.0f)), page_top));
    float log_scale = 0.0f;
    float of_scale = 1.0f;
    F sum[R];
    F steps[R];
    F counted[R];
    constexpr int kLines = (96 + 8 * R - 1) / (8 * R);
    StepRule rule[R];
    for (int r = 0; r < R; ++r) {
        if (scale_top[r] != of_scale) {
            of_scale = scale_top[r];
            log_scale = std::log2(of_scale);
        }
        rule[r] = {rows.q_scale[r], offset[r] - log_scale, groups, mask.first[r], mask.last[r], value_scales};
    }
    if (all_whole) {
        for (int r = 0; r < R; ++r) {
            put_steps<true>(scores + r * kPageTokens, rule[r], high + r * kPageTokens, ahead, kLines, sum + r,
                            steps + r, counted + r);
        }
    } else {
        for (int r = 0; r < R; ++r) {
            put_steps<false>(scores + r * kPageTokens, rule[r], high + r * kPageTokens, ahead, kLines, sum + r,
                             steps + r, counted + r);
        }
    }
    const F largest = mul_f(weight_top, load_f(scale_top));
    const F step_size = mul_f(largest, set_f(1.0f / 127.0f));  // what a step is worth
    const F total = fma_f(load_n(rows.total, R), shrink, mul_f(sum_rows<R>(sum), step_size));
    store_n(rows.total, R, total);
    const F shift = abs_f(sub_f(sum_rows<R>(steps), sum_rows<R>(counted)));
    // More than 0 where the low half is needed.
    const F peak = sub_f(weight_top, mul_f(total, set_f(kPeak)));
    const F shifted = sub_f(mul_f(shift, weight_top), mul_f(total, set_f(127.0f * kShift)));
    alignas(64) float need[16];
    store_f(need, max_f(peak, shifted));
    bool low_used = false;
    for (int r = 0; r < R; ++r) low_used |= need[r] > 0.0f;
    alignas(64) float unit[16];  // what a step of low is worth, 1/128 of a step of high
    alignas(64) float shrinks[16];
    store_f(unit, mul_f(step_size, set_f(1.0f / 128.0f)));
    store_f(shrinks, shrink);
    if (!low_used) {
        sum_values<R, false>(rows, page + half, groups, high, low, shrinks, unit, ahead);
    } else {
        for (int r = 0; r < R; ++r) {
            if (need[r] > 0.0f) {
                put_fine_steps(scores + r * kPageTokens, rule[r], high + r * kPageTokens, low + r * kPageTokens);
            } else {
                std::memset(low + r * kPageTokens, 0, kPageTokens);
            }
        }
        sum_values<R, true>(rows, page + half, groups, high, low, shrinks, unit, ahead);
    }
    ahead.ask(1 << 20);
}

template <int R>
static void attend_bf16(const AttentionRows& rows, const uint8_t* page, const uint8_t* next, const PageMask& mask,
                        int groups) {
    alignas(64) float scores[R * kPageTokens];
    alignas(64) uint16_t weights[R * kPageTokens];
    const int dim = rows.head_dim;
    const int64_t half = static_cast<int64_t>(kPageTokens) * dim;
    F top[R];
    SPATZ_UNROLL
    for (int r = 0; r < R; ++r) top[r] = set_f(kUnseen);
    Ahead ahead{next, next == nullptr ? nullptr : next + kv_head_bytes(KVKind::kBf16, dim)};
    score_bf16<R>(rows, page, ahead, groups, scores, top);
    float shrink[R];
    for (int r = 0; r < R; ++r) {
        float* row = scores + r * kPageTokens;
        const RowStep step =
            begin_row(row, top[r], rows.q_scale[r], groups, mask.first[r], mask.last[r], rows.largest + r);
        F total = zero_f();
        for (int g = 0; g < groups; ++g) {
            const F weight = exp2_f(fma_f(load_f(row + 16 * g), set_f(rows.q_scale[r]), set_f(-step.base)));
            total = add_f(total, weight);
            store_f(row + 16 * g, weight);
        }
        rows.total[r] = rows.total[r] * step.shrink + sum_f(total);
        shrink[r] = step.shrink;
        for (int i = 0; i < groups * 16; ++i) weights[r * kPageTokens + i] = float_to_bf16(row[i]);
    }
    for (int block = 0; block < dim; block += 16) {
        F sum[R];
        SPATZ_UNROLL
        for (int r = 0; r < R; ++r) sum[r] = zero_f();
        const uint8_t* values = page + half * 2 + static_cast<int64_t>(block) * 4;
        for (int two = 0; two < groups * 16; two += 2) {
            ahead.ask(1);
            const B v = load_b(values);
            SPATZ_UNROLL
            for (int r = 0; r < R; ++r) sum[r] = dot_bf16(sum[r], v, weights + r * kPageTokens + two);
            values += 4 * static_cast<int64_t>(dim);
        }
        SPATZ_UNROLL
        for (int r = 0; r < R; ++r) {
            float* out = rows.out + static_cast<int64_t>(r) * dim + block;
            store_f(out, fma_f(load_f(out), set_f(shrink[r]), sum[r]));
        }
    }
    ahead.ask(1 << 20);
}

static void attend(KVKind kind, const AttentionRows& rows, const uint8_t* page, const PageMask& mask,
                   const uint8_t* next) {
    int last = 0;
    for (int r = 0; r < rows.rows; ++r) {
        if (mask.first[r] < mask.last[r] && mask.last[r] > last) last = mask.last[r];
    }
    if (last == 0) return;
    // Keys behind the last one that any row may see are left out; in pairs, as score_int8 takes them.
    const int groups = last > kPageTokens ? kPageTokens / 16 : (last + 31) / 32 * 2;
    with_rows(rows.rows, [&]<int R>() {
        if (kind == KVKind::kInt8) {
            attend_int8<R>(rows, page, next, mask, groups);
        } else {
            attend_bf16<R>(rows, page, next, mask, groups);
        }
    });
}

static void merge(const AttentionRows& to, const AttentionRows& from) {
    for (int r = 0; r < to.rows; ++r) {
        if (from.largest[r] == kMinusInfinity) continue;
        const float now = from.largest[r] > to.largest[r] ? from.largest[r] : to.largest[r];
        const float mine = std::exp2(to.largest[r] - now);  // 0 where nothing was seen before
        const float theirs = std::exp2(from.largest[r] - now);
        to.total[r] = to.total[r] * mine + from.total[r] * theirs;
        to.largest[r] = now;
        float* out = to.out + static_cast<int64_t>(r) * to.head_dim;
        const float* other = from.out + static_cast<int64_t>(r) * to.head_dim;
        for (int i = 0; i < to.head_dim; i += 16) {
            store_f(out + i, fma_f(load_f(out + i), set_f(mine), mul_f(load_f(other + i), set_f(theirs))));
        }
    }
}

// ---- measuring ----

static int64_t dot_rounds(int64_t rounds) {
    alignas(64) uint8_t weights[64];
    alignas(64) int8_t values[4 * kMaxRows];
    std::memset(weights, 1, sizeof(weights));
    std::memset(values, 1, sizeof(values));
    // Where the bytes come from is hidden, or the compiler would do all rounds at once.
    const uint8_t* from = weights;
    asm volatile("" : "+r"(from) : : "memory");
    const B w = load_b(from);
    I sum[kMaxRows];
    SPATZ_UNROLL
    for (int r = 0; r < kMaxRows; ++r) sum[r] = zero_i();
    for (int64_t i = 0; i < rounds; ++i) {
        SPATZ_UNROLL
        for (int r = 0; r < kMaxRows; ++r) sum[r] = dot_u7(sum[r], w, values + 4 * r);
        asm volatile("" : : : "memory");
    }
    I total = zero_i();
    SPATZ_UNROLL
    for (int r = 0; r < kMaxRows; ++r) total = add_i(total, sum[r]);
    // The result is used, so the work cannot be left out.
    volatile int32_t keep = sum_i(total);
    (void)keep;
    return rounds * kMaxRows * 128;
}

extern const Kernels kTable;
const Kernels kTable = {
#if defined(__AVX512BF16__)
    Isa::kAvx512Bf16,
#elif defined(__AVX512F__)
    Isa::kAvx512,
#elif defined(__AVX2__)
    Isa::kAvx2,
#else
    Isa::kPortable,
#endif
    kMaxRows,         quantize,      to_bf16, matmul, rms_norm,   layer_norm, activate, gated, add,
    put_query,        put_key_value, attend,  merge,  dot_rounds,
};

}  // namespace spatz::SPATZ_SIMD_NAMESPACE
