"""The lip-sync expert: invariances, the offset search against known answers, and that it learns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from emogene.contract.errors import BadInput
from emogene.contract.landmarks import FLAT
from emogene.reference.checkpoint import load_network
from emogene.reference.sync_expert import (
    REACH,
    SyncExpert,
    SyncExpertConfig,
    mouth_points,
    mouth_shape,
    offset_and_confidence,
    sync_loss,
)
from emogene.training.loop import LoopConfig
from emogene.training.sync import (
    SyncData,
    SyncTrainingConfig,
    as_measured,
    contrast,
    evaluate_sync,
    train_sync,
)
from emogene.training.vae_data import MotionClip

pytestmark = pytest.mark.usefixtures("one_thread")

TINY = SyncTrainingConfig(
    network=SyncExpertConfig(features=4, hidden=32, embedding=16),
    clips=12,
    frames=40,
    learning_rate=5e-3,
    loop=LoopConfig(steps=60, warmup_steps=5),
)


def talking(frames: int, rng: np.random.Generator) -> MotionClip:
    """Lips that open as far as a feature says, over a mouth like the rig's."""
    loudness = np.convolve(rng.random(2 * frames + 8), np.ones(9) / 9, "valid") * 4 - 2
    features = rng.normal(0.0, 0.1, (2 * frames, 4)).astype(np.float32)
    features[:, 0] += loudness
    landmarks = np.zeros((frames, 68, 3), np.float32)
    around = np.arange(12) / 12 * 2 * np.pi
    landmarks[:, 48:60, 0], landmarks[:, 48:60, 1] = -0.25 * np.cos(around), 0.06 * np.sin(around)
    around = np.arange(8) / 8 * 2 * np.pi
    landmarks[:, 60:68, 0], landmarks[:, 60:68, 1] = -0.2 * np.cos(around), 0.02 * np.sin(around)
    landmarks[:, 64:68, 1] -= 0.05 * (loudness[::2, None] + 2)
    pitch = rng.integers(1, 256, 2 * frames).astype(np.int32)
    return MotionClip(features, pitch, landmarks.reshape(frames, FLAT))


@pytest.fixture(scope="module")
def data() -> SyncData:
    rng = np.random.default_rng(0)
    clips = tuple(talking(120, rng) for _ in range(24))
    return SyncData(clips[:18], clips[18:21], clips[21:])


def test_it_learns_to_find_shifts_and_is_read_back(data: SyncData, tmp_path: Path) -> None:
    untrained = evaluate_sync(SyncExpert(TINY.network), data.held_out)
    report = train_sync(TINY, data, tmp_path)
    assert report["held_out"]["within_one"] == 1.0 and report["held_out"]["auc"] > 0.85
    assert untrained["auc"] < 0.7 < report["held_out_voice"]["auc"]
    expert = load_network(tmp_path / "network", SyncExpert)
    again = evaluate_sync(expert, data.held_out, TINY.jitter)
    assert again["auc"] == pytest.approx(report["held_out"]["auc"], abs=0.01)  # float16 on disk


def test_offsets_of_known_shifts_and_their_sign() -> None:
    rng = np.random.default_rng(0)
    events = torch.nn.functional.normalize(torch.from_numpy(rng.normal(size=(90, 8))), dim=1)
    for shift in (-REACH, -3, 0, 1, REACH):
        sound, lips = events[20 : 20 + 50], events[20 - shift : 20 - shift + 50]
        found = offset_and_confidence(sound, lips)
        assert found.frames == shift  # positive: the lips show later what was heard before
        assert found.distances[REACH + shift] == pytest.approx(0.0, abs=1e-6)
        assert found.confidence == pytest.approx(np.median(found.distances), abs=1e-6)


def test_what_a_mouth_is_does_not_matter_only_what_it_does() -> None:
    clip = talking(40, np.random.default_rng(1))
    mouth = mouth_points(torch.from_numpy(clip.landmarks))[None]
    shape = mouth_shape(mouth)
    angle = torch.tensor(0.3)
    turn = torch.stack(
        (torch.stack((angle.cos(), angle.sin())), torch.stack((-angle.sin(), angle.cos())))
    )
    torch.testing.assert_close(mouth_shape(140 * mouth @ turn + 256.0), shape, atol=1e-4, rtol=0)
    wandering = mouth + torch.linspace(0, 1, 40)[None, :, None, None]
    torch.testing.assert_close(mouth_shape(wandering), shape, atol=1e-5, rtol=0)
    assert shape.shape == (1, 40, 40) and shape.abs().max() > 0.05


def test_windows_see_five_frames_and_nothing_else() -> None:
    torch.manual_seed(0)
    expert = SyncExpert(SyncExpertConfig(features=4)).eval()
    assert sum(p.numel() for p in expert.parameters()) < 300_000
    features, bins = torch.randn(1, 40, 4), torch.full((1, 40), 30)
    heard = expert.hear(features, bins)
    assert heard.shape == (1, 16, 64)
    torch.testing.assert_close(heard.norm(dim=-1), torch.ones(1, 16))
    features[0, 20:] += 1.0  # frame 10 and later
    changed = (expert.hear(features, bins) - heard).abs().amax(-1)[0] > 1e-6
    assert changed.tolist() == [False] * 6 + [True] * 10


def test_the_contrast_prefers_what_belongs_together() -> None:
    sound = torch.nn.functional.normalize(torch.randn(6, 20, 16), dim=-1)
    scale = torch.tensor(10.0)
    together, shifted = contrast(sound, sound, scale), contrast(sound, sound.roll(2, 1), scale)
    assert together < 0.1 * shifted
    assert sync_loss(torch.ones(2, 3)) == 0.0 and sync_loss(-torch.ones(2, 3)) == 2.0


def test_measured_mouths_keep_their_place_and_get_the_noise_asked_for() -> None:
    mouth = mouth_points(torch.from_numpy(talking(40, np.random.default_rng(2)).landmarks))[None]
    still = replace(TINY, jitter=0.0, affine=0.0, articulation=0.0)
    torch.testing.assert_close(as_measured(mouth, still), mouth)
    noisy = as_measured(mouth.repeat(200, 1, 1, 1), replace(still, jitter=0.004)) - mouth
    assert noisy.std() == pytest.approx(0.0062, rel=0.1)  # a standing and a fleeting error


def test_data_that_cannot_work_is_refused(data: SyncData, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="at least 40 frames"):
        train_sync(TINY, replace(data, training=()), tmp_path)
    clip = data.training[0]
    frozen = replace(clip, landmarks=np.zeros_like(clip.landmarks))
    with pytest.raises(BadInput, match="never moves"):
        train_sync(TINY, replace(data, training=(frozen,)), tmp_path)
    with pytest.raises(BadInput, match="more than 34 frames"):
        offset_and_confidence(torch.ones(30, 4), torch.ones(30, 4))
    with pytest.raises(BadInput, match="5 frames or more"):
        SyncExpert(TINY.network).see(torch.zeros(1, 4, 20, 2))
    assert not list(tmp_path.iterdir())
