#include "ops/kernels.h"

namespace spatz {

namespace portable {
extern const Kernels kTable;
}
#if defined(__x86_64__)
namespace avx2 {
extern const Kernels kTable;
}
namespace avx512 {
extern const Kernels kTable;
}
namespace avx512_bf16 {
extern const Kernels kTable;
}
#endif

const Kernels* kernels_for(Isa isa) {
#if defined(__x86_64__)
    switch (isa) {
        case Isa::kAvx512Bf16:
            return &avx512_bf16::kTable;
        case Isa::kAvx512:
            return &avx512::kTable;
        case Isa::kAvx2:
            return &avx2::kTable;
        case Isa::kPortable:
            break;
    }
#else
    (void)isa;
#endif
    return &portable::kTable;
}

}  // namespace spatz
