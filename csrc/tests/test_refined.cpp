// Blocks with outliers: what refining them gains, and that rows which do not need it are not touched.
#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "kernel_list.h"
#include "ops/reference.h"
#include "packing.h"
#include "random.h"

namespace {

using namespace spatz;
using namespace spatz::test;

constexpr float kOutlier = 4.0f;
constexpr int64_t kColumns = 192;
constexpr int64_t kOutputs = 2 * kPanel;

std::vector<float> product(const Kernels& kernels, Format format, const PackedWeights& w, const float* x, int rows,
                           float outlier, bool* refined = nullptr) {
    OwnedTile owned(rows, kColumns);
    kernels.quantize(x, kColumns, outlier, owned.tile);
    if (refined != nullptr) *refined = owned.tile.refined[1] != 0;
    std::vector<float> out(static_cast<size_t>(rows * kOutputs));
    kernels.matmul(format, w.bytes.data(), kOutputs / kPanel, owned.tile, nullptr, out.data(), kOutputs, false);
    return out;
}

double distance(const std::vector<float>& a, const std::vector<float>& b) {
    double sum = 0.0;
    for (size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
    return std::sqrt(sum);
}

TEST_CASE("refined blocks: an outlier no longer costs its neighbours their bits") {
    Random random(71);
    for (const Kernels* kernels : all_kernels()) {
        for (const Format format : {Format::kQ4, Format::kQ8}) {
            CAPTURE(std::string(isa_name(kernels->isa)));
            CAPTURE(std::string(format_name(format)));
            const PackedWeights w = random_weights(format, kOutputs, kColumns, random);
            std::vector<float> x = random.normals(kColumns);
            x[40] = 300.0f;  // in block 1
            const std::vector<float> exact = reference::matmul(x, w.values, {}, 1, kOutputs, kColumns);
            bool refined = false;
            const auto fine = product(*kernels, format, w, x.data(), 1, kOutlier, &refined);
            CHECK(refined);
            const auto coarse = product(*kernels, format, w, x.data(), 1, kNoOutlier, &refined);
            CHECK_FALSE(refined);
            CHECK(distance(fine, exact) < 0.25 * distance(coarse, exact));
        }
    }
}

TEST_CASE("refined blocks: rows of a tile give the same bits alone and beside a row with an outlier") {
    Random random(72);
    for (const Kernels* kernels : all_kernels()) {
        for (const Format format : {Format::kQ4, Format::kQ8}) {
            CAPTURE(std::string(isa_name(kernels->isa)));
            CAPTURE(std::string(format_name(format)));
            const PackedWeights w = random_weights(format, kOutputs, kColumns, random);
            const int rows = kernels->max_rows;
            std::vector<float> x = random.normals(rows * kColumns);
            x[40] = 60.0f;  // row 0 alone has one
            const auto together = product(*kernels, format, w, x.data(), rows, kOutlier);
            for (int r = 0; r < rows; ++r) {
                const auto alone = product(*kernels, format, w, x.data() + r * kColumns, 1, kOutlier);
                for (int64_t i = 0; i < kOutputs; ++i) {
                    CHECK(alone[static_cast<size_t>(i)] == together[static_cast<size_t>(r * kOutputs + i)]);
                }
            }
        }
    }
}

}  // namespace
