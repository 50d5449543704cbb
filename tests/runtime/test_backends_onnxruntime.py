"""ONNX Runtime: bound buffers give the bits that a plain run gives, and no silent fallback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from emogene.contract.engine_directory import read_manifest
from emogene.contract.errors import BadEngineDirectory, Failure, Unavailable
from emogene.runtime.backends.onnxruntime import OnnxRuntimeRunner
from emogene.runtime.backends.protocol import DeviceBuffer
from emogene.runtime.backends.providers import installed_providers

from .engine_fixtures import inputs

LENGTHS = {"hubert": 4000}


@pytest.fixture
def density(tiny_engines: Path) -> OnnxRuntimeRunner:
    return OnnxRuntimeRunner(tiny_engines / "stages" / "density.onnx", 1)


def shapes(values: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    return {name: value.shape for name, value in values.items()}


def test_every_stage_bound_equals_run_bit_by_bit(tiny_engines: Path) -> None:
    for name, stage in read_manifest(tiny_engines).stages.items():
        with OnnxRuntimeRunner(tiny_engines / stage.file, 1) as runner:
            first, second = (inputs(stage.inputs, LENGTHS.get(name, 12), seed) for seed in range(2))
            with runner.bind(shapes(first)) as bound:
                for values in (first, second, first):
                    for key, value in values.items():
                        bound.arrays[key][...] = value
                    bound.run()
                    for key, expected in runner.run(values).items():
                        assert bound.arrays[key].shape == expected.shape
                        assert bound.arrays[key].tobytes() == expected.tobytes(), (name, key)


def test_it_reads_and_writes_the_callers_arrays(density: OnnxRuntimeRunner) -> None:
    values = inputs(density.inputs, 5)
    out = np.zeros((5, density.outputs[0].shape[1]), np.float32)
    bound = density.bind(shapes(values), values | {"raw": out})
    assert bound.buffers["raw"] is out
    bound.run()
    assert out.tobytes() == density.run(values)["raw"].tobytes()
    values["features"] *= 2
    bound.run()
    assert out.tobytes() == density.run(values)["raw"].tobytes()


def test_no_points_at_all(density: OnnxRuntimeRunner) -> None:
    values = inputs(density.inputs, 0)
    with density.bind(shapes(values), values) as bound:
        bound.run()
        assert bound.arrays["raw"].shape == (0, density.outputs[0].shape[1])


def test_what_does_not_fit_is_refused(density: OnnxRuntimeRunner) -> None:
    values = inputs(density.inputs, 5)
    right = shapes(values)
    wrong = values["features"]
    for given, buffers, message in (
        ({"features": right["features"]}, {}, "expected inputs features, bias"),
        (right | {"features": (5, 1)}, {}, r"input features: expected \(points"),
        (right, {"nothing": wrong}, "found nothing"),
        (right, {"features": wrong.astype(np.float64)}, "float64"),
        (right, {"features": np.asfortranarray(wrong)}, "C-contiguous"),
        (right, {"features": wrong[:4]}, r"array \(5,"),
        (right, {"features": DeviceBuffer(4096, 1 << 20)}, "memory of the GPU"),
    ):
        with pytest.raises(Failure, match=message):
            density.bind(given, buffers)
    short = np.zeros((4, density.outputs[0].shape[1]), np.float32)
    with pytest.raises(Failure, match=r"density\.onnx: expected a run"):
        density.bind(right, {"raw": short}).run()


def test_streams_and_closed_bindings_are_refused(density: OnnxRuntimeRunner) -> None:
    bound = density.bind(shapes(inputs(density.inputs, 5)))
    with pytest.raises(Failure, match="no CUDA stream"):
        bound.run(7)
    bound.close()
    bound.close()
    with pytest.raises(Failure, match="open binding"):
        bound.run()
    other = density.bind(shapes(inputs(density.inputs, 5)))
    density.close()
    with pytest.raises(Failure, match="open runner"):
        other.run()
    with pytest.raises(Failure, match="open runner"):
        density.bind({})


def test_the_provider_that_was_really_taken_is_reported(tiny_engines: Path) -> None:
    assert "CPUExecutionProvider" in installed_providers()
    path = tiny_engines / "stages" / "density.onnx"
    assert OnnxRuntimeRunner(path, 1, "onnxruntime-cpu", strict=True).backend == "onnxruntime-cpu"
    assert OnnxRuntimeRunner(path, 1, "onnxruntime-tensorrt").backend == "onnxruntime-cpu"
    with pytest.raises(Unavailable, match="put it on onnxruntime-cpu") as caught:
        OnnxRuntimeRunner(path, 1, "onnxruntime-tensorrt", strict=True)
    assert "pip install" in caught.value.remedy


def test_a_provider_that_onnx_runtime_drops_is_noticed(
    tiny_engines: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with onnxruntime-gpu on a machine whose CUDA does not load: listed, and then not taken."""
    real = onnxruntime.InferenceSession
    asked: list[list[str]] = []

    def session(path: str, options: Any, providers: list[str]) -> Any:
        asked.append(providers)
        return real(path, options, providers=providers[1:])

    listed = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: listed)
    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    path = tiny_engines / "stages" / "density.onnx"
    assert OnnxRuntimeRunner(path, 1, "onnxruntime-cuda").backend == "onnxruntime-cpu"
    with pytest.raises(Unavailable, match="expected a network on onnxruntime-cuda"):
        OnnxRuntimeRunner(path, 1, "onnxruntime-cuda", strict=True)
    assert asked == [listed, listed]


def test_a_file_that_is_no_network(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"no")
    with pytest.raises(BadEngineDirectory, match=r"x\.onnx"):
        OnnxRuntimeRunner(tmp_path / "x.onnx", 1)
