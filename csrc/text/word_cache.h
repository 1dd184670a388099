// The tokens of words seen lately. Real text repeats its words, and looking one up is ten times as fast as merging it.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "text/lookup.h"

namespace spatz::text {

class WordCache {
  public:
    // The word's tokens; empty if it is not here.
    std::span<const int32_t> find(std::string_view word) const {
        if (entries_.empty() || word.size() > kBytes) return {};
        const Entry& entry = entries_[hash_bytes(word) & (kEntries - 1)];
        if (entry.length != word.size() || std::memcmp(entry.word, word.data(), word.size()) != 0) return {};
        return {entry.tokens, entry.count};
    }
    // Takes the place of what was in the word's slot. Words that are too long are not kept.
    void insert(std::string_view word, std::span<const int32_t> tokens) {
        if (word.size() > kBytes || tokens.size() > kTokens || tokens.empty()) return;
        if (entries_.empty()) entries_.resize(kEntries);
        Entry& entry = entries_[hash_bytes(word) & (kEntries - 1)];
        entry.length = static_cast<uint8_t>(word.size());
        entry.count = static_cast<uint8_t>(tokens.size());
        std::memcpy(entry.word, word.data(), word.size());
        std::memcpy(entry.tokens, tokens.data(), tokens.size_bytes());
    }

  private:
    static constexpr size_t kEntries = 1 << 15;  // 2 MB: English needs about 20,000 words per megabyte
    static constexpr size_t kBytes = 30, kTokens = 8;
    struct alignas(64) Entry {
        uint8_t length = 0;
        uint8_t count = 0;
        char word[kBytes];
        int32_t tokens[kTokens];
    };
    static_assert(sizeof(Entry) == 64);
    std::vector<Entry> entries_;
};

}  // namespace spatz::text
