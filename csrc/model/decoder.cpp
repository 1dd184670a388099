#include "model/decoder.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <exception>
#include <stdexcept>

#include "model/linear.h"
#include "model/rope.h"

namespace spatz {
namespace {

// Rows whose logits are held at once: [48, vocab] floats.
constexpr int64_t kLogitRows = 48;
// Below this many tiles per thread, weights are shared out instead of tokens.
constexpr int64_t kTilesPerThread = 4;
// Up to this many tokens, every thread normalizes and quantizes all of them itself.
constexpr int64_t kRowsDoneTwice = 2;

// From which multiple of a row's root mean square a value counts as an outlier (see Tile). Measured with SmolLM2-135M
// against float32, of the next tokens that differ: 2.9 % without; 0.8 % with these, for 6 % more dot products. The
// head's own share was half of it, so it is refined the most; refined throughout, it took a quarter of a step of 16
// sequences for 0.1 % more.
constexpr float kNormedOutlier = 10.0f;
constexpr float kOtherOutlier = 16.0f;
constexpr float kHeadOutlier = 4.0f;

}  // namespace

// One forward pass. With many tokens each task takes a tile of rows through a whole layer, its activations staying in
// the core's own cache, and waits for nothing but the keys and values of the tiles before it. With few tokens the time
// goes into reading weights, and each matrix is shared out by panels instead.
struct Decoder::Step {
    Decoder& d;
    const KVCache& cache;
    const Batch& batch;
    const OnLogits& on_logits;
    const Shares* shares;  // null, as almost always: nobody asks where attention goes
    const ModelConfig& c = d.config_;
    const Kernels& kernels = d.kernels_;
    const Widths& w = d.widths_;
    Attention attention{d.config_, d.kernels_, cache, batch};
    const int64_t max_rows = d.kernels_.max_rows;
    const bool by_panels = shares != nullptr || batch.size() < kTilesPerThread * d.pool_.threads() * max_rows;
    const int64_t tile_rows = by_panels ? even_rows() : max_rows;
    const int64_t tiles = ceil_div(batch.size(), tile_rows);
    std::mutex failure_lock{};
    std::exception_ptr failure{};

    // Rows of a tile when tiles are shared out over all threads between two matrices: as many tiles for each.
    int64_t even_rows() const {
        if (batch.size() <= kRowsDoneTwice) return batch.size();
        const int64_t rounds = ceil_div(batch.size(), max_rows * d.pool_.threads());
        return ceil_div(batch.size(), std::min(batch.size(), rounds * d.pool_.threads()));
    }

    // Rows of tile i: [first, first + count).
    int64_t first_row(int64_t tile) const { return tile * tile_rows; }
    int row_count(int64_t tile) const { return static_cast<int>(std::min(tile_rows, batch.size() - first_row(tile))); }

    ThreadScratch& scratch(const Team& team) { return d.scratch_[static_cast<size_t>(team.thread())]; }

    // ---- pieces that both modes share ----

    void embed(int64_t first, int64_t count) {
        for (int64_t t = first; t < first + count; ++t) {
            float* x = d.x_.data() + t * w.hidden;
            if (const float* given = batch.embedding(t); given != nullptr) {
                std::copy_n(given, c.hidden, x);
                std::fill(x + c.hidden, x + w.hidden, 0.0f);
                continue;  // not scaled: it is what the first layer reads
            }
            unpack_row(d.weights_.embed(), batch.token(t), x);
            if (c.embedding_scale != 1.0) {
                for (int64_t i = 0; i < c.hidden; ++i) x[i] *= static_cast<float>(c.embedding_scale);
            }
        }
        const int64_t pairs = c.rotated() / 2;
        for (size_t rope = 0; rope < d.ropes_.size(); ++rope) {
            for (int64_t t = first; t < first + count; ++t) {
                for (int64_t i = 0; i < pairs; ++i) {
                    const double angle =
                        static_cast<double>(batch.place(t)) * d.frequencies_[rope][static_cast<size_t>(i)];
                    d.ropes_[rope].cos[static_cast<size_t>(t * pairs + i)] = static_cast<float>(std::cos(angle));
                    d.ropes_[rope].sin[static_cast<size_t>(t * pairs + i)] = static_cast<float>(std::sin(angle));
                }
            }
        }
    }

    void fill(const Tile& tile, float* x, int64_t stride, float outlier,
              std::initializer_list<const PackedMatrix*> readers) {
        fill_tile(kernels, tile, x, stride, outlier, readers);
    }

    Tile norm(const TileBuffer& buffer, const float* x, int rows, const float* weight, float* scratch,
              std::initializer_list<const PackedMatrix*> readers, float outlier = kNormedOutlier) {
        kernels.rms_norm(x, w.hidden, rows, c.hidden, weight, static_cast<float>(c.norm_eps), scratch, w.hidden);
        const Tile tile = buffer.tile(rows, w.hidden);
        fill(tile, scratch, w.hidden, outlier, readers);
        return tile;
    }

    void multiply(const PackedMatrix& m, int64_t first_panel, int64_t panels, const Tile& tile, const float* bias,
                  float* out, int64_t stride, bool accumulate = false) {
        multiply_panels(kernels, m, first_panel, panels, tile, bias, out, stride, accumulate);
    }

    void norm_head(float* x, const float* weight) {
        if (weight == nullptr) return;
        kernels.rms_norm(x, c.head_dim, 1, c.head_dim, weight, static_cast<float>(c.norm_eps), x, c.head_dim);
    }

    // Rotates the queries and keys of tokens [first, first + count) and writes keys and values into their pages.
    void place(int64_t layer, int64_t first, int64_t count) {
        const LayerWeights& l = d.weights_.layer(layer);
        const RopeTable& table = d.ropes_[static_cast<size_t>(d.rope_of_layer_[static_cast<size_t>(layer)])];
        const int64_t dims = c.rotated();
        for (int64_t t = first; t < first + count; ++t) {
            const float* cos = table.cos.data() + t * (dims / 2);
            const float* sin = table.sin.data() + t * (dims / 2);
            for (int64_t h = 0; h < c.heads; ++h) {
                float* q = d.q_.data() + t * w.query + h * c.head_dim;
                norm_head(q, l.q_norm);
                rope(q, dims, c.rope_interleaved, cos, sin);
            }
            const int64_t page = batch.page(batch.sequence(t), batch.position(t) / kPageTokens);
            for (int64_t h = 0; h < c.kv_heads; ++h) {
                float* k = d.k_.data() + t * w.kv + h * c.head_dim;
                norm_head(k, l.k_norm);
                rope(k, dims, c.rope_interleaved, cos, sin);
                kernels.put_key_value(cache.kind(), k, d.v_.data() + t * w.kv + h * c.head_dim,
                                      static_cast<int>(c.head_dim), cache.head(page, layer, h),
                                      static_cast<int>(batch.position(t) % kPageTokens));
            }
        }
    }

    // Calls body(span) for the query rows of tokens [first, first + count), no span crossing a sequence.
    template <typename Body>
    void for_spans(int64_t first, int64_t count, Body&& body) {
        for (int64_t t = first; t < first + count;) {
            const int64_t s = batch.sequence(t);
            const int64_t tokens = std::min(first + count, batch.end(s)) - t;
            const int64_t rows = tokens * c.group();
            for (int64_t head = 0; head < c.kv_heads; ++head) {
                for (int64_t row = 0; row < rows; row += max_rows) {
                    body(AttentionSpan{s, t, row, static_cast<int>(std::min(max_rows, rows - row)), head});
                }
            }
            t += tokens;
        }
    }

    // ---- many tokens: a tile of rows at a time ----

    void project_tile(int64_t layer, int64_t tile_index, ThreadScratch& own) {
        const LayerWeights& l = d.weights_.layer(layer);
        const int64_t first = first_row(tile_index);
        const int rows = row_count(tile_index);
        const Tile tile =
            norm(own.tile, d.x_.data() + first * w.hidden, rows, l.attn_norm, own.rows.data(), {&l.q, &l.k, &l.v});
        multiply(l.q, 0, l.q.panels(), tile, l.q_bias, d.q_.data() + first * w.query, w.query);
        multiply(l.k, 0, l.k.panels(), tile, l.k_bias, d.k_.data() + first * w.kv, w.kv);
        multiply(l.v, 0, l.v.panels(), tile, l.v_bias, d.v_.data() + first * w.kv, w.kv);
        place(layer, first, rows);
    }

    void attend_tile(int64_t layer, int64_t tile_index, ThreadScratch& own) {
        const int64_t first = first_row(tile_index);
        std::vector<AttentionSpan>& same = own.spans;  // of one KV head and the same tokens
        same.clear();
        for_spans(first, row_count(tile_index), [&](const AttentionSpan& span) {
            if (!same.empty() && span.first_row == 0) attend_spans(layer, same, own, first);
            same.push_back(span);
        });
        attend_spans(layer, same, own, first);
    }

    // Attention of spans of one KV head and the same tokens, all their splits, into own.rows; clears spans.
    void attend_spans(int64_t layer, std::vector<AttentionSpan>& same, ThreadScratch& own, int64_t first_token) {
        own.parts.clear();
        const auto count = static_cast<int64_t>(same.size());
        for (int64_t i = 0; i < count; ++i) {
            const AttentionSpan& span = same[static_cast<size_t>(i)];
            own.parts.push_back(own.attention.rows(i, span.rows));
            attention.put_queries(span, d.q_.data(), w.query, own.parts.back());
            Attention::clear(own.attention.rows(count + i, span.rows));
        }
        const int64_t begin = attention.splits(same.front(), layer).first;
        const int64_t end = attention.splits(same.back(), layer).second;
        for (int64_t split = begin; split < end; ++split) {
            attention.run_split(same, layer, split, own.parts);
            for (int64_t i = 0; i < count; ++i) {
                const AttentionRows& part = own.parts[static_cast<size_t>(i)];
                kernels.merge(own.attention.rows(count + i, part.rows), part);
            }
        }
        for (int64_t i = 0; i < count; ++i) {
            const AttentionSpan& span = same[static_cast<size_t>(i)];
            attention.finish(span, own.attention.rows(count + i, span.rows),
                             own.rows.data() + (span.first_token - first_token) * w.query, w.query);
        }
        same.clear();
    }

    // x += post_norm(m . tile + bias), with or without a post-norm.
    void add_product(const PackedMatrix& m, const Tile& tile, const float* bias, const float* post_norm, float* x,
                     float* scratch) {
        if (post_norm == nullptr) {
            multiply(m, 0, m.panels(), tile, bias, x, w.hidden, true);
            return;
        }
        multiply(m, 0, m.panels(), tile, bias, scratch, w.hidden);
        add_normed(scratch, tile.rows, post_norm, x);
    }

    void add_normed(float* delta, int rows, const float* weight, float* x) {
        kernels.rms_norm(delta, w.hidden, rows, c.hidden, weight, static_cast<float>(c.norm_eps), delta, w.hidden);
        kernels.add(x, delta, rows * w.hidden);
    }

    void finish_layer_tile(int64_t layer, int64_t tile_index, ThreadScratch& own) {
        const LayerWeights& l = d.weights_.layer(layer);
        const int rows = row_count(tile_index);
        float* x = d.x_.data() + first_row(tile_index) * w.hidden;
        attend_tile(layer, tile_index, own);
        Tile tile = own.tile.tile(rows, w.query);
        fill(tile, own.rows.data(), w.query, kOtherOutlier, {&l.out});
        add_product(l.out, tile, l.out_bias, l.attn_post_norm, x, own.other.data());

        tile = norm(own.tile, x, rows, l.ffn_norm, own.rows.data(), {&l.gate, &l.up});
        gated_panels(l, 0, l.gate.panels(), tile, own.rows.data(), own.other.data());
        tile = own.tile.tile(rows, w.intermediate);
        fill(tile, own.rows.data(), w.intermediate, kOtherOutlier, {&l.down});
        add_product(l.down, tile, nullptr, l.ffn_post_norm, x, own.other.data());
    }

    // Panels [first, first + count) of activation(gate . tile) * (up . tile) into out [rows, intermediate].
    // scratch: [rows, 8 panels]
    void gated_panels(const LayerWeights& l, int64_t first, int64_t count, const Tile& tile, float* out,
                      float* scratch) {
        constexpr int64_t kStride = kGatedColumns;
        constexpr int64_t kAtOnce = kStride / kPanel;
        for (int64_t panel = first; panel < first + count; panel += kAtOnce) {
            const int64_t n = std::min(kAtOnce, first + count - panel);
            multiply(l.gate, panel, n, tile, nullptr, out, w.intermediate);
            kernels.matmul(l.up.format, l.up.panel(panel), n, tile, nullptr, scratch, kStride, false);
            for (int r = 0; r < tile.rows; ++r) {
                kernels.gated(c.activation_kind(), out + r * w.intermediate + panel * kPanel, scratch + r * kStride,
                              n * kPanel);
            }
        }
    }

    bool wanted(int64_t tile_index) const {
        const auto rows = batch.rows();
        const auto next = std::lower_bound(rows.begin(), rows.end(), first_row(tile_index));
        return next != rows.end() && *next < first_row(tile_index) + row_count(tile_index);
    }

    // Tasks in order: every tile of layer 0, then of layer 1, and so on. A tile may start as soon as it and all tiles
    // before it are through the layer before, since a token looks back and never ahead. With a barrier between layers
    // instead, each waited for its slowest tile, 5 % of the time.
    std::vector<std::atomic<uint8_t>> through{};  // [layers, tiles] whether project_tile is done
    std::atomic<int64_t> next_task{0};

    void plan_rows() { through = std::vector<std::atomic<uint8_t>>(static_cast<size_t>(batch.layers() * tiles)); }

    void wait_for(int64_t layer, int64_t tile) const {
        for (int64_t i = tile; i >= 0; --i) {
            const std::atomic<uint8_t>& done = through[static_cast<size_t>(layer * tiles + i)];
            for (int spins = 0; done.load(std::memory_order_acquire) == 0; ++spins) pause_or_yield(spins);
        }
    }

    void run_by_rows(Team& team) {
        ThreadScratch& own = scratch(team);
        const int64_t tasks = (batch.layers() + 1) * tiles;
        for (int64_t task = next_task.fetch_add(1); task < tasks; task = next_task.fetch_add(1)) {
            const int64_t layer = task / tiles;  // whose project_tile this task ends with
            const int64_t tile = task % tiles;
            if (layer == 0) {
                embed(first_row(tile), row_count(tile));
            } else if (layer < batch.layers() || wanted(tile)) {  // nothing reads the other rows of the last layer
                wait_for(layer - 1, tile);
                finish_layer_tile(layer - 1, tile, own);
            }
            if (layer == batch.layers()) continue;
            project_tile(layer, tile, own);
            through[static_cast<size_t>(layer * tiles + tile)].store(1, std::memory_order_release);
        }
        team.barrier();
    }

    // ---- few tokens: a share of the panels at a time ----
    //
    // With very few, what comes between two matrices (norms, quantization, merging of splits) takes less time than a
    // barrier: each thread then does all of it for itself, into a tile of its own.
    const bool alone = batch.size() <= kRowsDoneTwice && w.query == c.query_width() && w.intermediate == c.intermediate;

    struct Product {
        const PackedMatrix* matrix;
        const float* bias;
        float* out;
        int64_t stride;
    };

    // out = matrix . tiles + bias for each product, the panels of all of them shared out.
    void multiply_all(Team& team, std::initializer_list<Product> products, bool accumulate) {
        int64_t panels = 0;
        for (const Product& p : products) panels += p.matrix->panels();
        // A few shares per thread even out what the system takes away from one of them.
        const int64_t each = std::max<int64_t>(1, ceil_div(panels, team.threads() * int64_t{4}));
        team.parallel_for(ceil_div(panels, each), [&](int64_t share) {
            int64_t begin = share * each;
            const int64_t end = std::min(panels, begin + each);
            int64_t base = 0;
            for (const Product& p : products) {
                const int64_t stop = std::min(end, base + p.matrix->panels());
                if (begin < stop) {
                    for (int64_t tile = 0; tile < tiles; ++tile) {
                        multiply(*p.matrix, begin - base, stop - begin, tile_of(team, tile, p.matrix->k_padded), p.bias,
                                 p.out + first_row(tile) * p.stride, p.stride, accumulate);
                    }
                    begin = stop;
                }
                base += p.matrix->panels();
            }
        });
    }

    Tile tile_of(const Team& team, int64_t tile, int64_t k) {
        const TileBuffer& buffer = alone ? scratch(team).tile : d.tiles_[static_cast<size_t>(tile)];
        return buffer.tile(row_count(tile), k);
    }

    template <typename Body>
    void each_tile(Team& team, Body&& body) {
        team.parallel_for(tiles, [&](int64_t tile) { body(tile, d.scratch_[static_cast<size_t>(team.thread())]); });
    }

    void norm_tiles(Team& team, const float* weight, std::initializer_list<const PackedMatrix*> readers) {
        if (alone) {
            norm(scratch(team).tile, d.x_.data(), row_count(0), weight, scratch(team).rows.data(), readers);
            return;
        }
        each_tile(team, [&](int64_t tile, ThreadScratch& own) {
            norm(d.tiles_[static_cast<size_t>(tile)], d.x_.data() + first_row(tile) * w.hidden, row_count(tile), weight,
                 own.rows.data(), readers);
        });
    }

    // x += post_norm(m . tiles + bias)
    void add_product_all(Team& team, const PackedMatrix& m, const float* bias, const float* post_norm) {
        if (post_norm == nullptr) {
            multiply_all(team, {{&m, bias, d.x_.data(), w.hidden}}, true);
            return;
        }
        multiply_all(team, {{&m, bias, d.delta_.data(), w.hidden}}, false);
        each_tile(team, [&](int64_t tile, ThreadScratch&) {
            const int64_t at = first_row(tile) * w.hidden;
            add_normed(d.delta_.data() + at, row_count(tile), post_norm, d.x_.data() + at);
        });
    }

    // How the attention of layers with one window is cut into tasks: one split of one span, or of the spans of all KV
    // heads of the same tokens.
    struct SplitTask {
        size_t first_span;
        size_t spans;
        int64_t split;
        int64_t part;    // state of the first span
        int64_t stride;  // to the state of the next
    };
    struct AttentionPlan {
        int64_t window;
        std::vector<SplitTask> tasks;
        std::vector<int64_t> first_part;  // [spans + 1] states of each span, in order of its splits
    };
    std::vector<AttentionSpan> spans{};
    std::vector<AttentionPlan> plans{};
    std::vector<size_t> plan_of_layer{};

    void plan_attention() {
        for_spans(0, batch.size(), [&](const AttentionSpan& span) { spans.push_back(span); });
        for (int64_t layer = 0; layer < c.layers; ++layer) {
            const int64_t window = c.window[static_cast<size_t>(layer)];
            const auto known =
                std::find_if(plans.begin(), plans.end(), [&](const auto& p) { return p.window == window; });
            plan_of_layer.push_back(static_cast<size_t>(known - plans.begin()));
            if (known == plans.end()) plans.push_back(plan_layer(layer));
        }
        int64_t most = 0;
        for (const AttentionPlan& plan : plans) most = std::max(most, plan.first_part.back());
        if (d.parts_.count() < most) d.parts_ = AttentionBuffer(most, max_rows, c.head_dim);
    }

    AttentionPlan plan_layer(int64_t layer) const {
        AttentionPlan plan{c.window[static_cast<size_t>(layer)], {}, {0}};
        for (const AttentionSpan& span : spans) {
            const auto [begin, end] = attention.splits(span, layer);
            plan.first_part.push_back(plan.first_part.back() + end - begin);
        }
        // All heads together read memory best; each on its own makes more tasks, where there would be too few.
        constexpr int64_t kTasksPerThread = 4;
        const bool together = plan.first_part.back() / c.kv_heads >= kTasksPerThread * d.pool_.threads();
        for (size_t i = 0; i < spans.size();) {
            // for_spans gives the heads of the same tokens one after another if each has one span.
            const bool whole = spans[i].first_row == 0 && i + static_cast<size_t>(c.kv_heads) <= spans.size() &&
                               (c.kv_heads == 1 || spans[i + 1].kv_head == spans[i].kv_head + 1) &&
                               spans[i].kv_head == 0;
            const size_t count = together && whole ? static_cast<size_t>(c.kv_heads) : 1;
            const auto [begin, end] = attention.splits(spans[i], layer);
            for (int64_t split = begin; split < end; ++split) {
                plan.tasks.push_back({i, count, split, plan.first_part[i] + split - begin, end - begin});
            }
            i += count;
        }
        return plan;
    }

    void attend_all(Team& team, int64_t layer) {
        const AttentionPlan& plan = plans[plan_of_layer[static_cast<size_t>(layer)]];
        team.parallel_for(static_cast<int64_t>(plan.tasks.size()), [&](int64_t i) {
            const SplitTask& task = plan.tasks[static_cast<size_t>(i)];
            std::vector<AttentionRows>& parts = scratch(team).parts;
            parts.clear();
            for (size_t s = 0; s < task.spans; ++s) {
                const AttentionSpan& span = spans[task.first_span + s];
                parts.push_back(d.parts_.rows(task.part + static_cast<int64_t>(s) * task.stride, span.rows));
                attention.put_queries(span, d.q_.data(), w.query, parts.back());
            }
            attention.run_split({&spans[task.first_span], task.spans}, layer, task.split, parts);
        });
        if (alone) {
            for (size_t i = 0; i < spans.size(); ++i) merge_splits(plan, i, scratch(team), scratch(team).rows.data());
            fill(tile_of(team, 0, w.query), scratch(team).rows.data(), w.query, kOtherOutlier,
                 {&d.weights_.layer(layer).out});
            return;
        }
        team.parallel_for(static_cast<int64_t>(spans.size()),
                          [&](int64_t i) { merge_splits(plan, static_cast<size_t>(i), scratch(team), d.mid_.data()); });
        fill_tiles(team, w.query, d.weights_.layer(layer).out);
    }

    // out: [T, query]
    void merge_splits(const AttentionPlan& plan, size_t i, ThreadScratch& own, float* out) {
        const AttentionSpan& span = spans[i];
        const AttentionRows whole = own.attention.rows(0, span.rows);
        Attention::clear(whole);
        for (int64_t part = plan.first_part[i]; part < plan.first_part[i + 1]; ++part) {
            kernels.merge(whole, d.parts_.rows(part, span.rows));
        }
        attention.finish(span, whole, out + span.first_token * w.query, w.query);
    }

    // How much of its attention each head of the wanted rows pays to their ranges; the layer's queries are in q_.
    void share_all(Team& team, int64_t layer) {
        const auto rows = static_cast<int64_t>(batch.rows().size());
        team.parallel_for(rows * c.kv_heads, [&](int64_t i) {
            const int64_t row = i / c.kv_heads;
            const int64_t t = batch.rows()[static_cast<size_t>(row)];
            const int32_t* range = shares->ranges.data() + 2 * row;
            float* out = shares->out.data() + (row * c.layers + layer) * c.heads + i % c.kv_heads * c.group();
            const AttentionBuffer& states = scratch(team).attention;
            for (int64_t head = 0; head < c.group(); head += max_rows) {
                const auto count = static_cast<int>(std::min(max_rows, c.group() - head));
                const AttentionSpan span{batch.sequence(t), t, head, count, i % c.kv_heads};
                const AttentionRows part = states.rows(0, count);
                const AttentionRows whole = states.rows(1, count);
                attention.put_queries(span, d.q_.data(), w.query, part);
                Attention::clear(whole);
                const auto [begin, end] = attention.splits(span, layer);
                for (int64_t split = begin; split < end; ++split) {
                    attention.run_split({&span, 1}, layer, split, {&part, 1});
                    kernels.merge(whole, part);
                }
                attention.run_range(span, layer, range[0], range[1], part);
                for (int r = 0; r < count; ++r) {
                    const bool any = part.total[r] > 0.0f && whole.total[r] > 0.0f;
                    out[head + r] =
                        any ? part.total[r] / whole.total[r] * std::exp2(part.largest[r] - whole.largest[r]) : 0.0f;
                }
            }
        });
    }

    // Quantizes mid_ for the matrix that reads it.
    void fill_tiles(Team& team, int64_t k, const PackedMatrix& reader) {
        if (alone) {
            fill(tile_of(team, 0, k), d.mid_.data(), k, kOtherOutlier, {&reader});
            return;
        }
        each_tile(team, [&](int64_t tile, ThreadScratch&) {
            fill(tile_of(team, tile, k), d.mid_.data() + first_row(tile) * k, k, kOtherOutlier, {&reader});
        });
    }

    void run_by_panels(Team& team) {
        each_tile(team, [&](int64_t tile, ThreadScratch&) { embed(first_row(tile), row_count(tile)); });
        for (int64_t layer = 0; layer < batch.layers(); ++layer) {
            const LayerWeights& l = d.weights_.layer(layer);
            norm_tiles(team, l.attn_norm, {&l.q, &l.k, &l.v});
            multiply_all(team,
                         {{&l.q, l.q_bias, d.q_.data(), w.query},
                          {&l.k, l.k_bias, d.k_.data(), w.kv},
                          {&l.v, l.v_bias, d.v_.data(), w.kv}},
                         false);
            team.parallel_for(batch.size(), [&](int64_t t) { place(layer, t, 1); });
            if (layer + 1 == batch.layers() && batch.rows().empty()) break;  // nobody reads what comes after
            attend_all(team, layer);
            if (shares != nullptr) share_all(team, layer);
            add_product_all(team, l.out, l.out_bias, l.attn_post_norm);

            norm_tiles(team, l.ffn_norm, {&l.gate, &l.up});
            const int64_t panels = l.gate.panels();
            const int64_t each = std::max<int64_t>(1, ceil_div(panels, team.threads() * int64_t{4}));
            team.parallel_for(ceil_div(panels, each), [&](int64_t share) {
                float* up = scratch(team).other.data();
                for (int64_t tile = 0; tile < tiles; ++tile) {
                    gated_panels(l, share * each, std::min(each, panels - share * each), tile_of(team, tile, w.hidden),
                                 d.mid_.data() + first_row(tile) * w.intermediate, up);
                }
            });
            fill_tiles(team, w.intermediate, l.down);
            add_product_all(team, l.down, nullptr, l.ffn_post_norm);
        }
    }

    // ---- the head ----

    void logits(Team& team) {
        const PackedMatrix& head = d.weights_.head();
        const auto rows = batch.rows();
        const auto count = static_cast<int64_t>(rows.size());
        for (int64_t begin = 0; begin < count; begin += kLogitRows) {
            const int64_t n = std::min(kLogitRows, count - begin);
            const int64_t head_tiles = ceil_div(n, max_rows);
            const auto rows_of = [&](int64_t tile) {
                return static_cast<int>(std::min(max_rows, n - tile * max_rows));
            };
            team.parallel_for(head_tiles, [&](int64_t tile) {
                ThreadScratch& own = d.scratch_[static_cast<size_t>(team.thread())];
                for (int r = 0; r < rows_of(tile); ++r) {
                    std::memcpy(own.other.data() + r * w.hidden,
                                d.x_.data() + rows[static_cast<size_t>(begin + tile * max_rows + r)] * w.hidden,
                                static_cast<size_t>(w.hidden) * sizeof(float));
                }
                norm(d.tiles_[static_cast<size_t>(tile)], own.other.data(), rows_of(tile), d.weights_.final_norm(),
                     own.rows.data(), {&head}, kHeadOutlier);
            });
            const int64_t each = std::max<int64_t>(1, ceil_div(head.panels(), team.threads() * int64_t{16}));
            team.parallel_for(ceil_div(head.panels(), each), [&](int64_t share) {
                for (int64_t tile = 0; tile < head_tiles; ++tile) {
                    multiply(head, share * each, std::min(each, head.panels() - share * each),
                             d.tiles_[static_cast<size_t>(tile)].tile(rows_of(tile), w.hidden), nullptr,
                             d.logits_.data() + tile * max_rows * w.vocab, w.vocab);
                }
            });
            team.parallel_for(n, [&](int64_t r) {
                try {
                    on_logits(begin + r, {d.logits_.data() + r * w.vocab, static_cast<size_t>(c.vocab)});
                } catch (...) {
                    const std::lock_guard<std::mutex> guard(failure_lock);
                    if (!failure) failure = std::current_exception();
                }
            });
        }
    }
};

Decoder::Decoder(const ModelConfig& config, const Weights& weights, const Kernels& kernels, ThreadPool& pool)
    : config_(config),
      weights_(weights),
      kernels_(kernels),
      pool_(pool),
      widths_(config),
      mover_(config_, kernels_, frequencies_, rope_of_layer_) {
    std::vector<std::pair<double, bool>> known;
    for (int64_t layer = 0; layer < config.layers; ++layer) {
        const std::pair<double, bool> rope{config.rope_theta[static_cast<size_t>(layer)],
                                           config.rope_scaled[static_cast<size_t>(layer)]};
        const auto found = std::find(known.begin(), known.end(), rope);
        rope_of_layer_.push_back(static_cast<int>(found - known.begin()));
        if (found != known.end()) continue;
        known.push_back(rope);
        frequencies_.push_back(
            rope_frequencies(rope.first, config.rotated(), rope.second ? config.rope_scaling : RopeScaling{}));
    }
    ropes_.resize(frequencies_.size());
    for (int i = 0; i < pool.threads(); ++i) scratch_.emplace_back(config, kernels.max_rows);
}

void Decoder::move(const KVCache& cache, const Mover::Task& task) {
    const std::lock_guard<std::mutex> turn(turn_);
    mover_.move(cache, task, pool_);
}

void Decoder::forward(const KVCache& cache, const BatchView& view, const OnLogits& on_logits) {
    run(cache, view, on_logits, nullptr);
}

void Decoder::attention_mass(const KVCache& cache, const BatchView& view, std::span<const int32_t> ranges,
                             std::span<float> shares) {
    const size_t rows = view.rows.size();
    if (rows == 0 || view.shallow) throw std::invalid_argument("there is no row whose attention is wanted");
    if (ranges.size() != 2 * rows) throw std::invalid_argument("ranges must have two numbers per row");
    for (size_t i = 0; i < rows; ++i) {
        if (ranges[2 * i] < 0 || ranges[2 * i + 1] <= ranges[2 * i]) throw std::invalid_argument("a range is empty");
    }
    if (shares.size() != rows * static_cast<size_t>(config_.layers * config_.heads)) {
        throw std::invalid_argument("the shares have another size than rows, layers and heads");
    }
    const Shares wanted{ranges, shares};
    run(cache, view, [](int64_t, std::span<float>) {}, &wanted);
}

void Decoder::run(const KVCache& cache, const BatchView& view, const OnLogits& on_logits, const Shares* shares) {
    const std::lock_guard<std::mutex> turn(turn_);
    const Batch batch(view, config_, cache);
    Step step{*this, cache, batch, on_logits, shares};
    const auto size = static_cast<size_t>(round_up(batch.size(), kernels_.max_rows));
    const auto pairs = static_cast<size_t>(config_.rotated() / 2);
    x_.reserve(size * static_cast<size_t>(widths_.hidden));
    q_.reserve(size * static_cast<size_t>(widths_.query));
    k_.reserve(size * static_cast<size_t>(widths_.kv));
    v_.reserve(size * static_cast<size_t>(widths_.kv));
    for (RopeTable& table : ropes_) {
        table.cos.reserve(size * pairs);
        table.sin.reserve(size * pairs);
    }
    int64_t tile_count =
        ceil_div(std::min<int64_t>(kLogitRows, static_cast<int64_t>(view.rows.size())), kernels_.max_rows);
    if (step.by_panels) {
        mid_.reserve(size * static_cast<size_t>(widths_.widest));
        delta_.reserve(size * static_cast<size_t>(widths_.hidden));
        tile_count = std::max(tile_count, step.tiles);
        step.plan_attention();
    } else {
        step.plan_rows();
    }
    while (static_cast<int64_t>(tiles_.size()) < tile_count) tiles_.emplace_back(kernels_.max_rows, widths_.widest);
    logits_.reserve(
        static_cast<size_t>(std::min<int64_t>(kLogitRows, static_cast<int64_t>(view.rows.size())) * widths_.vocab));
    pool_.run([&](Team& team) {
        if (step.by_panels) {
            step.run_by_panels(team);
        } else {
            step.run_by_rows(team);
        }
        if (!view.rows.empty() && shares == nullptr) step.logits(team);
    });
    if (step.failure) std::rethrow_exception(step.failure);
}

}  // namespace spatz
