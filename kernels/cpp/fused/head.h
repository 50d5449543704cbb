// One tile of the head: rays, rounds of samples, and what remains of each ray as a pixel.
//
// Rays that go on stay side by side in rows (one row a quantity); those that have ended are moved
// to rows of their own and get their colour together at the end.
#pragma once

#include "../box.h"
#include "displace.h"
#include "encode.h"
#include "functions.h"
#include "march.h"
#include "mlp.h"
#include "model.h"

namespace emogene {
namespace {

// What a ray carries from round to round, as rows of kRayStride. `sums` are as many rows as are
// composited: geometry, or red, green and blue.
struct RayRows {
    float *dx, *dy, *dz, *near, *far, *left;   // `left`: the light that still comes through
    int32_t *k, *taken, *pixel;                // `pixel`: of the tile
    float* sums;
};

struct SampleRows {
    float *x, *y, *z;   // kSampleStride apart
    float* raw;         // density and geometry
};

struct HeadRows {
    RayRows live, ended;
    SampleRows samples;
    float* features;    // rows of one chunk, kChunkStride apart: inputs of a network
    float* colours;     // rows of kSampleStride: a block of neurons, of which three count
};

template <class S>
struct HeadScratch : HeadRows {
    Coordinates at;
    alignas(64) float moved[3][kChunk + 16];
    alignas(64) float directions[3][kSampleStride];
    typename S::M found[kTilePixels / S::kWidth * kStepsMost];
    int32_t first[kTilePixels / S::kWidth * kStepsMost];
    MlpWork<S> work;
};

constexpr int kChunkStride = kChunk + 16;

EMOGENE_HD int composited_rows(const HeadModel& head) { return head.ray_colour ? head.geometry : 3; }

// ---- rays ---------------------------------------------------------------------------------------

// `clip_slab` for a packet.
template <class S>
EMOGENE_HD void clip_slabs(float origin, typename S::F direction, float low, float high,
                           typename S::F* near, typename S::F* far) {
    using F = typename S::F;
    const F a = (low - origin) / direction, b = (high - origin) / direction;
    const auto parallel = S::equal(direction, S::set(0.0f));
    const bool between = !(origin < low || origin > high);
    *near = S::select(parallel, *near, S::larger(*near, S::smaller(a, b)));
    *far = S::select(parallel, between ? *far : F(S::set(-1.0f)),
                     S::smaller(*far, S::larger(a, b)));
}

// Fills the rows with the tile's rays that may meet something; returns how many.
template <class S>
int start_rays(const Model& model, const Frame& frame, int tile, RayRows& rays) {
    using F = typename S::F;
    using I = typename S::I;
    using M = typename S::M;
    const HeadModel& head = model.head;
    const float* r = frame.pose;
    const Vec3 o = frame.origin;
    const int left = tile % frame.tiles * kTile, top = tile / frame.tiles * kTile;
    I lane = {};
    for (int i = 0; i < S::kWidth; ++i) lane[i] = i;
    int count = 0;
    for (int row = 0; row < kTile && top + row < frame.size; ++row) {
        const F y = (S::set(static_cast<float>(top + row) + 0.5f) - frame.camera.cy) /
                    S::set(frame.camera.focal);
        const float* begins = frame.depth_begin + (top + row) / kSubtile * frame.subtiles;
        const float* ends = frame.depth_end + (top + row) / kSubtile * frame.subtiles;
        for (int column = 0; column < kTile && left + column < frame.size; column += S::kWidth) {
            float begin = 3.0e38f, end = -1.0f;
            for (int c = column; c < column + S::kWidth; c += kSubtile) {
                const int subtile = (left + c) / kSubtile;
                if (subtile >= frame.subtiles) break;
                begin = smaller(begin, begins[subtile]);
                end = larger(end, ends[subtile]);
            }
            if (begin > end) continue;
            const I u = lane + (left + column);
            const F x = (S::to_float(u) + 0.5f - frame.camera.cx) / S::set(frame.camera.focal);
            F dx = r[0] * x + r[4] * y + r[8];
            F dy = r[1] * x + r[5] * y + r[9];
            F dz = r[2] * x + r[6] * y + r[10];
            const F scale = 1.0f / S::root(dx * dx + dy * dy + dz * dz);
            dx *= scale;
            dy *= scale;
            dz *= scale;
            F near = S::set(head.min_near), far = S::set(3.0e38f);
            clip_slabs<S>(o.x, dx, head.low.x, head.high.x, &near, &far);
            clip_slabs<S>(o.y, dy, head.low.y, head.high.y, &near, &far);
            clip_slabs<S>(o.z, dz, head.low.z, head.high.z, &near, &far);
            // Nothing lies nearer than the depth at which the first box begins (the distance is at
            // least the depth), nor, `scale` being the cosine, further than the last one's end.
            const F ahead = (begin - near) * (1.0f / head.step) - head.phase;
            const I k = S::truncate(
                S::smaller(S::larger(ahead - 1.0f, S::set(0.0f)), S::set((float)kLastLattice)));
            const M meets = M(S::less(near, far) & S::less(u, S::set(frame.size)));
            far = S::smaller(far, end / scale + 2.0f * head.step);
            S::compress(rays.dx + count, meets, dx);
            S::compress(rays.dy + count, meets, dy);
            S::compress(rays.dz + count, meets, dz);
            S::compress(rays.near + count, meets, near);
            S::compress(rays.far + count, meets, far);
            S::compress(rays.k + count, meets, k);
            S::compress(rays.pixel + count, meets, lane + (row * kTile + column));
            count += __builtin_popcount(S::bits(meets));
        }
    }
    const int rows = composited_rows(head);
    for (int i = 0; i < count; i += S::kWidth) {
        S::store(rays.left + i, S::set(1.0f));
        S::store(rays.taken + i, S::set(0));
        for (int c = 0; c < rows; ++c) S::store(rays.sums + c * kRayStride + i, S::set(0.0f));
    }
    return count;
}

template <class S>
EMOGENE_HD Packet<S> packet_at(const RayRows& rays, int i) {
    return {S::load(rays.dx + i),   S::load(rays.dy + i),  S::load(rays.dz + i),
            S::load(rays.near + i), S::load(rays.far + i), S::load(rays.k + i)};
}

// Up to `steps` samples of each of `count` rays; returns how many samples there are. A ray that
// has no more gets k = kRayDone.
template <class S>
int march_round(const HeadModel& head, Vec3 origin, HeadScratch<S>& s, int count, int steps) {
    using I = typename S::I;
    using M = typename S::M;
    int n = 0;
    for (int i = 0; i < count; i += S::kWidth) {
        Packet<S> ray = packet_at<S>(s.live, i);
        I taken = S::load(s.live.taken + i);
        const M there = S::first(count - i);
        M ended = M(~there);
        for (int step = 0; step < steps; ++step) {
            const int entry = i / S::kWidth * kStepsMost + step;
            const Found<S> f =
                next_samples<S>(head, origin, ray, M(there & ~ended), &ended);
            s.found[entry] = f.lanes;
            s.first[entry] = n;
            S::compress(s.samples.x + n, f.lanes, f.x);
            S::compress(s.samples.y + n, f.lanes, f.y);
            S::compress(s.samples.z + n, f.lanes, f.z);
            taken = S::select(f.lanes, taken + 1, taken);
            ended = M(ended | ~S::less(taken, S::set(head.max_samples)));
            n += __builtin_popcount(S::bits(f.lanes));
        }
        S::store(s.live.taken + i, taken);
        S::store(s.live.k + i, S::select(ended, S::set(kRayDone), ray.k));
    }
    return n;
}

// ---- samples ------------------------------------------------------------------------------------

// Density and geometry, before any activation, of one chunk of samples from `at` on.
template <class S>
void evaluate_chunk(const Model& model, const Frame& frame, HeadScratch<S>& s, int at, int count) {
    using F = typename S::F;
    const HeadModel& head = model.head;
    const float* position[3] = {s.samples.x + at, s.samples.y + at, s.samples.z + at};
    const float low[3] = {head.low.x, head.low.y, head.low.z};
    const float per_unit[3] = {head.per_unit.x, head.per_unit.y, head.per_unit.z};
    if (head.displaced)
        read_moved<S>(head.nodes.grid, frame.nodes, position, count, s.moved);
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
            const bool displaced = grid.read_at == ReadAt::kDisplaced;
            for (int d = 0; d < 3; ++d)
                for (int i = 0; i < count; i += S::kWidth) {
                    F p = S::load(position[d] + i);
                    if (displaced) p -= S::load(s.moved[d] + i);
                    S::store(s.at.u[d] + i, (p - low[d]) * per_unit[d]);
                }
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

// ---- rounds -------------------------------------------------------------------------------------

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
            float* at = s.live.sums + c * kRayStride + i;
            F sum = S::load(at);
            for (int step = 0; step < steps; ++step)
                sum = S::multiply_add(weight[step],
                                      S::expand(values + c * kSampleStride + s.first[entry + step],
                                                s.found[entry + step]),
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

// Moves the lanes of a mask from one set of rows to the end of another, which may be the same.
template <class S>
EMOGENE_HD void move_rays(const RayRows& from, int at, const RayRows& to, int end,
                          typename S::M lanes, int rows, bool goes_on) {
    const auto move = [&](float* a, const float* b) { S::compress(a + end, lanes, S::load(b + at)); };
    const auto move_whole = [&](int32_t* a, const int32_t* b) {
        S::compress(a + end, lanes, S::load(b + at));
    };
    move(to.dx, from.dx);
    move(to.dy, from.dy);
    move(to.dz, from.dz);
    move(to.left, from.left);
    move_whole(to.pixel, from.pixel);
    for (int c = 0; c < rows; ++c) move(to.sums + c * kRayStride, from.sums + c * kRayStride);
    if (!goes_on) return;
    move(to.near, from.near);
    move(to.far, from.far);
    move_whole(to.k, from.k);
    move_whole(to.taken, from.taken);
}

// Parts the rays that have ended from those that go on; returns how many go on.
template <class S>
int part_rays(const HeadModel& head, float threshold, HeadScratch<S>& s, int count, int* ended) {
    using M = typename S::M;
    const int rows = composited_rows(head);
    int kept = 0;
    for (int i = 0; i < count; i += S::kWidth) {
        const M there = S::first(count - i);
        const M out = M(there & (S::less(S::load(s.live.left + i), S::set(threshold)) |
                                 S::less(S::load(s.live.k + i), S::set(0))));
        const M hit = M(out & S::less(S::set(0), S::load(s.live.taken + i)));
        if (S::bits(hit) != 0) {
            move_rays<S>(s.live, i, s.ended, *ended, hit, rows, false);
            *ended += __builtin_popcount(S::bits(hit));
        }
        const M on = M(there & ~out);
        if (S::bits(on) == 0) continue;
        move_rays<S>(s.live, i, s.live, kept, on, rows, true);
        kept += __builtin_popcount(S::bits(on));
    }
    return kept;
}

// ---- pixels -------------------------------------------------------------------------------------

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
