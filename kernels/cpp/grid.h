// Reading a tiled multi-resolution grid: which corners surround a coordinate, and their weights.
//
// Along each axis, coordinate u in [0, 1] lies at u * scale + 0.5 cells. Corner c of its cell has
// entry (sum of c[d] * strides[d], modulo 2^32) modulo size of the level's table.
#pragma once

#include "portable.h"

namespace emogene {

// How an index is brought into a level's table, chosen once a level: a 32-bit division for each
// of 8 corners would cost more than everything else.
enum class Wrap : int { kNone, kMask, kFastModulo };

template <int D>
struct Level {
    float scale;
    uint32_t strides[D];
    uint32_t size;
    uint64_t first;     // its first entry in the whole table
    Wrap wrap;
    uint64_t reciprocal;  // ceil(2^64 / size), for kFastModulo
};

template <Wrap W>
EMOGENE_HD uint32_t wrap_index(uint32_t index, uint32_t size, uint64_t reciprocal) {
    if (W == Wrap::kNone) return index;
    if (W == Wrap::kMask) return index & (size - 1u);
#if defined(__CUDACC__)
    return index % size;
#else
    // The remainder by two multiplications; exact for all 32-bit arguments (Lemire, Kaser, Kurz,
    // "Faster remainder by direct computation", 2019).
    const uint64_t fraction = reciprocal * index;
    return (uint32_t)(((unsigned __int128)fraction * size) >> 64);
#endif
}

template <int D>
struct Corners {
    uint32_t base;        // index of the lowest corner, before wrapping
    float fraction[D];    // position inside the cell
};

template <int D>
EMOGENE_HD bool inside_unit(const float* u) {
    bool inside = true;
    for (int d = 0; d < D; ++d) inside = inside && u[d] >= 0.0f && u[d] <= 1.0f;
    return inside;
}

template <int D>
EMOGENE_HD Corners<D> corners_of(const Level<D>& level, const float* u) {
    Corners<D> c;
    c.base = 0;
    for (int d = 0; d < D; ++d) {
        const float at = u[d] * level.scale + 0.5f;
        const float cell = floorf(at);
        c.fraction[d] = at - cell;
        c.base += (uint32_t)(int32_t)cell * level.strides[d];
    }
    return c;
}

// Offset of corner i (bit d set: the upper one along axis d) from the lowest corner.
template <int D>
EMOGENE_HD uint32_t corner_offset(const Level<D>& level, int i) {
    uint32_t offset = 0;
    for (int d = 0; d < D; ++d)
        if (i >> d & 1) offset += level.strides[d];
    return offset;
}

template <int D>
EMOGENE_HD float corner_weight(const Corners<D>& c, int i) {
    float weight = 1.0f;
    for (int d = 0; d < D; ++d) weight *= i >> d & 1 ? c.fraction[d] : 1.0f - c.fraction[d];
    return weight;
}

// Derivative of the corner's weight by the coordinate along `axis`.
template <int D>
EMOGENE_HD float corner_slope(const Level<D>& level, const Corners<D>& c, int i, int axis) {
    float slope = i >> axis & 1 ? level.scale : -level.scale;
    for (int d = 0; d < D; ++d)
        if (d != axis) slope *= i >> d & 1 ? c.fraction[d] : 1.0f - c.fraction[d];
    return slope;
}

}  // namespace emogene
