"""The tiny avatar: reproducible, visible, still at times, and moved by what should move it."""

from __future__ import annotations

import numpy as np
import torch

from emogene.contract.landmarks import LOWER_LIDS, UPPER_LIDS
from emogene.reference.audio_to_motion import AudioToMotionInference
from emogene.reference.avatar import ReferenceAvatar
from emogene.reference.frame import render_frame
from emogene.reference.tiny import neutral_face, tiny


def picture(avatar: ReferenceAvatar, face: torch.Tensor, pose: int = 0) -> np.ndarray:
    flat = face.reshape(204)
    mean, scale = (torch.from_numpy(avatar.tensors[f"motion.{n}"]) for n in ("mean", "scale"))
    return render_frame(
        avatar.head,
        avatar.torso,
        avatar.card.camera,
        torch.from_numpy(avatar.poses[pose]),
        ((flat - mean) / scale).expand(3, -1),
        face,
        flat,
        torch.from_numpy(avatar.background),
    ).numpy()


def test_a_seed_is_an_avatar() -> None:
    state = torch.get_rng_state()
    one, same, other = tiny(5), tiny(5), tiny(6)
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(one.poses, same.poses)
    for a, b, c in zip(*(x.networks().values() for x in (one, same, other)), strict=True):
        tensors = [dict(n.named_parameters()) for n in (a, b, c)]
        assert all(torch.equal(t, tensors[1][k]) for k, t in tensors[0].items())
        assert not all(torch.equal(t, tensors[2][k]) for k, t in tensors[0].items())


def test_the_head_is_seen_before_the_background_and_the_torso_below() -> None:
    avatar = tiny()
    image = picture(avatar, torch.from_numpy(neutral_face())).astype(int)
    changed = np.abs(image - avatar.background).sum(2) > 12
    assert image.shape == (64, 64, 3)
    assert changed[14:44, 24:40].mean() > 0.95  # head
    assert changed[58:, 20:44].mean() > 0.9  # torso
    assert changed[:8].mean() == 0 and changed[:40, :8].mean() == 0


def test_pose_and_landmarks_move_the_picture() -> None:
    avatar, face = tiny(), torch.from_numpy(neutral_face())
    still = picture(avatar, face).astype(int)
    smile = face.clone()
    smile[48:55, 1] += 0.1
    assert np.abs(picture(avatar, smile) - still).max() > 8
    turned = int(np.abs(avatar.poses - avatar.poses[0]).sum((1, 2)).argmax())
    assert np.abs(picture(avatar, face, turned) - still).mean() > 1


def test_poses_are_rotations_with_still_stretches() -> None:
    poses = tiny().poses.astype(np.float64)
    turns = poses[:, :, :3]
    np.testing.assert_allclose(
        turns @ turns.transpose(0, 2, 1), np.eye(3)[None].repeat(160, 0), atol=1e-6
    )
    np.testing.assert_allclose(np.linalg.det(turns), 1, atol=1e-6)
    still = (np.diff(poses, axis=0) == 0).all((1, 2))
    assert 0.3 < still.mean() < 0.8
    assert np.abs(np.diff(poses, axis=0)).max() < 0.06


def test_the_face_has_lids_that_can_close() -> None:
    face = neutral_face()
    assert face.shape == (68, 3)
    assert (face[list(UPPER_LIDS), 1] > face[list(LOWER_LIDS), 1]).all()
    assert (np.diff(face[:17, 0]) > 0).all() and face[8, 1] == face[:, 1].min()


def test_speech_becomes_landmarks_near_the_face() -> None:
    avatar = tiny()
    samples = torch.randn(1, 400 + 320 * 31, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        features = avatar.speech(samples)
        bins = torch.full((1, 32), 120, dtype=torch.int32)
        noise = torch.randn(1, 16, 4, generator=torch.Generator().manual_seed(1))
        inference = AudioToMotionInference(avatar.audio_to_motion)
        landmarks = inference(features, bins, noise)
        silent = inference(torch.zeros_like(features), bins, noise)
    assert features.shape == (1, 32, 32) and landmarks.shape == (1, 16, 204)
    moved = landmarks[0].view(16, 68, 3).numpy() - neutral_face()
    assert 0.005 < np.abs(moved).max() < 0.3
    # Rounding moves them by 1e-7; what is heard must show, however little a random network hears.
    assert (landmarks - silent).abs().max() > 1e-4
    with torch.no_grad():
        delta = avatar.deformation(landmarks[0], torch.arange(16) % 8)
    assert 0.01 < delta.abs().max() < 1.0
