"""What C would not survive is refused before, in words that name it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emogene.contract.errors import BadOption, KernelLibraryMissing
from emogene.kernels import compositing, displacement, frequency, grids, harmonics, image, native
from emogene.kernels.box import box_interval
from emogene.kernels.occupancy import Occupancy, dilate, unpack_cells
from emogene.kernels.rays import camera_rays
from emogene.kernels.traversal import MarchState, march

from . import scenes

F32 = np.float32
FULL = Occupancy.from_cells(np.ones((4, 4, 4), np.bool_), scenes.LOW, scenes.HIGH)
GRID = scenes.GRIDS["plane"]
TABLE = np.zeros((GRID.entries, 1), F32)
UNIT = np.zeros((5, 2), F32)
POSE = scenes.poses()[0]


def rays(**other: Any) -> None:
    camera_rays(**{"pose": POSE, "camera": scenes.CAMERA, "pixels": np.int32([0]), **other})


def marching(**other: Any) -> None:
    given = {
        "origins": np.zeros(3, F32),
        "directions": np.ones((2, 3), F32),
        "near": np.zeros(2, F32),
        "far": np.ones(2, F32),
        "occupancy": FULL,
        "spec": scenes.MARCH,
        "state": MarchState.start(2),
    }
    march(**{**given, **other})


def compositing_(**other: Any) -> None:
    given = {
        "sigmas": np.ones(3, F32),
        "values": np.ones((3, 2), F32),
        "offsets": np.int32([0, 1, 3]),
        "step": 0.1,
        "state": compositing.CompositeState.start(2, 2),
    }
    compositing.composite(**{**given, **other})


def baking(**other: Any) -> None:
    given = {"spec": scenes.DISPLACEMENT, **scenes.landmarks(2)}
    box = {"bounds_min": scenes.LOW, "bounds_max": scenes.HIGH}
    displacement.bake_displacement(**{**given, **box, **other})


def reading(**other: Any) -> None:
    given = {"grid": np.zeros((2, 3, 3, 3, 3), F32), "positions": np.zeros((4, 3), F32)}
    box = {"bounds_min": scenes.LOW, "bounds_max": scenes.HIGH}
    displacement.read_displacement(**{**given, **box, **other})


def encoding(**other: Any) -> None:
    grids.encode(**{"grid": GRID, "table": TABLE, "coordinates": UNIT, **other})


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "float64": (lambda: rays(pose=POSE.astype(float)), "pose: expected float32.*found float64"),
    "shape": (lambda: rays(pose=POSE[:2]), r"pose: expected float32 \(3, 4\).*\(2, 4\)"),
    "list": (lambda: marching(near=[1.0, 2.0]), "near: expected a numpy array.*list"),
    "strided": (lambda: marching(near=np.zeros(4, F32)[::2]), "ascontiguousarray"),
    "scalar": (lambda: rays(pixels=3), "pixels: expected an array with rows"),
    "pixel": (lambda: rays(pixels=np.int32([48 * 48])), "pixels: expected indices from 0 to 2303"),
    "frame": (
        lambda: rays(pose=POSE[None], frames=np.int32([1])),
        "frames: expected indices from 0 to 0, found 1 to 1",
    ),
    "origins": (lambda: marching(origins=np.zeros((3, 3), F32)), r"origins: expected .*\(2, 3\)"),
    "live": (lambda: marching(live=np.int32([-1])), "live: expected indices"),
    "count": (lambda: marching(count=0), "count: expected at least 1"),
    "step": (lambda: marching(spec=replace(scenes.MARCH, step=0.0)), "march step: expected a pos"),
    "too many": (lambda: marching(count=2**31 - 1), r"fewer than 2\*\*31 samples"),
    "state": (lambda: marching(state=MarchState.start(3)), r"state.cursor: expected int32 \(2,\)"),
    "box": (
        lambda: box_interval(np.zeros(3, F32), np.ones((2, 3), F32), (0, 0, 0), (1, 1, 0), 0.1),
        r"bounds: expected a minimum below .*\(1, 1, 0\)",
    ),
    "upside-down box": (
        lambda: Occupancy.from_bits(FULL.bits, 4, scenes.HIGH, scenes.LOW),
        "bounds: expected a minimum below",
    ),
    "bits": (lambda: unpack_cells(np.zeros(9, np.uint8), 4), r"bits: expected uint8 \(8,\)"),
    "cells": (lambda: dilate(np.zeros((2, 2, 3), np.bool_)), r"cells: expected bool \(2, 2, 2\)"),
    "resolution": (
        lambda: Occupancy.from_bits(FULL.bits, 5000, scenes.LOW, scenes.HIGH),
        "occupancy resolution: expected 1 to 1024",
    ),
    "offsets": (lambda: compositing_(offsets=np.int32([0, 2, 1])), "offsets: expected rising"),
    "offsets end": (lambda: compositing_(offsets=np.int32([0, 1, 9])), "the 3 samples"),
    "rays": (
        lambda: compositing_(offsets=np.int32([0, 1, 2, 3])),
        "offsets: expected indices from 0 to 2, found 3",
    ),
    "composite live": (lambda: compositing_(live=np.int32([0, 2])), "live: expected indices"),
    "composite step": (lambda: compositing_(step=float("nan")), "step: expected a positive"),
    "values": (lambda: compositing_(values=np.ones((3, 4), F32)), r"values: expected .*\(3, 2\)"),
    "read-only": (lambda: compositing_(state=_frozen()), "state.channels.*may be written"),
    "nodes": (lambda: baking(nodes=np.int32([9 * 10 * 7])), "nodes: expected indices"),
    "one node": (
        lambda: displacement.active_nodes((1, 2, 2), FULL),
        "displacement resolution: expected at least 2",
    ),
    "no frames": (lambda: reading(), "frames: expected .* indices into 2 frames, found None"),
    "frames": (lambda: reading(frames=np.int32([0, 1, 2, 0])), "frames: expected indices"),
    "degree": (
        lambda: harmonics.spherical_harmonics(np.zeros((1, 3), F32), 5),
        "degree: expected 1 to 4, found 5",
    ),
    "octaves": (lambda: frequency.frequency_encode(UNIT, 17), "octaves: expected 0 to 16"),
    "features": (lambda: encoding(grid=replace(GRID, features=3)), "grid g: expected features"),
    "dimensions": (lambda: encoding(grid=replace(GRID, dimensions=4)), "2 or 3 dimensions"),
    "level": (
        lambda: encoding(grid=replace(GRID, levels=(replace(GRID.levels[0], size=0),))),
        "grid g: expected levels with entries",
    ),
    "table": (lambda: encoding(table=TABLE[:-1]), "table: expected float32"),
    "out": (lambda: encoding(out=np.zeros((12, 6), F32)[::-2]), "out: expected writeable"),
    "rectangle": (
        lambda: image.pixel_rectangle(4, 2, 0, 3, 1),
        r"rectangle: expected one inside 4 × 4 pixels, found 3 × 1 at \(2, 0\)",
    ),
}


def _frozen() -> compositing.CompositeState:
    state = compositing.CompositeState.start(2, 2)
    state.channels.flags.writeable = False
    return state


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    call, message = REFUSED[name]
    with pytest.raises(BadOption, match=message):
        call()


def test_sound_calls_pass() -> None:
    """So that the refusals above are due to what they change."""
    for call in (rays, marching, compositing_, baking, encoding):
        call()
    reading(frames=np.zeros(4, np.int32))


@pytest.fixture
def fresh_library() -> Any:
    native.library.cache_clear()
    yield
    native.library.cache_clear()


@pytest.mark.usefixtures("fresh_library")
def test_library_that_is_missing_or_no_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(native.LIBRARY_VARIABLE, str(tmp_path / "gone.so"))
    with pytest.raises(KernelLibraryMissing, match=r"gone\.so.*no such file.*pip install"):
        native.library()
    (tmp_path / "text.so").write_text("not a library")
    monkeypatch.setenv(native.LIBRARY_VARIABLE, str(tmp_path / "text.so"))
    with pytest.raises(KernelLibraryMissing, match=r"text\.so"):
        native.library()


@pytest.mark.usefixtures("fresh_library")
def test_library_of_another_abi(monkeypatch: pytest.MonkeyPatch) -> None:
    found = native.ABI
    monkeypatch.setattr(native, "ABI", 999)
    with pytest.raises(KernelLibraryMissing, match=f"ABI 999, found ABI {found}"):
        native.library()


def test_importing_the_kernels_loads_no_library() -> None:
    code = (
        "import emogene.kernels.traversal, emogene.kernels.grids, emogene.kernels.native as n, sys;"
        "sys.exit(n.library.cache_info().currsize)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
