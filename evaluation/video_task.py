"""What a comparison of two videos is asked, and what it answers with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from .emotion import accuracy
from .footage import Picture
from .sync import BELIEVED, SHIPPED

Figures = dict[str, float | bool]


@dataclass(frozen=True)
class VideoTask:
    """What to compare.

    Attributes:
        video, reference: files with the same frame rate, size and, nearly, length.
        emotion: that both should show, if known.
        landmarks, reference_landmarks: .npz files with one array ``landmarks`` (F, 68, 2), column
            and row in pixels of the reference's size; None finds them with MediaPipe.
        inception: TorchScript file, see `fid`.
        resize: whether to resample a video of another size to the reference's.
        expert: folder of the sync expert.
        engine_dir: whose speech encoder the sync expert hears by; None is the built-in avatar.
    """

    video: Path
    reference: Path
    emotion: str | None = None
    landmarks: Path | None = None
    reference_landmarks: Path | None = None
    inception: Path | None = None
    resize: bool = False
    expert: Path = SHIPPED
    engine_dir: Path | None = None


def resized(picture: Picture, size: tuple[int, int]) -> Picture:
    """A picture at (width, height), resampled with a Lanczos filter where it has another size."""
    if (picture.shape[1], picture.shape[0]) == size:
        return picture
    from PIL import Image

    return np.array(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS))


def named_figures(
    task: VideoTask,
    kind: str,
    ours: Tensor,
    theirs: Tensor,
    figures: Figures,
    left_out: dict[str, str],
) -> None:
    """Add ``emotion_accuracy.<kind>`` of (N, 8) logits of both videos' frames, or why not."""
    name = f"emotion_accuracy.{kind}"
    if task.emotion is None:
        left_out[name] = "needs --emotion"
        return
    known = accuracy(theirs, task.emotion)
    if known < BELIEVED:
        left_out[name] = (
            f"the probe knows the procedural head; of the reference's frames it names {known:.0%}"
        )
        return
    figures[name] = accuracy(ours, task.emotion)
    figures[f"{name}.reference"] = known
