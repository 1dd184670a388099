// From the block types of model files to packed panels. See layout.h for what comes out.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/memory.h"
#include "base/thread_pool.h"
#include "ops/layout.h"

namespace spatz {

enum class DType { kF32, kF16, kBF16, kQ8_0, kQ4_0, kQ4_1, kQ5_0, kQ5_1, kQ4_K, kQ5_K, kQ6_K };

DType parse_dtype(std::string_view name);    // throws std::invalid_argument
Format parse_format(std::string_view name);  // "q4", "q8", "bf16"; throws std::invalid_argument
const char* format_name(Format format);
Format natural_format(DType dtype);   // the compute format that belongs to a file's type
int64_t block_elements(DType dtype);  // values in one block of the file: 1, 32 or 256
int64_t block_bytes(DType dtype);     // bytes of one block of the file

// blocks * block_elements values to floats, as the GGUF specification defines them.
void dequantize(DType dtype, const uint8_t* data, int64_t blocks, float* out);

// Scale and minimum (6 bits each) of block 0..7 of a K-quant's super-block, out of its 12 packed bytes.
void k_quant_scale(const uint8_t* scales, int block, int* scale, int* minimum);

// A weight matrix [n, k] in panels: n padded to 16, k padded to 32, both with zeros.
struct PackedMatrix {
    int64_t n = 0;
    int64_t k = 0;
    int64_t k_padded = 0;
    Format format = Format::kQ4;
    const uint8_t* data = nullptr;  // [panels][panel_bytes]

    int64_t panels() const { return ceil_div(n, kPanel); }
    int64_t bytes_per_panel() const { return panel_bytes(format, k_padded); }
    int64_t bytes() const { return panels() * bytes_per_panel(); }
    const uint8_t* panel(int64_t i) const { return data + i * bytes_per_panel(); }
};

// data: n rows of k values each in dtype, row after row; k must be a multiple of block_elements(dtype) (checked by the
// caller). matrix.data must point to matrix.bytes() writable bytes, `to`, 64-byte aligned.
void pack(const PackedMatrix& matrix, DType dtype, const uint8_t* data, uint8_t* to, ThreadPool& pool);

// Row `row` of the matrix as floats, k of them, zeros up to k_padded.
void unpack_row(const PackedMatrix& matrix, int64_t row, float* out);

}  // namespace spatz
