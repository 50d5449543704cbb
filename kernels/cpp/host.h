// From the ABI's plain structures to those of the arithmetic headers.
#pragma once

#include "displacement.h"
#include "emogene_kernels.h"
#include "traversal.h"

namespace emogene {

inline Vec3 cells_per_unit(const emogene_box& box, int32_t resolution) {
    const float cells = static_cast<float>(resolution);
    return {cells / (box.high[0] - box.low[0]), cells / (box.high[1] - box.low[1]),
            cells / (box.high[2] - box.low[2])};
}

inline int32_t blocks_along(int32_t resolution) { return (resolution + kBlock - 1) / kBlock; }

inline OccupancyGrid occupancy_grid(const emogene_occupancy& o) {
    const Vec3 scale = cells_per_unit(o.box, o.resolution);
    return {o.bits,
            o.distance,
            o.resolution,
            blocks_along(o.resolution),
            load(o.box.low),
            scale,
            {1.0f / scale.x, 1.0f / scale.y, 1.0f / scale.z}};
}

inline NodeGrid node_grid(const emogene_nodes& n) {
    float per_unit[3], spacing[3];
    for (int d = 0; d < 3; ++d) {
        const float gaps = static_cast<float>(n.nodes[d] - 1);
        const float extent = n.box.high[d] - n.box.low[d];
        per_unit[d] = gaps / extent;
        spacing[d] = extent / gaps;
    }
    return {{n.nodes[0], n.nodes[1], n.nodes[2]}, load(n.box.low), load(per_unit), load(spacing)};
}

}  // namespace emogene
