// The kernel tables that this machine can run: tests go through all of them.
#pragma once

#include <vector>

#include "ops/kernels.h"

namespace spatz::test {

inline std::vector<const Kernels*> all_kernels() {
    std::vector<const Kernels*> tables;
    for (const Isa isa : supported_isas()) tables.push_back(kernels_for(isa));
    return tables;
}

}  // namespace spatz::test
