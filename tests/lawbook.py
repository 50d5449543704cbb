"""The law: frames are a function of what was pushed, not of how or when.

A state machine pushes, pulls, flushes, interrupts and changes emotion in any order, and keeps a log
of what was pushed. In the end the log is replayed in the plainest way there is, every utterance in
one push, and each frame must be the same, bit by bit. Every profile and backend runs it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from numpy.typing import NDArray

from emogene.contract.data import Frame
from emogene.contract.emotions import EMOTIONS
from emogene.contract.units import frames_of
from emogene.runtime.session import Session

OpenSession = Callable[[int, str], Session]
"""(seed, emotion) → a fresh session."""

CHUNKS = st.one_of(
    st.integers(1, 3), st.sampled_from((319, 320, 639, 640, 641)), st.integers(1, 6000)
)


@dataclass
class _Utterance:
    samples: list[NDArray[np.float32]] = field(default_factory=list)
    changes: list[tuple[int, str, float, float | None]] = field(default_factory=list)
    ended: bool = False
    cut: int | None = None
    """Frames that had been pulled, of the whole session, when it was interrupted."""

    @property
    def length(self) -> int:
        return sum(map(len, self.samples))


def check_law(
    open_session: OpenSession, speech: NDArray[np.float32], *, examples: int, steps: int = 16
) -> None:
    """Run the machine; raises the shortest sequence of steps that breaks the law.

    Args:
        open_session: of the avatar, profile and backend under test.
        speech: (n,) float32 that pushes are cut from.
    """

    class Law(RuleBasedStateMachine):
        @initialize(seed=st.integers(0, 2**63 - 1), emotion=st.sampled_from(EMOTIONS))
        def begin(self, seed: int, emotion: str) -> None:
            self.open = lambda: open_session(seed, emotion)
            self.session = self.open()
            self.log = [_Utterance()]
            self.frames: list[Frame] = []
            self.place = 0

        @rule(length=CHUNKS)
        def push(self, length: int) -> None:
            samples = np.take(speech, range(self.place, self.place + length), mode="wrap")
            self.place += length
            self.log[-1].samples.append(samples)
            buffer = samples.copy()
            self.session.push(buffer)
            buffer[:] = np.float32(0.5)  # the caller's buffer is the caller's again

        @rule(
            emotion=st.sampled_from(EMOTIONS),
            intensity=st.sampled_from((0.0, 0.5, 1.0, 1.5)),
            over=st.sampled_from((None, 0.0, 0.3)),
        )
        def set_emotion(self, emotion: str, intensity: float, over: float | None) -> None:
            self.log[-1].changes.append((self.log[-1].length, emotion, intensity, over))
            self.session.set_emotion(emotion, intensity, over)

        @rule()
        def flush(self) -> None:
            self.session.flush()
            if self.log[-1].length:
                self.log[-1].ended = True
                self.log.append(_Utterance())

        @rule()
        def interrupt(self) -> None:
            if self.session.interrupt():
                self.log[-1].cut = len(self.frames)
                self.log.append(_Utterance())

        @rule(count=st.integers(1, 5))
        def pull(self, count: int) -> None:
            for _ in range(count):
                frame = self.session.pull()
                if frame is not None:
                    self.frames.append(frame)

        @precondition(lambda self: self.session.ready)
        @rule()
        def pull_all(self) -> None:
            self.frames += list(self.session)
            assert self.session.ready == 0

        @invariant()
        def nothing_is_lost(self) -> None:
            if hasattr(self, "log"):
                since = max((k for k, u in enumerate(self.log) if u.cut is not None), default=-1)
                ended = sum(frames_of(u.length) for u in self.log[since + 1 :] if u.ended)
                cut = 0 if since < 0 else self.log[since].cut or 0
                assert len(self.frames) + self.session.ready >= cut + ended

        def teardown(self) -> None:
            if not hasattr(self, "log"):
                return
            self.session.flush()
            self.frames += list(self.session)
            assert_same_frames(self.frames, self._replayed())

        def _replayed(self) -> list[Frame]:
            frames: list[Frame] = []
            with self.open() as session:
                for utterance in self.log:
                    pushed = 0
                    joined = np.concatenate([*utterance.samples, np.zeros(0, np.float32)])
                    for sample, emotion, intensity, over in utterance.changes:
                        session.push(joined[pushed:sample])
                        session.set_emotion(emotion, intensity, over)
                        pushed = sample
                    session.push(joined[pushed:])
                    if utterance.cut is not None:
                        frames += itertools.islice(session, utterance.cut - len(frames))
                        session.interrupt()
                        continue
                    session.flush()
                    if not any(u.cut is not None for u in self.log):
                        frames += list(session)
                frames += list(session)
            return frames

    run_state_machine_as_test(
        Law,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            suppress_health_check=list(HealthCheck),
            # The same cases in every run: a broken law is broken for everyone.
            derandomize=True,
            database=None,
        ),
    )


def assert_same_frames(found: list[Frame], expected: list[Frame]) -> None:
    """Equal in number, order, pictures, sound and labels, bit by bit."""
    assert [f.index for f in found] == list(range(len(expected)))
    for one, other in zip(found, expected, strict=True):
        assert one.index == other.index
        assert (one.idle, one.emotion) == (other.idle, other.emotion)
        assert one.audio.tobytes() == other.audio.tobytes()
        assert one.image.tobytes() == other.image.tobytes(), f"frame {one.index} differs"
