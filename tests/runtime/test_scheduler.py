"""Whose frame comes next, and how many sessions there may be."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import emogene
from emogene.contract.errors import BadOption, SessionMisuse, TooManySessions
from emogene.runtime.live.driver import LiveDriver
from emogene.runtime.live.options import LiveOptions
from emogene.runtime.scheduler import Beats, FrameScheduler, LoadMeter
from tests.lawbook import assert_same_frames
from tests.patience import PATIENCE, eventually
from tests.runtime.live.fake_clock import FakeClock


def start(act: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    return thread


def over(*threads: threading.Thread) -> None:
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive(), "deadlock"


def queued(scheduler: FrameScheduler, deadlines: list[float | None]) -> list[int]:
    """Let one thread for each deadline wait behind a frame; the order they are admitted in."""
    order: list[int] = []

    def wait(number: int, deadline: float | None) -> None:
        with scheduler.turn(deadline):
            order.append(number)

    threads = []
    with scheduler.turn(0.0):
        for number, deadline in enumerate(deadlines):
            threads.append(start(lambda n=number, d=deadline: wait(n, d)))  # type: ignore[misc]
            eventually(lambda: len(scheduler._waiting) == len(threads))
    over(*threads)
    return order


def test_the_frame_that_is_due_first_comes_first() -> None:
    assert queued(FrameScheduler(1), [5.0, 3.0, 9.0, 1.0, 3.0]) == [3, 1, 4, 0, 2]


def test_files_come_after_live_frames_but_not_for_ever() -> None:
    clock = [100.0]
    scheduler = FrameScheduler(1, lambda: clock[0])
    assert queued(scheduler, [None, 100.5, None, 101.5]) == [1, 0, 2, 3]


def test_as_many_at_once_as_there_are_slots() -> None:
    scheduler, inside, most = FrameScheduler(2), [0], [0]
    lock = threading.Lock()

    def work() -> None:
        for _ in range(100):
            with scheduler.turn(0.0):
                with lock:
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                with lock:
                    inside[0] -= 1

    over(*[start(work) for _ in range(6)])
    assert most[0] <= 2 and inside == [0]


def test_closing_waits_for_frames_and_turns_the_others_away() -> None:
    scheduler, ended = FrameScheduler(1), []

    def wait() -> None:
        with pytest.raises(SessionMisuse, match="the avatar closed"), scheduler.turn(0.0):
            pass
        ended.append("turned away")

    with scheduler.turn(0.0), scheduler.aside():
        waiting = start(wait)
        eventually(lambda: len(scheduler._waiting) == 1)
        closing = start(scheduler.close)
        over(waiting)
        assert closing.is_alive()
    over(closing)
    with pytest.raises(SessionMisuse), scheduler.turn(0.0):
        pass
    with pytest.raises(SessionMisuse), scheduler.aside():
        pass
    scheduler.close()
    assert ended == ["turned away"]


def test_an_error_in_a_frame_frees_its_slot() -> None:
    scheduler = FrameScheduler(1)
    with pytest.raises(ZeroDivisionError), scheduler.turn(0.0):
        raise ZeroDivisionError
    with scheduler.turn(0.0):
        pass


def test_the_meter_trusts_what_it_has_seen_often() -> None:
    meter = LoadMeter(slots=2)
    for _ in range(LoadMeter.KNOWN - 1):
        meter.add(64, 0.01)
    assert meter.load([64]) is None
    meter.add(64, 0.01)
    assert meter.load([64]) == pytest.approx(0.01 * 25 / 2)
    assert meter.load([64] * 4) == pytest.approx(0.5) and meter.load([64, 128]) is None
    for _ in range(3000):
        meter.add(64, 0.03)
    assert meter.load([64]) == pytest.approx(0.03 * 25 / 2, rel=1e-3)  # it forgets


@pytest.fixture
def narrow(tiny_engines: Path) -> Iterator[emogene.Avatar]:
    """An avatar that takes two sessions."""
    with emogene.open(tiny_engines, threads=1, max_sessions=2) as opened:
        yield opened


def test_one_session_too_many_is_refused(narrow: emogene.Avatar) -> None:
    first, second = narrow.session(size=8), narrow.session(profile="live", size=8)
    with pytest.raises(TooManySessions, match=r"fewer than 2 open, found 2 .* larger max_sessions"):
        narrow.session(size=8)
    first.close()
    assert narrow.sessions == 1
    third = narrow.session(size=8)
    del third  # forgotten without being closed
    eventually(lambda: narrow.sessions == 1)
    second.close()
    frames = narrow.render(np.zeros(1280, np.float32), size=8)
    next(frames)
    assert narrow.sessions == 1
    assert len(list(frames)) == 1 and narrow.sessions == 0


def test_a_session_that_would_slow_all_down_is_refused(tiny_engines: Path) -> None:
    with emogene.open(tiny_engines, threads=1, max_sessions="auto") as avatar:
        sessions = [avatar.session(profile="live", size=8)]  # nothing is known yet
        for _ in range(LoadMeter.KNOWN):
            avatar._meter.add(8, 0.35 / 25)
        sessions.append(avatar.session(profile="live", size=8))
        with pytest.raises(TooManySessions, match="at most 90% of the time, found 105% with this"):
            avatar.session(profile="live", size=8)
        sessions.append(avatar.session(size=8))  # a file waits for its turn
        sessions[0].close()
        avatar.session(profile="live", size=8)


def test_a_file_is_no_live_session_whatever_its_profile(
    tiny_engines: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its frames come when there is time, and it is not refused for the time they take."""
    with emogene.open(tiny_engines, threads=1, max_sessions="auto") as avatar:
        deadlines: list[float | None] = []
        turn = avatar._scheduler.turn

        def watched(deadline: float | None = None) -> object:
            deadlines.append(deadline)
            return turn(deadline)

        monkeypatch.setattr(avatar._scheduler, "turn", watched)
        with avatar.session(profile="live", size=8) as live:
            live.push(np.zeros(12_800, np.float32))
            assert live.pull() is not None and deadlines.pop() is not None
            for _ in range(1000):
                avatar._meter.add(8, 0.6 / 25)
            with pytest.raises(TooManySessions, match="found 120% with this one beside 1"):
                avatar.session(profile="live", size=8)
            frames = list(avatar.render(np.zeros(12_800, np.float32), profile="live", size=8))
            assert len(frames) == len(deadlines) == 20 and set(deadlines) == {None}


@pytest.mark.parametrize("limit", [0, -1, 1.5, "many", True])
def test_limits_that_are_none(tiny_engines: Path, limit: object) -> None:
    with pytest.raises(BadOption, match="max_sessions"):
        emogene.open(tiny_engines, max_sessions=limit)  # type: ignore[arg-type]


def test_live_frames_are_measured(avatar: emogene.Avatar) -> None:
    with avatar.session(profile="live", size=24) as session:
        session.push(np.zeros(640 * 60, np.float32))
        frames = list(session)
        load = avatar._meter.load([24])
        assert load is not None and 0 < load < 10
        assert session.metrics.waited_seconds >= 0 and session.metrics.frames == len(frames)


def test_sessions_that_pull_as_fast_as_they_can_get_the_same(
    avatar: emogene.Avatar, speech: NDArray[np.float32]
) -> None:
    """Eight sessions, one of them greedy with two threads' worth of calls, by counts."""
    counts: Counter[int] = Counter()
    ready, stop = threading.Barrier(8), threading.Event()

    def pull(number: int) -> None:
        with avatar.session(profile="live", size=8, seed=number) as session:
            ready.wait(PATIENCE)
            while not stop.is_set():
                while not session.ready:
                    session.push(speech[:640])
                session.pull()
                counts[number] += 1
                if sum(counts.values()) >= 800:
                    stop.set()

    over(*[start(lambda n=number: pull(n)) for number in range(8)])  # type: ignore[misc]
    assert min(counts.values()) > 0.5 * max(counts.values()), counts


class Someone:
    pass


def test_beats_are_spread_over_their_period() -> None:
    beats, them = Beats(), [Someone() for _ in range(8)]
    begun = [beats.begin(someone, 1000.0, 0.16) for someone in them]
    assert begun[0] == 1000.0 and all(1000.0 <= moment < 1000.16 for moment in begun)
    phases = sorted(moment % 0.16 for moment in begun)
    assert np.diff(phases) == pytest.approx([0.02] * 7)
    beats.end(them[3])
    beats.end(them[3])
    freed = begun[3] % 0.16
    assert beats.begin(Someone(), 2000.05, 0.16) % 0.16 == pytest.approx(freed)
    del them[:]
    assert beats.begin(Someone(), 3000.0, 0.16) == 3000.0  # nobody is there any more


def test_eight_drivers_on_one_clock_all_keep_the_time(avatar: emogene.Avatar) -> None:
    clock = FakeClock()
    drivers = [
        LiveDriver(
            avatar.session(profile="live", size=8, seed=k), LiveOptions(late="drop"), clock=clock
        )
        for k in range(8)
    ]
    steps = 240  # of 5 ms; the last driver begins within 160 ms
    for step in range(steps):
        clock.advance(0.005)
        eventually(lambda: all(d.metrics.frames >= (step - 33) // 8 for d in drivers))  # noqa: B023
    counts = [driver.metrics.frames for driver in drivers]
    for driver in drivers:
        driver.close()
    assert max(counts) <= 1 + steps // 8 and min(counts) >= (steps - 34) // 8, counts
    assert {d.metrics.slipped for d in drivers} == {0}


def test_sessions_side_by_side_give_the_frames_they_give_alone(
    avatar: emogene.Avatar, speech: NDArray[np.float32]
) -> None:
    def frames(seed: int) -> list[emogene.Frame]:
        with avatar.session("happy", seed=seed, profile="live", size=16) as session:
            session.push(speech[: 640 * 60])
            return list(session)

    alone = [frames(seed) for seed in range(4)]
    together: dict[int, list[emogene.Frame]] = {}
    threads = [start(lambda s=s: together.update({s: frames(s)})) for s in range(4)]  # type: ignore[misc]
    over(*threads)
    for seed in range(4):
        assert_same_frames(together[seed], alone[seed])
