"""A film's folder holds what it says."""

from __future__ import annotations

import json

import numpy as np
import pytest

from emogene.contract.errors import BadInput, BadOption
from emogene.training.demo import performance
from emogene.training.demo.film import film
from emogene.training.demo.head.camera import intrinsics, pose
from emogene.training.demo.head.parameters import emotion_offset, vector
from emogene.training.demo.head.render import backdrop, render

SIZE = 32


@pytest.fixture(scope="module")
def clips():
    happy = np.stack([vector({"press": 1.0, "jaw": jaw}) for jaw in (0.0, 0.5)])
    happy += emotion_offset("happy")
    turned = np.stack([pose(0.1), pose(-0.3, 0.1)])
    return [
        performance.Clip(happy, turned, 4),
        performance.Clip(vector()[None], pose()[None], 5, wide=True),
    ]


def test_three_frames_are_written_as_described(rig, clips, tmp_path):
    folder = film(rig, clips, SIZE, tmp_path / "film", seed=7, workers=1, progress=False)
    read = {path.stem: np.load(path) for path in folder.glob("*.npy")}
    shapes = {name: (array.shape, array.dtype.name) for name, array in read.items()}
    assert shapes == {
        "images": ((3, SIZE, SIZE, 3), "uint8"),
        "head_alpha": ((3, SIZE, SIZE), "uint8"),
        "torso_alpha": ((3, SIZE, SIZE), "uint8"),
        "depth_near": ((3, SIZE, SIZE), "float16"),
        "depth_far": ((3, SIZE, SIZE), "float16"),
        "landmarks": ((3, 68, 3), "float32"),
        "poses": ((3, 3, 4), "float32"),
        "parameters": ((3, 21), "float32"),
        "emotions": ((3,), "int16"),
        "background": ((SIZE, SIZE, 3), "uint8"),
    }
    faces = np.concatenate([clip.parameters for clip in clips])
    poses = np.concatenate([clip.poses for clip in clips])
    for k in range(3):
        shot = render(rig, faces[k], poses[k], SIZE)
        np.testing.assert_array_equal(read["images"][k], shot.image)
        np.testing.assert_array_equal(read["head_alpha"][k], shot.head_alpha)
        np.testing.assert_array_equal(read["torso_alpha"][k], shot.torso_alpha)
        np.testing.assert_array_equal(read["depth_near"][k], shot.depth_near)
        np.testing.assert_array_equal(read["depth_far"][k], shot.depth_far)
    np.testing.assert_array_equal(read["landmarks"], rig.landmarks(faces))
    np.testing.assert_array_equal(read["poses"], poses)
    np.testing.assert_array_equal(read["emotions"], [4, 4, 5])
    np.testing.assert_array_equal(read["background"], backdrop(SIZE))

    said = json.loads((folder / "film.json").read_text())
    assert (said["size"], said["seed"], said["frames"]) == (SIZE, 7, 3)
    assert said["intrinsics"]["focal"] == intrinsics(SIZE).focal
    assert said["clips"] == [
        {"start": 0, "frames": 2, "emotion": "happy", "wide": False},
        {"start": 2, "frames": 1, "emotion": "neutral", "wide": True},
    ]


def test_two_workers_film_the_same(rig, clips, tmp_path):
    longer = [clips[0]] * 5
    films = [
        film(rig, longer, SIZE, tmp_path / str(workers), workers=workers, progress=workers == 2)
        for workers in (1, 2)
    ]
    for name in ("images", "head_alpha", "torso_alpha", "depth_near", "depth_far"):
        one, two = (np.load(folder / f"{name}.npy") for folder in films)
        np.testing.assert_array_equal(one, two)
    assert len(one) == 10


def test_refusals_name_what_is_wrong(rig, clips, tmp_path):
    with pytest.raises(BadInput, match="clip 0 of the film: expected parameters"):
        film(rig, [clips[0]._replace(poses=clips[0].poses[:1])], SIZE, tmp_path)
    with pytest.raises(BadInput, match="at least one frame"):
        film(rig, [], SIZE, tmp_path)
    with pytest.raises(BadOption, match="workers: expected at least 1"):
        film(rig, clips, SIZE, tmp_path, workers=0)
    assert not list(tmp_path.iterdir())
