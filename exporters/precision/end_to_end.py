"""What another choice of stage files means on the screen: pixels of landmarks, dB of pictures."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...contract import stages
from ...contract.camera import Intrinsics
from ...contract.data import Float32
from ...contract.errors import BadInput
from ...contract.measure import psnr
from ...contract.weights import POSES
from ...runtime.avatar import Avatar
from ...runtime.emotion_timeline import EmotionTimeline
from ...runtime.loading import Loaded
from ...runtime.motion.pipeline import MotionPipeline
from ...runtime.poses.idle import build_idle_track
from ...runtime.poses.walk import PoseWalk
from ...runtime.profiles import OFFLINE
from ...runtime.render.choice import WAVEFRONT
from ...runtime.speech.networks import SpeechNetworks
from ...runtime.utterance import Performance, Utterance
from .half import HalfRunner

EMOTION = "happy"
"""Worn while comparing: a neutral face would leave the deformation network out."""

PX_LIMIT, PSNR_LIMIT_DB = 0.1, 45.0
"""Landmarks may move by at most a tenth of a pixel, and pictures differ by what 45 dB allow: both
below what the eye sees of a moving face, and above what fp16 was measured to cost."""


@dataclass(frozen=True)
class EndToEnd:
    """The difference between two avatars that say the same.

    Attributes:
        frames: how many were compared.
        size: side of the pictures, pixels.
        landmark_px_mean, landmark_px_max: distance between the projections of the landmarks that
            drive the fields, over all frames and points, pixels.
        psnr_db_min: of the worst frame; infinite if all pictures are equal.
        psnr_db_mean: of all frames together (from their mean squared error).
    """

    frames: int
    size: int
    landmark_px_mean: float
    landmark_px_max: float
    psnr_db_min: float
    psnr_db_mean: float

    @property
    def passed(self) -> bool:
        """Whether both limits hold."""
        return self.landmark_px_max <= PX_LIMIT and self.psnr_db_min >= PSNR_LIMIT_DB


def with_half(loaded: Loaded, variants: Mapping[str, bytes], threads: int = 1) -> Loaded:
    """The same directory with some stages in true half arithmetic.

    Args:
        variants: stage → its fp16 or bf16 ONNX file.

    Returns:
        A directory that shares all other runners with ``loaded``; close the new runners yourself.
    """
    half = {stage: HalfRunner(data, threads) for stage, data in variants.items()}
    return dataclasses.replace(loaded, runners={**loaded.runners, **half})


def compare_end_to_end(
    loaded_a: Loaded,
    loaded_b: Loaded,
    samples: Float32,
    *,
    size: int | None = None,
    seed: int = 0,
    threads: int = 1,
    every: int = 1,
) -> EndToEnd:
    """Let two versions of one avatar say the same and compare what is seen.

    Args:
        loaded_a: what is taken for true.
        loaded_b: the same avatar with other runners.
        samples: (n,) float32 mono at 16 kHz in [-1, 1], n ≥ 1: some speech.
        size: side of the pictures, pixels; None is the avatar's own.
        seed: of all that is random; the same for both.
        threads: of the kernels.
        every: compare the picture of every so many frames; landmarks are compared in all.

    Raises:
        BadInput: they are different avatars, or there are no samples.
    """
    if loaded_a.manifest.name != loaded_b.manifest.name or not len(samples):
        raise BadInput(
            f"end-to-end comparison of {loaded_a.manifest.name!r}",
            expected="the same avatar and some speech",
            found=f"{loaded_b.manifest.name!r} and {len(samples)} samples",
        )
    distances: list[NDArray[np.float64]] = []
    errors: list[float] = []
    worst = float("inf")
    side = size or loaded_a.manifest.camera.size
    ours = _performed(loaded_a, samples, side, seed, threads, every)
    theirs = _performed(loaded_b, samples, side, seed, threads, every)
    for a, b in zip(ours, theirs, strict=True):
        distances.append(np.linalg.norm(a.landmarks - b.landmarks, axis=-1))
        if a.image is not None and b.image is not None:
            worst = min(worst, psnr(b.image, a.image))
            errors.append(float(np.mean((a.image.astype(np.float64) - b.image) ** 2)))
    mean = float(np.mean(errors))
    return EndToEnd(
        frames=len(distances),
        size=side,
        landmark_px_mean=float(np.mean(distances)),
        landmark_px_max=float(np.max(distances)),
        psnr_db_min=worst,
        psnr_db_mean=float(10.0 * np.log10(255.0**2 / mean)) if mean else float("inf"),
    )


@dataclass(frozen=True)
class _Seen:
    landmarks: NDArray[np.float64]
    image: NDArray[np.uint8] | None


class _Lent(Loaded):
    """A directory whose runners belong to somebody else: closing the avatar leaves them open."""

    def close(self) -> None:
        pass


def _performed(
    loaded: Loaded, samples: Float32, size: int, seed: int, threads: int, every: int
) -> Iterator[_Seen]:
    """What a session does, frame by frame, with the landmarks beside the picture."""
    manifest, runners = loaded.manifest, loaded.runners
    lent = _Lent(**{f.name: getattr(loaded, f.name) for f in dataclasses.fields(loaded)})
    utterance = Utterance(0, 0)
    utterance.push(samples)
    track = build_idle_track(loaded.weights[POSES], manifest.idle, "tolerant", seed)
    walk = PoseWalk(loaded.weights[POSES], track)
    performance = Performance(
        utterance,
        SpeechNetworks.of(manifest, runners),
        MotionPipeline(manifest.motion, loaded.weights, runners[stages.DEFORMATION], seed),
        EmotionTimeline(EMOTION, 1.0, OFFLINE.emotion_fade),
        OFFLINE,
        seed,
    )
    camera = manifest.camera.scaled(size)
    # The networks of the directory are what is judged, so the renderer that runs them.
    with Avatar(lent, threads, WAVEFRONT) as avatar:
        renderer = avatar.renderer(size)
        for frame in range(utterance.frames):
            condition = performance.condition(frame)
            pose = walk.step(frame, performance.silent(frame)).matrix
            image = renderer.render(condition, pose).image if frame % every == 0 else None
            yield _Seen(_projected(condition.landmarks[0], pose, camera), image)


def _projected(points: Float32, pose: Float32, camera: Intrinsics) -> NDArray[np.float64]:
    """(68, 3) head space → (68, 2) pixels."""
    seen = points.astype(np.float64) @ pose[:, :3].T.astype(np.float64) + pose[:, 3]
    centre = np.array([camera.cx, camera.cy])
    flat: NDArray[np.float64] = camera.focal * seen[:, :2] / seen[:, 2:] + centre
    return flat
