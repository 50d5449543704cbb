// A frame in two launches: the displacement of every node, then a thread for every pixel.
#include "bake.h"
#include "plain.h"

using namespace emogene;

// Blocks of 8 x 8 pixels: neighbours meet the same cells and end after about as many samples.
extern "C" __global__ void __launch_bounds__(64)
    paint_pixels(PlainModel model, const PlainFrame* frame, PlainPicture picture) {
    const int row = blockIdx.y * blockDim.y + threadIdx.y;
    const int column = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= frame->size || column >= frame->size) return;
    const int samples = paint(with_tables(model), *frame, picture, row * frame->size + column);
    if (samples > 0) {
        atomicAdd(picture.counts, (unsigned long long)samples);
        atomicAdd(picture.counts + 1, 1ull);
    }
}
