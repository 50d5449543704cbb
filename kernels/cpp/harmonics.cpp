#include "harmonics.h"

#include "emogene_kernels.h"
#include "threads.h"

using namespace emogene;

extern "C" void emogene_spherical_harmonics(const float* directions, int64_t n, int32_t degree,
                                            float* out, emogene_pool* pool) {
    const int64_t width = static_cast<int64_t>(degree) * degree;
    for_ranges(pool, n, 4096, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i)
            spherical_harmonics(load(directions + 3 * i), degree, out + width * i);
    });
}
