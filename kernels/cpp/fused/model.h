// What a fused renderer is made of once it is prepared, and what it is given for a frame.
//
// Only plain structures: this header is compiled for several instruction sets, and a function of
// the standard library that one of them left behind as a shared symbol could be run on a processor
// that does not know it.
#pragma once

#include "../grid.h"
#include "../displacement.h"
#include "../rays.h"
#include "../traversal.h"
#include "products.h"

namespace emogene {

constexpr int kTile = 32;             // pixels along a tile's side
constexpr int kTilePixels = kTile * kTile;
constexpr int kSubtile = 8;           // pixels along the side of what the projection tells apart
constexpr int kChunk = 192;           // samples that go through encoding and networks together
constexpr int kPanelMost = 48;        // samples of the widest panel of vectors; all divide kChunk
constexpr int kNeuronsMost = 8;       // neurons of the widest block
constexpr int kRayStride = kTilePixels + 16;   // no multiple of 4 KiB: rows would fight for a set
constexpr int kStepsMost = 8;         // samples that a ray takes in one round
constexpr int kMostSamples = 2 * kTilePixels;  // samples of one round
constexpr int kSampleStride = kMostSamples + kChunk + 16;
constexpr int kMostLayers = 8;
constexpr int kMostGrids = 4;
constexpr int kMostLevels = 32;
constexpr int kMostWidth = 256;       // of any network's layer
constexpr int32_t kLastLattice = 1 << 18;  // no checked field has more steps across its bounds

// One linear layer: blocks of outputs, within a block input after input.
struct PackedLayer {
    int32_t inputs, outputs;   // as the network has them
    // [block][input][neuron]. Blocks have `Instructions::neurons`, but the last, which has what
    // remains, at most `widest`.
    const float* weights;
    // bfloat16 of two inputs: [block][input / 2][neuron]; or tiles of 16 neurons x 32 inputs,
    // [block][input / 32] of the high halves and of the low ones. NULL for products of float32.
    const uint32_t* pairs;
    const float* bias;   // padded to blocks; NULL for the first layer, whose bias is a frame's
};

struct PackedMlp {
    int32_t layers;
    PackedLayer layer[kMostLayers];
};

enum class ReadAt : int32_t { kPosition = 0, kDisplaced = 1, kAmbient = 2 };

struct PackedLevel {
    float scale;
    uint32_t strides[3];
    uint32_t size;
    Wrap wrap;
    bool pairs;             // two neighbours along x are one load
    bool gathered;          // of `halves`, by instructions that load from many places
    uint64_t reciprocal;
    // One entry longer than `size`: the first again. In half precision where that loses nothing and
    // the processor widens it as it loads: half the memory to fetch. One of them is NULL.
    const float* entries;
    const uint16_t* halves;
};

struct PackedGrid {
    int32_t dimensions, features, levels;
    ReadAt read_at;
    PackedLevel level[kMostLevels];
};

// Where the displacement is baked: the nodes that occupied cells can read, four floats a node.
struct PackedNodes {
    NodeGrid grid;
    int32_t landmarks;
    float regulariser;
    const float *rest, *falloff;        // (L, 3), (L)
    int64_t active;                     // how many; arrays below are padded to whole vectors
    const int32_t* index;
    const float *x, *y, *z;
};

struct HeadModel {
    Vec3 low, high, per_unit;
    int32_t grids;
    PackedGrid grid[kMostGrids];
    int32_t surfaces;                   // grids read once a ray
    PackedGrid surface[kMostGrids];
    bool displaced, ambient, ray_colour;
    float displacement_gain;
    PackedNodes nodes;
    PackedMlp ambient_mlp, density, colour;
    float density_shift;
    int32_t directions;                 // degree of the spherical harmonics
    int32_t features, geometry;         // widths
    OccupancyGrid occupancy;            // its places; the march reads `clear`
    // Of every cell, cells to the nearest occupied one: [block][cell of the block], x fastest.
    const uint8_t* clear;
    Vec3 entry_low, entry_high;         // rays are marched between these corners
    float step, phase, min_near;
    int32_t max_samples;
    bool gathers;                       // bytes of the occupancy by gathers
    // Boxes of occupied cells that are not enclosed, by their lower corners, and their sides.
    int64_t boxes;
    const float* box_low;               // (boxes, 3)
    Vec3 box_side;
};

struct TorsoModel {
    bool there;
    PackedGrid grid;
    int32_t octaves, features, position;   // widths of the grid and of the position's encoding
    PackedMlp deform, colour;
    float deform_range;
    const uint8_t* mask;
    int32_t mask_resolution;
};

struct Model {
    HeadModel head;
    TorsoModel torso;
};

struct FrameBiases {
    float ambient[kMostWidth], density[kMostWidth], colour[kMostWidth];
    float torso_deform[kMostWidth], torso_colour[kMostWidth];
};

struct Frame {
    const float* pose;          // (3, 4) camera-from-head
    Vec3 origin;
    Pinhole camera;
    int32_t size, tiles, subtiles;   // pixels, tiles and subtiles along a side
    float threshold;            // a ray ends once less light than this comes through
    bool coarse;                // tiles multiply in bfloat16 without the low halves
    float torso_threshold;      // the torso is left out where less light than this comes through
    const FrameBiases* biases;
    const float* landmarks;     // (L, 3)
    float* nodes;               // (z, y, x, 4) baked displacement
    // For each subtile the depth (along the camera's axis) at which the first box that covers it
    // begins and the last ends; begin > end where there is none.
    const float *depth_begin, *depth_end;
    const float* axis;          // (1 + 2 octaves, size + padding): position, sines and cosines
    int32_t axis_stride;
    const int32_t* mask_cell;   // (size): the torso mask's cell of a column or row
    const uint8_t* background;  // (size, size, 3)
    float* head;                // (size, size, 4) premultiplied colour and opacity, or NULL
    uint8_t* image;             // (size, size, 3), or NULL
};

struct TileCounts {
    int64_t samples, rays;
};

// One implementation for one instruction set.
struct Instructions {
    const char* name;
    int32_t lanes, neurons, widest;   // floats of a vector; neurons of a block, of the last one
    Products products;
    bool halves;                // tables in half precision
    bool gathers;               // it has code for gathers
    int64_t (*scratch)(const Model&);                               // floats a thread needs
    void (*bake)(const Model&, const Frame&, int64_t begin, int64_t end);   // vectors of nodes
    void (*tile)(const Model&, const Frame&, int32_t tile, float* scratch, TileCounts*);
    // The samples of a tile's rays when none ends early: numbers (size^2) and distances
    // (size^2, most).
    void (*samples)(const Model&, const Frame&, int32_t tile, float* scratch, int32_t most,
                    int32_t* counts, float* distances);
};

extern const Instructions kBaseline;
#if defined(EMOGENE_HAS_AVX2)
extern const Instructions kAvx2;
#endif
#if defined(EMOGENE_HAS_AVX512)
extern const Instructions kAvx512;
#endif
#if defined(EMOGENE_HAS_AVX512BF16)
extern const Instructions kAvx512Bf16;
#endif
#if defined(EMOGENE_HAS_AMX)
extern const Instructions kAmx;
#endif

}  // namespace emogene
