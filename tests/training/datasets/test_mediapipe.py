"""MediaPipe, really run: it finds our rendered head, whose landmarks and layers are known.

The environment is installed from the package index (150 MB, some ten seconds) into a folder that
one test session shares. There are wheels up to Python 3.12; on newer ones the same tests check that
the tool says so.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from emogene.contract.cache_folder import CACHE_VARIABLE
from emogene.contract.errors import Failure, Unavailable
from emogene.contract.units import SAMPLES_PER_FRAME
from emogene.runtime.command_line import exit_code
from emogene.training.commands import app
from emogene.training.datasets.detector import MediaPipe, choose_face
from emogene.training.datasets.generic_face import interocular
from emogene.training.datasets.ibug import IBUG_FROM_MESH, MESH_POINTS
from emogene.training.datasets.rotations import logarithm, nearest
from emogene.training.datasets.tool_environment import (
    NEWEST_PYTHON,
    make_tool,
    tool_folder,
    tool_python,
)
from emogene.training.fields.film import open_footage
from tests.speech import spoken

from .filmed_head import FILM_SIZE, FRAMES, FilmedHead
from .recordings import write_video

HAS_WHEELS = sys.version_info[:2] <= NEWEST_PYTHON
needs_wheels = pytest.mark.skipif(not HAS_WHEELS, reason="MediaPipe 0.10.21 has no wheel for it")


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def tool(shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """MediaPipe's environment, made when it is first asked for."""
    monkeypatch.setenv(CACHE_VARIABLE, str(shared_cache))
    assert exit_code(app, ["prepare", "tool"]) == 0
    return tool_python()


def test_every_ibug_point_has_its_place_in_the_mesh() -> None:
    assert len(IBUG_FROM_MESH) == 68
    used = [p for entry in IBUG_FROM_MESH for p in np.atleast_1d(entry)]
    assert 0 <= min(used) <= max(used) < MESH_POINTS
    assert len(set(IBUG_FROM_MESH)) == 68


@needs_wheels
def test_the_landmarks_of_a_rendered_head_are_found(tool: Path, filmed: FilmedHead) -> None:
    with MediaPipe() as detector:
        sighting = detector.watch("head", filmed.images[:12])
    truth = filmed.seen()[:12]
    away = np.linalg.norm(sighting.points - truth, axis=2) / interocular(truth)
    assert np.isfinite(away).all()
    # The rig's brows and nose ridge were placed by eye, and jaws are a matter of taste.
    assert away[:, 17:].mean() < 0.07
    assert away[:, 36:].mean() < 0.06
    assert away.mean() < 0.09
    assert sighting.crowd == 0


@needs_wheels
def test_the_person_is_told_from_the_background(tool: Path, filmed: FilmedHead) -> None:
    shot = filmed.shots[0]
    person = np.maximum(shot.head_alpha, shot.torso_alpha) > 127
    with MediaPipe() as detector:
        found = detector.person(shot.image) > 127
    assert (found & person).sum() / (found | person).sum() > 0.95


@needs_wheels
def test_pictures_without_a_face_give_none(tool: Path) -> None:
    ramp = np.linspace(0, 255, 64 * 48 * 3).reshape(48, 64, 3).astype(np.uint8)
    with MediaPipe() as detector:
        sighting = detector.watch("ramp", [ramp] * 3)
    assert np.isnan(sighting.points).all()
    assert sighting.shape is None


@needs_wheels
def test_of_two_faces_the_larger_is_followed(tool: Path, filmed: FilmedHead) -> None:
    def side_by_side(image: np.ndarray) -> np.ndarray:
        small = np.repeat(image[::2, ::2].mean(axis=-1, keepdims=True), 3, -1).astype(np.uint8)
        wide = np.concatenate([np.zeros_like(image), image], 1)
        wide[64:192, 64:192] = small
        return wide

    truth = filmed.seen()[:6] + np.array([FILM_SIZE, 0])
    with MediaPipe() as detector:
        sighting = detector.watch("two", map(side_by_side, filmed.images[:6]))
    assert np.linalg.norm(sighting.points - truth, axis=2).mean() < 0.1 * interocular(truth)


@needs_wheels
def test_a_video_is_prepared_whole(
    tool: Path, filmed: FilmedHead, hubert: Path, tmp_path: Path
) -> None:
    sound = spoken()[: FRAMES * SAMPLES_PER_FRAME]
    write_video(tmp_path / "me.mp4", filmed.images, sound=sound)
    words = ["prepare", "video", str(tmp_path / "me.mp4"), "-o", str(tmp_path / "data")]
    options = ["--hubert", str(hubert), "--size", "128", "--shortest", "0.2"]
    assert exit_code(app, [*words, *options]) == 0
    report = json.loads((tmp_path / "data/report.json").read_text())
    assert report["recordings"][0]["reprojection_error"] < 0.02
    assert report["film"]["square"] == {"left": 0, "top": 0, "side": FILM_SIZE}

    film = open_footage(tmp_path / "data/film").training
    frames = len(film)
    assert frames == FRAMES - 4
    turns = film.poses[:, :, :3].astype(float)
    true = filmed.poses[:frames, :, :3].astype(float)
    axes = nearest((np.swapaxes(true, 1, 2) @ turns).mean(0))
    off = logarithm(nearest(turns @ axes.T @ np.swapaxes(true, 1, 2)))
    degrees = np.degrees(np.linalg.norm(off, axis=1))
    assert np.sqrt((degrees**2).mean()) < 3

    def halved(alpha: str) -> np.ndarray:
        whole = np.stack([getattr(shot, alpha) for shot in filmed.shots[:frames]])
        return whole.reshape(frames, 128, 2, 128, 2).mean((2, 4)) > 127

    for found, truth, least in (
        (film.head_alpha, halved("head_alpha"), 0.93),
        (film.torso_alpha, halved("torso_alpha"), 0.90),
    ):
        shown = found > 127
        assert (shown & truth).sum() / (shown | truth).sum() > least


@needs_wheels
def test_a_process_that_dies_is_told_of(tool: Path) -> None:
    with MediaPipe() as detector:
        assert detector.person(np.zeros((32, 32, 3), np.uint8)).shape == (32, 32)
        process = detector._process
        assert process is not None
        process.kill()
        process.wait()
        with pytest.raises(Failure, match="prepare tool"):
            detector.person(np.zeros((32, 32, 3), np.uint8))


def test_without_the_environment_the_command_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    if HAS_WHEELS:
        with pytest.raises(Unavailable, match="emogene-train prepare tool"):
            MediaPipe()
        tool_folder().mkdir(parents=True)  # a half-made one is none
    with pytest.raises(Unavailable, match="bring landmarks and masks: --landmarks"):
        MediaPipe()


def test_a_newer_python_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 13, 0))
    with pytest.raises(Unavailable, match=r"expected Python 3\.12 or older"):
        make_tool()


def test_the_face_that_goes_on_is_chosen_before_a_larger_one() -> None:
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    near, large = 10 * square + 5, 30 * square + 100
    found = np.stack([near, large])
    assert choose_face(found, None) == (pytest.approx(large), False)
    chosen, crowded = choose_face(found, 10 * square + 6)
    np.testing.assert_array_equal(chosen, near)
    assert not crowded
    assert choose_face(found[:0], near) == (None, False)
    assert choose_face(np.stack([large, 25 * square]), None)[1]
