"""What a film shows at single pixels, read one by one from the disk or packed in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from .film import Film

Index = NDArray[np.integer]

_PIXEL = np.dtype([("colour", "u1", 3), ("alpha", "u1"), ("near", "f2"), ("far", "f2")])
"""Eight bytes: a random pixel costs one read of memory instead of four."""


class Seen(NamedTuple):
    """N pixels: colour (N, 3) uint8, head_alpha (N,) uint8, camera z of the nearest and the
    farthest head surface (N,) float16, 0 where there is no head."""

    colour: NDArray[np.uint8]
    alpha: NDArray[np.uint8]
    near: NDArray[np.float16]
    far: NDArray[np.float16]


class Pixels(Protocol):
    """Where rays find what was filmed along them."""

    def at(self, frames: Index, rows: Index, columns: Index) -> Seen:
        """The pixels (`rows`, `columns`) of `frames`, all (N,)."""
        ...


@dataclass(frozen=True)
class FilmPixels:
    """Reads a film's memory maps: nothing to prepare, slow for many random pixels."""

    film: Film

    def at(self, frames: Index, rows: Index, columns: Index) -> Seen:
        """See `Pixels`."""
        film, where = self.film, (frames, rows, columns)
        maps = (film.images, film.head_alpha, film.depth_near, film.depth_far)
        return Seen(*(values[where] for values in maps))


class PackedPixels:
    """The box of a film that the head ever covers, in memory: 8 bytes a pixel.

    Args:
        box: top, bottom, left, right (exclusive); pixels outside must not be asked for.
    """

    def __init__(self, film: Film, box: tuple[int, int, int, int]) -> None:
        top, bottom, left, right = box
        self._top, self._left = top, left
        self._values = np.empty((len(film), bottom - top, right - left), _PIXEL)
        maps = (film.images, film.head_alpha, film.depth_near, film.depth_far)
        for name, values in zip(_PIXEL.names or (), maps, strict=True):
            for frame in range(len(film)):
                self._values[name][frame] = values[frame, top:bottom, left:right]

    def at(self, frames: Index, rows: Index, columns: Index) -> Seen:
        """See `Pixels`."""
        found = self._values[frames, rows - self._top, columns - self._left]
        return Seen(found["colour"], found["alpha"], found["near"], found["far"])
