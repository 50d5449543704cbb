"""Videos as frames at 25 a second and sound at 16 kHz, both counted from the first picture."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...contract.errors import BadAudio, BadInput
from ...contract.units import FRAMES_PER_SECOND, SAMPLE_RATE
from ...runtime.audio.load import load

Image = NDArray[np.uint8]

LARGEST_SIDE = 8192
LONGEST_S = 2 * 3600.0
SMALLEST_SIDE = 32

_KNOWN = "a video (mp4, mov, mkv, webm, …)"


@dataclass(frozen=True)
class VideoFacts:
    """What a video says of itself, and how it is meant to be seen.

    Attributes:
        width, height: as shown, pixels.
        seconds: by its header; the frames decide.
        has_sound: it holds a sound track.
    """

    width: int
    height: int
    seconds: float
    has_sound: bool


def probe(path: Path) -> VideoFacts:
    """Look at a video without reading it all.

    Raises:
        BadInput: no such file, no picture in it, or one that is too large, too small, too long or
            has pixels that are not square.
    """
    with _opened(path) as container:
        stream = container.streams.video[0]
        # Before a picture is decoded, which may be huge.
        _check_sides(path, stream.codec_context.width, stream.codec_context.height)
        first = next(_decoded(path, container, stream), None)
        if first is None:
            raise _bad(path, found="no picture that can be decoded")
        height, width = _upright(first.to_ndarray(format="rgb24"), first).shape[:2]
        ratio = stream.sample_aspect_ratio
        seconds = float(container.duration or 0) / 1_000_000
        sound = bool(container.streams.audio)
    if ratio and ratio != 1:
        raise BadInput(
            str(path),
            expected="square pixels",
            found=f"pixels of {ratio.numerator}:{ratio.denominator}",
            remedy="scale the video to square pixels",
        )
    if seconds > LONGEST_S:
        raise BadInput(
            str(path),
            expected=f"at most {LONGEST_S / 3600:g} hours",
            found=f"{seconds / 3600:.1f} hours",
            remedy="cut it",
        )
    return VideoFacts(width, height, seconds, sound)


def frames(path: Path, longest_side: int | None = None) -> Iterator[Image]:
    """The pictures of a video at 25 a second, (H, W, 3) uint8 RGB, upright.

    Picture k is the one nearest in time to k / 25 s after the first, whatever rate they come at.

    Args:
        longest_side: shrink larger pictures to this, by area.

    Raises:
        BadInput: as `probe`; nothing can be decoded; its pictures change their size.
    """
    made = 0
    last: Image | None = None
    last_time = first_time = 0.0
    with _opened(path) as container:
        stream = container.streams.video[0]
        step = float(1 / stream.average_rate) if stream.average_rate else 1 / FRAMES_PER_SECOND
        shape: tuple[int, ...] | None = None
        for frame in _decoded(path, container, stream):
            # Some files give no times: then the pictures come at an even rate.
            time = frame.time if frame.time is not None else last_time + step
            picture = frame.to_ndarray(format="rgb24")
            if shape not in (None, picture.shape):
                raise _bad(path, "pictures of one size", f"{shape} and {picture.shape}")
            shape = picture.shape
            shown = shrink(_upright(picture, frame), longest_side)
            if last is None:
                first_time = time
            elif time <= last_time:
                continue
            elif time - first_time > LONGEST_S:
                break
            else:
                step = time - last_time
                turn = 0.5 * (last_time + time) - first_time
                while made / FRAMES_PER_SECOND < turn - 1e-6:
                    yield last
                    made += 1
            last, last_time = shown, time
    if last is None:
        raise _bad(path, found="no picture that can be decoded")
    end = last_time - first_time + min(step, 1.0)
    while made / FRAMES_PER_SECOND < end - 0.5 / FRAMES_PER_SECOND:
        yield last
        made += 1


def sound(video: Path, audio: Path | None = None) -> NDArray[np.float32]:
    """(n,) float32 at 16 kHz, its first sample at the first picture.

    Args:
        audio: a file with the sound, when the video has none of its own; it begins with it.

    Raises:
        BadAudio: there is no sound, or it cannot be read.
    """
    samples = load(audio or video)
    if audio is not None:
        return samples
    with _opened(video) as container:
        starts = [_start(container.streams.video[0]), _start(container.streams.audio[0])]
    late = round((starts[1] - starts[0]) * SAMPLE_RATE)
    if late > 0:
        return np.concatenate([np.zeros(min(late, len(samples)), np.float32), samples])
    if -late >= len(samples):
        raise BadAudio(str(video), expected="sound while there is a picture", found="none")
    return samples[-late:]


def shrink(picture: Image, longest_side: int | None) -> Image:
    """`picture` with its longest side at most `longest_side`, by area."""
    height, width = picture.shape[:2]
    if longest_side is None or max(height, width) <= longest_side:
        return np.ascontiguousarray(picture)
    factor = longest_side / max(height, width)
    return resize(picture, max(1, round(width * factor)), max(1, round(height * factor)))


def resize(picture: Image, width: int, height: int) -> Image:
    """(H, W, 3) uint8 at another size, every pixel the mean of the area it covers."""
    import av
    from av.video.reformatter import Interpolation

    if picture.shape[:2] == (height, width):
        return picture
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
    done = frame.reformat(width, height, "rgb24", interpolation=Interpolation.AREA)
    return done.to_ndarray()


def _check_sides(path: Path, width: int, height: int) -> None:
    if not SMALLEST_SIDE <= min(width, height) <= max(width, height) <= LARGEST_SIDE:
        raise BadInput(
            str(path),
            expected=f"a picture of {SMALLEST_SIDE} to {LARGEST_SIDE} pixels a side",
            found=f"{width} × {height}",
            remedy="scale the video",
        )


def _opened(path: Path) -> Any:
    import av

    if not path.is_file():
        raise _bad(path, found="a folder" if path.is_dir() else "no such file")
    try:
        container = av.open(str(path))
    except (av.error.FFmpegError, OSError, ValueError):
        raise _bad(path, found="something FFmpeg cannot read") from None
    if not container.streams.video:
        container.close()
        raise _bad(path, found="a file without pictures")
    return container


def _decoded(path: Path, container: Any, stream: Any) -> Iterator[Any]:
    """Its pictures; what is damaged is left out."""
    import av

    stream.thread_type = "AUTO"
    try:
        for packet in container.demux(stream):
            try:
                yield from packet.decode()
            except av.error.InvalidDataError:
                continue
    except av.error.FFmpegError as error:
        raise _bad(path, found=f"damage ({error})") from None


def _upright(picture: Image, frame: Any) -> Image:
    """Phones record lying down and write which way is up."""
    quarters = round(getattr(frame, "rotation", 0) / 90) % 4
    return np.rot90(picture, quarters) if quarters else picture


def _start(stream: Any) -> float:
    if stream.start_time is None or not math.isfinite(float(stream.time_base)):
        return 0.0
    return float(stream.start_time * stream.time_base)


def _bad(path: Path, expected: str = _KNOWN, found: str = "") -> BadInput:
    return BadInput(
        str(path), expected=expected, found=found, remedy="copy or convert the video again"
    )
