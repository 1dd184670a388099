// Hash tables that are filled once, from a model file, and then only read: token text to id, and pair of ids to merge.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace spatz::text {

// Mixes a view's bytes into 64 bits.
uint64_t hash_bytes(std::string_view bytes);

// Token text -> id. The texts belong to the caller and must stay where they are.
class TextTable {
  public:
    explicit TextTable(size_t count);
    // False if an equal text is there already. Throws std::invalid_argument if a hostile file has made the table slow.
    bool insert(std::string_view text, int32_t id);
    // -1 if absent.
    int32_t find(std::string_view text) const;

  private:
    struct Slot {
        std::string_view text;
        int32_t id = -1;
    };
    std::vector<Slot> slots_;
    uint64_t mask_;
};

// What two neighbouring symbols become. The lowest rank is merged first.
struct Merge {
    static constexpr uint32_t kNever = UINT32_MAX;
    uint32_t rank = kNever;
    int32_t id = -1;
};

// Pair of ids -> merge.
class MergeTable {
  public:
    explicit MergeTable(size_t count);
    bool insert(int32_t left, int32_t right, Merge merge);
    Merge find(int32_t left, int32_t right) const;

  private:
    struct Slot {
        uint64_t pair = UINT64_MAX;
        Merge merge;
    };
    std::vector<Slot> slots_;
    uint64_t mask_;
};

}  // namespace spatz::text
