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


def _frequencies(x: Float64, octaves: int) -> Float64:
    parts = [x]
    for k in range(octaves):
        parts += [np.sin(2.0**k * x), np.cos(2.0**k * x)]
    return np.concatenate(parts, axis=-1)


def _mlp(t: dict[str, Float64], name: str, x: Float64) -> Float64:
    for i in range(3):
        x = x @ t[f"{name}.net.{i}.weight"].T
        x = np.maximum(x, 0) if i < 2 else x
    return x


def _tiled(table: Float64, at: Float64) -> Float64:
    """The published grid in two dimensions, from its equations."""
    growth = (2048 / 16) ** (1 / 15)
    begin, out = 0, []
    for level in range(16):
        cells = 16 * growth**level
        side = math.ceil(cells - 1e-9) + 1
        size = min(2**16, side**2)
        size += -size % 8
        position = at * (cells - 1) + 0.5
        cell = np.floor(position).astype(np.int64)
        fraction = position - cell
        value: Float64 = np.zeros((len(at), 2))
        for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
            weight = np.where(i, fraction[:, 0], 1 - fraction[:, 0])
            weight = weight * np.where(j, fraction[:, 1], 1 - fraction[:, 1])
            index = cell[:, 0] + i
            index = index + ((cell[:, 1] + j) * side if side <= size else 0)
            value += weight[:, None] * table[begin + index % size]
        out.append(value)
        begin += size
    assert begin == len(table)
    return np.concatenate(out, axis=1)


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
        seen = face[5:12] @ turn.T + shift
        x, y = (1015 * seen[:, i] / seen[:, 2] + 112 for i in (0, 1))
        fed = np.stack([1 - x / 224, 1 - (224 - y) / 224], axis=1).ravel()
    else:
        fed = np.concatenate([euler_angles(torch.from_numpy(camera[None, :, :3]))[0], camera[:, 3]])
    code, individual = _frequencies(fed, 4), t["torso_individual_codes"][0]
    axis = np.arange(32) / 31 * 2 - 1
    at = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=2).reshape(-1, 2) * 0.8
    constant = [individual, code] if size.super_resolution else [code, individual]
    h = np.concatenate([_frequencies(at, 10), np.tile(np.concatenate(constant), (1024, 1))], axis=1)
    encoded = head
    for i in (0, 2, 4):
        name = f"head_color_weights_encoder.{i}"
        encoded = encoded @ t[f"{name}.weight"].T + t[f"{name}.bias"]
        encoded = np.where(encoded > 0, encoded, 0.02 * encoded) if i < 4 else encoded
    h = np.concatenate([h, encoded], axis=1)
    moved = np.clip(at + _mlp(t, "torso_deform_net", h), -1, 1)
    features = _tiled(t["torso_embedder.embeddings"], (moved + 1) / 2)
    raw = _mlp(t, "torso_canonicial_net", np.concatenate([features, h], axis=1))
    argb = 1 / (1 + np.exp(-raw))
    expected = np.concatenate([argb[:, 1:], argb[:, :1]], axis=1)
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
    """Modulated convolutions, written out in float64: zeros inserted, filtered, one by one."""
    t = random_tensors(published("head_torso_sr"))
    network = SuperResolution(SuperResolutionConfig())
    load_tensors(network, super_resolution_from_authors(t), "checkpoint")
    picture = torch.rand(1, 3, 9, 9)
    w = {k: v.double().numpy() for k, v in t.items() if k.startswith("sr_net")}
    taps = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64 * 4
    x = shown = picture[0].double().numpy()
    x = _layer(w, "block0.conv1", _layer(w, "block0.conv0", x))
    shown = shown + _colour(w, "block0.torgb", x)
    x = _layer(w, "block1.conv1", _layer(w, "block1.conv0", x, taps))
    zeros = np.zeros((3, 18, 18))
    zeros[:, ::2, ::2] = shown
    shown = np.stack([_convolved(np.pad(p, (2, 1)), taps) for p in zeros])
    expected = np.clip(shown + _colour(w, "block1.torgb", x), 0, 1)
    found = network(picture)[0].double().numpy()
    assert np.linalg.norm(found - expected) / np.linalg.norm(expected) < 1e-5
    assert expected.std() > 0.05


def _style(w: dict[str, Float64], name: str) -> Float64:
    affine = f"sr_net.{name}.affine"
    return np.ones(16) @ (w[f"{affine}.weight"] / 4).T + w[f"{affine}.bias"]


def _convolved(plane: Float64, kernel: Float64) -> Float64:
    """Convolution of one plane, only where the kernel fits."""
    size = len(kernel)
    rows, columns = plane.shape[0] - size + 1, plane.shape[1] - size + 1
    flipped = kernel[::-1, ::-1]
    return sum(
        flipped[i, j] * plane[i : i + rows, j : j + columns]
        for i in range(size)
        for j in range(size)
    )


def _layer(w: dict[str, Float64], name: str, x: Float64, taps: Float64 | None = None) -> Float64:
    kernel = w[f"sr_net.{name}.weight"] * _style(w, name)[None, :, None, None]
    kernel = kernel / np.sqrt((kernel**2).sum(axis=(1, 2, 3), keepdims=True) + 1e-8)
    side = x.shape[1] * (2 if taps is not None else 1)
    out = np.zeros((len(kernel), side, side))
    for o, rows in enumerate(kernel):
        for plane, k in zip(x, rows, strict=True):
            if taps is None:
                out[o] += _convolved(np.pad(plane, 1), k[::-1, ::-1])
            else:
                zeros = np.zeros((side, side))
                zeros[::2, ::2] = plane
                full = _convolved(np.pad(zeros, ((3, 2), (3, 2))), taps)
                out[o] += _convolved(full, k)
    out += w[f"sr_net.{name}.bias"][:, None, None]
    return np.clip(np.where(out > 0, out, 0.2 * out) * math.sqrt(2), -256, 256)


def _colour(w: dict[str, Float64], name: str, x: Float64) -> Float64:
    kernel = w[f"sr_net.{name}.weight"][:, :, 0, 0] * _style(w, name) / math.sqrt(len(x))
    made = np.einsum("oi,ihw->ohw", kernel, x) + w[f"sr_net.{name}.bias"][:, None, None]
    return np.clip(made, -256, 256)
