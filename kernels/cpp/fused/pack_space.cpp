// Where something is: nodes of the displacement, boxes, distances.
#include <algorithm>

#include "../host.h"
#include "packing.h"

namespace emogene {

void pack_nodes(emogene_fused& f, const emogene_head& from) {
    PackedNodes& n = f.model.head.nodes;
    n.grid = node_grid(*from.nodes);
    n.landmarks = from.landmarks;
    n.regulariser = from.regulariser;
    const size_t landmarks = static_cast<size_t>(from.landmarks);
    n.rest = kept_floats(f, from.rest, 3 * landmarks, 3 * landmarks);
    n.falloff = kept_floats(f, from.falloff, landmarks, landmarks);
    const int32_t nx = n.grid.nodes[0], ny = n.grid.nodes[1], nz = n.grid.nodes[2];
    std::vector<uint8_t> active(static_cast<size_t>(nx) * ny * nz);
    emogene_active_nodes(from.nodes, from.occupancy.bits, from.occupancy.resolution, active.data());
    std::vector<int32_t> list;
    for (size_t i = 0; i < active.size(); ++i)
        if (active[i] != 0) list.push_back(static_cast<int32_t>(i));
    const size_t lanes = static_cast<size_t>(f.run->lanes);
    while (!list.empty() && list.size() % lanes != 0) list.push_back(list.back());
    n.active = static_cast<int64_t>(list.size());
    Memory<uint32_t> index = zeroed<uint32_t>(list.size());
    Memory<float> places[3];
    for (Memory<float>& place : places) place = zeroed<float>(list.size());
    for (size_t i = 0; i < list.size(); ++i) {
        const Vec3 p =
            node_position(n.grid, list[i] % nx, list[i] / nx % ny, list[i] / nx / ny);
        index[i] = static_cast<uint32_t>(list[i]);
        places[0][i] = p.x, places[1][i] = p.y, places[2][i] = p.z;
    }
    n.index = reinterpret_cast<const int32_t*>(index.get());
    n.x = places[0].get(), n.y = places[1].get(), n.z = places[2].get();
    f.words.push_back(std::move(index));
    for (Memory<float>& place : places) f.floats.push_back(std::move(place));
}

void list_boxes(emogene_fused& f) {
    HeadModel& head = f.model.head;
    const OccupancyGrid& g = head.occupancy;
    const int b = g.blocks;
    const auto filled = [&](int x, int y, int z) {
        const bool inside = x >= 0 && y >= 0 && z >= 0 && x < b && y < b && z < b;
        return inside && g.distance[(z * b + y) * b + x] == 0;
    };
    std::vector<float> low;
    const Vec3 side = {kBlock * g.units_per_cell.x, kBlock * g.units_per_cell.y,
                       kBlock * g.units_per_cell.z};
    for (int z = 0; z < b; ++z)
        for (int y = 0; y < b; ++y)
            for (int x = 0; x < b; ++x) {
                const bool enclosed = filled(x - 1, y, z) && filled(x + 1, y, z) &&
                                      filled(x, y - 1, z) && filled(x, y + 1, z) &&
                                      filled(x, y, z - 1) && filled(x, y, z + 1);
                if (!filled(x, y, z) || enclosed) continue;
                low.push_back(g.low.x + side.x * static_cast<float>(x));
                low.push_back(g.low.y + side.y * static_cast<float>(y));
                low.push_back(g.low.z + side.z * static_cast<float>(z));
            }
    head.boxes = static_cast<int64_t>(low.size() / 3);
    head.box_side = side;
    head.box_low = kept_floats(f, low.data(), low.size(), low.size());
}

// Forth and back, each cell is at most one farther than any of the 26 around it that were passed
// before.
void pack_clear(emogene_fused& f) {
    const OccupancyGrid& g = f.model.head.occupancy;
    const int64_t n = g.resolution, all = n * n * n;
    Memory<uint8_t> clear = zeroed<uint8_t>(static_cast<size_t>(all));
    uint8_t* at = clear.get();
    for (int64_t i = 0; i < all; ++i) at[i] = (g.bits[i >> 3] >> (i & 7) & 1) != 0 ? 0 : 255;
    const auto pass = [&](int64_t x, int64_t y, int64_t z, int way) {
        const int64_t i = (z * n + y) * n + x;
        int least = at[i];
        for (int dz = -1; dz <= 0; ++dz)
            for (int dy = -1; dy <= (dz == 0 ? 0 : 1); ++dy)
                for (int dx = -1; dx <= (dz == 0 && dy == 0 ? -1 : 1); ++dx) {
                    const int64_t u = x + way * dx, v = y + way * dy, w = z + way * dz;
                    if (u < 0 || v < 0 || w < 0 || u >= n || v >= n || w >= n) continue;
                    least = std::min(least, at[(w * n + v) * n + u] + 1);
                }
        at[i] = static_cast<uint8_t>(least);
    };
    for (int64_t z = 0; z < n; ++z)
        for (int64_t y = 0; y < n; ++y)
            for (int64_t x = 0; x < n; ++x) pass(x, y, z, 1);
    for (int64_t z = n - 1; z >= 0; --z)
        for (int64_t y = n - 1; y >= 0; --y)
            for (int64_t x = n - 1; x >= 0; --x) pass(x, y, z, -1);
    const int64_t blocks = g.blocks;
    Memory<uint8_t> in_blocks = zeroed<uint8_t>(static_cast<size_t>(blocks * blocks * blocks) * 64);
    for (int64_t z = 0; z < n; ++z)
        for (int64_t y = 0; y < n; ++y)
            for (int64_t x = 0; x < n; ++x) {
                const int64_t block = (z / kBlock * blocks + y / kBlock) * blocks + x / kBlock;
                const int64_t cell = (z % kBlock * kBlock + y % kBlock) * kBlock + x % kBlock;
                in_blocks[static_cast<size_t>(block * 64 + cell)] = at[(z * n + y) * n + x];
            }
    f.model.head.clear = in_blocks.get();
    f.bytes.push_back(std::move(in_blocks));
}

}  // namespace emogene
