// Byte-pair encoding: text to token ids and back, for byte-level vocabularies (GPT-2's kind) and SentencePiece's.
//
// Ids equal those of the reference implementations for every text: the `tokenizers` package where merges are ranked
// (byte-level, and SentencePiece as tokenizer.json holds it), SentencePiece's own rule where tokens have scores (GGUF).
// Not here: Unicode normalization, chat templates, adding BOS and EOS.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/added_tokens.h"
#include "text/lookup.h"
#include "text/pretokenize.h"
#include "text/word_cache.h"

namespace spatz::text {

enum class TokenKind : uint8_t {
    kNever,    // never made from text, never matched: unknown, unused
    kNormal,   // made by merging
    kControl,  // matched as a whole, only where special tokens are asked for
    kUser,     // matched as a whole, always
    kByte,     // "<0x0A>": a byte of a character that has no token (SentencePiece)
};

// Whether SentencePiece's space is put before a text that follows the start or a matched token.
enum class SpacePrefix {
    kNone,
    kEvery,             // before each such text
    kEveryUnlessSpace,  // ... that does not begin with a space
    kFirstUnlessSpace,  // only at the very start
};

struct BpeSpec {
    bool byte_level = true;           // else SentencePiece
    Pieces pieces = Pieces::kGpt2;    // byte-level only
    std::vector<std::string> tokens;  // UTF-8, as in the file (byte-level: in GPT-2's alphabet of bytes)
    std::vector<uint8_t> kinds;       // TokenKind, one per token
    std::vector<std::string> merges;  // "left right", best first
    std::vector<float> scores;        // one per token, used where merges is empty (SentencePiece only)
    bool ignore_merges = false;       // a piece that is a token as a whole is taken as it is
    int32_t unknown = -1;             // byte-level: for bytes without a token; -1 drops them, as `tokenizers` does
    SpacePrefix prefix = SpacePrefix::kNone;
};

class Bpe {
  public:
    // Throws std::invalid_argument for a vocabulary that is not sound.
    explicit Bpe(BpeSpec spec);

    // continues: the text follows a special token, so it is not the very start. Any number of threads may encode at
    // once. Throws std::invalid_argument if the text is not UTF-8.
    std::vector<int32_t> encode(std::string_view text, bool parse_special, bool continues = false) const;

    // The bytes of tokens, one after another, which may end inside a character. Throws std::out_of_range for a bad id.
    std::string decode(std::span<const int32_t> ids, bool skip_control) const;
    std::string_view token_bytes(int32_t id) const;
    // Id of the token that the file writes so; -1 if there is none.
    int32_t find(std::string_view token) const { return names_.find(token); }
    int32_t size() const { return static_cast<int32_t>(bytes_.size()); }

  private:
    struct Symbol {
        uint32_t start, length;  // in the word
        int32_t id;              // -1: no token yet (SentencePiece with scores)
    };
    struct Scratch;  // buffers of one call

    void read_tokens();
    void read_bytes();
    void read_merges();
    void read_scores();
    void encode_text(std::string_view text, bool at_start, WordCache& cache, Scratch& scratch) const;
    void encode_word(std::string_view word, WordCache& cache, Scratch& scratch) const;
    void split_symbols(std::string_view word, std::vector<Symbol>& symbols) const;
    Merge find_merge(std::string_view word, const Symbol& left, const Symbol& right) const;
    void merge_few(std::string_view word, Scratch& scratch) const;
    void merge_many(std::string_view word, Scratch& scratch) const;

    BpeSpec spec_;
    std::vector<std::string> bytes_;     // what each token decodes to
    TextTable names_;                    // spec_.tokens -> id, all of them
    TextTable texts_;                    // what may come from text -> id: bytes_ (byte-level) or spec_.tokens
    MergeTable merges_;                  // empty with scores
    std::vector<uint32_t> score_ranks_;  // per token: 0 for the best score, equal for equal scores
    size_t longest_ = 0;                 // bytes of the longest token that may come from text
    int32_t byte_ids_[256];              // token of each byte, -1 if there is none
    bool never_before_space_[256] = {};  // SentencePiece: no token has this byte right before a space inside it
    AddedTokens user_, all_added_;
    mutable std::mutex cache_lock_;
    mutable WordCache cache_;  // a second caller at the same time works with a cache of its own
};

}  // namespace spatz::text
