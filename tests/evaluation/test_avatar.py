"""The whole judgement, on a tiny random avatar: every figure is there, and means what it says."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from emogene.contract.emotions import EMOTIONS, NEUTRAL
from emogene.contract.errors import BadInput
from emogene.evaluation.avatar import Evaluation, evaluate_avatar
from emogene.evaluation.material import Material
from emogene.evaluation.phones import fit_readout
from emogene.evaluation.rows import FULL, MUTE, NEUTRAL_ONLY, TRUE
from emogene.evaluation.subject import Subject
from emogene.evaluation.sync import SHORTEST, SyncJudge
from emogene.evaluation.tables import BEGIN, END, write_page, write_tables
from emogene.evaluation.targets import TARGETS, verdicts
from emogene.reference.checkpoint import save_network
from emogene.reference.sync_expert import SyncExpert, SyncExpertConfig
from emogene.training.demo.speech.phones import feature_labels

ASKED_FOR = (
    "psnr.head", "psnr.mouth", "psnr.torso", "ssim", "mouth_error_ratio",
    "mouth_opening_correlation", "sync_offset_frames", "emotion_probe_accuracy", "phone_accuracy",
    *(f"lmd.{emotion}" for emotion in EMOTIONS),
)  # fmt: skip


@pytest.fixture(scope="module")
def subject(tiny_engines: Path):
    with Subject(tiny_engines, threads=1) as opened:
        yield opened


@pytest.fixture(scope="module")
def found(subject: Subject, material: Material) -> Evaluation:
    return evaluate_avatar(subject, material, lambda said: None)


def test_every_figure_is_there(found: Evaluation) -> None:
    plain = json.loads(json.dumps(found.plain(), allow_nan=False))
    assert set(ASKED_FOR) <= set(plain)
    assert all(isinstance(plain[name], float) for name in ASKED_FOR)
    known = {*plain, "sync_offset_frames.absolute", "lmd.improved", "intensity.monotonic"}
    assert {target.figure for target in TARGETS} <= known
    assert "--inception" in plain["left_out.fid"] and "fid" not in plain


def test_random_networks_reach_no_target_of_looks(found: Evaluation) -> None:
    judged = {v.target.figure: v for v in verdicts(found.figures)}
    assert not judged["psnr.head"].reached and not judged["mouth_error_ratio"].reached
    assert judged["engine_megabytes"].reached
    assert all(not math.isnan(v.value) for v in judged.values())


def test_rows_differ_as_their_names_say(found: Evaluation) -> None:
    rows = {row.name: row for row in found.rows}
    assert list(rows) == [TRUE, FULL, NEUTRAL_ONLY, MUTE]
    assert rows[TRUE].figures["lmd"] == 0.0
    assert rows[FULL].figures["lmd"] > 0.0
    still = rows[MUTE].landmarks
    assert (still == still[0]).all()
    assert not np.array_equal(rows[FULL].landmarks, rows[NEUTRAL_ONLY].landmarks)


def test_intensity_zero_is_neutral(subject: Subject, material: Material) -> None:
    samples = material.corpus.held_out[0].samples
    neutral = subject.neutral(samples)
    assert len(neutral) == -(-len(samples) // 640)
    for emotion in EMOTIONS:
        assert np.array_equal(
            subject.emotional(neutral, emotion, 0.0), subject.emotional(neutral, NEUTRAL)
        )


def test_landmarks_are_those_of_a_session(subject: Subject, material: Material) -> None:
    samples = material.corpus.held_out[0].samples
    performed = subject.perform(samples, "happy")
    direct = subject.emotional(subject.neutral(samples), "happy")
    for frame in (0, 7):
        shown = performed.condition(frame).landmarks[0]
        lids = np.r_[37:42, 43:48]  # blinks are the session's own
        others = np.setdiff1d(np.arange(68), lids)
        np.testing.assert_allclose(shown[others], direct[frame][others], atol=1e-5)


def test_readout_learns_what_features_tell(material: Material) -> None:
    spoken = material.corpus.training
    truth = {one.samples.tobytes(): one.segments for one in spoken}

    def telling(samples: np.ndarray) -> np.ndarray:
        """One-hot phones of clean speech, and of noisy speech, as it comes next, the same."""
        nonlocal segments
        segments = truth.get(samples.tobytes(), segments)
        labels = feature_labels(segments, len(samples) // 320)
        return np.eye(40, dtype=np.float32)[labels]

    segments = spoken[0].segments
    hits = np.concatenate(fit_readout(spoken, telling).hits(spoken))
    assert hits.mean() > 0.99


def test_sync_expert_is_believed_only_if_it_finds_true_faces(
    subject: Subject, material: Material, tmp_path: Path
) -> None:
    width = subject.features(np.zeros(16_000, np.float32)).shape[1]
    save_network(tmp_path / "expert", SyncExpert(SyncExpertConfig(features=width, hidden=8)))
    judge = SyncJudge(subject.features, tmp_path / "expert")
    speech = [one.samples for one in material.corpus.held_out]
    sync = judge.judge(speech, [subject.neutral(samples) for samples in speech])
    assert abs(sync.offset) <= 15 and sync.clips >= 1
    with pytest.raises(BadInput, match=f"at least {SHORTEST} frames"):
        judge.judge([speech[0][:6400]], [subject.neutral(speech[0][:6400])])
    save_network(tmp_path / "other", SyncExpert(SyncExpertConfig(features=width + 1, hidden=8)))
    with pytest.raises(BadInput, match="emogene-train sync"):
        SyncJudge(subject.features, tmp_path / "other")


def test_tables_are_written_and_put_into_a_page(
    found: Evaluation, material: Material, tmp_path: Path
) -> None:
    others = {"Another": {"psnr": 30.0, "ssim": 0.9}}
    write_tables(tmp_path / "out", "tiny", found, others, material)
    text = (tmp_path / "out" / "tables.md").read_text()
    assert "| Another | 30 | 0.9 |" in text and "| surprise |" in text
    figures = json.loads((tmp_path / "out" / "figures.json").read_text())
    assert figures["row.Another.psnr"] == 30.0
    page = tmp_path / "page.md"
    page.write_text(f"# Before\n{BEGIN}\nold\n{END}\n# After\n")
    for _ in range(2):  # the second time changes nothing
        write_page(page, tmp_path / "out")
        said = page.read_text()
        assert said.startswith("# Before\n") and said.endswith("\n# After\n") and "old" not in said
        assert said.count("| Another |") == 1
    assert (tmp_path / "pictures" / "evaluation.jpg").stat().st_size > 1000
    page.write_text("no marks")
    with pytest.raises(BadInput, match="figures: begin"):
        write_page(page, tmp_path / "out")


def test_a_window_reaching_past_its_take_sees_zeros(subject: Subject, material: Material) -> None:
    film = material.film
    conditions = subject.given(film.landmarks[:3])
    first, middle = conditions[0], conditions[1]
    assert first.windows.shape == middle.windows.shape == (1, 3, 204)
    assert not first.windows[0, 0].any() and middle.windows[0, 0].any()
