"""What stands behind the person at the published inference."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BACKGROUNDS = {"": None, "white": 255, "black": 0}
"""Values of ``infer_bg_img_fname`` that name no file, and the bytes they mean."""


def background(setting: str, filmed: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture (S, S, 3) behind the person; the filmed one where a file is named."""
    value = BACKGROUNDS.get(setting)
    return filmed if value is None else np.full_like(filmed, value)
