"""The whole demo recipe in miniature: every stage real, every budget two steps."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import emogene
from emogene.contract.engine_directory import read_manifest
from emogene.contract.errors import BadCheckpoint, BadInput, BadOption
from emogene.contract.hearing import OWN_HEARING
from emogene.contract.stages import REQUIRED_STAGES
from emogene.contract.units import SAMPLES_PER_FRAME
from emogene.exporters.build import build_engine_directory
from emogene.reference.avatar import ReferenceAvatar
from emogene.runtime.command_line import exit_code
from emogene.training.commands import app
from emogene.training.config import write_config
from emogene.training.demo import chains
from emogene.training.demo.assemble import assemble
from emogene.training.demo.chains import make
from emogene.training.demo.footage import FootageConfig, avatar_poses
from emogene.training.demo.recipe import STAGES, TRAININGS, DemoConfig, Workshop
from emogene.training.demo.speech.corpus import CorpusConfig
from emogene.training.demo.summary import HEADLINES, _at
from emogene.training.fields.rays import RaySampling
from emogene.training.loop import LoopConfig
from tests.speech import spoken


def miniature() -> DemoConfig:
    """Coarse, short and untrained, but nothing left out."""
    config = DemoConfig()
    two = LoopConfig(steps=2, warmup_steps=1)
    sampling = RaySampling(rays=256, frames=4)
    return replace(
        config,
        corpus=CorpusConfig(minutes=0.3, held_out_minutes=0.1),
        hubert=replace(config.hubert, blocks=2, frames=40, loop=two),
        sync=replace(config.sync, clips=2, frames=20, loop=two),
        vae=replace(config.vae, batch_frames=32, windows=(16,), loop=two),
        deformation=replace(config.deformation, loop=two),
        footage=FootageConfig(
            size=32, takes=8, held_out_takes=2, take_frames=10, held_out_take_frames=10
        ),
        head=replace(config.head, sampling=sampling, bake_batches=2, loop=two),
        torso=replace(config.torso, loop=two),
        voxel=0.05,
        pose_seconds=2.0,
    )


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("work")
    reports: list[tuple[str, float]] = []
    make(folder, miniature(), lambda stage, share, _: reports.append((stage, share)), processes=2)
    for stage in STAGES:
        assert (stage, 1.0) in reports
    return folder


def test_stages_leave_what_assembling_needs(work: Path, tmp_path: Path) -> None:
    made = assemble(work, tmp_path / "checkpoints", pose_seconds=2.0)
    avatar = ReferenceAvatar.load(tmp_path / "checkpoints")
    assert avatar.poses.shape == (50, 3, 4)
    assert avatar.card.camera == made.card.camera
    assert avatar.background.shape == (32, 32, 3)
    low, high = avatar.tensors["motion.low"], avatar.tensors["motion.high"]
    assert (low <= avatar.tensors["motion.mean"]).all() and (low < high).all()
    assert "Apache-2.0" in avatar.licence


def test_what_was_trained_is_built_and_speaks(work: Path, tmp_path: Path) -> None:
    """By the loader that reads what was imported, too; every network within its tolerance."""
    assemble(work, tmp_path / "checkpoints", pose_seconds=2.0)
    reports = build_engine_directory(tmp_path / "checkpoints", tmp_path / "e")
    assert all(report.passed for report in reports)
    assert {report.stage for report in reports} >= set(REQUIRED_STAGES)
    manifest = read_manifest(tmp_path / "e")
    assert manifest.name == "demo" and manifest.hearing == OWN_HEARING
    with emogene.open(tmp_path / "e", threads=1) as avatar:
        frames = list(avatar.render(spoken("Hello."), emotion="happy"))
        assert len(frames) == -(-len(spoken("Hello.")) // SAMPLES_PER_FRAME)
        assert all(frame.image.shape == (32, 32, 3) for frame in frames)


def test_the_command_says_what_was_planned_and_reached(
    work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_config(tmp_path / "mini.yaml", miniature())
    arguments = ["demo", "-o", str(tmp_path / "c"), "--work", str(work)]
    assert exit_code(app, [*arguments, "--config", str(tmp_path / "mini.yaml")]) == 0
    said = capsys.readouterr()
    assert "on held-out data" in said.err
    assert f"{tmp_path / 'c'}: the demo avatar's checkpoints, in 0." in said.out
    ReferenceAvatar.load(tmp_path / "c")
    stages = json.loads((work / "summary.json").read_text())["stages"]
    assert list(stages) == list(STAGES)
    for stage, figures in HEADLINES.items():
        assert stages[stage]["cpu_min"] > 0
        for path in figures:
            assert _at(stages[stage]["report"], path) is not None, (stage, path)
    for stage in TRAININGS:
        left = {path.name for path in (work / stage).iterdir()}
        assert {"network", "config.yaml", "curve.csv", "curve.png", "time.json"} <= left


def test_finished_stages_are_skipped(work: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in work.rglob("*") if path.is_file()}
    make(work, miniature(), lambda *_: None)
    assert before == {path: path.stat().st_mtime_ns for path in work.rglob("*") if path.is_file()}


def test_a_named_stage_is_run_again(work: Path) -> None:
    report = work / "deformation" / "report.json"
    before = report.stat().st_mtime_ns
    make(work, miniature(), lambda *_: None, only=("deformation",))
    assert report.stat().st_mtime_ns > before


def test_a_failing_chain_stops_the_other(tmp_path: Path, work: Path) -> None:
    (tmp_path / "rig").symlink_to(work / "rig")
    half_lost = tmp_path / "film" / "held_out"
    half_lost.mkdir(parents=True)
    (half_lost / "film.json").write_text("{}")
    config = miniature()
    config = replace(config, hubert=replace(config.hubert, loop=LoopConfig(minutes=60)))
    with pytest.raises(BadInput, match=r"training/film\.json"):
        make(tmp_path, config, lambda *_: None, processes=2)
    assert not (tmp_path / "hubert" / "report.json").exists()
    assert not multiprocessing.active_children()


def test_a_chain_that_misses_its_signal_stops_at_the_next_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps: list[int] = []

    def stages(workshop: object, names: object, report: Callable[[str, float, str], None]) -> None:
        with suppress(SystemExit):  # as where Python drops exceptions
            os.kill(os.getpid(), signal.SIGTERM)
        for step in range(10):
            report("hubert", step / 10, "")
            steps.append(step)

    monkeypatch.setattr(chains, "_run_stages", stages)
    monkeypatch.setattr(chains, "Workshop", lambda *_: None)
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit):
            chains._chain("speech", (), ("hubert",), multiprocessing.Queue())
    finally:
        signal.signal(signal.SIGTERM, before)
    assert steps == []


def test_assembling_too_early_is_refused(tmp_path: Path, work: Path) -> None:
    for stage in ("film", "head", "torso", "hubert"):
        (tmp_path / stage).symlink_to(work / stage)
    with pytest.raises(BadCheckpoint, match="vae"):
        assemble(tmp_path, tmp_path / "checkpoints")
    assert not (tmp_path / "checkpoints").exists()


def test_errors_survive_the_way_between_processes() -> None:
    refused = BadOption("size", expected="more", found="less")
    assert str(chains._portable(refused)) == str(refused)
    assert isinstance(chains._portable(refused), BadOption)


def test_budgets_scale_together() -> None:
    config, half = DemoConfig(), DemoConfig().scaled(0.5)
    minutes = {stage: getattr(config, stage).loop.minutes for stage in STAGES if stage != "film"}
    for stage, value in minutes.items():
        assert getattr(half, stage).loop.minutes == value / 2
    for factor in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(BadOption, match="minutes scale"):
            config.scaled(factor)
    with pytest.raises(BadOption, match="one of hubert"):
        Workshop(Path("unused"), config).run("bake")


def test_the_pose_track_stands_still_now_and_then() -> None:
    poses = avatar_poses(20.0)
    assert poses.shape == (500, 3, 4) and poses.dtype == np.float32
    still = (poses[1:] == poses[:-1]).all(axis=(1, 2))
    assert 0.1 < still.mean() < 0.6
