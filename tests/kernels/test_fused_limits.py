"""What the fused renderer refuses in words, and what it survives."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emogene.contract.camera import Intrinsics
from emogene.contract.errors import BadOption, SessionMisuse, Unavailable
from emogene.contract.field import MarchSpec, MlpSpec
from emogene.kernels import instructions
from emogene.kernels.fused import FrameInputs, FusedField, unsupported
from emogene.kernels.reference import fused as reference
from emogene.kernels.threads import ThreadPool

from . import fused_scenes
from .fused_scenes import Scene

SETS = instructions.available()


def test_instruction_sets_are_listed_and_chosen_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert instructions.compiled()[0] == "baseline" and "baseline" in SETS
    assert instructions.chosen() in SETS
    monkeypatch.setenv(instructions.VARIABLE, "baseline")
    assert instructions.chosen() == "baseline"
    scene = fused_scenes.scene("odd")
    assert FusedField(scene.field, scene.weights).instruction_set == "baseline"
    assert (
        FusedField(scene.field, scene.weights, instruction_set=SETS[-1]).instruction_set
        == (SETS[-1])
    )
    monkeypatch.setenv(instructions.VARIABLE, "sse9")
    with pytest.raises(BadOption, match=r"EMOGENE_CPU: expected one of baseline.*found 'sse9'"):
        instructions.chosen()


def test_the_fastest_is_taken_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(instructions.VARIABLE, raising=False)
    processor = Path("/proc/cpuinfo")
    if not processor.is_file():
        pytest.skip("only Linux tells whose processor it is")
    intel = "GenuineIntel" in processor.read_text(encoding="utf-8")
    fastest = [name for name in SETS if not (intel and name == "avx512bf16")]
    assert instructions.chosen() == fastest[-1]
    if "avx512bf16" in SETS:
        assert instructions.chosen("avx512bf16") == "avx512bf16"


def test_an_instruction_set_this_processor_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instructions, "_works", lambda i: i == 0)
    assert instructions.available() == ("baseline",)
    last = instructions.compiled()[-1]
    if last != "baseline":
        with pytest.raises(Unavailable, match=f"this processor has: baseline, found {last}"):
            instructions.chosen(last)


def test_the_command_says_that_an_instruction_set_is_unknown(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("emogene-run")
    done = subprocess.run(
        [program, "--sample", "--size", "16", "-o", tmp_path / "x.y4m"],
        env=os.environ | {instructions.VARIABLE: "sse9"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "EMOGENE_CPU" in done.stderr
    assert not list(tmp_path.iterdir())


def test_fields_beyond_the_limits_are_named() -> None:
    field = fused_scenes.fields()["realtime"]
    wide = dataclasses.replace(field, density=MlpSpec("density", 19, (300,), 16))
    assert "wider than 256" in unsupported(wide)[0]
    deep = dataclasses.replace(field, density=MlpSpec("density", 19, (8,) * 9, 16))
    assert "more than 8 layers" in unsupported(deep)[0]
    wrong = dataclasses.replace(field, colour=MlpSpec("colour", 7, (8,), 3))
    assert "colour network with 24 inputs" in unsupported(wrong)[0]
    assert unsupported(field, fused_scenes.TORSO) == []
    with pytest.raises(BadOption, match="wider than 256"):
        FusedField(wide, {})


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"span": "centres"}, "from centre to centre"),
        ({"shrink": 0.8}, "positions are shrunk"),
        ({"frequency": 1.0}, "another base"),
        ({"offset": "clamped"}, "not bounded by tanh"),
    ],
)
def test_published_torsos_are_left_to_the_wavefront_renderer(
    changes: dict[str, Any], said: str
) -> None:
    torso = dataclasses.replace(fused_scenes.TORSO, **changes)
    (problem,) = unsupported(fused_scenes.fields()["realtime"], torso)
    assert "the torso is a published one" in problem and said in problem


def changed(name: str, value: Callable[[np.ndarray], np.ndarray]) -> dict[str, np.ndarray]:
    weights = fused_scenes.scene("realtime").weights
    return weights | {name: value(weights[name].copy())}


def spoiled(array: np.ndarray, value: float) -> np.ndarray:
    array.flat[3] = value
    return array


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (changed("skin.table", lambda t: t[:-1]), "skin.table: expected float32 or float16"),
        (changed("skin.table", lambda t: spoiled(t, np.nan)), "skin.table: expected finite"),
        (changed("density.0.weight", lambda w: spoiled(w, np.inf)), "expected finite numbers"),
        (changed("density.1.bias", lambda w: w.astype(np.float64)), "density.1.bias: expected"),
        (changed("occupancy", lambda b: b[:-1]), "occupancy: expected uint8"),
        (changed("torso_mask", lambda b: b[1:]), "torso_mask: expected uint8"),
    ],
)
def test_tensors_that_do_not_fit_are_named(weights: dict[str, np.ndarray], message: str) -> None:
    scene = fused_scenes.scene("realtime")
    with pytest.raises(BadOption, match=message):
        FusedField(scene.field, weights, scene.torso)


def test_a_missing_tensor_is_named() -> None:
    scene = fused_scenes.scene("realtime")
    del scene.weights["colour.1.weight"]
    with pytest.raises(BadOption, match=r"colour\.1\.weight: expected a tensor \(48, 48\)"):
        FusedField(scene.field, scene.weights)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_inputs_of_a_frame_must_be_finite(value: float) -> None:
    scene = fused_scenes.scene("realtime")
    field, good = FusedField(scene.field, scene.weights, scene.torso), scene.inputs
    bad_bias = good.biases | {"density_bias": spoiled(good.biases["density_bias"].copy(), value)}
    assert good.landmarks is not None
    for inputs, name in (
        (dataclasses.replace(good, pose=spoiled(good.pose.copy(), value)), "pose"),
        (dataclasses.replace(good, landmarks=spoiled(good.landmarks.copy(), value)), "landmarks"),
        (dataclasses.replace(good, biases=bad_bias), "density_bias"),
        (dataclasses.replace(good, camera=Intrinsics(32, value, 1.0, 1.0)), "camera"),
    ):
        with pytest.raises(BadOption, match=f"{name}: expected"):
            field.render(inputs, None)


def test_a_closed_field_refuses_and_closing_twice_is_fine() -> None:
    scene = fused_scenes.scene("odd")
    field = FusedField(scene.field, scene.weights)
    field.close()
    field.close()
    with pytest.raises(SessionMisuse, match="closed"):
        field.render(scene.inputs)


def mad_inputs(rng: np.random.Generator, scene: Scene) -> FrameInputs:
    """A camera, landmarks and biases from tame to absurd."""
    size = int(rng.integers(1, 50))
    spread = 10.0 ** rng.uniform(-3, 6)
    pose = scene.inputs.pose.copy()
    kind = rng.integers(0, 5)
    if kind == 0:  # anywhere, looking anywhere
        pose[:] = rng.normal(0, spread, (3, 4))
    elif kind == 1:  # inside the head
        pose[:, 3] = rng.normal(0, 0.3, 3)
    elif kind == 2:  # no camera at all
        pose[:] = 0
    elif kind == 3:  # mirrored and squashed
        pose[:, rng.integers(0, 3)] *= rng.choice([-1, 0, 1e-6])
    focal = float(10.0 ** rng.uniform(-4, 5) * size)
    camera = Intrinsics(size, focal, *rng.normal(size / 2, spread, 2).tolist())
    assert scene.inputs.landmarks is not None
    landmarks = (scene.inputs.landmarks * spread).astype(np.float32)
    biases = {n: (b * spread).astype(np.float32) for n, b in scene.inputs.biases.items()}
    return FrameInputs(pose.astype(np.float32), camera, biases, landmarks)


@pytest.mark.parametrize("seed", range(60))
def test_nothing_absurd_crashes_or_leaves_a_pixel_unset(seed: int) -> None:
    rng = np.random.default_rng(seed)
    kind = tuple(fused_scenes.fields())[seed % 4]
    cells = rng.random((fused_scenes.SIDE,) * 3) < rng.choice([0.0, 0.01, 0.5, 1.0])
    scene = fused_scenes.scene(kind, cells=cells)
    scale = np.float32(10.0 ** rng.uniform(-2, 15))
    weights = {
        n: w * scale if w.dtype == np.float32 and rng.random() < 0.3 else w
        for n, w in scene.weights.items()
    }
    march = MarchSpec(0.05, float(rng.random()), 0.05, int(rng.integers(1, 60)), fused_scenes.SIDE)
    field = dataclasses.replace(scene.field, march=march)
    inputs = mad_inputs(rng, scene)
    size = inputs.camera.size
    background = np.zeros((size, size, 3), np.uint8)
    made_field = FusedField(field, weights, scene.torso, instruction_set=SETS[seed % len(SETS)])
    with ThreadPool(2) as pool, np.errstate(all="ignore"):
        first = made_field.render(inputs, background, transmittance=1e-2, pool=pool)
        again = made_field.render(inputs, background, transmittance=1e-2)
        counts, distances = made_field.samples(inputs.pose, inputs.camera, pool=pool)
        expected = reference.FusedField(field, weights).samples(inputs.pose, inputs.camera)
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(counts, expected[0])
    np.testing.assert_array_equal(distances, expected[1])
