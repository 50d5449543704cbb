"""Any method's video beside the true one, by the same measures as the avatar's."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import zip_longest

import numpy as np
import torch
from numpy.typing import NDArray

from ..contract.emotions import emotion_index
from ..contract.errors import BadInput
from ..contract.measure import psnr
from .emotion import by_landmarks, by_small_pictures
from .fid import MISSING, InceptionDistance
from .footage import Picture, Video, open_video
from .frechet import dct_features, frechet_distance
from .images import flicker, ssim
from .probes.networks import small_pictures
from .video_landmarks import both_landmarks, landmark_figures, sync_figures, upright
from .video_task import Figures, VideoTask, named_figures, resized

MISSING_FRAMES = 5
"""Frames by which the two may differ in length: many methods lose a few at the end."""


def evaluate_video(task: VideoTask) -> tuple[Figures, dict[str, str]]:
    """Figures, and for each that is left out why.

    Returns:
        frames; psnr, ssim: means over frames; flicker, flicker.reference; frechet.dct; fid;
        lmd, lmd.mouth, lmd.normalised: see `landmarks.LandmarkDistance`;
        mouth_opening_correlation, mouth_opening_lag_frames: with the reference's mouth;
        sync_offset_frames, sync_confidence and both with ``.reference``;
        emotion_accuracy.landmarks, emotion_accuracy.pixels: by the probes, which know the
        procedural head alone: left out unless they name the reference's emotion.

    Raises:
        BadInput: a file cannot be read, or the videos do not belong together.
        BadOption: there is no such emotion.
    """
    if task.emotion is not None:
        emotion_index(task.emotion)
    if (task.landmarks is None) != (task.reference_landmarks is None):
        raise BadInput(
            "--landmarks",
            expected="--reference-landmarks beside it, or neither",
            found="one of the two",
        )
    video, reference = open_video(task.video), open_video(task.reference)
    _check_pair(video, reference, task.resize)
    figures: Figures = {}
    left_out: dict[str, str] = {}
    _pictures(task, video, reference, figures, left_out)
    found = both_landmarks(task, video, reference, left_out)
    if found is not None:
        frames = int(figures["frames"])
        ours, theirs = (upright(points[:frames]) for points in found)
        landmark_figures(ours, theirs, reference.height, figures, left_out)
        sync_figures(task, video, reference, (ours, theirs), figures, left_out)
        named_figures(
            task, "landmarks", by_landmarks(ours), by_landmarks(theirs), figures, left_out
        )
    return figures, left_out


def _check_pair(video: Video, reference: Video, resize: bool) -> None:
    if video.rate != reference.rate:
        raise BadInput(
            str(video.path),
            expected=f"{float(reference.rate):g} frames a second as {reference.path} has",
            found=f"{float(video.rate):g}",
            remedy="convert one of them: ffmpeg -i IN -r RATE OUT",
        )
    if (video.width, video.height) != (reference.width, reference.height) and not resize:
        raise BadInput(
            str(video.path),
            expected=f"{reference.size} pixels as {reference.path} has",
            found=video.size,
            remedy="crop it alike, or let it be resampled with --resize",
        )


def _pictures(
    task: VideoTask, video: Video, reference: Video, figures: Figures, left_out: dict[str, str]
) -> None:
    """Everything that is measured on pictures alone, in one pass over both files."""
    distance = InceptionDistance(task.inception) if task.inception else None
    scores, trembles, faces = [], [], []
    waves: tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]] = ([], [])
    recent: deque[tuple[Picture, Picture]] = deque(maxlen=3)
    size = (reference.width, reference.height)
    for shown, truth in _pairs(video, reference):
        shown = resized(shown, size)
        scores.append((psnr(shown, truth), ssim(shown, truth)))
        recent.append((shown, truth))
        if len(recent) == recent.maxlen:
            trembles.append(flicker(*zip(*recent, strict=True)))
        for kept, picture in zip(waves, (shown, truth), strict=True):
            kept.append(dct_features([picture])[0])
        faces.append(small_pictures([shown, truth]))
        if distance is not None:
            distance.add([shown], real=False)
            distance.add([truth], real=True)
    still = [pair for pair in trembles if pair is not None]
    figures["frames"] = float(len(scores))
    figures["psnr"], figures["ssim"] = map(float, np.mean(scores, axis=0))
    if video.size != reference.size:
        left_out["original_size"] = f"resampled from {video.size} to {reference.size} (Lanczos)"
    if still:
        figures["flicker"], figures["flicker.reference"] = map(float, np.mean(still, axis=0))
    else:
        left_out["flicker"] = "the reference stands still nowhere for three frames"
    figures["frechet.dct"] = frechet_distance(np.array(waves[0]), np.array(waves[1]))
    if distance is None:
        left_out["fid"] = MISSING
    else:
        figures["fid"] = distance.value()
    shown_faces, true_faces = torch.stack(faces, 1)
    named = (by_small_pictures(x) for x in (shown_faces, true_faces))
    named_figures(task, "pixels", *named, figures, left_out)


def _pairs(video: Video, reference: Video) -> Iterator[tuple[Picture, Picture]]:
    count = extra = 0
    for shown, truth in zip_longest(video.frames(), reference.frames()):
        if shown is None or truth is None:
            extra += 1
            if extra > MISSING_FRAMES:
                longer, shorter = (video, reference) if truth is None else (reference, video)
                raise BadInput(
                    str(shorter.path),
                    expected=f"as many frames as {longer.path} has, {MISSING_FRAMES} less at most",
                    found=f"{count}",
                    remedy="cut both to the same piece of speech",
                )
            continue
        count += 1
        yield shown, truth
    if count < 3:
        raise BadInput(str(video.path), expected="at least three frames", found=str(count))
