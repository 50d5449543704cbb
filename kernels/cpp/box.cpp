#include "box.h"

#include "emogene_kernels.h"
#include "threads.h"

using namespace emogene;

extern "C" void emogene_box_interval(const float* origins, int64_t origin_stride,
                                     const float* directions, int64_t n, const emogene_box* box,
                                     float min_near, float* near, float* far, emogene_pool* pool) {
    const Vec3 low = load(box->low), high = load(box->high);
    for_ranges(pool, n, 4096, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
            const Interval interval = emogene::box_interval(
                load(origins + origin_stride * i), load(directions + 3 * i), low, high, min_near);
            near[i] = interval.near;
            far[i] = interval.far;
        }
    });
}
