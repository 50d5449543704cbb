"""All eight emotions speaking the same words, on one picture.

    python examples/contact_sheet.py emotions.png            # the packaged sample
    python examples/contact_sheet.py emotions.png speech.wav 160

One row an emotion, five moments of the speech from left to right.
"""

from __future__ import annotations

import sys
from importlib.resources import files

import numpy as np

import emogene
from emogene.runtime.png import encode_png

MOMENTS = 5


def main(output: str, speech: str | None = None, size: str = "192") -> None:
    """Render ``speech`` once in every emotion and write the sheet to ``output``."""
    source = speech or str(files("emogene.runtime") / "data" / "sample.wav")
    rows = []
    with emogene.open() as avatar:
        for emotion in emogene.EMOTIONS:
            frames = list(avatar.render(source, emotion=emotion, size=int(size)))
            # Between the ends, where somebody speaks.
            chosen = np.linspace(0.1, 0.85, MOMENTS) * len(frames)
            rows.append(np.concatenate([frames[int(i)].image for i in chosen], axis=1))
            print(emotion, len(frames), "frames")
    with open(output, "wb") as file:
        file.write(encode_png(np.concatenate(rows)))


if __name__ == "__main__":
    main(*sys.argv[1:])
