#include "traversal.h"

#include <algorithm>
#include <cstring>

#include "host.h"
#include "threads.h"

using namespace emogene;

namespace {

constexpr int64_t kRaysAPiece = 256;
constexpr int64_t kRaysASlab = 16 * kRaysAPiece;

struct March {
    const emogene_rays& rays;
    const int32_t* live;
    OccupancyGrid grid;
    const emogene_march& options;
    int32_t* cursor;
    int32_t* taken;
    float* positions;
    float* distances;
    int32_t* sample_rays;
    int32_t* offsets;

    // Marches live rays begin to end; their samples go to places from `at` on, their number to
    // offsets[i + 1].
    void walk(int64_t begin, int64_t end, int64_t at) const {
        for (int64_t i = begin; i < end; ++i) {
            const int32_t ray = live[i];
            const Vec3 origin = load(rays.origins + rays.origin_stride * ray);
            const Vec3 direction = load(rays.directions + 3 * static_cast<int64_t>(ray));
            const float phase = rays.phases != nullptr ? rays.phases[ray] : options.phase;
            const Lattice lattice = {rays.near[ray], rays.far[ray], phase, options.step};
            const int32_t wanted = std::min(options.count, options.max_count - taken[ray]);
            int32_t k = cursor[ray], got = 0;
            for (; got < wanted; ++got, ++k, ++at) {
                Vec3 position;
                k = next_sample(grid, origin, direction, lattice, k, &position, distances + at);
                if (k == kRayDone) break;
                store(positions + 3 * at, position);
                sample_rays[at] = ray;
            }
            taken[ray] += got;
            cursor[ray] = taken[ray] < options.max_count ? k : kRayDone;
            offsets[i + 1] = got;
        }
    }

    // Moves `count` samples down to where they belong.
    void move(int64_t to, int64_t from, int64_t count) const {
        const size_t samples = static_cast<size_t>(count);
        std::memmove(positions + 3 * to, positions + 3 * from, samples * 3 * sizeof(float));
        std::memmove(distances + to, distances + from, samples * sizeof(float));
        std::memmove(sample_rays + to, sample_rays + from, samples * sizeof(int32_t));
    }
};

}  // namespace

// Rays are worked on slab after slab. Within a slab, each piece of rays has room behind the samples
// packed so far for all it may find, and fills the front of it; then the pieces are moved together.
// So little more memory is touched than the samples need.
extern "C" int64_t emogene_march_rays(const emogene_rays* rays, const int32_t* live, int64_t n,
                                      const emogene_occupancy* occupancy,
                                      const emogene_march* options, int32_t* cursor,
                                      int32_t* taken, float* positions, float* distances,
                                      int32_t* sample_rays, int32_t* offsets,
                                      emogene_pool* pool) {
    const March march = {*rays,  live,  occupancy_grid(*occupancy), *options,    cursor,
                         taken,  positions, distances,              sample_rays, offsets};
    offsets[0] = 0;
    int64_t packed = 0;
    for (int64_t slab = 0; slab < n; slab += kRaysASlab) {
        const int64_t slab_end = std::min(n, slab + kRaysASlab), room = packed;
        for_ranges(pool, slab_end - slab, kRaysAPiece, [&](int64_t begin, int64_t end) {
            march.walk(slab + begin, slab + end, room + begin * options->count);
        });
        for (int64_t begin = slab; begin < slab_end; begin += kRaysAPiece) {
            const int64_t end = std::min(slab_end, begin + kRaysAPiece), to = packed;
            for (int64_t i = begin; i < end; ++i) {
                packed += offsets[i + 1];
                offsets[i + 1] = static_cast<int32_t>(packed);
            }
            const int64_t from = room + (begin - slab) * options->count;
            if (from != to) march.move(to, from, packed - to);
        }
    }
    return packed;
}
