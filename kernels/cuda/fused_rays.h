// Taking samples along rays: a lane holds a ray, and takes the next when its own has ended.
#pragma once

#include "fused_queue.h"
#include "pixels.h"
#include "warp.h"

namespace emogene {

// Memory of the fused kernel.
struct FusedMemory {
    const uint32_t* fragments;  // the networks' weights, as lanes load them
    FusedCounters* counters;
    float* gathered;     // a transmittance a pixel, then kChannels numbers a pixel
    const void* tables;  // every grid's, one after the other
};

// The avatar's model whose grids lie as the specification says.
struct FusedModel : WarpModel {
    TablesOf<kHalfTables>::Type tables;
};

}  // namespace emogene

#include "fused_evaluation.h"

namespace emogene {

EMOGENE_HD FusedModel fused_model(const PlainModel& model, const FusedMemory& memory,
                                  int resident_words, int slice_words, int row_words) {
    FusedModel made;
    static_cast<WarpModel&>(made) =
        warp_model(model, memory.fragments, resident_words, slice_words, row_words);
    point_at(memory.tables, made.tables);
    return made;
}

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

// What a lane without a ray computes with.
EMOGENE_HD Ray no_ray() {
    Ray ray;
    ray.pixel = 0, ray.k = 0, ray.taken = 0, ray.distance = 0.0f, ray.transmittance = 1.0f;
    ray.position = entry_low(), ray.direction = {0.0f, 0.0f, 1.0f};
    ray.lattice = {0.0f, 0.0f, kPhase, kStep};
    for (int c = 0; c < kChannels; ++c) ray.channels[c] = 0.0f;
    return ray;
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

// Whether any lane that works together wants something: of the block where weights are streamed.
template <bool Streamed>
EMOGENE_HD bool any_of(bool wanted) {
    if (Streamed) return __syncthreads_or(wanted);
    return __ballot_sync(kAllLanes, wanted) != 0;
}

// All samples of all rays. Every warp of the block comes here.
EMOGENE_HD void gather_rays(const FusedModel& warp, const PlainFrame& frame,
                            const FusedMemory& memory) {
    FusedCounters& counters = *memory.counters;
    const OccupancyGrid occupancy = occupancy_of(warp.bits, warp.distance);
    const Vec3 origin = camera_centre(frame.pose);
    const int size = frame.size, pixels = size * size;
    const uint32_t numbers = pixel_numbers(size);
    Ray ray = no_ray();
    bool alive = false, more = true;
    uint32_t samples = 0, rays = 0, done = 0;
    EMOGENE_ROLLED
    for (;;) {
        unsigned free = __ballot_sync(kAllLanes, !alive && more);
        // Not for ever, so that those with a ray need not wait for long where most rays miss.
        EMOGENE_ROLLED
        for (int turn = 0; free != 0 && turn < kTurns; ++turn) {
            const uint32_t first =
                take(counters.pixels_given, __popc(free), warp.lane, __ffs(free) - 1);
            if (!alive && more) {
                const uint32_t number = first + __popc(free & ((1u << warp.lane) - 1u));
                more = number < numbers;
                done += more;
                const Pixel pixel = pixel_at(more ? (int)number : 0, size);
                if (more && pixel.inside) {
                    alive = start_ray(occupancy, frame, origin, pixel, ray);
                    if (!alive) memory.gathered[ray.pixel] = 1.0f;
                }
            }
            free = __ballot_sync(kAllLanes, !alive && more);
        }
        if (!any_of<kGatherStreamed>(alive || more)) break;
        if (!any_of<kGatherStreamed>(alive)) continue;
        const Vec3 moved = displaced(warp.nodes, ray.position);
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
    samples = __reduce_add_sync(kAllLanes, samples);
    rays = __reduce_add_sync(kAllLanes, rays);
    done = __reduce_add_sync(kAllLanes, done);
    if (warp.lane == 0 && samples != 0) {
        atomicAdd(&counters.samples.value, (unsigned long long)samples);
        atomicAdd(&counters.rays.value, (unsigned long long)rays);
    }
    tell(counters.pixels_done, done, warp.lane);
}

}  // namespace emogene
