// Pre-tokenizers: where a text is cut into pieces that byte-pair merges never cross.
//
// Each follows one published regular expression, by hand, because a general regular-expression engine was most of the
// time of tokenizing. The expressions stand beside the code; the tests compare with an engine that runs them.
#pragma once

#include <cstddef>
#include <string_view>

namespace spatz::text {

enum class Pieces {
    kGpt2,     // GPT-2
    kSmollm,   // every digit alone, then GPT-2
    kLlama3,   // Llama 3: digits in threes, case-blind contractions
    kQwen2,    // Qwen 2 and 3: as Llama 3, digits alone
    kDefault,  // what GGUF calls "default" (Falcon's): punctuation, GPT-2, numbers, digits in threes
};

// Cuts text from front to back.
class PieceReader {
  public:
    // text: well-formed UTF-8, which must outlive the reader.
    PieceReader(Pieces kind, std::string_view text) : kind_(kind), text_(text) {}
    // The next piece, never empty; an empty view at the end.
    std::string_view next();

  private:
    Pieces kind_;
    std::string_view text_;
    size_t at_ = 0;
    // Ends of the enclosing cuts, for the kinds that cut in stages.
    size_t stage_end_[3] = {0, 0, 0};
};

}  // namespace spatz::text
