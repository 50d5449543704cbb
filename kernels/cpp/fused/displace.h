// The displacement of the moving face: baked once a frame, read once a sample.
#pragma once

#include "encode.h"
#include "functions.h"
#include "model.h"

namespace emogene {
namespace {

// Bakes vectors `begin` to `end` of the nodes that are read. See `DisplacementSpec`.
template <class S>
void bake_nodes(const Model& model, const Frame& frame, int64_t begin, int64_t end) {
    using F = typename S::F;
    const PackedNodes& n = model.head.nodes;
    for (int64_t i = begin * S::kWidth; i < end * S::kWidth; i += S::kWidth) {
        const F x = S::load(n.x + i), y = S::load(n.y + i), z = S::load(n.z + i);
        F weight = S::set(n.regulariser), mx = S::set(0.0f), my = mx, mz = mx;
        for (int32_t j = 0; j < n.landmarks; ++j) {
            const float *l = frame.landmarks + 3 * j, *rest = n.rest + 3 * j;
            const F dx = x - l[0], dy = y - l[1], dz = z - l[2];
            const F squared =
                S::multiply_add(dx, dx, S::multiply_add(dy, dy, dz * dz));
            const F pull = exponential_of<S>(squared * -n.falloff[j]);
            weight += pull;
            mx = S::multiply_add(pull, S::set(l[0] - rest[0]), mx);
            my = S::multiply_add(pull, S::set(l[1] - rest[1]), my);
            mz = S::multiply_add(pull, S::set(l[2] - rest[2]), mz);
        }
        alignas(64) float out[3][S::kWidth];
        S::store(out[0], mx / weight);
        S::store(out[1], my / weight);
        S::store(out[2], mz / weight);
        for (int lane = 0; lane < S::kWidth; ++lane)
            for (int d = 0; d < 3; ++d) frame.nodes[4 * n.index[i + lane] + d] = out[d][lane];
    }
}

// Trilinear readings at `count` positions, as `read_nodes`, to three rows of `moved`.
template <class S>
void read_moved(const NodeGrid& g, const float* nodes, const float* const position[3], int count,
                float (*moved)[kChunk + 16]) {
    using F = typename S::F;
    using I = typename S::I;
    const float low[3] = {g.low.x, g.low.y, g.low.z};
    const float per_unit[3] = {g.nodes_per_unit.x, g.nodes_per_unit.y, g.nodes_per_unit.z};
    const int row = g.nodes[0], plane = g.nodes[0] * g.nodes[1];
    const int stride[3] = {1, row, plane};
    for (int i = 0; i < count; i += S::kWidth) {
        F fraction[3];
        I index = {};
        for (int d = 0; d < 3; ++d) {
            const float last = static_cast<float>(g.nodes[d] - 1);
            const F raw = (S::load(position[d] + i) - low[d]) * per_unit[d];
            const F at = S::smaller(S::larger(raw, S::set(0.0f)), S::set(last));
            const I cell = S::truncate(S::smaller(at, S::set(last - 1.0f)));
            fraction[d] = at - S::to_float(cell);
            index += cell * stride[d];
        }
        alignas(64) int32_t first[S::kWidth];
        alignas(64) float weight[4][S::kWidth], x[S::kWidth];
        S::store(first, index);
        S::store(x, fraction[0]);
        for (int corner = 0; corner < 4; ++corner)
            S::store(weight[corner], (corner & 1 ? fraction[1] : 1.0f - fraction[1]) *
                                         (corner & 2 ? fraction[2] : 1.0f - fraction[2]));
        alignas(64) float out[3][S::kWidth];
        for (int lane = 0; lane < S::kWidth; ++lane) {
            const float* at = nodes + 4 * (int64_t)first[lane];
            Quad lower = {}, upper = {};
            for (int corner = 0; corner < 4; ++corner) {
                const float w = weight[corner][lane];
                const float* node =
                    at + 4 * ((corner & 1 ? row : 0) + (corner & 2 ? plane : 0));
                lower = S::multiply_add_quad(Quad{w, w, w, w}, load_quad(node), lower);
                upper = S::multiply_add_quad(Quad{w, w, w, w}, load_quad(node + 4), upper);
            }
            const float f = x[lane];
            const Quad read = S::multiply_add_quad(Quad{f, f, f, f}, upper - lower, lower);
            for (int d = 0; d < 3; ++d) out[d][lane] = read[d];
        }
        for (int d = 0; d < 3; ++d) S::store(moved[d] + i, S::load(out[d]));
    }
}

}  // namespace
}  // namespace emogene
