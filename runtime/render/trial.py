"""The picture that a GPU's kernels must paint before they are used.

It is made as the wavefront renderer makes pictures, so there is one for every avatar; its networks
are NumPy's, so that it hangs on no backend.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...contract import stages
from ...contract.closing import Closing
from ...contract.data import Condition, Float32
from ...contract.field import MlpSpec, TorsoSpec
from ...contract.landmarks import LANDMARKS
from ...contract.manifest import Manifest
from ...contract.stages import bias_name
from ...contract.tensors import TensorSpec
from ...contract.weights import POSES, REST
from ...kernels import image
from ...kernels.arrays import UInt8
from ...kernels.fused import FrameInputs
from ...kernels.gpu.specification import all_networks
from ...kernels.reference import networks
from ...kernels.threads import ThreadPool
from .torso import Torso, TorsoNetworks
from .wavefront import HeadNetworks, WavefrontHead

TRIED_SIZE = 64
"""Side of the picture, pixels."""

Tensors = Mapping[str, NDArray[Any]]
Compute = Callable[[Float32], Float32]


@dataclass(frozen=True, eq=False)
class Trial:
    """A frame with random biases and landmarks before a random background.

    Attributes:
        inputs: of the frame.
        behind: (size, size, 3) RGB, the background.
        picture: (size, size, 3) RGB that must come of it.
    """

    inputs: FrameInputs
    behind: UInt8
    picture: UInt8


def make_trial(manifest: Manifest, weights: Tensors, torso: TorsoSpec | None) -> Trial:
    """Of an avatar's head, and of its torso unless that is None."""
    rng = np.random.default_rng(0)
    biases = {
        bias_name(n.name): rng.normal(0, 0.3, (1, n.hidden[0])).astype(np.float32)
        for n in all_networks(manifest.field, torso)
    }
    landmarks = rng.normal(0, 0.02, (LANDMARKS, 3)).astype(np.float32)
    if manifest.field.displacement is not None:
        landmarks += np.asarray(weights[REST], np.float32)
    behind = rng.integers(0, 256, (TRIED_SIZE, TRIED_SIZE, 3)).astype(np.uint8)
    pose = np.ascontiguousarray(weights[POSES][0], np.float32)
    inputs = FrameInputs(pose, manifest.camera.scaled(TRIED_SIZE), biases, landmarks)
    windows = np.zeros((1, manifest.motion.window, landmarks.size), np.float32)
    condition = Condition(landmarks[None], windows, landmarks.reshape(1, -1), 0)
    made = _Networks(manifest, weights, biases)
    with ThreadPool(1) as pool:
        head = WavefrontHead(manifest.field, weights, made.head(), 0.0, pool).render(
            condition, pose, inputs.camera
        )
        chest = np.zeros((TRIED_SIZE**2, 4), np.float32)
        if torso is not None:
            painted = Torso(torso, weights, made.torso(torso), TRIED_SIZE, pool)
            chest = painted.render(condition, pose, head)
        under = behind.reshape(-1, 3)
        picture = image.blend(head.colour, head.opacity, chest, under, pool=pool)
    return Trial(inputs, behind, picture.reshape(behind.shape))


@dataclass(frozen=True, eq=False)
class _Networks:
    """An avatar's networks in NumPy, for one frame's biases."""

    manifest: Manifest
    weights: Tensors
    biases: Mapping[str, Float32]

    def head(self) -> HeadNetworks:
        """Those of the head."""
        field = self.manifest.field
        return HeadNetworks(
            condition=_Given(self.biases),
            density=self._of(stages.DENSITY, field.density, lambda raw: raw),
            colour=self._of(stages.COLOUR, field.colour, networks.sigmoid),
            ambient=self._of(stages.AMBIENT, field.ambient, np.tanh) if field.ambient else None,
        )

    def torso(self, torso: TorsoSpec) -> TorsoNetworks:
        """Those of the torso."""
        bounded = partial(networks.bounded_offset, torso)
        code = partial(networks.head_code, self.weights, torso)
        return TorsoNetworks(
            condition=_Given(self.biases),
            deform=self._of(stages.TORSO_DEFORM, torso.deform, bounded),
            colour=self._of(stages.TORSO_COLOUR, torso.colour, networks.sigmoid),
            head=_Rows(self.manifest, stages.TORSO_HEAD, code) if torso.head_code else None,
        )

    def _of(self, stage: str, spec: MlpSpec, through: Compute) -> _Rows:
        """A network whose outputs go through something."""
        bias = self.biases[bias_name(spec.name)]
        return _Rows(
            self.manifest,
            stage,
            lambda rows: through(networks.evaluate(self.weights, spec, rows, bias)),
        )


class _Rows(Closing):
    """A stage's network as a runner, in NumPy."""

    backend = "numpy"

    def __init__(self, manifest: Manifest, stage: str, compute: Compute) -> None:
        self.inputs: tuple[TensorSpec, ...] = manifest.stages[stage].inputs
        self.outputs: tuple[TensorSpec, ...] = manifest.stages[stage].outputs
        self._compute = compute

    def run(self, values: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Outputs for rows; the bias is that of the frame, whatever is handed in."""
        return {self.outputs[0].name: self._compute(values[self.inputs[0].name])}

    def close(self) -> None:
        """Nothing is held."""


class _Given(Closing):
    """A condition's network that always gives the same biases."""

    backend = "numpy"
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()

    def __init__(self, biases: Mapping[str, Float32]) -> None:
        self._biases = dict(biases)

    def run(self, values: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The biases."""
        return dict(self._biases)

    def close(self) -> None:
        """Nothing is held."""
