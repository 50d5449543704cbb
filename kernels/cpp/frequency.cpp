#include "frequency.h"

#include "emogene_kernels.h"
#include "threads.h"

using namespace emogene;

extern "C" void emogene_frequency_encode(const float* positions, int64_t n, int32_t octaves,
                                         float* out, emogene_pool* pool) {
    const int64_t width = 2 + 4 * static_cast<int64_t>(octaves);
    for_ranges(pool, n, 1024, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i)
            frequency_encode(positions[2 * i], positions[2 * i + 1], octaves, out + width * i);
    });
}
