"""The half of a video's judgement that needs landmarks: LMD, mouth opening, lip-sync."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..contract.errors import BadCheckpoint, BadInput, Unavailable
from ..contract.landmarks import LANDMARKS
from ..contract.units import FRAMES_PER_SECOND
from ..runtime.audio.load import load
from ..training.datasets.detector import MediaPipe
from ..training.lips import mouth_opening
from .footage import Video
from .landmarks import landmark_distance, opening_correlation, opening_lag
from .subject import Subject
from .sync import SyncJudge
from .video_task import Figures, VideoTask, resized

Points = NDArray[np.float32]


def both_landmarks(
    task: VideoTask, video: Video, reference: Video, left_out: dict[str, str]
) -> tuple[Points, Points] | None:
    """(F, 68, 2) pixels of both at the reference's size; None where there is no way to them."""
    if task.landmarks is not None and task.reference_landmarks is not None:
        return read_landmarks(task.landmarks), read_landmarks(task.reference_landmarks)
    size = (reference.width, reference.height)
    try:
        with MediaPipe() as tool:
            ours = tool.watch("video", (resized(frame, size) for frame in video.frames())).points
            theirs = tool.watch("reference", reference.frames()).points
        return ours, theirs
    except Unavailable as error:
        for name in ("lmd", "sync_offset_frames", "emotion_accuracy.landmarks"):
            left_out[name] = f"no landmarks: {error}; or give --landmarks"
        return None


def read_landmarks(path: Path) -> Points:
    """The array ``landmarks`` (F, 68, 2) of an .npz file, NaN where no face was found.

    Raises:
        BadInput: there is no such file or array.
    """
    try:
        with np.load(path, allow_pickle=False) as saved:
            points = np.asarray(saved["landmarks"], np.float32)
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise _no_landmarks(path, str(error) or type(error).__name__) from None
    if points.ndim != 3 or points.shape[1:] != (LANDMARKS, 2):
        raise _no_landmarks(path, f"shape {points.shape}")
    return points


def _no_landmarks(path: Path, found: str) -> BadInput:
    return BadInput(
        str(path),
        expected="an .npz file with an array landmarks (F, 68, 2): columns and rows in pixels",
        found=found,
        remedy="write it with numpy.savez(path, landmarks=array)",
    )


def upright(points: Points) -> Points:
    """x to the right and y up, as head space has it."""
    return points * np.float32([1, -1])


def landmark_figures(
    ours: Points, theirs: Points, height: int, figures: Figures, left_out: dict[str, str]
) -> None:
    if len(ours) != len(theirs):
        raise BadInput(
            "landmarks", expected="a row for each frame", found=f"{len(ours)} and {len(theirs)}"
        )
    seen = np.isfinite(ours).all((1, 2)) & np.isfinite(theirs).all((1, 2))
    if not seen.any():
        left_out["lmd"] = "no frame shows a face in both videos"
        return
    apart = landmark_distance(ours[seen], theirs[seen], height)
    opened, should = ([mouth_opening(points[seen])] for points in (ours, theirs))
    figures |= {
        "lmd": apart.pixels,
        "lmd.mouth": apart.mouth,
        "lmd.normalised": apart.normalised,
        "mouth_opening_correlation": opening_correlation(opened, should),
        "mouth_opening_lag_frames": float(opening_lag(opened, should)),
        "faces_found": float(seen.mean()),
    }


def sync_figures(
    task: VideoTask,
    video: Video,
    reference: Video,
    faces: Iterable[Points],
    figures: Figures,
    left_out: dict[str, str],
) -> None:
    """Offset and confidence of both videos by the shipped avatar's encoder and its expert."""
    name = "sync_offset_frames"
    if video.rate != FRAMES_PER_SECOND:
        left_out[name] = f"the expert judges {FRAMES_PER_SECOND} frames a second"
        return
    if not reference.sound and not video.sound:
        left_out[name] = "neither video has sound"
        return
    ours, theirs = faces
    if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        left_out[name] = "some frames show no face"
        return
    try:
        with Subject(task.engine_dir, threads=1) as subject:
            judge = SyncJudge(subject.features, task.expert)
            speech = load(reference.path if reference.sound else video.path)
            heard = load(video.path) if video.sound else speech
            for end, samples, face in ((".reference", speech, theirs), ("", heard, ours)):
                found = judge.judge([samples], [face])
                figures[f"{name}{end}"] = found.offset
                figures[f"sync_confidence{end}"] = found.confidence
    except (BadCheckpoint, BadInput) as error:
        left_out[name] = str(error)
