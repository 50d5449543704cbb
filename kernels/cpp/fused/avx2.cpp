#include "lanes_avx2.h"

#include "tile.h"

namespace emogene {

const Instructions kAvx2 = instructions<Avx2>("avx2");

}  // namespace emogene
