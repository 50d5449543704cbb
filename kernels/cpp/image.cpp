#include "image.h"

#include "emogene_kernels.h"
#include "threads.h"

extern "C" void emogene_blend(const float* head, const float* opacity, const float* torso,
                              const uint8_t* background, int64_t n, uint8_t* out,
                              emogene_pool* pool) {
    emogene::for_ranges(pool, n, 8192, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i)
            for (int64_t c = 0; c < 3; ++c)
                out[3 * i + c] = emogene::blend(head[3 * i + c], opacity[i], torso[4 * i + c],
                                                torso[4 * i + 3], background[3 * i + c]);
    });
}
