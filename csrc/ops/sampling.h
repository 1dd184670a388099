// Picking the next token of one sequence from its logits, with the sequence's random state and token counts.
//
// Order: log-probabilities from the raw logits; logit_bias, repetition, presence and frequency penalties; the mask;
// then temperature (0: the largest), top_k, top_p, min_p; then the draw. The vocabulary is never sorted: candidates
// are cut out by a bound on the logit that cannot lose one. Ties go to the lower id. The i-th draw depends on
// (seed, i) alone, and a pick on nothing but the logits' bits: every instruction set gives the same.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <stdexcept>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ops/sampling_kernels.h"

namespace spatz {

struct SamplerOptions {
    int vocab = 0;
    float temperature = 1.0f;  // >= 0; 0 takes the largest logit
    float top_p = 1.0f;        // in [0, 1]; the fewest tokens that reach this mass, at least one
    float min_p = 0.0f;        // in [0, 1]; relative to the most probable token
    int top_k = 0;             // 0: off
    uint64_t seed = 0;
    float presence_penalty = 0.0f;
    float frequency_penalty = 0.0f;
    float repetition_penalty = 1.0f;  // > 0
    std::vector<std::pair<int32_t, float>> logit_bias;
    int top_logprobs = -1;  // -1: no log-probabilities; 0..20: that many alternatives
};

struct SampleOutput {
    int32_t token = -1;
    float logprob = 0.0f;                        // natural, never below kLowestLogprob
    std::vector<std::pair<int32_t, float>> top;  // most probable first
};

inline constexpr float kLowestLogprob = -9999.0f;  // JSON has no minus infinity
inline constexpr int kMaxTopLogprobs = 20;

// A mask that leaves no token that can be picked, or that never came. The fault of one sequence, not of the step.
struct NothingAllowed : std::runtime_error {
    using std::runtime_error::runtime_error;
};

class Sampler {
  public:
    // Throws std::invalid_argument for what is out of range or not finite.
    explicit Sampler(SamplerOptions options);

    // The prompt, for the repetition penalty. Replaces an earlier one. Throws std::invalid_argument for bad ids.
    void observe_prompt(std::span<const int32_t> tokens);
    // Tokens of the answer that were not sampled: they count for the penalties and as draws.
    void observe_output(std::span<const int32_t> tokens);

    // Allowed tokens, [ceil(vocab / 32)] words, lowest bit first; bits past the vocabulary are ignored. Kept until
    // changed. The four below may be called from any thread, also while another one samples.
    void set_mask(std::span<const uint32_t> mask);
    void clear_mask();
    // The next token's mask is still being made: sample waits until it is set, cleared or failed.
    void expect_mask();
    // There will be none: sample throws NothingAllowed until another mask is set or cleared.
    void fail_mask();

    // Picks from logits [vocab], which are overwritten, and counts the token. NaN and -inf are never picked. Throws
    // std::invalid_argument for a wrong size, NothingAllowed where it is the mask that leaves no token, and
    // std::runtime_error where there was none before; the state is then as before.
    int32_t sample(std::span<float> logits, SampleOutput& out);

    // Log-probability of target under the raw logits, and the `top` (0..20) most probable tokens. Throws
    // std::invalid_argument for a bad target or top, std::runtime_error when no logit is a number above -inf.
    static void score(std::span<const float> logits, int32_t target, int top, SampleOutput& out);

    int64_t generated() const { return generated_; }
    const SamplerOptions& options() const { return options_; }

  private:
    struct Seen {
        bool in_prompt = false;
        int32_t generated = 0;
    };

    enum class Mask { kNone, kSet, kExpected, kFailed };

    int32_t sample_masked(std::span<float> logits, SampleOutput& out);
    void change_mask(Mask state);
    void adjust(std::span<float> logits) const;
    int32_t draw(std::span<const float> logits, float largest);
    int32_t largest_token(std::span<const float> logits, float largest) const;
    double weigh_all(std::span<const float> logits, float largest);
    int32_t draw_from_all(std::span<const float> logits, float largest, double total) const;
    int32_t draw_from_candidates() const;

    // The candidates, in ascending order of id. collect gives their mass; the others leave a part of them.
    double collect(std::span<const float> logits, float bound, float largest);
    float bound_of_weight(double weight, float largest) const;
    void keep_top_k(size_t k);
    void keep_top_p(double target_mass, float largest);
    template <typename Keep>
    void keep_if(Keep keep);
    double mass() const;
    double uniform() const;  // in [0, 1), for the token that is generated next

    SamplerOptions options_;
    float inverse_temperature_ = 1.0f;
    bool penalizes_ = false;
    int64_t generated_ = 0;
    std::unordered_map<int32_t, Seen> seen_;  // kept only when something is penalized

    std::mutex lock_;  // of the mask, and held while sampling
    std::condition_variable mask_changed_;
    Mask mask_state_ = Mask::kNone;
    std::vector<uint32_t> mask_;

    const SamplingKernels* kernels_;
    std::vector<float> raw_;  // scratch from here on
    std::vector<float> maxima_;
    std::vector<double> sums_;
    size_t count_ = 0;             // candidates; the three vectors are as long as the vocabulary once used
    std::vector<int32_t> tokens_;  // candidates: id,
    std::vector<float> logits_;    // logit,
    std::vector<float> weights_;   // exp((logit - largest) / temperature)
    std::vector<double> bucket_mass_;
    std::vector<std::pair<float, int32_t>> order_;
};

}  // namespace spatz
