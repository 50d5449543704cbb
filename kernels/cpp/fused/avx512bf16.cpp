#include "lanes_avx512.h"

#include "tile.h"

namespace emogene {

const Instructions kAvx512Bf16 = instructions<Avx512Bf16>("avx512bf16");

}  // namespace emogene
