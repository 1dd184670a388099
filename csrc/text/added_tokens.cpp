#include "text/added_tokens.h"

namespace spatz::text {

void AddedTokens::insert(std::string_view text, int32_t id) {
    starts_[static_cast<uint8_t>(text[0])] = true;
    uint64_t node = 0;
    for (char c : text) {
        const auto [child, is_new] = children_.try_emplace(node << 8 | static_cast<uint8_t>(c), ids_.size());
        if (is_new) ids_.push_back(-1);
        node = child->second;
    }
    ids_[node] = id;
}

AddedTokens::Found AddedTokens::find(std::string_view text, size_t from) const {
    if (ids_.size() == 1) return {text.size(), 0, -1};
    for (size_t start = from; start < text.size(); ++start) {
        if (!starts_[static_cast<uint8_t>(text[start])]) continue;
        Found longest{start, 0, -1};
        uint64_t node = 0;
        for (size_t at = start; at < text.size(); ++at) {
            const auto child = children_.find(node << 8 | static_cast<uint8_t>(text[at]));
            if (child == children_.end()) break;
            node = child->second;
            if (ids_[node] >= 0) longest = {start, at + 1 - start, ids_[node]};
        }
        if (longest.length > 0) return longest;
    }
    return {text.size(), 0, -1};
}

}  // namespace spatz::text
