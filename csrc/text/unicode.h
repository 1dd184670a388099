// Character classes and UTF-8, as pre-tokenizers need them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace spatz::text {

// Bits of a code point's class.
enum : uint8_t { kLetter = 1, kNumber = 2, kSpace = 4, kPunctuation = 8, kDigit = 16 };

// Class bits of a code point below 0x110000.
uint8_t char_class(uint32_t code_point);

// Whether the bytes are well-formed UTF-8 (no surrogates, no overlong forms, nothing past U+10FFFF).
bool valid_utf8(std::string_view bytes);

// Bytes of the character that starts with this byte, in well-formed UTF-8.
inline size_t utf8_length(char lead) {
    const auto byte = static_cast<uint8_t>(lead);
    return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

// One character of well-formed UTF-8.
struct Character {
    uint32_t code_point;
    uint8_t bytes;
    uint8_t kind;  // class bits
};

// The character at bytes[at]; at < bytes.size(), well-formed UTF-8.
Character character_at(std::string_view bytes, size_t at);

}  // namespace spatz::text
