"""Where landmarks and people are found: MediaPipe in its own process, or a file brought along."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...contract.closing import Closing
from ...contract.errors import BadInput, Failure
from ...contract.landmarks import LANDMARKS
from . import mediapipe_tool as protocol
from .array_file import UnreadableArray, array_names, read_array
from .generic_face import GENERIC_FACE, STEADINESS
from .ibug import MESH_POINTS, ibug_points
from .rotations import similarity
from .store import sha256_of
from .tool_environment import tool_python

Float32 = NDArray[np.float32]
Image = NDArray[np.uint8]

MOST_FACES = 4
"""Faces looked for in a picture, so that the largest is among those found."""

_MESHES = 200
"""Most frames whose meshes are averaged."""

_OVERLAP = 0.2
"""Share of the union that the same face covers in two frames, at least."""


@dataclass(frozen=True)
class Sighting:
    """One face through a recording of F frames.

    Attributes:
        points: (F, 68, 2) float32 column and row in pixels; NaN where no face was found.
        shape: (478, 3) float32: MediaPipe's mesh at rest, in head space as far as `resting_mesh`
            can tell; None from other detectors.
        crowd: frames that showed a second face at least half as large.
    """

    points: Float32
    shape: Float32 | None
    crowd: int = 0


class LandmarkSource(Protocol):
    """Finds the face in recordings."""

    def watch(self, name: str, frames: Iterable[Image]) -> Sighting:
        """The face in the frames of recording `name`: the path below the prepared folder."""
        ...

    @property
    def identity(self) -> str:
        """Changes when what it finds may change."""
        ...

    @property
    def noise(self) -> float:
        """Error of a steady landmark, distances between the eyes."""
        ...


class MediaPipe(Closing):
    """MediaPipe's face mesh and selfie segmentation, in a process of their own.

    Raises:
        Unavailable: its environment was not made, or cannot be on this Python.
        Failure: it does not start or dies.
    """

    identity = "mediapipe-0.10.21"

    noise = 0.05
    """Its mesh is a network's guess: on a rendered head whose landmarks are known it is off by 3 %
    of the distance between the eyes, the same way as long as the head stands the same way."""

    def __init__(self) -> None:
        self._python = tool_python()
        self._process: subprocess.Popen[bytes] | None = None
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `close`

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            assert self._process.stdin is not None and self._process.stdout is not None
            with contextlib.suppress(BrokenPipeError):  # it may have died with bytes unread
                self._process.stdin.close()
            # Before waiting: it may be in the middle of an answer that nobody reads any more.
            self._process.stdout.close()
            self._process.wait()
            self._process = None
        self._said.close()

    def watch(self, name: str, frames: Iterable[Image]) -> Sighting:
        """The largest face, then the one that goes on where it was."""
        self._ask(b"NEXT", np.zeros((0, 0, 3), np.uint8), 0)
        meshes: list[Float32] = []
        crowd, last = 0, None
        for frame in frames:
            raw = self._ask(b"FACE", frame, MOST_FACES)
            found = np.frombuffer(raw, "<f4").reshape(-1, MESH_POINTS, 3)
            chosen, crowded = choose_face(found, last)
            crowd += crowded
            if chosen is None:
                meshes.append(np.full((MESH_POINTS, 3), np.nan, np.float32))
            else:
                last = chosen
                meshes.append(chosen.astype(np.float32))
        mesh = np.stack(meshes) if meshes else np.zeros((0, MESH_POINTS, 3), np.float32)
        points = np.ascontiguousarray(ibug_points(mesh)[..., :2])
        return Sighting(points, resting_mesh(mesh), crowd)

    def person(self, image: Image) -> NDArray[np.uint8]:
        """(H, W) uint8: how surely each pixel of (H, W, 3) shows a person, 255 is sure."""
        raw = self._ask(b"MASK", image, 0)
        return np.frombuffer(raw, np.uint8).reshape(image.shape[:2])

    def _ask(self, kind: bytes, image: Image, faces: int) -> bytes:
        process = self._process or self._start()
        assert process.stdin is not None and process.stdout is not None
        height, width = image.shape[:2]
        try:
            process.stdin.write(protocol.REQUEST.pack(kind, height, width, faces))
            process.stdin.write(np.ascontiguousarray(image).tobytes())
            process.stdin.flush()
            head = process.stdout.read(protocol.ANSWER.size)
            status, length = protocol.ANSWER.unpack(head)
            body = process.stdout.read(length)
        except Exception:
            raise self._dead("an answer") from None
        if len(body) != length:
            raise self._dead("a whole answer")
        if status:
            raise Failure(
                "MediaPipe", expected="an answer", found=body.decode(errors="replace")[:300]
            )
        return body

    def _start(self) -> subprocess.Popen[bytes]:
        self._process = subprocess.Popen(
            # -I: nothing of this process's environment may lead it to other packages.
            [self._python, "-I", protocol.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
        )
        assert self._process.stdout is not None
        if self._process.stdout.read(len(protocol.GREETING)) != protocol.GREETING:
            raise self._dead("its greeting")
        return self._process

    def _dead(self, expected: str) -> Failure:
        self._said.seek(0)
        lines = self._said.read()[-4000:].decode(errors="replace").strip().splitlines()
        return Failure(
            "MediaPipe's process",
            expected=expected,
            found=lines[-1] if lines else "its end",
            remedy="delete its environment and make it again: emogene-train prepare tool",
        )


class GivenLandmarks:
    """Landmarks of another detector, from a file of NumPy arrays.

    An .npz with one array for each recording, named as its path below the prepared folder (or as
    the file itself when one video is prepared): (F, 68, 2) column and row in pixels of the
    recording at 25 frames a second, NaN where there is no face.

    Raises:
        BadInput: the file cannot be read.
    """

    noise = 0.02

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._names = array_names(path)
        except UnreadableArray as error:
            raise BadInput(
                str(path),
                expected="an .npz file of landmarks",
                found=str(error),
                remedy="write it with numpy.savez, an array (F, 68, 2) for each video",
            ) from None
        self.identity = f"given-{sha256_of(path)}"

    def watch(self, name: str, frames: Iterable[Image]) -> Sighting:
        """The landmarks brought for `name`; as many frames as the recording has."""
        count = sum(1 for _ in frames)
        thing = f"{self._path}: {name}"
        if name not in self._names:
            raise BadInput(
                thing,
                expected="an array of that name",
                found=f"none among {len(self._names)}",
                remedy="name each array as the video's path below the folder",
            )
        try:
            points = np.asarray(read_array(self._path, name), np.float32)
        except (UnreadableArray, ValueError, TypeError) as error:
            raise BadInput(thing, expected="an array of numbers", found=str(error)) from None
        if points.shape != (count, LANDMARKS, 2):
            raise BadInput(
                thing,
                expected=f"({count}, {LANDMARKS}, 2): a row for each frame at 25 a second",
                found=str(points.shape),
                remedy="resample the detections to 25 frames a second",
            )
        return Sighting(np.where(np.isfinite(points), points, np.nan), None)


def resting_mesh(meshes: Float32) -> Float32 | None:
    """The median of (F, 478, 3) meshes, each brought onto the generic face; None without a face.

    The mesh's depth is a network's guess; it serves as a first idea of the head's shape.
    """
    (found,) = np.nonzero(np.isfinite(meshes).all((1, 2)))
    if not len(found):
        return None
    chosen = found[np.unique(np.linspace(0, len(found) - 1, _MESHES).round().astype(int))]
    aligned = []
    for mesh in meshes[chosen].astype(np.float64) * (1, -1, -1):
        scale, turn, shift = similarity(ibug_points(mesh), GENERIC_FACE, STEADINESS)
        aligned.append(scale * mesh @ turn.T + shift)
    return np.median(aligned, axis=0).astype(np.float32)


def choose_face(found: Float32, last: Float32 | None) -> tuple[Float32 | None, bool]:
    """Which of (n, P, ≥ 2) faces to follow, and whether another is at least half as large.

    The one that overlaps `last` most, else the largest.
    """
    if not len(found):
        return None, False
    boxes = np.concatenate([found[..., :2].min(1), found[..., :2].max(1)], 1)
    areas = _area(boxes)
    order = np.argsort(-areas)
    crowded = len(found) > 1 and areas[order[1]] > 0.5 * areas[order[0]]
    chosen = int(order[0])
    if last is not None:
        before = np.concatenate([last[:, :2].min(0), last[:, :2].max(0)])
        shared = np.concatenate(
            [np.maximum(boxes[:, :2], before[:2]), np.minimum(boxes[:, 2:], before[2:])], 1
        )
        both = _area(shared)
        overlap = both / (areas + _area(before[None])[0] - both)
        if overlap.max() >= _OVERLAP:
            chosen = int(np.argmax(overlap))
    return found[chosen], bool(crowded)


def _area(boxes: Float32) -> Float32:
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return sides[:, 0] * sides[:, 1]
