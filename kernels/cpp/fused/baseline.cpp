#include "lanes_portable.h"

#include "tile.h"

namespace emogene {

const Instructions kBaseline = instructions<Portable>("baseline");

}  // namespace emogene
