// Walking a ray through an occupancy grid.
//
// Sample k of a ray's lattice stands at near + (phase + k) * step: multiplied, never summed up, so
// that a sample's place does not depend on how it was reached. Samples whose cell is set count.
//
// Empty space is leapt over with a map of distances: for every block of 4 x 4 x 4 cells the
// Chebyshev distance, in blocks, to the nearest block with a set cell. Everything nearer than
// that is empty. The leap is guessed from the cube's exit and then *checked* with the cells of
// the two samples: cell numbers only rise or only fall along a ray, rounding included, so if both
// samples lie in the empty cube, all between them do. Leaping cannot change what is visited.
#pragma once

#include "portable.h"

namespace emogene {

constexpr int kBlock = 4;               // cells along a block's side
constexpr int kLeastReach = 2;          // a leap over less costs more than the steps it spares
constexpr int32_t kLastStep = 1 << 24;  // beyond it k is no longer exact in float32
constexpr int32_t kRayDone = -1;

struct Cells {
    int x, y, z;
};

struct OccupancyGrid {
    const uint8_t* bits;      // one a cell, x fastest
    const uint8_t* distance;  // one a block, x fastest
    int32_t resolution;       // cells along an axis
    int32_t blocks;           // blocks along an axis
    Vec3 low;                 // lower corner of the bounds
    Vec3 cells_per_unit;
    Vec3 units_per_cell;
};

struct Lattice {
    float near, far, phase, step;
};

EMOGENE_HD float lattice_distance(const Lattice& l, int32_t k) {
    return l.near + (l.phase + (float)k) * l.step;
}

EMOGENE_HD int cell_on_axis(float position, float low, float cells_per_unit, int32_t resolution) {
    const float cell = (position - low) * cells_per_unit;
    return (int)smaller(larger(cell, 0.0f), (float)(resolution - 1));
}

// The cell of a position; positions outside the bounds belong to the nearest cell.
EMOGENE_HD Cells cell_of(Vec3 p, Vec3 low, Vec3 cells_per_unit, int32_t resolution) {
    return {cell_on_axis(p.x, low.x, cells_per_unit.x, resolution),
            cell_on_axis(p.y, low.y, cells_per_unit.y, resolution),
            cell_on_axis(p.z, low.z, cells_per_unit.z, resolution)};
}

EMOGENE_HD int32_t cell_index(Cells c, int32_t resolution) {
    return (c.z * resolution + c.y) * resolution + c.x;
}

EMOGENE_HD bool is_occupied(const OccupancyGrid& g, Cells c) {
    const int32_t i = cell_index(c, g.resolution);
    return (g.bits[i >> 3] >> (i & 7)) & 1;
}

EMOGENE_HD bool same_cube(int a, int b, int reach) {
    const int blocks = a / kBlock - b / kBlock;
    return blocks < reach && -blocks < reach;
}

// 1 / direction, or a number that puts the exit out of reach.
EMOGENE_HD float reciprocal(float direction) {
    return direction == 0.0f ? 3.0e38f : 1.0f / direction;
}

// About the distance along an axis to the exit of the cube of blocks within `reach` - 1 of `block`.
EMOGENE_HD float cube_exit(float origin, float per_direction, float low, float units_per_cell,
                           int block, int reach) {
    const int face = (per_direction > 0.0f ? block + reach : block - reach + 1) * kBlock;
    return (low + (float)face * units_per_cell - origin) * per_direction;
}

// The first lattice index from `k` on whose sample is occupied, and its position; kRayDone if the
// ray ends before. An index handed in again gives the same answer, so traversal can be resumed.
EMOGENE_HD int32_t next_sample(const OccupancyGrid& g, Vec3 origin, Vec3 direction,
                               const Lattice& l, int32_t k, Vec3* position, float* distance) {
    const Vec3 per = {reciprocal(direction.x), reciprocal(direction.y), reciprocal(direction.z)};
    const float per_step = 1.0f / l.step;
    for (; k >= 0 && k < kLastStep; ++k) {
        const float t = lattice_distance(l, k);
        if (!(t < l.far)) return kRayDone;
        const Vec3 p = along(origin, direction, t);
        const Cells c = cell_of(p, g.low, g.cells_per_unit, g.resolution);
        if (is_occupied(g, c)) {
            *position = p;
            *distance = t;
            return k;
        }
        const Cells b = {c.x / kBlock, c.y / kBlock, c.z / kBlock};
        const int reach = g.distance[(b.z * g.blocks + b.y) * g.blocks + b.x];
        if (reach < kLeastReach) continue;
        const float exit = smaller(
            smaller(cube_exit(origin.x, per.x, g.low.x, g.units_per_cell.x, b.x, reach),
                    cube_exit(origin.y, per.y, g.low.y, g.units_per_cell.y, b.y, reach)),
            cube_exit(origin.z, per.z, g.low.z, g.units_per_cell.z, b.z, reach));
        const float ahead = (smaller(exit, l.far) - l.near) * per_step - l.phase;
        const int32_t guess = (int32_t)smaller(ahead, (float)kLastStep);
        if (guess <= k) continue;
        const Vec3 q = along(origin, direction, lattice_distance(l, guess));
        const Cells d = cell_of(q, g.low, g.cells_per_unit, g.resolution);
        if (same_cube(c.x, d.x, reach) && same_cube(c.y, d.y, reach) && same_cube(c.z, d.z, reach))
            k = guess;
    }
    return kRayDone;
}

}  // namespace emogene
