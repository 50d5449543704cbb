"""Mp4: what comes out of the decoder is what went in, in step, and never half a file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from emogene.contract.data import Frame
from emogene.contract.errors import BadOutput
from emogene.runtime.video import Mp4Writer
from tests.speech import spoken

HEIGHT, WIDTH = 48, 64


def frame(index: int, colour: tuple[int, int, int] = (90, 90, 90), sound=None) -> Frame:
    image = np.broadcast_to(np.array(colour, np.uint8), (HEIGHT, WIDTH, 3))
    silence = np.zeros(640, np.float32)
    return Frame(image, index, silence if sound is None else sound, False, "neutral")


def write(path: Path, frames: list[Frame]) -> None:
    with Mp4Writer(path, (HEIGHT, WIDTH)) as writer:
        for each in frames:
            writer.write(each)


def decoded(path: Path) -> tuple[list[tuple[float, np.ndarray]], np.ndarray]:
    """Pictures with their times in seconds, and the samples, as a player gets them."""
    with av.open(str(path)) as container:
        pictures = [
            (float(f.pts * f.time_base), f.to_ndarray(format="rgb24"))
            for f in container.decode(video=0)
        ]
    with av.open(str(path)) as container:
        blocks = list(container.decode(audio=0))
        assert blocks[0].pts == 0
        sound = np.concatenate([block.to_ndarray()[0] for block in blocks])
    return pictures, sound


@pytest.mark.parametrize("count", [1, 2, 3, 25, 101])
def test_pictures_and_sound_begin_together_and_end_together(tmp_path, count):
    path = tmp_path / "a.mp4"
    write(path, [frame(k) for k in range(count)])
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.height, video.width) == (HEIGHT, WIDTH)
        assert video.codec_context.name == "h264" and video.average_rate == 25
        assert audio.codec_context.name == "aac" and audio.rate == 16_000 and audio.channels == 1
        assert video.start_time == 0 and audio.start_time == 0
        seconds = [float(s.duration * s.time_base) for s in (video, audio)]
        assert seconds == pytest.approx([count / 25, count / 25], abs=1e-6)
        assert container.duration == pytest.approx(count / 25 * av.time_base, abs=1000)
    pictures, sound = decoded(path)
    assert [time for time, _ in pictures] == pytest.approx([k / 25 for k in range(count)])
    assert 0 <= len(sound) - 640 * count < 1024, "AAC fills up its last packet, nothing more"


def test_speech_is_not_shifted_by_a_single_sample(tmp_path):
    speech = spoken()[: 640 * 100]
    write(tmp_path / "a.mp4", [frame(k, sound=s) for k, s in enumerate(speech.reshape(100, 640))])
    _, sound = decoded(tmp_path / "a.mp4")
    size = 1 << 18
    correlation = np.fft.irfft(np.fft.rfft(sound, size) * np.conj(np.fft.rfft(speech, size)), size)
    assert int(correlation.argmax()) == 0
    assert correlation[0] / np.linalg.norm(sound) / np.linalg.norm(speech) > 0.999


def test_a_flash_and_a_click_meet(tmp_path):
    flashes = {0, 7, 30, 59}
    click = np.zeros(640, np.float32)
    click[:64] = 0.8 * np.sin(np.arange(64))
    frames = [
        frame(k, (255, 255, 255), click) if k in flashes else frame(k, (0, 0, 0)) for k in range(60)
    ]
    write(tmp_path / "a.mp4", frames)
    pictures, sound = decoded(tmp_path / "a.mp4")
    assert {k for k, (_, image) in enumerate(pictures) if image.mean() > 128} == flashes
    loud = np.abs(sound[: 60 * 640]).reshape(60, 640).max(axis=1)
    assert {int(k) for k in np.flatnonzero(loud > 0.4)} == flashes


@pytest.mark.parametrize(
    "colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (200, 40, 90), (12, 12, 12)]
)
def test_colours_come_back(tmp_path, colour):
    write(tmp_path / "a.mp4", [frame(k, colour) for k in range(5)])
    with av.open(str(tmp_path / "a.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert context.colorspace == 1 and context.color_range == 1, "BT.709, limited, and tagged"
    image = decoded(tmp_path / "a.mp4")[0][2][1]
    # 8-bit limited range rounds twice: steps of 255/219 and more for saturated colours.
    assert np.abs(image.astype(int) - np.array(colour)).max() <= 6


def test_nothing_lies_under_the_name_before_the_end(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"the old one")
    with Mp4Writer(path, (HEIGHT, WIDTH)) as writer:
        writer.write(frame(0))
        assert path.read_bytes() == b"the old one"
    assert len(decoded(path)[0]) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]
    writer.close()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_exception_leaves_nothing(tmp_path, error):
    with pytest.raises(error), Mp4Writer(tmp_path / "a.mp4", (HEIGHT, WIDTH)) as writer:
        writer.write(frame(0))
        raise error
    assert list(tmp_path.iterdir()) == []


def test_a_forgotten_writer_leaves_nothing(tmp_path):
    writer = Mp4Writer(tmp_path / "a.mp4", (HEIGHT, WIDTH))
    writer.write(frame(0))
    del writer
    assert list(tmp_path.iterdir()) == []


def test_no_frames_no_file(tmp_path):
    with pytest.raises(BadOutput, match="at least one frame"):
        write(tmp_path / "a.mp4", [])
    assert list(tmp_path.iterdir()) == []


def test_frames_that_do_not_fit(tmp_path):
    with Mp4Writer(tmp_path / "a.mp4", (WIDTH, HEIGHT)) as writer:
        with pytest.raises(BadOutput, match=r"\(64, 48, 3\) uint8, found \(48, 64, 3\)"):
            writer.write(frame(0))
        with pytest.raises(BadOutput, match="640 audio samples"):
            image = np.zeros((WIDTH, HEIGHT, 3), np.uint8)
            writer.write(Frame(image, 0, np.zeros(10, np.float32), False, "sad"))
        writer.write(Frame(image, 0, np.zeros(640, np.float32), False, "sad"))
    with pytest.raises(BadOutput, match="closed"):
        writer.write(Frame(image, 0, np.zeros(640, np.float32), False, "sad"))
    with pytest.raises(BadOutput, match="even"):
        Mp4Writer(tmp_path / "b.mp4", (47, 64))


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path):
    # A limit on file size fails in write(2) just as a full disk does, and needs no disk.
    code = f"""
import resource, numpy as np
from emogene.contract.data import Frame
from emogene.contract.errors import BadOutput
from emogene.runtime.video import Mp4Writer
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
random = np.random.default_rng(0)
try:
    with Mp4Writer({str(tmp_path / "a.mp4")!r}, (128, 128)) as writer:
        for k in range(50):
            image = random.integers(0, 256, (128, 128, 3), np.uint8)
            writer.write(Frame(image, k, np.zeros(640, np.float32), False, "sad"))
except BadOutput as refusal:
    print(refusal)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "a.mp4: expected a place that can be written, found the largest file" in done.stdout
    assert list(tmp_path.iterdir()) == []
