// How networks multiply.
#pragma once

#include <stdint.h>

namespace emogene {

enum class Products : int32_t {
    kFloats,   // float32
    kPairs,    // pairs of bfloat16, in vectors
    kTiles,    // tiles of bfloat16, split in two where a frame is not coarse
};

}  // namespace emogene
