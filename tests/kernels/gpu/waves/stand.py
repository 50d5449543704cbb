"""What the tests of the kernels of a frame in rounds stand on."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import numpy as np
import pytest

from emogene.contract.camera import Intrinsics
from emogene.kernels.gpu import nvrtc
from emogene.kernels.gpu.wavefront_memory import ray_numbers
from emogene.kernels.reference import rays

from ..host_waves import Waves

needs_nvrtc = pytest.mark.skipif(bool(nvrtc.missing()), reason="NVRTC is not installed")

ENTERING, SAMPLES_TAKEN, GOING_ON, CHOSEN = range(4)
SIZE = 21
SMALL = Intrinsics(SIZE, 2.4 * SIZE, 10.0, 11.0)
RAYS = ray_numbers(SIZE)

Made = Callable[..., Waves]


def pixels_of(first: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixel of each ray number, and whether it lies in the picture."""
    number = np.arange(first, first + count)
    across = -(-SIZE // 8)
    tile, within = number // 64, number % 64
    row = tile // across * 8 + within // 8
    column = tile % across * 8 + within % 8
    inside = (row < SIZE) & (column < SIZE)
    return np.where(inside, row * SIZE + column, 0).astype(np.int32), inside


def put_side_by_side(waves: Waves, to: int, count: int = RAYS) -> None:
    """Put the numbers of the marked among ``count`` where ``to`` points; their sums are there."""
    nowhere = ctypes.c_void_p(None)
    waves.run("choose_items", waves.memory, nowhere, count, nowhere, ctypes.c_void_p(to))


def started(waves: Waves) -> tuple[np.ndarray, ...]:
    """Origin, directions, near, far of all rays, which have started; live are those that enter."""
    waves.run("start_rays", waves.at_frame, waves.memory, waves.chunk())
    waves.scan(ENTERING)
    put_side_by_side(waves, waves.memory.live)
    a = waves.arrays
    directions = np.stack([a["directions"][c * RAYS : (c + 1) * RAYS] for c in range(3)], axis=1)
    origin, _ = rays.camera_rays(waves.scene.inputs.pose, SMALL, np.zeros(1, np.int32))
    return origin, directions, a["spans"][:RAYS].copy(), a["spans"][RAYS : 2 * RAYS].copy()
