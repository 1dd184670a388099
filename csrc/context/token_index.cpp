#include "context/token_index.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace spatz::context {
namespace {

constexpr float kSaturation = 1.2f;  // BM25's k1: how soon further occurrences in a block stop counting
constexpr int64_t kMostTokens = int64_t{1} << 32;

}  // namespace

TokenIndex::TokenIndex(int64_t vocab, int block_tokens) : vocab_(vocab), block_tokens_(block_tokens) {
    if (vocab < 1 || vocab > (int64_t{1} << 24)) throw std::invalid_argument("vocab is out of range");
    if (block_tokens < 1 || block_tokens > 65536) throw std::invalid_argument("block_tokens is out of range");
    postings_.resize(static_cast<size_t>(vocab));
    open_.reserve(static_cast<size_t>(block_tokens));
}

void TokenIndex::check(int32_t token) const {
    if (token < 0 || token >= vocab_) throw std::invalid_argument("a token is not in the vocabulary");
}

int64_t TokenIndex::size() const {
    const std::lock_guard<std::mutex> turn(turn_);
    return size_;
}

int64_t TokenIndex::blocks() const {
    const std::lock_guard<std::mutex> turn(turn_);
    return count_blocks();
}

void TokenIndex::append(std::span<const int32_t> tokens) {
    for (const int32_t token : tokens) check(token);
    const std::lock_guard<std::mutex> turn(turn_);
    if (static_cast<int64_t>(tokens.size()) > kMostTokens - size_) throw std::invalid_argument("the text is too long");
    while (!tokens.empty()) {
        const size_t room = static_cast<size_t>(block_tokens_) - open_.size();
        const auto taken = tokens.first(std::min(room, tokens.size()));
        open_.insert(open_.end(), taken.begin(), taken.end());
        size_ += static_cast<int64_t>(taken.size());
        tokens = tokens.subspan(taken.size());
        if (static_cast<int>(open_.size()) == block_tokens_) close_block();
    }
}

void TokenIndex::close_block() {
    const auto block = static_cast<uint32_t>(size_ / block_tokens_ - 1);
    std::sort(open_.begin(), open_.end());
    for (size_t i = 0; i < open_.size();) {
        size_t end = i + 1;
        while (end < open_.size() && open_[end] == open_[i]) ++end;
        postings_[static_cast<size_t>(open_[i])].push_back({block, static_cast<uint32_t>(end - i)});
        i = end;
    }
    open_.clear();
}

int64_t TokenIndex::block_count(int32_t token) const {
    check(token);
    const std::lock_guard<std::mutex> turn(turn_);
    return count_blocks_with(token);
}

int64_t TokenIndex::count_blocks_with(int32_t token) const {
    const bool in_open = std::find(open_.begin(), open_.end(), token) != open_.end();
    return static_cast<int64_t>(postings_[static_cast<size_t>(token)].size()) + (in_open ? 1 : 0);
}

std::vector<float> TokenIndex::score(std::span<const int32_t> terms, std::span<const float> weights) const {
    if (terms.size() != weights.size()) throw std::invalid_argument("there must be a weight for each term");
    for (const int32_t term : terms) check(term);
    const std::lock_guard<std::mutex> turn(turn_);
    std::vector<float> scores(static_cast<size_t>(count_blocks()), 0.0f);
    const auto total = static_cast<float>(scores.size());
    for (size_t i = 0; i < terms.size(); ++i) {
        const auto found = static_cast<float>(count_blocks_with(terms[i]));
        if (found == 0.0f) continue;
        const float rarity = std::log1p((total - found + 0.5f) / (found + 0.5f));
        const auto value = [&](uint32_t count) {
            const auto n = static_cast<float>(count);
            return weights[i] * rarity * n * (kSaturation + 1.0f) / (n + kSaturation);
        };
        for (const Posting& posting : postings_[static_cast<size_t>(terms[i])]) {
            scores[posting.block] += value(posting.count);
        }
        const auto open = static_cast<uint32_t>(std::count(open_.begin(), open_.end(), terms[i]));
        if (open > 0) scores.back() += value(open);
    }
    return scores;
}

}  // namespace spatz::context
