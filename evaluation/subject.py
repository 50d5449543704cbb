"""The avatar that is judged, asked as its users' sessions ask it: by the runtime's own parts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..contract import stages
from ..contract.camera import Intrinsics
from ..contract.closing import Closing
from ..contract.data import Condition, Float32
from ..contract.emotions import EMOTIONS
from ..contract.landmarks import FLAT
from ..contract.motion import BlinkStep, DeformStep
from ..contract.units import FEATURES_PER_FRAME, frames_of
from ..contract.weights import POSES
from ..runtime.avatar import Avatar, available_threads
from ..runtime.emotion_timeline import EmotionTimeline
from ..runtime.loading import load_engine_directory
from ..runtime.motion.pipeline import Conditions, MotionPipeline
from ..runtime.motion.step import Moment
from ..runtime.poses.idle import build_idle_track
from ..runtime.poses.walk import PoseWalk
from ..runtime.profiles import OFFLINE
from ..runtime.render.choice import WAVEFRONT
from ..runtime.render.head import HeadImage
from ..runtime.render.renderer import LayeredRenderer
from ..runtime.speech.features import UtteranceFeatures
from ..runtime.speech.landmarks import UtteranceLandmarks
from ..runtime.speech.networks import SpeechNetworks
from ..runtime.utterance import Performance, Utterance

SEED = 0
"""Of every session that is judged."""


class Subject(Closing):
    """An engine directory under judgement.

    Args:
        path: the engine directory; None is the built-in avatar.
        threads: processor threads it may use; None takes all.

    Raises:
        BadEngineDirectory: it is missing, damaged, or does not fit this version.
    """

    def __init__(self, path: Path | None = None, threads: int | None = None) -> None:
        count = threads or available_threads()
        self._loaded = load_engine_directory(path, count)
        self._avatar = Avatar(self._loaded, count)
        # Users' pictures may be painted in one piece; the head by itself is not.
        self._in_rounds = Avatar(self._loaded, count, WAVEFRONT)
        self._speech = SpeechNetworks.of(self._loaded.manifest, self._loaded.runners)

    def close(self) -> None:
        self._in_rounds.close()
        self._avatar.close()

    @property
    def name(self) -> str:
        """What the avatar is called."""
        return self._avatar.name

    @property
    def camera(self) -> Intrinsics:
        """Its camera, at its own size."""
        return self._loaded.manifest.camera

    @property
    def megabytes(self) -> float:
        """Size of its engine directory, 10⁶ bytes."""
        files = (path for path in self._loaded.path.rglob("*") if path.is_file())
        return sum(path.stat().st_size for path in files) / 1e6

    def features(self, samples: Float32) -> Float32:
        """(n,) speech → (T, D) features of its speech encoder, 50 a second."""
        count = frames_of(len(samples)) * FEATURES_PER_FRAME
        clip = OFFLINE.clip_frames
        return UtteranceFeatures(self._speech.hubert, samples, count, clip).read(0, count)

    def neutral(self, samples: Float32) -> Float32:
        """(n,) speech → (F, 68, 3) neutral landmarks, head space, without blinks."""
        heard = UtteranceLandmarks(self._speech, samples, OFFLINE, first_latent=0, seed=SEED)
        whole = np.concatenate([heard.hop(k) for k in range(-(-heard.frames // OFFLINE.hop))])
        # The last frames may have no face of their own.
        shown = np.minimum(np.arange(frames_of(len(samples))), heard.frames - 1)
        return whole[shown].reshape(-1, FLAT // 3, 3)

    def emotional(self, neutral: Float32, emotion: str, intensity: float = 1.0) -> Float32:
        """Neutral landmarks (F, 68, 3) → what the fields are shown of them, without blinks."""
        flat = np.ascontiguousarray(neutral, np.float32).reshape(-1, FLAT)
        weights = EmotionTimeline(emotion, intensity, OFFLINE.emotion_fade).weights(0, len(flat))
        return self._pipeline(BlinkStep).shape(flat, Moment(0, weights)).landmarks

    def given(self, landmarks: Float32) -> Conditions:
        """Conditions of consecutive frames whose true landmarks (F, 68, 3) are known.

        The steps after deformation and blinking run as ever; a condition window that reaches
        beyond the frames sees zeros, as at the ends of an utterance.
        """
        flat = np.ascontiguousarray(landmarks, np.float32).reshape(-1, FLAT)
        pipeline = self._pipeline(DeformStep, BlinkStep)
        unmoved = np.zeros((len(flat), len(EMOTIONS)), np.float32)
        shaped = pipeline.shape(flat, Moment(0, unmoved))
        return Conditions(
            lambda hop: shaped,
            hop=len(flat),
            width=pipeline.window,
            count=lambda: len(flat),
            first=0,
        )

    def perform(self, samples: Float32, emotion: str, intensity: float = 1.0) -> Performance:
        """Conditions and silences of (n,) speech, exactly those of a session."""
        utterance = Utterance(0, 0)
        utterance.push(samples)
        return Performance(
            utterance,
            self._speech,
            self._pipeline(),
            EmotionTimeline(emotion, intensity, OFFLINE.emotion_fade),
            OFFLINE,
            SEED,
        )

    def walk(self, silent: NDArray[np.bool_], seed: int = SEED) -> Float32:
        """(F, 3, 4) head poses of a session whose frames are silent where (F,) says so."""
        poses, idle = self._loaded.weights[POSES], self._loaded.manifest.idle
        walk = PoseWalk(poses, build_idle_track(poses, idle, "tolerant", seed))
        return np.stack([walk.step(k, bool(quiet)).matrix for k, quiet in enumerate(silent)])

    def picture(self, condition: Condition, pose: Float32, size: int) -> NDArray[np.uint8]:
        """(size, size, 3) uint8: one frame, painted as a session's."""
        return self._avatar.renderer(size).render(condition, pose).image

    def head(self, condition: Condition, pose: Float32, size: int) -> HeadImage:
        """The head of a frame by itself, at ``size`` pixels."""
        renderer = self._in_rounds.renderer(size)
        assert isinstance(renderer, LayeredRenderer)
        return renderer.head.render(condition, pose, renderer.camera)

    def _pipeline(self, *without: type) -> MotionPipeline:
        spec = self._loaded.manifest.motion
        kept = tuple(step for step in spec.steps if not isinstance(step, without))
        return MotionPipeline(
            replace(spec, steps=kept),
            self._loaded.weights,
            self._loaded.runners[stages.DEFORMATION],
            SEED,
        )
