// The loops over the whole vocabulary that sampling needs, one variant per instruction set.
//
// All variants give the same bits: sums run in a fixed lane order and no multiply-add is fused. So a pick never depends
// on the machine. They know nothing of temperature rules, masks' owners or random numbers; that is sampling.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace spatz {

inline constexpr size_t kSampleBlock = 128;  // logits per block of the two block-wise passes

struct SamplingKernels {
    const char* name;
    // maxima[b] = largest of block b of x [n]; NaN counts as -inf. The last block may be short.
    void (*block_maxima)(const float* x, size_t n, float* maxima);
    // sums[b] = sum over block b of exp((x - top) * inverse_temperature), within 2 ulp per term; 0 below exp(-87), for
    // -inf and for NaN. top must be finite and no smaller than any x. maxima as from block_maxima.
    void (*block_exp_sums)(const float* x, size_t n, float top, float inverse_temperature, const float* maxima,
                           double* sums);
    // weights[i] = exp((x[i] - top) * inverse_temperature): the very terms of block_exp_sums.
    void (*exp_weights)(const float* x, size_t n, float top, float inverse_temperature, float* weights);
    // x[i] = -inf where bit i of mask is 0.
    void (*apply_mask)(float* x, size_t n, const uint32_t* mask);
};

// Best first; at least the portable one. The first is what Sampler uses.
std::vector<const SamplingKernels*> supported_sampling_kernels();

}  // namespace spatz
