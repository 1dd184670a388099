// Built for the baseline of the target, whatever it is; never with the flags of a newer instruction set.
#include "ops/simd_portable.h"
// The vocabulary comes first.
#include "ops/kernels_impl.h"
