#include "text/pretokenize.h"

#include <algorithm>

#include "text/unicode.h"

namespace spatz::text {
namespace {

// End of the run of characters from `at` for which `wanted` holds.
template <typename Wanted>
size_t run_end(std::string_view text, size_t at, Wanted wanted) {
    while (at < text.size()) {
        const Character c = character_at(text, at);
        if (!wanted(c)) break;
        at += c.bytes;
    }
    return at;
}

bool is_letter(const Character& c) { return c.kind & kLetter; }
bool is_number(const Character& c) { return c.kind & kNumber; }
bool is_space(const Character& c) { return c.kind & kSpace; }
bool is_other(const Character& c) { return !(c.kind & (kLetter | kNumber | kSpace)); }
bool is_newline(const Character& c) { return c.code_point == '\r' || c.code_point == '\n'; }

// \s+(?!\S)|\s+ from a space at `at`: the whole run at the end of the text, else all of it but the last character.
size_t spaces_end(std::string_view text, size_t at) {
    size_t last = at, end = at;
    while (end < text.size()) {
        const Character c = character_at(text, end);
        if (!is_space(c)) break;
        last = end;
        end += c.bytes;
    }
    return end == text.size() || last == at ? end : last;
}

// '(?:s|t|re|ve|m|ll|d) from an apostrophe at `at`; `at` itself if there is none. any_case also takes the long s, which
// folds to s.
size_t contraction_end(std::string_view text, size_t at, bool any_case) {
    const std::string_view rest = text.substr(at + 1);
    auto letter = [&](size_t i) -> char {
        if (i >= rest.size()) return 0;
        return any_case && rest[i] >= 'A' && rest[i] <= 'Z' ? static_cast<char>(rest[i] - 'A' + 'a') : rest[i];
    };
    const char a = letter(0), b = letter(1);
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return at + 2;
    if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l')) return at + 3;
    if (any_case && rest.substr(0, 2) == "\xC5\xBF") return at + 3;
    return at;
}

// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
size_t gpt2_end(std::string_view text, size_t at) {
    if (text[at] == '\'') {
        const size_t end = contraction_end(text, at, false);
        if (end != at) return end;
    }
    const size_t start = text[at] == ' ' && at + 1 < text.size() ? at + 1 : at;
    const Character first = character_at(text, start);
    if (is_letter(first)) return run_end(text, start + first.bytes, is_letter);
    if (is_number(first)) return run_end(text, start + first.bytes, is_number);
    if (is_other(first)) return run_end(text, start + first.bytes, is_other);
    return spaces_end(text, at);
}

// (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,digits}|
// ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
size_t llama3_end(std::string_view text, size_t at, int digits) {
    if (text[at] == '\'') {
        const size_t end = contraction_end(text, at, true);
        if (end != at) return end;
    }
    const Character first = character_at(text, at);
    const size_t second_at = at + first.bytes;
    if (is_letter(first)) return run_end(text, second_at, is_letter);
    if (is_number(first)) {
        return run_end(text, second_at,
                       [left = digits - 1](const Character& c) mutable { return is_number(c) && left-- > 0; });
    }
    if (!is_newline(first) && second_at < text.size() && is_letter(character_at(text, second_at)))
        return run_end(text, second_at, is_letter);
    const size_t start = text[at] == ' ' && second_at < text.size() ? second_at : at;
    if (is_other(character_at(text, start))) return run_end(text, run_end(text, start, is_other), is_newline);
    // \s*[\r\n]+ goes up to the last line break of the run of spaces.
    const std::string_view spaces = text.substr(at, run_end(text, at, is_space) - at);
    const size_t newline = spaces.find_last_of("\r\n");
    return newline != std::string_view::npos ? at + newline + 1 : spaces_end(text, at);
}

// [\p{P}$+<=>^~|]+
bool is_default_mark(const Character& c) {
    static constexpr std::string_view kSymbols = "$+<=>^~|";
    return c.kind & kPunctuation ||
           (c.code_point < 0x80 && kSymbols.find(static_cast<char>(c.code_point)) != std::string_view::npos);
}

// End of the piece at `at` where runs of wanted characters are pieces, and what lies between them.
template <typename Wanted>
size_t alternating_end(std::string_view text, size_t at, Wanted wanted) {
    const bool inside = wanted(character_at(text, at));
    return run_end(text, at, [&](const Character& c) { return wanted(c) == inside; });
}

// [0-9][0-9][0-9] and what lies between.
size_t digit_triple_end(std::string_view text, size_t at) {
    auto triple = [&](size_t i) {
        return i + 3 <= text.size() &&
               std::all_of(text.begin() + i, text.begin() + i + 3, [](char c) { return c >= '0' && c <= '9'; });
    };
    if (triple(at)) return at + 3;
    size_t end = at + 1;
    while (end < text.size() && !triple(end)) ++end;
    return end;
}

}  // namespace

std::string_view PieceReader::next() {
    if (at_ >= text_.size()) return {};
    const size_t start = at_;
    auto within = [&](int stage) { return text_.substr(0, stage_end_[stage]); };
    switch (kind_) {
        case Pieces::kGpt2:
            at_ = gpt2_end(text_, at_);
            break;
        case Pieces::kLlama3:
            at_ = llama3_end(text_, at_, 3);
            break;
        case Pieces::kQwen2:
            at_ = llama3_end(text_, at_, 1);
            break;
        case Pieces::kSmollm:
            if (at_ >= stage_end_[0]) {
                const Character first = character_at(text_, at_);
                auto no_digit = [](const Character& c) { return !(c.kind & kDigit); };
                stage_end_[0] = first.kind & kDigit ? at_ + first.bytes : run_end(text_, at_, no_digit);
            }
            at_ = gpt2_end(within(0), at_);
            break;
        case Pieces::kDefault:
            if (at_ >= stage_end_[0]) stage_end_[0] = alternating_end(text_, at_, is_default_mark);
            if (at_ >= stage_end_[1]) stage_end_[1] = gpt2_end(within(0), at_);
            if (at_ >= stage_end_[2]) stage_end_[2] = alternating_end(within(1), at_, is_number);
            at_ = digit_triple_end(within(2), at_);
            break;
    }
    return text_.substr(start, at_ - start);
}

}  // namespace spatz::text
