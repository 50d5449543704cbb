// How the blocks of one launch share its work, in order, without being there at the same time.
//
// Work is given out by counters: only warps that run hold any, so that what others wait for is
// always being done by somebody who runs. Blocks that start late find less to do, or nothing.
#pragma once

#include "warp.h"

namespace emogene {

// A line of memory each, since all of the GPU asks for them.
template <class Number>
struct alignas(128) Counter {
    Number value;
};

// All are 0 when a launch begins, and again when it has ended.
struct FusedCounters {
    Counter<uint32_t> nodes_given, nodes_done, pixels_given, pixels_done, blocks_done;
    Counter<unsigned long long> samples, rays;
};

// Takes `count` pieces of work for a warp: the first one's number, the same in all lanes.
EMOGENE_HD uint32_t take(Counter<uint32_t>& given, uint32_t count, int lane, int leader = 0) {
    uint32_t first = 0;
    if (lane == leader) first = atomicAdd(&given.value, count);
    return __shfl_sync(kAllLanes, first, leader);
}

// Says that a warp has done `count` pieces, and that what it wrote for them is there.
EMOGENE_HD void tell(Counter<uint32_t>& done, uint32_t count, int lane) {
    __syncwarp();
    if (lane != 0 || count == 0) return;
    __threadfence();
    atomicAdd(&done.value, count);
}

// Waits with the whole block until so many pieces are done; what was written for them is seen.
EMOGENE_HD void wait_for(const Counter<uint32_t>& done, uint32_t count) {
    if (threadIdx.x == 0) {
        while (*(const volatile uint32_t*)&done.value != count) __nanosleep(100);
        __threadfence();
    }
    __syncthreads();
}

// The last block to come here gives out the sums, and leaves the counters as they were found.
EMOGENE_HD void leave(FusedCounters& counters, unsigned long long* counts) {
    __syncthreads();
    if (threadIdx.x != 0) return;
    __threadfence();
    if (atomicAdd(&counters.blocks_done.value, 1u) != gridDim.x - 1) return;
    __threadfence();
    counts[0] = *(const volatile unsigned long long*)&counters.samples.value;
    counts[1] = *(const volatile unsigned long long*)&counters.rays.value;
    counters.nodes_given.value = counters.nodes_done.value = 0;
    counters.pixels_given.value = counters.pixels_done.value = 0;
    counters.blocks_done.value = 0;
    counters.samples.value = counters.rays.value = 0;
}

}  // namespace emogene
