#include "ops/sampling.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>

namespace spatz {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kLargestFloat = std::numeric_limits<float>::max();
// No mask takes long; whoever promised this one is gone.
constexpr std::chrono::seconds kMaskPatience(30);

void require(bool holds, const char* message) {
    if (!holds) throw std::invalid_argument(message);
}

const SamplingKernels* best_kernels() {
    static const SamplingKernels* const best = supported_sampling_kernels().front();
    return best;
}

size_t block_count(size_t n) { return (n + kSampleBlock - 1) / kSampleBlock; }

uint64_t mix(uint64_t z) {  // splitmix64's finalizer
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

// A logit of +inf beats everything finite: what is left of the distribution is uniform over such tokens.
void settle_infinite(std::span<float> logits) {
    for (float& x : logits) x = x == kInfinity ? 0.0f : -kInfinity;
}

// Lowest logit that one of the k largest can have: k blocks' maxima are k logits at least as large.
float bound_of_largest(std::span<const float> maxima, size_t k) {
    if (k == 0 || k > maxima.size()) return -kLargestFloat;
    std::vector<float> order(maxima.begin(), maxima.end());
    std::nth_element(order.begin(), order.begin() + static_cast<ptrdiff_t>(k - 1), order.end(), std::greater<>());
    return std::max(order[k - 1], -kLargestFloat);
}

// Calls found(token, logit) in ascending order of id for each logit >= bound; blocks without one are skipped.
template <typename Found>
void for_each_above(std::span<const float> logits, std::span<const float> maxima, float bound, Found found) {
    for (size_t b = 0; b < maxima.size(); ++b) {
        if (!(maxima[b] >= bound)) continue;
        const size_t end = std::min((b + 1) * kSampleBlock, logits.size());
        for (size_t i = b * kSampleBlock; i < end; ++i)
            if (logits[i] >= bound) found(static_cast<int32_t>(i), logits[i]);
    }
}

// Log-softmax at single points: value(x) = x - max - log(sum(exp(x - max))).
class LogSoftmax {
  public:
    explicit LogSoftmax(std::span<const float> logits) : logits_(logits), maxima_(block_count(logits.size())) {
        const SamplingKernels& kernels = *best_kernels();
        kernels.block_maxima(logits.data(), logits.size(), maxima_.data());
        largest_ = *std::max_element(maxima_.begin(), maxima_.end());
        if (largest_ == -kInfinity) throw std::runtime_error("the logits hold no number above minus infinity");
        if (largest_ == kInfinity) {
            log_sum_ = std::log(static_cast<double>(std::count(logits.begin(), logits.end(), kInfinity)));
            return;
        }
        std::vector<double> sums(maxima_.size());
        kernels.block_exp_sums(logits.data(), logits.size(), largest_, 1.0f, maxima_.data(), sums.data());
        log_sum_ = std::log(std::accumulate(sums.begin(), sums.end(), 0.0));
    }

    float value(int32_t token) const {
        const float x = logits_[static_cast<size_t>(token)];
        const double below = x == largest_ ? 0.0 : static_cast<double>(x) - static_cast<double>(largest_);
        const double value = below - log_sum_;
        return value >= kLowestLogprob ? static_cast<float>(value) : kLowestLogprob;  // also NaN
    }

    void top(int count, std::vector<std::pair<int32_t, float>>& out) const {
        out.clear();
        const auto wanted = std::min(static_cast<size_t>(count), logits_.size());
        for_each_above(logits_, maxima_, bound_of_largest(maxima_, wanted),
                       [&](int32_t token, float logit) { out.emplace_back(token, logit); });
        const size_t kept = std::min(wanted, out.size());
        std::partial_sort(out.begin(), out.begin() + static_cast<ptrdiff_t>(kept), out.end(),
                          [](const auto& a, const auto& b) {
                              return a.second != b.second ? a.second > b.second : a.first < b.first;
                          });
        out.resize(kept);
        for (auto& [token, logprob] : out) logprob = value(token);
    }

  private:
    std::span<const float> logits_;
    std::vector<float> maxima_;
    float largest_ = -kInfinity;
    double log_sum_ = 0.0;
};

}  // namespace

Sampler::Sampler(SamplerOptions options) : options_(std::move(options)), kernels_(best_kernels()) {
    const SamplerOptions& o = options_;
    require(o.vocab > 0, "vocab must be positive");
    require(std::isfinite(o.temperature) && o.temperature >= 0.0f, "temperature must be finite and not negative");
    require(o.top_p >= 0.0f && o.top_p <= 1.0f, "top_p must be between 0 and 1");
    require(o.min_p >= 0.0f && o.min_p <= 1.0f, "min_p must be between 0 and 1");
    require(o.top_k >= 0, "top_k must not be negative");
    require(std::isfinite(o.presence_penalty), "presence_penalty must be finite");
    require(std::isfinite(o.frequency_penalty), "frequency_penalty must be finite");
    require(std::isfinite(o.repetition_penalty) && o.repetition_penalty > 0.0f,
            "repetition_penalty must be finite and positive");
    require(o.top_logprobs >= -1 && o.top_logprobs <= kMaxTopLogprobs, "top_logprobs must be between -1 and 20");
    for (const auto& [token, bias] : o.logit_bias) {
        if (token < 0 || token >= o.vocab)
            throw std::invalid_argument("logit_bias: token " + std::to_string(token) + " is not in the vocabulary");
        require(std::isfinite(bias), "logit_bias: values must be finite");
    }
    penalizes_ = o.presence_penalty != 0.0f || o.frequency_penalty != 0.0f || o.repetition_penalty != 1.0f;
    if (o.temperature > 0.0f) inverse_temperature_ = std::min(1.0f / o.temperature, kLargestFloat);
    maxima_.resize(block_count(static_cast<size_t>(o.vocab)));
}

void Sampler::observe_prompt(std::span<const int32_t> tokens) {
    for (const int32_t token : tokens)
        if (token < 0 || token >= options_.vocab)
            throw std::invalid_argument("prompt: token " + std::to_string(token) + " is not in the vocabulary");
    if (!penalizes_) return;
    std::erase_if(seen_, [](const auto& entry) { return entry.second.generated == 0; });
    for (auto& [token, seen] : seen_) seen.in_prompt = false;
    for (const int32_t token : tokens) seen_[token].in_prompt = true;
}

void Sampler::observe_output(std::span<const int32_t> tokens) {
    for (const int32_t token : tokens)
        if (token < 0 || token >= options_.vocab)
            throw std::invalid_argument("output: token " + std::to_string(token) + " is not in the vocabulary");
    if (penalizes_)
        for (const int32_t token : tokens) ++seen_[token].generated;
    generated_ += static_cast<int64_t>(tokens.size());
}

void Sampler::set_mask(std::span<const uint32_t> mask) {
    require(mask.size() == (static_cast<size_t>(options_.vocab) + 31) / 32, "mask must have ceil(vocab/32) words");
    const std::lock_guard<std::mutex> guard(lock_);
    mask_.assign(mask.begin(), mask.end());
    change_mask(Mask::kSet);
}

void Sampler::clear_mask() {
    const std::lock_guard<std::mutex> guard(lock_);
    change_mask(Mask::kNone);
}

void Sampler::expect_mask() {
    const std::lock_guard<std::mutex> guard(lock_);
    change_mask(Mask::kExpected);
}

void Sampler::fail_mask() {
    const std::lock_guard<std::mutex> guard(lock_);
    change_mask(Mask::kFailed);
}

void Sampler::change_mask(Mask state) {
    mask_state_ = state;
    if (state != Mask::kExpected) mask_changed_.notify_all();
}

int32_t Sampler::sample(std::span<float> logits, SampleOutput& out) {
    std::unique_lock<std::mutex> guard(lock_);
    if (!mask_changed_.wait_for(guard, kMaskPatience, [this] { return mask_state_ != Mask::kExpected; }))
        throw NothingAllowed("the mask that was promised did not come");
    if (mask_state_ == Mask::kFailed) throw NothingAllowed("there is no mask for this token");
    return sample_masked(logits, out);
}

int32_t Sampler::sample_masked(std::span<float> logits, SampleOutput& out) {
    require(logits.size() == static_cast<size_t>(options_.vocab), "logits must have one value per token");
    const bool wants_logprobs = options_.top_logprobs >= 0;
    const bool masked = mask_state_ == Mask::kSet;
    const bool adjusts = penalizes_ || !options_.logit_bias.empty() || masked;
    if (wants_logprobs) raw_.assign(logits.begin(), logits.end());
    if (adjusts) adjust(logits);

    kernels_->block_maxima(logits.data(), logits.size(), maxima_.data());
    float largest = *std::max_element(maxima_.begin(), maxima_.end());
    if (largest == -kInfinity) {
        if (masked) throw NothingAllowed("the mask leaves no token that can be picked");
        throw std::runtime_error("the logits hold no number above minus infinity");
    }
    if (largest == kInfinity) {
        settle_infinite(logits);
        kernels_->block_maxima(logits.data(), logits.size(), maxima_.data());
        largest = 0.0f;
    }
    const int32_t token = draw(logits, largest);

    out.token = token;
    out.logprob = 0.0f;
    out.top.clear();
    if (wants_logprobs) {
        const LogSoftmax distribution(raw_);
        out.logprob = distribution.value(token);
        distribution.top(options_.top_logprobs, out.top);
    }
    if (penalizes_) ++seen_[token].generated;
    ++generated_;
    return token;
}

void Sampler::score(std::span<const float> logits, int32_t target, int top, SampleOutput& out) {
    require(target >= 0 && static_cast<size_t>(target) < logits.size(), "target is not in the vocabulary");
    require(top >= 0 && top <= kMaxTopLogprobs, "top must be between 0 and 20");
    const LogSoftmax distribution(logits);
    out.token = target;
    out.logprob = distribution.value(target);
    distribution.top(top, out.top);
}

void Sampler::adjust(std::span<float> logits) const {
    for (const auto& [token, bias] : options_.logit_bias) logits[static_cast<size_t>(token)] += bias;
    for (const auto& [token, seen] : seen_) {
        float& x = logits[static_cast<size_t>(token)];
        x = x > 0.0f ? x / options_.repetition_penalty : x * options_.repetition_penalty;
        if (seen.generated > 0)
            x -= options_.presence_penalty + options_.frequency_penalty * static_cast<float>(seen.generated);
    }
    if (mask_state_ == Mask::kSet) kernels_->apply_mask(logits.data(), logits.size(), mask_.data());
}

int32_t Sampler::draw(std::span<const float> logits, float largest) {
    const size_t vocab = logits.size();
    const auto top_k = static_cast<size_t>(options_.top_k);
    const double top_p = static_cast<double>(options_.top_p);
    if (options_.temperature == 0.0f || top_k == 1 || options_.top_p == 0.0f) return largest_token(logits, largest);

    if (top_k > 0 && top_k < vocab) {
        collect(logits, bound_of_largest(maxima_, top_k), largest);
        keep_top_k(top_k);
        if (top_p < 1.0) keep_top_p(mass() * top_p, largest);
    } else if (top_p < 1.0) {
        const double total = weigh_all(logits, largest);
        // Tokens below (1 - top_p) * total / vocab have less than 1 - top_p of the mass together, so they are never
        // needed. Most distributions need far fewer, so bounds that let few through are tried first.
        const double rest = total * (1.0 - top_p);
        const double never_needed = rest / static_cast<double>(vocab);
        for (double weight = rest / 16.0;; weight = std::max(weight / 32.0, never_needed)) {
            const double found = collect(logits, bound_of_weight(weight, largest), largest);
            if (found >= total * top_p || weight <= never_needed) break;
        }
        keep_top_p(total * top_p, largest);
    } else if (options_.min_p > 0.0f) {
        collect(logits, bound_of_weight(static_cast<double>(options_.min_p), largest), largest);
    } else {
        return draw_from_all(logits, largest, weigh_all(logits, largest));
    }
    // The largest weight is 1. It is always left, as min_p is at most 1.
    if (options_.min_p > 0.0f) keep_if([this](size_t i) { return weights_[i] >= options_.min_p; });
    return draw_from_candidates();
}

int32_t Sampler::largest_token(std::span<const float> logits, float largest) const {
    const auto block = std::find(maxima_.begin(), maxima_.end(), largest) - maxima_.begin();
    const auto first = logits.begin() + block * static_cast<ptrdiff_t>(kSampleBlock);
    return static_cast<int32_t>(std::find(first, logits.end(), largest) - logits.begin());
}

double Sampler::weigh_all(std::span<const float> logits, float largest) {
    sums_.resize(maxima_.size());
    kernels_->block_exp_sums(logits.data(), logits.size(), largest, inverse_temperature_, maxima_.data(), sums_.data());
    return std::accumulate(sums_.begin(), sums_.end(), 0.0);
}

int32_t Sampler::draw_from_all(std::span<const float> logits, float largest, double total) const {
    double left = uniform() * total;
    size_t block = 0;
    size_t chosen = 0;  // the last block with any weight, should rounding carry the sum past the end
    for (; block < sums_.size(); ++block) {
        if (sums_[block] > 0.0) chosen = block;
        if (left < sums_[block]) break;
        left -= sums_[block];
    }
    const size_t first = chosen * kSampleBlock;
    const size_t count = std::min(kSampleBlock, logits.size() - first);
    float weights[kSampleBlock];
    kernels_->exp_weights(logits.data() + first, count, largest, inverse_temperature_, weights);
    size_t picked = 0;
    for (size_t i = 0; i < count; ++i) {
        if (!(weights[i] > 0.0f)) continue;
        picked = i;
        if (left < static_cast<double>(weights[i])) break;
        left -= static_cast<double>(weights[i]);
    }
    return static_cast<int32_t>(first + picked);
}

int32_t Sampler::draw_from_candidates() const {
    double left = uniform() * mass();
    size_t picked = 0;
    for (size_t i = 0; i < count_; ++i) {
        if (!(weights_[i] > 0.0f)) continue;
        picked = i;
        if (left < static_cast<double>(weights_[i])) break;
        left -= static_cast<double>(weights_[i]);
    }
    return tokens_[picked];
}

double Sampler::collect(std::span<const float> logits, float bound, float largest) {
    tokens_.resize(logits.size());
    logits_.resize(logits.size());
    weights_.resize(logits.size());
    size_t count = 0;
    for (size_t b = 0; b < maxima_.size(); ++b) {
        if (!(maxima_[b] >= bound)) continue;
        const size_t end = std::min((b + 1) * kSampleBlock, logits.size());
        for (size_t i = b * kSampleBlock; i < end; ++i) {  // without a branch: it would be mispredicted
            tokens_[count] = static_cast<int32_t>(i);
            logits_[count] = logits[i];
            count += logits[i] >= bound ? 1 : 0;
        }
    }
    count_ = count;
    kernels_->exp_weights(logits_.data(), count, largest, inverse_temperature_, weights_.data());
    return mass();
}

// A logit that every token of at least this weight reaches: a hair lower than exact, for what rounding may do.
float Sampler::bound_of_weight(double weight, float largest) const {
    const double logarithm = std::log(std::max(weight, 1e-38)) - 1e-3;
    const double bound = static_cast<double>(largest) + logarithm / static_cast<double>(inverse_temperature_);
    if (!(bound > -static_cast<double>(kLargestFloat))) return -kLargestFloat;
    return std::nextafter(static_cast<float>(std::min(bound, static_cast<double>(largest))), -kInfinity);
}

void Sampler::keep_top_k(size_t k) {
    if (count_ <= k) return;
    order_.clear();
    for (size_t i = 0; i < count_; ++i) order_.emplace_back(-logits_[i], tokens_[i]);
    const auto kth = order_.begin() + static_cast<ptrdiff_t>(k - 1);
    std::nth_element(order_.begin(), kth, order_.end());
    const std::pair<float, int32_t> last = *kth;
    keep_if([&](size_t i) { return std::pair(-logits_[i], tokens_[i]) <= last; });
}

// Keeps the fewest of the most probable candidates whose weights reach target_mass. Buckets of equal log-probability
// say where the border runs; only the bucket it runs through is sorted.
void Sampler::keep_top_p(double target_mass, float largest) {
    constexpr size_t kBuckets = 2048;
    constexpr float kBucketsPerNat = 64.0f;
    const auto bucket_of = [&](float logit) {
        const float nats = (largest - logit) * inverse_temperature_;  // >= 0
        return static_cast<size_t>(std::min(nats * kBucketsPerNat, static_cast<float>(kBuckets - 1)));
    };
    bucket_mass_.assign(kBuckets, 0.0);
    for (size_t i = 0; i < count_; ++i) bucket_mass_[bucket_of(logits_[i])] += static_cast<double>(weights_[i]);
    double reached = 0.0;
    size_t border = 0;
    while (border < kBuckets && reached + bucket_mass_[border] < target_mass) reached += bucket_mass_[border++];
    if (border == kBuckets) return;  // rounding: all of them are needed

    order_.clear();
    for (size_t i = 0; i < count_; ++i)
        if (bucket_of(logits_[i]) == border) order_.emplace_back(-logits_[i], static_cast<int32_t>(i));
    std::sort(order_.begin(), order_.end());  // candidates are in order of id, so ties stay so
    std::pair<float, int32_t> last = order_.back();
    for (const auto& entry : order_) {
        reached += static_cast<double>(weights_[static_cast<size_t>(entry.second)]);
        if (reached >= target_mass) {
            last = entry;
            break;
        }
    }
    keep_if([&](size_t i) { return std::pair(-logits_[i], static_cast<int32_t>(i)) <= last; });
}

template <typename Keep>
void Sampler::keep_if(Keep keep) {
    size_t kept = 0;
    for (size_t i = 0; i < count_; ++i) {
        if (!keep(i)) continue;
        tokens_[kept] = tokens_[i];
        logits_[kept] = logits_[i];
        weights_[kept] = weights_[i];
        ++kept;
    }
    count_ = kept;
}

double Sampler::mass() const {
    double part[4] = {};
    for (size_t i = 0; i < count_; ++i) part[i % 4] += static_cast<double>(weights_[i]);
    return (part[0] + part[1]) + (part[2] + part[3]);
}

double Sampler::uniform() const {
    constexpr uint64_t kGolden = 0x9e3779b97f4a7c15ULL;
    const auto index = static_cast<uint64_t>(generated_);
    const uint64_t bits = mix(mix(options_.seed + kGolden) + (index + 1) * kGolden);
    return static_cast<double>(bits >> 11) * 0x1.0p-53;
}

}  // namespace spatz
