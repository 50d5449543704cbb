"""Arrays lent to PyTorch and by it: read where they lie, in the order of a stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.dlpack import from_dlpack

from emogene.kernels.gpu.arrays import view
from emogene.kernels.gpu.device_field import DeviceField

from .scenes import SceneFrame


def check_lending(field: DeviceField, frame: SceneFrame) -> Iterator[dict[str, Any]]:
    """A picture on a stream of PyTorch's, read by both of its ways, and a tensor read by ours."""
    inputs = frame.inputs()
    wanted = field.render(inputs, frame.background).image
    assert wanted is not None
    new_stream: Any = torch.cuda.Stream  # PyTorch does not say what it takes
    stream = new_stream()
    with torch.cuda.stream(stream):
        lying = field.enqueue(inputs, frame.background, stream=stream.cuda_stream)
        for how, tensor in (
            ("__cuda_array_interface__", torch.as_tensor(lying, device="cuda")),
            ("DLPack", from_dlpack(lying)),
        ):
            there = tensor.data_ptr() == lying.address
            yield _told(how, there and np.array_equal(tensor.cpu().numpy(), wanted))
    given = torch.arange(6, device="cuda", dtype=torch.float32).reshape(2, 3)
    taken = view(field.gpu, "given", given, (2, 3), np.float32).numpy()
    yield _told("view of a tensor", np.array_equal(taken, given.cpu().numpy()))


def _told(how: str, passed: bool) -> dict[str, Any]:
    found = "the same numbers" if passed else "other numbers, or a copy"
    return {"name": f"PyTorch's arrays, {how}", "passed": bool(passed), "found": found}
