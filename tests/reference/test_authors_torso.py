"""The published torso and super-resolution: every tensor finds its place, and means the same."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from emogene.reference.authors_torso import (
    PublishedTorsoDimensions,
    authors_torso,
    super_resolution_from_authors,
    torso_from_authors,
    torso_mask,
)
from emogene.reference.checkpoint import load_tensors
from emogene.reference.published_torso import euler_angles, fitted_pose
from emogene.reference.super_resolution import SuperResolution, SuperResolutionConfig
from emogene.reference.torso_field import TorsoField, pixel_positions
from tests.oracle.torso import enlarged, projected_jaw
from tests.oracle.torso import torso as published_torso

from .tables import published, random_tensors

Float64 = NDArray[np.float64]
RNG = np.random.default_rng(0)


def _tensors(table: str, drop: tuple[str, ...] = ()) -> dict[str, torch.Tensor]:
    made = random_tensors(published(table))
    made["torso_embedder.embeddings"] *= 10
    return {k: v for k, v in made.items() if not k.startswith(drop)} if drop else made


def _loaded(table: str, size: PublishedTorsoDimensions) -> tuple[TorsoField, dict[str, Float64]]:
    theirs = _tensors(table)
    torso = TorsoField(authors_torso(size))
    load_tensors(torso, torso_from_authors(theirs, size), table)
    return torso.eval(), {k: v.double().numpy() for k, v in theirs.items()}


def _rotation(*angles: float) -> Float64:
    """Rx(a) Ry(b) Rz(c)."""
    a, b, c = angles
    x = [[1, 0, 0], [0, math.cos(a), -math.sin(a)], [0, math.sin(a), math.cos(a)]]
    y = [[math.cos(b), 0, math.sin(b)], [0, 1, 0], [-math.sin(b), 0, math.cos(b)]]
    z = [[math.cos(c), -math.sin(c), 0], [math.sin(c), math.cos(c), 0], [0, 0, 1]]
    return np.array(x) @ np.array(y) @ np.array(z)


def _published_camera(turn: Float64, shift: Float64) -> Float64:
    """A fitted face (R, t) → the camera matrix that fields were given, (3, 4)."""
    away = shift / 10
    camera = np.concatenate([turn.T, -(turn.T @ away)[:, None]], axis=1)
    return (camera * [1, -1, -1, 4])[[1, 2, 0]]


def _our_pose(camera: Float64) -> torch.Tensor:
    turn = camera[:, :3].T
    pose = np.concatenate([turn, -(turn @ camera[:, 3:])], axis=1)
    return torch.from_numpy(pose.reshape(1, 12)).float()


@pytest.mark.parametrize(
    "table, size",
    [
        ("head_torso_sr", PublishedTorsoDimensions(size=32)),
        ("head_torso", PublishedTorsoDimensions(super_resolution=False, size=32)),
    ],
)
@torch.no_grad()
def test_the_torso_equals_its_published_equations(
    table: str, size: PublishedTorsoDimensions
) -> None:
    torso, t = _loaded(table, size)
    turn, shift = _rotation(0.1, -0.2, 0.05), np.array([0.05, -0.1, -9.5])
    camera = _published_camera(turn, shift)
    face = RNG.normal(0, 0.5, (68, 3))
    head = RNG.uniform(0, 1, (32 * 32, 4))
    biases = torso.condition(_our_pose(camera), torch.from_numpy(face).float().reshape(1, 204))
    found = torso(pixel_positions(torso.spec, 32), torch.from_numpy(head).float(), biases)

    if size.super_resolution:
        fed = projected_jaw(face, turn, shift)
    else:
        fed = np.concatenate([euler_angles(torch.from_numpy(camera[None, :, :3]))[0], camera[:, 3]])
    expected = published_torso(t, 32, fed, head, jaw=size.super_resolution)
    difference = np.linalg.norm(found.double().numpy() - expected) / np.linalg.norm(expected)
    # Frequencies up to 2^9 and cells of 1/2048 turn float32's last bit into about 1e-5.
    assert difference < 1e-4


def test_a_torso_that_does_not_see_the_head() -> None:
    size = PublishedTorsoDimensions(super_resolution=False, head_aware=False, size=16)
    theirs = _tensors("head_torso", ("head_color",))
    for name in ("torso_deform_net", "torso_canonicial_net"):
        theirs[f"{name}.net.0.weight"] = theirs[f"{name}.net.0.weight"][:, :-16]
    torso = TorsoField(authors_torso(size))
    load_tensors(torso, torso_from_authors(theirs, size), "checkpoint")
    pose = _our_pose(_published_camera(_rotation(0.1, 0.2, 0.3), np.array([0.0, 0.1, -9.0])))
    biases = torso.condition(pose, torch.randn(1, 204))
    at = pixel_positions(torso.spec, 16)
    one, other = (torso(at, torch.rand(256, 4), biases) for _ in range(2))
    assert torch.equal(one, other) and one.std() > 0


def test_angles_and_fitted_pose_are_recovered() -> None:
    angles = (0.4, -0.7, 1.1)
    found = euler_angles(torch.from_numpy(_rotation(*angles))[None])
    np.testing.assert_allclose(found[0], angles, atol=1e-12)
    turn, shift = _rotation(*angles), np.array([0.3, -0.2, -9.0])
    camera = torch.from_numpy(_published_camera(turn, shift)).float()
    again = fitted_pose(camera[None, :, :3], camera[None, :, 3] / 4)
    np.testing.assert_allclose(again[0][0], turn, atol=1e-6)
    np.testing.assert_allclose(again[1][0], shift, atol=1e-5)


def test_the_mask_follows_the_bilinear_reading() -> None:
    density = torch.zeros(4, 4)  # [column's cell, row's cell]
    density[3, 1] = 0.5
    bits = np.unpackbits(torso_mask(density.reshape(-1), 4, 8).numpy(), bitorder="little")
    picture = bits.reshape(8, 8)  # [row, column]
    # A pixel's place among the cells is 3 i / 7: rows 1, 2, 3, 4 lie less than a cell from 1.
    expected = np.zeros((8, 8), np.uint8)
    for row in range(8):
        for column in range(8):
            expected[row, column] = abs(3 * row / 7 - 1) < 1 and abs(3 * column / 7 - 3) < 1
    np.testing.assert_array_equal(picture, expected)


@torch.no_grad()
def test_super_resolution_equals_its_published_equations() -> None:
    """Modulated convolutions, not folded; without noise, and with the constant one."""
    t = random_tensors(published("head_torso_sr"))
    for block, side in (("block0", 9), ("block1", 18)):
        for layer in ("conv0", "conv1"):
            name = f"sr_net.{block}.{layer}.noise_const"
            t[name] = t[name][:side, :side].clone()
    w = {k: v.double().numpy() for k, v in t.items()}
    picture = torch.rand(1, 3, 9, 9)
    for noise in (False, True):
        network = SuperResolution(SuperResolutionConfig(noise=9 if noise else 0))
        load_tensors(network, super_resolution_from_authors(t, constant_noise=noise), "checkpoint")
        expected = enlarged(w, picture[0].double().numpy(), noise)
        found = network(picture)[0].double().numpy()
        assert np.linalg.norm(found - expected) / np.linalg.norm(expected) < 1e-5
        assert expected.std() > 0.05
