#include "displacement.h"

#include <cmath>
#include <vector>

#include "host.h"
#include "threads.h"

using namespace emogene;

namespace {

// How far a cell's faces are moved out, in cells, so that rounding cannot leave out a node.
constexpr double kSlack = 1e-3;

// The nodes around an interval of cells along one axis, first and last.
struct Reach {
    int first, last;
};

Reach nodes_around(int cell, int resolution, int nodes) {
    const double gaps = nodes - 1;
    const double lower = (cell - kSlack) / resolution * gaps;
    const double upper = (cell + 1 + kSlack) / resolution * gaps;
    const int first = static_cast<int>(std::floor(lower));
    const int last = static_cast<int>(std::floor(upper)) + 1;
    return {first < 0 ? 0 : first, last > nodes - 1 ? nodes - 1 : last};
}

// Nodes whose sums are formed side by side, so that the loop over them vectorises.
constexpr int kLanes = 16;

struct Sums {
    float weight[kLanes], x[kLanes], y[kLanes], z[kLanes];
};

// The exponent from which on the pulls of all landmarks together are lost in rounding beside the
// regulariser.
float largest_exponent(float regulariser, int32_t landmarks) {
    return regulariser > 0 ? std::log(static_cast<float>(1 << 25) * landmarks / regulariser)
                           : INFINITY;
}

// The smallest squared distance from a landmark to the box around some nodes.
struct Around {
    float low[3], high[3];

    void include(const Vec3& p) {
        const float at[3] = {p.x, p.y, p.z};
        for (int d = 0; d < 3; ++d) {
            low[d] = at[d] < low[d] ? at[d] : low[d];
            high[d] = at[d] > high[d] ? at[d] : high[d];
        }
    }

    float squared_distance(const float* landmark) const {
        float sum = 0.0f;
        for (int d = 0; d < 3; ++d) {
            const float below = low[d] - landmark[d], above = landmark[d] - high[d];
            const float away = below > above ? below : above;
            if (away > 0) sum += away * away;
        }
        return sum;
    }
};

}  // namespace

extern "C" void emogene_active_nodes(const emogene_nodes* grid, const uint8_t* bits,
                                     int32_t resolution, uint8_t* active) {
    const int nx = grid->nodes[0], ny = grid->nodes[1], nz = grid->nodes[2];
    for (int i = 0; i < nx * ny * nz; ++i) active[i] = 0;
    for (int z = 0, i = 0; z < resolution; ++z)
        for (int y = 0; y < resolution; ++y)
            for (int x = 0; x < resolution; ++x, ++i) {
                if (!(bits[i >> 3] >> (i & 7) & 1)) continue;
                const Reach rx = nodes_around(x, resolution, nx);
                const Reach ry = nodes_around(y, resolution, ny);
                const Reach rz = nodes_around(z, resolution, nz);
                for (int c = rz.first; c <= rz.last; ++c)
                    for (int b = ry.first; b <= ry.last; ++b)
                        for (int a = rx.first; a <= rx.last; ++a)
                            active[(c * ny + b) * nx + a] = 1;
            }
}

extern "C" void emogene_bake_displacement(const emogene_nodes* grid, const float* rest,
                                          const float* falloff, int32_t landmark_count,
                                          float regulariser, const float* landmarks,
                                          int32_t frames, const int32_t* nodes, int64_t count,
                                          float* out, emogene_pool* pool) {
    const NodeGrid g = node_grid(*grid);
    const int nx = g.nodes[0], ny = g.nodes[1], nz = g.nodes[2];
    const int64_t total = static_cast<int64_t>(nx) * ny * nz;
    if (nodes == nullptr) count = total;
    const int64_t pieces = (count + kLanes - 1) / kLanes;
    const float largest = largest_exponent(regulariser, landmark_count);
    for_ranges(pool, pieces * frames, 16, [&](int64_t begin, int64_t end) {
        for (int64_t piece = begin; piece < end; ++piece) {
            const int64_t frame = piece / pieces, first = piece % pieces * kLanes;
            const int lanes = static_cast<int>(count - first < kLanes ? count - first : kLanes);
            int64_t node[kLanes];
            float px[kLanes], py[kLanes], pz[kLanes];
            Around around = {{INFINITY, INFINITY, INFINITY}, {-INFINITY, -INFINITY, -INFINITY}};
            for (int i = 0; i < kLanes; ++i) {
                const int64_t entry = first + (i < lanes ? i : 0);
                node[i] = nodes != nullptr ? nodes[entry] : entry;
                const int x = static_cast<int>(node[i] % nx);
                const int y = static_cast<int>(node[i] / nx % ny);
                const int z = static_cast<int>(node[i] / nx / ny);
                const Vec3 p = node_position(g, x, y, z);
                px[i] = p.x, py[i] = p.y, pz[i] = p.z;
                around.include(p);
            }
            Sums sums = {};
            const float* l = landmarks + frame * landmark_count * 3;
            for (int32_t j = 0; j < landmark_count; ++j, l += 3) {
                if (around.squared_distance(l) * falloff[j] > largest) continue;
                const float mx = l[0] - rest[3 * j], my = l[1] - rest[3 * j + 1],
                            mz = l[2] - rest[3 * j + 2];
                for (int i = 0; i < kLanes; ++i) {
                    const float pull = landmark_pull({px[i], py[i], pz[i]}, l, falloff[j]);
                    sums.weight[i] += pull;
                    sums.x[i] += pull * mx;
                    sums.y[i] += pull * my;
                    sums.z[i] += pull * mz;
                }
            }
            for (int i = 0; i < lanes; ++i) {
                const float weight = sums.weight[i] + regulariser;
                store(out + (frame * total + node[i]) * 3,
                      {sums.x[i] / weight, sums.y[i] / weight, sums.z[i] / weight});
            }
        }
    });
}

extern "C" void emogene_read_displacement(const emogene_nodes* grid, const float* values,
                                          const float* positions, const int32_t* frames,
                                          int64_t n, float* out, emogene_pool* pool) {
    const NodeGrid g = node_grid(*grid);
    const int64_t frame_size = 3LL * g.nodes[0] * g.nodes[1] * g.nodes[2];
    for_ranges(pool, n, 2048, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
            const float* of_frame = frames != nullptr ? values + frame_size * frames[i] : values;
            store(out + 3 * i, read_nodes(g, of_frame, load(positions + 3 * i)));
        }
    });
}
