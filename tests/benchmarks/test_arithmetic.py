"""What the benchmarks compute from what they measure."""

from __future__ import annotations

import itertools
import time
from types import SimpleNamespace

import pytest
from benchmarks import timing
from benchmarks.machine import Peaks
from benchmarks.operations import (
    EXPONENTIAL,
    SIGMOID,
    Stage,
    floor_parts,
    frame_stages,
    reading_level,
)
from benchmarks.roofline import FrameCounts, Work, floor_ms, frame_work, reading
from benchmarks.timing import Stopwatch, Timing, in_turns

from emogene.contract.field import GridSpec
from emogene.kernels import instructions, peak
from emogene.reference.demo import demo_head, demo_torso

GFLOPS = {"avx512": 400.0, "avx512bf16": 800.0, "amx": 8000.0}
NEAR, WIDENED = ({name: rate for name in GFLOPS} for rate in (8.0, 40.0))
PEAKS = Peaks(2, GFLOPS, gloads=4.0, gathers=NEAR, gwidenings=WIDENED, memory_gbs=20.0)


def test_percentiles() -> None:
    time = Timing.of([i / 1000 for i in range(101)])
    assert (time.median, time.p95, time.p99, time.runs) == pytest.approx((50, 95, 99, 101))


def test_turns() -> None:
    order: list[str] = []
    names = {name: lambda name=name: order.append(name) for name in "abc"}
    times = in_turns(names, 0.0, least=2)
    assert order == list("abc" * 3)
    assert [times[name].runs for name in "abc"] == [2, 2, 2]


def test_slow_ones_run_less(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = itertools.count()
    monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=lambda: next(ticks)))
    times = in_turns({"slow": lambda: None, "quick": lambda: None}, 60.0, slow=("slow",))
    assert times["slow"].runs == 5 < times["quick"].runs


def test_stopwatch_leaves_out_waiting() -> None:
    watch = Stopwatch()
    with watch:
        time.sleep(0.2)
    assert watch.seconds < 0.1
    before = watch.seconds
    with watch:
        began = time.process_time()
        while time.process_time() < began + 0.01:
            pass
    assert watch.seconds > before + 0.0099


def test_reading_a_grid() -> None:
    grid = GridSpec.tiled("g", levels=3, base=4, finest=16, log2_size=10)
    # Eight corners of two features, which are four loads of an entry and its neighbour.
    assert reading((grid,)) == Work(reading=3 * 8 * 2, loads=3 * 4)


def test_work_of_the_demo_head() -> None:
    field, torso = demo_head().field, demo_torso().torso
    of_sample = frame_work(field, torso, FrameCounts(1, 0, 0))
    assert of_sample.network == 17 * 32 + 32 * 9
    assert of_sample.loads == 7 * 4 + 8  # seven levels, and the nodes of the displacement
    of_ray = frame_work(field, torso, FrameCounts(0, 1, 0))
    assert of_ray.network == 45 * 56 + 56 * 56 + 56 * 3
    of_pixel = frame_work(field, torso, FrameCounts(0, 0, 1))
    assert of_pixel.loads == 8 * 2
    whole = frame_work(field, torso, FrameCounts(3, 2, 1))
    assert whole == of_sample * 3 + of_ray * 2 + of_pixel


def test_floor() -> None:
    work = Work(network=4e9, reading=2e9, loads=8e8)
    assert floor_ms(work, "avx512", PEAKS) == pytest.approx(20 + 10 + 200)
    assert floor_ms(work, "avx512bf16", PEAKS) == pytest.approx(10 + 10 + 200)
    assert floor_ms(work, "amx", PEAKS) == pytest.approx(3 + 10 + 200)
    assert floor_ms(work, "amx", PEAKS, coarse=True) == pytest.approx(1 + 10 + 200)


def test_operations_of_a_level() -> None:
    # x, y, z: scale, truncate, convert back, subtract; two strides; three more corners; 1 - f twice
    # and four products; four corners of two features at two places along x; between those two.
    assert reading_level(3, 2) == Stage(12 + 4 + 3 + 6 + 16 + 4, loads=4, widened=16)
    assert reading_level(2, 2) == Stage(8 + 2 + 1 + 1 + 8 + 4, loads=2, widened=8)


def test_stages_add_up_and_agree_with_the_work() -> None:
    field, torso = demo_head().field, demo_torso().torso
    counts = FrameCounts(3, 2, 1, pulls=5)
    work, stages = frame_work(field, torso, counts), frame_stages(field, torso, counts)
    assert stages["networks"].products == work.network
    loads = stages["grids"].loads + stages["displacement"].loads
    assert loads == work.loads
    one = frame_stages(field, torso, FrameCounts(0, 0, 0, pulls=1))
    assert one["displacement"].operations == 3 + 4 + EXPONENTIAL + 1 + 3
    tiles = frame_stages(field, torso, counts, tiles=True)["networks"]
    coarse = frame_stages(field, torso, counts, tiles=True, coarse=True)["networks"]
    assert stages["networks"].operations < coarse.operations < tiles.operations
    pixel = frame_stages(field, torso, FrameCounts(0, 0, 1))["light and colour"]
    assert pixel.operations == 6 * (SIGMOID + 1) + 27


def test_parts_take_the_longer_of_loads_and_arithmetic() -> None:
    parts = {
        "far": Stage(operations=2e8, loads=8e9),
        "near": Stage(operations=4e9, loads=8e6, widened=4e8),
        "networks": Stage(products=4e9),
    }
    assert floor_parts(parts, "avx512", PEAKS) == pytest.approx(
        {"far": 1000, "near": 20 + 10, "networks": 20}
    )
    assert floor_parts(parts, "amx", PEAKS)["networks"] == pytest.approx(3)
    assert floor_parts(parts, "amx", PEAKS, coarse=True)["networks"] == pytest.approx(1)


@pytest.mark.parametrize("name", instructions.available())
def test_peaks_are_plausible(name: str) -> None:
    assert 1e8 < peak.multiply_adds_a_second(name, 1, 0.01) < 1e13


@pytest.mark.parametrize("name", instructions.available())
def test_gathers_and_widenings_are_plausible_or_none(name: str) -> None:
    gathers = peak.gathers_a_second(name, 1 << 14, 1, 0.01)
    widened = peak.widenings_a_second(name, 1, 0.01)
    if name == "baseline":
        assert gathers == widened == 0
    else:
        assert 1e7 < gathers < 1e11 and 1e8 < widened < 1e12


def test_loads_are_plausible() -> None:
    assert 1e7 < peak.loads_a_second(1 << 14, 1, 0.01) < 1e11
