"""The loop: budgets, schedule, resuming bit for bit, and files that are whole or absent."""

from __future__ import annotations

import csv
import errno
import itertools
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from emogene.contract.errors import BadCheckpoint, BadOption, BadOutput, Failure
from emogene.training import loop as training_loop
from emogene.training.files import truncate_rows, write_atomically
from emogene.training.loop import Loop, LoopConfig, cosine_rate

EVERY_STEP = LoopConfig(steps=12, log_every_s=0.0, save_every_s=0.0, warmup_steps=3)


def start(out: Path, config: LoopConfig = EVERY_STEP, **options: object) -> Loop:
    torch.manual_seed(5)
    model = nn.Linear(3, 1)
    optimiser = torch.optim.AdamW(model.parameters(), 0.05)
    return Loop(config, model, optimiser, out, seed=1, **options)  # type: ignore[arg-type]


def run(loop: Loop, stop_after: int | None = None) -> None:
    for step in loop:
        if step == stop_after:
            return  # as if the process had been ended: nothing is saved here
        x = torch.from_numpy(loop.rng.standard_normal((8, 3))).float() + 0.1 * torch.randn(8, 3)
        loss = (loop.model(x) - x.sum(1, keepdim=True)).square().mean()
        loop.update(loss)
        loop.log(loss=loss.item())


def rows(out: Path) -> list[list[str]]:
    with (out / "curve.csv").open(newline="") as file:
        return list(csv.reader(file))


def test_a_resumed_run_ends_with_the_same_bits(tmp_path: Path) -> None:
    whole = start(tmp_path / "a")
    run(whole)
    run(start(tmp_path / "b"), stop_after=5)
    resumed = start(tmp_path / "b")
    assert resumed.step == 5
    run(resumed)
    assert resumed.step == whole.step == 12
    for a, b in zip(whole.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert [row[0] for row in rows(tmp_path / "b")] == ["step", *map(str, range(1, 13))]


def test_a_finished_run_does_nothing_more(tmp_path: Path) -> None:
    run(start(tmp_path))
    again = start(tmp_path)
    assert again.fraction == 1.0
    assert list(again) == []


def test_a_longer_budget_goes_on(tmp_path: Path) -> None:
    run(start(tmp_path))
    longer = start(tmp_path, LoopConfig(steps=15, log_every_s=0.0, save_every_s=0.0))
    run(longer)
    assert longer.step == 15


def test_another_configuration_is_refused(tmp_path: Path) -> None:
    run(start(tmp_path, identity={"hidden": 3}))
    with pytest.raises(
        BadCheckpoint, match=r"hidden was 3 and is 4 — give --config .*config\.yaml"
    ):
        start(tmp_path, identity={"hidden": 4})
    start(tmp_path, identity={"hidden": 3})


def test_a_state_of_other_networks_is_refused(tmp_path: Path) -> None:
    run(start(tmp_path))
    wider = nn.Linear(4, 1)
    with pytest.raises(BadCheckpoint, match=r"weight is \(1, 3\) instead of \(1, 4\)"):
        Loop(EVERY_STEP, wider, torch.optim.AdamW(wider.parameters()), tmp_path, seed=1)


def test_what_is_scored_in_between_changes_nothing(tmp_path: Path) -> None:
    """Rows are due by the clock, and scoring may draw random numbers: neither moves the weights."""
    runs = [start(tmp_path / name) for name in ("often", "never")]
    for loop in runs:
        for step in loop:
            x = torch.from_numpy(loop.rng.standard_normal((8, 3))).float() + torch.randn(8, 3)
            loop.update((loop.model(x) - x.sum(1, keepdim=True)).square().mean())
            if loop is runs[0] and step % 2:
                loop.score(luck=torch.rand(3).mean().item(), rest=loop.rng.random())
    for a, b in zip(runs[0].model.parameters(), runs[1].model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert len((tmp_path / "often" / "scores.csv").read_text().splitlines()) == 1 + 6


def test_a_damaged_state_is_refused(tmp_path: Path) -> None:
    run(start(tmp_path))
    (tmp_path / "state.safetensors").write_bytes(b"half a f")
    with pytest.raises(BadCheckpoint, match=r"state\.safetensors: expected the state.*or delete"):
        start(tmp_path)


def test_rows_of_a_killed_run_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "curve.csv"
    path.write_text("step,cpu_s,loss\n5,1.0,0.5\n10,2.0,0.4\n15,3.0,0.3\n1")
    truncate_rows(path, 10)
    assert path.read_text().split() == ["step,cpu_s,loss", "5,1.0,0.5", "10,2.0,0.4"]
    truncate_rows(path, 4)
    assert not path.exists()
    path.write_text("")
    truncate_rows(path, 4)
    assert not path.exists()


def test_leftovers_of_a_kill_are_cleared(tmp_path: Path) -> None:
    (tmp_path / ".state.safetensors.x1y2").write_bytes(b"half")
    (tmp_path / "notes.txt").write_bytes(b"mine")
    start(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["notes.txt"]


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    loop = start(tmp_path)
    loop.save()
    before = (tmp_path / "state.safetensors").read_bytes()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BadOutput, match=r"state\.safetensors: .*no space left on the disk"):
        loop.save()
    assert (tmp_path / "state.safetensors").read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.safetensors"]


def test_time_is_a_budget_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cpu, wall = itertools.count(100.0, 5.0), itertools.count(700.0, 8.0)
    clocks = SimpleNamespace(process_time=lambda: next(cpu), monotonic=lambda: next(wall))
    monkeypatch.setattr(training_loop, "time", clocks)
    loop = start(tmp_path, LoopConfig(minutes=1))
    run(loop)
    assert loop.step > 5
    assert 60.0 <= loop.spent_s <= 65.0
    assert loop.spent["steps"] == loop.step
    assert loop.spent["wall_s"] == pytest.approx(loop.spent_s * 8 / 5)


def test_no_budget_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadOption, match="minutes, steps or both"):
        LoopConfig()
    with pytest.raises(BadOption, match=r"loop\.minutes: expected a number above 0, found -1"):
        start(tmp_path, LoopConfig(minutes=-1))
    with pytest.raises(BadOption, match=r"loop\.final_rate: expected a number from 0 to 1"):
        start(tmp_path, LoopConfig(steps=1, final_rate=float("nan")))


def test_a_loss_that_is_not_finite_ends_the_run(tmp_path: Path) -> None:
    loop = start(tmp_path)
    with pytest.raises(Failure, match="step 0"):
        loop.update(loop.model(torch.full((1, 3), torch.nan)).sum())


def test_the_rate_rises_then_falls_and_scales_every_group(tmp_path: Path) -> None:
    assert cosine_rate(0.0, 0, 10, 0.02) == pytest.approx(0.1)
    assert cosine_rate(0.5, 100, 10, 0.02) == pytest.approx(0.51)
    assert cosine_rate(1.0, 100, 10, 0.02) == pytest.approx(0.02)
    model = nn.Linear(2, 2)
    groups = [{"params": [model.weight], "lr": 1.0}, {"params": [model.bias], "lr": 0.1}]
    loop = Loop(LoopConfig(steps=4), model, torch.optim.SGD(groups), tmp_path)
    next(iter(loop))
    rates = [group["lr"] for group in loop.optimiser.param_groups]
    assert rates[0] == pytest.approx(10 * rates[1])


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")
    with pytest.raises(TypeError):
        write_atomically(path, "no bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_progress_is_told_fraction_loss_and_score(tmp_path: Path) -> None:
    told: list[tuple[float, str]] = []
    loop = start(tmp_path, progress=lambda fraction, text: told.append((fraction, text)))
    loop.score(accuracy=0.71234567, other=1.0)
    run(loop)
    assert [fraction for fraction, _ in told] == [pytest.approx(s / 12) for s in range(1, 13)]
    assert told[0][1].startswith("step 1, loss ") and told[0][1].endswith(", accuracy 0.7123")
