"""What a training says about itself: lines where nobody watches, bars on a terminal."""

from __future__ import annotations

import io

import pytest

from emogene.training.progress import RESUMED, TimeLeft, displayed, duration, lines


class Clock:
    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


def test_a_stage_is_begun_shown_every_minute_and_done() -> None:
    stream, clock = io.StringIO(), Clock()
    report = lines(stream, clock)
    report("hubert", 0.0, "preparing its data")
    for second in range(1, 150):
        clock.time = float(second)
        report("hubert", second / 200, f"step {second}, loss 0.5")
    report("hubert", 1.0, "step 200, loss 0.4")
    report("hubert", 1.0, "")
    assert stream.getvalue().splitlines() == [
        "hubert: begun",
        "hubert: 30 %, 2 min left, step 60, loss 0.5",
        "hubert: 60 %, 80 s left, step 120, loss 0.5",
        "hubert: done in 2 min",
    ]


def test_two_stages_have_clocks_of_their_own() -> None:
    stream, clock = io.StringIO(), Clock()
    report = lines(stream, clock)
    report("film", 0.0, "filming")
    clock.time = 50.0
    report("vae", 0.0, "")
    clock.time = 70.0
    report("film", 0.0, "filming")
    report("vae", 0.1, "step 3")
    assert stream.getvalue().splitlines() == ["film: begun", "vae: begun", "film: 0 %, filming"]


def test_a_resumed_stage_says_where_and_estimates_from_there() -> None:
    stream, clock = io.StringIO(), Clock()
    report = lines(stream, clock)
    report("head", 0.0, "preparing its data")
    clock.time = 30.0
    report("head", 0.5, f"{RESUMED} step 500")
    clock.time = 90.0
    report("head", 0.6, "step 600")
    assert stream.getvalue().splitlines() == [
        "head: begun",
        "head: goes on at step 500",
        "head: 60 %, 4 min left, step 600",
    ]


def test_nothing_is_estimated_from_nothing() -> None:
    clock = Clock()
    left = TimeLeft(clock)
    assert left.left(0.0) == left.left(0.5) == ""
    clock.time = 10.0
    assert left.left(0.5) == ""
    assert left.left(0.75) == "10 s left"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (99.4, "99 s"), (99.6, "2 min"), (3600, "60 min"), (7500, "2 h 05 min")],
)
def test_durations_are_short(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_bars_are_drawn_on_a_terminal() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    with displayed(stream) as report:
        report("torso", 0.25, "step 1, loss 0.5 [odd]")
        report("torso", 1.0, "")
    assert "torso" in stream.getvalue() and "100 %" in stream.getvalue()
