"""``emogene-train prepare`` of MEAD and VoxCeleb2, landmarks and masks brought along."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from emogene.runtime.command_line import exit_code
from emogene.training.commands import app
from emogene.training.datasets.clips import open_clips, read_manifest
from emogene.training.datasets.pairs import emotional_pairs
from emogene.training.fields.film import open_footage

from .prepared import WORDS, person, seen, voice
from .recordings import blank, write_sound, write_video


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
