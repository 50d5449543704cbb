"""Sinks: each kind of output, chosen by name, whole or absent."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from emogene.contract.data import Frame
from emogene.contract.errors import BadOutput
from emogene.runtime.png import PngFolder, encode_png
from emogene.runtime.sinks import open_sink
from emogene.runtime.video import Mp4Writer
from emogene.runtime.y4m import Y4mFile, y4m_header, y4m_picture
from tests.speech import spoken

HEIGHT, WIDTH = 31, 45


def frames(count: int = 3, size: tuple[int, int] = (HEIGHT, WIDTH)) -> list[Frame]:
    random = np.random.default_rng(0)
    sound = spoken()[: 640 * count].reshape(count, 640)
    return [
        Frame(random.integers(0, 256, (*size, 3), np.uint8), k, sound[k], False, "happy")
        for k in range(count)
    ]


def read_image(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


def test_names_choose_the_kind(tmp_path):
    (tmp_path / "made").mkdir()
    kinds = {
        "a.mp4": Mp4Writer,
        "A.MP4": Mp4Writer,
        "a.y4m": Y4mFile,
        "folder": PngFolder,
        "v1.2/": PngFolder,
        "made": PngFolder,
    }
    for name, kind in kinds.items():
        sink = open_sink(f"{tmp_path}/{name}", (32, 32))
        assert type(sink.inner) is kind
        sink.discard()
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_png_bytes_are_the_picture(tmp_path):
    smooth = np.add.outer(np.arange(40), np.arange(30))[..., None] * np.array([1, 2, 3])
    for image in (frames(1)[0].image, smooth.astype(np.uint8), np.zeros((1, 1, 3), np.uint8)):
        (tmp_path / "a.png").write_bytes(encode_png(image))
        assert np.array_equal(read_image(tmp_path / "a.png"), image)


def test_a_png_folder_is_whole_or_absent(tmp_path):
    written = frames()
    with open_sink(tmp_path / "out", (HEIGHT, WIDTH)) as sink:
        for each in written:
            sink.write(each)
        assert not (tmp_path / "out").exists()
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["000000.png", "000001.png", "000002.png", "audio.wav"]
    assert np.array_equal(read_image(tmp_path / "out" / "000002.png"), written[2].image)
    sound, rate = soundfile.read(tmp_path / "out" / "audio.wav", dtype="float32")
    assert rate == 16_000
    assert np.allclose(sound, np.concatenate([f.audio for f in written]), atol=1 / 32_000)

    with pytest.raises(KeyboardInterrupt), open_sink(tmp_path / "other", (HEIGHT, WIDTH)) as sink:
        sink.write(written[0])
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_png_folder_never_mixes_with_what_is_there(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(BadOutput, match="a folder that is not empty — empty it"):
        open_sink(tmp_path, (HEIGHT, WIDTH))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def by_hand(image: np.ndarray) -> np.ndarray:
    """BT.601 limited range as its text has it: E_Y from R, G, B, and scaled differences."""
    red, green, blue = (image[..., c].astype(np.float64) / 255 for c in range(3))
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    planes = [16 + 219 * luma, 128 + 224 * (blue - luma) / 1.772, 128 + 224 * (red - luma) / 1.402]
    return np.stack(planes)


def test_y4m_pictures_are_bt601_in_three_full_planes():
    image = frames(1)[0].image
    data = y4m_picture(image)
    assert data.startswith(b"FRAME\n") and len(data) == 6 + 3 * HEIGHT * WIDTH
    planes = np.frombuffer(data[6:], np.uint8).reshape(3, HEIGHT, WIDTH)
    assert np.abs(planes - by_hand(image)).max() <= 0.501
    corners = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 0, 255]]], np.uint8)
    found = np.frombuffer(y4m_picture(corners)[6:], np.uint8).reshape(3, 4).T
    assert found.tolist() == [[16, 128, 128], [235, 128, 128], [81, 90, 240], [41, 240, 110]]


def test_y4m_is_read_back_by_ffmpeg(tmp_path):
    written = frames()
    with open_sink(tmp_path / "a.y4m", (HEIGHT, WIDTH)) as sink:
        for each in written:
            sink.write(each)
    with av.open(str(tmp_path / "a.y4m")) as container:
        stream = container.streams.video[0]
        assert (stream.height, stream.width, stream.average_rate) == (HEIGHT, WIDTH, 25)
        assert stream.pix_fmt == "yuv444p"
        read = [picture.to_ndarray(format="rgb24") for picture in container.decode(video=0)]
    assert len(read) == 3
    for image, each in zip(read, written, strict=True):
        # Two roundings to 8 bits, the chroma of 224 steps stretched by up to 2.
        assert np.abs(image.astype(int) - each.image).max() <= 4


def test_a_y4m_file_is_whole_or_absent(tmp_path):
    with pytest.raises(ValueError), open_sink(tmp_path / "a.y4m", (HEIGHT, WIDTH)) as sink:
        sink.write(frames(1)[0])
        raise ValueError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.mp4", "a.y4m", "folder"])
def test_places_that_cannot_be_written(tmp_path, name):
    with pytest.raises(BadOutput, match="its folder does not exist — create the folder"):
        open_sink(tmp_path / "missing" / name, (32, 32))
    (tmp_path / "file").touch()
    with pytest.raises(BadOutput, match="a file where its folder should be"):
        open_sink(tmp_path / "file" / name, (32, 32))
    with pytest.raises(BadOutput, match="a name that is too long"):
        open_sink(tmp_path / ("x" * 300 + name), (32, 32))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("name", ["a.mp4", "a.y4m"])
def test_a_directory_is_no_file(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(BadOutput, match="a directory of that name"):
        open_sink(tmp_path / name, (32, 32))


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(BadOutput, match="out"):
        open_sink(tmp_path / "out", (32, 32))
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(BadOutput, match="no permission"):
        open_sink(tmp_path / "a.mp4", (32, 32))


@pytest.mark.parametrize("name", ["a.avi", "a.mov", ""])
def test_other_endings_are_refused_with_the_list(name):
    with pytest.raises(BadOutput, match=r"\.mp4 or \.y4m, '-' .* a folder"):
        open_sink(name, (32, 32))


@pytest.mark.parametrize("name", ["a.y4m", "folder"])
def test_a_closed_or_wrong_sink_refuses(tmp_path, name):
    sink = open_sink(tmp_path / name, (HEIGHT, WIDTH))
    with pytest.raises(BadOutput, match="frames of shape"):
        sink.write(frames(1, (4, 4))[0])
    sink.write(frames(1)[0])
    sink.close()
    sink.close()
    with pytest.raises(BadOutput, match="closed"):
        sink.write(frames(1)[0])
    assert (tmp_path / name).exists()


def test_permissions_follow_the_umask(tmp_path):
    with open_sink(tmp_path / "a.y4m", (HEIGHT, WIDTH)) as sink:
        sink.write(frames(1)[0])
    (tmp_path / "plain").touch()
    assert (tmp_path / "a.y4m").stat().st_mode == (tmp_path / "plain").stat().st_mode


STDOUT = """
import numpy as np, sys
from emogene.contract.data import Frame
from emogene.runtime.sinks import open_sink
written = 0
with open_sink("-", (64, 64)) as sink:
    for k in range({count}):
        image = np.full((64, 64, 3), k % 256, np.uint8)
        sink.write(Frame(image, k, np.zeros(640, np.float32), False, "sad"))
        written += 1
print("written", written, file=sys.stderr)
"""


def test_standard_output_carries_y4m_and_nothing_else():
    done = subprocess.run(
        [sys.executable, "-c", STDOUT.format(count=2)], capture_output=True, check=True
    )
    pictures = [y4m_picture(np.full((64, 64, 3), k, np.uint8)) for k in range(2)]
    assert done.stdout == y4m_header((64, 64)) + b"".join(pictures)


def test_a_reader_that_leaves_ends_it_quietly():
    process = subprocess.Popen(
        [sys.executable, "-c", STDOUT.format(count=100_000)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.read(20_000)
    process.stdout.close()
    message = process.stderr.read().decode()
    assert process.wait(timeout=20) == 0
    assert message.startswith("written") and "Error" not in message
    assert int(message.split()[1]) < 100_000


def test_a_terminal_is_no_place_for_pictures():
    leader, follower = os.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-c", STDOUT.format(count=1)], stdout=follower, stderr=subprocess.PIPE
        )
    finally:
        os.close(follower)
        os.close(leader)
    assert b"found a terminal" in done.stderr


@pytest.mark.parametrize(
    ("name", "limit", "picture"),
    [("a.y4m", 20_000, "random"), ("folder", 20_000, "random"), ("folder", 3_000, "black")],
    ids=["y4m", "picture", "sound"],
)
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, name, limit, picture):
    # A limit on file size fails in write(2) just as a full disk does, and needs no disk.
    code = f"""
import resource, numpy as np
from emogene.contract.data import Frame
from emogene.contract.errors import BadOutput
from emogene.runtime.sinks import open_sink
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
random = np.random.default_rng(0)
try:
    with open_sink({str(tmp_path / name)!r}, (128, 128)) as sink:
        for k in range(4):
            image = random.integers(0, 256, (128, 128, 3), np.uint8)
            image *= {picture!r} == "random"
            sink.write(Frame(image, k, np.zeros(640, np.float32), False, "sad"))
except BadOutput as refusal:
    print(refusal)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "expected a place that can be written, found the largest file" in done.stdout
    assert list(tmp_path.iterdir()) == []
