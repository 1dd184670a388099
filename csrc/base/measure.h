// The machine's own limits, measured with the threads that the model runs on.
#pragma once

#include "base/thread_pool.h"
#include "ops/kernels.h"

namespace spatz {

// Memory read rate in GB/s (1e9), best of several passes over `megabytes` (16..65,536) of memory.
double read_bandwidth(ThreadPool& pool, int megabytes);
// Rate of the instruction set's int8 dot products in 1e12 operations a second (a multiply and an add are two), best of
// several rounds, from registers and the first cache.
double int8_peak(ThreadPool& pool, const Kernels& kernels);

}  // namespace spatz
