// Marching packets of rays. Which samples a ray visits is decided by the very arithmetic of
// ../traversal.h, lane by lane and without fused multiply-adds, so that every instruction set and
// every other renderer visits the same; only how much emptiness is leapt over at a time differs.
#pragma once

#include "model.h"

namespace emogene {
namespace {

template <class S>
struct Packet {
    typename S::F dx, dy, dz, near, far;
    typename S::I k;          // lattice index to go on at
};

template <class S>
struct Found {
    typename S::F x, y, z, t;
    typename S::M lanes;
};

// bytes[index] of every lane.
template <class S>
EMOGENE_HD typename S::I bytes_at(const HeadModel& head, const uint8_t* bytes,
                                  typename S::I index) {
    if constexpr (S::kGathers)
        if (head.gathers) return S::gather(bytes, index);
    return S::pick(bytes, index);
}

template <class S>
struct Axis {
    typename S::I cell;

    // `cell_on_axis`.
    EMOGENE_HD static Axis of(typename S::F position, float low, float per_unit, int32_t cells) {
        const typename S::F at = (position - low) * per_unit;
        const typename S::F clamped = S::smaller(S::larger(at, S::set(0.0f)),
                                                 S::set(static_cast<float>(cells - 1)));
        return {S::truncate(clamped)};
    }
};

// Lanes whose two cells lie less than `reach` blocks apart.
template <class S>
EMOGENE_HD typename S::M near_blocks(typename S::I a, typename S::I b, typename S::I reach) {
    const typename S::I apart = (a >> 2) - (b >> 2);
    return typename S::M(S::less(apart, reach) & S::less(-apart, reach));
}

// `cube_exit`.
template <class S>
EMOGENE_HD typename S::F exit_of(float origin, typename S::F per, float low, float units,
                                 typename S::I cell, typename S::I reach) {
    const typename S::I block = cell >> 2;
    const typename S::I face =
        S::select(S::less(S::set(0.0f), per), block + reach, block - reach + 1) << 2;
    return (low + S::to_float(face) * units - origin) * per;
}

// The next sample of every wanted lane, as `next_sample`; k is moved past it. Lanes that have none
// left are added to `ended`.
template <class S>
inline Found<S> next_samples(const HeadModel& head, Vec3 o, Packet<S>& ray, typename S::M wanted,
                             typename S::M* ended) {
    using F = typename S::F;
    using I = typename S::I;
    using M = typename S::M;
    static_assert(kBlock == 4, "blocks are found by shifting");
    const OccupancyGrid& g = head.occupancy;
    const float per_step = 1.0f / head.step;
    Found<S> found = {S::set(0.0f), S::set(0.0f), S::set(0.0f), S::set(0.0f), S::none()};
    M need = wanted;
    F per_x = {}, per_y = {}, per_z = {};   // about 1 / direction, once a leap needs it
    bool leapt = false;
    while (S::bits(need) != 0) {
        const F t = ray.near + (S::to_float(ray.k) + head.phase) * head.step;
        const M inside = M(S::less(t, ray.far) & S::less(ray.k, S::set(kLastLattice)));
        *ended = M(*ended | (need & ~inside));
        need = M(need & inside);
        if (S::bits(need) == 0) break;
        const F x = o.x + t * ray.dx, y = o.y + t * ray.dy, z = o.z + t * ray.dz;
        const I cx = Axis<S>::of(x, g.low.x, g.cells_per_unit.x, g.resolution).cell;
        const I cy = Axis<S>::of(y, g.low.y, g.cells_per_unit.y, g.resolution).cell;
        const I cz = Axis<S>::of(z, g.low.z, g.cells_per_unit.z, g.resolution).cell;
        const I index = (cz * g.resolution + cy) * g.resolution + cx;
        const I bit = (bytes_at<S>(head, g.bits, index >> 3) >> (index & 7)) & 1;
        const M hit = M(need & S::equal(bit, S::set(1)));
        found.x = S::select(hit, x, found.x);
        found.y = S::select(hit, y, found.y);
        found.z = S::select(hit, z, found.z);
        found.t = S::select(hit, t, found.t);
        found.lanes = M(found.lanes | hit);
        const I next = ray.k + 1;
        ray.k = S::select(need, next, ray.k);
        need = M(need & ~hit);
        if (S::bits(need) == 0) break;
        const I reach = bytes_at<S>(
            head, g.distance, ((cz >> 2) * g.blocks + (cy >> 2)) * g.blocks + (cx >> 2));
        const M leap = M(need & S::less(S::set(kLeastReach - 1), reach));
        if (S::bits(leap) == 0) continue;
        if (!leapt) {
            per_x = S::about_reciprocal(ray.dx);
            per_y = S::about_reciprocal(ray.dy);
            per_z = S::about_reciprocal(ray.dz);
            leapt = true;
        }
        const F out = S::smaller(
            S::smaller(exit_of<S>(o.x, per_x, g.low.x, g.units_per_cell.x, cx, reach),
                       exit_of<S>(o.y, per_y, g.low.y, g.units_per_cell.y, cy, reach)),
            exit_of<S>(o.z, per_z, g.low.z, g.units_per_cell.z, cz, reach));
        const F ahead = (S::smaller(out, ray.far) - ray.near) * per_step - head.phase;
        // NaN, of a ray within a face, becomes the lower end: no leap.
        const I guess = S::truncate(
            S::smaller(S::larger(ahead, S::set(0.0f)), S::set((float)kLastLattice)));
        const F u = ray.near + (S::to_float(guess) + head.phase) * head.step;
        const F ux = o.x + u * ray.dx, uy = o.y + u * ray.dy, uz = o.z + u * ray.dz;
        const I ex = Axis<S>::of(ux, g.low.x, g.cells_per_unit.x, g.resolution).cell;
        const I ey = Axis<S>::of(uy, g.low.y, g.cells_per_unit.y, g.resolution).cell;
        const I ez = Axis<S>::of(uz, g.low.z, g.cells_per_unit.z, g.resolution).cell;
        const M same = M(near_blocks<S>(cx, ex, reach) & near_blocks<S>(cy, ey, reach) &
                         near_blocks<S>(cz, ez, reach));
        // The sample at `guess` is empty too, so the next one to look at comes behind it.
        const M ahead_of = M(leap & same & S::less(ray.k, guess + 1));
        ray.k = S::select(ahead_of, guess + 1, ray.k);
    }
    return found;
}

}  // namespace
}  // namespace emogene
