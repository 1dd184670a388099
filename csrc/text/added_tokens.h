// Tokens that are found in a text as a whole, before anything else cuts it: "<|im_start|>" and their like.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace spatz::text {

class AddedTokens {
  public:
    void insert(std::string_view text, int32_t id);  // text is not empty

    struct Found {
        size_t start, length;  // length 0: none, and start is the end of the text
        int32_t id;
    };
    // The first token at or after `from`; of several that start there, the longest.
    Found find(std::string_view text, size_t from) const;

  private:
    // A tree over bytes. Node 0 is the root; children are found by node << 8 | byte.
    std::unordered_map<uint64_t, uint32_t> children_;
    std::vector<int32_t> ids_{-1};  // per node: the token that ends there
    std::array<bool, 256> starts_{};
};

}  // namespace spatz::text
