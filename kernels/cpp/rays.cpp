#include "rays.h"

#include "emogene_kernels.h"
#include "threads.h"

using namespace emogene;

extern "C" void emogene_camera_rays(const float* poses, const emogene_camera* camera,
                                    const int32_t* pixels, const int32_t* frames, int64_t n,
                                    float* origins, float* directions, emogene_pool* pool) {
    const Pinhole pinhole = {camera->focal, camera->cx, camera->cy};
    const int32_t size = camera->size;
    if (frames == nullptr) store(origins, camera_centre(poses));
    for_ranges(pool, n, 4096, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
            const float* pose = poses;
            if (frames != nullptr) {
                pose += 12 * static_cast<int64_t>(frames[i]);
                store(origins + 3 * i, camera_centre(pose));
            }
            const int32_t row = pixels[i] / size;
            const float u = static_cast<float>(pixels[i] - row * size) + 0.5f;
            const float v = static_cast<float>(row) + 0.5f;
            store(directions + 3 * i, ray_direction(pose, pinhole, u, v));
        }
    });
}
