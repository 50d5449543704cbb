// One tile of the head: rounds of samples, and what remains of each ray as a pixel.
#pragma once

#include "rays.h"
#include "samples.h"

namespace emogene {
namespace {

// Features of the surface grids where rays end (`FieldSpec.surface`), to rows from `row` on.
template <class S>
void read_surface(const Model& model, const Frame& frame, HeadScratch<S>& s, int at, int count,
                  float* row) {
    using F = typename S::F;
    const HeadModel& head = model.head;
    const RayRows& rays = s.ended;
    for (int i = 0; i < count; i += S::kWidth) {
        const int ray = at + i;
        const F opacity = S::larger(1.0f - S::load(rays.left + ray), S::set(1e-3f));
        const F depth = S::load(rays.sums + head.geometry * kRayStride + ray) / opacity;
        // The samples are done with: their rows hold the positions.
        S::store(s.samples.x + i, frame.origin.x + depth * S::load(rays.dx + ray));
        S::store(s.samples.y + i, frame.origin.y + depth * S::load(rays.dy + ray));
        S::store(s.samples.z + i, frame.origin.z + depth * S::load(rays.dz + ray));
    }
    const float* position[3] = {s.samples.x, s.samples.y, s.samples.z};
    if (head.displaced) read_moved<S>(head.nodes.grid, frame.nodes, position, count, s.moved);
    for (int g = 0; g < head.surfaces; ++g) {
        place<S>(head, head.surface[g], position, count, s);
        encode_grid<S>(head.surface[g], s.at, count, row, kChunkStride);
        row += head.surface[g].features * head.surface[g].levels * kChunkStride;
    }
}

// Colours of rays that have ended, to the tile's four planes of kTilePixels.
template <class S>
void shade_rays(const Model& model, const Frame& frame, HeadScratch<S>& s, int count,
                float* planes) {
    using F = typename S::F;
    const HeadModel& head = model.head;
    const int harmonics = head.directions * head.directions;
    float* colour = s.colours;
    for (int at = 0; at < count; at += kChunk) {
        const int n = count - at < kChunk ? count - at : kChunk;
        for (int i = 0; i < n && head.ray_colour; i += S::kWidth) {
            const int ray = at + i;
            harmonics_of<S>(S::load(s.ended.dx + ray), S::load(s.ended.dy + ray),
                            S::load(s.ended.dz + ray), head.directions, s.features + i,
                            kChunkStride);
            const F opacity = 1.0f - S::load(s.ended.left + ray);
            const F scale = 1.0f / (opacity + 1e-3f);
            for (int g = 0; g < head.geometry; ++g)
                S::store(s.features + (harmonics + g) * kChunkStride + i,
                         S::load(s.ended.sums + g * kRayStride + ray) * scale);
        }
        if (head.surfaces != 0)
            read_surface<S>(model, frame, s, at, n,
                            s.features + (harmonics + head.geometry) * kChunkStride);
        if (head.ray_colour)
            run_network<S>(head.colour, frame.biases->colour, s.features, kChunkStride, n, colour,
                           kSampleStride, s.work);
        for (int i = 0; i < n; i += S::kWidth) {
            const F opacity = 1.0f - S::load(s.ended.left + at + i);
            alignas(64) float out[4][S::kWidth];
            for (int c = 0; c < 3; ++c)
                S::store(out[c], head.ray_colour
                                     ? sigmoid_of<S>(S::load(colour + c * kSampleStride + i)) *
                                           opacity
                                     : S::load(s.ended.sums + c * kRayStride + at + i));
            S::store(out[3], opacity);
            const int lanes = n - i < S::kWidth ? n - i : S::kWidth;
            for (int lane = 0; lane < lanes; ++lane)
                for (int c = 0; c < 4; ++c)
                    planes[c * kTilePixels + s.ended.pixel[at + i + lane]] = out[c][lane];
        }
    }
}

// Renders the head of one tile into four planes (red, green, blue premultiplied; opacity).
// Returns false, and leaves the planes alone, where there is none of it.
template <class S>
bool head_tile(const Model& model, const Frame& frame, int tile, HeadScratch<S>& s, float* planes,
               TileCounts* counts) {
    const HeadModel& head = model.head;
    int count = start_rays<S>(model, frame, tile, s.live);
    int ended = 0;
    int steps = 2;
    while (count > 0) {
        const int n = march_round<S>(head, frame.origin, s, count, steps);
        counts->samples += n;
        for (int at = 0; at < n; at += kChunk)
            evaluate_chunk<S>(model, frame, s, at, n - at < kChunk ? n - at : kChunk);
        if (!head.ray_colour) {
            spread_directions<S>(s, count, steps);
            colour_samples<S>(head, frame.biases->colour, s, n);
        }
        composite_round<S>(head, frame.threshold, s, count, steps);
        count = part_rays<S>(head, frame.threshold, s, count, &ended);
        // Few rays: more samples at once, so that panels stay full.
        steps = count * 4 > kMostSamples ? 2 : count * 8 > kMostSamples ? 3 : 4;
    }
    counts->rays += ended;
    if (ended == 0) return false;
    for (int i = 0; i < 4 * kTilePixels; i += S::kWidth) S::store(planes + i, S::set(0.0f));
    shade_rays<S>(model, frame, s, ended, planes);
    return true;
}

}  // namespace
}  // namespace emogene
