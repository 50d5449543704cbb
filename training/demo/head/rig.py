"""The rigged head: one mesh whose vertices follow the 21 parameters and the pose."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from . import eyes, materials
from .anatomy import NECK_CUT, neck_height
from .blendshapes import expression_basis, head_weight, jaw_weight, rotate_jaw
from .camera import DISTANCE, head_motion
from .landmarks import LandmarkModel
from .parameters import INDEX
from .pieces import Piece, all_pieces
from .sculpture import VOXEL, Sculpture
from .shapes import jit

HEAD_LAYER, TORSO_LAYER = 1, 2

_TORSO_FOLLOWS = 0.35  # share of the head's shift


def _sculpted_pieces(sculpture: Sculpture) -> list[Piece]:
    colour, material = materials.paint_skin(sculpture.skin.vertices)
    looks = {
        "skin": (colour, material),
        "hair": (materials.HAIR_TONE, materials.HAIR),
        "torso": (materials.JUMPER, materials.CLOTH),
    }
    pieces = []
    for name, (colour, material) in looks.items():
        vertices, faces, occlusion, shadow = getattr(sculpture, name)
        n = len(vertices)
        pieces.append(
            Piece(
                name,
                vertices,
                faces,
                np.broadcast_to(np.asarray(colour, float), (n, 3)),
                np.broadcast_to(np.asarray(material, float), (n,)),
                occlusion,
                shadow,
            )
        )
    return pieces


class HeadRig:
    """Everything that is known about the head before its parameters and pose are.

    Attributes (n vertices, m triangles; float32 unless said otherwise):
        neutral (n, 3): vertices at all-zero parameters, head space.
        texture (n, 3): where materials look up their pattern: `neutral`; eyeballs: directions.
        faces (m, 3) int32; layer (m,) uint8: `HEAD_LAYER` or `TORSO_LAYER`.
        colour (n, 3), material (n,), occlusion (n,), shadow (n,).
        parts: the slice of vertices of every named piece.
    """

    def __init__(self, sculpture: Sculpture) -> None:
        self.sculpture = sculpture
        pieces = _sculpted_pieces(sculpture) + all_pieces(sculpture.brow)
        ends = np.cumsum([0] + [len(piece.vertices) for piece in pieces])
        self.parts = {
            piece.name: slice(int(a), int(b))
            for piece, a, b in zip(pieces, ends[:-1], ends[1:], strict=True)
        }
        self.neutral = np.concatenate([p.vertices for p in pieces]).astype(np.float32)
        self.faces = np.concatenate(
            [p.faces + start for p, start in zip(pieces, ends[:-1], strict=True)]
        ).astype(np.int32)
        self.colour = np.concatenate([p.colour for p in pieces]).astype(np.float32)
        self.material = np.concatenate([p.material for p in pieces]).astype(np.float32)
        self.occlusion = np.concatenate([p.occlusion for p in pieces]).astype(np.float32)
        self.shadow = np.concatenate([p.shadow for p in pieces]).astype(np.float32)
        self._eye_directions = eyes.eyeball_directions()
        self.texture = self.neutral.copy()
        for side in eyes.SIDES:
            self.texture[self.parts["eye" + side]] = self._eye_directions
        skin = sculpture.skin.vertices
        self._jaw = jaw_weight(skin)
        self._follows_head = np.ones(len(self.neutral), np.float32)
        self._follows_head[self.parts["skin"]] = head_weight(skin)
        self._follows_head[self.parts["torso"]] = 0.0
        self.layer = self._layers()
        indices = sculpture.landmarks
        brows = {side: self.neutral[self.parts["brow" + side]].astype(float) for side in eyes.SIDES}
        self.landmark_vertices = indices + self.parts["skin"].start
        self.landmarks = LandmarkModel.of(skin, indices, brows)
        """(N, 21) parameters → (N, 68, 3) float32 landmarks; needs no mesh."""

    @classmethod
    def cached(cls, folder: Path | str, voxel: float = VOXEL) -> HeadRig:
        """The rig, its sculpture kept as a file in `folder`."""
        return cls(Sculpture.cached(folder, voxel))

    def _layers(self) -> NDArray[np.uint8]:
        """Neck and jumper are the torso's layer; a triangle across the cut counts as torso."""
        vertex = np.full(len(self.neutral), HEAD_LAYER, np.uint8)
        vertex[self.parts["torso"]] = TORSO_LAYER
        skin = self.parts["skin"]
        vertex[skin][neck_height(self.neutral[skin]) < NECK_CUT] = TORSO_LAYER
        return vertex[self.faces].max(1)

    @cached_property
    def _moves(self) -> dict[str, NDArray[np.float32]]:
        """(K, 3n) displacements of the pieces that the linear shapes move."""
        return {
            name: expression_basis(self.neutral[self.parts[name]].astype(float)).reshape(
                len(INDEX), -1
            )
            for name in ("skin", "browL", "browR")
        }

    def deform(self, parameters: NDArray[np.float32]) -> NDArray[np.float32]:
        """(21,) parameters → (n, 3) float32 vertices in head space; torso and neck at rest."""
        q = np.asarray(parameters, np.float32)
        vertices = self.neutral.copy()
        for name, moves in self._moves.items():
            vertices[self.parts[name]] += (q @ moves).reshape(-1, 3)
        skin = self.parts["skin"]
        jaw = q[INDEX["jaw"]]
        vertices[skin] = rotate_jaw(vertices[skin], self._jaw, jaw)
        for name in ("lowerTeeth", "tongue"):
            part = self.parts[name]
            weight = np.ones(part.stop - part.start, np.float32)
            vertices[part] = rotate_jaw(vertices[part], weight, np.float32(0.95) * jaw)
        turned = self._turned_eyes(q)
        for side in eyes.SIDES:
            lid, squint = q[INDEX["lid" + side]], q[INDEX["squint" + side]]
            upper, lower = eyes.lid_vertices(side, lid, squint)
            vertices[self.parts["upperLid" + side]] = upper
            vertices[self.parts["lowerLid" + side]] = lower
            vertices[self.parts["eye" + side]] = eyes.eyeball_vertices(side, turned)
        return vertices

    def lit(self, parameters: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n,) float32 occlusion for (21,) `parameters`: baked, with the lids' shade on the eyes.

        Lips pushed forward shade the teeth.
        """
        q = np.asarray(parameters, np.float32)
        occlusion = self.occlusion.copy()
        funnelled = np.clip(q[INDEX["funnel"]], 0.0, 1.0)
        for name in ("upperTeeth", "lowerTeeth"):
            occlusion[self.parts[name]] *= 1.0 - 0.5 * funnelled
        turned = self._turned_eyes(q)
        for side in eyes.SIDES:
            lid, squint = q[INDEX["lid" + side]], q[INDEX["squint" + side]]
            occlusion[self.parts["eye" + side]] = eyes.lid_shade(side, turned, lid, squint)
        return occlusion

    def _turned_eyes(self, q: NDArray[np.float32]) -> NDArray[np.float64]:
        turn = eyes.gaze_rotation(float(q[INDEX["gazeX"]]), float(q[INDEX["gazeY"]]))
        return self._eye_directions @ turn.T

    def stand(
        self, vertices: NDArray[np.float32], pose: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Vertices (n, 3) in the room (head axes at rest), the head turned by `pose` (3, 4).

        The neck twists between head and torso, and the torso follows a third of the head's shift.
        """
        turn, shift = head_motion(pose)
        centre = pose[:, 3] * (1.0, -1.0, -1.0) + (0.0, 0.0, DISTANCE)
        return _stand(vertices, self._follows_head, turn, centre, _TORSO_FOLLOWS * shift)


@jit
def _stand(vertices, weight, turn, centre, torso_shift):
    """Blend of ``turn @ vertex + centre`` (`weight` 1) and ``vertex + torso_shift`` (0)."""
    out = np.empty_like(vertices)
    for i in range(len(vertices)):
        x, y, z = vertices[i]
        w = weight[i]
        for k in range(3):
            turned = turn[k, 0] * x + turn[k, 1] * y + turn[k, 2] * z + centre[k]
            out[i, k] = w * turned + (1 - w) * (vertices[i, k] + torso_shift[k])
    return out
