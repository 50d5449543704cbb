"""A published head's tensors find their places, and mean the same there."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from emogene.contract.errors import BadCheckpoint
from emogene.contract.measure import relative_l2
from emogene.reference.authors import authors_head, head_from_authors, occupancy_from_morton
from emogene.reference.checkpoint import load_tensors
from emogene.reference.head_field import HeadField
from tests.oracle.head import HeadField as PublishedHead
from tests.oracle.head import attended, condition_code

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


@pytest.mark.parametrize("table, window", [("head_torso", 5), ("head_torso_sr", 3)])
@torch.no_grad()
def test_the_head_equals_its_published_equations(table: str, window: int) -> None:
    """Attention and blink, both grids, three networks: stage by stage, in float64."""
    head, theirs = loaded(table, window)
    t = {name: tensor.double().numpy() for name, tensor in theirs.items()}
    seen = torch.randn(1, window, 204)
    condition = head.frame(seen, torch.zeros(1, 68, 3), eye_opening=torch.tensor([0.3]))
    code = condition_code(t, seen[0].double().numpy(), 0.3)
    bias = t["ambient_net.net.0.weight"][:, 32:] @ code
    assert relative_l2(condition.biases["ambient_bias"][0].numpy(), bias) < 1e-5
    individual = t["color_net.net.0.weight"][:, -4:] @ t["individual_embeddings"][0]
    assert relative_l2(condition.biases["colour_bias"][0].numpy(), individual) < 1e-5

    x = torch.rand(40, 3) * 2 - 1
    directions = torch.nn.functional.normalize(torch.randn(40, 3), dim=1)
    colour, density = head(x, directions, condition)
    wide = directions.double().numpy()
    expected = PublishedHead(t, code).at(x.double().numpy(), wide)
    assert relative_l2(density.numpy(), expected[0]) < 1e-4
    assert relative_l2(colour.numpy(), expected[1]) < 1e-4


@torch.no_grad()
def test_attention_equals_its_published_equations() -> None:
    head, theirs = loaded("head_torso", 5)
    t = {name: tensor.double().numpy() for name, tensor in theirs.items()}
    # Larger than they come, so that the softmax is far from flat.
    code = 8 * torch.randn(1, 5, 64)
    found = head.condition.cond_att_net(code)[0].double().numpy()
    expected = attended(t, code[0].double().numpy())
    assert relative_l2(found, expected) < 1e-5
    assert relative_l2(found, code[0].double().numpy().mean(axis=0)) > 1e-3


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
