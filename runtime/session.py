"""A session: samples in, frames out, and nothing but the samples decides what they show."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType

import numpy as np

from ..contract.data import Frame
from ..contract.errors import BadAudio, SessionMisuse
from ..contract.units import SAMPLE_RATE, SAMPLES_PER_FRAME
from .audio.load import Samples, load
from .emotion_timeline import EmotionTimeline
from .motion.pipeline import MotionPipeline
from .poses.idle import IdleTrack
from .poses.walk import PoseWalk
from .profiles import Profile
from .render.renderer import Renderer
from .speech.landmarks import SpeechNetworks, latents_of
from .utterance import Performance, Utterance


@dataclass(frozen=True)
class SessionParts:
    """What an avatar lends a session; `walk` is the session's own.

    Attributes:
        speech: the networks that hear.
        motion: the steps between landmarks and condition.
        walk: where the head is.
        idle_track: what the walk follows in silence.
        renderer: what paints, at the session's size.
        closed: whether the avatar was closed meanwhile.
    """

    speech: SpeechNetworks
    motion: MotionPipeline
    walk: PoseWalk
    idle_track: IdleTrack
    renderer: Renderer
    closed: Callable[[], bool]


class Session:
    """A pure function of what was pushed: any chunking and any interleaving of pulls gives the
    same frames, bit by bit.

    `push` only stores; frames are computed when they are pulled. With the ``offline`` profile an
    utterance's frames are there once it is flushed. A session is used by one thread at a time;
    many sessions of one avatar may run at once. Made by `Avatar.session`.
    """

    def __init__(
        self,
        parts: SessionParts,
        profile: Profile,
        *,
        seed: int,
        emotion: str,
        intensity: float,
    ) -> None:
        self._parts, self._profile, self._seed = parts, profile, seed
        self._emotions = EmotionTimeline(emotion, intensity, profile.emotion_fade)
        self._utterances: deque[Utterance] = deque([Utterance(0, 0)])
        self._performance: Performance | None = None
        self._next_frame = 0
        self._closed = False

    @property
    def profile(self) -> Profile:
        """The profile it was opened with."""
        return self._profile

    @property
    def size(self) -> int:
        """Side of its pictures, pixels."""
        return self._parts.renderer.camera.size

    @property
    def renderer(self) -> str:
        """What paints its pictures."""
        return self._parts.renderer.name

    @property
    def quality(self) -> str:
        """Where the rays of its pictures end."""
        return self._parts.renderer.quality.name

    @property
    def idle_segments(self) -> int:
        """Still stretches in the idle track; with 0, silence walks the filmed poses."""
        return len(self._parts.idle_track.segments)

    @property
    def next_sample(self) -> int:
        """Absolute index that the next pushed sample gets."""
        last = self._utterances[-1]
        return last.first_frame * SAMPLES_PER_FRAME + last.samples

    @property
    def ready(self) -> int:
        """Frames that can be pulled now."""
        ended = sum(u.frames for u in self._utterances if u.ended)
        return ended - (self._next_frame - self._utterances[0].first_frame)

    def push(self, samples: Samples) -> None:
        """Store more audio.

        Args:
            samples: (n,) mono at 16 kHz, float32 or float64 in [-1, 1], or int16.

        Raises:
            BadAudio: they are not such an array, or hold NaN; nothing of them is stored.
            SessionMisuse: the session is closed, or would hold more than its profile's
                ``max_stored_seconds``; nothing of them is stored.
        """
        self._check_open()
        if not isinstance(samples, np.ndarray):
            raise BadAudio(
                "push",
                expected="an array of samples at 16 kHz",
                found=type(samples).__name__,
                remedy="load files with Avatar.render",
            )
        if samples.ndim == 1 and not len(samples):
            return
        converted = load(samples)  # a copy: the caller may use its buffer again
        limit = self._profile.max_stored_seconds * SAMPLE_RATE
        stored = sum(u.samples for u in self._utterances)
        if stored + len(converted) > limit:
            raise SessionMisuse(
                "push",
                expected=f"at most {self._profile.max_stored_seconds} s of audio held at once",
                found=f"{(stored + len(converted)) / SAMPLE_RATE:.1f} s",
                remedy="flush and pull frames before pushing more",
            )
        self._utterances[-1].push(converted)

    def set_emotion(self, emotion: str, intensity: float | None = None) -> None:
        """Wear another emotion from the next pushed sample on, faded in.

        Args:
            emotion: one of `emogene.EMOTIONS`.
            intensity: 0…1.5; None keeps the one set last.

        Raises:
            BadOption: unknown emotion, or intensity out of range.
            SessionMisuse: the session is closed.
        """
        self._check_open()
        self._emotions.set(self.next_sample, emotion, intensity)

    def flush(self) -> None:
        """End the utterance: its last frame is filled up with silence.

        What is pushed afterwards begins a new utterance at the next frame. With nothing pushed
        since the last flush it does nothing.

        Raises:
            SessionMisuse: the session is closed.
        """
        self._check_open()
        last = self._utterances[-1]
        if not last.samples:
            return
        last.ended = True
        self._utterances.append(
            Utterance(last.first_frame + last.frames, last.first_latent + latents_of(last.samples))
        )

    def pull(self) -> Frame | None:
        """Compute the next frame; None if more must be pushed or flushed first.

        Raises:
            SessionMisuse: the session is closed.
        """
        self._check_open()
        utterance = self._utterances[0]
        if not utterance.ended:
            return None
        if self._performance is None:
            self._performance = Performance(
                utterance,
                self._parts.speech,
                self._parts.motion,
                self._emotions,
                self._profile,
                self._seed,
            )
        frame = self._compute(self._performance, utterance)
        self._next_frame += 1
        if self._next_frame == utterance.first_frame + utterance.frames:
            self._utterances.popleft()
            self._performance = None
            self._emotions.forget(self._next_frame)
        return frame

    def __iter__(self) -> Iterator[Frame]:
        """Pull until there is nothing to pull."""
        while (frame := self.pull()) is not None:
            yield frame

    def close(self) -> None:
        """Drop what was not pulled; twice is fine."""
        self._closed = True
        self._utterances = deque([Utterance(self._next_frame, 0)])
        self._performance = None

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _compute(self, performance: Performance, utterance: Utterance) -> Frame:
        place = self._next_frame - utterance.first_frame
        condition, silent = performance.condition(place), performance.silent(place)
        pose = self._parts.walk.step(self._next_frame, silent)
        began = time.perf_counter()
        picture = self._parts.renderer.render(condition, pose.matrix)
        return Frame(
            image=picture.image,
            index=self._next_frame,
            audio=performance.audio(place),
            idle=silent,
            emotion=self._emotions.emotion(self._next_frame),
            render_seconds=time.perf_counter() - began,
            samples_per_ray=picture.samples_per_ray,
        )

    def _check_open(self) -> None:
        if self._closed:
            raise SessionMisuse(
                "session",
                expected="an open session",
                found="a closed one",
                remedy="begin another with Avatar.session",
            )
        if self._parts.closed():
            raise SessionMisuse(
                "session",
                expected="its avatar open",
                found="the avatar closed",
                remedy="close sessions before their avatar",
            )
