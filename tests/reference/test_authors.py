"""A published head's tensors find their places, and mean the same there."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import leaky_relu, linear

from emogene.contract.errors import BadCheckpoint
from emogene.reference.authors import authors_head, head_from_authors, occupancy_from_morton
from emogene.reference.checkpoint import load_tensors
from emogene.reference.grids import spherical_harmonics
from emogene.reference.head_field import HeadField

from .tables import published, random_tensors


def loaded(table: str, window: int) -> tuple[HeadField, dict[str, torch.Tensor]]:
    theirs = random_tensors(published(table))
    head = HeadField(authors_head(window=window, blink=8))
    load_tensors(head, head_from_authors(theirs), table)
    return head.eval(), theirs


@pytest.mark.parametrize("table, window", [("head_torso", 5), ("head_torso_sr", 3)])
def test_every_published_tensor_loads(table: str, window: int) -> None:
    loaded(table, window)


def test_a_wrong_blink_width_is_explained() -> None:
    theirs = head_from_authors(random_tensors(published("head_torso")))
    head = HeadField(authors_head(window=5, blink=2))
    with pytest.raises(BadCheckpoint, match=r"blink_encoder\.1\.weight is \(8, 32\) instead of"):
        load_tensors(head, theirs, "checkpoint")


@torch.no_grad()
def test_folded_condition_equals_feeding_it_to_every_sample() -> None:
    head, t = loaded("head_torso", 5)
    windows = torch.randn(1, 5, 204)
    eye_opening = torch.tensor([0.3])
    condition = head.frame(windows, torch.zeros(1, 68, 3), eye_opening=eye_opening)

    x = torch.rand(20, 3) * 2 - 1
    directions = torch.nn.functional.normalize(torch.randn(20, 3), dim=1)
    colour, density = head(x, directions, condition)

    code = _code(t, windows[0], 0.3).expand(20, -1)
    first = head.encode(head.spec.grids[0], t["position_embedder.embeddings"], (x + 1) / 2)
    ambient = torch.tanh(_mlp(t, "ambient_net", torch.cat((first, code), 1)))
    second = head.encode(head.spec.grids[1], t["ambient_embedder.embeddings"], (ambient + 1) / 2)
    raw = _mlp(t, "sigma_net", torch.cat((first, second), 1))
    seen = head.sample_features(x, condition)
    torch.testing.assert_close(seen, torch.cat((first, second), 1), atol=1e-4, rtol=1e-3)
    individual = t["individual_embeddings"][:1].expand(20, -1)
    shown = torch.cat((spherical_harmonics(directions, 4), raw[:, 1:], individual), 1)
    torch.testing.assert_close(density, raw[:, 0].exp(), atol=1e-4, rtol=1e-3)
    expected = torch.sigmoid(_mlp(t, "color_net", shown))
    torch.testing.assert_close(colour, expected, atol=1e-4, rtol=1e-3)


def test_occupancy_is_reordered() -> None:
    """Every single cell of a small grid, set alone."""
    n = 4
    for x, y, z in np.ndindex(n, n, n):
        morton = sum(
            ((v >> bit) & 1) << (3 * bit + axis)
            for axis, v in enumerate((x, y, z))
            for bit in range(2)
        )
        bits = torch.zeros(n**3 // 8, dtype=torch.uint8)
        bits[morton // 8] = 1 << (morton % 8)
        ours = np.unpackbits(occupancy_from_morton(bits, n).numpy(), bitorder="little")
        assert np.flatnonzero(ours).tolist() == [(z * n + y) * n + x]


def _mlp(t: dict[str, torch.Tensor], name: str, x: torch.Tensor) -> torch.Tensor:
    weights = [v for k, v in sorted(t.items()) if k.startswith(f"{name}.net.")]
    for weight in weights[:-1]:
        x = linear(x, weight).clamp(min=0)
    return linear(x, weights[-1])


def _code(t: dict[str, torch.Tensor], window: torch.Tensor, eye: float) -> torch.Tensor:
    """The published condition encoder on one window (W, 204), written as matrix products."""
    x = window
    for i in (0, 2, 4, 6):
        # A width-3 kernel over a sequence of one, padded with zeros: only its middle is met.
        name = f"cond_prenet.encoder_conv.{i}"
        x = leaky_relu(linear(x, t[f"{name}.weight"][:, :, 1], t[f"{name}.bias"]), 0.02)
    fc = "cond_prenet.encoder_fc1"
    x = leaky_relu(linear(x, t[f"{fc}.0.weight"], t[f"{fc}.0.bias"]), 0.02)
    x = linear(x, t[f"{fc}.2.weight"], t[f"{fc}.2.bias"])
    blink = t["blink_embedding.weight"] * eye
    for i in (0, 1):
        blink = linear(blink, t[f"blink_encoder.{i}.weight"], t[f"blink_encoder.{i}.bias"])
    x[:, :8] += blink
    y = x.T[None]
    for i in (0, 2, 4, 6, 8):
        name = f"cond_att_net.attentionConvNet.{i}"
        y = torch.nn.functional.conv1d(y, t[f"{name}.weight"], t[f"{name}.bias"], padding=1)
        y = leaky_relu(y, 0.02)
    net = "cond_att_net.attentionNet.0"
    share = linear(y[0, 0], t[f"{net}.weight"], t[f"{net}.bias"]).softmax(0)
    return (share[:, None] * x).sum(0)[None]
