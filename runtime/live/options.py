"""What a driver is asked for, and what it counts."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from ...contract.errors import BadOption
from ...contract.units import FRAMES_PER_SECOND
from ..metrics import SessionMetrics

PERIOD = 1 / FRAMES_PER_SECOND
"""Seconds a frame is shown."""

LateRule = Literal["wait", "drop"]
FloodRule = Literal["refuse", "wait"]


@dataclass(frozen=True)
class LiveOptions:
    """How a session is put on a clock.

    Attributes:
        late: what happens when the consumer is late and the queue is full: ``"wait"`` stops the
            clock, so that no frame is lost; ``"drop"`` throws the oldest frame away and counts it.
        queue: frames made and not yet taken, at most.
        lead: a frame is begun this long before it is shown, seconds; what is pushed later than
            that comes with the next one.
        jitter: what is pushed may come this much late before silence is put in its place, seconds;
            so much sound is kept in hand, beyond what the profile needs.
        backlog: audio pushed and not yet shown, at most, seconds.
        flood: what `LiveDriver.push` does when there would be more: ``"refuse"`` it with an error,
            or ``"wait"`` for room.
        catch_up: frames that are late by no more than this are made up for, one right after the
            other, seconds; when they are later the clock is set back.

    Raises:
        BadOption: one of them is out of range.
    """

    late: LateRule = "wait"
    queue: int = 4
    lead: float = PERIOD
    jitter: float = 2 * PERIOD
    backlog: float = 30.0
    flood: FloodRule = "refuse"
    catch_up: float = 0.4

    def __post_init__(self) -> None:
        _one_of("late", self.late, ("wait", "drop"))
        _one_of("flood", self.flood, ("refuse", "wait"))
        _between("lead", self.lead, 0.0, 1.0)
        _between("jitter", self.jitter, 0.0, 2.0)
        _between("backlog", self.backlog, 0.1, 600.0)
        _between("catch_up", self.catch_up, 0.0, 10.0)
        least = 1 + math.ceil(self.lead / PERIOD)
        if not (type(self.queue) is int and least <= self.queue <= 1000):
            raise BadOption(
                "queue",
                expected=f"{least} … 1000 frames with a lead of {self.lead:g} s",
                found=str(self.queue),
            )


@dataclass(frozen=True)
class LiveMetrics:
    """What a driver counted since it began.

    Attributes:
        frames: made.
        taken: of them, by the consumer.
        dropped: of them, because the consumer was late.
        late: of them, ready after the moment they should have been shown.
        queued: made and not yet taken, now.
        filler: frames' worth of silence pushed because nothing else was there in time.
        slipped: frames' worth of time by which the clock was set back.
        backlog_seconds: audio pushed and not yet in a frame, now.
        first_frame_seconds: from the first push to the taking of the frame that plays its first
            sample; None before that.
        latency_seconds: the same for the frame taken last in which something pushed begins.
        session: the session's own counters, as of the last frame.
    """

    frames: int = 0
    taken: int = 0
    dropped: int = 0
    late: int = 0
    queued: int = 0
    filler: int = 0
    slipped: int = 0
    backlog_seconds: float = 0.0
    first_frame_seconds: float | None = None
    latency_seconds: float | None = None
    session: SessionMetrics = field(default_factory=SessionMetrics)


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise BadOption(name, expected=f"one of {', '.join(choices)}", found=repr(value))


def _between(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise BadOption(name, expected=f"{low:g} … {high:g} s", found=str(value))
