"""From published folders to frames: every number against the published equations in float64."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.io import loadmat
from scipy.spatial.transform import Rotation

import emogene
from emogene.contract.data import Condition
from emogene.contract.emotions import EMOTIONS, emotion_index
from emogene.contract.errors import BadOption
from emogene.contract.hearing import PUBLISHED_HEARING
from emogene.contract.measure import psnr
from emogene.exporters.authors.dataset import smoothed
from emogene.exporters.authors.face_model import IBUG_FROM_MEDIAPIPE
from emogene.exporters.commands import app
from emogene.kernels import instructions
from emogene.reference.avatar import ReferenceAvatar
from emogene.reference.frame import render_torso
from emogene.reference.volume_rendering import camera_rays, render_rays
from emogene.runtime.command_line import exit_code
from emogene.runtime.motion.pipeline import MotionPipeline
from emogene.runtime.motion.step import Moment
from emogene.runtime.render.background import resampled
from emogene.runtime.render.enlarge import composited
from emogene.runtime.render.head import HeadImage
from emogene.runtime.render.quality import Quality
from emogene.runtime.render.renderer import LayeredRenderer
from tests.oracle.motion import blinked, projected
from tests.speech import spoken

from .checkpoints import (
    PICTURE,
    Folders,
    dataset_fields,
)

Float64 = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Published:
    """What the published inference has loaded, as float64 arrays."""

    fields: dict[str, Any]
    mean: Float64
    identity: Float64
    expression: Float64

    def displacement(self, identity: Float64, expression: Float64) -> Float64:
        """Of frames, times 10: (F, 204)."""
        moved = identity @ self.identity.T + expression @ self.expression.T
        return moved.reshape(len(identity), -1) * 10


@pytest.fixture(scope="module")
def published(folders: Folders) -> Published:
    model = loadmat(folders.bfm / "BFM_model_front.mat")
    keys = np.load(folders.bfm / "index_mp468_from_mesh35709.npy")[list(IBUG_FROM_MEDIAPIPE)]
    mean = model["meanshape"].reshape(-1, 3)
    return Published(
        dataset_fields(),
        (mean - mean.mean(0))[keys].reshape(204),
        model["idBase"].reshape(-1, 3, 80)[keys].reshape(204, 80),
        model["exBase"].reshape(-1, 3, 64)[keys].reshape(204, 64),
    )


def test_coefficients_become_landmarks(imported: ReferenceAvatar, published: Published) -> None:
    expression = np.random.default_rng(5).normal(0, 0.5, (7, 64))
    found = imported.audio_to_motion.folding(torch.from_numpy(expression).float())
    identity = np.repeat(published.fields["id"][:1].astype(np.float64), 7, axis=0)
    expected = published.mean + published.displacement(identity, expression) / 10
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-6)


class TorchDeformation:
    """The deformation stage, by the reference."""

    backend, inputs, outputs = "test", (), ()

    def __init__(self, avatar: ReferenceAvatar) -> None:
        self._network = avatar.deformation

    def run(self, values: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        with torch.no_grad():
            made = self._network(*(torch.from_numpy(values[n]) for n in ("neutral", "emotion")))
        return {"delta": made.numpy()}


def test_motion_equals_the_published_processing(
    imported: ReferenceAvatar, published: Published, folders: Folders
) -> None:
    """Displacement → deformation → projection → blink → normalised → clamped, as published."""
    fields, frames = published.fields, 120
    rng = np.random.default_rng(6)
    base = np.repeat(fields["id"][:1].astype(np.float64), frames, axis=0)
    lm = published.displacement(base, rng.normal(0, 0.5, (frames, 64)))
    spoken_by_us = (published.mean + lm / 10).astype(np.float32)

    checkpoint = torch.load(next(folders.lm_deform.glob("*.ckpt")), weights_only=False)
    w = {k: v.double().numpy() for k, v in checkpoint["state_dict"]["model"].items()}
    embedded = np.repeat(w["emotion_embedding.weight"][6:7], frames, axis=0)  # sad, in their order
    x = np.concatenate([lm, embedded], axis=1)
    for i in (0, 2, 4):
        x = x @ w[f"regressor.{i}.weight"].T + w[f"regressor.{i}.bias"]
        x = np.maximum(x, 0) if i < 4 else x
    lm = lm + 0.7 * x
    database = published.displacement(fields["id"], fields["exp"])
    lm = np.stack([0.2 * projected(f, database) + 0.8 * f for f in lm])
    cano = (lm / 10 + published.mean).reshape(-1, 68, 3)
    cano = blinked(cano)
    mean, std = database.mean(0), database.std(0, ddof=1)
    normalised = ((cano.reshape(-1, 204) - published.mean) * 10 - mean) / std
    low, high = np.quantile((database - mean) / std, [0.03, 0.97], axis=0)
    expected = np.clip(normalised, low, high)

    motion, tensors = imported.card.motion, imported.tensors
    deform: Any = TorchDeformation(imported)
    pipeline = MotionPipeline(motion, tensors, deform, seed=0)  # type: ignore[arg-type]
    weights = np.zeros((frames, len(EMOTIONS)), np.float32)
    weights[:, emotion_index("sad")] = 0.7
    shaped = pipeline.shape(spoken_by_us, Moment(0, weights))
    difference = np.linalg.norm(shaped.code - expected) / np.linalg.norm(expected)
    assert difference < 1e-4
    assert 0.05 < np.mean((expected == low) | (expected == high)) < 0.95
    np.testing.assert_array_equal(shaped.torso[:, : 36 * 3], spoken_by_us[:, : 36 * 3])
    closed, opened = np.quantile(fields["eye_area_percent"], [0.03, 0.97])
    assert shaped.eye_opening is not None
    np.testing.assert_allclose(shaped.eye_opening[78], closed, rtol=1e-6)
    np.testing.assert_allclose(shaped.eye_opening[75], 0.9 * opened + 0.1 * closed, rtol=1e-6)
    assert shaped.eye_opening[10] == np.float32(0.6)


def test_poses_are_the_published_cameras(imported: ReferenceAvatar, published: Published) -> None:
    """Smoothed by mean quaternions, turned into the field's axes, inverted."""
    samples = [*published.fields["train_samples"], *published.fields["val_samples"]]
    cameras = np.stack([s["c2w"] for s in samples]).astype(np.float64)
    for i in (0, 5, len(cameras) - 1):
        around = cameras[max(0, i - 3) : i + 4]
        camera = np.eye(4)
        camera[:3, :3] = Rotation.from_matrix(around[:, :3, :3]).mean().as_matrix()
        camera[:3, 3] = around[:, :3, 3].mean(0)
        seen = np.array([[r[0], -r[1], -r[2], 4 * r[3]] for r in camera[[1, 2, 0]]])
        expected = np.linalg.inv(np.vstack([seen, [0, 0, 0, 1]]))[:3]
        np.testing.assert_allclose(imported.poses[i], expected, atol=1e-6)
    assert imported.card.camera.focal == pytest.approx(1015 * (PICTURE / 2) / 112)


def test_smoothing_keeps_rotations() -> None:
    fields = dataset_fields()
    cameras = np.stack([s["c2w"] for s in fields["train_samples"]]).astype(np.float64)
    turned = smoothed(cameras, 7)[:, :3, :3]
    np.testing.assert_allclose(turned @ turned.transpose(0, 2, 1), np.tile(np.eye(3), (30, 1, 1)),
                               atol=1e-12)  # fmt: skip
    assert (np.linalg.det(turned) > 0.9).all()


def test_a_picture_of_the_engine_directory_equals_the_reference(
    imported: ReferenceAvatar, imported_engines: Path
) -> None:
    rng = np.random.default_rng(0)
    landmarks = imported.audio_to_motion.folding.mean.numpy() + rng.normal(0, 0.02, 204)
    landmarks = landmarks.astype(np.float32)
    window, eyes = rng.normal(size=(1, 3, 204)).astype(np.float32), np.float32([0.3])
    condition = Condition(landmarks.reshape(1, 68, 3), window, landmarks[None], 0, eyes)
    pose = imported.poses[5]
    with emogene.open(imported_engines, threads=1) as avatar:
        found = avatar.renderer(quality=Quality("all", 0.0)).render(condition, pose).image
        with pytest.raises(BadOption, match="a multiple of 2 pixels"):
            avatar.renderer(33)
    side = PICTURE // 2
    camera = imported.card.camera.scaled(side)
    background = imported.background.reshape(side, 2, side, 2, 3)
    with torch.no_grad():
        frame = imported.head.frame(
            torch.from_numpy(window),
            torch.from_numpy(landmarks).view(1, 68, 3),
            eye_opening=torch.from_numpy(eyes),
        )
        rays = camera_rays(camera, torch.from_numpy(pose))
        colour, opacity = render_rays(imported.head, rays, frame)
        torso = render_torso(
            imported.torso, side, colour, opacity, torch.from_numpy(pose),
            torch.from_numpy(landmarks),
        )  # fmt: skip
        assert opacity.max() > 0.9 and torso[:, 3].max() > 0.1
        assert background.shape[-1] == 3
        behind = resampled(imported.background, side).reshape(-1, 3).astype(np.float32) / 255
        head = HeadImage(colour.numpy(), opacity.numpy(), 0, 0)
        small = composited(head, torso.numpy(), behind).reshape(1, side, side, 3)
        assert imported.super_resolution is not None
        large = imported.super_resolution(torch.from_numpy(small).permute(0, 3, 1, 2))
    expected = (large[0].permute(1, 2, 0).numpy() * 255 + 0.5).clip(0, 255).astype(np.uint8)
    assert np.abs(found.astype(int) - expected.astype(int)).max() <= 1


def test_speech_becomes_frames(imported_engines: Path) -> None:
    with emogene.open(imported_engines, threads=1) as avatar:
        samples = spoken("Hello.")[:4_000]
        happy = [f.image for f in avatar.render(samples, emotion="happy")]
        neutral = [f.image for f in avatar.render(samples, emotion="neutral")]
        assert avatar.manifest.requires[-2:] == ("super_resolution", "hearing")
        assert avatar.manifest.hearing == PUBLISHED_HEARING
        assert avatar.manifest.motion.torso_condition == "neutral"
    assert len(happy) == 7 and happy[0].shape == (PICTURE, PICTURE, 3)
    assert not np.array_equal(happy[3], neutral[3])


def test_the_command_writes_a_folder_and_tells_what_it_found(
    folders: Folders, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "checkpoints"
    assert exit_code(app, ["import", *folders.arguments(), "-o", str(target)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    for words in (
        "64 outputs (expression coefficients), with pitch",
        "angry, contempt, disgust, fear, happy, neutral, sad, surprise",
        "--lm_deform_delta 0",
        "row 5, neutral, is never trained",
        "with super-resolution; the torso sees the head; eye_blink_dim 8",
        "here it adds none",
        "holds the same head",
        "next: emogene-export build-engines",
    ):
        assert words in said
    avatar = ReferenceAvatar.load(target)
    assert "University of Basel" in avatar.licence
    opening = avatar.card.motion.eyes
    assert opening is not None and opening.rest == opening.open > opening.closed
    assert [s.kind for s in avatar.card.motion.steps] == [
        "deform", "lle", "normalise", "clamp", "window",
    ]  # fmt: skip


def test_nothing_of_the_face_model_but_its_landmarks_is_kept(imported: ReferenceAvatar) -> None:
    held = {**imported.tensors, **imported.audio_to_motion.folding.state_dict()}
    assert {tuple(held[n].shape) for n in ("mean", "basis")} == {(204,), (204, 64)}
    assert set(imported.tensors) == {
        "poses", "background", "motion.database", "motion.mean", "motion.scale", "motion.low",
        "motion.high",
    }  # fmt: skip


def test_marching_in_the_published_rounds(
    imported: ReferenceAvatar, imported_engines: Path
) -> None:
    """Here no ray has too few samples, so a ray gets one more: less than 1 % of its light."""
    landmarks = imported.audio_to_motion.folding.mean.numpy()[None]
    window = np.zeros((1, 3, 204), np.float32)
    condition = Condition(landmarks.reshape(1, 68, 3), window, landmarks, 0, np.float32([0.3]))
    camera, heads = imported.card.camera.scaled(PICTURE // 2), {}
    for marching in ("rays", "authors"):
        with emogene.open(
            imported_engines, threads=1, renderer="auto", marching=marching
        ) as avatar:
            renderer = avatar.renderer(quality=Quality("published", 1e-2))
            assert isinstance(renderer, LayeredRenderer)
            heads[marching] = renderer.head.render(condition, imported.poses[0], camera)
    more = heads["authors"].opacity - heads["rays"].opacity
    assert more.min() > -1e-5 and 1e-5 < more.max() < 0.011
    assert np.abs(heads["authors"].colour - heads["rays"].colour).max() < 0.011


def test_the_fused_head_paints_what_the_networks_paint(
    imported: ReferenceAvatar, imported_engines: Path
) -> None:
    """Chosen by itself; torso and super-resolution beside it are networks in both."""
    landmarks = imported.audio_to_motion.folding.mean.numpy()[None]
    window = np.random.default_rng(3).normal(size=(1, 3, 204)).astype(np.float32)
    condition = Condition(landmarks.reshape(1, 68, 3), window, landmarks, 0, np.float32([0.3]))
    made, heads = {}, {}
    for asked in ("auto", "wavefront"):
        with emogene.open(imported_engines, threads=1, renderer=asked) as avatar:
            renderer = avatar.renderer(quality=Quality("exact", 0.0))
            assert isinstance(renderer, LayeredRenderer)
            made[asked] = renderer.render(condition, imported.poses[3]).image
            heads[renderer.name.split(" (")[0]] = renderer.head.render(
                condition, imported.poses[3], imported.card.camera.scaled(PICTURE // 2)
            )
            if asked == "auto":
                assert avatar.renderer_choice.used == "fused"
                assert avatar.renderer_choice.beside == "pictures are enlarged by a network"
    fused, rounds = heads["head by fused"], heads["wavefront"]
    assert fused.samples == rounds.samples and fused.opacity.max() > 0.9
    bfloat16 = instructions.chosen(None) == "avx512bf16"
    assert np.abs(fused.colour - rounds.colour).max() < (0.05 if bfloat16 else 1e-4)
    assert psnr(made["auto"], made["wavefront"]) > (38 if bfloat16 else 60)


def test_other_avatars_are_not_marched_in_rounds(tiny_engines: Path) -> None:
    with pytest.raises(BadOption, match="rays for a field that is painted once a ray"):
        emogene.open(tiny_engines, threads=1, marching="authors")
    with pytest.raises(BadOption, match="one of rays, authors, found 'sideways'"):
        emogene.open(tiny_engines, threads=1, marching="sideways")
