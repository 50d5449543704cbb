"""A session on a clock: when frames come, and what they show."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import emogene
from emogene import Frame
from emogene.contract.errors import BadOption, SessionMisuse
from emogene.runtime.live.driver import LiveDriver
from emogene.runtime.live.options import PERIOD, LiveOptions
from tests.patience import PATIENCE, eventually

from .conftest import MakeStage, OpenSession, Stage

DELAY = 9
"""Frames that the live profile looks ahead."""
IN_HAND = DELAY + 2
"""… and two for the jitter."""


def heard(frames: list[Frame]) -> NDArray[np.float32]:
    return np.concatenate([frame.audio for frame in frames])


def loud(samples: int, level: float = 0.25) -> NDArray[np.float32]:
    """Something that is told from filler by every sample."""
    return np.full(samples, level, np.float32)


def pulled(stage: Stage, count: int) -> list[Frame]:
    """Take ``count`` frames, each when it is due."""
    frames = []
    for _ in range(count):
        stage.tick()
        frame = stage.driver.pull(0)
        assert frame is not None
        frames.append(frame)
    return frames


def test_a_frame_every_40_ms_though_nobody_speaks(stage: MakeStage) -> None:
    here = stage()
    assert here.driver.pull(0) is None  # made ahead, but not due yet
    frames = pulled(here, 12)
    assert [f.index for f in frames] == list(range(12)) and all(f.idle for f in frames)
    assert not heard(frames).any()
    told = here.driver.metrics
    assert (told.frames, told.taken, told.queued) == (13, 12, 1)
    assert (told.late, told.dropped, told.slipped) == (0, 0, 0)
    assert told.filler == 12 + IN_HAND and told.first_frame_seconds is None
    assert told.session.frames == 13


def test_what_is_pushed_is_shown_after_the_sound_in_hand(stage: MakeStage) -> None:
    here = stage()
    here.driver.push(loud(64_000))
    frames = pulled(here, 20)
    first = int(np.argmax(heard(frames) != 0))
    assert first == IN_HAND * 640
    told = here.driver.metrics
    assert told.first_frame_seconds == pytest.approx((IN_HAND + 1) * PERIOD)
    assert told.backlog_seconds == pytest.approx(4 + (IN_HAND - 21) * PERIOD)


@pytest.mark.parametrize("phase", range(4))
def test_speech_that_comes_as_it_is_spoken_is_never_cut_by_filler(
    stage: MakeStage, phase: int
) -> None:
    here = stage()
    frames = pulled(here, phase)
    here.clock.advance(0.013)
    said = 0
    for _ in range(40):  # 20 ms pieces, like a telephone's
        here.driver.push(np.arange(said + 1, said + 321, dtype=np.float32) / 65536)
        said += 320
        here.clock.advance(PERIOD / 2)
        frame = here.driver.pull(0)
        if frame is not None:
            frames.append(frame)
            here.made(len(frames) + 1)
    sound = heard(frames)
    sound = sound[np.argmax(sound != 0) :]
    assert len(sound) > 5000
    np.testing.assert_array_equal(sound, np.arange(1, len(sound) + 1, dtype=np.float32) / 65536)


def test_a_gap_in_the_sound_is_filled_and_the_stream_goes_on(stage: MakeStage) -> None:
    here = stage()
    here.driver.push(loud(640 * 5))
    frames = pulled(here, 10)
    here.driver.push(loud(640 * 5, 0.5))
    frames += pulled(here, 25)
    sound = heard(frames)
    assert [int((sound == level).sum()) for level in (0.25, 0.5)] == [3200, 3200]
    assert [f.index for f in frames] == list(range(35))


def test_bytes_and_other_rates(stage: MakeStage, open_session: OpenSession) -> None:
    here = stage(session=open_session(sample_rate=48_000))
    tone = np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000)
    raw = (tone * 16_384).astype("<i2").tobytes()
    for start in range(0, len(raw), 777):  # in the middle of samples, too
        here.driver.push(raw[start : start + 777])
    frames = pulled(here, 40)
    sound = heard(frames)
    sound = sound[np.argmax(np.abs(sound) > 0.1) :][:12_000]
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    assert np.argmax(spectrum) == round(440 * len(sound) / 16_000)


def test_emotions_change_after_what_was_pushed(stage: MakeStage) -> None:
    here = stage()
    here.driver.push(loud(640 * 4))
    here.driver.set_emotion("happy", 0.5, over=0.2)
    here.driver.push(loud(640 * 4))
    frames = pulled(here, 20)
    change = IN_HAND + 4
    assert [f.emotion for f in frames] == ["neutral"] * change + ["happy"] * (20 - change)


def test_an_interruption_is_seen_within_two_frames(stage: MakeStage) -> None:
    here = stage()
    here.driver.push(loud(640 * 50))
    frames = pulled(here, 20)
    assert heard(frames)[-1] != 0
    here.driver.interrupt()
    here.driver.push(loud(640 * 4, 0.5))
    after = pulled(here, 20)
    assert heard(after[:1]).any() and not heard(after[1 : DELAY + 1]).any()
    assert (heard(after) == 0.5).sum() == 640 * 4
    assert here.driver.metrics.session.interrupts == 1


def test_the_end_of_the_input_is_the_end_of_the_stream(stage: MakeStage) -> None:
    here = stage()
    here.driver.push(loud(640 * 3 + 1))
    here.driver.end_input()
    frames = []
    while not here.driver.ended:
        here.clock.advance(PERIOD)
        frame = here.driver.pull(PERIOD / 4) if not here.driver.ended else None
        frames += [frame] if frame else []
    assert (heard(frames) == 0.25).sum() == 640 * 3 + 1
    assert here.driver.pull() is None and list(here.driver) == []
    with pytest.raises(emogene.BadInput, match=r"one whose input ended|a closed one"):
        here.driver.push(loud(1))


def test_a_profile_that_waits_for_the_end_is_refused(avatar: emogene.Avatar) -> None:
    with pytest.raises(BadOption, match='profile="live"'):
        LiveDriver(avatar.session(size=8))


@pytest.mark.parametrize("act", ["push", "set_emotion"])
def test_a_session_in_use_is_refused(open_session: OpenSession, act: str) -> None:
    session = open_session()
    getattr(session, act)(np.zeros(1, np.float32) if act == "push" else "sad")
    with pytest.raises(SessionMisuse, match="nothing was done with, found one in use"):
        LiveDriver(session)


def test_drivers_leave_no_thread_and_no_descriptor(
    open_session: OpenSession, tmp_path: Path
) -> None:
    def holds() -> tuple[int, int]:
        # A driver's threads are Python's; those of kernels and networks come when they are needed.
        return threading.active_count(), len(os.listdir("/proc/self/fd"))

    shown: list[Frame] = []
    for number in range(12):
        with LiveDriver(
            open_session(), log=tmp_path / str(number), on_frame=shown.append
        ) as driver:
            driver.push(np.zeros(1600, np.float32))
            eventually(lambda: len(shown) > 0)
        shown.clear()
        if number == 1:
            before = holds()
    eventually(lambda: all(now <= then for now, then in zip(holds(), before, strict=True)))


def test_async_iteration(open_session: OpenSession) -> None:
    async def take(driver: LiveDriver) -> list[int]:
        indices = []
        async for frame in driver:
            indices.append(frame.index)
            if len(indices) == 5:
                driver.end_input()
        return indices

    async def with_patience(driver: LiveDriver) -> list[int]:
        return await asyncio.wait_for(take(driver), PATIENCE)

    with LiveDriver(open_session()) as driver:
        indices = asyncio.run(with_patience(driver))
    assert indices == list(range(len(indices))) and 5 <= len(indices) <= 30


def test_a_cancelled_task_takes_no_frame_with_it(open_session: OpenSession) -> None:
    async def cancelled(driver: LiveDriver) -> None:
        async def wait() -> None:
            async for _ in driver:
                pass

        await asyncio.wait_for(wait(), 0.01)

    with LiveDriver(open_session(), LiveOptions(lead=0.04)) as driver:
        with pytest.raises((TimeoutError, asyncio.TimeoutError)):
            asyncio.run(cancelled(driver))
        frame = driver.pull(PATIENCE)
        assert frame is not None and frame.index == driver.metrics.taken - 1


def test_calls_from_many_threads_are_taken_in_whole(stage: MakeStage) -> None:
    here = stage(LiveOptions(backlog=60.0))

    def speak(level: int) -> None:
        for _ in range(50):
            here.driver.push(loud(160, level / 16))
            here.driver.set_emotion("sad", level / 16)

    threads = [threading.Thread(target=speak, args=(level,)) for level in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    sound = heard(pulled(here, 120))
    assert [int((sound == level / 16).sum()) for level in range(1, 9)] == [8000] * 8
    pieces = sound[IN_HAND * 640 :][: 8 * 8000].reshape(-1, 160)
    assert (pieces == pieces[:, :1]).all()  # no push was cut by another


def test_a_callback_is_given_every_frame(stage: MakeStage) -> None:
    given: list[int] = []
    here = stage(on_frame=lambda frame: given.append(frame.index))
    here.tick(8)
    eventually(lambda: len(given) == 8)
    here.driver.close()
    assert given == list(range(8))
