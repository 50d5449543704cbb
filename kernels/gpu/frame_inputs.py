"""What changes with every frame, as kernels read it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...contract.errors import BadOption
from ...contract.field import FieldSpec, TorsoSpec
from ...contract.landmarks import LANDMARKS
from ...contract.stages import bias_name
from ..fused import FrameInputs, camera_structure, finite
from .specification import all_networks, layout


def frame_type(field: FieldSpec, torso: TorsoSpec | None) -> np.dtype[Any]:
    """``PlainFrame``."""
    biases = layout(field, torso).bias_size
    return np.dtype(
        [
            ("pose", "f4", (3, 4)),
            ("camera", "f4", (3,)),
            ("size", "i4"),
            ("threshold", "f4"),
            ("torso_threshold", "f4"),
            ("landmarks", "f4", (LANDMARKS, 3)),
            ("biases", "f4", (biases,)),
        ]
    )


def frame_values(
    field: FieldSpec,
    torso: TorsoSpec | None,
    inputs: FrameInputs,
    transmittance: float,
    torso_transmittance: float,
) -> NDArray[Any]:
    """A frame of this type, () of it.

    Raises:
        BadOption: an input has another dtype or shape, is missing, or is not finite.
    """
    frame = np.zeros((), frame_type(field, torso))
    camera = camera_structure(inputs.camera)
    frame["pose"] = _checked("pose", inputs.pose, (3, 4))
    frame["camera"] = (camera.focal, camera.cx, camera.cy)
    frame["size"] = camera.size
    frame["threshold"], frame["torso_threshold"] = transmittance, torso_transmittance
    if field.displacement is not None:
        if inputs.landmarks is None:
            raise BadOption("landmarks", expected="(68, 3) float32", found="None")
        frame["landmarks"] = _checked("landmarks", inputs.landmarks, (LANDMARKS, 3))
    places = layout(field, torso).biases
    for network in all_networks(field, torso):
        name, width = bias_name(network.name), network.hidden[0]
        if name not in inputs.biases:
            raise BadOption(name, expected=f"({width},) float32", found="nothing")
        bias = _checked(name, np.asarray(inputs.biases[name]).reshape(-1), (width,))
        frame["biases"][places[network.name] : places[network.name] + width] = bias
    return frame


def _checked(name: str, array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    if array.shape != shape or array.dtype != np.float32:
        raise BadOption(
            name, expected=f"float32 {shape}", found=f"{array.dtype.name} {array.shape}"
        )
    return finite(name, array)
