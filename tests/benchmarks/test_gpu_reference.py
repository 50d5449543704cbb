"""The PyTorch reference as the GPU benchmark times it, on another device."""

from __future__ import annotations

import pytest
import torch
from benchmarks.gpu import scenes
from benchmarks.gpu.steps import SCENES

from .elsewhere import Elsewhere, elsewhere


@pytest.mark.parametrize("name", SCENES)
def test_no_tensor_stays_behind(name: str) -> None:
    scene = scenes.make_scene(name, 1)
    frame = scene.frame(12, 2)
    wanted = frame.reference("cpu")
    with elsewhere() as device:
        found = frame.reference(device)
    assert isinstance(found, Elsewhere) and torch.equal(found.here, wanted)


def test_a_tensor_that_stays_behind_is_noticed() -> None:
    here = torch.arange(3)
    with elsewhere() as device, torch.device(device):
        there = torch.arange(3) + torch.tensor([1, 2, 3])
        assert isinstance(there, Elsewhere) and there.here.tolist() == [1, 3, 5]
        with pytest.raises(RuntimeError, match=r"tensors on two devices, one \(3,\)"):
            there + here
        assert (there + here.to(device)).here.tolist() == [1, 4, 7]
