"""Mistakes of ``prepare``: each is one line and exit code 2, and nothing finished is lost."""

from __future__ import annotations

import numpy as np
import pytest

from emogene.training.datasets.clips import open_clips, read_manifest

from .prepared import FRAMES, WORDS, Videos, person, seen, voice
from .recordings import blank, write_video


def said(capsys: pytest.CaptureFixture[str]) -> str:
    text = capsys.readouterr().err.strip().splitlines()
    assert "Traceback" not in "".join(text)
    return text[-1]


def test_a_face_that_is_nowhere(videos: Videos, capsys) -> None:
    nothing = np.full((FRAMES, 68, 2), np.nan)
    np.savez(videos.folder / "landmarks.npz", **{"me.mp4": nothing})
    assert videos.prepare() == 2
    assert "expected a face, found none in 100 frames" in said(capsys)
    assert "none in 100 frames" in videos.report()["skipped"][0]["reason"]


@pytest.mark.parametrize("factor", [0.2, 1e30])
def test_faces_of_impossible_size(videos: Videos, capsys, factor: float) -> None:
    np.savez(videos.folder / "landmarks.npz", **{"me.mp4": factor * seen(FRAMES, 0)})
    assert videos.prepare() == 2
    assert "expected a face, found none" in said(capsys)


def test_a_face_that_comes_and_goes(videos: Videos, capsys) -> None:
    points = seen(FRAMES, 0)
    points[np.arange(FRAMES) % 20 > 9] = np.nan
    np.savez(videos.folder / "landmarks.npz", **{"me.mp4": points})
    assert videos.prepare() == 2
    assert "a face for 1 seconds without a gap" in said(capsys)


def test_no_sound(videos: Videos, capsys) -> None:
    write_video(videos.folder / "me.mp4", blank(FRAMES))
    assert videos.prepare() == 2
    assert "a video with sound" in said(capsys)


def test_a_damaged_video(videos: Videos, capsys) -> None:
    (videos.folder / "me.mp4").write_bytes(b"\x00" * 5000)
    assert videos.prepare() == 2
    assert "something FFmpeg cannot read" in said(capsys)
    assert len(open_clips(videos.data, "training")) == 1  # made before it was damaged


def test_a_video_too_short(videos: Videos, capsys) -> None:
    write_video(videos.folder / "me.mp4", blank(10), sound=voice(WORDS[0], 10))
    np.savez(videos.folder / "landmarks.npz", **{"me.mp4": seen(10, 0)})
    assert videos.prepare() == 2
    assert "at least 1 seconds, found 0.40" in said(capsys)


def test_landmarks_of_another_length_or_name(videos: Videos, capsys) -> None:
    np.savez(videos.folder / "landmarks.npz", **{"me.mp4": seen(50, 0)})
    assert videos.prepare() == 2
    assert "expected (100, 68, 2)" in said(capsys)
    np.savez(videos.folder / "landmarks.npz", you=seen(50, 0))
    assert videos.prepare() == 2
    assert "an array of that name" in said(capsys)
    for damaged in (b"no", b"", b"PK\x03\x04 and nothing more"):
        (videos.folder / "landmarks.npz").write_bytes(damaged)
        assert videos.prepare() == 2
        assert "an .npz file of landmarks" in said(capsys)


def test_landmarks_with_pickled_objects_are_not_loaded(videos: Videos, capsys) -> None:
    np.savez(videos.folder / "landmarks.npz", **{"me.mp4": np.array([{}], object)})
    assert videos.prepare() == 2
    assert "pickle" in said(capsys)


def test_no_such_encoder(videos: Videos, capsys) -> None:
    assert videos.prepare("--hubert", str(videos.folder)) == 2
    assert "a HuBERT: a folder" in said(capsys)
    assert len(read_manifest(videos.data)) == 2


def test_a_mask_that_ends_early(videos: Videos, capsys) -> None:
    write_video(videos.folder / "mask.mp4", person(20))
    assert videos.prepare() == 2
    assert "as many frames as its recording" in said(capsys)
    assert len(open_clips(videos.data, "training")) == 1


def test_a_face_that_leaves_every_square(videos: Videos, capsys) -> None:
    points = seen(FRAMES, 0)
    points[:, :, 1] += np.linspace(-150, 150, FRAMES)[:, None]
    np.savez(videos.folder / "landmarks.npz", **{"me.mp4": points})
    assert videos.prepare() == 2
    assert "--no-film" in said(capsys)
    assert videos.prepare("--no-film") == 0


def test_a_folder_that_cannot_be_written(videos: Videos, capsys) -> None:
    (videos.folder / "taken").write_text("")
    assert videos.prepare(data="taken") != 0
    assert "taken" in said(capsys)


def test_words_that_are_none(videos: Videos, capsys) -> None:
    assert videos.prepare("--emotion", "bored") == 2
    assert "--emotion: expected one of angry" in said(capsys)
