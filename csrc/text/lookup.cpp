#include "text/lookup.h"

#include <bit>
#include <cstring>
#include <stdexcept>

namespace spatz::text {
namespace {

// Half full at most: a search for what is absent ends after two steps or so.
size_t slots_for(size_t count) { return std::bit_ceil(2 * count + 16); }

// Honest vocabularies of 260,000 tokens need fewer than 50 steps.
constexpr int kMostSteps = 2000;

[[noreturn]] void too_many_collisions() {
    throw std::invalid_argument("the vocabulary is made so that its hash table degenerates");
}

uint64_t mix(uint64_t x) {
    x ^= x >> 32;
    x *= 0x9E3779B97F4A7C15u;
    x ^= x >> 29;
    x *= 0xBF58476D1CE4E5B9u;
    return x ^ (x >> 32);
}

uint64_t pair_of(int32_t left, int32_t right) {
    return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

}  // namespace

uint64_t hash_bytes(std::string_view bytes) {
    uint64_t hash = bytes.size() * 0xD6E8FEB86659FD93u;
    size_t at = 0;
    for (; at + 8 <= bytes.size(); at += 8) {
        uint64_t word;
        std::memcpy(&word, bytes.data() + at, 8);
        hash = mix(hash ^ word);
    }
    uint64_t tail = 0;
    if (at < bytes.size()) std::memcpy(&tail, bytes.data() + at, bytes.size() - at);
    return mix(hash ^ tail);
}

TextTable::TextTable(size_t count) : slots_(slots_for(count)), mask_(slots_.size() - 1) {}

bool TextTable::insert(std::string_view text, int32_t id) {
    uint64_t at = hash_bytes(text) & mask_;
    for (int steps = 0; slots_[at].id >= 0; at = (at + 1) & mask_) {
        if (slots_[at].text == text) return false;
        if (++steps > kMostSteps) too_many_collisions();
    }
    slots_[at] = {text, id};
    return true;
}

int32_t TextTable::find(std::string_view text) const {
    for (uint64_t at = hash_bytes(text) & mask_;; at = (at + 1) & mask_)
        if (slots_[at].id < 0 || slots_[at].text == text) return slots_[at].id;
}

MergeTable::MergeTable(size_t count) : slots_(slots_for(count)), mask_(slots_.size() - 1) {}

bool MergeTable::insert(int32_t left, int32_t right, Merge merge) {
    const uint64_t pair = pair_of(left, right);
    uint64_t at = mix(pair) & mask_;
    for (int steps = 0; slots_[at].pair != UINT64_MAX; at = (at + 1) & mask_) {
        if (slots_[at].pair == pair) return false;
        if (++steps > kMostSteps) too_many_collisions();
    }
    slots_[at] = {pair, merge};
    return true;
}

Merge MergeTable::find(int32_t left, int32_t right) const {
    const uint64_t pair = pair_of(left, right);
    for (uint64_t at = mix(pair) & mask_;; at = (at + 1) & mask_)
        if (slots_[at].pair == pair || slots_[at].pair == UINT64_MAX) return slots_[at].merge;
}

}  // namespace spatz::text
