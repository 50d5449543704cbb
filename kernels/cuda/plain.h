// A whole ray in one thread, in float32: the plain renderer that faster ones are compared with.
#pragma once

#include "field.h"

namespace emogene {

// What a ray gathers.
struct Gathered {
    float channels[kChannels];  // colour; or geometry and the distance
    float transmittance;
    int samples;
};

// The ray through a pixel, composited to its end.
EMOGENE_HD Gathered gather(const TableModel& model, const PlainFrame& frame, Vec3 origin,
                           Vec3 direction) {
    Gathered g;
    for (int c = 0; c < kChannels; ++c) g.channels[c] = 0.0f;
    g.transmittance = 1.0f;
    g.samples = 0;
    const Interval span = box_interval(origin, direction, entry_low(), entry_high(), kMinNear);
    if (!(span.far > span.near)) return g;
    const OccupancyGrid occupancy = occupancy_of(model.bits, model.distance);
    const Lattice lattice = {span.near, span.far, kPhase, kStep};
    int32_t k = 0;
    EMOGENE_ROLLED
    for (int taken = 0; taken < kMaxSamples; ++taken, ++k) {
        Vec3 position;
        float distance;
        k = next_sample(occupancy, origin, direction, lattice, k, &position, &distance);
        if (k == kRayDone || g.transmittance < frame.threshold) break;
        const Vec3 moved = displaced(model.nodes, position);
        float values[kChannels];
        const float sigma =
            sample(model, frame, position, moved, direction, distance, values);
        const float weight = absorb(sigma, kStep, &g.transmittance);
        EMOGENE_UNROLL
        for (int c = 0; c < kChannels; ++c) g.channels[c] += weight * values[c];
        ++g.samples;
    }
    return g;
}

// A pixel: head over torso over background. Returns the samples its ray took.
EMOGENE_HD int paint(const TableModel& model, const PlainFrame& frame, const PlainPicture& picture,
                     int pixel) {
    const int size = frame.size, row = pixel / size, column = pixel - row * size;
    const Vec3 origin = camera_centre(frame.pose);
    const Vec3 direction =
        ray_direction(frame.pose, frame.camera, (float)column + 0.5f, (float)row + 0.5f);
    const Gathered g = gather(model, frame, origin, direction);
    float head[4] = {0.0f, 0.0f, 0.0f, 1.0f - g.transmittance};
    if (g.samples > 0) shade(model, frame, origin, direction, g.channels, head);
    float torso[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    if (is_whole(picture) && shows_torso(model, frame, row, column, head[3]))
        torso_at(model, frame, row, column, head, torso);
    put_pixel(picture, size, pixel, head, torso);
    return g.samples;
}

}  // namespace emogene
