#include "base/cpu.h"

#include <sched.h>

#include <stdexcept>
#include <thread>

namespace spatz {

const char* isa_name(Isa isa) {
    switch (isa) {
        case Isa::kAvx512Bf16:
            return "avx512_bf16";
        case Isa::kAvx512:
            return "avx512";
        case Isa::kAvx2:
            return "avx2";
        case Isa::kPortable:
            break;
    }
    return "portable";
}

std::vector<Isa> supported_isas() {
    std::vector<Isa> found;
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                      __builtin_cpu_supports("f16c") && __builtin_cpu_supports("bmi2");
    const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                        __builtin_cpu_supports("avx512vnni");
    if (avx512 && __builtin_cpu_supports("avx512bf16")) found.push_back(Isa::kAvx512Bf16);
    if (avx512) found.push_back(Isa::kAvx512);
    if (avx2) found.push_back(Isa::kAvx2);
#endif
    found.push_back(Isa::kPortable);
    return found;
}

Isa choose_isa(std::string_view name) {
    const std::vector<Isa> found = supported_isas();
    if (name.empty()) return found.front();
    std::string known;
    for (Isa isa : found) {
        if (name == isa_name(isa)) return isa;
        known += known.empty() ? "" : ", ";
        known += isa_name(isa);
    }
    throw std::invalid_argument("instruction set '" + std::string(name) +
                                "' is unknown or not on this machine; it has " + known);
}

int available_cores() {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0) return CPU_COUNT(&set);
    const unsigned count = std::thread::hardware_concurrency();
    return count == 0 ? 1 : static_cast<int>(count);
}

}  // namespace spatz
