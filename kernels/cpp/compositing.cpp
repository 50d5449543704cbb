#include "compositing.h"

#include "emogene_kernels.h"
#include "threads.h"

using namespace emogene;

extern "C" void emogene_composite_rays(const emogene_composite* samples, const int32_t* live,
                                       int64_t n, float* transmittance, float* channels,
                                       int32_t* used, float* weights, emogene_pool* pool) {
    const int32_t width = samples->channels;
    for_ranges(pool, n, 512, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
            const int64_t ray = live != nullptr ? live[i] : i;
            const int32_t last = samples->offsets[i + 1];
            float* sum = channels + ray * width;
            float left = transmittance[ray];
            int32_t s = samples->offsets[i];
            const int32_t first = s;
            for (; s < last && !(left < samples->threshold); ++s) {
                const float weight = absorb(samples->sigmas[s], samples->step, &left);
                const float* value = samples->values + static_cast<int64_t>(s) * width;
                for (int32_t c = 0; c < width; ++c) sum[c] += weight * value[c];
                weights[s] = weight;
            }
            used[ray] += s - first;
            transmittance[ray] = left;
            for (; s < last; ++s) weights[s] = 0.0f;
        }
    });
}

// With e_s the gradient of weight s (from channels, opacity and weights together),
//     dL/dsigma_s = step (T_{s+1} e_s - sum over j > s of w_j e_j),
// because sigma_s raises its own weight and lowers all later ones. The opacity's share of it is
// constant along the ray, step T_end, and is added apart: the difference would cancel badly.
extern "C" void emogene_composite_backward(const emogene_composite* samples, int64_t n,
                                           const float* grad_channels, const float* grad_opacity,
                                           const float* grad_weights, float* grad_sigmas,
                                           float* grad_values, emogene_pool* pool) {
    const int32_t width = samples->channels;
    for_ranges(pool, n, 512, [&](int64_t begin, int64_t end) {
        for (int64_t ray = begin; ray < end; ++ray) {
            const int32_t first = samples->offsets[ray], last = samples->offsets[ray + 1];
            const float* upstream = grad_channels + ray * width;
            float left = 1.0f;
            int32_t s = first;
            for (; s < last && !(left < samples->threshold); ++s) {
                const float weight = absorb(samples->sigmas[s], samples->step, &left);
                const int64_t row = static_cast<int64_t>(s) * width;
                float e = grad_weights != nullptr ? grad_weights[s] : 0.0f;
                for (int32_t c = 0; c < width; ++c) {
                    e += upstream[c] * samples->values[row + c];
                    grad_values[row + c] = weight * upstream[c];
                }
                grad_sigmas[s] = e;
            }
            for (int32_t unused = s; unused < last; ++unused) {
                grad_sigmas[unused] = 0.0f;
                for (int32_t c = 0; c < width; ++c)
                    grad_values[static_cast<int64_t>(unused) * width + c] = 0.0f;
            }
            // T_{s+1} cannot be had by dividing backwards (it may be 0), so the sum of all w e is
            // formed first and taken down going forwards.
            double later = 0.0;
            float passed = 1.0f;
            for (int32_t i = first; i < s; ++i)
                later += static_cast<double>(absorb(samples->sigmas[i], samples->step, &passed)) *
                         grad_sigmas[i];
            passed = 1.0f;
            const float share = left * grad_opacity[ray];
            for (int32_t i = first; i < s; ++i) {
                const float e = grad_sigmas[i];
                const double weight = absorb(samples->sigmas[i], samples->step, &passed);
                later -= weight * e;
                grad_sigmas[i] = samples->step * (passed * e - static_cast<float>(later) + share);
            }
        }
    });
}

extern "C" int64_t emogene_live_rays(const int32_t* live, int64_t n, const int32_t* cursor,
                                     const float* transmittance, float threshold, int32_t* kept) {
    int64_t count = 0;
    for (int64_t i = 0; i < n; ++i) {
        const int32_t ray = live[i];
        if (cursor[ray] >= 0 && !(transmittance[ray] < threshold)) kept[count++] = ray;
    }
    return count;
}
