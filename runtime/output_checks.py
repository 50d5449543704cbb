"""What every output refuses, in the same words."""

from __future__ import annotations

import errno

import numpy as np

from ..contract.data import Frame
from ..contract.errors import BadOutput
from ..contract.units import SAMPLES_PER_FRAME

_REMEDIES = {
    errno.ENOENT: ("its folder does not exist", "create the folder first"),
    errno.ENOTDIR: ("a file where its folder should be", "choose another place"),
    errno.EISDIR: ("a directory of that name", "choose another name"),
    errno.EACCES: ("no permission to write there", "change the permissions or the place"),
    errno.EPERM: ("no permission to write there", "change the permissions or the place"),
    errno.EROFS: ("a read-only file system", "choose another place"),
    errno.ENOSPC: ("no space left on the disk", "free some space or choose another disk"),
    errno.EDQUOT: ("the disk quota used up", "free some space or choose another disk"),
    errno.EFBIG: ("the largest file allowed there", "raise the limit or choose another disk"),
    errno.ENAMETOOLONG: ("a name that is too long", "choose a shorter name"),
    errno.ENOTEMPTY: ("a folder that is not empty", "empty it or choose another"),
    errno.EEXIST: ("a folder that is not empty", "empty it or choose another"),
}


def cannot_write(name: str, error: OSError) -> BadOutput:
    """The refusal that tells what ``error`` means for the output ``name``."""
    found, remedy = _REMEDIES.get(
        error.errno or 0, (error.strerror or str(error), "choose another place")
    )
    return BadOutput(name, expected="a place that can be written", found=found, remedy=remedy)


def check_frame(name: str, frame: Frame, size: tuple[int, int]) -> None:
    """Refuse (`BadOutput`) a frame that is not (*size, 3) uint8 with (640,) samples."""
    expected = (*size, 3)
    if frame.image.shape != expected or frame.image.dtype != np.uint8:
        raise BadOutput(
            name,
            expected=f"frames of shape {expected} uint8",
            found=f"{frame.image.shape} {frame.image.dtype}",
            remedy="open the output with the size of the frames",
        )
    if frame.audio.shape != (SAMPLES_PER_FRAME,):
        raise BadOutput(
            name,
            expected=f"{SAMPLES_PER_FRAME} audio samples a frame",
            found=f"shape {frame.audio.shape}",
            remedy="give each frame the samples played with it",
        )


def check_open(name: str, is_open: bool) -> None:
    """Refuse (`BadOutput`) to write to what has been closed."""
    if not is_open:
        raise BadOutput(
            name, expected="an open output", found="a closed one", remedy="write before closing"
        )
