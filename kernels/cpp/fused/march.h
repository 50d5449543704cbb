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

// A search for the next sample of every wanted lane, as `next_sample`.
template <class S>
struct Search {
    using F = typename S::F;
    using I = typename S::I;
    using M = typename S::M;

    Packet<S> ray;   // k is moved past the sample that is found
    M need, ended;   // lanes that still look, and those that have no sample left
    Found<S> found;
    F steps_per_cell;

    EMOGENE_HD static Search of(const HeadModel& head, const Packet<S>& ray, M wanted, M ended) {
        const OccupancyGrid& g = head.occupancy;
        // Cells a step, with a margin that is far wider than what rounding moves a sample.
        const F cells = S::larger(S::larger(magnitude<S>(ray.dx * g.cells_per_unit.x),
                                            magnitude<S>(ray.dy * g.cells_per_unit.y)),
                                  magnitude<S>(ray.dz * g.cells_per_unit.z));
        const F zero = S::set(0.0f);
        // Bounded for lanes without a ray, whose direction may be anything.
        return {ray, wanted, ended, {zero, zero, zero, zero, S::none()},
                0.998f / S::larger(cells * head.step, S::set(1e-3f))};
    }

    // Looks at one index of every lane in need.
    EMOGENE_HD void look(const HeadModel& head, Vec3 o) {
        static_assert(kBlock == 4, "cells are found by shifting");
        const OccupancyGrid& g = head.occupancy;
        const F t = ray.near + (S::to_float(ray.k) + head.phase) * head.step;
        const M inside = M(S::less(t, ray.far) & S::less(ray.k, S::set(kLastLattice)));
        ended = M(ended | (need & ~inside));
        need = M(need & inside);
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
    }

    // Whether the next index of every lane is its sample is not waited for: those whose sample lies
    // elsewhere come back without one.
    EMOGENE_HD void look_once(const HeadModel& head, Vec3 o) {
        if (S::bits(need) != 0) look(head, o);
    }
};

// Goes on until every lane of both has found its sample or has none. A look waits for the one before;
// with two packets there is something to do meanwhile.
template <class S>
inline void search_both(const HeadModel& head, Vec3 o, Search<S>& a, Search<S>& b) {
    while (S::bits(a.need) != 0 && S::bits(b.need) != 0) {
        a.look(head, o);
        b.look(head, o);
    }
    while (S::bits(a.need) != 0) a.look(head, o);
    while (S::bits(b.need) != 0) b.look(head, o);
}

}  // namespace
}  // namespace emogene
