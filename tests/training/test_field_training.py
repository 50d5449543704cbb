"""Head and torso fields learn a tiny film, resume to the same bits, and refuse what is no film."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from emogene.contract.errors import BadCheckpoint, BadInput, BadOption
from emogene.reference.checkpoint import load_network
from emogene.reference.head_field import HeadField
from emogene.reference.torso_field import TorsoField
from emogene.training.fields.film import Film, Footage, open_film
from emogene.training.fields.rays import RaySampler, RaySampling
from emogene.training.fields.shell import surface_shell
from emogene.training.head_field import HeadTrainingConfig, train_head
from emogene.training.loop import LoopConfig
from emogene.training.torso_field import TorsoTrainingConfig, train_torso

from .tiny_field import tiny_head, tiny_torso
from .tiny_film import write_tiny_film


def loop(steps: int) -> LoopConfig:
    return LoopConfig(steps=steps, warmup_steps=2, clip_norm=0.0, log_every_s=0.0)


def head_config(steps: int) -> HeadTrainingConfig:
    sampling = RaySampling(rays=512, frames=4)
    return HeadTrainingConfig(tiny_head(), sampling, bake_batches=6, loop=loop(steps))


def torso_config(steps: int) -> TorsoTrainingConfig:
    return TorsoTrainingConfig(tiny_torso(), frames=2, pixels=64, loop=loop(steps))


def curve(out: Path, column: str) -> list[float]:
    with (out / "curve.csv").open() as file:
        return [float(row[column]) for row in csv.DictReader(file)]


def test_a_head_is_learned(footage: Footage, tmp_path: Path) -> None:
    report = train_head(head_config(60), footage, tmp_path)
    losses = curve(tmp_path, "colour_loss")
    assert np.mean(losses[-5:]) < 0.4 * np.mean(losses[:5])
    assert 0 < report["samples"] < 8
    assert report == json.loads((tmp_path / "report.json").read_text())
    assert (tmp_path / "comparison.png").stat().st_size > 0
    saved = load_network(tmp_path / "network", HeadField)
    # Baking took cells away, and left some.
    full = surface_shell(footage.training, tiny_head().field, 0.015, 0.07)
    assert 0 < np.unpackbits(saved.occupancy.numpy()).sum() < 2 * full.sum()


def test_a_torso_is_learned(footage: Footage, tmp_path: Path) -> None:
    report = train_torso(torso_config(80), footage, tmp_path)
    losses = curve(tmp_path, "colour_loss")
    assert np.mean(losses[-5:]) < 0.4 * np.mean(losses[:5])
    assert report["db"] > 20
    assert (tmp_path / "comparison.png").stat().st_size > 0
    saved = load_network(tmp_path / "network", TorsoField)
    # The top of the picture never shows the torso.
    top = torch.tensor([[0.0, -0.9]])
    assert not saved.masked(top).any()


class _Stopped(Exception):
    pass


@pytest.mark.parametrize("part", ["head", "torso"])
def test_a_stopped_run_ends_with_the_same_bits(part: str, footage: Footage, tmp_path: Path) -> None:
    def train(out: Path, stop_at: int | None = None) -> dict[str, torch.Tensor]:
        def stop(fraction: float, _: str) -> None:
            if stop_at is not None and fraction >= stop_at / 12:
                raise _Stopped

        often = replace(loop(12), save_every_s=0.0)
        if part == "head":
            train_head(replace(head_config(12), loop=often), footage, out, stop)
        else:
            train_torso(replace(torso_config(12), loop=often), footage, out, stop)
        return load_file(out / "network" / "weights.safetensors")

    whole = train(tmp_path / "whole")
    with pytest.raises(_Stopped):
        train(tmp_path / "stopped", stop_at=7)
    resumed = train(tmp_path / "stopped")
    for name, value in whole.items():
        assert torch.equal(resumed[name], value), name


def test_another_configuration_is_not_continued(footage: Footage, tmp_path: Path) -> None:
    train_torso(torso_config(2), footage, tmp_path)
    other = replace(torso_config(2), alpha_weight=0.5)
    with pytest.raises(BadCheckpoint, match="alpha_weight"):
        train_torso(other, footage, tmp_path)


def test_surfaces_lie_inside_the_shell(film: Film) -> None:
    spec = tiny_head().field
    cells = surface_shell(film, spec, 0.015, 0.07)
    batch = RaySampler(film, RaySampling(rays=2048, frames=4)).draw(np.random.default_rng(0))
    hit = np.isfinite(batch.near)
    assert 0.2 < hit.mean() < 1
    at = batch.origins[hit] + batch.near[hit, None] * batch.directions[hit]
    # The tiny film's ball has radius 0.8; its depth is rounded to 16 bits.
    assert np.abs(np.linalg.norm(at, axis=1) - 0.8).max() < 0.02
    low, high = np.array(spec.bounds_min), np.array(spec.bounds_max)
    x, y, z = ((at - low) / (high - low) * len(cells)).astype(int).T
    assert cells[z, y, x].all()
    assert cells.mean() < 0.2


def test_rare_frames_are_drawn_more_often(film: Film) -> None:
    landmarks = film.landmarks.copy()
    landmarks[2, [37, 38, 43, 44]] = landmarks[2, [41, 40, 47, 46]]
    closed = replace(film, landmarks=landmarks)
    rng = np.random.default_rng(0)
    sampler = RaySampler(closed, RaySampling(rays=64, frames=64, rare_weight=20))
    drawn = np.concatenate([sampler.draw(rng).film_frames for _ in range(20)])
    assert (drawn == 2).mean() > 2 / len(film)


def damaged(tmp_path: Path, name: str, change: object) -> Path:
    folder = write_tiny_film(tmp_path / "film", frames=3)
    array = np.load(folder / f"{name}.npy")
    assert callable(change)
    np.save(folder / f"{name}.npy", change(array))
    return folder


def _with_nan(array: np.ndarray) -> np.ndarray:
    array[1, 0, 0] = np.nan
    return array


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("landmarks", _with_nan, r"landmarks\.npy.*NaN or infinity, the first is 1"),
        ("poses", _with_nan, r"poses\.npy.*NaN or infinity, the first is 1"),
        ("images", lambda a: a[:1], r"at least two frames, found 1|landmarks\.npy"),
        ("depth_near", lambda a: a[:2], r"depth_near\.npy.*3 frames, found 2"),
        ("head_alpha", lambda a: a[:, :-1], r"head_alpha\.npy.*\(N, 32, 32\) uint8"),
        ("images", lambda a: a.astype(np.float32), r"images\.npy.*uint8.*float32"),
        ("emotions", lambda a: a + 8, r"emotions\.npy.*0 to 7"),
    ],
)
def test_a_damaged_film_is_refused(tmp_path: Path, name: str, change: object, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        open_film(damaged(tmp_path, name, change))


def test_a_film_of_one_frame_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"at least two frames, found 1"):
        open_film(write_tiny_film(tmp_path / "film", frames=1))


def test_a_missing_film_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"film\.json.*No such file.*--stage film"):
        open_film(tmp_path)
    folder = write_tiny_film(tmp_path / "film")
    shutil.move(folder / "poses.npy", folder / "elsewhere.npy")
    with pytest.raises(BadInput, match=r"poses\.npy.*No such file"):
        open_film(folder)


def test_a_film_without_head_or_torso_is_refused(tmp_path: Path, held_out: Film) -> None:
    film = open_film(damaged(tmp_path, "head_alpha", np.zeros_like))
    with pytest.raises(BadInput, match=r"head_alpha\.npy.*none in 3 frames"):
        train_head(head_config(2), Footage(film, held_out), tmp_path / "head")
    film = replace(held_out, torso_alpha=np.zeros_like(held_out.torso_alpha))
    with pytest.raises(BadInput, match=r"torso_alpha\.npy.*none in 3 frames"):
        train_torso(torso_config(2), Footage(film, held_out), tmp_path / "torso")


def test_a_head_beside_the_bounds_is_refused(film: Film, tmp_path: Path) -> None:
    poses = film.poses.copy()
    poses[:, 0, 3] += 50
    with pytest.raises(BadInput, match="inside the field's bounds"):
        surface_shell(replace(film, poses=poses), tiny_head().field, 0.015, 0.07)


def test_wide_windows_are_refused(footage: Footage, tmp_path: Path) -> None:
    network = tiny_head()
    network = replace(network, condition=replace(network.condition, window=5))
    with pytest.raises(BadOption, match="window"):
        train_head(replace(head_config(2), network=network), footage, tmp_path)
