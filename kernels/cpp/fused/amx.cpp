#include "mlp.h"
#include "tiles.h"

#include "tile.h"

namespace emogene {

const Instructions kAmx = instructions<Amx>("amx");

}  // namespace emogene
