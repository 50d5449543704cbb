"""Everything that can go wrong with a live session has a defined end, and none is a deadlock."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import pytest

import emogene
from emogene import Frame, Session
from emogene.contract.errors import BadOutput, SessionMisuse
from emogene.runtime.live import driver as driver_module
from emogene.runtime.live.driver import LiveDriver
from emogene.runtime.live.options import PERIOD
from tests.patience import PATIENCE, eventually

from .conftest import MakeStage, OpenSession
from .threads import in_a_thread, over, silence


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
