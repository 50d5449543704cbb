// What lies between the kernels of a frame in rounds, and how items find their rows.
//
// A chunk is so many rays, a pixel each. Every round, each live ray takes a few samples; these are
// put side by side as rows, the networks are run on the rows, and what they give is composited into
// the rays. How many there are is known on the GPU alone: launches are as large as a chunk allows,
// and their threads read the counts.
//
// Putting side by side keeps the order, by three kernels: whoever marks items leaves a sum for each
// warp of them, scan_tiles turns those into sums over all warps before, and the lanes add what lies
// before them in theirs. So a row's place does not depend on when its thread ran.
#pragma once

#include "field.h"
#include "lanes.h"

namespace emogene {

constexpr int kLeastEach = 2;  // samples a ray takes in a round, at least
constexpr int kMostEach = 8;   // and at most: when most rays have ended, the others take more
constexpr int kScanThreads = 256;

// Two of each where a round leaves it to the next.
struct WaveCounts {
    int32_t live[2];   // rays that go on
    int32_t each[2];   // samples that each takes
    int32_t given[2];  // samples that each has been given
    int32_t budget;    // samples of a round: what the first takes
    int32_t samples;   // of this round
    int32_t chosen;    // rays that are shaded, or pixels that show the torso
};

// Numbers of several components lie component after component, `rays` apart.
struct WaveMemory {
    WaveCounts* counts;
    float* directions;      // 3 a ray
    float* spans;           // near, far
    int32_t* cursors;       // next lattice index, or kRayDone
    float* transmittances;
    float* channels;        // kChannels a ray
    int32_t* taken;         // samples a ray has composited
    int32_t* live;          // two lists of rays
    int32_t* marks;         // an item: samples of this round, or whether it is chosen
    int32_t* places;        // an item: its first row, or -1
    int32_t* tiles;         // 32 items: their sum, then the sum of all before
    int32_t* chosen;        // ray of a row
    float* heads;           // (rays, 4) premultiplied colour and opacity
    float* positions;       // (slots, 4) x, y, z and distance of a ray's samples of this round
    int32_t* slots;         // slot of a row
    float* features;        // (rows, kFeatures); the torso's places and codes of the head
    float* raw;             // (rows, kDensityOutputs)
    float* looks;           // (rows, kLooks) and (rows, kTorsoLooks); the ambient network's inputs
    float* seen;            // outputs of all other networks: colours, coordinates, offsets
    int32_t rays;           // of a whole chunk
};

// Which rays of the picture a launch is for: numbers of `pixel_at`.
struct WaveChunk {
    int32_t first, rays;
};

EMOGENE_HD int this_thread() { return blockIdx.x * blockDim.x + threadIdx.x; }
EMOGENE_HD int all_threads() { return gridDim.x * blockDim.x; }
EMOGENE_HD int this_lane() { return threadIdx.x % kWarp; }

// Leaves an item's number and the sum of the warp's. All lanes come here, i rising with the lane.
EMOGENE_HD void mark(const WaveMemory& memory, int i, int count, int number) {
    const bool there = i < count;
    const unsigned sum = __reduce_add_sync(kAllLanes, there ? (unsigned)number : 0u);
    if (there) memory.marks[i] = number;
    if (this_lane() == 0) memory.tiles[i / kWarp] = (int32_t)sum;
}

// Numbers of all items before, and this one's. All lanes come here, after scan_tiles.
struct Placed {
    int before, number;
};

EMOGENE_HD Placed placed(const WaveMemory& memory, int i, int count) {
    const int number = i < count ? memory.marks[i] : 0;
    const unsigned below = (1u << this_lane()) - 1u;
    int before = memory.tiles[i / kWarp];
    for (int bit = 0; 1 << bit <= kMostEach; ++bit)
        before += __popc(__ballot_sync(kAllLanes, number >> bit & 1) & below) << bit;
    return {before, number};
}

// How many a ray is given where so many go on.
EMOGENE_HD int given_each(int budget, int live, int left) {
    int each = live > 0 ? budget / live : kLeastEach;
    each = each < kLeastEach ? kLeastEach : each > kMostEach ? kMostEach : each;
    return each < left ? each : left;
}

EMOGENE_HD Vec3 direction_of(const WaveMemory& memory, int ray) {
    const float* d = memory.directions + ray;
    return {d[0], d[memory.rays], d[2 * memory.rays]};
}

template <int Width>
EMOGENE_HD void copy_row(const float* from, float* to) {
    EMOGENE_UNROLL
    for (int i = 0; i < Width; ++i) to[i] = from[i];
}

}  // namespace emogene
