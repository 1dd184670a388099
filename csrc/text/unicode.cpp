#include "text/unicode.h"

#include <span>

#include "text/unicode_ranges.h"

namespace spatz::text {
namespace {

constexpr uint32_t kCodePoints = 0x110000;

// One byte per code point. It lies in zero-initialized memory, of which only the pages that hold a class are ever
// touched.
struct Classes {
    Classes() {
        mark(kLetterRanges, kLetter);
        mark(kNumberRanges, kNumber);
        mark(kSpaceRanges, kSpace);
        mark(kPunctuationRanges, kPunctuation);
        mark(kDigitRanges, kDigit);
    }
    void mark(std::span<const CodePoints> ranges, uint8_t bit) {
        for (const CodePoints& range : ranges)
            for (uint32_t c = range.first; c <= range.last; ++c) of[c] |= bit;
    }
    static uint8_t of[kCodePoints];
};
uint8_t Classes::of[kCodePoints];

const uint8_t* classes() {
    static const Classes filled;
    return filled.of;
}

}  // namespace

uint8_t char_class(uint32_t code_point) { return classes()[code_point]; }

bool valid_utf8(std::string_view bytes) {
    const auto* p = reinterpret_cast<const uint8_t*>(bytes.data());
    const auto* end = p + bytes.size();
    auto tail = [&](int count) {
        if (end - p <= count) return false;
        for (int i = 1; i <= count; ++i)
            if ((p[i] & 0xC0) != 0x80) return false;
        return true;
    };
    while (p < end) {
        if (*p < 0x80) {
            ++p;
        } else if (*p >= 0xC2 && *p <= 0xDF) {
            if (!tail(1)) return false;
            p += 2;
        } else if ((*p & 0xF0) == 0xE0) {
            if (!tail(2) || (*p == 0xE0 && p[1] < 0xA0) || (*p == 0xED && p[1] > 0x9F)) return false;
            p += 3;
        } else if (*p >= 0xF0 && *p <= 0xF4) {
            if (!tail(3) || (*p == 0xF0 && p[1] < 0x90) || (*p == 0xF4 && p[1] > 0x8F)) return false;
            p += 4;
        } else {
            return false;
        }
    }
    return true;
}

Character character_at(std::string_view bytes, size_t at) {
    const auto* p = reinterpret_cast<const uint8_t*>(bytes.data()) + at;
    uint32_t c = p[0];
    uint8_t length = 1;
    if (c >= 0xF0) {
        c = (c & 0x07) << 18 | (p[1] & 0x3Fu) << 12 | (p[2] & 0x3Fu) << 6 | (p[3] & 0x3Fu);
        length = 4;
    } else if (c >= 0xE0) {
        c = (c & 0x0F) << 12 | (p[1] & 0x3Fu) << 6 | (p[2] & 0x3Fu);
        length = 3;
    } else if (c >= 0x80) {
        c = (c & 0x1F) << 6 | (p[1] & 0x3Fu);
        length = 2;
    }
    return {c, length, char_class(c)};
}

}  // namespace spatz::text
