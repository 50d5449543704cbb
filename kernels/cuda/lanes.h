// Threads that work together: warps of 32 lanes, and a block's shared memory.
#pragma once

#include "../cpp/portable.h"

namespace emogene {

constexpr int kWarp = 32;
constexpr unsigned kAllLanes = 0xffffffffu;

#if defined(__CUDACC__)
// The dynamic shared memory of the block.
__device__ __forceinline__ uint32_t* shared_words() {
    extern __shared__ uint4 shared[];
    return reinterpret_cast<uint32_t*>(shared);
}
#endif

}  // namespace emogene
