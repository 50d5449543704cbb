// A tile's rays: where they begin, the samples of a round, and their rows.
//
// Rays that go on stay side by side in rows (one row a quantity); those that have ended are moved
// to rows of their own and get their colour together at the end.
#pragma once

#include "../box.h"
#include "march.h"
#include "scratch.h"

namespace emogene {
namespace {

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
            clip_slabs<S>(o.x, dx, head.entry_low.x, head.entry_high.x, &near, &far);
            clip_slabs<S>(o.y, dy, head.entry_low.y, head.entry_high.y, &near, &far);
            clip_slabs<S>(o.z, dz, head.entry_low.z, head.entry_high.z, &near, &far);
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

// Up to `steps` samples of each of `count` rays, that follow each other without a gap: what lies
// behind one mostly lies behind something opaque, too, and need not be looked for before the samples
// are composited. Returns how many samples there are. A ray that has no more gets k = kRayDone.
template <class S>
int march_round(const HeadModel& head, Vec3 origin, HeadScratch<S>& s, int count, int steps) {
    using I = typename S::I;
    using M = typename S::M;
    constexpr int W = S::kWidth;
    int n = 0;
    const auto start = [&](int i) {
        const M there = i < count ? S::first(count - i) : S::none();
        return Search<S>::of(head, packet_at<S>(s.live, i), there, M(~there));
    };
    // The first samples are found; those that follow them are taken.
    const auto take = [&](int i, Search<S>& search) {
        I taken = S::load(s.live.taken + i);
        for (int step = 0; step < steps; ++step) {
            if (step != 0) {
                search.need = M(search.found.lanes & ~search.ended);
                search.found.lanes = S::none();
                search.look_once(head, origin);
            }
            const Found<S>& f = search.found;
            const int entry = i / W * kStepsMost + step;
            s.found[entry] = f.lanes;
            s.first[entry] = n;
            S::compress(s.samples.x + n, f.lanes, f.x);
            S::compress(s.samples.y + n, f.lanes, f.y);
            S::compress(s.samples.z + n, f.lanes, f.z);
            S::compress(s.samples.t + n, f.lanes, f.t);
            taken = S::select(f.lanes, taken + 1, taken);
            search.ended = M(search.ended | ~S::less(taken, S::set(head.max_samples)));
            n += __builtin_popcount(S::bits(f.lanes));
        }
        S::store(s.live.taken + i, taken);
        S::store(s.live.k + i, S::select(search.ended, S::set(kRayDone), search.ray.k));
    };
    for (int i = 0; i < count; i += 2 * W) {
        Search<S> a = start(i), b = start(i + W);
        search_both<S>(head, origin, a, b);
        take(i, a);
        if (i + W < count) take(i + W, b);
    }
    return n;
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

}  // namespace
}  // namespace emogene
