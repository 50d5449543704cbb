"""Arrays of the GPU's memory, handed to other libraries and taken from them."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from emogene.contract.errors import BadOption, SessionMisuse
from emogene.kernels.gpu import dlpack
from emogene.kernels.gpu.arrays import DeviceArray, allocate, view
from emogene.kernels.gpu.opening import open_gpu
from emogene.kernels.gpu.protocol import Gpu

from ...runtime.fake_cuda import Machine


@pytest.fixture
def gpu(machine: Machine) -> Iterator[Gpu]:
    """Not the usual one: what these tests leave is freed when it is forgotten."""
    with open_gpu() as opened:
        yield opened


DATA = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def test_there_and_back(machine: Machine, gpu: Gpu) -> None:
    stream = gpu.create_stream()
    made = allocate(gpu, (2, 3, 4), np.float32, stream, DATA)
    assert np.array_equal(made.numpy(), DATA) and made.nbytes == 96
    made.upload(DATA + 1)
    assert np.array_equal(made.numpy(), DATA + 1)
    for wrong in (
        DATA[0],
        DATA.astype(np.float64),
        DATA[:, :, ::-1],
    ):
        with pytest.raises(BadOption, match="a C-contiguous float32 array"):
            made.upload(wrong)
    made.close()
    made.close()
    assert not machine.allocations
    with pytest.raises(SessionMisuse):
        made.numpy()
    empty = allocate(gpu, (0, 3), np.uint8, stream)
    assert empty.numpy().shape == (0, 3)
    del empty
    gc.collect()
    assert not machine.allocations, "what is forgotten is freed"


def test_the_cuda_array_interface(gpu: Gpu) -> None:
    stream = gpu.create_stream()
    made = allocate(gpu, (2, 3, 4), np.float32, stream, DATA)
    said = made.__cuda_array_interface__
    assert said == {
        "shape": (2, 3, 4),
        "typestr": "<f4",
        "data": (made.address, False),
        "strides": None,
        "stream": stream,
        "version": 3,
    }
    seen = view(gpu, "condition", made, (2, 3, 4), np.float32)
    assert (seen.address, seen.stream) == (made.address, stream)
    assert np.array_equal(seen.numpy(), DATA)
    seen.close()
    assert np.array_equal(made.numpy(), DATA), "what is another's is not freed"
    assert allocate(gpu, (1,), np.uint8, 0).__cuda_array_interface__["stream"] == 1


class Spelled:
    """Another library's array, whatever it says of itself."""

    def __init__(self, made: DeviceArray, **said: Any) -> None:
        self.__cuda_array_interface__ = made.__cuda_array_interface__ | said


def test_arrays_that_do_not_fit(gpu: Gpu) -> None:
    made = allocate(gpu, (2, 3, 4), np.float32, 0, DATA)
    wanted = ((2, 3, 4), np.float32)
    assert view(gpu, "x", Spelled(made, strides=(48, 16, 4)), *wanted).address == made.address
    for wrong in (
        Spelled(made, shape=(2, 4, 3)),
        Spelled(made, typestr="<f8"),
        Spelled(made, strides=(48, 4, 12)),
    ):
        with pytest.raises(BadOption, match=r"x: expected a C-contiguous float32 array"):
            view(gpu, "x", wrong, *wanted)
    with pytest.raises(BadOption, match=r"__cuda_array_interface__ or __dlpack__, found list"):
        view(gpu, "x", [1], *wanted)
    with pytest.raises(BadOption, match=r"an array of a GPU, found DLPack device \(1, 0\)"):
        view(gpu, "x", DATA, *wanted)


class ByDlpack:
    """An array that speaks DLPack alone."""

    def __init__(self, made: DeviceArray) -> None:
        self.made = made

    def __dlpack__(self, **asked: Any) -> Any:
        self.asked = asked
        return self.made.__dlpack__(**asked)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.made.__dlpack_device__()


def test_dlpack_between_streams(machine: Machine, gpu: Gpu) -> None:
    stream = gpu.create_stream()
    made = allocate(gpu, (2, 3, 4), np.float32, stream, DATA)
    given = ByDlpack(made)
    seen = view(gpu, "x", given, (2, 3, 4), np.float32)
    assert given.asked == {"stream": 1} and seen.address == made.address
    assert "cuStreamWaitEvent" in machine.log, "the consumer's stream waits for ours"
    assert np.array_equal(seen.numpy(), DATA)
    address = made.address
    del made, given
    gc.collect()
    assert address in machine.allocations, "a consumer keeps it alive"
    seen.close()
    del seen
    gc.collect()
    assert address not in machine.allocations


def test_a_capsule_that_nobody_takes(machine: Machine, gpu: Gpu) -> None:
    made = allocate(gpu, (3,), np.int32, 0)
    capsule = made.__dlpack__(stream=-1)
    del made
    gc.collect()
    assert machine.allocations
    del capsule
    gc.collect()
    assert not machine.allocations
    assert not dlpack._handed_out


def test_what_dlpack_refuses(gpu: Gpu) -> None:
    made = allocate(gpu, (3,), np.int32, 0)
    for asked in ({"copy": True}, {"dl_device": (1, 0)}):
        with pytest.raises(BadOption, match="the array as it lies"):
            made.__dlpack__(**asked)
    capsule = made.__dlpack__()
    dlpack.take(capsule)
    with pytest.raises(BadOption, match="a capsule that nobody took"):
        dlpack.take(capsule)


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8", "int32", "int64", "bool"])
def test_numpy_and_dlpack_agree(dtype: str) -> None:
    """NumPy is the other side, on memory of the host."""
    data = np.arange(6).reshape(2, 3).astype(dtype)
    taken = dlpack.take(data.__dlpack__())
    assert (taken.address, taken.shape, taken.dtype) == (data.ctypes.data, (2, 3), data.dtype)
    assert taken.strides in (None, data.strides) and taken.device_kind == dlpack.CPU

    class Ours:
        def __dlpack__(self, **asked: Any) -> Any:
            return dlpack.capsule(data, data.ctypes.data, data.shape, data.dtype, dlpack.CPU)

        def __dlpack_device__(self) -> tuple[int, int]:
            return (dlpack.CPU, 0)

    assert np.array_equal(np.from_dlpack(Ours()), data)
