// A frame by tensor cores. Warps take rays from a queue, a lane each, and evaluate 32 samples of 32
// rays at a time; a lane whose ray has ended takes the next. What rays gathered is then turned into
// pixels by a second kernel, again 32 at a time.
#include "bake.h"
#include "pixels.h"
#include "warp.h"

#include "fused_evaluation.h"

using namespace emogene;

// Memory of the fused kernels.
struct FusedMemory {
    const uint32_t* fragments;
    float* gathered;  // a transmittance a pixel, then kChannels numbers a pixel
};

namespace {

struct Ray {
    int pixel;
    Vec3 direction;
    Lattice lattice;
    int32_t k;  // of the sample at hand
    Vec3 position;
    float distance;
    int taken;
    float transmittance;
    float channels[kChannels];
};

// Whether any lane that works together wants something: of the block where weights are streamed.
template <bool Streamed>
EMOGENE_HD bool any_of(bool wanted) {
    if (Streamed) return __syncthreads_or(wanted);
    return __ballot_sync(kAllLanes, wanted) != 0;
}

EMOGENE_HD bool start_ray(const OccupancyGrid& occupancy, const PlainFrame& frame, Vec3 origin,
                          Pixel pixel, Ray& ray) {
    ray.pixel = pixel.index;
    ray.taken = 0;
    ray.transmittance = 1.0f;
    for (int c = 0; c < kChannels; ++c) ray.channels[c] = 0.0f;
    ray.direction = ray_direction(frame.pose, frame.camera, (float)pixel.column + 0.5f,
                                  (float)pixel.row + 0.5f);
    const Interval span =
        box_interval(origin, ray.direction, entry_low(), entry_high(), kMinNear);
    if (!(span.far > span.near)) return false;
    ray.lattice = {span.near, span.far, kPhase, kStep};
    ray.k = next_sample(occupancy, origin, ray.direction, ray.lattice, 0, &ray.position,
                        &ray.distance);
    return ray.k != kRayDone && !(ray.transmittance < frame.threshold);
}

}  // namespace

// Grid: any number of blocks of kGatherThreads. counts[2] is the queue, 0 at the start.
extern "C" __global__ void __launch_bounds__(kGatherThreads, kGatherBlocks)
    gather_rays(PlainModel model, const PlainFrame* at, PlainPicture picture, FusedMemory memory) {
    const PlainFrame& frame = *at;
    const WarpModel warp = warp_model(model, memory.fragments, kGatherResident, kGatherSlice,
                                      kGatherRow);
    copy_words(warp.weights, memory.fragments + kGatherFirst, kGatherResident);
    __syncthreads();
    const OccupancyGrid occupancy = occupancy_of(model.bits, model.distance);
    const Vec3 origin = camera_centre(frame.pose);
    const int numbers = pixel_numbers(frame.size), pixels = frame.size * frame.size;
    Ray ray;
    ray.pixel = 0, ray.k = 0, ray.taken = 0, ray.distance = 0.0f, ray.transmittance = 1.0f;
    ray.position = entry_low(), ray.direction = {0.0f, 0.0f, 1.0f};
    ray.lattice = {0.0f, 0.0f, kPhase, kStep};
    for (int c = 0; c < kChannels; ++c) ray.channels[c] = 0.0f;
    bool alive = false, more = true;
    unsigned long long samples = 0, rays = 0;
    EMOGENE_ROLLED
    for (;;) {
        unsigned free = __ballot_sync(kAllLanes, !alive && more);
        // Not for ever, so that those with a ray need not wait for long where most rays miss.
        EMOGENE_ROLLED
        for (int turn = 0; free != 0 && turn < kTurns; ++turn) {
            const int leader = __ffs(free) - 1;
            unsigned long long first = 0;
            if (warp.lane == leader)
                first = atomicAdd(picture.counts + 2, (unsigned long long)__popc(free));
            first = __shfl_sync(kAllLanes, first, leader);
            if (!alive && more) {
                const unsigned long long number =
                    first + __popc(free & ((1u << warp.lane) - 1u));
                more = number < (unsigned long long)numbers;
                const Pixel pixel = pixel_at(more ? (int)number : 0, frame.size);
                if (more && pixel.inside) {
                    alive = start_ray(occupancy, frame, origin, pixel, ray);
                    if (!alive) memory.gathered[ray.pixel] = 1.0f;
                }
            }
            free = __ballot_sync(kAllLanes, !alive && more);
        }
        if (!any_of<kGatherStreamed>(alive || more)) break;
        if (!any_of<kGatherStreamed>(alive)) continue;
        const Vec3 moved = displaced(model.nodes, ray.position);
        float values[kChannels];
        const float sigma =
            sample(warp, frame, ray.position, moved, ray.direction, ray.distance, values);
        if (!alive) continue;
        const float weight = absorb(sigma, kStep, &ray.transmittance);
        EMOGENE_UNROLL
        for (int c = 0; c < kChannels; ++c) ray.channels[c] += weight * values[c];
        ++samples;
        ++ray.taken;
        alive = ray.taken < kMaxSamples && !(ray.transmittance < frame.threshold);
        if (alive) {
            ray.k = next_sample(occupancy, origin, ray.direction, ray.lattice, ray.k + 1,
                                &ray.position, &ray.distance);
            alive = ray.k != kRayDone;
        }
        if (!alive) {
            ++rays;
            memory.gathered[ray.pixel] = ray.transmittance;
            float* channels = memory.gathered + pixels + (long long)ray.pixel * kChannels;
            for (int c = 0; c < kChannels; ++c) channels[c] = ray.channels[c];
        }
    }
    if (samples != 0) {
        atomicAdd(picture.counts, samples);
        atomicAdd(picture.counts + 1, rays);
    }
}

// Grid: any number of blocks of kFinishThreads, after gather_rays.
extern "C" __global__ void __launch_bounds__(kFinishThreads, kFinishBlocks)
    finish_pixels(PlainModel model, const PlainFrame* at, PlainPicture picture,
                  FusedMemory memory) {
    const PlainFrame& frame = *at;
    const WarpModel warp = warp_model(model, memory.fragments, kFinishResident, kFinishSlice,
                                      kFinishRow);
    copy_words(warp.weights, memory.fragments + kFinishFirst, kFinishResident);
    __syncthreads();
    const Vec3 origin = camera_centre(frame.pose);
    const int size = frame.size, numbers = pixel_numbers(size), pixels = size * size;
    EMOGENE_ROLLED
    for (int first = blockIdx.x * blockDim.x; first < numbers; first += gridDim.x * blockDim.x) {
        const int number = first + threadIdx.x;
        Pixel pixel = pixel_at(number < numbers ? number : 0, size);
        pixel.inside = pixel.inside && number < numbers;
        const float left = pixel.inside ? memory.gathered[pixel.index] : 1.0f;
        const bool hit = left != 1.0f;
        float head[4] = {0.0f, 0.0f, 0.0f, 1.0f - left};
        if (any_of<kFinishStreamed>(hit)) {
            float channels[kChannels], shown[4] = {0.0f, 0.0f, 0.0f, head[3]};
            const float* gathered = memory.gathered + pixels + (long long)pixel.index * kChannels;
            for (int c = 0; c < kChannels; ++c) channels[c] = hit ? gathered[c] : 0.0f;
            const Vec3 direction = ray_direction(frame.pose, frame.camera,
                                                 (float)pixel.column + 0.5f,
                                                 (float)pixel.row + 0.5f);
            shade(warp, frame, origin, direction, channels, shown);
            for (int c = 0; c < 3; ++c) head[c] = hit ? shown[c] : 0.0f;
        }
        if (picture.head != nullptr && pixel.inside)
            for (int c = 0; c < 4; ++c) picture.head[4 * pixel.index + c] = head[c];
        if (picture.image == nullptr) continue;
        float torso[4] = {0.0f, 0.0f, 0.0f, 0.0f};
        const bool behind = kTorso && pixel.inside && !(1.0f - head[3] < frame.torso_threshold) &&
                            in_mask(model.torso_mask, size, pixel.row, pixel.column);
        if (any_of<kFinishStreamed>(behind)) {
            float shown[4] = {0.0f, 0.0f, 0.0f, 0.0f};
            torso_at(warp, frame, pixel.row, pixel.column, head, shown);
            for (int c = 0; c < 4; ++c) torso[c] = behind ? shown[c] : 0.0f;
        }
        if (!pixel.inside) continue;
        for (int c = 0; c < 3; ++c)
            picture.image[3 * pixel.index + c] =
                blend(head[c], head[3], torso[c], torso[3],
                      picture.background[3 * pixel.index + c]);
    }
}
