#include "ops/simd_avx2.h"
// The vocabulary comes first.
#include "ops/kernels_impl.h"
