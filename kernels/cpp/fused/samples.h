// A round's samples: their density, geometry and colours, and what they add to their rays.
#pragma once

#include "displace.h"
#include "encode.h"
#include "functions.h"
#include "scratch.h"

namespace emogene {
namespace {

// Where a grid is read for positions whose displacements are in `moved`.
template <class S>
void place(const HeadModel& head, const PackedGrid& grid, const float* const position[3],
           int count, HeadScratch<S>& s) {
    const float low[3] = {head.low.x, head.low.y, head.low.z};
    const float per_unit[3] = {head.per_unit.x, head.per_unit.y, head.per_unit.z};
    const bool displaced = grid.read_at == ReadAt::kDisplaced;
    for (int d = 0; d < 3; ++d)
        for (int i = 0; i < count; i += S::kWidth) {
            typename S::F p = S::load(position[d] + i);
            if (displaced) p -= S::load(s.moved[d] + i);
            S::store(s.at.u[d] + i, (p - low[d]) * per_unit[d]);
        }
}

// Density and geometry, before any activation, of one chunk of samples from `at` on.
template <class S>
void evaluate_chunk(const Model& model, const Frame& frame, HeadScratch<S>& s, int at, int count) {
    using F = typename S::F;
    const HeadModel& head = model.head;
    const float* position[3] = {s.samples.x + at, s.samples.y + at, s.samples.z + at};
    if (head.displaced) read_moved<S>(head.nodes.grid, frame.nodes, position, count, s.moved);
    float* row = s.features;
    for (int g = 0; g < head.grids; ++g) {
        const PackedGrid& grid = head.grid[g];
        if (grid.read_at == ReadAt::kAmbient) {
            float* raw = s.features + head.features * kChunkStride;   // rows not yet in use
            run_network<S>(head.ambient_mlp, frame.biases->ambient, s.features, kChunkStride,
                           count, raw, kChunkStride, s.work);
            for (int d = 0; d < grid.dimensions; ++d)
                for (int i = 0; i < count; i += S::kWidth) {
                    const F made = tanh_of<S>(S::load(raw + d * kChunkStride + i));
                    S::store(s.at.u[d] + i, (made + 1.0f) * 0.5f);
                }
        } else {
            place<S>(head, grid, position, count, s);
        }
        encode_grid<S>(grid, s.at, count, row, kChunkStride);
        row += grid.features * grid.levels * kChunkStride;
    }
    if (head.displacement_gain != 0.0f)
        for (int d = 0; d < 3; ++d, row += kChunkStride)
            for (int i = 0; i < count; i += S::kWidth)
                S::store(row + i, S::load(s.moved[d] + i) * head.displacement_gain);
    run_network<S>(head.density, frame.biases->density, s.features, kChunkStride, count,
                   s.samples.raw + at, kSampleStride, s.work);
}

// The share of light that passes a sample of this raw density (`MlpSpec`, `field`).
template <class S>
EMOGENE_HD typename S::F kept_light(const HeadModel& head, typename S::F raw) {
    const typename S::F limit = S::set(15.0f);
    const typename S::F exponent =
        S::smaller(S::larger(raw + head.density_shift, S::set(-15.0f)), limit);
    return exponential_of<S>(exponential_of<S>(exponent) * -head.step);
}

// Colours of the round's samples, three rows. `directions` are those of the samples.
template <class S>
void colour_samples(const HeadModel& head, const float* bias, HeadScratch<S>& s, int count) {
    const int harmonics = head.directions * head.directions;
    for (int at = 0; at < count; at += kChunk) {
        const int n = count - at < kChunk ? count - at : kChunk;
        for (int i = 0; i < n; i += S::kWidth)
            harmonics_of<S>(S::load(s.directions[0] + at + i), S::load(s.directions[1] + at + i),
                            S::load(s.directions[2] + at + i), head.directions, s.features + i,
                            kChunkStride);
        for (int g = 0; g < head.geometry; ++g)
            for (int i = 0; i < n; i += S::kWidth)
                S::store(s.features + (harmonics + g) * kChunkStride + i,
                         S::load(s.samples.raw + (1 + g) * kSampleStride + at + i));
        run_network<S>(head.colour, bias, s.features, kChunkStride, n, s.colours + at,
                       kSampleStride, s.work);
    }
    for (int c = 0; c < 3; ++c)
        for (int i = 0; i < count; i += S::kWidth) {
            float* at = s.colours + c * kSampleStride + i;
            S::store(at, sigmoid_of<S>(S::load(at)));
        }
}

// Adds the round's samples to their rays (Eq. 6-7), as `absorb`.
template <class S>
void composite_round(const HeadModel& head, float threshold, HeadScratch<S>& s, int count,
                     int steps) {
    using F = typename S::F;
    using M = typename S::M;
    const int rows = composited_rows(head);
    const float* values = head.ray_colour ? s.samples.raw + kSampleStride : s.colours;
    for (int i = 0; i < count; i += S::kWidth) {
        F left = S::load(s.live.left + i);
        F weight[kStepsMost];
        const int entry = i / S::kWidth * kStepsMost;
        for (int step = 0; step < steps; ++step) {
            const M found = s.found[entry + step];
            const F raw = S::expand(s.samples.raw + s.first[entry + step], found);
            const M counts = M(found & ~S::less(left, S::set(threshold)));
            const F kept = S::select(counts, kept_light<S>(head, raw), S::set(1.0f));
            weight[step] = left * (1.0f - kept);
            left *= kept;
        }
        S::store(s.live.left + i, left);
        for (int c = 0; c < rows; ++c) {
            const bool distance = head.ray_colour && c == head.geometry;
            const float* row = distance ? s.samples.t : values + c * kSampleStride;
            float* at = s.live.sums + c * kRayStride + i;
            F sum = S::load(at);
            for (int step = 0; step < steps; ++step)
                sum = S::multiply_add(
                    weight[step], S::expand(row + s.first[entry + step], s.found[entry + step]),
                    sum);
            S::store(at, sum);
        }
    }
}

// Directions of the round's samples, for colours of samples.
template <class S>
void spread_directions(HeadScratch<S>& s, int count, int steps) {
    for (int i = 0; i < count; i += S::kWidth)
        for (int step = 0; step < steps; ++step) {
            const int entry = i / S::kWidth * kStepsMost + step;
            const int to = s.first[entry];
            S::compress(s.directions[0] + to, s.found[entry], S::load(s.live.dx + i));
            S::compress(s.directions[1] + to, s.found[entry], S::load(s.live.dy + i));
            S::compress(s.directions[2] + to, s.found[entry], S::load(s.live.dz + i));
        }
}

}  // namespace
}  // namespace emogene
