"""Frames and their sound → an mp4 file. The only module that writes through PyAV."""

from __future__ import annotations

import os
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from ..contract.closing import Keeping
from ..contract.data import Frame
from ..contract.errors import BadOutput, Unavailable
from ..contract.units import FRAMES_PER_SECOND, SAMPLE_RATE, SAMPLES_PER_FRAME
from .output_checks import cannot_write, check_frame, check_open
from .partial_file import PartialOutput

if TYPE_CHECKING:
    from av import Packet
    from av.container import OutputContainer

QUALITY = 18
"""x264's constant rate factor; at 18 the loss is not seen."""

AUDIO_BIT_RATE = 96_000
"""Bits a second of the AAC sound, ample for speech at 16 kHz."""

_BT709 = 1
_LIMITED_RANGE = 1


class Mp4Writer(Keeping):
    """An mp4 with H.264 pictures (4:2:0, BT.709) at 25 a second and AAC sound at 16 kHz.

    Pictures and sound both begin at time zero and end together: the encoder's priming samples carry
    negative times, which the file's edit list tells players to skip. There are no B-frames, so the
    pictures need no such list. The file appears under its name when `close` returns; leaving the
    ``with`` block by an exception, Ctrl-C included, removes it.

    Args:
        path: the file to make; one of that name is replaced.
        size: (height, width) of every frame in pixels, both even.

    Raises:
        BadOutput: the place cannot be written, or the size is odd.
        Unavailable: this PyAV has no H.264 encoder.
    """

    def __init__(self, path: str | os.PathLike[str], size: tuple[int, int]) -> None:
        self._name = os.fspath(path)
        self._size = size
        if size[0] % 2 or size[1] % 2 or min(size) < 2:
            raise BadOutput(
                self._name,
                expected="an even height and width, as H.264 in 4:2:0 needs",
                found=f"{size[0]}×{size[1]}",
                remedy="render at an even size, or write .y4m or PNG files",
            )
        self._written = 0
        self._container: OutputContainer | None = None
        self._part = PartialOutput(path)
        try:
            self._open()
        except BaseException:
            self.discard()
            raise

    def _open(self) -> None:
        import av
        from av.video.reformatter import VideoReformatter

        codec = _h264_encoder()
        try:
            self._container = av.open(
                str(self._part.path), "w", format="mp4", options={"movflags": "+faststart"}
            )
        except OSError as error:
            raise cannot_write(self._name, error) from None
        video = self._container.add_stream(codec, rate=FRAMES_PER_SECOND)
        assert isinstance(video, av.VideoStream)  # the codec's name alone does not tell its type
        video.height, video.width = self._size
        video.pix_fmt = "yuv420p"
        context = video.codec_context
        context.color_primaries = context.color_trc = context.colorspace = _BT709
        context.color_range = _LIMITED_RANGE
        context.max_b_frames = 0
        if codec == "libx264":
            context.options = {"preset": "veryfast", "crf": str(QUALITY), "bf": "0"}
        audio = self._container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        audio.bit_rate = AUDIO_BIT_RATE
        self._video, self._audio = video, audio
        # One for all frames: making one costs twice what converting a frame does.
        self._converter = VideoReformatter()

    def write(self, frame: Frame) -> None:
        """Add the next frame and its 640 samples; its index does not matter, only the order.

        Raises:
            BadOutput: the frame has another size, the writer is closed, or the disk is full.
        """
        import av
        from av.video.reformatter import ColorRange, Colorspace

        check_frame(self._name, frame, self._size)
        check_open(self._name, self._container is not None)
        rgb = av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(frame.image), format="rgb24")
        picture = self._converter.reformat(
            rgb,
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
        )
        picture.pts, picture.time_base = self._written, Fraction(1, FRAMES_PER_SECOND)
        samples = np.ascontiguousarray(frame.audio, np.float32)[None]
        sound = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        sound.sample_rate = SAMPLE_RATE
        sound.pts, sound.time_base = self._written * SAMPLES_PER_FRAME, Fraction(1, SAMPLE_RATE)
        self._written += 1
        self._mux([*self._video.encode(picture), *self._audio.encode(sound)])

    def close(self) -> None:
        """Finish the file and let it appear. Nothing happens the second time.

        Raises:
            BadOutput: no frame was written, or the disk is full; there is no file then.
        """
        if self._container is None:
            return
        if not self._written:
            self.discard()
            raise BadOutput(
                self._name, expected="at least one frame", found="none", remedy="write some"
            )
        try:
            self._mux([*self._video.encode(None), *self._audio.encode(None)])
            self._container.close()
            self._container = None
        except OSError as error:
            self.discard()
            raise cannot_write(self._name, error) from None
        except BaseException:
            self.discard()
            raise
        self._part.keep()

    def discard(self) -> None:
        """Close without leaving a file."""
        container, self._container = self._container, None
        try:
            if container is not None:
                container.close()
        except (OSError, ValueError):
            pass  # what cannot be finished is removed anyway
        finally:
            self._part.discard()

    def _mux(self, packets: Sequence[Packet[Any]]) -> None:
        assert self._container is not None
        try:
            for packet in packets:
                self._container.mux(packet)
        except OSError as error:
            self.discard()
            raise cannot_write(self._name, error) from None


def _h264_encoder() -> str:
    import av

    for name in ("libx264", "libopenh264"):
        if name in av.codecs_available:
            return name
    raise Unavailable(
        "mp4 output",
        expected="PyAV with an H.264 encoder (libx264 or libopenh264)",
        found="none",
        remedy="install the wheel from PyPI (pip install av), or write .y4m or PNG files",
    )
