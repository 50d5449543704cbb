"""The benchmark of long and many live sessions, on the tiny avatar."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from benchmarks import endless as endless_module
from benchmarks.endless import lag, slope_after
from benchmarks.soak import app

from emogene.runtime.command_line import exit_code


def test_slope() -> None:
    moments = [(t, 900.0 - t if t < 5 else 100.0 + 0.5 * t) for t in np.arange(0, 20, 0.5)]
    assert slope_after(moments, 5.0) == pytest.approx(0.5)
    assert slope_after(moments[:1], 0.0) == 0.0


@pytest.mark.parametrize("behind", [-3, 0, 5])
def test_lips_are_found_before_and_behind_their_sound(behind: int) -> None:
    loud = np.random.default_rng(1).random(200)
    moved = np.roll(loud, behind) + 0.3 * np.random.default_rng(2).random(200)
    assert lag(moved, loud) == behind


def test_everything_is_measured(
    tiny_engines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = itertools.count(0.0, 0.01)  # a frame of the endless session every 10 ms
    clock = SimpleNamespace(perf_counter=lambda: next(moments))
    monkeypatch.setattr(endless_module, "time", clock)
    result = tmp_path / "soak.json"
    arguments = [
        *("--engine-dir", str(tiny_engines), "--minutes", "0.02", "--warm-up", "0.2"),
        *("--seconds", "0.5", "--size", "8", "--sessions", "4", "-o", str(result)),
    ]
    assert exit_code(app, arguments) == 0
    told = json.loads(result.read_text())
    endless = told["endless"]
    assert endless["frames"] == 120 and endless["misplaced"] == 0
    # At most twice the 58 frames that a hop hears: forgetting waits until half can go.
    assert endless["held_seconds"] < 5
    # What earlier tests forgot may be closed meanwhile.
    assert endless["files"][0] >= endless["files"][1] and len(endless["resident"]) > 2
    assert [row["sessions"] for row in told["full_speed"]] == [1, 4]
    assert told["full_speed"][1]["fewest"] > 0
    assert [(row["sessions"], row["beside_a_file"]) for row in told["real_time"]] == [
        (1, False), (4, False), (2, True),
    ]  # fmt: skip
    assert told["real_time"][2]["file_frames"] > 0
