"""Videos beside videos: known answers, and refusals in one line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from emogene.contract.data import Frame
from emogene.contract.errors import BadInput, BadOption, Unavailable
from emogene.evaluation import video_landmarks
from emogene.evaluation.footage import open_video
from emogene.evaluation.video import MISSING_FRAMES, evaluate_video
from emogene.evaluation.video_task import VideoTask
from emogene.runtime.video import Mp4Writer

SIZE, FRAMES = 64, 12
ROW, COLUMN = np.mgrid[:SIZE, :SIZE]


def picture(frame: int, lift: int = 0) -> NDArray[np.uint8]:
    """A grey wall that never changes, and a disc that moves."""
    image = np.full((SIZE, SIZE, 3), 90 + lift, np.uint8)
    image[(ROW - 32) ** 2 + (COLUMN - 20 - 2 * frame) ** 2 < 80] = 180 + lift
    return image


def write(path: Path, pictures: list[NDArray[np.uint8]]) -> Path:
    with Mp4Writer(path, pictures[0].shape[:2]) as sink:
        for k, image in enumerate(pictures):
            tone = np.sin(np.arange(640) / 9 + k).astype(np.float32) * 0.1
            sink.write(Frame(image=image, index=k, audio=tone, idle=False, emotion="neutral"))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``true.mp4``, ``lighter.mp4`` (10 levels), ``short.mp4``, ``small.mp4``, ``.npz`` files."""
    made = tmp_path_factory.mktemp("videos")
    write(made / "true.mp4", [picture(k) for k in range(FRAMES)])
    write(made / "lighter.mp4", [picture(k, 10) for k in range(FRAMES)])
    write(made / "short.mp4", [picture(k) for k in range(FRAMES - MISSING_FRAMES - 1)])
    write(made / "small.mp4", [picture(k)[::2, ::2] for k in range(FRAMES)])
    points = np.random.default_rng(0).uniform(10, 50, (FRAMES, 68, 2)).astype(np.float32)
    np.savez(made / "true.npz", landmarks=points)
    np.savez(made / "moved.npz", landmarks=points + np.float32([3, 4]))
    np.savez(made / "flat.npz", landmarks=points[:, :, 0])
    return made


@pytest.fixture
def task(folder: Path) -> VideoTask:
    return VideoTask(
        folder / "lighter.mp4",
        folder / "true.mp4",
        landmarks=folder / "moved.npz",
        reference_landmarks=folder / "true.npz",
    )


def test_frames_come_back_as_they_were_written(folder: Path) -> None:
    video = open_video(folder / "true.mp4")
    frames = list(video.frames())
    assert (video.width, video.height, float(video.rate)) == (SIZE, SIZE, 25.0)
    assert video.sound and len(frames) == FRAMES
    assert np.abs(frames[5].astype(int) - picture(5)).mean() < 2.0


def test_a_lighter_video_with_moved_landmarks(task: VideoTask) -> None:
    figures, left_out = evaluate_video(task)
    assert figures["frames"] == FRAMES
    assert figures["psnr"] == pytest.approx(20 * np.log10(255 / 10), abs=0.8)
    assert 0.9 < figures["ssim"] < 1.0
    assert figures["flicker"] < 1.0 and figures["flicker.reference"] < 1.0
    assert figures["frechet.dct"] == pytest.approx((10 / 255) ** 2, rel=0.3)
    assert figures["lmd"] == pytest.approx(5.0 * 512 / SIZE, rel=1e-4)
    assert figures["lmd.mouth"] == pytest.approx(figures["lmd"], rel=1e-4)
    assert figures["mouth_opening_correlation"] == pytest.approx(1.0)
    assert figures["faces_found"] == 1.0
    assert "--inception" in left_out["fid"]
    assert "--emotion" in left_out["emotion_accuracy.pixels"]
    assert "sync_offset_frames" in left_out  # half a second of video


def test_the_probe_of_the_demo_is_not_asked_about_others(task: VideoTask) -> None:
    figures, left_out = evaluate_video(replace(task, emotion="surprise"))
    assert "emotion_accuracy.pixels" not in figures
    assert "knows the procedural head" in left_out["emotion_accuracy.pixels"]


def test_without_a_tool_for_landmarks_the_rest_is_measured(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent() -> None:
        raise Unavailable("MediaPipe", remedy="emogene-train prepare tool")

    monkeypatch.setattr(video_landmarks, "MediaPipe", absent)
    figures, left_out = evaluate_video(VideoTask(folder / "lighter.mp4", folder / "true.mp4"))
    assert "psnr" in figures and "lmd" not in figures
    assert "emogene-train prepare tool" in left_out["lmd"]


def test_another_size_is_resampled_only_when_asked(task: VideoTask, folder: Path) -> None:
    small = replace(task, video=folder / "small.mp4")
    with pytest.raises(BadInput, match=r"expected 64 × 64 pixels.*found 32 × 32.*--resize"):
        evaluate_video(small)
    figures, left_out = evaluate_video(replace(small, resize=True))
    assert figures["psnr"] > 20
    assert left_out["original_size"] == "resampled from 32 × 32 to 64 × 64 (Lanczos)"


def test_what_does_not_belong_together_is_refused(task: VideoTask, folder: Path) -> None:
    with pytest.raises(BadInput, match=r"short\.mp4: expected as many frames.*found 6"):
        evaluate_video(replace(task, video=folder / "short.mp4"))
    with pytest.raises(BadInput, match="--reference-landmarks beside it"):
        evaluate_video(replace(task, reference_landmarks=None))
    with pytest.raises(BadInput, match=r"flat\.npz: expected an \.npz file with an array"):
        evaluate_video(replace(task, landmarks=folder / "flat.npz"))
    with pytest.raises(BadOption, match="did you mean 'happy'"):
        evaluate_video(replace(task, emotion="hapy"))


@pytest.mark.parametrize("content", [None, b"", b"no video at all"])
def test_what_is_no_video_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "video.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadInput, match=r"video\.mp4: expected a video file"):
        open_video(path)
