"""``emogene-train prepare`` from end to end, landmarks and masks brought along."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from emogene.contract.units import SAMPLES_PER_FRAME
from emogene.runtime.audio.load import load
from emogene.runtime.audio.pitch import pitch_bins
from emogene.runtime.command_line import exit_code
from emogene.training.commands import app
from emogene.training.datasets.clips import open_clips, read_manifest
from emogene.training.datasets.cutting import cut
from emogene.training.datasets.pairs import emotional_pairs
from emogene.training.fields.film import open_footage
from tests.speech import spoken

from ..tiny_field import tiny_head, tiny_torso
from .recordings import (
    HEIGHT,
    WIDTH,
    blank,
    projected,
    speaking,
    turning,
    write_sound,
    write_video,
)

FRAMES = 100
WORDS = ("The boat was there.", "She had your dark suit.", "Do not ask me to carry it.")


def voice(text: str, frames: int) -> np.ndarray:
    said = spoken(text)[: frames * SAMPLES_PER_FRAME]
    return np.pad(said, (0, frames * SAMPLES_PER_FRAME - len(said)))


def seen(frames: int, seed: int) -> np.ndarray:
    """(F, 68, 2) what a good detector finds of a face in a blank recording."""
    points = projected(speaking(frames, seed), turning(frames, seed))
    return points + np.random.default_rng(seed).normal(0, 0.1, points.shape).astype(np.float32)


def person(frames: int) -> list[np.ndarray]:
    """Masks: a disc for the head above a block for the shoulders."""
    row, column = np.mgrid[:HEIGHT, :WIDTH]
    shown = (np.hypot(row - 58, column - WIDTH / 2) < 28) | ((row > 88) & (abs(column - 80) < 40))
    return [np.repeat(np.where(shown, 255, 0).astype(np.uint8)[..., None], 3, 2)] * frames


@dataclass(frozen=True)
class Videos:
    """A folder with ``me.mp4``, ``mask.mp4`` and ``landmarks.npz``."""

    folder: Path
    hubert: Path

    def prepare(self, *arguments: str, source: str = "me.mp4", data: str = "data") -> int:
        """The exit code of ``prepare video`` with the landmarks and masks there."""
        words = ["prepare", "video", str(self.folder / source), "-o", str(self.folder / data)]
        brought = ["--landmarks", str(self.folder / "landmarks.npz")]
        masks = ["--masks", str(self.folder / "mask.mp4"), "--size", "64"]
        hubert = ["--hubert", str(self.hubert)]
        return exit_code(app, [*words, *brought, *masks, *hubert, *arguments])

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def report(self) -> dict:
        return json.loads((self.data / "report.json").read_text())


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, hubert: Path) -> Videos:
    folder = tmp_path_factory.mktemp("recorded")
    write_video(folder / "me.mp4", blank(FRAMES), sound=voice(WORDS[0] + WORDS[1], FRAMES))
    write_video(folder / "mask.mp4", person(FRAMES))
    np.savez(folder / "landmarks.npz", **{"me.mp4": seen(FRAMES, 0)})
    return Videos(folder, hubert)


@pytest.fixture(scope="module")
def prepared(recorded: Videos) -> Videos:
    assert recorded.prepare() == 0
    return recorded


@pytest.fixture
def videos(prepared: Videos, tmp_path: Path) -> Videos:
    """A copy of the prepared video, to be changed."""
    shutil.copytree(prepared.folder, tmp_path / "v")
    return Videos(tmp_path / "v", prepared.hubert)


class TestOneVideo:
    def test_clips_hold_what_the_trainings_read(self, prepared: Videos) -> None:
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

    def test_landmarks_have_lost_the_pose(self, prepared: Videos) -> None:
        (clip,) = open_clips(prepared.data, "training")
        nose = clip.landmarks.reshape(-1, 68, 3)[:, 27:31]
        seen_nose = seen(FRAMES, 0)[:, 27:31]
        assert nose.std(0).max() < 0.02
        assert seen_nose.std(0).max() > 5  # pixels, of about 25 an eye distance

    def test_features_are_those_of_the_encoder(self, prepared: Videos) -> None:
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

    def test_films_can_be_opened_by_the_field_trainings(self, prepared: Videos) -> None:
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

    def test_the_field_trainings_train_on_them(self, prepared: Videos, tmp_path: Path) -> None:
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

    def test_the_report_tells_the_error(self, prepared: Videos) -> None:
        report = prepared.report()
        (one,) = report["recordings"]
        assert 0.05 < one["reprojection_error_px"] < 0.4
        assert one["frames_with_face"] == FRAMES
        assert abs(one["focal_px"] / 240 - 1) < 3 * one["focal_error"]
        assert 0.2 < report["film"]["training"]["background_never_seen"] < 0.6

    def test_nothing_is_done_twice(self, videos: Videos) -> None:
        def stamps() -> dict[str, int]:
            made = [*videos.data.rglob("work/*/*.safetensors"), *videos.data.rglob("*.npy")]
            return {str(path): path.stat().st_mtime_ns for path in made}

        before = stamps()
        assert videos.prepare() == 0
        assert stamps() == before
        assert len(before) == 3 + 2 * 9

    def test_another_encoder_leaves_landmarks_and_film(self, videos: Videos) -> None:
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

    def test_a_changed_video_is_noticed(self, videos: Videos) -> None:
        write_video(videos.folder / "me.mp4", blank(60), sound=voice(WORDS[2], 60))
        write_video(videos.folder / "mask.mp4", person(60))
        np.savez(videos.folder / "landmarks.npz", **{"me.mp4": seen(60, 1)})
        assert videos.prepare() == 0
        assert sum(entry.frames for entry in read_manifest(videos.data)) == 60
        assert len(open_footage(videos.data / "film").training) == 36

    def test_a_stopped_run_goes_on(
        self, recorded: Videos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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


class TestMistakes:
    """Each gives one line and exit code 2, and costs nothing that was finished."""

    @staticmethod
    def said(capsys: pytest.CaptureFixture[str]) -> str:
        text = capsys.readouterr().err.strip().splitlines()
        assert "Traceback" not in "".join(text)
        return text[-1]

    def test_a_face_that_is_nowhere(self, videos: Videos, capsys) -> None:
        nothing = np.full((FRAMES, 68, 2), np.nan)
        np.savez(videos.folder / "landmarks.npz", **{"me.mp4": nothing})
        assert videos.prepare() == 2
        assert "expected a face, found none in 100 frames" in self.said(capsys)
        assert "none in 100 frames" in videos.report()["skipped"][0]["reason"]

    @pytest.mark.parametrize("factor", [0.2, 1e30])
    def test_faces_of_impossible_size(self, videos: Videos, capsys, factor: float) -> None:
        np.savez(videos.folder / "landmarks.npz", **{"me.mp4": factor * seen(FRAMES, 0)})
        assert videos.prepare() == 2
        assert "expected a face, found none" in self.said(capsys)

    def test_a_face_that_comes_and_goes(self, videos: Videos, capsys) -> None:
        points = seen(FRAMES, 0)
        points[np.arange(FRAMES) % 20 > 9] = np.nan
        np.savez(videos.folder / "landmarks.npz", **{"me.mp4": points})
        assert videos.prepare() == 2
        assert "a face for 1 seconds without a gap" in self.said(capsys)

    def test_no_sound(self, videos: Videos, capsys) -> None:
        write_video(videos.folder / "me.mp4", blank(FRAMES))
        assert videos.prepare() == 2
        assert "a video with sound" in self.said(capsys)

    def test_a_damaged_video(self, videos: Videos, capsys) -> None:
        (videos.folder / "me.mp4").write_bytes(b"\x00" * 5000)
        assert videos.prepare() == 2
        assert "something FFmpeg cannot read" in self.said(capsys)
        assert len(open_clips(videos.data, "training")) == 1  # made before it was damaged

    def test_a_video_too_short(self, videos: Videos, capsys) -> None:
        write_video(videos.folder / "me.mp4", blank(10), sound=voice(WORDS[0], 10))
        np.savez(videos.folder / "landmarks.npz", **{"me.mp4": seen(10, 0)})
        assert videos.prepare() == 2
        assert "at least 1 seconds, found 0.40" in self.said(capsys)

    def test_landmarks_of_another_length_or_name(self, videos: Videos, capsys) -> None:
        np.savez(videos.folder / "landmarks.npz", **{"me.mp4": seen(50, 0)})
        assert videos.prepare() == 2
        assert "expected (100, 68, 2)" in self.said(capsys)
        np.savez(videos.folder / "landmarks.npz", you=seen(50, 0))
        assert videos.prepare() == 2
        assert "an array of that name" in self.said(capsys)
        (videos.folder / "landmarks.npz").write_text("no")
        assert videos.prepare() == 2
        assert "an .npz file of landmarks" in self.said(capsys)

    def test_landmarks_with_pickled_objects_are_not_loaded(self, videos: Videos, capsys) -> None:
        np.savez(videos.folder / "landmarks.npz", **{"me.mp4": np.array([{}], object)})
        assert videos.prepare() == 2
        assert "pickle" in self.said(capsys)

    def test_no_such_encoder(self, videos: Videos, capsys) -> None:
        assert videos.prepare("--hubert", str(videos.folder)) == 2
        assert "a HuBERT: a folder" in self.said(capsys)
        assert len(read_manifest(videos.data)) == 2

    def test_a_mask_that_ends_early(self, videos: Videos, capsys) -> None:
        write_video(videos.folder / "mask.mp4", person(20))
        assert videos.prepare() == 2
        assert "as many frames as its recording" in self.said(capsys)
        assert len(open_clips(videos.data, "training")) == 1

    def test_a_face_that_leaves_every_square(self, videos: Videos, capsys) -> None:
        points = seen(FRAMES, 0)
        points[:, :, 1] += np.linspace(-150, 150, FRAMES)[:, None]
        np.savez(videos.folder / "landmarks.npz", **{"me.mp4": points})
        assert videos.prepare() == 2
        assert "--no-film" in self.said(capsys)
        assert videos.prepare("--no-film") == 0

    def test_a_folder_that_cannot_be_written(self, videos: Videos, capsys) -> None:
        (videos.folder / "taken").write_text("")
        assert videos.prepare(data="taken") != 0
        assert "taken" in self.said(capsys)

    def test_words_that_are_none(self, videos: Videos, capsys) -> None:
        assert videos.prepare("--emotion", "bored") == 2
        assert "--emotion: expected one of angry" in self.said(capsys)


@pytest.fixture(scope="module")
def mead_data(tmp_path_factory: pytest.TempPathFactory, hubert: Path) -> Path:
    """A MEAD of two identities, three sentences each, neutral and angry; one file is damaged."""
    folder = tmp_path_factory.mktemp("mead")
    landmarks = {}
    for who, identity in enumerate(("M003", "W009")):
        for emotion, level in (("neutral", 1), ("angry", 3)):
            for k, text in enumerate(WORDS, 1):
                frames = 48
                name = f"{identity}/video/front/{emotion}/level_{level}/{k:03}.mp4"
                write_video(folder / name, blank(frames))
                sound = f"{identity}/audio/{emotion}/level_{level}/{k:03}.m4a"
                write_sound(folder / sound, voice(text, frames))
                landmarks[name] = seen(frames, 10 * who + k)
    (folder / "W009/video/front/angry/level_3/003.mp4").write_bytes(b"no video" * 20)
    np.savez(folder / "landmarks.npz", **landmarks)
    for name in landmarks:
        if name.startswith("M003"):
            write_video(folder / "masks" / name, person(48))
    words = ["prepare", "mead", str(folder), "-o", str(folder / "data"), "--hubert", str(hubert)]
    brought = ["--landmarks", str(folder / "landmarks.npz"), "--masks", str(folder / "masks")]
    film = ["--film", "M003", "--size", "64", "--frames", "100"]
    assert exit_code(app, [*words, *brought, *film]) == 0
    return folder / "data"


def test_mead_becomes_clips_of_all_moods(mead_data: Path) -> None:
    entries = read_manifest(mead_data)
    assert len(entries) == 11
    assert {(e.emotion, e.intensity) for e in entries} == {("neutral", 0.0), ("angry", 1.0)}
    assert {(e.identity, e.split) for e in entries} in (
        {("M003", "training"), ("W009", "held_out")},
        {("M003", "held_out"), ("W009", "training")},
    )
    report = json.loads((mead_data / "report.json").read_text())
    (skipped,) = report["skipped"]
    assert skipped["source"].endswith("W009/video/front/angry/level_3/003.mp4")
    plain = json.loads((mead_data / "manifest.json").read_text())
    assert plain["held_out_identities"] == sorted(
        {e.identity for e in entries if e.split == "held_out"}
    )


def test_mead_s_identity_becomes_a_film_with_both_moods(mead_data: Path) -> None:
    footage = open_footage(mead_data / "film")
    assert 40 < len(footage.training) + len(footage.held_out) <= 100
    assert set(footage.training.emotions) == set(footage.held_out.emotions) == {0, 5}


def test_mead_s_parallel_sentences_are_paired(mead_data: Path) -> None:
    pairs = emotional_pairs(mead_data, "training")
    for emotional, neutral in pairs.sources:
        assert Path(emotional).name == Path(neutral).name


def test_a_stopped_run_keeps_what_an_earlier_one_made(
    mead_data: Path, hubert: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emogene.training.datasets import prepare

    def stopping(name: str, *arguments: object) -> object:
        if name.startswith("W009"):
            raise KeyboardInterrupt
        return track_head(name, *arguments)

    track_head = prepare.track_head
    monkeypatch.setattr(prepare, "track_head", stopping)
    before = read_manifest(mead_data)
    folder = mead_data.parent
    words = ["prepare", "mead", str(folder), "-o", str(mead_data), "--hubert", str(hubert)]
    assert exit_code(app, [*words, "--landmarks", str(folder / "landmarks.npz")]) == 130
    assert set(read_manifest(mead_data)) == set(before)


def test_voxceleb2_becomes_clips(tmp_path: Path, hubert: Path) -> None:
    landmarks = {}
    for who, identity in enumerate(("id00012", "id00015")):
        name = f"{identity}/21Uxsk56VDQ/00001.mp4"
        write_video(tmp_path / name, blank(50), sound=voice(WORDS[who], 50))
        landmarks[name] = seen(50, who)
    np.savez(tmp_path / "landmarks.npz", **landmarks)
    words = ["prepare", "voxceleb2", str(tmp_path), "-o", str(tmp_path / "data")]
    brought = ["--landmarks", str(tmp_path / "landmarks.npz"), "--hubert", str(hubert)]
    assert exit_code(app, [*words, *brought]) == 0
    assert len(open_clips(tmp_path / "data", "training", emotion="neutral")) == 1
    assert len(open_clips(tmp_path / "data", "held_out")) == 1
    assert not (tmp_path / "data/film").exists()
    # One identity alone leaves the others' clips where they are.
    before = read_manifest(tmp_path / "data")
    assert exit_code(app, [*words, *brought, "--identity", "id00012"]) == 0
    assert set(read_manifest(tmp_path / "data")) == set(before)
    assert len(list((tmp_path / "data/clips").iterdir())) == 2


def test_clips_lie_in_runs_of_valid_frames_on_one_side() -> None:
    valid = np.ones(1000, bool)
    valid[[100, 101, 420]] = False
    pieces = list(cut(valid, None, 1.0))
    for first, last, split in pieces:
        assert valid[first:last].all()
        assert 24 <= last - first <= 250
        assert (last - first) % 4 == 0
        assert split == ("training" if last <= 900 else "held_out")
        assert last <= 900 or first >= 900
    assert pieces == sorted(pieces)
    # Nothing but latents' rests and what is shorter than a second is lost.
    assert sum(last - first for first, last, _ in pieces) > 960
    assert list(cut(valid[:90], "held_out", 1.0)) == [(0, 88, "held_out")]
