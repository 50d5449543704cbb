"""The TensorRT backend against a model of the API: shapes, buffers, errors, caches, close."""

from __future__ import annotations

import gc
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import emogene
from emogene.contract.engine_directory import read_manifest
from emogene.contract.engines import EngineSpec
from emogene.contract.errors import BadEngineDirectory, Failure, MissingExtra, Unavailable
from emogene.kernels.gpu.opening import open_gpu
from emogene.runtime.backends.driver import find_driver
from emogene.runtime.backends.flavours import PROPER, RTX
from emogene.runtime.backends.jit_cache import JitCacheFile
from emogene.runtime.backends.onnxruntime import OnnxRuntimeRunner
from emogene.runtime.backends.protocol import DeviceBuffer
from emogene.runtime.backends.tensorrt import TensorRtRunner, open_engine

from .engine_fixtures import add_engines, inputs, resign
from .fake_cuda import Machine
from .fake_tensorrt import install

VERSION = "1.7.1.116"


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Machine]:
    """An Ampere GPU with TensorRT-RTX and TensorRT; nothing may be left on it."""
    made = Machine()
    install(made, monkeypatch, tmp_path, rtx=VERSION, proper="10.13.2.6")
    yield made
    gc.collect()
    assert not made.allocations and not made.streams and not made.contexts and not made.graphs


@pytest.fixture
def directory(tiny_engines: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_engines, tmp_path / "e"))


def opened(directory: Path, engine: EngineSpec) -> TensorRtRunner:
    return open_engine(directory, read_manifest(directory), engine)


def onnx(directory: Path, stage: str) -> OnnxRuntimeRunner:
    return OnnxRuntimeRunner(directory / "stages" / f"{stage}.onnx", 1)


def shapes(values: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    return {name: value.shape for name, value in values.items()}


def same(found: dict[str, Any], expected: dict[str, Any]) -> bool:
    assert found.keys() == expected.keys()
    return all(found[k].tobytes() == v.tobytes() for k, v in expected.items())


@pytest.mark.parametrize(("target", "version"), [(RTX, VERSION), (PROPER, "10.13.2.6")])
def test_every_stage_gives_what_its_network_gives(
    machine: Machine, directory: Path, target: Any, version: str
) -> None:
    for engine in add_engines(directory, target.target, version=version):
        lengths = (4000, 4720, 4000) if engine.stage == "hubert" else (3, 11, 3)
        with opened(directory, engine) as runner, onnx(directory, engine.stage) as plain:
            assert runner.backend == target.target
            for seed, length in enumerate(lengths):
                values = inputs(runner.inputs, length, seed)
                assert same(runner.run(values), plain.run(values)), engine.stage


def test_a_binding_allocates_once(machine: Machine, directory: Path) -> None:
    (engine,) = add_engines(directory, stages=["density"])
    with opened(directory, engine) as runner, onnx(directory, "density") as plain:
        values = inputs(runner.inputs, 5)
        with runner.bind(shapes(values), values) as bound:
            bound.run()
            machine.log.clear()
            values["features"] += 1
            bound.run()
            raw = bound.buffers["raw"]
            assert isinstance(raw, np.ndarray) and same({"raw": raw}, plain.run(values))
            calls = [call for call in machine.log if not call.startswith("cuCtx")]
            copies = ["cuMemcpyHtoDAsync"] * 2, ["cuMemcpyDtoHAsync"]
            assert calls == [*copies[0], "execute_async_v3", *copies[1], "cuStreamSynchronize"]
        bound.close()
        with pytest.raises(Failure, match="closed one"):
            bound.run()


def test_memory_of_the_gpu_and_a_stream_of_the_caller(machine: Machine, directory: Path) -> None:
    gpu = open_gpu()
    (engine,) = add_engines(directory, stages=["density"])
    with opened(directory, engine) as runner, onnx(directory, "density") as plain:
        values = inputs(runner.inputs, 5)
        size = 5 * runner.outputs[0].shape[1] * 4  # type: ignore[operator]
        address, stream = gpu.allocate(size), gpu.create_stream()
        with runner.bind(shapes(values), values | {"raw": DeviceBuffer(address, size)}) as bound:
            bound.run(stream)
            found = np.zeros((5, runner.outputs[0].shape[1]), np.float32)  # type: ignore[arg-type]
            gpu.download(found, address, stream)
            assert not found.any()  # nothing waited
            gpu.synchronise(stream)
            assert same({"raw": found}, plain.run(values))
        for buffer in (DeviceBuffer(0, size), DeviceBuffer(address, size - 1)):
            with pytest.raises(Failure, match=r"buffer raw: expected .* bytes of the GPU"):
                runner.bind(shapes(values), {"raw": buffer})
        gpu.free(address)
        gpu.destroy_stream(stream)


@pytest.mark.parametrize("flavour", [RTX, PROPER])
def test_cuda_graphs(machine: Machine, directory: Path, flavour: Any) -> None:
    version = VERSION if flavour is RTX else "10.13.2.6"
    (engine,) = add_engines(directory, flavour.target, ["density"], version=version)
    manifest, driver = read_manifest(directory), find_driver()
    with (
        TensorRtRunner(directory, manifest, engine, flavour, driver, graphs=True) as runner,
        onnx(directory, "density") as plain,
    ):
        values = inputs(runner.inputs, 5)
        with runner.bind(shapes(values), values) as bound:
            for _ in range(3):
                values["features"] += 1
                bound.run()
                assert same({"raw": bound.buffers["raw"]}, plain.run(values))
            # TensorRT-RTX replays graphs itself; for TensorRT the first run is recorded.
            assert machine.log.count("cuGraphLaunch") == (0 if flavour is RTX else 2)
            assert machine.log.count("cuStreamBeginCapture") == (0 if flavour is RTX else 1)


def test_rows_beyond_the_profile_are_run_in_pieces(machine: Machine, directory: Path) -> None:
    (engine,) = add_engines(directory, stages=["density"], most=8)
    with opened(directory, engine) as runner, onnx(directory, "density") as plain:
        for length in (0, 1, 8, 9, 20):
            values = inputs(runner.inputs, length)
            found, expected = runner.run(values)["raw"], plain.run(values)["raw"]
            assert found.dtype == expected.dtype and found.shape == expected.shape
            np.testing.assert_allclose(found, expected, atol=1e-6)  # other sizes, other order
        assert machine.log.count("execute_async_v3") == 1 + 1 + 2 + 3


def test_lengths_outside_the_profile_are_refused(machine: Machine, directory: Path) -> None:
    engine, _ = add_engines(directory, stages=["audio_to_motion", "density"], most=8)
    with opened(directory, engine) as runner:
        with pytest.raises(Failure, match=r"expected 1 to 8 latents, found .* outside the profile"):
            runner.run(inputs(runner.inputs, 9))
        runner.run(inputs(runner.inputs, 8))
        values = inputs(runner.inputs, 8)
        with pytest.raises(Failure, match="expected inputs"):
            runner.run({"features": values["features"]})
        with pytest.raises(Failure, match=r"input pitch_bins: expected int32, found int64"):
            runner.run(values | {"pitch_bins": values["pitch_bins"].astype(np.int64)})
        with pytest.raises(Failure, match="found nothing"):
            runner.bind(shapes(values), {"nothing": values["noise"]})


def test_threads_have_contexts_of_their_own(machine: Machine, directory: Path) -> None:
    (engine,) = add_engines(directory, stages=["density"])
    with opened(directory, engine) as runner, onnx(directory, "density") as plain:
        wrong: list[int] = []

        def work(seed: int) -> None:
            values = inputs(runner.inputs, 5 + seed, seed)
            expected = plain.run(values)
            for _ in range(5):
                if not same(runner.run(values), expected):
                    wrong.append(seed)

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong and 1 <= machine.log.count("create_execution_context") <= 4


def test_close_frees_everything_twice(machine: Machine, directory: Path) -> None:
    (engine,) = add_engines(directory, stages=["density"])
    runner = opened(directory, engine)
    values = inputs(runner.inputs, 5)
    runner.run(values)
    assert machine.allocations and machine.contexts
    runner.close()
    runner.close()
    gc.collect()
    assert not machine.allocations and not machine.contexts and not machine.streams
    for use in (lambda: runner.run(values), lambda: runner.bind(shapes(values))):
        with pytest.raises(Failure, match="open runner, found a closed one"):
            use()


def test_what_was_compiled_is_kept_for_this_gpu_and_driver(
    machine: Machine, directory: Path, tmp_path: Path
) -> None:
    (engine,) = add_engines(directory, stages=["density"])
    folder = tmp_path / "cache" / "jit"

    def run() -> bytes:
        with opened(directory, engine) as runner:
            runner.run(inputs(runner.inputs, 5))
            kept: bytes = bytes(runner._jit.serialize())
        return kept

    kept = run()
    (file,) = folder.iterdir()
    assert file.name.startswith("density-sm_86-") and file.read_bytes()[32:] == kept
    written = file.stat().st_mtime_ns
    run()
    assert file.stat().st_mtime_ns == written  # nothing new was compiled
    file.write_bytes(b"garbage")
    assert run() == kept == file.read_bytes()[32:]
    machine.cuda = 13010  # a newer driver: runs, and starts a cache of its own
    run()
    assert len(list(folder.iterdir())) == 2
    shutil.rmtree(folder)
    folder.write_text("no folder can be made here")
    run()


def test_a_damaged_jit_cache_never_reaches_the_library(
    machine: Machine, directory: Path, tmp_path: Path
) -> None:
    (engine,) = add_engines(directory, stages=["density"])
    kept = JitCacheFile(engine, "0" * 64, find_driver(), VERSION)
    assert kept.read() == b""
    kept.write(b"compiled kernels")
    good = kept.path.read_bytes()
    assert kept.path.parent == tmp_path / "cache" / "jit" and kept.read() == b"compiled kernels"
    for place in range(len(good)):
        bad = bytearray(good)
        bad[place] ^= 1
        kept.path.write_bytes(bad)
        assert kept.read() == b""
    kept.path.write_bytes(good[:-1])
    assert kept.read() == b""
    kept.write(b"compiled kernels")
    assert kept.path.read_bytes() == good


def test_an_interrupted_jit_cache_leaves_nothing_half(
    machine: Machine, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (engine,) = add_engines(directory, stages=["density"])
    kept = JitCacheFile(engine, "0" * 64, find_driver(), VERSION)

    def interrupted(*paths: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        kept.write(b"compiled kernels")
    assert not list(kept.path.parent.iterdir())


def test_a_plan_that_tensorrt_refuses(machine: Machine, directory: Path) -> None:
    (engine,) = add_engines(directory, stages=["density"])
    path = directory / engine.file
    path.write_bytes(path.read_bytes()[:-1])
    resign(directory)
    with pytest.raises(BadEngineDirectory, match="magicTag does not match") as caught:
        opened(directory, engine)
    assert caught.value.remedy.startswith("emogene-export rebuild")
    path.write_bytes((directory / "stages" / "density.onnx").read_bytes())
    with pytest.raises(BadEngineDirectory, match=r"an engine that TensorRT-RTX 1.7.1.116 can load"):
        opened(directory, engine)


def test_a_plan_with_other_tensors(machine: Machine, directory: Path) -> None:
    density, colour = add_engines(directory, stages=["density", "colour"])
    shutil.copyfile(directory / colour.file, directory / density.file)
    with pytest.raises(BadEngineDirectory, match="features is missing instead of INPUT float32"):
        opened(directory, density)


def test_no_memory_left_on_the_gpu(machine: Machine, directory: Path) -> None:
    (engine,) = add_engines(directory, stages=["density"])
    machine.memory = 100
    with opened(directory, engine) as runner:
        with pytest.raises(Unavailable, match=r"memory of the GPU: .* --backend onnxruntime"):
            runner.run(inputs(runner.inputs, 500))
        machine.memory = 1 << 30
        runner.run(inputs(runner.inputs, 500))


def test_without_cuda_python(
    machine: Machine, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    (engine,) = add_engines(directory, stages=["density"])
    monkeypatch.setitem(sys.modules, "cuda.bindings.driver", None)  # type: ignore[arg-type]
    with pytest.raises(MissingExtra, match=r'pip install "emogene\[cuda\]"'):
        opened(directory, engine)


def test_an_avatar_speaks_with_engines(machine: Machine, directory: Path, speech: Any) -> None:
    """The whole way: the frames that ONNX Runtime gives, from engines for every stage."""
    short = speech[:12_800]
    with emogene.open(directory, threads=1, renderer="wavefront") as avatar:
        expected = [frame.image for frame in avatar.render(short, size=16)]
    add_engines(directory)
    options = {"threads": 1, "backend": "tensorrt-rtx", "strict": True, "renderer": "wavefront"}
    with emogene.open(directory, **options) as avatar:
        assert set(avatar.backends.values()) == {"tensorrt-rtx"}
        found = [frame.image for frame in avatar.render(short, size=16)]
    assert len(found) == len(expected) > 10
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))
