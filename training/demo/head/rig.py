"""The rigged head: one mesh whose vertices follow the 21 parameters and the pose."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from . import eyes, materials
from .anatomy import neck_excess
from .blendshapes import (
    expression_basis,
    frown_lines,
    head_weight,
    jaw_weight,
    nasolabial_fold,
    rotate_jaw,
)
from .camera import DISTANCE, head_motion
from .landmarks import LandmarkModel
from .outfit import hair_distance, hair_flow
from .parameters import INDEX
from .pieces import Piece, all_pieces, brow_width
from .sculpture import VOXEL, Sculpture
from .shapes import jit
from .surface import smoothed

_TORSO_FOLLOWS = 0.35  # share of the head's shift
_CREASE = {"smileL": 0.30, "smileR": 0.30, "sneer": 0.25, "squeeze": 0.45}  # depth of shade at 1


def _sculpted_pieces(sculpture: Sculpture) -> list[Piece]:
    skin, hair, torso = sculpture.skin, sculpture.hair, sculpture.torso
    colour, material = materials.paint_skin(
        skin.vertices,
        np.column_stack([sculpture.brow[:, :3], brow_width()]),
        hair_distance(skin.vertices),
    )
    light = materials.soften_skin(skin.vertices, skin.occlusion, skin.shadow)
    pieces = [Piece("skin", skin.vertices, skin.faces, colour, material, *light)]
    strands = smoothed(hair_flow(hair.vertices)[1], hair.faces, 2)
    looks = (
        ("hair", hair, materials.paint_hair(strands), materials.HAIR),
        ("torso", torso, np.asarray(materials.JUMPER), materials.CLOTH),
    )
    for name, surface, tone, number in looks:
        vertices, faces, occlusion, shadow = surface
        n = len(vertices)
        pieces.append(
            Piece(
                name,
                vertices,
                faces,
                np.broadcast_to(tone, (n, 3)),
                np.full(n, float(number)),
                materials.lifted(occlusion, 0.15),
                materials.lifted(shadow, 0.20),
            )
        )
    return pieces


class HeadRig:
    """Everything that is known about the head before its parameters and pose are.

    Attributes (n vertices, m triangles; float32 unless said otherwise):
        neutral (n, 3): vertices at all-zero parameters, head space.
        texture (n, 3): where materials look up their pattern: `neutral`; on eyeballs the direction
            from their centre, on hair that of the strands.
        faces (m, 3) int32.
        below (n,): negative in the head's layer, positive in the torso's, which takes the neck;
            interpolated, so that the seam beneath the jaw is a smooth curve.
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
        hair = sculpture.hair
        self.texture[self.parts["hair"]] = smoothed(hair_flow(hair.vertices)[0], hair.faces, 24)
        skin = sculpture.skin.vertices
        self._jaw = jaw_weight(skin)
        self._follows_head = np.ones(len(self.neutral), np.float32)
        self._follows_head[self.parts["skin"]] = head_weight(skin)
        self._follows_head[self.parts["torso"]] = 0.0
        self.below = np.full(len(self.neutral), -1.0, np.float32)
        self.below[self.parts["skin"]] = neck_excess(skin)
        self.below[self.parts["torso"]] = 1.0
        self._folds = self._creases(skin)
        indices = sculpture.landmarks
        brows = {side: self.neutral[self.parts["brow" + side]].astype(float) for side in eyes.SIDES}
        self.landmark_vertices = indices + self.parts["skin"].start
        self.landmarks = LandmarkModel.of(skin, indices, brows)
        """(N, 21) parameters → (N, 68, 3) float32 landmarks; needs no mesh."""

    @classmethod
    def cached(cls, folder: Path | str, voxel: float = VOXEL) -> HeadRig:
        """The rig, its sculpture kept as a file in `folder`."""
        return cls(Sculpture.cached(folder, voxel))

    @staticmethod
    def _creases(skin: NDArray[np.float64]) -> dict[str, NDArray[np.float32]]:
        """(n_skin,) shade of each crease at 1, by the parameter that draws it."""
        folds = {side: nasolabial_fold(skin, sign) for side, sign in eyes.SIDES.items()}
        frown = frown_lines(skin)
        creases = {"smileL": folds["L"], "smileR": folds["R"], "squeeze": frown}
        creases["sneer"] = folds["L"] + folds["R"]
        return {name: crease.astype(np.float32) for name, crease in creases.items()}

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

        Creases darken with the parameters that draw them; lips pushed forward shade the teeth.
        """
        q = np.asarray(parameters, np.float32)
        occlusion = self.occlusion.copy()
        skin = self.parts["skin"]
        for name, crease in self._folds.items():
            drawn = _CREASE[name] * np.tanh(max(0.0, float(q[INDEX[name]])))
            occlusion[skin] *= 1 - np.float32(drawn) * crease
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
