#include "lanes_avx512.h"

#include "tile.h"

namespace emogene {

const Instructions kAvx512 = instructions<Avx512>("avx512");

}  // namespace emogene
