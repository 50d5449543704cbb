"""Everything that can go wrong with a live session has a defined end, and none is a deadlock."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import emogene
from emogene import Frame, Session
from emogene.contract.errors import BadAudio, BadOption, BadOutput, SessionMisuse
from emogene.runtime.live import driver as driver_module
from emogene.runtime.live.driver import LiveDriver
from emogene.runtime.live.inbox import MAX_CALLS
from emogene.runtime.live.options import PERIOD, LiveOptions
from tests.patience import PATIENCE, eventually

from .conftest import Stage

MakeStage = Callable[..., Stage]
OpenSession = Callable[..., Session]


def silence(seconds: float) -> NDArray[np.float32]:
    return np.zeros(round(seconds * 16_000), np.float32)


def in_a_thread(act: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    """Run ``act``; the list gets what it returns, or the exception it raises."""
    results: list[object] = []

    def run() -> None:
        try:
            results.append(act())
        except BaseException as error:
            results.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, results


def over(thread: threading.Thread) -> None:
    thread.join(PATIENCE)
    assert not thread.is_alive(), "deadlock"


class Gate:
    """Holds a session in the middle of a frame until it is opened."""

    def __init__(self, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()
        renderer = session._parts.renderer
        render = type(renderer).render

        def held(*arguments: object) -> object:
            self.reached.set()
            assert self.opened.wait(PATIENCE)
            return render(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(type(renderer), "render", held)


def test_a_consumer_that_stops_reading_stops_the_clock(stage: MakeStage) -> None:
    here = stage(LiveOptions(late="wait", queue=3))
    here.tick(2)
    here.clock.advance(97.5 * PERIOD)
    taken = [here.driver.pull(0) for _ in range(3)]
    here.made(4)  # the next one at once, then again one every 40 ms
    here.tick()
    taken += [here.driver.pull(0), here.driver.pull(0)]
    assert [f.index for f in taken if f] == [0, 1, 2, 3]
    told = here.driver.metrics
    assert (told.dropped, told.slipped, told.queued) == (0, 96, 1)


def test_or_the_oldest_frames_are_dropped_and_counted(stage: MakeStage) -> None:
    here = stage(LiveOptions(late="drop", queue=3))
    here.tick(20)
    told = here.driver.metrics
    assert (told.frames, told.dropped, told.queued, told.slipped) == (21, 18, 3, 0)
    assert [here.driver.pull(0).index for _ in range(2)] == [18, 19]  # type: ignore[union-attr]
    assert here.driver.pull(0) is None  # the last one is not due yet


def test_a_little_lateness_is_made_up_for(stage: MakeStage) -> None:
    here = stage(LiveOptions(queue=20))
    here.clock.advance(10.5 * PERIOD)  # a machine that was busy elsewhere
    here.made(11)
    told = here.driver.metrics
    assert (told.slipped, told.late) == (0, 9)  # the last one was begun in time


def test_a_producer_that_floods_is_refused(stage: MakeStage) -> None:
    here = stage(LiveOptions(backlog=2.0))
    for _ in range(4):
        here.driver.push(silence(0.4))
    with pytest.raises(SessionMisuse, match=r"at most 2 s of sound not yet shown, found 2.* s"):
        here.driver.push(silence(0.5))
    with pytest.raises(SessionMisuse):
        here.driver.push(silence(2.1))
    here.tick(2)
    for _ in range(MAX_CALLS):
        here.driver.set_emotion("sad")
    with pytest.raises(SessionMisuse, match="calls between two frames, found more"):
        here.driver.interrupt()
    here.tick()
    here.driver.interrupt()


def test_or_waits_for_room(stage: MakeStage) -> None:
    here = stage(LiveOptions(backlog=1.0, flood="wait"))
    here.driver.push(silence(0.5))
    thread, results = in_a_thread(lambda: here.driver.push(silence(0.4)))
    for _ in range(50):
        if results:
            break
        here.tick()
        here.driver.pull(0)
    over(thread)
    assert results == [None] and here.driver.metrics.frames > 2
    with pytest.raises(SessionMisuse, match="small pieces"):
        here.driver.push(silence(1.1))  # would wait for ever


def test_who_waits_for_room_is_told_of_the_end(stage: MakeStage) -> None:
    here = stage(LiveOptions(backlog=0.6, flood="wait"))
    here.driver.push(silence(0.1))
    thread, results = in_a_thread(lambda: here.driver.push(silence(0.5)))
    here.driver.close()
    over(thread)
    assert isinstance(results[0], SessionMisuse) and "a closed one" in str(results[0])


def test_what_is_wrong_is_said_at_once_and_nothing_of_it_taken(stage: MakeStage) -> None:
    here = stage()
    with pytest.raises(BadAudio, match="nan"):
        here.driver.push(np.array([0.0, np.nan], np.float32))
    with pytest.raises(BadAudio):
        here.driver.push([0.0])  # type: ignore[arg-type]
    with pytest.raises(BadOption, match="did you mean 'happy'"):
        here.driver.set_emotion("hapy")
    with pytest.raises(BadOption):
        here.driver.set_emotion("happy", 3.0)
    with pytest.raises(BadOption):
        here.driver.set_emotion("happy", over=-1.0)
    here.tick(2)
    assert here.driver.metrics.backlog_seconds < 0.5


def test_closed_in_the_middle_of_a_frame(
    open_session: OpenSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = open_session()
    gate = Gate(session, monkeypatch)
    driver = LiveDriver(session)
    assert gate.reached.wait(PATIENCE)
    waiting, _ = in_a_thread(driver.pull)
    closing, _ = in_a_thread(driver.close)
    closing.join(0.05)
    assert closing.is_alive()  # the frame is finished first
    gate.opened.set()
    over(closing)
    over(waiting)
    assert driver.ended and driver.pull() is None
    with pytest.raises(SessionMisuse):
        session.pull()
    driver.close()


def test_a_session_without_a_driver_closed_in_the_middle_of_a_frame(
    open_session: OpenSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = open_session()
    session.push(silence(1.0))
    gate = Gate(session, monkeypatch)
    pulling, pulled = in_a_thread(session.pull)
    assert gate.reached.wait(PATIENCE)
    closing, _ = in_a_thread(session.close)
    closing.join(0.05)
    assert closing.is_alive()  # the frame is finished first
    gate.opened.set()
    over(closing)
    over(pulling)
    assert isinstance(pulled[0], Frame)
    with pytest.raises(SessionMisuse, match="found a closed one"):
        session.pull()


def test_a_session_that_is_closed_by_someone_else_ends_its_driver(stage: MakeStage) -> None:
    here = stage()
    session = here.driver._worker._recorder._session
    session.close()
    here.clock.advance(PERIOD)
    assert here.driver.pull(PATIENCE) is not None  # what was made is still shown
    with pytest.raises(SessionMisuse, match="an open session"):
        here.driver.pull(PATIENCE)
    assert here.driver.pull() is None and here.driver.ended


def test_an_avatar_closed_with_live_sessions(
    tiny_engines: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    avatar = emogene.open(tiny_engines, threads=1)
    drivers = [LiveDriver(avatar.session(profile="live", size=8, seed=k)) for k in range(3)]
    for driver in drivers:
        assert driver.pull(PATIENCE) is not None
    closing, results = in_a_thread(avatar.close)
    over(closing)
    assert results == [None]
    for driver in drivers:
        with pytest.raises(SessionMisuse, match="its avatar open"):
            for _ in driver:
                pass
        driver.close()
    with pytest.raises(SessionMisuse):
        avatar.session()


class Mistake(Exception):
    pass


def test_an_exception_in_a_callback_ends_the_driver(stage: MakeStage) -> None:
    def wrong(frame: Frame) -> None:
        raise Mistake

    here = stage(on_frame=wrong)
    here.clock.advance(PERIOD)
    eventually(lambda: here.driver._queue._closed)
    with pytest.raises(Mistake):
        here.driver.push(silence(0.1))
    with pytest.raises(SessionMisuse):  # told once; from then on it is simply closed
        here.driver.push(silence(0.1))
    here.driver.close()


def test_close_tells_what_nobody_was_told(stage: MakeStage) -> None:
    def wrong(frame: Frame) -> None:
        raise Mistake

    here = stage(on_frame=wrong)
    here.clock.advance(PERIOD)
    eventually(lambda: here.driver._queue._closed)
    with pytest.raises(Mistake):
        here.driver.close()
    here.driver.close()


def test_an_error_inside_the_block_is_not_replaced(open_session: OpenSession) -> None:
    def wrong(frame: Frame) -> None:
        raise Mistake

    with (
        pytest.raises(ZeroDivisionError),
        LiveDriver(open_session(), on_frame=wrong) as driver,
    ):
        eventually(lambda: driver._queue._closed)
        raise ZeroDivisionError


def test_a_callback_may_close_its_driver(stage: MakeStage) -> None:
    holder: list[LiveDriver] = []
    closed = threading.Event()

    def close(frame: Frame) -> None:
        holder[0].close()
        closed.set()

    here = stage(on_frame=close)
    holder.append(here.driver)
    here.clock.advance(PERIOD)
    assert closed.wait(PATIENCE) and here.driver.ended


def test_a_callback_that_never_returns_does_not_hold_up_closing(
    stage: MakeStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver_module, "CLOSING_SECONDS", 0.05)
    inside, release = threading.Event(), threading.Event()

    def stuck(frame: Frame) -> None:
        inside.set()
        release.wait(PATIENCE)

    here = stage(on_frame=stuck)
    here.clock.advance(PERIOD)
    assert inside.wait(PATIENCE)
    closing, results = in_a_thread(here.driver.close)
    over(closing)
    assert results == [None]
    release.set()


def test_a_log_on_a_full_disk_ends_the_driver(stage: MakeStage, tmp_path: Path) -> None:
    here = stage(log=tmp_path / "log")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    here.driver._worker._recorder._log._events.write = full  # type: ignore[union-attr]
    here.driver.flush()
    here.clock.advance(PERIOD)
    eventually(lambda: here.driver._queue._ended)
    with pytest.raises(BadOutput, match=r"log: .*no space left on the disk"):
        here.driver.close()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"late": "never"}, "late: expected one of wait, drop, found 'never'"),
        ({"flood": ""}, "flood: expected one of refuse, wait"),
        ({"queue": 1}, "queue: expected 2 … 1000 frames with a lead of 0.04 s, found 1"),
        ({"queue": 4, "lead": 0.2}, "queue: expected 6 …"),
        ({"queue": 2.0}, "queue"),
        ({"backlog": 0.0}, "backlog: expected 0.1 … 600 s"),
        ({"jitter": float("nan")}, "jitter"),
        ({"catch_up": -1.0}, "catch_up"),
    ],
)
def test_options_that_are_refused(options: dict[str, object], expected: str) -> None:
    with pytest.raises(BadOption) as refused:
        LiveOptions(**options)  # type: ignore[arg-type]
    assert expected in str(refused.value)
