"""Half precision on the screen: pixels of landmarks, dB of pictures, and what goes back to fp32."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import emogene
from emogene.contract.errors import BadInput
from emogene.exporters.precision import end_to_end as module
from emogene.exporters.precision.auto import Choice, choose
from emogene.exporters.precision.convert import convert
from emogene.exporters.precision.end_to_end import compare_end_to_end, with_half
from emogene.exporters.precision.settle import settle
from emogene.runtime.backends.protocol import Array, Runner
from emogene.runtime.loading import Loaded, load_engine_directory
from tests.speech import spoken

from .graphs import stages_of

SIZE = 32


@pytest.fixture(scope="module")
def speech() -> NDArray[np.float32]:
    return spoken()[:12_800]


@pytest.fixture(scope="module")
def loaded(tiny_engines: Path) -> Iterator[Loaded]:
    opened = load_engine_directory(tiny_engines, 1)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def sources(tiny_engines: Path) -> dict[str, bytes]:
    return {stage.name: stage.data for stage in stages_of(tiny_engines)}


@pytest.fixture(scope="module")
def choices(tiny_engines: Path, loaded: Loaded) -> dict[str, Choice]:
    return {
        stage.name: choose(stage.name, stage.data, stage.signature, loaded.runners[stage.name])
        for stage in stages_of(tiny_engines)
    }


class Shifted:
    """A runner whose outputs are off by a constant."""

    def __init__(self, runner: Runner, shift: float) -> None:
        self._runner, self._shift = runner, np.float32(shift)
        self.backend, self.inputs, self.outputs = "shifted", runner.inputs, runner.outputs

    def run(self, values: Mapping[str, Array]) -> dict[str, Array]:
        return {name: v + self._shift for name, v in self._runner.run(values).items()}

    def close(self) -> None: ...


def shifted(loaded: Loaded, stage: str, shift: float) -> Loaded:
    runner = Shifted(loaded.runners[stage], shift)
    return dataclasses.replace(loaded, runners={**loaded.runners, stage: runner})


def test_the_same_avatar_differs_by_nothing(loaded: Loaded, speech: NDArray[np.float32]) -> None:
    found = compare_end_to_end(loaded, loaded, speech, size=SIZE)
    assert found.frames == 20 and found.size == SIZE and found.passed
    assert found.landmark_px_max == 0 and math.isinf(found.psnr_db_min)
    assert math.isinf(found.psnr_db_mean)
    feeds = {"windows": np.zeros((1, loaded.manifest.motion.window, 204), np.float32)}
    assert loaded.runners["condition"].run(feeds), "its runners must stay open"


def test_half_stays_within_both_limits(
    loaded: Loaded, sources: Mapping[str, bytes], speech: NDArray[np.float32]
) -> None:
    half = with_half(loaded, {name: convert(data, "fp16").data for name, data in sources.items()})
    assert {runner.backend for runner in half.runners.values()} == {"half-arithmetic"}
    found = compare_end_to_end(loaded, half, speech, size=SIZE)
    assert 0 < found.landmark_px_mean <= found.landmark_px_max <= module.PX_LIMIT
    assert found.psnr_db_mean >= found.psnr_db_min >= module.PSNR_LIMIT_DB
    assert math.isfinite(found.psnr_db_mean) and found.passed


def test_a_shift_of_all_landmarks_has_its_size_in_pixels(
    loaded: Loaded, speech: NDArray[np.float32]
) -> None:
    """Along x, y and z by 0.01: less than 0.01 · focal · √2 / distance, and not far from it."""
    moved = shifted(loaded, "deformation", 0.01)
    found = compare_end_to_end(loaded, moved, speech, size=512, every=1000)
    camera = loaded.manifest.camera.scaled(512)
    distance = float(np.median(loaded.weights["poses"][:, 2, 3]))
    expected = 0.01 * camera.focal * math.sqrt(2) / distance
    assert 0.3 * expected < found.landmark_px_mean < 1.3 * expected
    assert not found.passed


def test_pictures_are_those_of_a_session(
    loaded: Loaded, tiny_engines: Path, speech: NDArray[np.float32]
) -> None:
    seen = list(module._performed(loaded, speech, SIZE, 5, 1, 1))
    with emogene.open(tiny_engines, threads=1, renderer="wavefront") as avatar:
        frames = list(avatar.render(speech, module.EMOTION, seed=5, size=SIZE))
    assert len(seen) == len(frames)
    assert all(
        s.image is not None and np.array_equal(s.image, f.image)
        for s, f in zip(seen, frames, strict=True)
    )


def test_other_colours_are_seen_in_the_pictures(
    loaded: Loaded, speech: NDArray[np.float32]
) -> None:
    found = compare_end_to_end(loaded, shifted(loaded, "torso_colour", 0.05), speech, size=SIZE)
    assert found.landmark_px_max == 0 and 10 < found.psnr_db_min < 45 and not found.passed


def test_different_avatars_or_silence_are_refused(
    loaded: Loaded, speech: NDArray[np.float32]
) -> None:
    other = dataclasses.replace(
        loaded, manifest=dataclasses.replace(loaded.manifest, name="somebody else")
    )
    with pytest.raises(BadInput, match="the same avatar and some speech, found 'somebody else'"):
        compare_end_to_end(loaded, other, speech)
    with pytest.raises(BadInput, match="0 samples"):
        compare_end_to_end(loaded, loaded, speech[:0])


def test_what_holds_together_is_left_as_it_is(
    loaded: Loaded,
    choices: Mapping[str, Choice],
    sources: Mapping[str, bytes],
    speech: NDArray[np.float32],
) -> None:
    found = settle(loaded, choices, sources, speech, size=SIZE, every=5)
    assert found.choices == choices
    assert found.end_to_end is not None and found.end_to_end.passed


def test_the_stage_that_moves_landmarks_too_far_goes_back_to_fp32(
    loaded: Loaded,
    choices: Mapping[str, Choice],
    sources: Mapping[str, bytes],
    speech: NDArray[np.float32],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The limit is put between what the worst stage and all others do."""
    alone = {
        name: compare_end_to_end(
            loaded, with_half(loaded, {name: choices[name].data}), speech, size=SIZE, every=1000
        ).landmark_px_max
        for name in ("hubert", "audio_to_motion", "deformation")
    }
    worst = max(alone, key=lambda name: alone[name])
    rest = [name for name in alone if name != worst]
    limit = compare_end_to_end(
        loaded,
        with_half(loaded, {name: choices[name].data for name in rest}),
        speech,
        size=SIZE,
        every=1000,
    ).landmark_px_max
    for where in ("end_to_end", "settle"):
        monkeypatch.setattr(f"emogene.exporters.precision.{where}.PX_LIMIT", limit)
    found = settle(loaded, choices, sources, speech, size=SIZE, every=5)
    assert [n for n, c in found.choices.items() if c.precision == "fp32"] == [worst]
    back = found.choices[worst]
    assert back.data == sources[worst] and back.kept == () and back.passed
    assert "fp16 holds its tolerance, but alone moves landmarks by" in back.reason
    assert found.end_to_end is not None and found.end_to_end.landmark_px_max <= limit


def test_if_nothing_holds_all_stages_are_fp32(
    loaded: Loaded,
    choices: Mapping[str, Choice],
    sources: Mapping[str, bytes],
    speech: NDArray[np.float32],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for where in ("end_to_end", "settle"):
        monkeypatch.setattr(f"emogene.exporters.precision.{where}.PX_LIMIT", -1.0)
    few = {name: choices[name] for name in ("deformation", "colour")}
    found = settle(loaded, few, sources, speech, size=SIZE, every=10)
    assert found.end_to_end is None
    assert {c.precision for c in found.choices.values()} == {"fp32"}
