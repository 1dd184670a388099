// How packed weights, activation tiles and KV pages lie in memory. Every instruction set shares these layouts.
#pragma once

#include <cstddef>
#include <cstdint>

namespace spatz {

constexpr int kBlock = 32;        // weights or activations that share a scale
constexpr int kPanel = 16;        // output rows of a weight matrix that lie together: the lanes of a kernel
constexpr int kPageTokens = 128;  // tokens in a page of the KV cache
constexpr int kRowLimit = 12;     // the most rows of any instruction set's tile

enum class Format { kQ4, kQ8, kBf16 };

// A panel is 16 rows of W, all of K. For each block of 32 columns, groups of 4 columns of the 16 rows are 64 bytes:
// lane-major, as the byte dot products want them.
//   q4    per block: 4 x 64 bytes, low nibbles group 2i, high nibbles group 2i+1; 16 scales f16; 16 minimums f16
//   q8    per pair of blocks: 2 x 8 x 64 bytes of weight + 128; then 2 x 16 scales f16. One stream: with the scales
//   behind
//         all blocks, memory was read half as fast
//   bf16  per pair of columns: 16 x 2 bf16
constexpr int64_t kQ4BlockBytes = 16 * kPanel + 4 * kPanel;
constexpr int64_t kQ8BlockBytes = kBlock * kPanel;
constexpr int64_t kScaleBytes = 2 * kPanel;
constexpr int64_t kQ8PairBytes = 2 * (kQ8BlockBytes + kScaleBytes);

// Where block b of a q8 panel has its weights, and its scales.
constexpr int64_t q8_block(int64_t b) { return b / 2 * kQ8PairBytes + b % 2 * kQ8BlockBytes; }
constexpr int64_t q8_scales(int64_t b) { return b / 2 * kQ8PairBytes + 2 * kQ8BlockBytes + b % 2 * kScaleBytes; }

constexpr int64_t panel_bytes(Format format, int64_t k) {  // k: a multiple of 32
    const int64_t blocks = k / kBlock;
    switch (format) {
        case Format::kQ4:
            return blocks * kQ4BlockBytes;
        case Format::kQ8:
            return (blocks + 1) / 2 * kQ8PairBytes;
        case Format::kBf16:
            return k * kPanel * 2;
    }
    return 0;
}

// Activations of a few rows (1 to 12), interleaved so that a kernel walks all of them with one pointer.
// Columns are padded with zeros to a multiple of 32. Which parts are filled depends on who reads it.
//
// A block with an outlier has so large a scale that its other values keep few bits. Such a block is refined: what
// rounding took away is kept as a second int8 value of 1/254 of the scale, and costs a second pass over that block's
// weights. Blocks are refined for all rows of a tile; a row that does not need it has zeros there, which change
// nothing, to the bit.
struct Tile {
    int rows = 0;
    int64_t k = 0;                    // padded columns
    int8_t* values = nullptr;         // [k/4][rows][4] quantized
    float* scales = nullptr;          // [k/32][rows]
    float* sums = nullptr;            // [k/32][rows] sum of the block's values as they are kept: goes with q4's minimum
    int32_t* offsets = nullptr;       // [k/32][rows] -128 * sum of the block's int8: takes back q8's + 128
    uint8_t* refined = nullptr;       // [k/32] whether any row's block is refined
    int8_t* rests = nullptr;          // [k/4][rows][4] second values of refined blocks, others unset
    int32_t* rest_offsets = nullptr;  // [k/32][rows] as offsets
    uint16_t* bf16 = nullptr;         // [k/2][rows][2]
};

constexpr float kRestUnits = 254.0f;  // a rest is at most half a unit, and has 127 steps

// The keys and values of one KV head in one page, 128 tokens.
//   int8: keys + 128 as [8 groups of 16 tokens][head_dim/4][16 tokens][4 dims]; values as [32 groups of 4 tokens]
//         [head_dim/16][16 dims][4 tokens]; 128 key scales; 128 value scales (f32)
//   bf16: keys as [8][head_dim/2][16 tokens][2 dims]; values as [64 groups of 2 tokens][head_dim/16][16 dims][2 tokens]
enum class KVKind { kInt8, kBf16 };

constexpr int64_t kv_head_bytes(KVKind kind, int64_t head_dim) {  // per page, a multiple of 64
    return kind == KVKind::kInt8 ? 2 * kPageTokens * head_dim + 2 * kPageTokens * 4 : 2 * kPageTokens * head_dim * 2;
}

}  // namespace spatz
