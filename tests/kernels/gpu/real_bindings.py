"""Every call of the driver through the real ``cuda.bindings``, on a library that is a model.

``python -m tests.kernels.gpu.real_bindings FOLDER``: a process of its own, in which
``libcuda.so.1`` is another. A wrong type, order or number of arguments ends it.
"""

from __future__ import annotations

import ctypes
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from emogene.contract.errors import Failure, Unavailable
from emogene.kernels.fused import FrameInputs
from emogene.kernels.gpu import cuda_python, nvrtc
from emogene.kernels.gpu.cuda_python import CudaPythonGpu
from emogene.kernels.gpu.plain import PlainField, plain_program
from emogene.kernels.reference.fused import FusedField as ReferenceField
from emogene.runtime.backends.driver import find_driver

from ...runtime import fake_libcuda
from ...runtime.fake_cuda import Machine
from .. import fused_scenes
from .host_kernels import host_kernels
from .units import SCALE, Factor, run_scale


def walk_protocol(machine: Machine) -> None:
    """Every method of `protocol.Gpu`."""
    machine.kernels["scale"] = run_scale
    with CudaPythonGpu() as gpu:
        assert gpu.facts.name == "Model GPU" and gpu.facts.architecture == machine.architecture
        assert gpu.facts.shared_memory == machine.shared_memory
        stream, at, other = gpu.create_stream(), gpu.allocate(64), gpu.allocate(64)
        values, found = np.arange(16, dtype=np.float32), np.zeros(16, np.float32)
        module = gpu.load(nvrtc.compile_cubin(SCALE, machine.architecture).image)
        scale, block = gpu.function(module, "scale"), (64, 1, 1)
        start, end = gpu.create_event(), gpu.create_event()
        given = (ctypes.c_void_p(at), ctypes.c_int32(16), Factor(0.0, 3.0))
        gpu.record(start, stream)
        gpu.upload(at, values, stream)
        gpu.launch(scale, (1, 1, 1), block, given, 0, stream)
        gpu.copy(other, at, 64, stream)
        gpu.fill(at, 0xFF, 64, 0)
        gpu.record(end, stream)
        gpu.wait(stream, end)
        gpu.download(found, other, stream)
        gpu.synchronise(stream)
        assert np.array_equal(found, 3 * values) and gpu.elapsed(start, end) >= 0
        gpu.allow_shared_memory(scale, machine.shared_memory)
        assert gpu.resident_blocks(scale, 64, 1000) == 16
        gpu.begin_capture(stream)
        gpu.launch(scale, (1, 1, 1), block, (ctypes.c_void_p(other), *given[1:]), 0, stream)
        graph = gpu.end_capture(stream)
        gpu.replay(graph, stream)
        gpu.download(found, other, stream)
        gpu.synchronise(stream)
        assert np.array_equal(found, 9 * values)
        gpu.synchronise(0)
        gpu.destroy_graph(graph)
        for event in (start, end):
            gpu.destroy_event(event)
        refusals(gpu, module)
        gpu.unload(module)
        gpu.load(nvrtc.compile_cubin(SCALE, "compute_80").image)  # PTX
        gpu.destroy_stream(stream)
        gpu.free(at)
        gpu.free(other)


def refusals(gpu: CudaPythonGpu, module: int) -> None:
    """What the driver refuses, in its own words."""
    with pytest.raises(Unavailable, match="room for 1099511627776 bytes, found what the driver"):
        gpu.allocate(1 << 40)
    with pytest.raises(Failure, match="CUDA error 500: what the driver says"):
        gpu.function(module, "none")
    with pytest.raises(Failure, match=r"for sm_86 that a driver of CUDA 13\.0 takes, found CUDA"):
        gpu.load(nvrtc.compile_cubin(SCALE, "sm_90").image)
    with pytest.raises(Failure, match="CUDA error 1"):
        gpu.free(1)
    # A status that these bindings do not know yet.
    with pytest.raises(Failure, match="cuEventSynchronize: expected success, found 98765"):
        gpu.settle(fake_libcuda.UNKNOWN)


def paint_a_picture(machine: Machine, folder: Path) -> None:
    """A frame by the plain kernels, twice: recorded, then replayed."""
    scene = fused_scenes.scene("realtime")
    unit = plain_program(scene.field, scene.torso).unit
    machine.kernels.update(host_kernels(unit, ("bake_nodes", "paint_pixels"), folder))
    inputs: FrameInputs = scene.inputs
    wanted = ReferenceField(scene.field, scene.weights, scene.torso).render(
        inputs, scene.background
    )
    with CudaPythonGpu() as gpu:
        field = PlainField(gpu, scene.field, scene.weights, scene.torso)
        for _ in range(2):
            found = field.render(inputs, scene.background)
            assert found.rays == wanted.rays and found.image is not None
            assert wanted.image is not None
            off = np.abs(found.image.astype(int) - wanted.image)
            assert np.mean(off > 1) < 0.01, off.max()
        field.close()


def main() -> None:
    """Entry point."""
    folder, machine = Path(sys.argv[1]), Machine()
    state = fake_libcuda.load(machine, folder)
    assert find_driver().gpus[0].name == "Model GPU"
    walk_protocol(machine)
    paint_a_picture(machine, folder)
    assert state.retained == 0 and not machine.allocations
    source = Path(cuda_python.__file__).read_text("utf-8")
    called = set(re.findall(r'"(cu[A-Z]\w+)"', source))
    assert len(called) > 30 and called <= set(machine.log), called - set(machine.log)


if __name__ == "__main__":
    main()
