#include "model/vision.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <stdexcept>
#include <string>

#include "model/linear.h"
#include "model/workspace.h"

namespace spatz {
namespace {

constexpr int64_t kMostPatches = 1 << 14;  // of one image
constexpr int64_t kMostPixels = 1 << 14;   // of a side

// The most rows that a task takes through a layer: tiles of a kernel, which share each panel of weights while it is in
// the core's first cache. With 12, SigLIP base took 1.35 times as long.
constexpr int64_t kTaskRows = 96;
// Panels that the tiles of a task go through together.
constexpr int64_t kPanelsAtOnce = 2;

// From which multiple of a row's root mean square a value counts as an outlier (see Tile); as in the decoder.
constexpr float kNormedOutlier = 10.0f;
constexpr float kOtherOutlier = 16.0f;

void require(bool holds, const char* what) {
    if (!holds) throw std::invalid_argument(what);
}

// As exact as the weights: bf16 only where nothing is quantized.
KVKind kind_for(const VisionWeights& weights) {
    const auto formats = weights.bytes_by_format();
    return formats.size() == 1 && formats.contains(format_name(Format::kBf16)) ? KVKind::kBf16 : KVKind::kInt8;
}

}  // namespace

struct VisionEncoder::Scratch {
    Scratch(const Widths& w, int64_t max_rows)
        : attention(kTaskRows / max_rows, max_rows, w.head),
          rows(static_cast<size_t>(std::max(kTaskRows * w.widest, max_rows * std::max(w.shuffled, w.text)))),
          head(static_cast<size_t>(2 * w.head)),
          connector(max_rows, w.shuffled) {
        for (int64_t i = 0; i < kTaskRows / max_rows; ++i) tiles.emplace_back(max_rows, w.widest);
    }
    std::vector<TileBuffer> tiles;  // of a task
    AttentionBuffer attention;      // of a task's rows in one head
    Buffer<float> rows;             // [task rows, widest], or [tile rows, shuffled]
    Buffer<float> head;             // [2, head] a key and a value, padded
    TileBuffer connector;           // of some tokens
};

// One image on its way through the tower. A task takes some rows through the second half of a layer and the first half
// of the next: keys and values of the next layer go into other pages than those that are still being read.
struct VisionEncoder::Image {
    VisionEncoder& e;
    const float* pixels;  // [3, height, width]
    int64_t height, width;
    const int32_t* positions;  // [patches]
    const uint8_t* mask;       // [patches] or null
    float* out;                // [tokens, text_hidden]

    const VisionConfig& c = e.config_;
    const Widths& w = e.widths_;
    const Kernels& kernels = e.kernels_;
    const VisionWeights& weights = e.weights_;
    const int64_t max_rows = kernels.max_rows;
    const int64_t grid_rows = height / c.patch;
    const int64_t grid_columns = width / c.patch;
    const int64_t patches = grid_rows * grid_columns;
    const int64_t tiles = ceil_div(patches, max_rows);
    const int64_t tasks = even_tasks();
    const int64_t head_bytes = kv_head_bytes(e.kind_, w.head);
    std::vector<int32_t> slots{};  // [patches] where a patch's keys lie; -1: nobody looks at it
    int64_t keys = 0;
    const float query_scale = static_cast<float>(std::numbers::log2e / std::sqrt(static_cast<double>(c.head_dim())));

    // As many tasks for each thread, or one for each tile where there are few.
    int64_t even_tasks() const {
        const int64_t rounds = ceil_div(tiles, kTaskRows / max_rows * e.pool_.threads());
        return std::min(tiles, rounds * e.pool_.threads());
    }

    int64_t pages() const { return ceil_div(keys, kPageTokens); }
    uint8_t* page(int64_t layer, int64_t head, int64_t page) const {
        return e.pages_[layer % 2].data() + (head * pages() + page) * head_bytes;
    }

    void place_keys() {
        for (int64_t p = 0; p < patches; ++p) {
            const bool seen = mask == nullptr || mask[p] != 0;
            slots.push_back(seen ? static_cast<int32_t>(keys++) : -1);
        }
        require(keys > 0, "every patch of an image is masked");
    }

    // ---- the rows of a task, in tiles ----

    struct Task {
        int64_t first;  // patch
        int64_t rows;
        Scratch& own;
    };
    int64_t tiles_of(const Task& task) const { return ceil_div(task.rows, max_rows); }
    int tile_rows(const Task& task, int64_t tile) const {
        return static_cast<int>(std::min(max_rows, task.rows - tile * max_rows));
    }
    Tile tile_of(const Task& task, int64_t tile, int64_t k) const {
        return task.own.tiles[static_cast<size_t>(tile)].tile(tile_rows(task, tile), k);
    }

    // own.rows, of `k` columns each, into the task's tiles.
    void fill(const Task& task, int64_t k, float outlier, std::initializer_list<const PackedMatrix*> readers) {
        for (int64_t t = 0; t < tiles_of(task); ++t) {
            fill_tile(kernels, tile_of(task, t, k), task.own.rows.data() + t * max_rows * k, k, outlier, readers);
        }
    }

    // out[row] (+)= m . the task's tiles + bias
    void multiply(const Task& task, const PackedMatrix& m, const float* bias, float* to, int64_t stride,
                  bool accumulate = false) {
        for (int64_t panel = 0; panel < m.panels(); panel += kPanelsAtOnce) {
            const int64_t panels = std::min(kPanelsAtOnce, m.panels() - panel);
            for (int64_t t = 0; t < tiles_of(task); ++t) {
                multiply_panels(kernels, m, panel, panels, tile_of(task, t, m.k_padded), bias,
                                to + t * max_rows * stride, stride, accumulate);
            }
        }
    }

    float* x(const Task& task) const { return e.x_.data() + task.first * w.hidden; }

    void norm(const Task& task, const float* weight, const float* bias, float* to) {
        kernels.layer_norm(x(task), w.hidden, static_cast<int>(task.rows), c.hidden, weight, bias,
                           static_cast<float>(c.norm_eps), to, w.hidden);
    }

    // ---- the pieces of a layer ----

    void embed(const Task& task) {
        for (int64_t r = 0; r < task.rows; ++r) {
            const int64_t top = (task.first + r) / grid_columns * c.patch;
            const int64_t left = (task.first + r) % grid_columns * c.patch;
            float* to = task.own.rows.data() + r * w.patch;
            for (int64_t channel = 0; channel < kImageChannels; ++channel) {
                for (int64_t y = top; y < top + c.patch; ++y) {
                    to = std::copy_n(pixels + (channel * height + y) * width + left, c.patch, to);
                }
            }
        }
        fill(task, w.patch, kOtherOutlier, {&weights.patch()});
        multiply(task, weights.patch(), weights.patch_bias(), x(task), w.hidden);
        for (int64_t r = 0; r < task.rows; ++r) {
            const float* position = weights.positions() + positions[task.first + r] * c.hidden;
            float* row = x(task) + r * w.hidden;
            for (int64_t i = 0; i < c.hidden; ++i) row[i] += position[i];
        }
    }

    // Queries of the rows, and their keys and values into the layer's pages.
    void project(const Task& task, int64_t layer) {
        const VisionLayerWeights& l = weights.layer(layer);
        norm(task, l.attn_norm, l.attn_norm_bias, task.own.rows.data());
        fill(task, w.hidden, kNormedOutlier, {&l.q, &l.k, &l.v});
        float* k = e.k_.data() + task.first * w.hidden;
        float* v = e.v_.data() + task.first * w.hidden;
        multiply(task, l.q, l.q_bias, e.q_.data() + task.first * w.hidden, w.hidden);
        multiply(task, l.k, l.k_bias, k, w.hidden);
        multiply(task, l.v, l.v_bias, v, w.hidden);
        float* key = task.own.head.data();  // zeros behind the head's own dimensions
        float* value = key + w.head;
        for (int64_t head = 0; head < c.heads; ++head) {
            for (int64_t r = 0; r < task.rows; ++r) {
                const int64_t slot = slots[static_cast<size_t>(task.first + r)];
                if (slot < 0) continue;
                std::copy_n(k + r * w.hidden + head * c.head_dim(), c.head_dim(), key);
                std::copy_n(v + r * w.hidden + head * c.head_dim(), c.head_dim(), value);
                kernels.put_key_value(e.kind_, key, value, static_cast<int>(w.head),
                                      page(layer, head, slot / kPageTokens), static_cast<int>(slot % kPageTokens));
            }
        }
    }

    // What one head of the rows sees, into own.rows [rows, hidden].
    void attend(const Task& task, int64_t layer, int64_t head) {
        const int64_t dims = c.head_dim();
        const auto state = [&](int64_t t) { return task.own.attention.rows(t, tile_rows(task, t)); };
        for (int64_t t = 0; t < tiles_of(task); ++t) {
            const AttentionRows rows = state(t);
            std::fill_n(rows.out, rows.rows * w.head, 0.0f);
            std::fill_n(rows.largest, rows.rows, -std::numeric_limits<float>::infinity());
            std::fill_n(rows.total, rows.rows, 0.0f);
            for (int r = 0; r < rows.rows; ++r) {
                float* query = task.own.head.data();
                std::copy_n(e.q_.data() + (task.first + t * max_rows + r) * w.hidden + head * dims, dims, query);
                kernels.put_query(e.kind_, query, query_scale, rows, r);
            }
        }
        for (int64_t p = 0; p < pages(); ++p) {
            PageMask seen;
            std::fill_n(seen.first, kRowLimit, 0);
            std::fill_n(seen.last, kRowLimit, static_cast<int>(std::min<int64_t>(kPageTokens, keys - p * kPageTokens)));
            for (int64_t t = 0; t < tiles_of(task); ++t) {
                kernels.attend(e.kind_, state(t), page(layer, head, p), seen, nullptr);
            }
        }
        for (int64_t t = 0; t < tiles_of(task); ++t) {
            const AttentionRows rows = state(t);
            for (int r = 0; r < rows.rows; ++r) {
                float* to = task.own.rows.data() + (t * max_rows + r) * w.hidden + head * dims;
                const float scale = rows.total[r] > 0.0f ? 1.0f / rows.total[r] : 0.0f;
                for (int64_t i = 0; i < dims; ++i) to[i] = rows.out[r * w.head + i] * scale;
            }
        }
    }

    void finish_layer(const Task& task, int64_t layer) {
        const VisionLayerWeights& l = weights.layer(layer);
        for (int64_t head = 0; head < c.heads; ++head) attend(task, layer, head);
        fill(task, w.hidden, kOtherOutlier, {&l.out});
        multiply(task, l.out, l.out_bias, x(task), w.hidden, true);

        float* rows = task.own.rows.data();
        norm(task, l.ffn_norm, l.ffn_norm_bias, rows);
        fill(task, w.hidden, kNormedOutlier, {&l.up});
        multiply(task, l.up, l.up_bias, rows, w.intermediate);
        kernels.activate(Activation::kGeluTanh, rows, task.rows * w.intermediate);
        fill(task, w.intermediate, kOtherOutlier, {&l.down});
        multiply(task, l.down, l.down_bias, x(task), w.hidden, true);
    }

    // The tokens of one tile: patches that lie together in a square, one after another, through the connector.
    void connect(int64_t first, int rows, Scratch& own) {
        const int64_t columns = grid_columns / c.shuffle;
        for (int r = 0; r < rows; ++r) {
            const int64_t top = (first + r) / columns * c.shuffle;
            const int64_t left = (first + r) % columns * c.shuffle;
            float* to = own.rows.data() + r * w.shuffled;
            for (int64_t y = top; y < top + c.shuffle; ++y) {
                for (int64_t x = left; x < left + c.shuffle; ++x) {
                    to = std::copy_n(e.x_.data() + (y * grid_columns + x) * w.hidden, c.hidden, to);
                }
            }
        }
        const PackedMatrix& m = weights.connector();
        const Tile tile = own.connector.tile(rows, w.shuffled);
        fill_tile(kernels, tile, own.rows.data(), w.shuffled, kNormedOutlier, {&m});
        float* product = own.rows.data();  // what the tile was filled from is not needed any more
        multiply_panels(kernels, m, 0, m.panels(), tile, nullptr, product, w.text);
        for (int r = 0; r < rows; ++r) {
            std::copy_n(product + r * w.text, c.text_hidden, out + (first + r) * c.text_hidden);
        }
    }

    // ---- the whole way ----

    template <typename Body>
    void each_task(Body&& body) {
        e.pool_.run([&](Team& team) {
            team.parallel_for(tasks, [&](int64_t i) {
                const int64_t first = tiles * i / tasks * max_rows;
                const int64_t last = std::min(patches, tiles * (i + 1) / tasks * max_rows);
                body(Task{first, last - first, *e.scratch_[static_cast<size_t>(team.thread())]});
            });
        });
    }

    void run() {
        each_task([&](const Task& task) {
            embed(task);
            project(task, 0);
        });
        for (int64_t layer = 0; layer < c.layers; ++layer) {
            each_task([&](const Task& task) {
                finish_layer(task, layer);
                if (layer + 1 < c.layers) {
                    project(task, layer + 1);
                } else {
                    norm(task, weights.post_norm(), weights.post_norm_bias(), x(task));
                }
            });
        }
        const int64_t tokens = e.tokens(height, width);
        e.pool_.run([&](Team& team) {
            team.parallel_for(ceil_div(tokens, max_rows), [&](int64_t i) {
                const int64_t first = i * max_rows;
                connect(first, static_cast<int>(std::min(max_rows, tokens - first)),
                        *e.scratch_[static_cast<size_t>(team.thread())]);
            });
        });
    }
};

VisionEncoder::Widths::Widths(const VisionConfig& c)
    : patch(round_up(c.patch_values(), kBlock)),
      hidden(round_up(c.hidden, kBlock)),
      intermediate(round_up(c.intermediate, kBlock)),
      shuffled(round_up(c.shuffled(), kBlock)),
      text(round_up(c.text_hidden, kPanel)),
      head(round_up(c.head_dim(), 16)),
      widest(std::max({patch, hidden, intermediate})) {}

VisionEncoder::VisionEncoder(const VisionConfig& config, const VisionWeights& weights, const Kernels& kernels,
                             ThreadPool& pool)
    : config_(config), weights_(weights), kernels_(kernels), pool_(pool), widths_(config), kind_(kind_for(weights)) {
    for (int i = 0; i < pool.threads(); ++i) {
        scratch_.push_back(std::make_unique<Scratch>(widths_, kernels.max_rows));
    }
}

VisionEncoder::~VisionEncoder() = default;

int64_t VisionEncoder::tokens(int64_t height, int64_t width) const {
    require(height <= kMostPixels && width <= kMostPixels, "an image has more than 16,384 pixels on a side");
    const int64_t rows = height / config_.patch;
    const int64_t columns = width / config_.patch;
    require(height > 0 && width > 0 && rows > 0 && columns > 0, "an image is smaller than a patch");
    require(rows * columns <= kMostPatches, "an image has more than 16,384 patches");
    require(rows % config_.shuffle == 0 && columns % config_.shuffle == 0,
            "an image's patches do not divide into the squares that become tokens");
    return rows * columns / (config_.shuffle * config_.shuffle);
}

void VisionEncoder::check(const VisionView& view, size_t out) const {
    const auto images = static_cast<size_t>(view.images);
    require(view.images > 0, "there is no image");
    const auto made = static_cast<size_t>(tokens(view.height, view.width));
    const auto patches = made * static_cast<size_t>(config_.shuffle * config_.shuffle);
    const auto pixels = static_cast<size_t>(kImageChannels * view.height * view.width);
    require(view.pixels.size() / pixels == images && view.pixels.size() % pixels == 0,
            "pixels must be images of three channels");
    require(view.positions.size() == images * patches, "there must be one position per patch");
    require(view.mask.empty() || view.mask.size() == images * patches, "the mask must have one entry per patch");
    require(out == images * made * static_cast<size_t>(config_.text_hidden), "the output has another size");
    for (const int32_t position : view.positions) {
        if (position < 0 || position >= config_.positions) {
            throw std::invalid_argument("position " + std::to_string(position) + " is not one of the " +
                                        std::to_string(config_.positions) + " that were learned");
        }
    }
    for (size_t i = 0; i < images && !view.mask.empty(); ++i) {
        const auto own = view.mask.subspan(i * patches, patches);
        require(std::any_of(own.begin(), own.end(), [](uint8_t seen) { return seen != 0; }),
                "every patch of an image is masked");
    }
}

void VisionEncoder::encode(const VisionView& view, std::span<float> out) {
    check(view, out.size());
    const std::lock_guard<std::mutex> turn(turn_);
    const int64_t made = tokens(view.height, view.width);
    const int64_t patches = made * config_.shuffle * config_.shuffle;
    const int64_t page_count = ceil_div(patches, kPageTokens);
    for (Buffer<float>* buffer : {&x_, &q_, &k_, &v_}) {
        buffer->reserve(static_cast<size_t>(patches * widths_.hidden));
    }
    for (Buffer<uint8_t>& pages : pages_) {
        pages.reserve(static_cast<size_t>(config_.heads * page_count * kv_head_bytes(kind_, widths_.head)));
    }
    for (int64_t i = 0; i < view.images; ++i) {
        Image image{*this,
                    view.pixels.data() + i * kImageChannels * view.height * view.width,
                    view.height,
                    view.width,
                    view.positions.data() + i * patches,
                    view.mask.empty() ? nullptr : view.mask.data() + i * patches,
                    out.data() + i * made * config_.text_hidden};
        image.place_keys();
        image.run();
    }
}

}  // namespace spatz
