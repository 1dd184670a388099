// The Python face of the core: argument checks, arrays in and out, and the GIL. Nothing is computed here.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <memory>

#include "base/cpu.h"
#include "base/measure.h"
#include "base/thread_pool.h"
#include "context/token_index.h"
#include "model/decoder.h"
#include "model/vision.h"
#include "ops/sampling.h"
#include "text/bpe.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace spatz {
namespace {

template <typename T, int Dims>
using InArray = nb::ndarray<const T, nb::ndim<Dims>, nb::c_contig, nb::device::cpu>;
template <typename T>
using OutArray = nb::ndarray<nb::numpy, T>;

template <typename T>
std::span<const T> span_of(const InArray<T, 1>& array) {
    return {array.data(), array.shape(0)};
}

// A numpy array that owns its memory.
template <typename T>
struct Result {
    std::unique_ptr<T[]> data;
    std::vector<size_t> shape;

    Result(std::vector<size_t> dims, T fill) : shape(std::move(dims)) {
        size_t size = 1;
        for (size_t d : shape) size *= d;
        data = std::make_unique<T[]>(size);
        std::fill_n(data.get(), size, fill);
    }
    OutArray<T> give() {
        T* raw = data.release();
        nb::capsule owner(raw, [](void* p) noexcept { delete[] static_cast<T*>(p); });
        return OutArray<T>(raw, shape.size(), shape.data(), owner);
    }
};

struct Context {
    Isa isa;
    const Kernels* kernels;
    ThreadPool pool;

    Context(int threads, const std::string& isa_name)
        : isa(choose_isa(isa_name)), kernels(kernels_for(isa)), pool(threads == 0 ? available_cores() : threads) {}
};

// A read-only view of any C-contiguous buffer object.
class ByteView {
  public:
    explicit ByteView(nb::handle object) {
        if (PyObject_GetBuffer(object.ptr(), &view_, PyBUF_C_CONTIGUOUS) != 0) {
            PyErr_Clear();
            throw std::invalid_argument("data must be a C-contiguous buffer");
        }
    }
    ~ByteView() { PyBuffer_Release(&view_); }
    ByteView(const ByteView&) = delete;
    ByteView& operator=(const ByteView&) = delete;
    std::span<const uint8_t> bytes() const {
        return {static_cast<const uint8_t*>(view_.buf), static_cast<size_t>(view_.len)};
    }

  private:
    Py_buffer view_{};
};

using Tokens = InArray<int32_t, 1>;
using PageRows = InArray<int32_t, 2>;
using Bytes = InArray<uint8_t, 1>;

// What a step with sequences that are longer than their pages needs to know; see model/batch.h.
struct Routing {
    std::optional<PageRows> routes;  // [S, 4]
    const FarHeads* heads = nullptr;
    bool shallow = false;
};

// Inputs that are given as vectors instead of tokens, of an image for example.
struct Embeddings {
    std::optional<InArray<float, 2>> vectors;  // [E, hidden]
    std::optional<Tokens> rows;                // [E]
};

struct ForwardResult {
    OutArray<int32_t> tokens;
    OutArray<float> logprobs;
    OutArray<int32_t> top_tokens;
    OutArray<float> top_logprobs;
};

class Model {
  public:
    Model(Context& context, const ModelConfig& config) : context_(context), config_(config), weights_(config) {}

    void set_tensor(const std::string& name, const std::string& dtype, const std::vector<int64_t>& shape,
                    nb::handle data, const std::string& format, float add) {
        const ByteView view(data);
        nb::gil_scoped_release unlocked;
        weights_.set(name, dtype, shape, view.bytes(), format, add, context_.pool);
    }

    void finish() {
        weights_.finish();
        decoder_ = std::make_unique<Decoder>(config_, weights_, *context_.kernels, context_.pool);
    }

    ForwardResult forward(const KVCache& cache, const Tokens& tokens, const Tokens& starts, const Tokens& positions,
                          const PageRows& pages, const Tokens& rows, const Tokens& targets,
                          const nb::sequence& samplers, const Routing& routing, const Embeddings& embeddings) {
        const std::vector<Sampler*> chosen = samplers_of(samplers, rows.shape(0), targets);
        int top = 0;
        for (const Sampler* s : chosen) top = std::max(top, s->options().top_logprobs);
        const size_t n = rows.shape(0);
        const auto k = static_cast<size_t>(top);
        Result<int32_t> picked({n}, -1);
        Result<float> logprobs({n}, 0.0f);
        Result<int32_t> top_tokens({n, k}, -1);
        Result<float> top_logprobs({n, k}, 0.0f);
        {
            nb::gil_scoped_release unlocked;
            const auto pick = [&](int64_t row, std::span<float> logits) {
                const auto r = static_cast<size_t>(row);
                Sampler& sampler = *chosen[r];
                SampleOutput out;
                const int32_t target = targets.data()[r];
                if (target < 0) {
                    try {
                        sampler.sample(logits, out);
                    } catch (const NothingAllowed&) {  // the other rows of the step have nothing to do with it
                        out = SampleOutput{};
                    }
                } else {
                    Sampler::score(logits, target, std::max(0, sampler.options().top_logprobs), out);
                }
                picked.data[r] = out.token;
                logprobs.data[r] = out.logprob;
                for (size_t i = 0; i < std::min(out.top.size(), k); ++i) {
                    top_tokens.data[r * k + i] = out.top[i].first;
                    top_logprobs.data[r * k + i] = out.top[i].second;
                }
            };
            run(cache, tokens, starts, positions, pages, rows, routing, embeddings, pick);
        }
        return {picked.give(), logprobs.give(), top_tokens.give(), top_logprobs.give()};
    }

    OutArray<float> logits(const KVCache& cache, const Tokens& tokens, const Tokens& starts, const Tokens& positions,
                           const PageRows& pages, const Tokens& rows, const Routing& routing,
                           const Embeddings& embeddings) {
        const auto vocab = static_cast<size_t>(config_.vocab);
        Result<float> all({rows.shape(0), vocab}, 0.0f);
        {
            nb::gil_scoped_release unlocked;
            const auto keep = [&](int64_t row, std::span<float> logits) {
                std::copy(logits.begin(), logits.end(), all.data.get() + static_cast<size_t>(row) * vocab);
            };
            run(cache, tokens, starts, positions, pages, rows, routing, embeddings, keep);
        }
        return all.give();
    }

    OutArray<float> attention_mass(const KVCache& cache, const Tokens& tokens, const Tokens& starts,
                                   const Tokens& positions, const PageRows& pages, const Tokens& rows,
                                   const PageRows& ranges, const Routing& routing) {
        if (ranges.shape(0) != rows.shape(0) || ranges.shape(1) != 2) {
            throw std::invalid_argument("ranges must have two numbers per row");
        }
        const auto layers = static_cast<size_t>(config_.layers);
        const auto heads = static_cast<size_t>(config_.heads);
        Result<float> shares({rows.shape(0), layers, heads}, 0.0f);
        {
            nb::gil_scoped_release unlocked;
            with_view(tokens, starts, positions, pages, rows, routing, {}, [&](const BatchView& view) {
                decoder_->attention_mass(cache, view, {ranges.data(), 2 * rows.shape(0)},
                                         {shares.data.get(), rows.shape(0) * layers * heads});
            });
        }
        return shares.give();
    }

    void move(const KVCache& cache, const Bytes& source, const FarHeads* heads, int64_t source_slot, int64_t count,
              int64_t page, int64_t slot, int64_t distance) {
        if (!decoder_) throw std::invalid_argument("the model is not finished");
        std::vector<int32_t> all;
        if (heads == nullptr) {
            for (int32_t head = 0; head < config_.layers * config_.kv_heads; ++head) all.push_back(head);
        }
        const nb::gil_scoped_release unlocked;
        decoder_->move(cache,
                       {{source.data(), source.shape(0)},
                        heads == nullptr ? std::span<const int32_t>(all) : std::span<const int32_t>(heads->list()),
                        source_slot,
                        count,
                        page,
                        slot,
                        distance});
    }

    const ModelConfig& config() const { return config_; }
    const Weights& weights() const { return weights_; }

  private:
    void run(const KVCache& cache, const Tokens& tokens, const Tokens& starts, const Tokens& positions,
             const PageRows& pages, const Tokens& rows, const Routing& routing, const Embeddings& embeddings,
             const Decoder::OnLogits& on_logits) {
        with_view(tokens, starts, positions, pages, rows, routing, embeddings,
                  [&](const BatchView& view) { decoder_->forward(cache, view, on_logits); });
    }

    template <typename Body>
    void with_view(const Tokens& tokens, const Tokens& starts, const Tokens& positions, const PageRows& pages,
                   const Tokens& rows, const Routing& routing, const Embeddings& embeddings, Body&& body) {
        if (!decoder_) throw std::invalid_argument("the model is not finished");
        BatchView view;
        view.tokens = span_of(tokens);
        view.starts = span_of(starts);
        view.positions = span_of(positions);
        if (pages.shape(0) != positions.shape(0)) throw std::invalid_argument("pages must have one row per sequence");
        view.pages = {pages.data(), pages.shape(0) * pages.shape(1)};
        view.pages_per_sequence = static_cast<int64_t>(pages.shape(1));
        view.rows = span_of(rows);
        std::vector<Route> routes;
        if (routing.routes) {
            const PageRows& given = *routing.routes;
            if (given.shape(0) != positions.shape(0) || given.shape(1) != 4) {
                throw std::invalid_argument("routes must have four numbers per sequence");
            }
            for (size_t s = 0; s < given.shape(0); ++s) {
                const int32_t* route = given.data() + 4 * s;
                routes.push_back({route[0], route[1], route[2], route[3]});
            }
        }
        view.routes = routes;
        view.far_heads = routing.heads;
        view.shallow = routing.shallow;
        if (embeddings.vectors.has_value() != embeddings.rows.has_value()) {
            throw std::invalid_argument("embeddings and embedding_rows are given together or not at all");
        }
        if (embeddings.vectors) {
            const InArray<float, 2>& given = *embeddings.vectors;
            view.embedding_rows = span_of(*embeddings.rows);
            if (given.shape(0) != view.embedding_rows.size()) {
                throw std::invalid_argument("embeddings must have one row per entry of embedding_rows");
            }
            view.embeddings = {given.data(), given.shape(0) * given.shape(1)};
        }
        body(view);
    }

    std::vector<Sampler*> samplers_of(const nb::sequence& samplers, size_t rows, const Tokens& targets) const {
        if (targets.shape(0) != rows || nb::len(samplers) != rows) {
            throw std::invalid_argument("targets and samplers must have one entry per row");
        }
        std::vector<Sampler*> chosen;
        std::vector<const Sampler*> sampling;
        for (size_t i = 0; i < rows; ++i) {
            Sampler* sampler = nullptr;
            if (!nb::try_cast(samplers[i], sampler) || sampler == nullptr) {
                throw std::invalid_argument("samplers must be Sampler objects");
            }
            if (sampler->options().vocab != config_.vocab) {
                throw std::invalid_argument("a sampler was made for another vocabulary");
            }
            const int32_t target = targets.data()[i];
            if (target < -1 || target >= config_.vocab)
                throw std::invalid_argument("a target is not in the vocabulary");
            chosen.push_back(sampler);
            if (target < 0) sampling.push_back(sampler);
        }
        std::sort(sampling.begin(), sampling.end());
        if (std::adjacent_find(sampling.begin(), sampling.end()) != sampling.end()) {
            throw std::invalid_argument("two rows must not sample with the same sampler");
        }
        return chosen;
    }

    Context& context_;
    ModelConfig config_;
    Weights weights_;
    std::unique_ptr<Decoder> decoder_;
};

class VisionModel {
  public:
    VisionModel(Context& context, const VisionConfig& config) : context_(context), config_(config), weights_(config) {}

    void set_tensor(const std::string& name, const std::string& dtype, const std::vector<int64_t>& shape,
                    nb::handle data, const std::string& format) {
        const ByteView view(data);
        nb::gil_scoped_release unlocked;
        weights_.set(name, dtype, shape, view.bytes(), format, context_.pool);
    }

    void finish() {
        weights_.finish();
        encoder_ = std::make_unique<VisionEncoder>(config_, weights_, *context_.kernels, context_.pool);
    }

    int64_t tokens(int64_t height, int64_t width) const { return encoder().tokens(height, width); }

    OutArray<float> encode(const InArray<float, 4>& pixels, const InArray<int32_t, 2>& positions,
                           const std::optional<InArray<bool, 2>>& mask) {
        if (pixels.shape(1) != static_cast<size_t>(kImageChannels)) {
            throw std::invalid_argument("pixels must be [images, 3, height, width]");
        }
        VisionView view;
        view.images = static_cast<int64_t>(pixels.shape(0));
        view.height = static_cast<int64_t>(pixels.shape(2));
        view.width = static_cast<int64_t>(pixels.shape(3));
        view.pixels = {pixels.data(), pixels.size()};
        if (positions.shape(0) != pixels.shape(0) || (mask && mask->shape(0) != pixels.shape(0))) {
            throw std::invalid_argument("positions and mask must have one row per image");
        }
        view.positions = {positions.data(), positions.size()};
        if (mask) view.mask = {reinterpret_cast<const uint8_t*>(mask->data()), mask->size()};
        const auto made = static_cast<size_t>(encoder().tokens(view.height, view.width));
        const auto width = static_cast<size_t>(config_.text_hidden);
        Result<float> out({pixels.shape(0), made, width}, 0.0f);
        {
            nb::gil_scoped_release unlocked;
            encoder_->encode(view, {out.data.get(), pixels.shape(0) * made * width});
        }
        return out.give();
    }

    const VisionWeights& weights() const { return weights_; }

  private:
    const VisionEncoder& encoder() const {
        if (!encoder_) throw std::invalid_argument("the model is not finished");
        return *encoder_;
    }

    Context& context_;
    VisionConfig config_;
    VisionWeights weights_;
    std::unique_ptr<VisionEncoder> encoder_;
};

Sampler make_sampler(int vocab, float temperature, float top_p, int top_k, float min_p, int64_t seed,
                     float presence_penalty, float frequency_penalty, float repetition_penalty,
                     const std::optional<std::map<int32_t, float>>& logit_bias, int top_logprobs) {
    SamplerOptions options;
    options.vocab = vocab;
    options.temperature = temperature;
    options.top_p = top_p;
    options.top_k = top_k;
    options.min_p = min_p;
    options.seed = static_cast<uint64_t>(seed);
    options.presence_penalty = presence_penalty;
    options.frequency_penalty = frequency_penalty;
    options.repetition_penalty = repetition_penalty;
    if (logit_bias) options.logit_bias.assign(logit_bias->begin(), logit_bias->end());
    options.top_logprobs = top_logprobs;
    return Sampler(std::move(options));
}

void bind_config(nb::module_& m) {
    nb::class_<RopeScaling>(m, "RopeScaling")
        .def(
            "__init__",
            [](RopeScaling* self, std::string kind, double factor, double low, double high, double original,
               std::vector<double> factors) {
                new (self) RopeScaling{std::move(kind), factor, low, high, original, std::move(factors)};
            },
            "kind"_a = "none", "factor"_a = 1.0, "low_freq_factor"_a = 1.0, "high_freq_factor"_a = 4.0,
            "original_context"_a = 8192, "factors"_a = std::vector<double>{})
        .def_ro("kind", &RopeScaling::kind);
    nb::class_<ModelConfig>(m, "ModelConfig")
        .def(nb::init<>())
        .def_rw("vocab", &ModelConfig::vocab)
        .def_rw("hidden", &ModelConfig::hidden)
        .def_rw("intermediate", &ModelConfig::intermediate)
        .def_rw("layers", &ModelConfig::layers)
        .def_rw("heads", &ModelConfig::heads)
        .def_rw("kv_heads", &ModelConfig::kv_heads)
        .def_rw("head_dim", &ModelConfig::head_dim)
        .def_rw("norm_eps", &ModelConfig::norm_eps)
        .def_rw("embedding_scale", &ModelConfig::embedding_scale)
        .def_rw("query_scale", &ModelConfig::query_scale)
        .def_rw("activation", &ModelConfig::activation)
        .def_rw("rope_interleaved", &ModelConfig::rope_interleaved)
        .def_rw("rope_dims", &ModelConfig::rope_dims)
        .def_rw("rope_theta", &ModelConfig::rope_theta)
        .def_rw("rope_scaled", &ModelConfig::rope_scaled)
        .def_rw("rope_scaling", &ModelConfig::rope_scaling)
        .def_rw("window", &ModelConfig::window);
}

void bind_model(nb::module_& m) {
    nb::class_<ForwardResult>(m, "ForwardResult")
        .def_prop_ro(
            "tokens", [](const ForwardResult& r) { return r.tokens; }, nb::rv_policy::automatic)
        .def_prop_ro(
            "logprobs", [](const ForwardResult& r) { return r.logprobs; }, nb::rv_policy::automatic)
        .def_prop_ro(
            "top_tokens", [](const ForwardResult& r) { return r.top_tokens; }, nb::rv_policy::automatic)
        .def_prop_ro("top_logprobs", [](const ForwardResult& r) { return r.top_logprobs; }, nb::rv_policy::automatic);
    nb::class_<Model>(m, "Model")
        .def(nb::init<Context&, const ModelConfig&>(), "context"_a, "config"_a, nb::keep_alive<1, 2>())
        .def("set_tensor", &Model::set_tensor, "name"_a, "dtype"_a, "shape"_a, "data"_a, "format"_a = "",
             "add"_a = 0.0f)
        .def("finish", &Model::finish)
        .def_prop_ro("weight_bytes", [](const Model& model) { return model.weights().bytes_per_token(); })
        .def_prop_ro("linear_macs", [](const Model& model) { return model.weights().linear_macs(); })
        .def_prop_ro("formats", [](const Model& model) { return model.weights().bytes_by_format(); })
        .def(
            "forward",
            [](Model& self, const KVCache& cache, const Tokens& tokens, const Tokens& starts, const Tokens& positions,
               const PageRows& pages, const Tokens& rows, const Tokens& targets, const nb::sequence& samplers,
               std::optional<PageRows> routes, const FarHeads* far_heads, bool shallow,
               std::optional<InArray<float, 2>> embeddings, std::optional<Tokens> embedding_rows) {
                return self.forward(cache, tokens, starts, positions, pages, rows, targets, samplers,
                                    {std::move(routes), far_heads, shallow},
                                    {std::move(embeddings), std::move(embedding_rows)});
            },
            "cache"_a, "tokens"_a.noconvert(), "starts"_a.noconvert(), "positions"_a.noconvert(), "pages"_a.noconvert(),
            "rows"_a.noconvert(), "targets"_a.noconvert(), "samplers"_a, "routes"_a.noconvert().none() = nb::none(),
            "far_heads"_a = nb::none(), "shallow"_a = false, "embeddings"_a.noconvert().none() = nb::none(),
            "embedding_rows"_a.noconvert().none() = nb::none())
        .def(
            "logits",
            [](Model& self, const KVCache& cache, const Tokens& tokens, const Tokens& starts, const Tokens& positions,
               const PageRows& pages, const Tokens& rows, std::optional<PageRows> routes, const FarHeads* far_heads,
               std::optional<InArray<float, 2>> embeddings, std::optional<Tokens> embedding_rows) {
                return self.logits(cache, tokens, starts, positions, pages, rows, {std::move(routes), far_heads, false},
                                   {std::move(embeddings), std::move(embedding_rows)});
            },
            "cache"_a, "tokens"_a.noconvert(), "starts"_a.noconvert(), "positions"_a.noconvert(), "pages"_a.noconvert(),
            "rows"_a.noconvert(), "routes"_a.noconvert().none() = nb::none(), "far_heads"_a = nb::none(),
            "embeddings"_a.noconvert().none() = nb::none(), "embedding_rows"_a.noconvert().none() = nb::none())
        .def(
            "attention_mass",
            [](Model& self, const KVCache& cache, const Tokens& tokens, const Tokens& starts, const Tokens& positions,
               const PageRows& pages, const Tokens& rows, const PageRows& ranges, std::optional<PageRows> routes,
               const FarHeads* far_heads) {
                return self.attention_mass(cache, tokens, starts, positions, pages, rows, ranges,
                                           {std::move(routes), far_heads, false});
            },
            "cache"_a, "tokens"_a.noconvert(), "starts"_a.noconvert(), "positions"_a.noconvert(), "pages"_a.noconvert(),
            "rows"_a.noconvert(), "ranges"_a.noconvert(), "routes"_a.noconvert().none() = nb::none(),
            "far_heads"_a = nb::none())
        .def("move", &Model::move, "cache"_a, "source"_a.noconvert(), "heads"_a.none(), "source_slot"_a, "count"_a,
             "page"_a, "slot"_a, "distance"_a);
    nb::class_<FarHeads>(m, "FarHeads")
        .def(
            "__init__",
            [](FarHeads* self, const Model& model, std::vector<int32_t> heads) {
                new (self) FarHeads(model.config(), std::move(heads));
            },
            "model"_a, "heads"_a)
        .def_prop_ro("heads", &FarHeads::list)
        .def_prop_ro("depth", &FarHeads::depth);
    nb::class_<KVCache>(m, "KVCache")
        .def(
            "__init__",
            [](KVCache* self, const Model& model, int64_t max_pages, const std::string& kind) {
                new (self) KVCache(model.config(), max_pages, parse_kv_kind(kind));
            },
            "model"_a, "max_pages"_a, "kind"_a = "int8")
        .def_prop_ro("page_bytes", &KVCache::page_bytes)
        .def_prop_ro("max_pages", &KVCache::max_pages)
        .def("copy_page", &KVCache::copy, "source"_a, "target"_a)
        .def("release", &KVCache::release, "page"_a)
        .def_prop_ro("head_bytes", &KVCache::head_bytes)
        .def(
            "gather",
            [](const KVCache& cache, int64_t page, const FarHeads& heads,
               nb::ndarray<uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu> out) {
                const nb::gil_scoped_release unlocked;
                cache.gather(page, heads.list(), {out.data(), out.shape(0)});
            },
            "page"_a, "heads"_a, "out"_a.noconvert())
        .def(
            "view",
            [](const KVCache& cache, int64_t page) {
                cache.check(page);
                return nb::ndarray<nb::numpy, uint8_t, nb::ndim<1>>(cache.page(page),
                                                                    {static_cast<size_t>(cache.page_bytes())});
            },
            "page"_a, nb::rv_policy::reference_internal);
}

void bind_vision(nb::module_& m) {
    nb::class_<VisionConfig>(m, "VisionConfig")
        .def(nb::init<>())
        .def_rw("patch", &VisionConfig::patch)
        .def_rw("positions", &VisionConfig::positions)
        .def_rw("hidden", &VisionConfig::hidden)
        .def_rw("intermediate", &VisionConfig::intermediate)
        .def_rw("layers", &VisionConfig::layers)
        .def_rw("heads", &VisionConfig::heads)
        .def_rw("norm_eps", &VisionConfig::norm_eps)
        .def_rw("shuffle", &VisionConfig::shuffle)
        .def_rw("text_hidden", &VisionConfig::text_hidden);
    nb::class_<VisionModel>(m, "VisionModel")
        .def(nb::init<Context&, const VisionConfig&>(), "context"_a, "config"_a, nb::keep_alive<1, 2>())
        .def("set_tensor", &VisionModel::set_tensor, "name"_a, "dtype"_a, "shape"_a, "data"_a, "format"_a = "")
        .def("finish", &VisionModel::finish)
        .def_prop_ro("formats", [](const VisionModel& model) { return model.weights().bytes_by_format(); })
        .def("tokens", &VisionModel::tokens, "height"_a, "width"_a)
        .def("encode", &VisionModel::encode, "pixels"_a.noconvert(), "positions"_a.noconvert(),
             "mask"_a.noconvert().none() = nb::none());
}

void bind_sampler(nb::module_& m) {
    nb::class_<Sampler>(m, "Sampler")
        .def(
            "__init__",
            [](Sampler* self, int vocab, float temperature, float top_p, int top_k, float min_p, int64_t seed,
               float presence_penalty, float frequency_penalty, float repetition_penalty,
               const std::optional<std::map<int32_t, float>>& logit_bias, int top_logprobs) {
                new (self) Sampler(make_sampler(vocab, temperature, top_p, top_k, min_p, seed, presence_penalty,
                                                frequency_penalty, repetition_penalty, logit_bias, top_logprobs));
            },
            nb::kw_only(), "vocab"_a, "temperature"_a = 1.0f, "top_p"_a = 1.0f, "top_k"_a = 0, "min_p"_a = 0.0f,
            "seed"_a = 0, "presence_penalty"_a = 0.0f, "frequency_penalty"_a = 0.0f, "repetition_penalty"_a = 1.0f,
            "logit_bias"_a = nb::none(), "top_logprobs"_a = -1)
        .def(
            "observe_prompt", [](Sampler& s, const Tokens& tokens) { s.observe_prompt(span_of(tokens)); },
            "tokens"_a.noconvert())
        .def(
            "observe_output", [](Sampler& s, const Tokens& tokens) { s.observe_output(span_of(tokens)); },
            "tokens"_a.noconvert())
        .def("expect_mask", &Sampler::expect_mask)
        .def("fail_mask", &Sampler::fail_mask)
        .def(
            "set_mask",
            [](Sampler& s, const std::optional<InArray<uint32_t, 1>>& mask) {
                if (mask) {
                    s.set_mask(span_of(*mask));
                } else {
                    s.clear_mask();
                }
            },
            "mask"_a.none())
        .def_prop_ro("generated", &Sampler::generated)
        .def(
            "sample",
            [](Sampler& s, const InArray<float, 1>& logits) {
                std::vector<float> copy(logits.data(), logits.data() + logits.shape(0));
                SampleOutput out;
                nb::gil_scoped_release unlocked;  // whoever makes its mask may need it
                return s.sample(copy, out);
            },
            "logits"_a.noconvert());
}

template <typename E>
E choose(const std::string& name, std::initializer_list<std::pair<const char*, E>> choices, const char* what) {
    for (const auto& [known, value] : choices) {
        if (name == known) return value;
    }
    throw std::invalid_argument(std::string("unknown ") + what + " '" + name + "'");
}

text::BpeSpec bpe_spec(std::vector<std::string> tokens, const nb::bytes& kinds, std::vector<std::string> merges,
                       std::vector<float> scores, const std::string& pieces, bool ignore_merges, int32_t unknown,
                       const std::string& space_prefix) {
    using text::Pieces;
    using text::SpacePrefix;
    text::BpeSpec spec;
    spec.byte_level = pieces != "sentencepiece";
    if (spec.byte_level) {
        spec.pieces = choose<Pieces>(pieces,
                                     {{"gpt2", Pieces::kGpt2},
                                      {"smollm", Pieces::kSmollm},
                                      {"llama3", Pieces::kLlama3},
                                      {"qwen2", Pieces::kQwen2},
                                      {"default", Pieces::kDefault}},
                                     "pre-tokenizer");
    }
    spec.prefix = choose<SpacePrefix>(space_prefix,
                                      {{"none", SpacePrefix::kNone},
                                       {"every", SpacePrefix::kEvery},
                                       {"every_unless_space", SpacePrefix::kEveryUnlessSpace},
                                       {"first_unless_space", SpacePrefix::kFirstUnlessSpace}},
                                      "space prefix");
    spec.tokens = std::move(tokens);
    const auto* first = static_cast<const uint8_t*>(kinds.data());
    spec.kinds.assign(first, first + kinds.size());
    spec.merges = std::move(merges);
    spec.scores = std::move(scores);
    spec.ignore_merges = ignore_merges;
    spec.unknown = unknown;
    return spec;
}

void bind_text(nb::module_& m) {
    using text::Bpe;
    nb::class_<Bpe>(m, "Bpe")
        .def(
            "__init__",
            [](Bpe* self, std::vector<std::string> tokens, const nb::bytes& kinds, std::vector<std::string> merges,
               std::vector<float> scores, const std::string& pieces, bool ignore_merges, int32_t unknown,
               const std::string& space_prefix) {
                text::BpeSpec spec = bpe_spec(std::move(tokens), kinds, std::move(merges), std::move(scores), pieces,
                                              ignore_merges, unknown, space_prefix);
                nb::gil_scoped_release unlocked;
                new (self) Bpe(std::move(spec));
            },
            nb::kw_only(), "tokens"_a, "kinds"_a, "merges"_a, "scores"_a, "pieces"_a, "ignore_merges"_a = false,
            "unknown"_a = -1, "space_prefix"_a = "none")
        .def(
            "encode",
            [](const Bpe& self, const nb::bytes& data, bool parse_special, bool continues) {
                const std::string_view view(data.c_str(), data.size());
                std::vector<int32_t> ids;
                {
                    nb::gil_scoped_release unlocked;
                    ids = self.encode(view, parse_special, continues);
                }
                Result<int32_t> result({ids.size()}, 0);
                std::copy(ids.begin(), ids.end(), result.data.get());
                return result.give();
            },
            "text"_a, "parse_special"_a = false, "continues"_a = false)
        .def(
            "decode",
            [](const Bpe& self, const Tokens& ids, bool skip_control) {
                const std::string bytes = self.decode(span_of(ids), skip_control);
                return nb::bytes(bytes.data(), bytes.size());
            },
            "ids"_a.noconvert(), "skip_control"_a = false)
        .def(
            "token_bytes",
            [](const Bpe& self, int32_t id) {
                const std::string_view bytes = self.token_bytes(id);
                return nb::bytes(bytes.data(), bytes.size());
            },
            "id"_a)
        .def("find", &Bpe::find, "token"_a)
        .def("__len__", &Bpe::size);
}

void bind_context(nb::module_& m) {
    using context::TokenIndex;
    nb::class_<TokenIndex>(m, "TokenIndex")
        .def(nb::init<int64_t, int>(), nb::kw_only(), "vocab"_a, "block_tokens"_a = 64)
        .def(
            "append",
            [](TokenIndex& self, const Tokens& tokens) {
                nb::gil_scoped_release unlocked;
                self.append(span_of(tokens));
            },
            "tokens"_a.noconvert())
        .def(
            "score",
            [](const TokenIndex& self, const Tokens& terms, const InArray<float, 1>& weights) {
                std::vector<float> scores;
                {
                    nb::gil_scoped_release unlocked;
                    scores = self.score(span_of(terms), span_of(weights));
                }
                Result<float> result({scores.size()}, 0.0f);
                std::copy(scores.begin(), scores.end(), result.data.get());
                return result.give();
            },
            "terms"_a.noconvert(), "weights"_a.noconvert())
        .def("block_count", &TokenIndex::block_count, "token"_a)
        .def_prop_ro("blocks", &TokenIndex::blocks)
        .def_prop_ro("block_tokens", &TokenIndex::block_tokens)
        .def("__len__", &TokenIndex::size);
}

}  // namespace
}  // namespace spatz

NB_MODULE(_core, m) {
    using namespace spatz;
    m.attr("PAGE_TOKENS") = kPageTokens;
    m.def("supported_isas", [] {
        std::vector<std::string> names;
        for (Isa isa : supported_isas()) names.emplace_back(isa_name(isa));
        return names;
    });
    nb::class_<Context>(m, "Context")
        .def(nb::init<int, const std::string&>(), "threads"_a = 0, "isa"_a = "")
        .def_prop_ro("threads", [](const Context& c) { return c.pool.threads(); })
        .def_prop_ro("isa", [](const Context& c) { return isa_name(c.isa); })
        .def(
            "read_bandwidth", [](Context& c, int megabytes) { return read_bandwidth(c.pool, megabytes); },
            "megabytes"_a = 512, nb::call_guard<nb::gil_scoped_release>())
        .def(
            "int8_peak", [](Context& c) { return int8_peak(c.pool, *c.kernels); },
            nb::call_guard<nb::gil_scoped_release>());
    bind_config(m);
    bind_model(m);
    bind_vision(m);
    bind_sampler(m);
    bind_text(m);
    bind_context(m);
}
