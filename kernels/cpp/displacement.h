// The displacement that brings a point of the moving face back to the face at rest.
#pragma once

#include "exponential.h"
#include "portable.h"

namespace emogene {

struct NodeGrid {
    int32_t nodes[3];  // along x, y, z
    Vec3 low;          // of the bounds; nodes stand on their corners and evenly between
    Vec3 nodes_per_unit;
    Vec3 spacing;
};

EMOGENE_HD Vec3 node_position(const NodeGrid& g, int x, int y, int z) {
    return {g.low.x + (float)x * g.spacing.x, g.low.y + (float)y * g.spacing.y,
            g.low.z + (float)z * g.spacing.z};
}

// exp(-|x - l|^2 falloff): how much landmark l moves the point x.
EMOGENE_HD float landmark_pull(Vec3 x, const float* landmark, float falloff) {
    const float dx = x.x - landmark[0], dy = x.y - landmark[1], dz = x.z - landmark[2];
    return exponential(-(dx * dx + dy * dy + dz * dz) * falloff);
}

struct NodeSpan {
    int lower;
    float fraction;
};

// The node below a position along one axis and the fraction above it, clamped to the bounds.
EMOGENE_HD NodeSpan node_span(float position, float low, float nodes_per_unit, int32_t nodes) {
    const float last = (float)(nodes - 1);
    const float at = smaller(larger((position - low) * nodes_per_unit, 0.0f), last);
    const int lower = (int)smaller(at, last - 1.0f);
    return {lower, at - (float)lower};
}

EMOGENE_HD float mix(float a, float b, float fraction) { return a + (b - a) * fraction; }

// Trilinear reading of a (z, y, x, 3) grid.
EMOGENE_HD Vec3 read_nodes(const NodeGrid& g, const float* values, Vec3 p) {
    const NodeSpan x = node_span(p.x, g.low.x, g.nodes_per_unit.x, g.nodes[0]);
    const NodeSpan y = node_span(p.y, g.low.y, g.nodes_per_unit.y, g.nodes[1]);
    const NodeSpan z = node_span(p.z, g.low.z, g.nodes_per_unit.z, g.nodes[2]);
    const int row = 3 * g.nodes[0], plane = row * g.nodes[1];
    const float* v = values + z.lower * plane + y.lower * row + 3 * x.lower;
    float out[3];
    for (int c = 0; c < 3; ++c) {
        const float* q = v + c;
        const float near_low = mix(q[0], q[3], x.fraction);
        const float near_high = mix(q[row], q[row + 3], x.fraction);
        const float far_low = mix(q[plane], q[plane + 3], x.fraction);
        const float far_high = mix(q[plane + row], q[plane + row + 3], x.fraction);
        out[c] = mix(mix(near_low, near_high, y.fraction), mix(far_low, far_high, y.fraction),
                     z.fraction);
    }
    return {out[0], out[1], out[2]};
}

}  // namespace emogene
