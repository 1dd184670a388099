#include "ops/simd_avx512.h"
// The vocabulary comes first.
#include "ops/kernels_impl.h"
