// The sampler against definitions that sort the whole vocabulary, and its distributions by chi-square.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "ops/sampling.h"
#include "random.h"

namespace {

using spatz::SampleOutput;
using spatz::Sampler;
using spatz::SamplerOptions;
using spatz::test::Random;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

SamplerOptions options(int vocab, float temperature = 1.0f) {
    SamplerOptions o;
    o.vocab = vocab;
    o.temperature = temperature;
    return o;
}

int32_t pick(Sampler& sampler, std::vector<float> logits) {
    SampleOutput out;
    const int32_t token = sampler.sample(logits, out);
    CHECK(token == out.token);
    return token;
}

// The distribution that the options ask for, from the definition: sort everything, cut, normalize.
std::vector<double> expected_distribution(const std::vector<float>& logits, const SamplerOptions& o) {
    std::vector<size_t> order(logits.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return logits[a] > logits[b]; });
    std::vector<double> weight(logits.size(), 0.0);
    const double largest = static_cast<double>(logits[order[0]]);
    for (size_t i = 0; i < logits.size(); ++i)
        weight[i] = std::exp((static_cast<double>(logits[i]) - largest) / static_cast<double>(o.temperature));
    size_t kept = o.top_k > 0 ? std::min(order.size(), static_cast<size_t>(o.top_k)) : order.size();
    double total = 0.0;
    for (size_t r = 0; r < kept; ++r) total += weight[order[r]];
    double reached = 0.0;
    for (size_t r = 0; r < kept; ++r) {
        reached += weight[order[r]];
        if (o.top_p < 1.0f && reached >= total * static_cast<double>(o.top_p)) kept = r + 1;
    }
    std::vector<double> probability(logits.size(), 0.0);
    total = 0.0;
    for (size_t r = 0; r < kept; ++r)
        if (weight[order[r]] >= static_cast<double>(o.min_p)) total += probability[order[r]] = weight[order[r]];
    for (double& p : probability) p /= total;
    return probability;
}

// Draws and compares; bins of fewer than 10 expected draws are joined. The bound is 5 standard deviations.
void check_distribution(const std::vector<float>& logits, const SamplerOptions& o, int draws) {
    const std::vector<double> probability = expected_distribution(logits, o);
    Sampler sampler(o);
    std::vector<int> counts(logits.size(), 0);
    for (int i = 0; i < draws; ++i) ++counts[static_cast<size_t>(pick(sampler, logits))];
    double statistic = 0.0;
    double rare_expected = 0.0;
    double rare_seen = 0.0;
    int bins = 0;
    for (size_t i = 0; i < counts.size(); ++i) {
        const double expected = probability[i] * draws;
        if (probability[i] == 0.0) CHECK_MESSAGE(counts[i] == 0, "token " << i << " was cut but drawn");
        if (expected < 10.0) {
            rare_expected += expected;
            rare_seen += counts[i];
            continue;
        }
        statistic += (counts[i] - expected) * (counts[i] - expected) / expected;
        ++bins;
    }
    if (rare_expected >= 10.0) {
        statistic += (rare_seen - rare_expected) * (rare_seen - rare_expected) / rare_expected;
        ++bins;
    }
    const double freedom = std::max(1, bins - 1);
    CHECK_MESSAGE(statistic < freedom + 5.0 * std::sqrt(2.0 * freedom) + 5.0,
                  "chi-square " << statistic << " with " << freedom << " degrees of freedom");
    CHECK(sampler.generated() == draws);
}

}  // namespace

TEST_CASE("sampling kernels: every variant gives the bits of the portable one") {
    const auto kernels = spatz::supported_sampling_kernels();
    const spatz::SamplingKernels& portable = *kernels.back();
    CHECK(std::string(portable.name) == "portable");
    Random random(1);
    for (const int64_t n : {1, 2, 15, 16, 17, 31, 33, 127, 128, 129, 1000, 49152, 50001}) {
        for (const size_t shift : {0, 1, 3}) {  // misaligned on purpose
            std::vector<float> storage = random.normals(n + 3, 9.0f);
            float* x = storage.data() + shift;
            if (n > 20) {
                x[3] = kNan;
                x[7] = -kInf;
                x[n - 1] = -500.0f;
            }
            const auto size = static_cast<size_t>(n);
            const size_t blocks = (size + spatz::kSampleBlock - 1) / spatz::kSampleBlock;
            std::vector<uint32_t> mask((size + 31) / 32);
            for (uint32_t& word : mask) word = static_cast<uint32_t>(random.bits());
            float top = -kInf;
            for (size_t i = 0; i < size; ++i) top = x[i] > top ? x[i] : top;
            std::vector<float> maxima(blocks), weights(size), masked(x, x + n);
            std::vector<double> sums(blocks);
            portable.block_maxima(x, size, maxima.data());
            portable.block_exp_sums(x, size, top, 1.3f, maxima.data(), sums.data());
            portable.exp_weights(x, size, top, 1.3f, weights.data());
            portable.apply_mask(masked.data(), size, mask.data());
            CHECK(*std::max_element(maxima.begin(), maxima.end()) == top);
            for (size_t i = 0; i < size; ++i) {
                const double exact = std::exp(static_cast<double>((x[i] - top) * 1.3f));
                const double wanted = exact > std::exp(-87.0) ? exact : 0.0;
                if (std::abs(static_cast<double>(weights[i]) - wanted) > 3e-7 * wanted + 1e-37)
                    CHECK(weights[i] == wanted);
                const bool allowed = ((mask[i / 32] >> (i % 32)) & 1) != 0;
                if (!allowed) CHECK(masked[i] == -kInf);
                if (allowed && !std::isnan(x[i])) CHECK(masked[i] == x[i]);
            }
            for (const spatz::SamplingKernels* variant : kernels) {
                std::vector<float> other_maxima(blocks), other_weights(size), other_masked(x, x + n);
                std::vector<double> other_sums(blocks);
                variant->block_maxima(x, size, other_maxima.data());
                variant->block_exp_sums(x, size, top, 1.3f, maxima.data(), other_sums.data());
                variant->exp_weights(x, size, top, 1.3f, other_weights.data());
                variant->apply_mask(other_masked.data(), size, mask.data());
                CHECK(other_maxima == maxima);
                CHECK(other_sums == sums);
                CHECK(other_weights == weights);
                for (size_t i = 0; i < size; ++i)
                    if (!std::isnan(x[i]) && other_masked[i] != masked[i]) CHECK(other_masked[i] == masked[i]);
            }
        }
    }
}

TEST_CASE("sampler: greedy takes the largest, the lowest id among equals") {
    Random random(2);
    for (const int vocab : {1, 5, 127, 128, 129, 1000, 49152}) {
        std::vector<float> logits = random.normals(vocab, 3.0f);
        Sampler sampler(options(vocab, 0.0f));
        const auto largest = std::max_element(logits.begin(), logits.end());
        CHECK(pick(sampler, logits) == largest - logits.begin());
        logits.back() = *largest;
        CHECK(pick(sampler, logits) == largest - logits.begin());
        logits.back() = *largest + 1.0f;
        CHECK(pick(sampler, logits) == vocab - 1);
        CHECK(sampler.generated() == 3);
    }
    Sampler ties(options(300, 0.0f));
    CHECK(pick(ties, std::vector<float>(300, -2.5f)) == 0);
}

TEST_CASE("sampler: top_k 1 and top_p 0 are greedy, also where probabilities round alike") {
    std::vector<float> logits(500, -3.0f);
    logits[70] = 0.1f;
    logits[400] = std::nextafter(0.1f, 1.0f);
    SamplerOptions o = options(500, 2.0f);
    o.top_k = 1;
    Sampler by_k(o);
    o.top_k = 0;
    o.top_p = 0.0f;
    Sampler by_p(o);
    o.top_p = 1e-30f;
    Sampler by_small_p(o);
    for (int i = 0; i < 20; ++i) {
        CHECK(pick(by_k, logits) == 400);
        CHECK(pick(by_p, logits) == 400);
        CHECK(pick(by_small_p, logits) == 400);
    }
}

TEST_CASE("sampler: draws follow the distribution that the options ask for") {
    Random random(3);
    const std::vector<float> small = random.normals(40, 2.0f);
    const std::vector<float> wide = random.normals(3000, 2.5f);
    const std::vector<float> flat = random.normals(700, 0.05f);
    SamplerOptions o;
    for (const auto* logits : {&small, &wide, &flat}) {
        const int vocab = static_cast<int>(logits->size());
        o = options(vocab);
        check_distribution(*logits, o, 20000);
        o = options(vocab, 0.6f);
        o.seed = 7;
        check_distribution(*logits, o, 10000);
        o.top_p = 0.8f;
        check_distribution(*logits, o, 10000);
        o.top_k = 12;
        check_distribution(*logits, o, 10000);
        o.top_p = 1.0f;
        check_distribution(*logits, o, 10000);
        o.top_k = 0;
        o.min_p = 0.1f;
        check_distribution(*logits, o, 10000);
        o.top_p = 0.95f;
        o.top_k = 30;
        o.temperature = 1.7f;
        check_distribution(*logits, o, 10000);
    }
}

TEST_CASE("sampler: the nucleus is exactly the smallest set") {
    Random random(4);
    for (int round = 0; round < 60; ++round) {
        const int vocab = static_cast<int>(2 + random.below(2000));
        std::vector<float> logits = random.normals(vocab, static_cast<float>(0.05 + 4.0 * random.uniform()));
        if (round % 3 == 0)
            for (float& x : logits) x = std::round(x * 2.0f) / 2.0f;  // many ties
        SamplerOptions o = options(vocab, static_cast<float>(0.2 + 2.0 * random.uniform()));
        o.top_p = static_cast<float>(random.uniform());
        if (round % 4 == 0) o.top_k = static_cast<int>(1 + random.below(vocab));
        if (round % 5 == 0) o.min_p = static_cast<float>(random.uniform());
        const std::vector<double> probability = expected_distribution(logits, o);
        // The rarest of the kept tokens may change places over rounding; what is well inside or outside may not.
        Sampler sampler(o);
        std::vector<bool> drawn(logits.size(), false);
        for (int i = 0; i < 300; ++i) drawn[static_cast<size_t>(pick(sampler, logits))] = true;
        for (size_t i = 0; i < drawn.size(); ++i)
            if (drawn[i]) CHECK(probability[i] > 0.0);
    }
}

TEST_CASE("sampler: equal tokens share top_p by id") {
    SamplerOptions o = options(8);
    o.top_p = 0.5f;
    Sampler sampler(o);
    std::vector<int> counts(8, 0);
    for (int i = 0; i < 400; ++i) ++counts[static_cast<size_t>(pick(sampler, std::vector<float>(8, 1.0f)))];
    for (size_t i = 0; i < 4; ++i) CHECK(counts[i] > 50);
    for (size_t i = 4; i < 8; ++i) CHECK(counts[i] == 0);
}

TEST_CASE("sampler: the i-th draw depends on seed and i alone") {
    Random random(5);
    const std::vector<float> logits = random.normals(1000, 1.0f);
    const std::vector<float> other = random.normals(1000, 1.0f);
    SamplerOptions o = options(1000);
    o.seed = 42;
    Sampler first(o), second(o);
    o.seed = 43;
    Sampler third(o);
    int same_as_third = 0;
    for (int i = 0; i < 200; ++i) {
        const bool differs = i % 3 == 1;
        const int32_t a = pick(first, logits);
        const int32_t b = pick(second, differs ? other : logits);  // what was drawn before does not matter
        if (!differs) CHECK(a == b);
        same_as_third += a == pick(third, logits) ? 1 : 0;
    }
    CHECK(same_as_third < 30);
}

TEST_CASE("sampler: the first draws of neighbouring seeds are independent") {
    const std::vector<float> logits(64, 0.0f);
    std::vector<int> counts(64, 0);
    for (uint64_t seed = 0; seed < 6400; ++seed) {
        SamplerOptions o = options(64);
        o.seed = seed;
        Sampler sampler(o);
        ++counts[static_cast<size_t>(pick(sampler, logits))];
    }
    double statistic = 0.0;
    for (const int count : counts) statistic += (count - 100.0) * (count - 100.0) / 100.0;
    CHECK(statistic < 63.0 + 5.0 * std::sqrt(126.0));
}

TEST_CASE("sampler: penalties and bias change the logits in their order") {
    SamplerOptions o = options(6, 0.0f);
    o.logit_bias = {{0, -100.0f}, {3, 100.0f}};
    Sampler biased(o);
    CHECK(pick(biased, {9.0f, 1.0f, 2.0f, 0.0f, 0.0f, 0.0f}) == 3);

    o = options(6, 0.0f);
    o.repetition_penalty = 2.0f;
    Sampler repetition(o);
    repetition.observe_prompt(std::vector<int32_t>{1, 1, 1});
    CHECK(pick(repetition, {1.0f, 1.9f, 0.9f, 0.0f, 0.0f, 0.0f}) == 0);        // 1.9 / 2 < 1, however often it came
    CHECK(pick(repetition, {1.0f, 1.9f, 0.96f, 0.0f, 0.0f, 0.0f}) == 2);       // 0 was generated, so 0.5 too
    CHECK(pick(repetition, {-1.0f, -1.0f, -1.0f, -1.5f, -9.0f, -9.0f}) == 3);  // negative: multiplied, -2
    repetition.observe_prompt(std::vector<int32_t>{5});                        // replaces the prompt, keeps the output
    CHECK(pick(repetition, {0.0f, 1.0f, 1.9f, 0.0f, 0.0f, 1.0f}) == 1);

    o = options(4, 0.0f);
    o.presence_penalty = 1.0f;
    Sampler presence(o);
    presence.observe_prompt(std::vector<int32_t>{0});  // the prompt does not count
    CHECK(pick(presence, {2.0f, 1.5f, 0.0f, 0.0f}) == 0);
    CHECK(pick(presence, {2.0f, 1.5f, 0.0f, 0.0f}) == 1);
    CHECK(pick(presence, {2.0f, 1.5f, 0.0f, 0.0f}) == 0);  // 1.0 against 0.5: once or twice is the same
    CHECK(pick(presence, {2.0f, 1.5f, 0.0f, 0.0f}) == 0);

    o = options(4, 0.0f);
    o.frequency_penalty = 1.0f;
    Sampler frequency(o);
    std::vector<int32_t> picked;
    for (int i = 0; i < 5; ++i) picked.push_back(pick(frequency, {2.0f, 1.5f, 0.25f, -9.0f}));
    CHECK(picked == std::vector<int32_t>{0, 1, 0, 1, 2});
    o.frequency_penalty = -1.0f;  // negative penalties encourage
    Sampler encouraged(o);
    CHECK(pick(encouraged, {1.0f, 0.5f, 0.0f, 0.0f}) == 0);
    CHECK(pick(encouraged, {1.0f, 1.5f, 0.0f, 0.0f}) == 0);
}

TEST_CASE("sampler: the mask decides what can be picked") {
    Random random(6);
    for (const float temperature : {0.0f, 1.0f}) {
        const int vocab = 1003;
        SamplerOptions o = options(vocab, temperature);
        o.logit_bias = {{500, 1000.0f}};
        Sampler sampler(o);
        const std::vector<float> logits = random.normals(vocab);
        CHECK(pick(sampler, logits) == 500);
        std::vector<uint32_t> mask(32, 0);
        mask[0] = 1U << 5;
        mask[31] = ~0U;  // ids 992..1002, and bits past the vocabulary
        sampler.set_mask(mask);
        for (int i = 0; i < 100; ++i) {
            const int32_t token = pick(sampler, logits);
            CHECK((token == 5 || token >= 992));
        }
        mask[31] = 0;
        sampler.set_mask(mask);
        CHECK(pick(sampler, logits) == 5);
        mask[0] = 0;
        mask[31] = 1U << 31;  // only past the end
        sampler.set_mask(mask);
        const int64_t before = sampler.generated();
        CHECK_THROWS_AS(pick(sampler, logits), std::runtime_error);
        CHECK(sampler.generated() == before);
        sampler.clear_mask();
        CHECK(pick(sampler, logits) == 500);
        CHECK_THROWS_AS(sampler.set_mask(std::vector<uint32_t>(31, 1)), std::invalid_argument);
        CHECK_THROWS_AS(sampler.set_mask(std::vector<uint32_t>(33, 1)), std::invalid_argument);
    }
}

TEST_CASE("sampler: a mask that is expected is waited for") {
    const int vocab = 333;
    Sampler sampler(options(vocab, 0.0f));
    Random random(11);
    const std::vector<float> logits = random.normals(vocab);
    for (int round = 0; round < 200; ++round) {
        std::vector<uint32_t> mask(11, 0);
        const int allowed = round % vocab;
        mask[static_cast<size_t>(allowed) / 32] = 1U << (allowed % 32);
        sampler.expect_mask();
        std::thread maker([&] { sampler.set_mask(mask); });
        CHECK(pick(sampler, logits) == allowed);
        maker.join();
    }
    sampler.expect_mask();
    std::thread failing([&] { sampler.fail_mask(); });
    const int64_t before = sampler.generated();
    CHECK_THROWS_AS(pick(sampler, logits), spatz::NothingAllowed);
    failing.join();
    CHECK_THROWS_AS(pick(sampler, logits), spatz::NothingAllowed);  // until there is one again
    CHECK(sampler.generated() == before);
    sampler.clear_mask();
    CHECK(pick(sampler, logits) == std::max_element(logits.begin(), logits.end()) - logits.begin());
}

TEST_CASE("sampler: no token left is the mask's fault only where there is one") {
    Sampler sampler(options(4));
    sampler.set_mask(std::vector<uint32_t>{0});
    CHECK_THROWS_AS(pick(sampler, {0.0f, 0.0f, 0.0f, 0.0f}), spatz::NothingAllowed);
    sampler.clear_mask();
    bool other = false;
    try {
        pick(sampler, {-kInf, kNan, -kInf, kNan});
    } catch (const spatz::NothingAllowed&) {
    } catch (const std::runtime_error&) {
        other = true;
    }
    CHECK(other);
}

TEST_CASE("sampler: tokens that were not sampled count like those that were") {
    SamplerOptions o = options(50, 1.0f);
    o.seed = 5;
    o.frequency_penalty = 0.5f;
    o.repetition_penalty = 1.2f;
    Random random(12);
    Sampler sampled(o);
    Sampler told(o);
    std::vector<int32_t> tokens;
    for (int i = 0; i < 20; ++i) tokens.push_back(pick(sampled, random.normals(50)));
    told.observe_output(tokens);
    CHECK(told.generated() == 20);
    for (int i = 0; i < 50; ++i) {
        const std::vector<float> logits = random.normals(50);
        CHECK(pick(told, logits) == pick(sampled, logits));
    }
    CHECK_THROWS_AS(told.observe_output(std::vector<int32_t>{50}), std::invalid_argument);
    CHECK_THROWS_AS(told.observe_output(std::vector<int32_t>{-1}), std::invalid_argument);
}

TEST_CASE("sampler: log-probabilities come from the raw logits") {
    Random random(7);
    const int vocab = 777;
    const std::vector<float> logits = random.normals(vocab, 2.0f);
    double sum = 0.0;
    for (const float x : logits) sum += std::exp(static_cast<double>(x));
    const auto expected = [&](int32_t token) {
        return static_cast<double>(logits[static_cast<size_t>(token)]) - std::log(sum);
    };
    std::vector<int32_t> order(logits.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
        return logits[static_cast<size_t>(a)] > logits[static_cast<size_t>(b)];
    });
    for (const int top : {0, 1, 5, 20}) {
        SamplerOptions o = options(vocab, 1.5f);
        o.top_logprobs = top;
        o.frequency_penalty = 1.5f;
        o.logit_bias = {{order[0], -50.0f}, {order[400], 8.0f}};
        Sampler sampler(o);
        for (int i = 0; i < 20; ++i) {
            std::vector<float> row = logits;
            SampleOutput out;
            const int32_t token = sampler.sample(row, out);
            CHECK(static_cast<double>(out.logprob) == doctest::Approx(expected(token)).epsilon(1e-5));
            REQUIRE(out.top.size() == static_cast<size_t>(top));
            for (size_t r = 0; r < out.top.size(); ++r) {
                CHECK(out.top[r].first == order[r]);
                CHECK(static_cast<double>(out.top[r].second) == doctest::Approx(expected(order[r])).epsilon(1e-5));
            }
        }
        SampleOutput scored;
        Sampler::score(logits, order[123], top, scored);
        CHECK(scored.token == order[123]);
        CHECK(static_cast<double>(scored.logprob) == doctest::Approx(expected(order[123])).epsilon(1e-5));
        CHECK(scored.top.size() == static_cast<size_t>(top));
    }
    Sampler plain(options(vocab));
    std::vector<float> row = logits;
    SampleOutput out;
    plain.sample(row, out);
    CHECK(out.logprob == 0.0f);
    CHECK(out.top.empty());
}

TEST_CASE("sampler: more alternatives than tokens") {
    SampleOutput out;
    Sampler::score(std::vector<float>{1.0f, kNan, 3.0f, -kInf}, 1, 20, out);
    REQUIRE(out.top.size() == 2);
    CHECK(out.top[0].first == 2);
    CHECK(out.top[1].first == 0);
    CHECK(out.logprob == spatz::kLowestLogprob);
}

TEST_CASE("sampler: not-a-number and infinite logits neither crash nor win") {
    for (const float temperature : {0.0f, 0.5f, 1e-30f, 1e30f}) {
        for (const float top_p : {1.0f, 0.9f}) {
            for (const int top_k : {0, 3}) {
                SamplerOptions o = options(200, temperature);
                o.top_p = top_p;
                o.top_k = top_k;
                o.top_logprobs = 2;
                Sampler sampler(o);
                std::vector<float> logits(200, kNan);
                CHECK_THROWS_AS(pick(sampler, logits), std::runtime_error);
                logits.assign(200, -kInf);
                CHECK_THROWS_AS(pick(sampler, logits), std::runtime_error);
                CHECK(sampler.generated() == 0);
                logits.assign(200, kNan);
                logits[150] = -1e30f;
                CHECK(pick(sampler, logits) == 150);
                logits[150] = -kInf;
                logits[151] = kInf;
                logits[152] = 3e38f;
                CHECK(pick(sampler, logits) == 151);
                logits.assign(200, -3e38f);
                logits[9] = 3e38f;
                CHECK(pick(sampler, logits) == 9);
            }
        }
    }
    SampleOutput out;
    Sampler::score(std::vector<float>{kInf, 0.0f, kInf}, 2, 1, out);
    CHECK(out.logprob == doctest::Approx(-0.6931472));
    CHECK(out.top[0].first == 0);
    CHECK_THROWS_AS(Sampler::score(std::vector<float>{kNan}, 0, 0, out), std::runtime_error);
}

TEST_CASE("sampler: tiny temperatures are greedy, huge ones uniform") {
    std::vector<float> logits(1000, 0.0f);
    logits[600] = 0.5f;
    for (const float temperature : {1e-45f, 1e-38f, 1e-6f, 1e-3f}) {
        Sampler sampler(options(1000, temperature));
        for (int i = 0; i < 20; ++i) CHECK(pick(sampler, logits) == 600);
    }
    check_distribution(logits, options(1000, 1e30f), 20000);
}

TEST_CASE("sampler: bad arguments are refused") {
    const auto refused = [](auto change) {
        SamplerOptions o = options(10);
        change(o);
        CHECK_THROWS_AS(Sampler{o}, std::invalid_argument);
    };
    refused([](SamplerOptions& o) { o.vocab = 0; });
    refused([](SamplerOptions& o) { o.vocab = -5; });
    for (const float bad : {-0.1f, kNan, kInf, -kInf}) {
        refused([=](SamplerOptions& o) { o.temperature = bad; });
        refused([=](SamplerOptions& o) { o.top_p = bad; });
        refused([=](SamplerOptions& o) { o.min_p = bad; });
        refused([=](SamplerOptions& o) { o.repetition_penalty = bad; });
        if (!std::isfinite(bad)) {
            refused([=](SamplerOptions& o) { o.presence_penalty = bad; });
            refused([=](SamplerOptions& o) { o.frequency_penalty = bad; });
            refused([=](SamplerOptions& o) { o.logit_bias = {{1, bad}}; });
        }
    }
    refused([](SamplerOptions& o) { o.top_p = 1.01f; });
    refused([](SamplerOptions& o) { o.min_p = 1.01f; });
    refused([](SamplerOptions& o) { o.top_k = -1; });
    refused([](SamplerOptions& o) { o.repetition_penalty = 0.0f; });
    refused([](SamplerOptions& o) { o.top_logprobs = -2; });
    refused([](SamplerOptions& o) { o.top_logprobs = 21; });
    refused([](SamplerOptions& o) { o.logit_bias = {{10, 1.0f}}; });
    refused([](SamplerOptions& o) { o.logit_bias = {{-1, 1.0f}}; });

    Sampler sampler(options(10));
    CHECK_THROWS_AS(pick(sampler, std::vector<float>(9, 0.0f)), std::invalid_argument);
    CHECK_THROWS_AS(pick(sampler, std::vector<float>(11, 0.0f)), std::invalid_argument);
    CHECK_THROWS_AS(sampler.observe_prompt(std::vector<int32_t>{3, 10}), std::invalid_argument);
    CHECK_THROWS_AS(sampler.observe_prompt(std::vector<int32_t>{-1}), std::invalid_argument);
    SampleOutput out;
    const std::vector<float> logits(10, 0.0f);
    CHECK_THROWS_AS(Sampler::score(logits, -1, 0, out), std::invalid_argument);
    CHECK_THROWS_AS(Sampler::score(logits, 10, 0, out), std::invalid_argument);
    CHECK_THROWS_AS(Sampler::score(logits, 1, 21, out), std::invalid_argument);
    CHECK_THROWS_AS(Sampler::score(logits, 1, -1, out), std::invalid_argument);
}
