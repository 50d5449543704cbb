"""Film clips of the head: a folder of arrays that the fields are trained on.

A film's folder holds, for N frames of H = W = size pixels:

====================  ======================  ==================================================
images.npy            (N, H, W, 3) uint8      sRGB, head over torso over background
head_alpha.npy        (N, H, W) uint8         share of a pixel that shows the head, 255 = all
torso_alpha.npy       (N, H, W) uint8         the same of the torso (neck and jumper)
depth_near.npy        (N, H, W) float16       camera z of the head's nearest subpixel, 0 = no head
depth_far.npy         (N, H, W) float16       camera z of its farthest subpixel, 0 = no head
landmarks.npy         (N, 68, 3) float32      iBUG landmarks, head space
poses.npy             (N, 3, 4) float32       camera-from-head
parameters.npy        (N, 21) float32         what posed the face, in the order of `PARAMETERS`
emotions.npy          (N,) int16              row in the emotion embedding
background.npy        (H, W, 3) uint8         what is seen where neither head nor torso is
film.json                                     size, intrinsics, seed, counts, clips; written last
====================  ======================  ==================================================
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...contract.emotions import EMOTIONS
from ...contract.errors import BadInput, BadOption
from .head.camera import intrinsics
from .head.parameters import PARAMETERS
from .head.render import Shot, backdrop, render
from .head.rig import HeadRig
from .head.sculpture import Sculpture
from .performance import Clip

_BATCH = 8  # frames a worker films before it reports

_PICTURES: dict[str, tuple[str, tuple[int, ...], type]] = {
    "images": ("image", (3,), np.uint8),
    "head_alpha": ("head_alpha", (), np.uint8),
    "torso_alpha": ("torso_alpha", (), np.uint8),
    "depth_near": ("depth_near", (), np.float16),
    "depth_far": ("depth_far", (), np.float16),
}
"""File name → (attribute of `Shot`, shape beyond (H, W), dtype)."""

Batch = tuple[int, NDArray[np.float32], NDArray[np.float32]]


class _Camera:
    """A rig and the open files it films into."""

    def __init__(self, rig: HeadRig, size: int, folder: Path) -> None:
        self._rig, self._size = rig, size
        self._files = {name: np.load(folder / f"{name}.npy", mmap_mode="r+") for name in _PICTURES}

    def shoot(self, batch: Batch) -> int:
        """Film one batch into its rows; returns how many frames it had."""
        start, parameters, poses = batch
        for k, (face, pose) in enumerate(zip(parameters, poses, strict=True), start):
            shot: Shot = render(self._rig, face, pose, self._size)
            for name, (attribute, _, _) in _PICTURES.items():
                self._files[name][k] = getattr(shot, attribute)
        return len(parameters)


_camera: _Camera | None = None  # one a worker process, set once by `_open_camera`


def _open_camera(sculpture: Sculpture, size: int, folder: Path) -> None:
    global _camera
    _camera = _Camera(HeadRig(sculpture), size, folder)


def _shoot(batch: Batch) -> int:
    assert _camera is not None, "the pool's initializer opens the camera"
    return _camera.shoot(batch)


def film(
    rig: HeadRig,
    tracks: Sequence[Clip],
    size: int,
    folder: Path | str,
    *,
    seed: int = 0,
    workers: int = 2,
    progress: bool = True,
) -> Path:
    """Render `tracks` at size × size pixels into `folder` and return it.

    The result depends on `rig`, `tracks` and `size` alone; `seed` is only written down, as what
    the tracks came from. A folder without film.json is an unfinished film.

    Raises:
        BadInput: no frames, or a clip's parameters and poses do not fit together.
        BadOption: `size` or `workers` below 1.
    """
    folder = Path(folder)
    for name, value in (("size", size), ("workers", workers)):
        if value < 1:
            raise BadOption(name, expected="at least 1", found=str(value), remedy="raise it")
    parameters, poses, emotions = _joined(tracks)
    frames = len(parameters)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "film.json").unlink(missing_ok=True)
    for name, (_, channels, dtype) in _PICTURES.items():
        shape = (frames, size, size, *channels)
        np.lib.format.open_memmap(folder / f"{name}.npy", "w+", dtype=dtype, shape=shape)
    np.save(folder / "landmarks.npy", rig.landmarks(parameters))
    np.save(folder / "poses.npy", poses)
    np.save(folder / "parameters.npy", parameters)
    np.save(folder / "emotions.npy", emotions)
    np.save(folder / "background.npy", backdrop(size))

    batches = [
        (start, parameters[start : start + _BATCH], poses[start : start + _BATCH])
        for start in range(0, frames, _BATCH)
    ]
    _count(_shot_batches(rig, size, folder, batches, workers), frames, progress)
    # Its name tells that the film is finished, so it must not appear half-written.
    part = folder / "film.json.part"
    part.write_text(json.dumps(_describe(tracks, size, seed), indent=1))
    part.replace(folder / "film.json")
    return folder


def _joined(
    tracks: Sequence[Clip],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int16]]:
    for k, clip in enumerate(tracks):
        found = np.shape(clip.parameters), np.shape(clip.poses)
        length = len(clip.parameters)
        if found != ((length, len(PARAMETERS)), (length, 3, 4)):
            raise BadInput(
                f"clip {k} of the film",
                expected=f"parameters (F, {len(PARAMETERS)}) and poses (F, 3, 4)",
                found=f"{found[0]} and {found[1]}",
                remedy="make clips with performance.direct",
            )
    if not sum(len(clip.parameters) for clip in tracks):
        raise BadInput("the film", expected="at least one frame", found="none")
    parameters = np.concatenate([clip.parameters for clip in tracks]).astype(np.float32)
    poses = np.concatenate([clip.poses for clip in tracks]).astype(np.float32)
    emotions = np.repeat([clip.emotion for clip in tracks], [len(c.parameters) for c in tracks])
    return parameters, poses, emotions.astype(np.int16)


def _shot_batches(
    rig: HeadRig, size: int, folder: Path, batches: Sequence[Batch], workers: int
) -> Iterator[int]:
    """Film the batches, here or in `workers` processes; yields the frames of each when done."""
    workers = min(workers, len(batches))
    if workers == 1:
        camera = _Camera(rig, size, folder)
        yield from map(camera.shoot, batches)
        return
    context = multiprocessing.get_context("spawn")  # compiled code and threads dislike fork
    with ProcessPoolExecutor(
        workers, context, initializer=_open_camera, initargs=(rig.sculpture, size, folder)
    ) as pool:
        yield from pool.map(_shoot, batches)


def _count(done: Iterable[int], frames: int, progress: bool) -> None:
    if not progress:
        for _ in done:
            pass
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = ("filming", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as bar:
        task = bar.add_task("filming", total=frames)
        for count in done:
            bar.advance(task, count)


def _describe(tracks: Sequence[Clip], size: int, seed: int) -> dict[str, object]:
    lengths = [len(clip.parameters) for clip in tracks]
    starts = np.cumsum([0, *lengths[:-1]]).tolist()
    return {
        "size": size,
        "intrinsics": asdict(intrinsics(size)),
        "seed": seed,
        "frames": sum(lengths),
        "parameters": list(PARAMETERS),
        "emotions": list(EMOTIONS),
        "clips": [
            {"start": start, "frames": n, "emotion": EMOTIONS[clip.emotion], "wide": clip.wide}
            for start, n, clip in zip(starts, lengths, tracks, strict=True)
        ],
    }
