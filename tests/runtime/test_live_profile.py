"""The live profile: what a person at the other end sees, of the avatar that ships."""

from __future__ import annotations

import gc
import itertools
import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest
from benchmarks.recorded import Moment, WatchedAvatar
from numpy.typing import NDArray

import emogene
from emogene.contract.data import Frame
from emogene.contract.landmarks import (
    LOWER_LIDS,
    LOWER_LIP_CENTRE,
    MOUTH,
    UPPER_LIDS,
    UPPER_LIP_CENTRE,
)
from emogene.contract.units import FRAMES_PER_SECOND, SAMPLE_RATE, SAMPLES_PER_FRAME, frames_of
from emogene.contract.weights import POSES
from emogene.runtime.loading import load_engine_directory
from emogene.runtime.poses.glide import GlideSpeed
from emogene.runtime.poses.rotation import angle_between
from emogene.runtime.profiles import LIVE, OFFLINE, OVERHANG
from emogene.runtime.session import Session
from tests.speech import spoken

Samples = NDArray[np.float32]
Float32 = NDArray[np.float32]

PIXELS = 512 / 3.65
"""Pixels of a 512² picture in a head unit, where the head stands."""

SILENCE = np.zeros(3 * SAMPLE_RATE, np.float32)


class Watched(WatchedAvatar):
    """The built-in avatar, whose pictures are not painted."""

    def moments(self) -> list[Moment]:
        """Everything the last session's pictures were to be painted from."""
        assert self.watched is not None
        return self.watched.moments

    def faces(self) -> Float32:
        """(F, 68, 3) of the last session."""
        return np.concatenate([moment.condition.landmarks for moment in self.moments()])

    def poses(self) -> NDArray[np.float64]:
        """(F, 3, 4) of the last session."""
        return np.stack([moment.pose for moment in self.moments()]).astype(np.float64)


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    loaded = load_engine_directory(None, 1)
    with Watched(loaded, 1, paint=False) as avatar:
        yield avatar


def live(avatar: Watched, seed: int = 0) -> Session:
    return avatar.session(seed=seed, profile="live", size=2)


@pytest.fixture(scope="module")
def rest(watched: Watched) -> float:
    """Opening of the mouth, pixels, where nothing was ever said."""
    with live(watched) as session:
        session.push(SILENCE)
        session.flush()
        list(session)
    return float(np.median(mouth_opening(watched.faces())))


def mouth_opening(faces: Float32) -> Float32:
    """(F,) pixels between the inner lips."""
    apart = faces[:, UPPER_LIP_CENTRE] - faces[:, LOWER_LIP_CENTRE]
    return PIXELS * np.linalg.norm(apart, axis=-1)


def mouth_steps(faces: Float32) -> Float32:
    """(F - 1,) mean pixels that the mouth's points move from frame to frame."""
    return PIXELS * np.linalg.norm(np.diff(faces[:, MOUTH], axis=0), axis=-1).mean(-1)


def turns_and_shifts(poses: NDArray[np.float64]) -> tuple[NDArray, NDArray]:
    """Radians and head units from pose to pose."""
    turns = [angle_between(b[:, :3], a[:, :3]) for a, b in itertools.pairwise(poses)]
    return np.array(turns), np.linalg.norm(np.diff(poses[:, :, 3], axis=0), axis=1)


def test_frames_come_as_soon_as_was_declared_and_no_sooner(
    avatar: emogene.Avatar, speech: Samples
) -> None:
    assert LIVE.lookahead is not None and LIVE.delay is not None
    for frame in (0, 3, 4, 7, 8):
        needed = LIVE.heard(frame // LIVE.hop)
        last = (frame // LIVE.hop + 1) * LIVE.hop + LIVE.lookahead
        assert needed == last * SAMPLES_PER_FRAME + OVERHANG
        with avatar.session(profile="live", size=16) as session:
            session.push(speech[: needed - 1])
            assert len(list(session)) == frame // LIVE.hop * LIVE.hop
            session.push(speech[needed - 1 : needed])
            assert session.ready == LIVE.hop
            assert [f.index for f in session][-1] >= frame
        # In any case, whatever its place in a hop.
        assert needed <= (frame + LIVE.delay) * SAMPLES_PER_FRAME


def test_sound_and_clock_of_a_stream_that_is_never_flushed(
    avatar: emogene.Avatar, speech: Samples
) -> None:
    frames: list[Frame] = []
    with avatar.session(profile="live", size=16) as session:
        for start in range(0, len(speech), 333):
            session.push(speech[start : start + 333])
            frames += session
    played = np.concatenate([f.audio for f in frames])
    np.testing.assert_array_equal(played, speech[: len(played)])
    assert LIVE.delay is not None
    assert frames_of(len(speech)) - LIVE.delay <= len(frames) == frames[-1].index + 1


def test_the_head_never_jumps_between_speech_and_idle(watched: Watched) -> None:
    filmed = turns_and_shifts(watched._loaded.weights[POSES].astype(np.float64))
    # A glide from one track to the other adds at most its own speed to the track's movement.
    speed = GlideSpeed()
    most = filmed[0].max() + speed.rotation, filmed[1].max() + speed.translation
    for seed in range(3):
        with live(watched, seed) as session:
            frames: list[Frame] = []
            for sound in (SILENCE, spoken(), SILENCE, spoken()[:20_000], SILENCE, spoken()):
                session.push(sound)
                frames += session
            session.interrupt()
            session.push(np.concatenate([spoken(), SILENCE]))
            session.flush()
            session.push(spoken())
            session.flush()
            frames += session
        idle = [frame.idle for frame in frames]
        changes = [(a, b) for a, b in itertools.pairwise(idle) if a != b]
        assert changes.count((True, False)) >= 4 and changes.count((False, True)) >= 3
        turns, shifts = turns_and_shifts(watched.poses())
        assert turns.max() <= most[0] + 1e-5 and shifts.max() <= most[1] + 1e-5


def test_the_mouth_is_closed_and_the_eyes_blink_when_nobody_speaks(
    watched: Watched, rest: float
) -> None:
    with live(watched) as session:
        session.push(np.concatenate([spoken(), np.zeros(12 * SAMPLE_RATE, np.float32), spoken()]))
        session.flush()
        idle = np.array([frame.idle for frame in session])
    faces = watched.faces()
    opening = mouth_opening(faces)
    begin, end = frames_of(len(spoken())), len(faces) - frames_of(len(spoken()))
    # What is said dies away within half a second, and lips part a little before the first sound.
    quiet = slice(begin + FRAMES_PER_SECOND // 2, end - LIVE.hop)
    assert idle[quiet].all()
    assert opening[:begin].max() > rest + 15
    assert np.abs(opening[quiet] - rest).max() < 2
    lids = faces[:, list(UPPER_LIDS)] - faces[:, list(LOWER_LIDS)]
    eyes = np.linalg.norm(lids, axis=-1).mean(-1)[quiet]
    blinks = np.diff((eyes < 0.5 * np.median(eyes)).astype(int)) == 1
    assert 2 <= blinks.sum() <= 12  # in 12 s


def test_an_interrupt_is_heard_at_once_seen_at_once_and_smooth(
    watched: Watched, rest: float
) -> None:
    words = np.tile(spoken(), 2)
    with live(watched) as session:
        session.push(words)
        session.flush()
        list(session)
    plain = watched.faces()
    usual = mouth_steps(plain).max()
    ahead = np.lib.stride_tricks.sliding_window_view(mouth_opening(plain), 4).min(-1)
    for place in np.argsort(-ahead)[[0, 5, 10, 15]]:  # where the mouth stays wide open
        with live(watched) as session:
            session.push(words)
            for _ in range(place):
                session.pull()
            dropped = session.interrupt()
            assert dropped == pytest.approx((len(words) - place * SAMPLES_PER_FRAME) / SAMPLE_RATE)
            after = [session.pull()]  # without another push
            session.push(SILENCE)
            after += session
        assert not any(frame is None or frame.audio.any() for frame in after)
        assert [frame.index for frame in after if frame] == list(range(place, place + len(after)))
        faces = watched.faces()
        assert mouth_steps(faces).max() <= 1.2 * usual
        apart = np.linalg.norm(faces[place:, MOUTH][:2] - plain[place:, MOUTH][:2], axis=-1)
        assert PIXELS * apart.mean(-1).max() > 0.5, "not seen within two frames"
        assert np.abs(mouth_opening(faces[place + LIVE.blend :]) - rest).max() < 2


def test_an_utterance_glides_out_of_the_one_before(watched: Watched) -> None:
    with live(watched) as session:
        for word in (spoken()[: 12 * SAMPLES_PER_FRAME], spoken()[20_000:], spoken("Oh!")):
            session.push(word)
            session.flush()
        list(session)
    with_glides = mouth_steps(watched.faces()).max()
    with live(watched) as session:
        session.push(np.tile(spoken(), 2))
        session.flush()
        list(session)
    assert with_glides <= 1.2 * mouth_steps(watched.faces()).max()


def test_live_faces_stay_near_the_offline_ones(watched: Watched) -> None:
    faces, poses = {}, {}
    for profile in (LIVE, OFFLINE):
        sound = np.concatenate([SILENCE, spoken(), SILENCE, spoken(voice="en-us+f3")])
        for _ in watched.render(sound, "happy", profile=profile, size=2):
            pass
        faces[profile.name], poses[profile.name] = watched.faces(), watched.poses()
    apart = PIXELS * np.linalg.norm(faces["live"] - faces["offline"], axis=-1)
    assert 0 < apart.mean() <= 0.5
    np.testing.assert_array_equal(poses["live"], poses["offline"])


def test_an_endless_stream_takes_no_more_and_no_more_memory(watched: Watched) -> None:
    """Never flushed, of changing emotion: what is kept after two minutes was kept after one."""
    sound = np.concatenate([spoken(), SILENCE])
    kept: list[int] = []
    with live(watched) as session:
        tracemalloc.start()
        try:
            for minute in range(4):
                for part in range(8):
                    session.set_emotion(("sad", "happy")[part % 2], over=0.5)
                    for start in range(0, len(sound) - 1, 4096):
                        session.push(sound[start : start + 4096])
                        for _ in session:
                            pass
                        watched.moments().clear()
                    assert session.metrics.held_seconds < 5
                gc.collect()
                kept.append(tracemalloc.get_traced_memory()[0])
                assert minute or session.metrics.frames > 1000
        finally:
            tracemalloc.stop()
    assert abs(kept[-1] - kept[1]) < 100_000, kept
