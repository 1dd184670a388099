// The table of kernels: what every instruction set provides. kernels_impl.h is written once and compiled for each.
#pragma once

#include <cstdint>

#include "base/cpu.h"
#include "ops/layout.h"

namespace spatz {

enum class Activation { kSilu, kGeluTanh };

// Query rows of one KV head (tokens x heads of its group), with the state of the streaming softmax.
struct AttentionRows {
    int rows = 0;                 // 1..max_rows
    int head_dim = 0;             // a multiple of 16
    int8_t* q = nullptr;          // [head_dim/4][rows][4] (int8 cache)
    float* q_scale = nullptr;     // [rows]
    int32_t* q_offset = nullptr;  // [rows] -128 * sum of the row's q
    uint16_t* q_bf16 = nullptr;   // [head_dim/2][rows][2] (bf16 cache)
    float* out = nullptr;         // [rows][head_dim] sum of weights * values, relative to 2^largest
    float* largest = nullptr;     // [rows] largest score so far (log2 units), -inf at first
    float* total = nullptr;       // [rows] sum of weights, relative to 2^largest
};

// Which of a page's tokens each row may see: [first[r], last[r]), empty where first >= last.
struct PageMask {
    int first[kRowLimit];
    int last[kRowLimit];
};

struct Kernels {
    Isa isa;
    int max_rows;  // of a Tile and of AttentionRows

    // x: [rows, stride] f32, zeros up to tile.k. Fills all but bf16. A row's block is refined if its largest magnitude
    // is more than `outlier` times the row's root mean square.
    void (*quantize)(const float* x, int64_t stride, float outlier, const Tile& tile);
    // Fills bf16.
    void (*to_bf16)(const float* x, int64_t stride, const Tile& tile);
    // out[r, 16 p + i] (+)= W[16 p + i, :] . tile[r, :] + bias for `panels` panels in a row from `weights`.
    void (*matmul)(Format format, const uint8_t* weights, int64_t panels, const Tile& tile, const float* bias,
                   float* out, int64_t out_stride, bool accumulate);
    // out[r] = x[r] / rms(x[r]) * weight; n values, then zeros up to out_stride. out may be x.
    void (*rms_norm)(const float* x, int64_t stride, int rows, int64_t n, const float* weight, float eps, float* out,
                     int64_t out_stride);
    // out[r] = (x[r] - mean(x[r])) / sqrt(variance(x[r]) + eps) * weight + bias; n values, then zeros up to out_stride.
    // out may be x.
    void (*layer_norm)(const float* x, int64_t stride, int rows, int64_t n, const float* weight, const float* bias,
                       float eps, float* out, int64_t out_stride);
    // x[i] = activation(x[i]); n: a multiple of 16.
    void (*activate)(Activation activation, float* x, int64_t n);
    // gate[i] = activation(gate[i]) * up[i]; n: a multiple of 16.
    void (*gated)(Activation activation, float* gate, const float* up, int64_t n);
    // a[i] += b[i]; n: a multiple of 16.
    void (*add)(float* a, const float* b, int64_t n);

    // Quantizes one query row into place r of rows; scale goes into q_scale with everything that scores are multiplied
    // by.
    void (*put_query)(KVKind kind, const float* q, float scale, const AttentionRows& rows, int r);
    // Writes one token's key and value into its slot of the page.
    void (*put_key_value)(KVKind kind, const float* key, const float* value, int head_dim, uint8_t* page_head,
                          int slot);
    // Adds one page of keys and values to the rows' state. next: the page that comes after it, fetched ahead; or null.
    void (*attend)(KVKind kind, const AttentionRows& rows, const uint8_t* page_head, const PageMask& mask,
                   const uint8_t* next);
    // Adds the state (out, largest, total) of `from` to that of `to`, row by row; rows and head_dim are the same.
    void (*merge)(const AttentionRows& to, const AttentionRows& from);

    // Runs int8 dot products alone, as fast as they go, and gives the number of operations (2 per multiply-add): for
    // measuring the machine, not for computing.
    int64_t (*dot_rounds)(int64_t rounds);
};

// Static storage; never null.
const Kernels* kernels_for(Isa isa);

}  // namespace spatz
