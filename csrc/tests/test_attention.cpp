// The attention kernels: pages, causal and windowed masks, splits that are merged, against the scalar reference.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "kernel_list.h"
#include "ops/half.h"
#include "ops/reference.h"
#include "random.h"

namespace {

using namespace spatz;
using namespace spatz::test;

constexpr float kLog2E = 1.44269504f;

const char* kind_name(KVKind kind) { return kind == KVKind::kInt8 ? "int8" : "bf16"; }

std::vector<float> rounded(KVKind kind, const std::vector<float>& x, int64_t group) {
    if (kind == KVKind::kInt8) return reference::dequantize_int8(reference::quantize_int8(x, group));
    std::vector<float> out;
    for (const float v : x) out.push_back(bf16_to_float(float_to_bf16(v)));
    return out;
}

// AttentionRows with buffers of exactly the size they need.
class OwnedRows {
  public:
    OwnedRows(int row_count, int head_dim)
        : q_(static_cast<size_t>(row_count * head_dim)),
          scale_(static_cast<size_t>(row_count)),
          offset_(scale_.size()),
          bf16_(q_.size()),
          out_(q_.size(), 0.0f),
          largest_(scale_.size(), -std::numeric_limits<float>::infinity()),
          total_(scale_.size(), 0.0f) {
        rows.rows = row_count;
        rows.head_dim = head_dim;
        rows.q = q_.data();
        rows.q_scale = scale_.data();
        rows.q_offset = offset_.data();
        rows.q_bf16 = bf16_.data();
        rows.out = out_.data();
        rows.largest = largest_.data();
        rows.total = total_.data();
    }
    // The attention's result of row r.
    std::vector<float> result(int r) const {
        std::vector<float> out;
        for (int i = 0; i < rows.head_dim; ++i) out.push_back(rows.out[r * rows.head_dim + i] / rows.total[r]);
        return out;
    }
    AttentionRows rows;

  private:
    std::vector<int8_t> q_;
    std::vector<float> scale_;
    std::vector<int32_t> offset_;
    std::vector<uint16_t> bf16_;
    std::vector<float> out_;
    std::vector<float> largest_;
    std::vector<float> total_;
};

// One KV head's history in pages of exactly their size.
struct History {
    History(const Kernels& kernels, KVKind kind, int head_dim, int64_t tokens, Random& random, float key_scale)
        : keys(random.normals(tokens * head_dim, key_scale)), values(random.normals(tokens * head_dim)) {
        const int64_t pages = (tokens + kPageTokens - 1) / kPageTokens;
        for (int64_t p = 0; p < pages; ++p) {
            pages_.emplace_back(static_cast<size_t>(kv_head_bytes(kind, head_dim) / 4));
            // What other sequences left behind must not matter: slots past the last token hold rubbish.
            const std::vector<float> rubbish = random.normals(head_dim, 50.0f);
            for (int slot = 0; slot < kPageTokens; ++slot)
                kernels.put_key_value(kind, rubbish.data(), rubbish.data(), head_dim, page(p), slot);
        }
        for (int64_t t = 0; t < tokens; ++t)
            kernels.put_key_value(kind, keys.data() + t * head_dim, values.data() + t * head_dim, head_dim,
                                  page(t / kPageTokens), static_cast<int>(t % kPageTokens));
    }
    uint8_t* page(int64_t p) { return reinterpret_cast<uint8_t*>(pages_[static_cast<size_t>(p)].data()); }

    std::vector<float> keys;    // [tokens, head_dim]
    std::vector<float> values;  // [tokens, head_dim]

  private:
    std::vector<std::vector<float>> pages_;
};

struct Row {
    int64_t position;
    int64_t window;
};

// Row i of `which` is query i; the pages from first_page on, to last_page.
void attend_pages(const Kernels& kernels, KVKind kind, OwnedRows& owned, History& history,
                  const std::vector<Row>& which, int64_t first_page, int64_t last_page) {
    for (int64_t p = first_page; p < last_page; ++p) {
        PageMask mask{};
        for (size_t r = 0; r < which.size(); ++r) {
            const int64_t start =
                which[r].window > 0 ? std::max<int64_t>(0, which[r].position - which[r].window + 1) : 0;
            mask.first[r] = static_cast<int>(std::clamp<int64_t>(start - p * kPageTokens, 0, kPageTokens));
            mask.last[r] =
                static_cast<int>(std::clamp<int64_t>(which[r].position + 1 - p * kPageTokens, 0, kPageTokens));
        }
        kernels.attend(kind, owned.rows, history.page(p), mask, nullptr);
    }
}

void put_queries(const Kernels& kernels, KVKind kind, OwnedRows& owned, const std::vector<float>& q, float scale) {
    for (int r = 0; r < owned.rows.rows; ++r)
        kernels.put_query(kind, q.data() + r * owned.rows.head_dim, scale * kLog2E, owned.rows, r);
}

}  // namespace

TEST_CASE("attention: rows of different positions and windows over several pages") {
    Random random(31);
    for (const Kernels* kernels : all_kernels()) {
        for (const KVKind kind : {KVKind::kInt8, KVKind::kBf16}) {
            for (const int head_dim : {16, 64, 80, 256}) {
                for (int rows = 1; rows <= kernels->max_rows; rows += head_dim == 64 ? 1 : 3) {
                    CAPTURE(std::string(isa_name(kernels->isa)));
                    CAPTURE(std::string(kind_name(kind)));
                    CAPTURE(head_dim);
                    CAPTURE(rows);
                    const int64_t tokens = 1 + random.below(500);
                    const float scale = 1.0f / std::sqrt(static_cast<float>(head_dim));
                    History history(*kernels, kind, head_dim, tokens, random, 2.0f);
                    std::vector<Row> which;
                    for (int r = 0; r < rows; ++r)
                        which.push_back({random.below(tokens), random.below(3) == 0 ? 1 + random.below(300) : 0});
                    const std::vector<float> q = random.normals(rows * head_dim);
                    OwnedRows owned(rows, head_dim);
                    put_queries(*kernels, kind, owned, q, scale);
                    attend_pages(*kernels, kind, owned, history, which, 0, (tokens + 127) / 128);
                    const std::vector<float> seen_q = rounded(kind, q, head_dim);
                    const std::vector<float> seen_keys = rounded(kind, history.keys, head_dim);
                    const std::vector<float> seen_values = rounded(kind, history.values, head_dim);
                    for (int r = 0; r < rows; ++r) {
                        const reference::AttentionShape shape{1, 1, head_dim, which[static_cast<size_t>(r)].window,
                                                              scale};
                        const std::vector<float> expected = reference::attention(
                            std::span(seen_q).subspan(static_cast<size_t>(r * head_dim), static_cast<size_t>(head_dim)),
                            seen_keys, seen_values, shape, which[static_cast<size_t>(r)].position);
                        const std::vector<float> got = owned.result(r);
                        // int8: weights have 7 bits of the page's largest, 14 where one stands out. bf16: weights are
                        // rounded to 8 bits.
                        const float tolerance = kind == KVKind::kInt8 ? 4e-3f : 1e-2f;
                        for (size_t i = 0; i < got.size(); ++i) CHECK(std::abs(got[i] - expected[i]) < tolerance);
                    }
                }
            }
        }
    }
}

TEST_CASE("attention: a row is the same to the bit whatever is computed beside it") {
    Random random(32);
    for (const Kernels* kernels : all_kernels()) {
        for (const KVKind kind : {KVKind::kInt8, KVKind::kBf16}) {
            CAPTURE(std::string(isa_name(kernels->isa)));
            CAPTURE(std::string(kind_name(kind)));
            const int head_dim = 64;
            const int64_t tokens = 390;
            History history(*kernels, kind, head_dim, tokens, random, 2.0f);
            for (int rows = 2; rows <= kernels->max_rows; ++rows) {
                CAPTURE(rows);
                std::vector<Row> which;
                for (int r = 0; r < rows; ++r)
                    which.push_back({random.below(tokens), random.below(2) == 0 ? 1 + random.below(200) : 0});
                const std::vector<float> q = random.normals(rows * head_dim);
                OwnedRows together(rows, head_dim);
                put_queries(*kernels, kind, together, q, 0.125f);
                attend_pages(*kernels, kind, together, history, which, 0, 4);
                for (int r = 0; r < rows; ++r) {
                    OwnedRows alone(1, head_dim);
                    kernels->put_query(kind, q.data() + r * head_dim, 0.125f * kLog2E, alone.rows, 0);
                    attend_pages(*kernels, kind, alone, history, {which[static_cast<size_t>(r)]}, 0, 4);
                    CHECK(together.rows.largest[r] == alone.rows.largest[0]);
                    CHECK(together.rows.total[r] == alone.rows.total[0]);
                    CHECK(std::equal(alone.rows.out, alone.rows.out + head_dim, together.rows.out + r * head_dim));
                }
            }
        }
    }
}

TEST_CASE("attention: parts of the history merge to the whole") {
    Random random(33);
    for (const Kernels* kernels : all_kernels()) {
        for (const KVKind kind : {KVKind::kInt8, KVKind::kBf16}) {
            CAPTURE(std::string(isa_name(kernels->isa)));
            CAPTURE(std::string(kind_name(kind)));
            const int head_dim = 64;
            const int rows = std::min(3, kernels->max_rows);
            const int64_t tokens = 900, pages = 8;
            History history(*kernels, kind, head_dim, tokens, random, 3.0f);
            // One sees all, one little at the end, one nothing but the first page.
            std::vector<Row> which = {{899, 0}, {899, 20}, {70, 0}};
            which.resize(static_cast<size_t>(rows));
            const std::vector<float> q = random.normals(rows * head_dim);
            OwnedRows whole(rows, head_dim);
            put_queries(*kernels, kind, whole, q, 0.125f);
            attend_pages(*kernels, kind, whole, history, which, 0, pages);
            for (int64_t step = 1; step <= 4; ++step) {
                OwnedRows merged(rows, head_dim);
                for (int64_t p = 0; p < pages; p += step) {
                    OwnedRows part(rows, head_dim);
                    put_queries(*kernels, kind, part, q, 0.125f);
                    attend_pages(*kernels, kind, part, history, which, p, std::min(pages, p + step));
                    kernels->merge(merged.rows, part.rows);
                }
                // Weights are rounded relative to the largest score seen so far, so the cut shows in their last bit.
                const float tolerance = kind == KVKind::kInt8 ? 4e-3f : 1e-2f;
                for (int r = 0; r < rows; ++r) {
                    const std::vector<float> expected = whole.result(r);
                    const std::vector<float> got = merged.result(r);
                    for (size_t i = 0; i < got.size(); ++i) CHECK(std::abs(got[i] - expected[i]) < tolerance);
                }
            }
        }
    }
}

TEST_CASE("attention: one sharp key among many, and an attention sink") {
    Random random(34);
    for (const Kernels* kernels : all_kernels()) {
        for (const KVKind kind : {KVKind::kInt8, KVKind::kBf16}) {
            CAPTURE(std::string(isa_name(kernels->isa)));
            CAPTURE(std::string(kind_name(kind)));
            const int head_dim = 64;
            const int64_t tokens = 300;
            History history(*kernels, kind, head_dim, tokens, random, 0.5f);
            const std::vector<float> q = random.normals(head_dim);
            // A key along q draws nearly everything; the rest must neither vanish nor overflow.
            for (const float sharpness : {0.5f, 2.0f, 30.0f}) {
                for (const int64_t at : {int64_t{0}, int64_t{150}, int64_t{299}}) {
                    std::vector<float> key = q;
                    for (float& v : key) v *= sharpness;
                    const auto place = static_cast<size_t>(at * head_dim);
                    const std::vector<float> before(history.keys.begin() + at * head_dim,
                                                    history.keys.begin() + (at + 1) * head_dim);
                    std::copy(key.begin(), key.end(), history.keys.begin() + at * head_dim);
                    kernels->put_key_value(kind, key.data(), history.values.data() + place, head_dim,
                                           history.page(at / kPageTokens), static_cast<int>(at % kPageTokens));
                    OwnedRows owned(1, head_dim);
                    put_queries(*kernels, kind, owned, q, 0.125f);
                    attend_pages(*kernels, kind, owned, history, {{tokens - 1, 0}}, 0, 3);
                    const std::vector<float> expected = reference::attention(
                        rounded(kind, q, head_dim), rounded(kind, history.keys, head_dim),
                        rounded(kind, history.values, head_dim), {1, 1, head_dim, 0, 0.125f}, tokens - 1);
                    const std::vector<float> got = owned.result(0);
                    const float tolerance = kind == KVKind::kInt8 ? 4e-3f : 1.5e-2f;
                    for (size_t i = 0; i < got.size(); ++i) CHECK(std::abs(got[i] - expected[i]) < tolerance);
                    std::copy(before.begin(), before.end(), history.keys.begin() + at * head_dim);
                    kernels->put_key_value(kind, before.data(), history.values.data() + place, head_dim,
                                           history.page(at / kPageTokens), static_cast<int>(at % kPageTokens));
                }
            }
        }
    }
}

TEST_CASE("attention: keys, values and queries of zeros or of no numbers stay finite") {
    constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
    constexpr float kInf = std::numeric_limits<float>::infinity();
    for (const Kernels* kernels : all_kernels()) {
        for (const KVKind kind : {KVKind::kInt8, KVKind::kBf16}) {
            for (const float odd : {0.0f, 1e-45f, 1e-38f, kNan, kInf}) {
                CAPTURE(std::string(isa_name(kernels->isa)));
                CAPTURE(std::string(kind_name(kind)));
                CAPTURE(odd);
                const int head_dim = 64;
                Random random(35);
                History history(*kernels, kind, head_dim, 40, random, 1.0f);
                std::vector<float> vector(64, odd);
                kernels->put_key_value(kind, vector.data(), vector.data(), head_dim, history.page(0), 7);
                vector[3] = 1.0f;
                kernels->put_key_value(kind, vector.data(), vector.data(), head_dim, history.page(0), 8);
                for (const bool mixed : {false, true}) {
                    vector.assign(64, odd);
                    if (mixed) vector[40] = -1.0f;
                    OwnedRows owned(1, head_dim);
                    put_queries(*kernels, kind, owned, vector, 0.125f);
                    attend_pages(*kernels, kind, owned, history, {{39, 0}}, 0, 1);
                    for (const float v : owned.result(0)) CHECK(std::abs(v) < 10.0f);
                }
            }
        }
    }
}
