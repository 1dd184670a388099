// Which blocks of a long text hold which tokens: an inverted index that grows as tokens arrive.
//
// A query is a bag of weighted tokens; every block gets its BM25 score for it (Robertson and Zaragoza, 2009), with
// blocks as the documents. Blocks are of one length, so there is no length to normalize by. It knows no text and no
// model. Any number of threads may call.
#pragma once

#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

namespace spatz::context {

class TokenIndex {
  public:
    // Token ids are 0..vocab-1. Throws std::invalid_argument for sizes out of range.
    explicit TokenIndex(int64_t vocab, int block_tokens = 64);

    // The text goes on. Throws std::invalid_argument for an id that is not in the vocabulary, and takes none then.
    void append(std::span<const int32_t> tokens);

    int64_t size() const;  // in tokens
    int block_tokens() const { return block_tokens_; }
    int64_t blocks() const;  // the last one may be partly filled
    // In how many blocks the token occurs. Throws std::invalid_argument.
    int64_t block_count(int32_t token) const;

    // [blocks()] the sum of weights[i] * BM25 of terms[i] in each block. Throws std::invalid_argument.
    std::vector<float> score(std::span<const int32_t> terms, std::span<const float> weights) const;

  private:
    struct Posting {
        uint32_t block;
        uint32_t count;
    };

    void check(int32_t token) const;
    void close_block();
    int64_t count_blocks() const { return (size_ + block_tokens_ - 1) / block_tokens_; }
    int64_t count_blocks_with(int32_t token) const;

    mutable std::mutex turn_;
    int64_t vocab_;
    int block_tokens_;
    int64_t size_ = 0;
    std::vector<std::vector<Posting>> postings_;  // [vocab], each in order of blocks
    std::vector<int32_t> open_;                   // tokens of the block that is being filled
};

}  // namespace spatz::context
