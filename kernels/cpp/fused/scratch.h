// What a thread keeps while it works at a tile of the head: rows of rays and of samples.
#pragma once

#include "encode.h"
#include "mlp.h"
#include "model.h"

namespace emogene {
namespace {

// What a ray carries from round to round, as rows of kRayStride. `sums` are as many rows as are
// composited: geometry and, where surface grids need it, the distance; or red, green and blue.
struct RayRows {
    float *dx, *dy, *dz, *near, *far, *left;   // `left`: the light that still comes through
    int32_t *k, *taken, *pixel;                // `pixel`: of the tile
    float* sums;
};

struct SampleRows {
    float *x, *y, *z, *t;   // position, and distance from the ray's origin
    float* raw;             // density and geometry, kSampleStride apart
};

struct HeadRows {
    RayRows live, ended;
    SampleRows samples;
    float* features;    // rows of one chunk, kChunkStride apart: inputs of a network
    float* colours;     // rows of kSampleStride: a block of neurons, of which three count
};

template <class S>
struct HeadScratch : HeadRows {
    Coordinates at;
    alignas(64) float moved[3][kChunk + 16];
    alignas(64) float directions[3][kSampleStride];
    typename S::M found[kTilePixels / S::kWidth * kStepsMost];
    int32_t first[kTilePixels / S::kWidth * kStepsMost];
    MlpWork<S> work;
};

constexpr int kChunkStride = kChunk + 16;

// Rows that are composited along a ray.
EMOGENE_HD int composited_rows(const HeadModel& head) {
    return head.ray_colour ? head.geometry + (head.surfaces != 0 ? 1 : 0) : 3;
}

}  // namespace
}  // namespace emogene
