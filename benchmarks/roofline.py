"""The least time a frame's samples can take: counted work over the machine's measured peaks.

Counted are the multiply-adds of the networks and of reading grids, and the loads of grid entries:
for every sample, every ray that met the head, and every pixel of the torso. The two parts follow
each other in the renderer, so the floor is their sum:

    networks' FLOP / peak of their precision + reading's FLOP / fp32 peak + loads / measured loads

Marching, compositing, activations, the displacement baked once a frame and all that is lost between
the parts are not counted: they are what is missing to 100 %. `operations.py` counts them too.
"""

from __future__ import annotations

from dataclasses import dataclass

from emogene.contract.field import FieldSpec, GridSpec, TorsoSpec

from .machine import Peaks

AMX, BFLOAT16, FLOAT32_BESIDE = "amx", "avx512bf16", "avx512"
"""The instruction sets with bfloat16 products, and the one that gives their float32 peak."""

SPLIT_PRODUCTS = 3
"""Products of bfloat16 that ``amx`` takes for one, unless the quality is coarse."""


@dataclass(frozen=True)
class Work:
    """Counted work; adds up and scales.

    Attributes:
        network: multiply-adds of perceptrons.
        reading: multiply-adds of interpolation.
        loads: of a grid entry and its neighbour along x, eight bytes at half precision; of a node
            of the displacement.
    """

    network: float = 0.0
    reading: float = 0.0
    loads: float = 0.0

    def __add__(self, other: Work) -> Work:
        return Work(
            self.network + other.network, self.reading + other.reading, self.loads + other.loads
        )

    def __mul__(self, times: float) -> Work:
        return Work(self.network * times, self.reading * times, self.loads * times)


@dataclass(frozen=True)
class FrameCounts:
    """How much of each there is in a picture.

    Attributes:
        samples: field samples.
        rays: that took at least one.
        torso_pixels: that read the torso.
        pulls: landmarks times nodes of the displacement that are baked.
    """

    samples: float
    rays: float
    torso_pixels: float
    pulls: float = 0.0


def reading(grids: tuple[GridSpec, ...]) -> Work:
    """Of reading each grid at one point: the corners' features times their weights."""
    corners = [(2**grid.dimensions, len(grid.levels), grid.features) for grid in grids]
    return Work(
        reading=sum(c * levels * features for c, levels, features in corners),
        loads=sum(c // 2 * levels for c, levels, _ in corners),
    )


def frame_work(field: FieldSpec, torso: TorsoSpec, counts: FrameCounts) -> Work:
    """Of one picture."""
    sample = reading(field.grids) + Work(network=field.density.multiply_adds)
    if field.ambient is not None:
        sample += Work(network=field.ambient.multiply_adds)
    ray = reading(field.surface)
    if field.displacement is not None:
        node = Work(reading=8 * 3, loads=8)
        sample += node
        ray += node * bool(field.surface)
    colour = Work(network=field.colour.multiply_adds)
    sample, ray = (sample, ray + colour) if field.colour_at == "ray" else (sample + colour, ray)
    pixel = reading((torso.grid,)) + Work(
        network=torso.deform.multiply_adds + torso.colour.multiply_adds
    )
    return sample * counts.samples + ray * counts.rays + pixel * counts.torso_pixels


def floor_ms(work: Work, instruction_set: str, peaks: Peaks, coarse: bool = False) -> float:
    """The least milliseconds for the work, on as many threads as the peaks are of.

    Args:
        coarse: see `Quality.coarse`.
    """
    products = peaks.gflops[instruction_set]
    if instruction_set == AMX and not coarse:
        products /= SPLIT_PRODUCTS
    beside = instruction_set in (AMX, BFLOAT16)
    sums = peaks.gflops[FLOAT32_BESIDE if beside else instruction_set]
    nanoseconds = 2 * work.network / products + 2 * work.reading / sums + work.loads / peaks.gloads
    return 1e-6 * nanoseconds
