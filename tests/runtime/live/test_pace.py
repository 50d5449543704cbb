"""Consumers and producers that are too slow or too quick, and options that are refused."""

from __future__ import annotations

import numpy as np
import pytest

from emogene.contract.errors import BadAudio, BadOption, SessionMisuse
from emogene.runtime.live.inbox import MAX_CALLS
from emogene.runtime.live.options import PERIOD, LiveOptions

from .conftest import MakeStage
from .threads import in_a_thread, over, silence


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
