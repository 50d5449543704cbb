"""Videos of any rate and kind become frames at 25 a second and sound from the first of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emogene.contract.errors import BadAudio, BadInput
from emogene.training.datasets import video

from .recordings import write_sound, write_video

GREYS = 12


def numbered(count: int, size: int = 48) -> list[np.ndarray]:
    """Pictures whose grey tells their number."""
    return [np.full((size, size, 3), GREYS + 4 * k % 220, np.uint8) for k in range(count)]


def numbers(path: Path) -> list[int]:
    return [round((float(f.mean()) - GREYS) / 4) for f in video.frames(path)]


def test_25_a_second_stay_as_they_are(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", numbered(20))
    assert numbers(path) == list(range(20))


@pytest.mark.parametrize("rate", [15, 24, 30, 50])
def test_other_rates_are_resampled_by_time(tmp_path: Path, rate: int) -> None:
    path = write_video(tmp_path / "a.mp4", numbered(40), rate=rate)
    found = np.array(numbers(path))
    assert len(found) == pytest.approx(40 / rate * 25, abs=1)
    expected = np.minimum(np.arange(len(found)) / 25 * rate, 39)
    assert np.abs(found - expected).max() <= 0.5 + 1e-6


def test_a_rate_that_varies_is_resampled_by_time(tmp_path: Path) -> None:
    times = np.cumsum([0, *([0.02] * 10), *([0.1] * 5), *([0.04] * 10)])
    path = write_video(tmp_path / "a.mp4", numbered(len(times)), times=times)
    found = numbers(path)
    shown = np.arange(len(found)) / 25
    expected = [int(np.abs(times - t).argmin()) for t in shown]
    # Halfway between two pictures either will do.
    assert all(
        abs(times[a] - t) <= abs(times[b] - t) + 2e-3
        for a, b, t in zip(found, expected, shown, strict=True)
    )
    assert len(found) == pytest.approx(times[-1] * 25, abs=2)


def test_large_pictures_are_shrunk_by_area() -> None:
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[:, ::2] = 200
    small = video.shrink(picture, 48)
    assert small.shape == (32, 48, 3)
    np.testing.assert_allclose(small, 100, atol=3)


def test_sound_begins_with_the_picture(tmp_path: Path) -> None:
    click = np.zeros(16_000, np.float32)
    click[8000:8400] = np.sin(np.arange(400)) * 0.8
    path = write_video(tmp_path / "a.mp4", numbered(25), sound=click)
    heard = video.sound(path)
    assert abs(int(np.argmax(np.abs(heard) > 0.2)) - 8000) < 160
    path = write_video(tmp_path / "late.mp4", numbered(25), sound=click[4000:], late=0.25)
    assert abs(int(np.argmax(np.abs(video.sound(path)) > 0.2)) - 8000) < 160
    apart = write_sound(tmp_path / "a.m4a", click)
    assert abs(int(np.argmax(np.abs(video.sound(path, apart)) > 0.2)) - 8000) < 160


def test_a_damaged_video_gives_what_can_be_read(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", numbered(50))
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 40] = b"\x00" * 40
    path.write_bytes(data)
    assert 10 < len(numbers(path)) <= 50


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "something FFmpeg cannot read"), (b"not a video" * 50, "something FFmpeg cannot read")],
    ids=["empty", "text"],
)
def test_what_is_no_video_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=said):
        video.probe(path)


def test_truncated_missing_and_silent_files_are_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", numbered(50))
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(path.read_bytes()[:200])
    for bad in (cut, tmp_path / "none.mp4", tmp_path):
        with pytest.raises(BadInput, match=r"expected a video"):
            video.probe(bad)
    with pytest.raises(BadAudio, match="without a sound track"):
        video.sound(path)
    sound = write_sound(tmp_path / "a.m4a", np.zeros(16_000, np.float32))
    with pytest.raises(BadInput, match="a file without pictures"):
        video.probe(sound)


def test_too_small_a_picture_is_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", numbered(5, size=16))
    with pytest.raises(BadInput, match="found 16 × 16"):
        video.probe(path)
