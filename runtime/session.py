"""A session: samples in, frames out, and nothing but the samples decides what they show."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ..contract.closing import Closing
from ..contract.data import Condition, Float32, Frame, Pose
from ..contract.errors import SessionMisuse
from ..contract.units import FRAMES_PER_SECOND, SAMPLE_RATE, SAMPLES_PER_FRAME
from .audio.intake import Intake, Pushed
from .emotion_timeline import EmotionTimeline
from .metrics import SessionMetrics
from .motion.pipeline import MotionPipeline
from .poses.idle import IdleTrack
from .poses.walk import PoseWalk
from .profiles import Profile
from .render.renderer import Renderer
from .scheduler import Beats, FrameScheduler, LoadMeter, avatar_closed
from .session_options import SessionOptions
from .speech.networks import SpeechNetworks, latents_of
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
        scheduler: says when a frame may be computed, and whether the avatar was closed.
        meter: hears how long live frames took.
        beats: spreads those that are pulled on a clock.
    """

    speech: SpeechNetworks
    motion: MotionPipeline
    walk: PoseWalk
    idle_track: IdleTrack
    renderer: Renderer
    scheduler: FrameScheduler
    meter: LoadMeter
    beats: Beats


WARM_UP = 8
"""Frames of a session whose times say little of the ones that follow."""


@dataclass(frozen=True)
class _Shaped:
    """What a frame will show, and the seconds it took to know."""

    condition: Condition
    pose: Pose
    silent: bool
    seconds: float


class Session(Closing):
    """A pure function of what was pushed: any chunking and any interleaving of pulls gives the
    same frames, bit by bit. (An `interrupt` falls on the frame that would have been pulled next.)

    `push` only stores; frames are computed when they are pulled. With the ``offline`` profile an
    utterance's frames are there once it is flushed, with ``live`` they follow its sound by
    `Profile.delay`. A session is used by one thread at a time; many sessions of one avatar may run
    at once. Made by `Avatar.session`.
    """

    def __init__(self, parts: SessionParts, options: SessionOptions, *, on_time: bool) -> None:
        self._parts, self._options, self._on_time = parts, options, on_time
        self._profile, self._rate = options.profile, options.sample_rate
        self._emotions = EmotionTimeline(
            options.emotion, options.intensity, self._profile.emotion_fade
        )
        self._intake = Intake(self._rate)
        self._filled = 0  # samples of the utterance that were not pushed by the caller
        self._utterances: deque[Utterance] = deque([Utterance(0, 0)])
        self._performance: Performance | None = None
        self._carried: Float32 | None = None
        self._next_frame = 0
        self._metrics = SessionMetrics()
        self._began: float | None = None
        self._closed = self._touched = False
        self._busy = threading.RLock()

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    @property
    def options(self) -> SessionOptions:
        """How it was opened."""
        return self._options

    @property
    def untouched(self) -> bool:
        """Whether nothing was pushed, and no emotion set, since it was opened."""
        return not self._touched

    @property
    def on_time(self) -> bool:
        """Whether its frames are needed as time goes by; those of a whole file are not."""
        return self._on_time

    @property
    def profile(self) -> Profile:
        """The profile it was opened with."""
        return self._profile

    @property
    def sample_rate(self) -> int:
        """Samples a second of what is pushed."""
        return self._rate

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
        """Absolute index, at 16 kHz, that the next pushed sample gets."""
        first = self._utterances[-1].first_frame * SAMPLES_PER_FRAME
        return first + self._filled + self._intake.samples

    @property
    def ready(self) -> int:
        """Frames that can be pulled now."""
        there = sum(self._computable(u) for u in self._utterances)
        return there - (self._next_frame - self._utterances[0].first_frame)

    @property
    def metrics(self) -> SessionMetrics:
        """Its counters now."""
        held = sum(u.store.held for u in self._utterances)
        return replace(self._metrics, ready=self.ready, held_seconds=held / SAMPLE_RATE)

    def begin_beat(self, now: float) -> float:
        """The best moment from ``now`` on, in seconds, to begin to pull a frame every 40 ms.

        Others on the same clock, if there are any, need their hops computed at other times.
        """
        return self._parts.beats.begin(self, now, self._profile.hop / FRAMES_PER_SECOND)

    def push(self, samples: Pushed) -> None:
        """Store more audio.

        Args:
            samples: mono at the session's sample rate: (n,) float32 or float64 in [-1, 1] or int16,
                or bytes of signed 16-bit little-endian samples.

        Raises:
            BadAudio: they are not such samples, or hold NaN; nothing of them is stored.
            SessionMisuse: the session is closed, or would hold more than its profile's
                ``max_stored_seconds``; nothing of them is stored.
        """
        self._check_open()
        piece = self._intake.checked(samples)
        limit = self._profile.max_stored_seconds
        held = sum(u.store.held for u in self._utterances) / SAMPLE_RATE
        seconds = held + len(piece.samples) / self._rate
        if len(piece.samples) and seconds > limit:
            raise SessionMisuse(
                "push",
                expected=f"at most {limit} s of audio held at once",
                found=f"{seconds:.1f} s",
                remedy="flush and pull frames before pushing more",
            )
        if self._began is None:
            self._began = time.perf_counter()
        self._touched = True
        self._utterances[-1].push(self._intake.take(piece))

    def set_emotion(
        self, emotion: str, intensity: float | None = None, over: float | None = None
    ) -> None:
        """Wear another emotion from the next pushed sample on, faded in.

        Args:
            emotion: one of `emogene.EMOTIONS`.
            intensity: 0…1.5; None keeps the one set last.
            over: seconds of the fade, 0…60; None is the profile's.

        Raises:
            BadOption: unknown emotion, or a number out of range.
            SessionMisuse: the session is closed.
        """
        self._check_open()
        self._emotions.set(self.next_sample, emotion, intensity, over)
        self._touched = True

    def flush(self) -> None:
        """End the utterance: its last frame is filled up with silence.

        What is pushed afterwards begins a new utterance at the next frame. With nothing pushed
        since the last flush or interrupt it does nothing.

        Raises:
            SessionMisuse: the session is closed.
        """
        self._check_open()
        if not self._intake.samples:
            return
        last = self._utterances[-1]
        last.push(self._intake.flush())
        self._intake, self._filled = Intake(self._rate), 0
        last.ended = True
        self._utterances.append(
            Utterance(last.first_frame + last.frames, last.first_latent + latents_of(last.samples))
        )

    def interrupt(self) -> float:
        """Drop all that was pushed and not pulled; the next frame no longer shows it.

        The next pushed sample begins a new utterance at the next frame, its face gliding from the
        last one. With a look-ahead, as much silence as it needs is put in between, so that frames
        go on at once and stay as far behind the sound as before. The emotion set last is kept.

        Returns:
            Seconds of sound that were dropped; if there were none, nothing happens.

        Raises:
            SessionMisuse: the session is closed.
        """
        self._check_open()
        dropped = self.next_sample - self._next_frame * SAMPLES_PER_FRAME
        if dropped <= 0:
            return 0.0
        utterance, shown = self._utterances[0], self._next_frame - self._utterances[0].first_frame
        self._carry(shown)
        latent = utterance.first_latent + latents_of(shown * SAMPLES_PER_FRAME)
        begun = Utterance(self._next_frame, latent)
        self._utterances, self._performance = deque([begun]), None
        self._intake, self._filled = Intake(self._rate), 0
        self._emotions.cut(self._next_frame)
        if self._profile.delay is not None:
            self._filled = self._profile.delay * SAMPLES_PER_FRAME
            begun.push(np.zeros(self._filled, np.float32))
        seconds = dropped / SAMPLE_RATE
        self._metrics = replace(
            self._metrics,
            interrupts=self._metrics.interrupts + 1,
            dropped_seconds=self._metrics.dropped_seconds + seconds,
        )
        return seconds

    def pull(self, deadline: float | None = None) -> Frame | None:
        """Compute the next frame; None if more must be pushed or flushed first.

        Args:
            deadline: when it is needed, `time.monotonic` seconds; among sessions of one avatar the
                earliest goes first. None is 40 ms from now, and whenever there is time where nobody
                waits: with a profile that waits for the end of an utterance, or of a whole file.

        Raises:
            SessionMisuse: the session is closed.
        """
        with self._busy:
            self._check_open()
            utterance = self._utterances[0]
            place = self._next_frame - utterance.first_frame
            if place >= self._computable(utterance):
                return None
            if self._performance is None:
                self._performance = Performance(
                    utterance,
                    self._parts.speech,
                    self._parts.motion,
                    self._emotions,
                    self._profile,
                    self._options.seed,
                    self._carried,
                )
            frame = self._compute(self._performance, place, deadline)
            self._next_frame += 1
            self._emotions.forget(self._next_frame)
            if utterance.ended and place + 1 == utterance.frames:
                self._carry(place + 1)
                self._utterances.popleft()
                self._performance = None
            return frame

    def __iter__(self) -> Iterator[Frame]:
        """Pull until there is nothing to pull."""
        while (frame := self.pull()) is not None:
            yield frame

    def close(self) -> None:
        """Drop what was not pulled; twice is fine. From another thread it waits for the frame that
        is being computed."""
        with self._busy:
            self._closed = True
            self._parts.beats.end(self)
            self._utterances = deque([Utterance(self._next_frame, 0)])
            self._performance, self._carried = None, None

    def _computable(self, utterance: Utterance) -> int:
        overhang = self._parts.speech.overhang
        return self._profile.computable(utterance.samples, overhang, ended=utterance.ended)

    def _carry(self, shown: int) -> None:
        """Keep the face of the last of ``shown`` frames, for what follows to glide from."""
        if self._performance is not None and shown:
            self._carried = self._performance.neutral(shown - 1)

    def _compute(self, performance: Performance, place: int, deadline: float | None) -> Frame:
        scheduler = self._parts.scheduler
        if self._profile.delay is not None:
            if deadline is None and self._on_time:
                deadline = time.monotonic() + 1 / FRAMES_PER_SECOND
            with scheduler.turn(deadline) as waited:
                shaped = self._shape(performance, place)
                frame = self._paint(performance, place, shaped, waited)
            if self._metrics.frames > WARM_UP:
                self._parts.meter.add(self.size, frame.speech_seconds + frame.render_seconds)
            return frame
        with scheduler.aside():  # whole utterances take seconds, and may not stand in the way
            shaped = self._shape(performance, place)
        with scheduler.turn(deadline) as waited:
            return self._paint(performance, place, shaped, waited)

    def _shape(self, performance: Performance, place: int) -> _Shaped:
        began = time.perf_counter()
        condition, silent = performance.condition(place), performance.silent(place)
        pose = self._parts.walk.step(self._next_frame, silent)
        return _Shaped(condition, pose, silent, time.perf_counter() - began)

    def _paint(self, performance: Performance, place: int, shaped: _Shaped, waited: float) -> Frame:
        began = time.perf_counter()
        picture = self._parts.renderer.render(shaped.condition, shaped.pose.matrix)
        rendered = time.perf_counter()
        self._count(shaped.seconds, rendered - began, waited, rendered)
        return Frame(
            image=picture.image,
            index=self._next_frame,
            audio=performance.audio(place),
            idle=shaped.silent,
            emotion=self._emotions.emotion(self._next_frame),
            speech_seconds=shaped.seconds,
            render_seconds=rendered - began,
            samples_per_ray=picture.samples_per_ray,
        )

    def _count(self, speech: float, render: float, waited: float, now: float) -> None:
        so_far, first = self._metrics, self._metrics.first_frame_seconds
        if first is None and self._began is not None:
            first = now - self._began
        self._metrics = replace(
            so_far,
            frames=so_far.frames + 1,
            first_frame_seconds=first,
            speech_seconds=so_far.speech_seconds + speech,
            render_seconds=so_far.render_seconds + render,
            waited_seconds=so_far.waited_seconds + waited,
        )

    def _check_open(self) -> None:
        if self._closed:
            raise SessionMisuse(
                "session",
                expected="an open session",
                found="a closed one",
                remedy="begin another with Avatar.session",
            )
        if self._parts.scheduler.closed:
            raise avatar_closed()
