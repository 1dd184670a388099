// Tokenizing against its definition, on small vocabularies. The ids of real ones are compared in Python, with the
// references.
#include <doctest/doctest.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "random.h"
#include "text/bpe.h"
#include "text/unicode.h"

namespace {

using namespace spatz::text;

// All bytes, "ab", "abab" and so on up to 16 letters, a control token and a user token.
BpeSpec small_spec() {
    BpeSpec spec;
    for (uint32_t byte = 0, next = 0x100; byte < 256; ++byte) {
        const bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
        const uint32_t c = printable ? byte : next++;
        spec.tokens.push_back(
            c < 0x80 ? std::string(1, static_cast<char>(c))
                     : std::string{static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 0x3F))});
    }
    for (std::string word = "ab", half = "a"; word.size() <= 16; half = word, word += word) {
        spec.merges.push_back(half + " " + (word == "ab" ? "b" : half));
        spec.tokens.push_back(word);
    }
    spec.kinds.assign(spec.tokens.size(), static_cast<uint8_t>(TokenKind::kNormal));
    spec.tokens.insert(spec.tokens.end(), {"<|end|>", "<u>"});
    spec.kinds.push_back(static_cast<uint8_t>(TokenKind::kControl));
    spec.kinds.push_back(static_cast<uint8_t>(TokenKind::kUser));
    return spec;
}

TEST_CASE("merging, special tokens, decoding") {
    const Bpe bpe(small_spec());
    CHECK(bpe.encode("abababab", false) == std::vector<int32_t>{258});
    CHECK(bpe.encode("<|end|>", true) == std::vector<int32_t>{260});
    CHECK(bpe.encode("<|end|>", false).size() == 7);
    CHECK(bpe.encode("<u>", false) == std::vector<int32_t>{261});
    CHECK(bpe.encode("", true).empty());
    CHECK(bpe.decode(std::vector<int32_t>{260, 256}, true) == "ab");
    CHECK(bpe.find("abab") == 257);
    CHECK(bpe.find("none") == -1);
    CHECK_THROWS_AS(bpe.token_bytes(-1), std::out_of_range);
    CHECK_THROWS_AS(bpe.token_bytes(bpe.size()), std::out_of_range);
}

TEST_CASE("any UTF-8 comes back, any other bytes are refused") {
    spatz::test::Random random(7);
    for (const Pieces pieces : {Pieces::kGpt2, Pieces::kSmollm, Pieces::kLlama3, Pieces::kQwen2, Pieces::kDefault}) {
        BpeSpec spec = small_spec();
        spec.pieces = pieces;
        const Bpe bpe(std::move(spec));
        for (int round = 0; round < 2000; ++round) {
            std::string text;
            for (int i = 0; i < round % 90; ++i)
                text.push_back("ab'<u>s1 \n\t\xC3\xA9\xE2\x98\x83\xF0\xED\xFF"[random.below(19)]);
            if (valid_utf8(text)) {
                CHECK(bpe.decode(bpe.encode(text, round % 2), false) == text);
            } else {
                CHECK_THROWS_AS(bpe.encode(text, false), std::invalid_argument);
            }
        }
        const std::string long_word(50001, 'a');
        CHECK(bpe.encode(long_word, false).size() == long_word.size());
    }
}

TEST_CASE("unsound vocabularies are refused") {
    auto refused = [](auto change) {
        BpeSpec spec = small_spec();
        change(spec);
        CHECK_THROWS_AS(Bpe{std::move(spec)}, std::invalid_argument);
    };
    refused([](BpeSpec& s) { s.tokens.clear(); });
    refused([](BpeSpec& s) { s.kinds.pop_back(); });
    refused([](BpeSpec& s) { s.kinds[0] = 9; });
    refused([](BpeSpec& s) { s.tokens[1] = s.tokens[0]; });
    refused([](BpeSpec& s) { s.tokens[1] = ""; });
    refused([](BpeSpec& s) { s.tokens[1] = "\xFF"; });
    refused([](BpeSpec& s) { s.merges[0] = "a"; });
    refused([](BpeSpec& s) { s.merges[0] = " "; });
    refused([](BpeSpec& s) { s.merges[0] = "a none"; });
    refused([](BpeSpec& s) { s.merges[1] = s.merges[0]; });
    refused([](BpeSpec& s) { s.unknown = 1 << 20; });
    refused([](BpeSpec& s) { s.byte_level = false; });  // no token for each byte
}

}  // namespace
