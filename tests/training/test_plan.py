"""What the demo will take, and the summary of what it took."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from emogene.contract.errors import BadOutput
from emogene.training import stages
from emogene.training.config import read_config
from emogene.training.demo.footage import FootageConfig
from emogene.training.demo.overview import begin
from emogene.training.demo.plan import bytes_needed, frames_filmed, minutes_in_all, plan
from emogene.training.demo.recipe import CHAINS, STAGES, TRAININGS, DemoConfig
from emogene.training.demo.summary import HEADLINES, summarise, table, write_summary
from emogene.training.loop import LoopConfig
from emogene.training.stages import TIME, TRAINERS, timed


def test_the_demo_keeps_its_promise() -> None:
    """No stage takes more than 45 minutes, all of them 150 on two cores."""
    stages = plan(DemoConfig())
    assert [one.stage for one in stages] == list(STAGES)
    for one in stages:
        assert one.minutes is not None and one.minutes <= 45, one.stage
    total = minutes_in_all(stages)
    assert total is not None and total <= 150
    longest = max(sum(one.minutes or 0 for one in stages if one.chain == chain) for chain in CHAINS)
    assert total == pytest.approx(longest)


def test_what_is_done_is_not_planned() -> None:
    rest = plan(DemoConfig(), done=("hubert", "film"))
    assert {one.stage for one in rest} == set(STAGES) - {"hubert", "film"}
    assert minutes_in_all(plan(DemoConfig(), done=STAGES)) == 0.0


def test_a_budget_in_steps_has_no_minutes() -> None:
    config = DemoConfig()
    config = replace(config, torso=replace(config.torso, loop=LoopConfig(steps=5)))
    assert {one.stage: one.minutes for one in plan(config)}["torso"] is None
    assert minutes_in_all(plan(config)) is None


def test_room_and_time_grow_with_the_film() -> None:
    small = FootageConfig(size=128, takes=2, held_out_takes=1, take_frames=10, every=3)
    assert frames_filmed(small) == 2 * 4 + 8
    larger = replace(small, size=256)
    room = [bytes_needed(replace(DemoConfig(), footage=one)) for one in (small, larger)]
    assert room[1] - room[0] == 16 * (256**2 - 128**2) * 9


def test_every_stage_is_summarised(tmp_path: Path) -> None:
    assert set(HEADLINES) == set(STAGES)
    assert set(TRAINERS) == set(TRAININGS)
    for stage in ("head", "film", "vae"):
        (tmp_path / stage).mkdir()
    (tmp_path / "head" / TIME).write_text('{"wall_s": 1230.0, "cpu_s": 1200.0}')
    report = {"steps": 10, "head_db": 34.25, "mouth_db": 29.5, "samples": 3.125}
    (tmp_path / "head" / "report.json").write_text(json.dumps(report))
    said = write_summary(tmp_path, DemoConfig())
    assert list(said["stages"]) == ["vae", "film", "head"]
    assert said == json.loads((tmp_path / "summary.json").read_text())
    assert said["stages"]["head"]["report"] == report
    *_, head = table(said)
    assert head[2:] == ("20.5", "20.0", "head dB 34.2, mouth dB 29.5, samples a ray 3.12")
    lines = (tmp_path / "summary.md").read_text().splitlines()
    assert len(lines) == 2 + 3 and lines[-1].startswith("| head | ")


def test_figures_are_found_below_keys_with_points(tmp_path: Path) -> None:
    (tmp_path / "vae").mkdir()
    inside = {"mouth_error_ratio": 0.33, "opening_correlation": 0.9}
    (tmp_path / "vae" / "report.json").write_text(json.dumps({"held_out_t0.0": inside}))
    (row,) = table(summarise(tmp_path, DemoConfig()))
    assert "0.33" in row[-1] and "0.9" in row[-1]


def test_interrupted_time_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wall, cpu = iter((5.0, 5.5, 6.0, 7.0)), iter((2.0, 2.3, 2.5, 2.8))
    clocks = SimpleNamespace(monotonic=lambda: next(wall), process_time=lambda: next(cpu))
    monkeypatch.setattr(stages, "time", clocks)
    (tmp_path / TIME).write_text('{"wall_s": 100.0, "cpu_s": 90.0}')
    with pytest.raises(KeyboardInterrupt), timed(tmp_path):
        raise KeyboardInterrupt
    assert json.loads((tmp_path / TIME).read_text()) == {"wall_s": 100.5, "cpu_s": 90.3}
    (tmp_path / TIME).write_text("{")  # a damaged note costs the note, not the training
    with timed(tmp_path):
        pass
    assert json.loads((tmp_path / TIME).read_text()) == {"wall_s": 1.0, "cpu_s": 0.3}


def test_the_plan_is_shown_and_the_configuration_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    begin(tmp_path / "work", DemoConfig(), only=("torso", "sync"))
    said = capsys.readouterr().err
    assert "torso" in said and "sync" in said and "hubert" not in said
    assert "minutes of one core" in said and "minutes on two cores" in said
    assert read_config(tmp_path / "work" / "config.yaml", DemoConfig()) == DemoConfig()


def test_a_disk_too_small_is_refused_before_anything_is_filmed(tmp_path: Path) -> None:
    config = DemoConfig()
    huge = replace(config, footage=replace(config.footage, takes=10**9))
    with pytest.raises(BadOutput, match="free on its disk"):
        begin(tmp_path / "work", huge)
    assert not (tmp_path / "work").exists()
