// Rotary position embedding of one head (RoFormer, 2021), in both orders of pairs.
#pragma once

#include <cstdint>

namespace spatz {

// Rotates x[0 .. dims), the first dims values of a head. cos, sin: [dims / 2].
// interleaved: pairs are (2i, 2i + 1), else (i, i + dims / 2).
inline void rope(float* x, int64_t dims, bool interleaved, const float* cos, const float* sin) {
    const int64_t pairs = dims / 2;
    if (interleaved) {
        for (int64_t i = 0; i < pairs; ++i) {
            const float a = x[2 * i];
            const float b = x[2 * i + 1];
            x[2 * i] = a * cos[i] - b * sin[i];
            x[2 * i + 1] = a * sin[i] + b * cos[i];
        }
        return;
    }
    for (int64_t i = 0; i < pairs; ++i) {
        const float a = x[i];
        const float b = x[i + pairs];
        x[i] = a * cos[i] - b * sin[i];
        x[i + pairs] = a * sin[i] + b * cos[i];
    }
}

}  // namespace spatz
