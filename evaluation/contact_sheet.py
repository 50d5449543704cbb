"""Frames of all emotions side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..contract.emotions import EMOTIONS
from ..training.fields.film import Film
from .avatar import Evaluation
from .rows import FULL, NEUTRAL_ONLY, TRUE

if TYPE_CHECKING:
    from PIL.Image import Image

CELL, LABEL = 176, 22
"""Side of a picture and height of its row's label, pixels."""

_COLUMNS = (TRUE, FULL, NEUTRAL_ONLY)
_SESSIONS = 3  # frames of sessions in each row
_TITLES = ("film", *_COLUMNS, *["session"] * _SESSIONS)


def contact_sheet(found: Evaluation, film: Film) -> Image:
    """A row an emotion: the film's frame, ours in three ways, and frames of sessions.

    The film's frame is the first that shows the emotion; an emotion it does not show has none.
    """
    from PIL import Image, ImageDraw

    rows = {row.name: row.pictures for row in found.rows}
    height = LABEL + len(EMOTIONS) * (CELL + LABEL)
    sheet = Image.new("RGB", (len(_TITLES) * CELL, height), "white")
    pen = ImageDraw.Draw(sheet)
    for column, title in enumerate(_TITLES):
        pen.text((column * CELL + 6, 5), title, fill="grey")
    for k, emotion in enumerate(EMOTIONS):
        top = LABEL + k * (CELL + LABEL)
        pen.text((6, top + 5), emotion, fill="black")
        cells: list[NDArray[np.uint8] | None] = [None] * (1 + len(_COLUMNS))
        (frames,) = np.nonzero(film.emotions == k)
        if len(frames):
            at = int(frames[0])
            cells = [np.asarray(film.images[at]), *(rows[name][at] for name in _COLUMNS)]
        spoken = found.shown[emotion]
        picked = np.linspace(0, len(spoken) - 1, _SESSIONS).round().astype(int)
        cells += [spoken[place] for place in picked]
        for column, cell in enumerate(cells):
            if cell is not None:
                shrunk = Image.fromarray(cell).resize((CELL, CELL), Image.Resampling.BOX)
                sheet.paste(shrunk, (column * CELL, top + LABEL))
    return sheet
