"""Kernels that ask one operation of the renderers' for many inputs, for one avatar's fields.

They include what the tensor cores' kernel is made of, so that what is asked is painted with.
"""

from __future__ import annotations

import dataclasses

from emogene.contract.field import FieldSpec, GridSpec, MlpSpec, TorsoSpec
from emogene.kernels.gpu.fused import FLOAT32, fused_program
from emogene.kernels.gpu.sources import Unit
from emogene.kernels.gpu.specification import all_grids, all_networks, grid_type, network_function

_EACH = "for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)"

_COMMON = f"""#include "cuda/fused_rays.h"
using namespace emogene;
// Every occupied sample of every pixel's ray.
extern "C" __global__ void ask_march(PlainModel model, const PlainFrame* at, int n, int* counts,
                                     float* distances) {{
    const PlainFrame& frame = *at;
    const OccupancyGrid occupancy = occupancy_of(model.bits, model.distance);
    const Vec3 origin = camera_centre(frame.pose);
    {_EACH} {{
        const Vec3 direction = ray_direction(frame.pose, frame.camera,
            (float)(i % frame.size) + 0.5f, (float)(i / frame.size) + 0.5f);
        const Interval span =
            box_interval(origin, direction, entry_low(), entry_high(), kMinNear);
        const Lattice lattice = {{span.near, span.far, kPhase, kStep}};
        int taken = 0;
        for (int k = 0; span.far > span.near && taken < kMaxSamples; ++k, ++taken) {{
            Vec3 position;
            float distance;
            k = next_sample(occupancy, origin, direction, lattice, k, &position, &distance);
            if (k == kRayDone) break;
            distances[(long long)i * kMaxSamples + taken] = distance;
        }}
        counts[i] = taken;
    }}
}}
extern "C" __global__ void ask_harmonics(int degree, int n, const float* in, float* out) {{
    {_EACH} spherical_harmonics(load(in + 3 * i), degree, out + i * degree * degree);
}}
// Rays whose samples are given one after the other.
extern "C" __global__ void ask_composite(const int* offsets, const float* sigmas,
                                         const float* values, int n, float* left, float* out) {{
    {_EACH} {{
        float transmittance = 1.0f, sum[3] = {{0.0f, 0.0f, 0.0f}};
        for (int s = offsets[i]; s < offsets[i + 1]; ++s) {{
            const float weight = absorb(sigmas[s], kStep, &transmittance);
            for (int c = 0; c < 3; ++c) sum[c] += weight * values[3 * s + c];
        }}
        left[i] = transmittance;
        for (int c = 0; c < 3; ++c) out[3 * i + c] = sum[c];
    }}
}}
// The torso under a head, in float32; nothing off its mask.
extern "C" __global__ void ask_torso(PlainModel model, const PlainFrame* at, int n,
                                     const float* head, float* out) {{
    {_EACH} {{
        float rgba[4] = {{0.0f, 0.0f, 0.0f, 0.0f}};
        const int row = i / at->size, column = i % at->size;
        if (shows_torso(model, *at, row, column, head[4 * i + 3]))
            torso_at(with_tables(model), *at, row, column, head + 4 * i, rgba);
        for (int c = 0; c < 4; ++c) out[4 * i + c] = rgba[c];
    }}
}}
extern "C" __global__ void ask_blend(int n, const float* head, const float* torso,
                                     const unsigned char* background, unsigned char* out) {{
    {_EACH}
        for (int c = 0; c < 3; ++c)
            out[3 * i + c] = blend(head[4 * i + c], head[4 * i + 3], torso[4 * i + c],
                                   torso[4 * i + 3], background[3 * i + c]);
}}
"""


def ask_unit(field: FieldSpec, torso: TorsoSpec | None, architecture: str) -> Unit:
    """The source: the operations of these fields."""
    unit = fused_program(field, torso, architecture, FLOAT32).unit
    asked = [_COMMON, *map(_grid, all_grids(field, torso))]
    asked += map(_network, all_networks(field, torso))
    return dataclasses.replace(unit, name="benchmarks/gpu/asks.cu", text="".join(asked))


def _grid(grid: GridSpec) -> str:
    d, width, kind = grid.dimensions, grid.width, grid_type(grid.name)
    return f"""
extern "C" __global__ void ask_grid_{grid.name}(const float* tables, int n, const float* in,
                                                float* out) {{
    {_EACH} encode<{kind}>(tables, in + {d} * i, out + {width} * i);
}}
extern "C" __global__ void ask_halves_{grid.name}(const uint32_t* tables, int n, const float* in,
                                                  float* out) {{
    {_EACH} encode<{kind}>(HalfTables{{tables}}, in + {d} * i, out + {width} * i);
}}
"""


def _network(network: MlpSpec) -> str:
    function, inputs, outputs = network_function(network), network.inputs, network.outputs
    return f"""
extern "C" __global__ void ask_network_{network.name}(PlainModel model, const PlainFrame* at, int n,
                                                      const float* in, float* out) {{
    {_EACH} {function}(with_tables(model), *at, in + i * {inputs}, out + i * {outputs});
}}
// One block of one warp, 32 rows.
extern "C" __global__ void ask_tensor_{network.name}(PlainModel model, const PlainFrame* at,
                                                     FusedMemory memory, int gathering,
                                                     const float* in, float* out) {{
    const FusedModel warp = gathering
        ? fused_model(model, memory, kGatherResident, kGatherSlice, kGatherRow)
        : fused_model(model, memory, kFinishResident, kFinishSlice, kFinishRow);
    copy_words(warp.weights, memory.fragments + (gathering ? kGatherFirst : kFinishFirst),
               gathering ? kGatherResident : kFinishResident);
    __syncthreads();
    float x[{inputs}], y[{outputs}];
    for (int i = 0; i < {inputs}; ++i) x[i] = in[threadIdx.x * {inputs} + i];
    {function}(warp, *at, x, y);
    for (int i = 0; i < {outputs}; ++i) out[threadIdx.x * {outputs} + i] = y[i];
}}
"""
