// Marching packets of rays. Which samples a ray visits is decided by the very arithmetic of
// ../traversal.h, lane by lane and without fused multiply-adds, so that every instruction set and
// every other renderer visits the same; only how emptiness is leapt over differs.
//
// A cell whose nearest occupied one is d cells away (the larger of the distances along the axes) has
// nothing within d - 1 cells. A ray that moves by at most m cells a step along any axis can leap
// over (d - 1) / m steps from wherever in the cell it is. One byte a cell tells both that a sample
// counts (d = 0) and how far to leap.
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

template <class S>
EMOGENE_HD typename S::F magnitude(typename S::F v) {
    return S::larger(v, -v);
}

// The next sample of every wanted lane, as `next_sample`; k is moved past it. Lanes that have none
// left are added to `ended`. With `Once` only one index is looked at, and lanes whose sample lies
// elsewhere come back without one.
template <class S, bool Once = false>
inline Found<S> next_samples(const HeadModel& head, Vec3 o, Packet<S>& ray, typename S::M wanted,
                             typename S::M* ended) {
    using F = typename S::F;
    using I = typename S::I;
    using M = typename S::M;
    static_assert(kBlock == 4, "cells are found by shifting");
    const OccupancyGrid& g = head.occupancy;
    Found<S> found = {S::set(0.0f), S::set(0.0f), S::set(0.0f), S::set(0.0f), S::none()};
    M need = wanted;
    // Steps a cell, with a margin that is far wider than what rounding moves a sample.
    const F cells = S::larger(S::larger(magnitude<S>(ray.dx * g.cells_per_unit.x),
                                        magnitude<S>(ray.dy * g.cells_per_unit.y)),
                              magnitude<S>(ray.dz * g.cells_per_unit.z));
    // Bounded for lanes without a ray, whose direction may be anything.
    const F steps_per_cell = 0.998f / S::larger(cells * head.step, S::set(1e-3f));
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
        // Cells of a block share a cache line.
        const I block = ((cz >> 2) * g.blocks + (cy >> 2)) * g.blocks + (cx >> 2);
        const I index = block << 6 | (cz & 3) << 4 | (cy & 3) << 2 | (cx & 3);
        const I clear = bytes_at<S>(head, head.clear, index);
        const M hit = M(need & S::equal(clear, S::set(0)));
        found.x = S::select(hit, x, found.x);
        found.y = S::select(hit, y, found.y);
        found.z = S::select(hit, z, found.z);
        found.t = S::select(hit, t, found.t);
        found.lanes = M(found.lanes | hit);
        const F empty = S::larger(S::to_float(clear - 1), S::set(0.0f));
        const I leap = S::truncate(empty * steps_per_cell);
        ray.k = S::select(need, ray.k + 1 + leap, ray.k);
        need = M(need & ~hit);
        if (Once) break;
    }
    return found;
}

}  // namespace
}  // namespace emogene
