"""The 21 numbers that pose the demo head's face, and what the eight emotions add to them.

A parameter vector is (K,) float32 in the order of `PARAMETERS`. All are unitless: 0 is the sculpted
face and 1 a strong expression, save for

* ``press``: 0 is the sculpted mouth, a slit apart; 1 closes the lips; above 1 they are pressed;
* ``lidL`` / ``lidR``: 1 is open as sculpted, 0 closed, above 1 wide open;
* ``gazeX`` / ``gazeY``: radians, positive towards the image's right and downwards.

L and R are the subject's left and right: L is on the image's right (+x).
The first eight are the mouth's: the ones that speech moves.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

PARAMETERS: tuple[str, ...] = (
    "jaw",
    "wide",
    "smileL",
    "smileR",
    "upraise",
    "lodrop",
    "press",
    "funnel",
    "browInL",
    "browInR",
    "browOutL",
    "browOutR",
    "squeeze",
    "lidL",
    "lidR",
    "squintL",
    "squintR",
    "sneer",
    "gazeX",
    "gazeY",
    "puff",
)
"""Names in vector order. ``wide`` below 0 puckers the mouth."""

INDEX: Mapping[str, int] = MappingProxyType({name: k for k, name in enumerate(PARAMETERS)})

MOUTH_PARAMETERS: tuple[str, ...] = PARAMETERS[:8]

REST: Mapping[str, float] = MappingProxyType({"lidL": 1.0, "lidR": 1.0})
"""Values of the parameters that rest at something other than 0."""

BASE: Mapping[str, float] = MappingProxyType({"press": 1.0, "lidL": 1.0, "lidR": 1.0})
"""The silent neutral face: eyes open, lips closed."""


def _symmetric(**values: float) -> dict[str, float]:
    """Expand names without a side (`smile`, `browIn`, ...) to both sides."""
    expanded: dict[str, float] = {}
    for name, value in values.items():
        both = (name,) if name in INDEX else (name + "L", name + "R")
        expanded.update({one: value for one in both})
    return expanded


EMOTION_PRESETS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "angry": _symmetric(
            browIn=-1.0, browOut=0.30, squeeze=1.0, squint=0.35, sneer=0.30, smile=-0.35,
            lid=0.0, wide=0.05, press=0.30,
        ),
        "contempt": _symmetric(lid=-0.22, sneer=0.10)
        | {
            "smileL": 0.85, "smileR": -0.1, "browOutL": 0.55, "browInL": 0.25, "browInR": -0.35,
            "browOutR": -0.25, "squintL": 0.35, "squintR": 0.2,
        },
        "disgust": _symmetric(
            sneer=1.15, upraise=0.40, press=0.1, browIn=-0.45, browOut=0.05, squeeze=0.5,
            squint=0.80, smile=-0.50, lid=-0.20, lodrop=0.10, wide=0.2,
        ),
        "fear": _symmetric(
            browIn=1.0, browOut=0.10, squeeze=0.7, lid=0.32, squint=0.05, wide=0.60, smile=-0.45,
            lodrop=0.45, jaw=0.12, press=-0.2, upraise=0.25,
        ),
        "happy": _symmetric(
            smile=0.90, squint=0.45, browOut=0.20, browIn=0.10, upraise=0.35, wide=0.20, lid=0.05,
            jaw=0.12, press=-0.5, lodrop=0.15,
        ),
        "neutral": {},
        "sad": _symmetric(
            smile=-0.55, browIn=0.85, browOut=-0.45, squeeze=0.4, lid=-0.26, lodrop=-0.15,
            wide=0.05,
        ),
        "surprise": _symmetric(
            browIn=0.95, browOut=1.0, lid=0.34, squint=-0.20, jaw=0.52, wide=-0.40, press=-0.5,
            upraise=0.15,
        ),
    }
)  # fmt: skip
"""What an emotion at full intensity adds to the parameters, in the embedding's order."""


def vector(values: Mapping[str, float] = BASE) -> NDArray[np.float32]:
    """(K,) float32 parameters from named `values`; names left out take their rest value.

    Raises KeyError for a name that is not in `PARAMETERS`.
    """
    return offset({**REST, **values})


def offset(values: Mapping[str, float]) -> NDArray[np.float32]:
    """(K,) float32 additive offset from named `values`; names left out add nothing.

    Raises KeyError for a name that is not in `PARAMETERS`.
    """
    added = np.zeros(len(PARAMETERS), np.float32)
    for name, value in values.items():
        if name not in INDEX:
            raise KeyError(f"no face parameter {name!r}; the names are {', '.join(PARAMETERS)}")
        added[INDEX[name]] = value
    return added


def emotion_offset(emotion: str, intensity: float = 1.0) -> NDArray[np.float32]:
    """(K,) float32 that `emotion` at `intensity` adds to a parameter vector.

    Raises KeyError for an emotion without a preset.
    """
    if emotion not in EMOTION_PRESETS:
        raise KeyError(f"no emotion {emotion!r}; the emotions are {', '.join(EMOTION_PRESETS)}")
    return np.float32(intensity) * offset(EMOTION_PRESETS[emotion])
