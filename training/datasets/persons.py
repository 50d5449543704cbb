"""Where the person is in a film's pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...contract.errors import BadInput
from . import video
from .crop import Square
from .detector import MediaPipe

Mask = NDArray[np.uint8]


class PersonSource(Protocol):
    """Tells the person from what is behind."""

    def depends_on(self, name: str) -> str | Path:
        """What its masks of a recording are made by: a program, or a file."""
        ...

    def persons(
        self, name: str, pictures: Iterator[tuple[int, Mask]], square: Square, size: int
    ) -> Iterator[tuple[int, Mask, Mask]]:
        """(frame, (size, size, 3) picture) → (frame, picture, (size, size) uint8 mask)."""
        ...


class Segmentation:
    """MediaPipe's selfie segmentation of the cut picture."""

    def __init__(self, tool: MediaPipe) -> None:
        self._tool = tool

    def depends_on(self, name: str) -> str | Path:
        """MediaPipe's version."""
        return MediaPipe.identity

    def persons(
        self, name: str, pictures: Iterator[tuple[int, Mask]], square: Square, size: int
    ) -> Iterator[tuple[int, Mask, Mask]]:
        for index, picture in pictures:
            yield index, picture, self._tool.person(picture)


class MaskVideos:
    """Masks brought along: videos of the same times and size, white where the person is.

    Args:
        path: the mask of the one video prepared, or the folder whose files are named as the
            recordings (their endings may differ).
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def depends_on(self, name: str) -> str | Path:
        """The mask's video."""
        return self.file_of(name)

    def file_of(self, name: str) -> Path:
        """The mask of a recording; raises BadInput when there is none."""
        if self._path.is_file():
            return self._path
        beside = (self._path / name).parent
        found = sorted(beside.glob(f"{Path(name).stem}.*")) if beside.is_dir() else []
        if not found:
            raise BadInput(
                str(self._path / name),
                expected="a video, white where the person is",
                found="none",
                remedy="name the masks as the recordings, or leave --masks out",
            )
        return found[0]

    def persons(
        self, name: str, pictures: Iterator[tuple[int, Mask]], square: Square, size: int
    ) -> Iterator[tuple[int, Mask, Mask]]:
        masks = enumerate(video.frames(self.file_of(name)))
        at, mask = -1, None
        for index, picture in pictures:
            while at < index:
                at, mask = next(masks, (at + 1, None))
                if mask is None:
                    raise BadInput(
                        str(self.file_of(name)),
                        expected="as many frames as its recording",
                        found=str(at),
                        remedy="write a mask for every frame",
                    )
            assert mask is not None
            yield index, picture, square.cut(mask, size)[..., 1].copy()
