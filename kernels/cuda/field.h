// What all renderers of a field have in common: its memory, and the arithmetic of one sample, ray or
// pixel in float32.
//
// The field's structure stands in two headers that are generated for it: its constants and grids in
// specification.h (gpu/specification.py), its networks and what feeds them in evaluation.h
// (gpu/evaluation.py). So every loop has a length known to the compiler. The arithmetic is that of
// the CPU's kernels.
#pragma once

#include "../cpp/box.h"
#include "../cpp/compositing.h"
#include "../cpp/displacement.h"
#include "../cpp/frequency.h"
#include "../cpp/grid.h"
#include "../cpp/harmonics.h"
#include "../cpp/image.h"
#include "../cpp/rays.h"
#include "../cpp/traversal.h"
#include "specification.h"
#include "tables.h"

namespace emogene {

// What stays from frame to frame. All of it is the GPU's memory.
struct PlainModel {
    const void* tables;        // every grid's, one after the other
    const float* parameters;   // weights (out, in) and biases of every network's layers
    const uint8_t* bits;       // occupancy
    const uint8_t* distance;   // blocks to the nearest occupied one
    const uint8_t* torso_mask;
    const float* rest;         // landmarks at rest and their falloff
    const float* falloff;
    float* nodes;              // the displacement baked for this frame
};

// What changes with every frame, in one piece of memory at a fixed address.
struct PlainFrame {
    float pose[12];
    Pinhole camera;
    int32_t size;
    float threshold, torso_threshold;
    float landmarks[3 * kLandmarks];
    float biases[kBiases];
};

// Where the picture goes. Any output may be missing.
struct PlainPicture {
    const uint8_t* background;  // (size, size, 3); with the image
    uint8_t* image;             // (size, size, 3)
    float* head;                // (size, size, 4) premultiplied colour and opacity
    unsigned long long* counts; // samples, and rays that took one
    const float* behind;        // (3, size, size) in [0, 1], the background; with the planes
    float* planes;              // (3, size, size) in [0, 1], the image before it becomes bytes
};

// Whether anything behind the head is asked for.
EMOGENE_HD bool is_whole(const PlainPicture& picture) {
    return picture.image != nullptr || picture.planes != nullptr;
}

// The displacement of one node of the grid, (Z, Y, X, 3).
EMOGENE_HD void bake_node(const PlainModel& model, const PlainFrame& frame, int node) {
    const NodeGrid g = node_grid();
    const Vec3 x = node_position(g, node % g.nodes[0], node / g.nodes[0] % g.nodes[1],
                                 node / (g.nodes[0] * g.nodes[1]));
    float weights = 0.0f, moved[3] = {0.0f, 0.0f, 0.0f};
    for (int l = 0; l < kLandmarks; ++l) {
        const float* landmark = frame.landmarks + 3 * l;
        const float pull = landmark_pull(x, landmark, model.falloff[l]);
        weights += pull;
        for (int c = 0; c < 3; ++c) moved[c] += pull * (landmark[c] - model.rest[3 * l + c]);
    }
    for (int c = 0; c < 3; ++c) model.nodes[3 * node + c] = moved[c] / (weights + kRegulariser);
}

EMOGENE_HD float add_product(float a, float b, float sum) {
#if defined(__CUDACC__)
    return __fmaf_rn(a, b, sum);
#else
    return a * b + sum;
#endif
}

// Whether weights are loaded four at a time, which takes registers.
#if !defined(EMOGENE_WEIGHTS_BY_FOUR)
#define EMOGENE_WEIGHTS_BY_FOUR false
#endif

// Four numbers from a multiple of 16 bytes.
EMOGENE_HD void load_four(const float* from, float* four) {
#if defined(__CUDACC__)
    const float4 loaded = *reinterpret_cast<const float4*>(from);
    four[0] = loaded.x, four[1] = loaded.y, four[2] = loaded.z, four[3] = loaded.w;
#else
    memcpy(four, from, 4 * sizeof(float));
#endif
}

// One layer: y = W x + b, and nothing below zero where another layer follows. Weights begin at a
// multiple of 32 bytes; where rows are whole quarters, four may come by one load.
template <int In, int Out, bool Relu>
EMOGENE_HD void layer(const float* weights, const float* biases, const float* x, float* y) {
    constexpr bool kFour = EMOGENE_WEIGHTS_BY_FOUR && In % 4 == 0;
    EMOGENE_ROLLED
    for (int o = 0; o < Out; ++o) {
        float sum = biases != nullptr ? biases[o] : 0.0f;
        const float* row = weights + o * In;
        float four[4];
        EMOGENE_UNROLL
        for (int i = 0; i < In; ++i) {
            if (kFour && i % 4 == 0) load_four(row + i, four);
            sum = add_product(kFour ? four[i % 4] : row[i], x[i], sum);
        }
        y[o] = Relu ? larger(sum, 0.0f) : sum;
    }
}

EMOGENE_HD float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

// Reads all levels of a grid at u in [0, 1]^D; zeros outside.
template <class Grid, class Tables>
EMOGENE_HD void encode(Tables tables, const float* u, float* out) {
    constexpr int D = Grid::kDimensions, F = Grid::kFeatures;
    const bool inside = inside_unit<D>(u);
    EMOGENE_UNROLL
    for (int l = 0; l < Grid::kLevels; ++l) {
        const Level<D> level = Grid::level(l);
        float sum[F] = {};
        if (inside) {
            const Corners<D> at = corners_of(level, u);
            EMOGENE_UNROLL
            for (int corner = 0; corner < 1 << D; ++corner) {
                const uint32_t index = at.base + corner_offset(level, corner);
                const uint32_t row = level.wrap == Wrap::kNone ? index : index % level.size;
                const float weight = corner_weight(at, corner);
                float entry[F];
                load_entry<F>(tables, (level.first + row) * F, entry);
                EMOGENE_UNROLL
                for (int f = 0; f < F; ++f) sum[f] += weight * entry[f];
            }
        }
        EMOGENE_UNROLL
        for (int f = 0; f < F; ++f) out[l * F + f] = sum[f];
    }
}

// The position less its displacement, with the bounds mapped to [0, 1]^3.
EMOGENE_HD void unit_coordinates(Vec3 p, Vec3 moved, float* u) {
    const Vec3 low = bounds_low(), scale = per_bounds();
    u[0] = ((p.x - moved.x) - low.x) * scale.x;
    u[1] = ((p.y - moved.y) - low.y) * scale.y;
    u[2] = ((p.z - moved.z) - low.z) * scale.z;
}

// Whether the torso's mask is set at a pixel.
EMOGENE_HD bool in_mask(const uint8_t* mask, int size, int row, int column) {
    const int cell = row * kMaskSide / size * kMaskSide + column * kMaskSide / size;
    return mask[cell >> 3] >> (cell & 7) & 1;
}

// Whether the torso is asked for at a pixel that the head covers so far.
EMOGENE_HD bool shows_torso(const PlainModel& model, const PlainFrame& frame, int row, int column,
                            float opacity) {
    return kTorso && !(1.0f - opacity < frame.torso_threshold) &&
           in_mask(model.torso_mask, frame.size, row, column);
}

// Head over torso over background, where they are wanted.
EMOGENE_HD void put_whole(const PlainPicture& picture, int size, int pixel, const float* head,
                          const float* torso) {
    if (picture.image != nullptr)
        for (int c = 0; c < 3; ++c)
            picture.image[3 * pixel + c] =
                blend(head[c], head[3], torso[c], torso[3], picture.background[3 * pixel + c]);
    if (picture.planes != nullptr)
        for (int c = 0; c < 3; ++c) {
            const int at = c * size * size + pixel;
            const float made =
                layered(head[c], head[3], torso[c], torso[3], picture.behind[at]);
            picture.planes[at] = smaller(larger(made, 0.0f), 1.0f);
        }
}

// All outputs of a pixel.
EMOGENE_HD void put_pixel(const PlainPicture& picture, int size, int pixel, const float* head,
                          const float* torso) {
    if (picture.head != nullptr)
        for (int c = 0; c < 4; ++c) picture.head[4 * pixel + c] = head[c];
    put_whole(picture, size, pixel, head, torso);
}

// The avatar's model whose grids lie as its specification says.
struct TableModel : PlainModel {
    TablesOf<kHalfTables>::Type tables;
};

EMOGENE_HD TableModel with_tables(const PlainModel& model) {
    TableModel made;
    static_cast<PlainModel&>(made) = model;
    point_at(model.tables, made.tables);
    return made;
}

}  // namespace emogene

#include "evaluation.h"
