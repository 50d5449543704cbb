"""A small CUDA source, and what it does."""

from __future__ import annotations

import ctypes
import struct
from typing import Any

import numpy as np

from emogene.kernels.gpu.sources import Unit

SCALE = Unit(
    "cuda/scale.cu",
    """
    #include "cuda/factor.h"
    extern "C" __global__ void scale(float* values, int count, Factor by) {
        __shared__ float kept[64];
        const int i = blockIdx.x * blockDim.x + threadIdx.x;
        kept[threadIdx.x] = i < count ? values[i] : 0.0f;
        __syncthreads();
        if (i < count) values[i] = kept[threadIdx.x] * by.factor;
    }
    extern "C" __global__ void __launch_bounds__(1024) spill(float* values, int stride) {
        float kept[128];
        #pragma unroll
        for (int i = 0; i < 128; ++i) kept[i] = values[i * stride + threadIdx.x];
        #pragma unroll
        for (int i = 0; i < 128; ++i)
            values[i * stride * 2 + threadIdx.x] = kept[(i * 7) % 128] * kept[i];
    }
    """,
    {"cuda/factor.h": "struct Factor { double unused; float factor; };\n"},
)


class Factor(ctypes.Structure):
    """As in the source."""

    _fields_ = (("unused", ctypes.c_double), ("factor", ctypes.c_float))


def run_scale(grid: Any, block: Any, shared: int, parameters: bytes) -> None:
    """What the kernel does, from the bytes of a launch's parameters."""
    values, count, _, factor = struct.unpack_from("<Qi4xdf", parameters)
    count = min(count, grid[0] * block[0])
    array = np.ctypeslib.as_array((ctypes.c_float * count).from_address(values))
    array *= np.float32(factor)
