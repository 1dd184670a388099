// The vision tower: the pixels of images to what a decoder reads in place of token embeddings.
//
// SigLIP's encoder (Zhai et al., 2023) with Idefics3's positions, pixel shuffle and connector (Laurençon et al., 2024).
// Cutting an image into tiles, scaling pixels and finding positions is the caller's business.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/memory.h"
#include "base/thread_pool.h"
#include "model/vision_weights.h"
#include "ops/kernels.h"

namespace spatz {

// Images of one size. A patch is `patch` x `patch` pixels; pixels behind the last whole patch of a row or column are
// left out. Patches are counted row by row.
struct VisionView {
    std::span<const float> pixels;  // [images, 3, height, width]
    int64_t images = 0;
    int64_t height = 0;
    int64_t width = 0;
    std::span<const int32_t> positions;  // [images, patches] which learned position each patch has
    std::span<const uint8_t> mask;       // [images, patches] 0: padding, which no patch looks at; empty: there is none
};

class VisionEncoder {
  public:
    VisionEncoder(const VisionConfig& config, const VisionWeights& weights, const Kernels& kernels, ThreadPool& pool);
    ~VisionEncoder();

    // Tokens that an image of this size becomes. Throws std::invalid_argument for sizes that cannot be encoded.
    int64_t tokens(int64_t height, int64_t width) const;
    // out: [images, tokens, text_hidden]. What an image becomes does not depend on the images beside it or on the
    // number of threads. Calls from several threads take turns; the pool is given free between layers, so that decoding
    // goes on meanwhile. Throws std::invalid_argument.
    void encode(const VisionView& view, std::span<float> out);

  private:
    struct Image;  // the pass of one image
    struct Scratch;
    struct Widths {  // of rows, padded to what kernels take at once
        explicit Widths(const VisionConfig& config);
        int64_t patch, hidden, intermediate, shuffled, text, head, widest;
    };
    void check(const VisionView& view, size_t out) const;

    const VisionConfig config_;
    const VisionWeights& weights_;
    const Kernels& kernels_;
    ThreadPool& pool_;
    const Widths widths_;
    const KVKind kind_;  // of the keys and values between two halves of a layer

    std::mutex turn_;
    std::vector<std::unique_ptr<Scratch>> scratch_;  // one per thread
    Buffer<float> x_;                                // [patches, hidden] residual stream
    Buffer<float> q_, k_, v_;                        // [patches, hidden]
    Buffer<uint8_t> pages_[2];                       // [heads, pages, head bytes] of a layer and of the next
};

}  // namespace spatz
