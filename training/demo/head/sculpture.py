"""The slow part of a rig, kept as a file: meshed and baked surfaces, and what is placed on them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .landmarks import choose_skin_vertices
from .pieces import brow_line
from .surface import ALL, ALL_WITH_EYES, HAIR, SKIN, TORSO, Surface, sculpt

VOXEL = 0.0145
"""Spacing of the grid that the skin is meshed on, head units: 1.45 mm."""

KEY_LIGHT = np.array([-0.55, 0.60, 0.75]) / np.linalg.norm([-0.55, 0.60, 0.75])

_SURFACES = ("skin", "hair", "torso")


@dataclass(frozen=True)
class Sculpture:
    """The neutral head.

    Attributes:
        skin, hair, torso: baked meshes.
        brow: (26, 6) float64, see `pieces.brow_line`.
        landmarks: (46,) int64 skin vertices, see `landmarks.choose_skin_vertices`.
    """

    skin: Surface
    hair: Surface
    torso: Surface
    brow: NDArray[np.float64]
    landmarks: NDArray[np.int64]

    @classmethod
    def build(cls, voxel: float = VOXEL) -> Sculpture:
        """Mesh everything, the skin at `voxel` head units; about 15 s, half of it compiling."""
        key = KEY_LIGHT
        skin = sculpt(SKIN, (-1.0, -1.75, -1.15), (1.0, 1.2, 1.2), voxel, ALL_WITH_EYES, key)
        hair = sculpt(HAIR, (-1.1, -0.8, -1.35), (1.15, 1.6, 1.3), 1.2 * voxel, ALL, key, 4)
        torso = sculpt(TORSO, (-2.3, -3.2, -1.1), (2.3, -1.0, 0.9), 2.6 * voxel, ALL, key)
        return cls(skin, hair, torso, brow_line(), choose_skin_vertices(skin.vertices))

    def save(self, path: Path) -> None:
        """Write an .npz, whole or not at all."""
        arrays = {"brow": self.brow, "landmarks": self.landmarks}
        for surface in _SURFACES:
            for name, array in getattr(self, surface)._asdict().items():
                arrays[f"{surface}.{name}"] = array
        partial = path.with_name(path.stem + ".partial.npz")
        np.savez(partial, **arrays)
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> Sculpture:
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as saved:
            surfaces = [
                Surface(*(saved[f"{surface}.{name}"] for name in Surface._fields))
                for surface in _SURFACES
            ]
            return cls(*surfaces, saved["brow"], saved["landmarks"])

    @classmethod
    def cached(cls, folder: Path | str, voxel: float = VOXEL) -> Sculpture:
        """Load from `folder` what this very code built there before, or build and save it."""
        folder = Path(folder)
        path = folder / f"head-{_digest(voxel)}.npz"
        if path.exists():
            return cls.load(path)
        folder.mkdir(parents=True, exist_ok=True)
        built = cls.build(voxel)
        built.save(path)
        return built


def _digest(voxel: float) -> str:
    """Hash of this package's sources, so that a changed head is never taken for another."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    code = b"".join(path.read_bytes() for path in sources)
    return hashlib.sha256(code + repr(voxel).encode()).hexdigest()[:16]
