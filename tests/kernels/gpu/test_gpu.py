"""Both driver libraries on the model of a GPU; NVIDIA's one compared with the real module."""

from __future__ import annotations

import ast
import ctypes
import importlib
import inspect
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emogene.contract.errors import BadOption, Failure, MissingExtra, SessionMisuse, Unavailable
from emogene.kernels.gpu import cuda_python, nvrtc
from emogene.kernels.gpu.opening import open_gpu
from emogene.kernels.gpu.protocol import Gpu

from ...runtime import fake_driver
from ...runtime.fake_cuda import Machine
from . import fake_pycuda
from .units import SCALE, Factor, run_scale

ROOT = Path(__file__).parents[3]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    """A machine with a GPU and both libraries."""
    made = Machine(kernels={"scale": run_scale})
    made.install(monkeypatch, tmp_path)
    fake_pycuda.install(monkeypatch)
    return made


@pytest.fixture(params=["cuda-python", "pycuda"])
def gpu(machine: Machine, request: pytest.FixtureRequest) -> Any:
    with open_gpu(request.param) as opened:
        assert opened.api == request.param
        yield opened
    assert not machine.allocations, "memory was not given back"


def test_names_and_parameters_are_those_of_the_real_module(machine: Machine) -> None:
    fake: Any = importlib.import_module("cuda.bindings.driver")
    sys.modules.pop("cuda.bindings.driver")
    real: Any = pytest.importorskip("cuda.bindings.driver", reason="cuda-python is not installed")
    names = [name for name in dir(fake) if name.startswith("cu")]
    assert len(names) > 30
    state = fake_driver._State(machine)
    for name in names:
        wanted = list(inspect.signature(getattr(real, name)).parameters)
        if name != "cuGetErrorString":
            assert list(inspect.signature(getattr(state, name)).parameters) == wanted, name
    for kind, members in fake_driver._ENUMERATIONS.items():
        for name, value in members.items():
            assert int(getattr(getattr(real, kind), name)) == value, name


def test_what_is_called_exists_and_takes_as_much() -> None:
    """The driver's functions and names in our source, in the module that is installed."""
    real: Any = pytest.importorskip("cuda.bindings.driver", reason="cuda-python is not installed")
    source = Path(cuda_python.__file__).read_text("utf-8")
    code = re.sub(r"#.*", "", source)
    called = set(re.findall(r"\bcu[A-Z]\w+", code))
    assert len(called) > 30 and not [name for name in called if not hasattr(real, name)]
    for kind, member in re.findall(r"\.(CU\w+)\.(CU_\w+)", code):
        assert hasattr(getattr(real, kind), member), member
    key = "CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES"  # asked by a variable
    assert key in code and hasattr(real.CUfunction_attribute, key)
    asked = re.findall(r"\bask\([\"'](\w+)[\"']\)", code)
    assert len(asked) >= 4
    for name in asked:
        assert hasattr(real.CUdevice_attribute, f"CU_DEVICE_ATTRIBUTE_{name}"), name
    checked = 0
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if node.func.attr not in ("_call", "_inside") or not isinstance(node.args[0], ast.Constant):
            continue
        name = str(node.args[0].value)
        # What is starred is a grid's or a block's three lengths.
        given = sum(3 if isinstance(a, ast.Starred) else 1 for a in node.args[1:])
        assert given == len(inspect.signature(getattr(real, name)).parameters), name
        checked += 1
    assert checked > 30


def test_what_it_is(gpu: Gpu) -> None:
    facts = gpu.facts
    assert (facts.name, facts.architecture) == ("Model GPU", "sm_86")
    assert (facts.multiprocessors, facts.memory, facts.shared_memory) == (4, 1 << 30, 101_376)


def test_copies_happen_on_the_stream(gpu: Gpu) -> None:
    values = np.arange(10, dtype=np.float32)
    one, other, stream = gpu.allocate(40), gpu.allocate(40), gpu.create_stream()
    found = np.zeros_like(values)
    gpu.upload(one, values, stream)
    gpu.copy(other, one, 40, stream)
    gpu.fill(one, 0xFF, 40, stream)
    gpu.download(found, other, stream)
    assert not found.any()  # nothing waited
    gpu.synchronise(stream)
    assert np.array_equal(found, values)
    gpu.download(found, one, stream)
    gpu.synchronise(stream)
    assert np.isnan(found).all()
    for address in (one, other):
        gpu.free(address)
    gpu.destroy_stream(stream)


@pytest.mark.skipif(bool(nvrtc.missing()), reason="NVRTC is not installed")
def test_a_kernel(gpu: Gpu) -> None:
    values = np.arange(100, dtype=np.float32)
    module = gpu.load(nvrtc.compile_cubin(SCALE, "sm_86").image)
    scale = gpu.function(module, "scale")
    at, stream = gpu.allocate(400), gpu.create_stream()
    gpu.upload(at, values, stream)
    arguments = [ctypes.c_void_p(at), ctypes.c_int32(70), Factor(0.0, 3.0)]
    gpu.launch(scale, (2, 1, 1), (64, 1, 1), arguments, 0, stream)
    arguments[1].value = 1  # the values of the call count
    found = np.empty_like(values)
    gpu.download(found, at, stream)
    gpu.synchronise(stream)
    assert np.array_equal(found, np.where(values < 70, 3 * values, values))
    assert gpu.resident_blocks(scale, 256, 0) >= 1
    # More shared memory than a block gets without asking, and more than there is.
    big = 64 << 10
    with pytest.raises(Failure, match="success"):
        gpu.launch(scale, (1, 1, 1), (64, 1, 1), arguments, big, stream)
    gpu.allow_shared_memory(scale, big)
    gpu.launch(scale, (1, 1, 1), (64, 1, 1), arguments, big, stream)
    gpu.synchronise(stream)
    with pytest.raises(Failure):
        gpu.allow_shared_memory(scale, 200 << 10)
    with pytest.raises(Failure):
        gpu.launch(scale, (1, 1, 1), (2048, 1, 1), arguments, 0, stream)
    with pytest.raises(Failure):
        gpu.function(module, "no such kernel")
    gpu.unload(module)
    gpu.free(at)
    gpu.destroy_stream(stream)


@pytest.mark.skipif(bool(nvrtc.missing()), reason="NVRTC is not installed")
def test_cubins_it_does_not_take(gpu: Gpu) -> None:
    for image in (nvrtc.compile_cubin(SCALE, "sm_80").image, b"\x7fELF", b"text"):
        with pytest.raises(Failure):
            gpu.load(image)


@pytest.mark.skipif(bool(nvrtc.missing()), reason="NVRTC is not installed")
def test_code_of_a_newer_cuda_than_the_drivers(machine: Machine) -> None:
    if not nvrtc.version().startswith("13."):
        pytest.skip("NVRTC makes cubins of another format")
    machine.cuda = 12080
    with open_gpu("cuda-python") as gpu, pytest.raises(Failure, match="CUDA error 200") as said:
        gpu.load(nvrtc.compile_cubin(SCALE, "sm_86").image)
    assert "a driver of CUDA 12.8 takes" in str(said.value)
    assert str(said.value).endswith("if a newer CUDA compiled it, install a newer driver")


def test_events_keep_time_and_order(gpu: Gpu) -> None:
    values, found = np.arange(4, dtype=np.int32), np.zeros(4, np.int32)
    at, first, second = gpu.allocate(16), gpu.create_stream(), gpu.create_stream()
    start, end = gpu.create_event(), gpu.create_event()
    gpu.record(start, first)
    gpu.upload(at, values, first)
    gpu.record(end, first)
    gpu.wait(second, end)
    gpu.download(found, at, second)
    gpu.synchronise(second)
    assert np.array_equal(found, values)
    assert gpu.elapsed(start, end) >= 0
    for event in (start, end):
        gpu.destroy_event(event)
    for stream in (first, second):
        gpu.synchronise(stream)
        gpu.destroy_stream(stream)
    gpu.free(at)


def test_graphs(machine: Machine) -> None:
    with open_gpu("cuda-python") as gpu:
        values, found = np.arange(4, dtype=np.int32), np.zeros(4, np.int32)
        at, stream = gpu.allocate(16), gpu.create_stream()
        gpu.begin_capture(stream)
        gpu.upload(at, values, stream)
        gpu.free(gpu.allocate(4))  # as when Python gives back what nobody holds any more
        gpu.download(found, at, stream)
        graph = gpu.end_capture(stream)
        gpu.synchronise(stream)
        assert not found.any()
        for _ in range(2):
            values += 1
            gpu.replay(graph, stream)
            gpu.synchronise(stream)
            assert np.array_equal(found, values)
        gpu.destroy_graph(graph)
        gpu.destroy_stream(stream)
        gpu.free(at)
        assert not machine.graphs


def test_pycuda_says_what_it_cannot_do(machine: Machine) -> None:
    with open_gpu("pycuda") as gpu:
        assert not gpu.graphs
        with pytest.raises(Failure, match="PyCUDA, which does not — use cuda-python"):
            gpu.begin_capture(0)
        at = gpu.allocate(4)
        with pytest.raises(BadOption, match=r"a bare handle.*PyCudaGpu\.adopt"):
            gpu.fill(at, 0, 4, 1234)
        theirs = sys.modules["pycuda.driver"].Stream()
        gpu.fill(at, 0, 4, gpu.adopt(theirs))  # type: ignore[attr-defined]
        theirs.synchronize()
        gpu.free(at)


def test_the_context_is_the_callers_again(machine: Machine) -> None:
    cuda: Any = importlib.import_module("cuda.bindings.driver")
    with open_gpu("cuda-python") as gpu:
        assert cuda.cuCtxPopCurrent()[0] != 0  # none is current between calls
        with gpu.current(), gpu.current():
            gpu.free(gpu.allocate(4))
        assert machine.log.count("cuCtxPushCurrent") == 1
        assert cuda.cuCtxPopCurrent()[0] != 0
    gpu.close()
    with pytest.raises(SessionMisuse, match="a closed one"):
        gpu.allocate(4)
    for call in ("cuDevicePrimaryCtxRetain", "cuDevicePrimaryCtxRelease"):
        assert machine.log.count(call) == 1


def test_no_memory_left(gpu: Gpu) -> None:
    with pytest.raises(Unavailable, match=r"memory of the GPU: expected room for 2147483648 bytes"):
        gpu.allocate(2 << 30)


@pytest.mark.parametrize(
    ("api", "module", "extra"),
    [("cuda-python", "cuda.bindings.driver", "cuda"), ("pycuda", "pycuda.driver", "pycuda")],
)
def test_libraries_that_are_not_installed(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, api: str, module: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # type: ignore[arg-type]
    with pytest.raises(MissingExtra, match=rf'pip install "emogene\[{extra}\]"'):
        open_gpu(api)
    with pytest.raises(BadOption, match="one of auto, cuda-python, pycuda"):
        open_gpu("opencl")


@pytest.mark.skipif(bool(nvrtc.missing()), reason="NVRTC is not installed")
def test_every_call_through_the_real_bindings(tmp_path: Path) -> None:
    pytest.importorskip("cuda.bindings.driver", reason="cuda-python is not installed")
    if Path("/dev/nvidiactl").exists() or shutil.which("g++") is None:
        pytest.skip("there is a driver here, or no compiler to make a model of it")
    command = [sys.executable, "-m", "tests.kernels.gpu.real_bindings", str(tmp_path)]
    environment = os.environ | {"EMOGENE_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr


def test_without_a_driver_it_says_so() -> None:
    pytest.importorskip("cuda.bindings.driver", reason="cuda-python is not installed")
    if Path("/dev/nvidiactl").exists():
        pytest.skip("there is a driver here")
    with pytest.raises(Unavailable, match="NVIDIA driver: expected one that has cuInit") as said:
        open_gpu("cuda-python")
    assert "\n" not in str(said.value)
