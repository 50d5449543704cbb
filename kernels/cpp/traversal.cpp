#include "traversal.h"

#include <algorithm>
#include <cstring>

#include "host.h"
#include "threads.h"

using namespace emogene;

namespace {

constexpr int64_t kRaysAPiece = 256;

// Where the samples go; `first` is where this piece's room begins.
struct Room {
    float* positions;
    float* distances;
    int32_t* rays;
};

}  // namespace

// Every piece of rays fills the front of its own room of the output; the pieces are then moved
// together in order. Room that is not needed is never touched.
extern "C" int64_t emogene_march_rays(const emogene_rays* rays, const int32_t* live, int64_t n,
                                      const emogene_occupancy* occupancy,
                                      const emogene_march* march, int32_t* cursor, int32_t* taken,
                                      float* positions, float* distances, int32_t* sample_rays,
                                      int32_t* offsets, emogene_pool* pool) {
    const OccupancyGrid grid = occupancy_grid(*occupancy);
    const Room room = {positions, distances, sample_rays};
    for_ranges(pool, n, kRaysAPiece, [&](int64_t begin, int64_t end) {
        int64_t at = begin * march->count;
        for (int64_t i = begin; i < end; ++i) {
            const int32_t ray = live[i];
            const Vec3 origin = load(rays->origins + rays->origin_stride * ray);
            const Vec3 direction = load(rays->directions + 3 * static_cast<int64_t>(ray));
            const float phase = rays->phases != nullptr ? rays->phases[ray] : march->phase;
            const Lattice lattice = {rays->near[ray], rays->far[ray], phase, march->step};
            const int32_t wanted = std::min(march->count, march->max_count - taken[ray]);
            int32_t k = cursor[ray], got = 0;
            for (; got < wanted; ++got, ++k, ++at) {
                Vec3 position;
                k = next_sample(grid, origin, direction, lattice, k, &position,
                                room.distances + at);
                if (k == kRayDone) break;
                store(room.positions + 3 * at, position);
                room.rays[at] = ray;
            }
            taken[ray] += got;
            cursor[ray] = taken[ray] < march->max_count ? k : kRayDone;
            offsets[i + 1] = got;
        }
    });
    offsets[0] = 0;
    int64_t packed = 0;
    for (int64_t begin = 0; begin < n; begin += kRaysAPiece) {
        const int64_t end = std::min(n, begin + kRaysAPiece);
        const int64_t from = begin * march->count, to = packed;
        for (int64_t i = begin; i < end; ++i) {
            packed += offsets[i + 1];
            offsets[i + 1] = static_cast<int32_t>(packed);
        }
        const size_t samples = static_cast<size_t>(packed - to);
        if (from == to || samples == 0) continue;
        std::memmove(positions + 3 * to, positions + 3 * from, samples * 3 * sizeof(float));
        std::memmove(distances + to, distances + from, samples * sizeof(float));
        std::memmove(sample_rays + to, sample_rays + from, samples * sizeof(int32_t));
    }
    return packed;
}
