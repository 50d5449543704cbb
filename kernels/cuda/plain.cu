// A frame in two launches: the displacement of every node, then a thread for every pixel.
#include "plain.h"

using namespace emogene;

// The displacement of one node of the grid, (Z, Y, X, 3). One thread a node.
extern "C" __global__ void bake_nodes(PlainModel model, const PlainFrame* frame) {
    const int node = blockIdx.x * blockDim.x + threadIdx.x;
    if (node >= kNodes) return;
    const NodeGrid g = node_grid();
    const Vec3 x = node_position(g, node % g.nodes[0], node / g.nodes[0] % g.nodes[1],
                                 node / (g.nodes[0] * g.nodes[1]));
    float weights = 0.0f, moved[3] = {0.0f, 0.0f, 0.0f};
    for (int l = 0; l < kLandmarks; ++l) {
        const float* landmark = frame->landmarks + 3 * l;
        const float pull = landmark_pull(x, landmark, model.falloff[l]);
        weights += pull;
        for (int c = 0; c < 3; ++c) moved[c] += pull * (landmark[c] - model.rest[3 * l + c]);
    }
    for (int c = 0; c < 3; ++c) model.nodes[3 * node + c] = moved[c] / (weights + kRegulariser);
}

// Blocks of 8 x 8 pixels: neighbours meet the same cells and end after about as many samples.
extern "C" __global__ void __launch_bounds__(64)
    paint_pixels(PlainModel model, const PlainFrame* frame, PlainPicture picture) {
    const int row = blockIdx.y * blockDim.y + threadIdx.y;
    const int column = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= frame->size || column >= frame->size) return;
    const int samples = paint(model, *frame, picture, row * frame->size + column);
    if (samples > 0) {
        atomicAdd(picture.counts, (unsigned long long)samples);
        atomicAdd(picture.counts + 1, 1ull);
    }
}
