"""Real recordings of one head as a film: the folder that `training/fields/film.py` opens.

The arrays are those of `training/demo/film.py` without the rig's parameters; ``film.json`` says
``"depth": "band"``: depth_near and depth_far hold the surface between them, more or less closely
as `surface.HeadSurface` knows it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...contract.emotions import EMOTIONS
from ...contract.errors import BadInput, BadOutput
from ..fields.film import HELD_OUT, TRAINING
from ..files import write_atomically
from ..progress import Report
from . import video
from .clips import Split
from .crop import Square
from .cutting import held_out_start
from .head_track import HeadTrack
from .layers import background_plate, separate
from .persons import PersonSource
from .sources import Source
from .surface import HeadSurface

PLATE_FRAMES = 80
"""Most frames that the background is taken from."""

_PICTURES: dict[str, tuple[tuple[int, ...], type]] = {
    "images": ((3,), np.uint8),
    "head_alpha": ((), np.uint8),
    "torso_alpha": ((), np.uint8),
    "depth_near": ((), np.float16),
    "depth_far": ((), np.float16),
}


@dataclass(frozen=True)
class Take:
    """One recording in a film: which of its frames are shown."""

    source: Source
    track: HeadTrack
    frames: NDArray[np.int64]
    split: Split


def choose_frames(
    tracks: Sequence[tuple[Source, HeadTrack]], most: int, shortest_s: float
) -> list[Take]:
    """At most about `most` frames, evenly spread, of which the held-out part is never trained on.

    A recording whose split is None gives its last part to the held-out film.
    """
    valid = sum(int(track.valid.sum()) for _, track in tracks)
    every = max(1, -(-valid // max(1, most)))
    takes = []
    for source, track in tracks:
        shown = np.flatnonzero(track.valid)
        # The same border as for clips.
        border = np.searchsorted(shown, held_out_start(len(track.valid), shortest_s))
        parts: list[tuple[Split, NDArray[np.int64]]] = (
            [(source.split, shown)]
            if source.split
            else [("training", shown[:border]), ("held_out", shown[border:])]
        )
        takes += [Take(source, track, part[::every], split) for split, part in parts if len(part)]
    return takes


def write_film(
    folder: Path,
    takes: Sequence[Take],
    square: Square,
    surface: HeadSurface,
    persons: PersonSource,
    size: int,
    key: str,
    progress: Report,
) -> dict[str, Any]:
    """Write ``folder/training`` and ``folder/held_out``; returns what the report says of them.

    A film whose film.json carries `key` is left alone.

    Raises:
        BadInput: one of the two would have fewer than two frames.
        BadOutput: the disk has no room.
    """
    report: dict[str, Any] = {}
    for split in (TRAINING, HELD_OUT):
        chosen = [take for take in takes if take.split == split]
        count = sum(len(take.frames) for take in chosen)
        path = folder / split / "film.json"
        done = _description(path)
        if done.get("key") == key:
            report[split] = done["about"]
            continue
        if count < 2:
            raise BadInput(
                f"the film's {split} part",
                expected="at least two frames that show a face",
                found=str(count),
                remedy="use a longer recording, or more of them",
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        about = _write(path.parent, chosen, count, square, surface, persons, size, progress)
        plain = {
            "size": size,
            "intrinsics": asdict(square.camera(chosen[0].track.camera, size)),
            "depth": "band",
            "frames": count,
            "emotions": list(EMOTIONS),
            "about": about,
            "key": key,
        }
        # Its name tells that the film is finished.
        write_atomically(path, json.dumps(plain, indent=1).encode())
        progress(f"film/{split}", 1.0, "")
        report[split] = about
    return report


def _write(
    folder: Path,
    takes: Sequence[Take],
    count: int,
    square: Square,
    surface: HeadSurface,
    persons: PersonSource,
    size: int,
    progress: Report,
) -> dict[str, Any]:
    room(folder, count, size)
    files = {
        name: np.lib.format.open_memmap(
            folder / f"{name}.npy", "w+", dtype=dtype, shape=(count, size, size, *channels)
        )
        for name, (channels, dtype) in _PICTURES.items()
    }
    plate_rows = np.unique(np.linspace(0, count - 1, PLATE_FRAMES).round().astype(int))
    plate_persons = np.zeros((len(plate_rows), size, size), np.uint8)
    row = 0
    for take in takes:
        camera = square.camera(take.track.camera, size)
        pictures = _cut(take, square, size)
        for index, picture, person in persons.persons(take.source.name, pictures, square, size):
            landmarks, pose = take.track.landmarks[index], take.track.poses[index]
            layers = separate(person, surface, landmarks, pose, camera)
            files["images"][row] = picture
            for name in list(_PICTURES)[1:]:
                files[name][row] = getattr(layers, name)
            plate_persons[plate_rows == row] = person
            row += 1
            progress(f"film/{folder.name}", min(row / count, 0.999), "")
    if row != count:
        raise BadInput(
            takes[0].source.name,
            expected=f"{count} frames, as the first time it was read",
            found=str(row),
            remedy="leave the recordings alone while they are prepared",
        )
    tracks = [(take.track.landmarks[take.frames], take.track.poses[take.frames]) for take in takes]
    np.save(folder / "landmarks.npy", np.concatenate([landmarks for landmarks, _ in tracks]))
    np.save(folder / "poses.npy", np.concatenate([poses for _, poses in tracks]))
    emotions = [EMOTIONS.index(take.source.emotion) for take in takes]
    lengths = [len(take.frames) for take in takes]
    np.save(folder / "emotions.npy", np.repeat(emotions, lengths).astype(np.int16))
    plate, unseen = background_plate(files["images"][plate_rows], plate_persons)
    np.save(folder / "background.npy", plate)
    for file in files.values():
        file.flush()
    return {
        "frames": count,
        "recordings": [take.source.name for take in takes],
        "background_never_seen": round(unseen, 4),
    }


def _cut(take: Take, square: Square, size: int) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    wanted = set(map(int, take.frames))
    for index, picture in enumerate(video.frames(take.source.video)):
        if index in wanted:
            yield index, square.cut(picture, size)


def room(folder: Path, frames: int, size: int) -> None:
    """Raises BadOutput when the disk cannot hold a film of that many frames."""
    needed = frames * size * size * (3 + 1 + 1 + 2 + 2)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise BadOutput(
            str(folder),
            expected=f"{needed / 1e9:.1f} GB free for {frames} frames",
            found=f"{free / 1e9:.1f} GB",
            remedy="free some room, or ask for fewer frames: --frames",
        )


def _description(path: Path) -> dict[str, Any]:
    try:
        plain = json.loads(path.read_bytes())
        return plain if isinstance(plain, dict) else {}
    except (OSError, ValueError):
        return {}
