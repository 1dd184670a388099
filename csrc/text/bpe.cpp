#include "text/bpe.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <queue>
#include <stdexcept>

#include "text/unicode.h"

namespace spatz::text {
namespace {

constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581, SentencePiece's space
constexpr size_t kMostTokens = 1 << 22, kMostMerges = 1 << 24, kMostText = 1u << 30;
constexpr size_t kFewSymbols = 40;  // above this a heap is faster than looking through all pairs

// GPT-2's alphabet: each byte as a printable character. Printable bytes stand for themselves, the others for U+0100
// onwards in order.
struct ByteAlphabet {
    ByteAlphabet() {
        std::fill(std::begin(byte_of), std::end(byte_of), -1);
        uint32_t next = 0x100;
        for (uint32_t byte = 0; byte < 256; ++byte) {
            const bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
            byte_of[printable ? byte : next++] = static_cast<int16_t>(byte);
        }
    }
    int16_t byte_of[0x200];
};

// The bytes that a token's characters stand for; false if some character is not of the alphabet.
bool undo_alphabet(std::string_view token, std::string& bytes) {
    static const ByteAlphabet alphabet;
    bytes.clear();
    for (size_t at = 0; at < token.size();) {
        const Character c = character_at(token, at);
        const int byte = c.code_point < 0x200 ? alphabet.byte_of[c.code_point] : -1;
        if (byte < 0) return false;
        bytes.push_back(static_cast<char>(byte));
        at += c.bytes;
    }
    return true;
}

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
    std::string result;
    result.reserve(text.size());
    for (size_t at = 0; at < text.size();) {
        const size_t found = text.find(from, at);
        result.append(text.substr(at, found == std::string_view::npos ? found : found - at));
        if (found == std::string_view::npos) break;
        result.append(to);
        at = found + from.size();
    }
    return result;
}

// "<0x0A>" -> 10; -1 if it is not written so.
int byte_token_value(std::string_view token) {
    if (token.size() != 6 || token.substr(0, 3) != "<0x" || token[5] != '>') return -1;
    auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; };
    const int high = digit(token[3]), low = digit(token[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

[[noreturn]] void refuse(const std::string& what) { throw std::invalid_argument(what); }

}  // namespace

struct Bpe::Scratch {
    std::vector<int32_t>& out;
    std::string escaped{};
    std::vector<Symbol> symbols{};
    // merge_many: neighbours in a linked list, and the candidates.
    std::vector<int32_t> previous{}, next{};
    struct Candidate {
        uint32_t rank, left, length;
        int32_t id;
        // Lowest rank first, then leftmost.
        bool operator<(const Candidate& o) const { return rank != o.rank ? rank > o.rank : left > o.left; }
    };
    std::priority_queue<Candidate> candidates{};
};

Bpe::Bpe(BpeSpec spec)
    : spec_(std::move(spec)),
      names_(std::min(spec_.tokens.size(), kMostTokens)),
      texts_(std::min(spec_.tokens.size(), kMostTokens)),
      merges_(std::min(spec_.merges.size(), kMostMerges)) {
    if (spec_.tokens.empty()) refuse("the vocabulary is empty");
    if (spec_.tokens.size() > kMostTokens) refuse("the vocabulary has too many tokens");
    if (spec_.merges.size() > kMostMerges) refuse("the vocabulary has too many merges");
    if (spec_.kinds.size() != spec_.tokens.size()) refuse("there is not one token type per token");
    if (spec_.unknown >= static_cast<int64_t>(spec_.tokens.size()))
        refuse("the unknown token is not in the vocabulary");
    read_tokens();
    read_bytes();
    if (spec_.byte_level || !spec_.merges.empty()) {
        read_merges();
    } else {
        read_scores();
    }
    spec_.merges = {};
    spec_.scores = {};
}

void Bpe::read_tokens() {
    bytes_.resize(spec_.tokens.size());
    for (int32_t id = 0; id < size(); ++id) {
        const std::string& token = spec_.tokens[id];
        const std::string name = "token " + std::to_string(id);
        if (!valid_utf8(token)) refuse(name + " is not UTF-8");
        if (spec_.kinds[id] > static_cast<uint8_t>(TokenKind::kByte)) refuse(name + " has an unknown type");
        const auto kind = static_cast<TokenKind>(spec_.kinds[id]);
        if (token.empty() && kind != TokenKind::kNever) refuse(name + " is empty");
        if (!names_.insert(token, id) && !token.empty()) refuse(name + " has the text of another token");
        const bool added = kind == TokenKind::kControl || kind == TokenKind::kUser;
        bool from_text = kind == TokenKind::kNormal || kind == TokenKind::kUser;
        if (spec_.byte_level) {
            if (added || !undo_alphabet(token, bytes_[id])) {
                bytes_[id] = token;
                from_text = false;
            }
        } else if (kind == TokenKind::kByte) {
            const int value = byte_token_value(token);
            if (value < 0) refuse(name + " is typed as a byte but does not name one");
            bytes_[id] = std::string(1, static_cast<char>(value));
        } else {
            bytes_[id] = kind == TokenKind::kControl ? token : replace_all(token, kSpaceMark, " ");
        }
        if (from_text) {
            const std::string& text = spec_.byte_level ? bytes_[id] : token;
            texts_.insert(text, id);
            longest_ = std::max(longest_, text.size());
        }
        if (kind == TokenKind::kUser) user_.insert(token, id);
        if (added) all_added_.insert(token, id);
    }
}

void Bpe::read_bytes() {
    std::fill(std::begin(byte_ids_), std::end(byte_ids_), spec_.byte_level ? spec_.unknown : -1);
    for (int32_t id = 0; id < size(); ++id) {
        const auto kind = static_cast<TokenKind>(spec_.kinds[id]);
        const bool is_byte =
            spec_.byte_level ? kind == TokenKind::kNormal && bytes_[id].size() == 1 : kind == TokenKind::kByte;
        if (is_byte) byte_ids_[static_cast<uint8_t>(bytes_[id][0])] = id;
    }
    if (spec_.byte_level) return;
    if (std::find(std::begin(byte_ids_), std::end(byte_ids_), -1) != std::end(byte_ids_))
        refuse("the vocabulary has no token for some byte, so that not every text could be encoded");
    std::fill(std::begin(never_before_space_), std::end(never_before_space_), true);
    for (int32_t id = 0; id < size(); ++id) {
        const std::string_view token = spec_.tokens[id];
        for (size_t at = token.find(kSpaceMark, 1); at != std::string_view::npos; at = token.find(kSpaceMark, at + 1))
            never_before_space_[static_cast<uint8_t>(token[at - 1])] = false;
    }
}

void Bpe::read_merges() {
    std::string joined;
    for (size_t rank = 0; rank < spec_.merges.size(); ++rank) {
        const std::string_view merge = spec_.merges[rank];
        const std::string name = "merge " + std::to_string(rank);
        const size_t space = merge.find(' ');
        if (space == std::string_view::npos || merge.find(' ', space + 1) != std::string_view::npos)
            refuse(name + " is not two tokens with a space between them");
        const std::string_view left = merge.substr(0, space), right = merge.substr(space + 1);
        joined.assign(left).append(right);
        const int32_t left_id = names_.find(left), right_id = names_.find(right), id = names_.find(joined);
        if (left.empty() || right.empty() || left_id < 0 || right_id < 0 || id < 0)
            refuse(name + " names a token that is not in the vocabulary");
        if (spec_.kinds[id] == static_cast<uint8_t>(TokenKind::kControl))
            refuse(name + " makes a control token from text");
        if (!merges_.insert(left_id, right_id, {static_cast<uint32_t>(rank), id})) refuse(name + " is there twice");
    }
}

void Bpe::read_scores() {
    if (spec_.scores.size() != spec_.tokens.size()) refuse("there is not one score per token");
    if (std::any_of(spec_.scores.begin(), spec_.scores.end(), [](float score) { return std::isnan(score); }))
        refuse("a token's score is not a number");
    std::vector<int32_t> order(spec_.tokens.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return spec_.scores[a] > spec_.scores[b]; });
    score_ranks_.resize(order.size());
    for (size_t i = 1; i < order.size(); ++i) {
        const bool lower = spec_.scores[order[i]] < spec_.scores[order[i - 1]];
        score_ranks_[order[i]] = score_ranks_[order[i - 1]] + (lower ? 1 : 0);
    }
}

std::vector<int32_t> Bpe::encode(std::string_view text, bool parse_special, bool continues) const {
    if (text.size() > kMostText) refuse("the text is longer than 1 GiB");
    if (!valid_utf8(text)) refuse("the text is not UTF-8");
    std::vector<int32_t> tokens;
    tokens.reserve(text.size() / 4 + 8);
    Scratch scratch{tokens};
    std::unique_lock lock(cache_lock_, std::try_to_lock);
    WordCache own_cache;
    WordCache& cache = lock.owns_lock() ? cache_ : own_cache;
    const AddedTokens& added = parse_special ? all_added_ : user_;
    for (size_t at = 0; at < text.size();) {
        const AddedTokens::Found found = added.find(text, at);
        if (found.start > at) encode_text(text.substr(at, found.start - at), at == 0 && !continues, cache, scratch);
        if (found.length > 0) tokens.push_back(found.id);
        at = found.start + found.length;
    }
    return tokens;
}

void Bpe::encode_text(std::string_view text, bool at_start, WordCache& cache, Scratch& scratch) const {
    if (spec_.byte_level) {
        PieceReader reader(spec_.pieces, text);
        for (std::string_view piece = reader.next(); !piece.empty(); piece = reader.next())
            encode_word(piece, cache, scratch);
        return;
    }
    const bool has_space = text[0] == ' ' || text.substr(0, kSpaceMark.size()) == kSpaceMark;
    const bool prefix = spec_.prefix == SpacePrefix::kEvery ||
                        (spec_.prefix == SpacePrefix::kEveryUnlessSpace && !has_space) ||
                        (spec_.prefix == SpacePrefix::kFirstUnlessSpace && at_start && !has_space);
    scratch.escaped = prefix ? kSpaceMark : std::string_view{};
    scratch.escaped += replace_all(text, " ", kSpaceMark);
    // Merging knows no words here, but no merge crosses a place that lies inside no token.
    const std::string_view all = scratch.escaped;
    size_t start = 0;
    for (size_t at = all.find(kSpaceMark, 1); at != std::string_view::npos; at = all.find(kSpaceMark, at + 1)) {
        if (!never_before_space_[static_cast<uint8_t>(all[at - 1])]) continue;
        encode_word(all.substr(start, at - start), cache, scratch);
        start = at;
    }
    encode_word(all.substr(start), cache, scratch);
}

void Bpe::encode_word(std::string_view word, WordCache& cache, Scratch& scratch) const {
    std::vector<int32_t>& out = scratch.out;
    if (const std::span<const int32_t> known = cache.find(word); !known.empty()) {
        out.insert(out.end(), known.begin(), known.end());
        return;
    }
    const size_t begin = out.size();
    const int32_t whole = spec_.ignore_merges && word.size() <= longest_ ? texts_.find(word) : -1;
    if (whole >= 0) {
        out.push_back(whole);
    } else {
        split_symbols(word, scratch.symbols);
        if (scratch.symbols.size() <= kFewSymbols) {
            merge_few(word, scratch);
        } else {
            merge_many(word, scratch);
        }
        for (const Symbol& symbol : scratch.symbols) {
            if (symbol.id >= 0) {
                out.push_back(symbol.id);
            } else {
                for (char byte : word.substr(symbol.start, symbol.length))
                    out.push_back(byte_ids_[static_cast<uint8_t>(byte)]);
            }
        }
    }
    cache.insert(word, std::span(out).subspan(begin));
}

void Bpe::split_symbols(std::string_view word, std::vector<Symbol>& symbols) const {
    symbols.clear();
    const bool by_score = !score_ranks_.empty();
    for (uint32_t at = 0; at < word.size();) {
        const auto length = static_cast<uint32_t>(spec_.byte_level ? 1 : utf8_length(word[at]));
        const int32_t id =
            spec_.byte_level ? byte_ids_[static_cast<uint8_t>(word[at])] : texts_.find(word.substr(at, length));
        if (id >= 0 || by_score) {
            symbols.push_back({at, length, id});
        } else if (!spec_.byte_level) {
            for (uint32_t i = at; i < at + length; ++i)
                symbols.push_back({i, 1, byte_ids_[static_cast<uint8_t>(word[i])]});
        }
        at += length;
    }
}

// Inline in both merge loops: it is where the time goes.
inline Merge Bpe::find_merge(std::string_view word, const Symbol& left, const Symbol& right) const {
    if (score_ranks_.empty()) return merges_.find(left.id, right.id);
    const size_t length = left.length + right.length;
    if (length > longest_) return {};
    const int32_t id = texts_.find(word.substr(left.start, length));
    return id < 0 ? Merge{} : Merge{score_ranks_[id], id};
}

void Bpe::merge_few(std::string_view word, Scratch& scratch) const {
    std::vector<Symbol>& symbols = scratch.symbols;
    Merge merges[kFewSymbols];  // merges[i]: of symbols i and i + 1
    size_t count = symbols.size();
    auto look = [&](size_t i) { merges[i] = find_merge(word, symbols[i], symbols[i + 1]); };
    for (size_t i = 0; i + 1 < count; ++i) look(i);
    while (count > 1) {
        const Merge* best =
            std::min_element(merges, merges + count - 1, [](auto& a, auto& b) { return a.rank < b.rank; });
        if (best->rank == Merge::kNever) break;
        const size_t at = best - merges;
        symbols[at].length += symbols[at + 1].length;
        symbols[at].id = best->id;
        symbols.erase(symbols.begin() + at + 1);
        --count;
        std::copy(merges + at + 1, merges + count, merges + at);
        if (at > 0) look(at - 1);
        if (at + 1 < count) look(at);
    }
}

void Bpe::merge_many(std::string_view word, Scratch& scratch) const {
    std::vector<Symbol>& symbols = scratch.symbols;
    std::vector<int32_t>&previous = scratch.previous, &next = scratch.next;
    const auto count = static_cast<int32_t>(symbols.size());
    previous.resize(count);
    next.resize(count);
    auto look = [&](int32_t left, int32_t right) {
        if (left < 0 || right < 0) return;
        const Merge merge = find_merge(word, symbols[left], symbols[right]);
        if (merge.rank == Merge::kNever) return;
        scratch.candidates.push(
            {merge.rank, static_cast<uint32_t>(left), symbols[left].length + symbols[right].length, merge.id});
    };
    for (int32_t i = 0; i < count; ++i) {
        previous[i] = i - 1;
        next[i] = i + 1 < count ? i + 1 : -1;
        look(i, next[i]);
    }
    while (!scratch.candidates.empty()) {
        const Scratch::Candidate best = scratch.candidates.top();
        scratch.candidates.pop();
        const auto left = static_cast<int32_t>(best.left);
        const int32_t right = next[left];
        // Stale: one of the two has been merged with something else since. Dead symbols have length 0.
        if (symbols[left].length == 0 || right < 0 || symbols[left].length + symbols[right].length != best.length)
            continue;
        symbols[left].length = best.length;
        symbols[left].id = best.id;
        symbols[right].length = 0;
        next[left] = next[right];
        if (next[left] >= 0) previous[next[left]] = left;
        look(previous[left], left);
        look(left, next[left]);
    }
    std::erase_if(symbols, [](const Symbol& symbol) { return symbol.length == 0; });
}

std::string Bpe::decode(std::span<const int32_t> ids, bool skip_control) const {
    std::string text;
    for (int32_t id : ids) {
        const std::string_view bytes = token_bytes(id);
        if (!skip_control || spec_.kinds[id] != static_cast<uint8_t>(TokenKind::kControl)) text.append(bytes);
    }
    return text;
}

std::string_view Bpe::token_bytes(int32_t id) const {
    if (id < 0 || id >= size()) throw std::out_of_range("token " + std::to_string(id) + " is not in the vocabulary");
    return bytes_[id];
}

}  // namespace spatz::text
