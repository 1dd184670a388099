// Which instruction sets this machine can run, and which one to use.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace spatz {

enum class Isa { kPortable, kAvx2, kAvx512, kAvx512Bf16 };

const char* isa_name(Isa isa);
// Best first; the last is always kPortable.
std::vector<Isa> supported_isas();
// "" means the best. Throws std::invalid_argument for an unknown name or one that this machine cannot run.
Isa choose_isa(std::string_view name);
// Cores that this process may run on.
int available_cores();

}  // namespace spatz
