// What the two directions of the encoding share on the host: levels prepared for indexing, and the
// choice of the loop compiled for a grid's dimensions, features and wrapping.
#pragma once

#include <cmath>
#include <vector>

#include "emogene_kernels.h"
#include "grid.h"

namespace emogene {

template <int D>
std::vector<Level<D>> prepared_levels(const emogene_grid& grid) {
    std::vector<Level<D>> levels;
    uint64_t first = 0;
    for (int32_t i = 0; i < grid.levels; ++i) {
        const emogene_level& from = grid.level[i];
        Level<D> level;
        level.scale = from.scale;
        level.size = from.size;
        level.first = first;
        level.reciprocal = UINT64_MAX / from.size + 1;
        const double furthest = std::floor(from.scale + 0.5f) + 1.0;
        double largest = 0.0;
        for (int d = 0; d < D; ++d) {
            level.strides[d] = from.strides[d];
            largest += furthest * from.strides[d];
        }
        level.wrap = largest < from.size                     ? Wrap::kNone
                     : (from.size & (from.size - 1)) == 0 ? Wrap::kMask
                                                             : Wrap::kFastModulo;
        levels.push_back(level);
        first += from.size;
    }
    return levels;
}

// Calls body.template run<D, F, W>(level) for what the grid and the level are.
template <int D, int F, class Body>
void with_wrap(const Level<D>& level, const Body& body) {
    switch (level.wrap) {
        case Wrap::kNone: body.template run<D, F, Wrap::kNone>(level); break;
        case Wrap::kMask: body.template run<D, F, Wrap::kMask>(level); break;
        case Wrap::kFastModulo: body.template run<D, F, Wrap::kFastModulo>(level); break;
    }
}

template <int D, class Body>
void with_features(const Level<D>& level, int features, const Body& body) {
    switch (features) {
        case 1: with_wrap<D, 1>(level, body); break;
        case 2: with_wrap<D, 2>(level, body); break;
        case 4: with_wrap<D, 4>(level, body); break;
        default: with_wrap<D, 8>(level, body); break;
    }
}

}  // namespace emogene
