"""``emogene-train prepare video`` from end to end, landmarks and masks brought along."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from emogene.contract.units import SAMPLES_PER_FRAME
from emogene.runtime.audio.load import load
from emogene.runtime.audio.pitch import pitch_bins
from emogene.training.datasets.clips import open_clips, read_manifest
from emogene.training.fields.film import open_footage

from ..tiny_field import tiny_head, tiny_torso
from .prepared import FRAMES, WORDS, Videos, person, seen, voice
from .recordings import blank, write_video


def test_clips_hold_what_the_trainings_read(prepared: Videos) -> None:
    (training,) = open_clips(prepared.data, "training")
    (held_out,) = open_clips(prepared.data, "held_out")
    for clip in (training, held_out):
        frames = clip.entry.frames
        assert frames % 4 == 0
        assert clip.features.shape == (2 * frames, 16)
        assert clip.landmarks.shape == (frames, 204)
        assert np.isfinite(clip.features).all()
        assert (clip.entry.emotion, clip.entry.identity) == ("neutral", "me")
    # Four seconds: all but the last one are trained on.
    assert (training.entry.frames, held_out.entry.frames) == (76, 24)
    whole = pitch_bins(load(prepared.folder / "me.mp4"))
    np.testing.assert_array_equal(training.pitch_bins[:140], whole[:140])
    assert len(np.unique(training.pitch_bins)) > 5


def test_landmarks_have_lost_the_pose(prepared: Videos) -> None:
    (clip,) = open_clips(prepared.data, "training")
    nose = clip.landmarks.reshape(-1, 68, 3)[:, 27:31]
    seen_nose = seen(FRAMES, 0)[:, 27:31]
    assert nose.std(0).max() < 0.02
    assert seen_nose.std(0).max() > 5  # pixels, of about 25 an eye distance


def test_features_are_those_of_the_encoder(prepared: Videos) -> None:
    import torch
    from transformers import HubertModel

    from emogene.runtime.audio.normalise import normalise

    (clip,) = open_clips(prepared.data, "training")
    samples = load(prepared.folder / "me.mp4")[: FRAMES * SAMPLES_PER_FRAME]
    heard = np.pad(normalise(samples), (0, FRAMES * SAMPLES_PER_FRAME + 80 - len(samples)))
    network = HubertModel.from_pretrained(prepared.hubert).eval()
    with torch.no_grad():
        whole = network(torch.from_numpy(heard[None])).last_hidden_state[0].numpy()
    np.testing.assert_allclose(clip.features, whole[: len(clip.features)], atol=0.02)


def test_films_can_be_opened_by_the_field_trainings(prepared: Videos) -> None:
    footage = open_footage(prepared.data / "film")
    film = footage.training
    assert (len(film), len(footage.held_out)) == (76, 24)
    assert film.depth_is_band
    assert film.camera.size == 64
    head = film.head_alpha > 127
    assert 0.1 < head.mean() < 0.5
    assert ((film.depth_near > 0) == (film.head_alpha > 0)).all()
    assert (film.depth_far >= film.depth_near).all()
    # The chin divides: no head at the shoulders, no torso at the eyes.
    assert film.torso_alpha[:, 56:].any()
    assert not film.head_alpha[:, 60:].any()
    assert not film.torso_alpha[:, :32].any()
    inside = film.projected()
    assert (inside > 0).all()
    assert (inside < 64).all()
    centre = inside[:, 30].round().astype(int)
    rows = np.arange(len(film))
    between = film.depth_near[rows, centre[:, 1], centre[:, 0]].astype(float)
    nose = np.einsum("nj,nj->n", film.poses[:, 2, :3], film.landmarks[:, 30])
    nose += film.poses[:, 2, 3]
    assert np.abs(nose - between).max() < 0.2


def test_the_field_trainings_train_on_them(prepared: Videos, tmp_path: Path) -> None:
    from emogene.training.fields.rays import RaySampling
    from emogene.training.head_field import HeadTrainingConfig, train_head
    from emogene.training.loop import LoopConfig
    from emogene.training.torso_field import TorsoTrainingConfig, train_torso

    footage = open_footage(prepared.data / "film")
    loop = LoopConfig(steps=3, warmup_steps=1, clip_norm=0.0)
    sampling = RaySampling(rays=512, frames=4)
    config = HeadTrainingConfig(tiny_head(), sampling, bake_batches=2, loop=loop)
    assert train_head(config, footage, tmp_path / "head")["samples"] > 0
    torso = TorsoTrainingConfig(tiny_torso(), frames=2, pixels=64, loop=loop)
    assert np.isfinite(train_torso(torso, footage, tmp_path / "torso")["db"])


def test_the_report_tells_the_error(prepared: Videos) -> None:
    report = prepared.report()
    (one,) = report["recordings"]
    assert 0.05 < one["reprojection_error_px"] < 0.4
    assert one["frames_with_face"] == FRAMES
    assert abs(one["focal_px"] / 240 - 1) < 3 * one["focal_error"]
    assert 0.2 < report["film"]["training"]["background_never_seen"] < 0.6


def test_nothing_is_done_twice(videos: Videos) -> None:
    def stamps() -> dict[str, int]:
        made = [*videos.data.rglob("work/*/*.safetensors"), *videos.data.rglob("*.npy")]
        return {str(path): path.stat().st_mtime_ns for path in made}

    before = stamps()
    assert videos.prepare() == 0
    assert stamps() == before
    assert len(before) == 3 + 2 * 9


def test_another_encoder_leaves_landmarks_and_film(videos: Videos) -> None:
    from .recordings import save_tiny_hubert

    other = save_tiny_hubert(videos.folder / "other", hidden=32)
    work = next((videos.data / "work").glob("me_mp4*/landmarks.safetensors"))
    kept = work.stat().st_mtime_ns
    filmed = (videos.data / "film/training/images.npy").stat().st_mtime_ns
    before = {entry.file for entry in read_manifest(videos.data)}
    assert videos.prepare("--hubert", str(other)) == 0
    assert work.stat().st_mtime_ns == kept
    assert (videos.data / "film/training/images.npy").stat().st_mtime_ns == filmed
    after = read_manifest(videos.data)
    assert {entry.width for entry in after} == {32}
    assert not before & {entry.file for entry in after}
    assert {p.name for p in (videos.data / "clips").iterdir()} == {
        Path(entry.file).name for entry in after
    }


def test_another_person_s_video_of_that_name_joins(videos: Videos) -> None:
    sound = voice(WORDS[2], FRAMES)
    write_video(videos.folder / "other/me.mp4", blank(FRAMES), sound=sound)
    other = ("--no-film", "--identity", "Anna")
    assert videos.prepare(*other, source="other/me.mp4") == 0
    entries = read_manifest(videos.data)
    assert sorted(e.identity for e in entries) == ["Anna", "Anna", "me", "me"]
    assert len(open_clips(videos.data, "training")) == 2
    # The same video under another name is still one.
    assert videos.prepare("--no-film", "--identity", "Bert") == 0
    assert {e.identity for e in read_manifest(videos.data)} == {"Anna", "Bert"}


def test_a_changed_video_is_noticed(videos: Videos) -> None:
    write_video(videos.folder / "me.mp4", blank(60), sound=voice(WORDS[2], 60))
    write_video(videos.folder / "mask.mp4", person(60))
    np.savez(videos.folder / "landmarks.npz", **{"me.mp4": seen(60, 1)})
    assert videos.prepare() == 0
    assert sum(entry.frames for entry in read_manifest(videos.data)) == 60
    assert len(open_footage(videos.data / "film").training) == 36


def test_a_stopped_run_goes_on(
    recorded: Videos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emogene.training.datasets import film

    shutil.copytree(recorded.folder, tmp_path / "v", ignore=shutil.ignore_patterns("data"))
    videos = Videos(tmp_path / "v", recorded.hubert)
    whole, calls = film.separate, []

    def stopping(*arguments):
        calls.append(1)
        if len(calls) == 30:
            raise KeyboardInterrupt
        return whole(*arguments)

    monkeypatch.setattr(film, "separate", stopping)
    assert videos.prepare() == 130
    assert len(read_manifest(videos.data)) == 2  # the clips were finished and stay
    assert not (videos.data / "film/training/film.json").exists()
    landmarks = next((videos.data / "work").glob("me_mp4*/landmarks.safetensors"))
    kept = landmarks.stat().st_mtime_ns
    assert videos.prepare() == 0
    assert landmarks.stat().st_mtime_ns == kept
    assert len(open_footage(videos.data / "film").training) == 76
