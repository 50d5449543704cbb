// The kernel that every frame begins with.
#pragma once

#include "field.h"

// The displacement of one node of the grid, (Z, Y, X, 3). One thread a node.
extern "C" __global__ void bake_nodes(emogene::PlainModel model, const emogene::PlainFrame* frame) {
    const int node = blockIdx.x * blockDim.x + threadIdx.x;
    if (node < emogene::kNodes) emogene::bake_node(model, *frame, node);
}
