"""A rig in a few lines, for tests that need faces and not their beauty."""

from __future__ import annotations

import numpy as np

from emogene.contract.landmarks import LOWER_LIP_CENTRE, UPPER_LIP_CENTRE
from emogene.training.demo.head.parameters import INDEX


def landmarks_of(parameters: np.ndarray) -> np.ndarray:
    """A face of 68 points at fixed places whose lips follow the jaw: the rig in one line."""
    places = np.random.default_rng(0).normal(size=(68, 3)).astype(np.float32)
    faces = np.tile(places, (len(parameters), 1, 1))
    faces[:, LOWER_LIP_CENTRE] = places[UPPER_LIP_CENTRE]
    faces[:, LOWER_LIP_CENTRE, 1] -= 0.3 * parameters[:, INDEX["jaw"]]
    faces[:, 48, 0] += 0.1 * parameters[:, INDEX["smileR"]]
    return faces
