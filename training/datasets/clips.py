"""Clips of speech and the face that speaks it: a folder of shards with a manifest.

A prepared data set DATA holds ``manifest.json``, ``clips/*.safetensors``, and where pictures were
asked for, ``film/training`` and ``film/held_out`` (`film.py`). A shard is one clip of F frames at
25 a second:

==============  ====================  ===========================================================
features        (2F, D) float16       HuBERT of the whole recording, 50 a second
pitch_bins      (2F,) int32           1…255, 1 also means unvoiced
landmarks       (F, 204) float32      head space, the pose taken out; the face as it was filmed
poses           (F, 3, 4) float32     camera-from-head, smoothed
==============  ====================  ===========================================================

manifest.json says what each shard shows and its SHA-256:

    {"format": 1, "kind": "mead", "encoder": {…}, "held_out_identities": […],
     "clips": [{"file": "clips/….safetensors", "sha256": "…", "frames": 84, "width": 1024,
                "emotion": "angry", "intensity": 0.667, "identity": "M003", "split": "training",
                "source": "M003/video/front/angry/level_2/012.mp4"}, …]}
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args, overload

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from ...contract.emotions import EMOTIONS, MAX_INTENSITY
from ...contract.errors import BadInput
from ...contract.landmarks import FLAT
from ...contract.units import FEATURES_PER_FRAME, FIRST_PITCH_BIN, LAST_PITCH_BIN
from ..files import write_atomically

Float32 = NDArray[np.float32]

FORMAT = 1
MANIFEST = "manifest.json"
CLIPS = "clips"

Split = Literal["training", "held_out"]

LONGEST_SHARD = 1 << 30
"""Bytes; a larger file is no clip of ours and is not read."""

_REMEDY = "prepare the data set again: emogene-train prepare"


@dataclass(frozen=True)
class ClipEntry:
    """What the manifest says of one clip.

    Attributes:
        file: path of the shard inside DATA.
        sha256: of its bytes.
        frames: F.
        width: D, of a feature.
        emotion: one of the eight.
        intensity: 0 … 1; 1 is the strongest level of the data set, 0 is neutral.
        identity: who speaks.
        split: "training" or "held_out".
        source: the video, relative to the folder that was prepared.
    """

    file: str
    sha256: str
    frames: int
    width: int
    emotion: str
    intensity: float
    identity: str
    split: Split
    source: str


@dataclass(frozen=True)
class RealClip:
    """Speech and the face that speaks it, F frames, F a multiple of 4.

    Attributes:
        features: (2F, D) float32; pitch_bins: (2F,) int32; landmarks: (F, 204) float32 head
            space: as in `vae_data.MotionClip`.
        poses: (F, 3, 4) float32 camera-from-head.
        entry: what the manifest says of it.
    """

    features: Float32
    pitch_bins: NDArray[np.int32]
    landmarks: Float32
    poses: Float32
    entry: ClipEntry

    @property
    def emotion(self) -> int:
        """Row in the emotion embedding."""
        return EMOTIONS.index(self.entry.emotion)


class Clips(Sequence[RealClip]):
    """The clips of one split, each read and checked against its hash when it is asked for."""

    def __init__(self, folder: Path, entries: Sequence[ClipEntry]) -> None:
        self.folder, self.entries = folder, tuple(entries)

    def __len__(self) -> int:
        return len(self.entries)

    @overload
    def __getitem__(self, index: int) -> RealClip: ...
    @overload
    def __getitem__(self, index: slice) -> Clips: ...
    def __getitem__(self, index: int | slice) -> RealClip | Clips:
        """A clip, or the clips of a slice.

        Raises:
            BadInput: the shard is missing, was changed, or holds something else.
        """
        if isinstance(index, slice):
            return Clips(self.folder, self.entries[index])
        return read_clip(self.folder, self.entries[index])

    def __iter__(self) -> Iterator[RealClip]:
        return (read_clip(self.folder, entry) for entry in self.entries)


def open_clips(folder: Path | str, split: Split, *, emotion: str | None = None) -> Clips:
    """The clips of `split`, in the manifest's order; of one emotion alone where one is named.

    Raises:
        BadInput: no such folder, a damaged manifest, or no such clip in it.
    """
    folder = Path(folder)
    chosen = [
        entry
        for entry in read_manifest(folder)
        if entry.split == split and emotion in (None, entry.emotion)
    ]
    if not chosen:
        wanted = f"{split} clips" + (f" that are {emotion}" if emotion else "")
        raise _refuse(folder / MANIFEST, wanted, "none")
    return Clips(folder, chosen)


def read_manifest(folder: Path) -> tuple[ClipEntry, ...]:
    """Every clip of a prepared data set.

    Raises:
        BadInput: there is no manifest, or one of another format, or a damaged one.
    """
    path = Path(folder) / MANIFEST
    try:
        plain = json.loads(path.read_bytes())
        if plain["format"] != FORMAT:
            raise _refuse(path, f"format {FORMAT}", f"format {plain['format']!r}")
        return tuple(_checked_entry(entry) for entry in plain["clips"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _refuse(path, "a data set's manifest", f"{type(error).__name__}: {error}") from None


def entries_of(folder: Path, encoder: Mapping[str, Any]) -> list[ClipEntry]:
    """The clips that a manifest names, if it can be read and their features are `encoder`'s."""
    try:
        plain = json.loads((folder / MANIFEST).read_bytes())
        return list(read_manifest(folder)) if plain["encoder"] == encoder else []
    except (OSError, ValueError, KeyError, TypeError, BadInput):
        return []


def write_manifest(folder: Path, entries: Sequence[ClipEntry], about: Mapping[str, Any]) -> None:
    """Write manifest.json; `about` (kind, encoder, …) stands beside the clips."""
    plain = {"format": FORMAT, **about, "clips": [asdict(entry) for entry in entries]}
    write_atomically(folder / MANIFEST, json.dumps(plain, indent=1).encode())


def write_shard(
    path: Path,
    features: Float32,
    pitch_bins: NDArray[np.int32],
    landmarks: Float32,
    poses: Float32,
) -> str:
    """Write one clip and return its SHA-256; shapes as in `RealClip`, features are halved."""
    data = save_tensors(
        {
            "features": np.ascontiguousarray(features, np.float16),
            "pitch_bins": np.ascontiguousarray(pitch_bins, np.int32),
            "landmarks": np.ascontiguousarray(landmarks, np.float32),
            "poses": np.ascontiguousarray(poses, np.float32),
        }
    )
    write_atomically(path, data)
    return hashlib.sha256(data).hexdigest()


def read_clip(folder: Path, entry: ClipEntry) -> RealClip:
    """Read and check one shard; raises as `Clips.__getitem__`."""
    path = folder / entry.file
    try:
        if path.stat().st_size > LONGEST_SHARD:
            raise _refuse(path, f"at most {LONGEST_SHARD} bytes", f"{path.stat().st_size}")
        data = path.read_bytes()
        found = hashlib.sha256(data).hexdigest()
        if found != entry.sha256:
            raise _refuse(path, f"SHA-256 {entry.sha256[:16]}…", f"{found[:16]}…")
        tensors = load_tensors(data)
    except (OSError, SafetensorError) as error:
        raise _refuse(path, "a clip", str(error)) from None
    count = FEATURES_PER_FRAME * entry.frames
    expected = {
        "features": ((count, entry.width), np.float16),
        "pitch_bins": ((count,), np.int32),
        "landmarks": ((entry.frames, FLAT), np.float32),
        "poses": ((entry.frames, 3, 4), np.float32),
    }
    for name, (shape, dtype) in expected.items():
        tensor = tensors.get(name)
        if tensor is None or tensor.shape != shape or tensor.dtype != dtype:
            found = "nothing" if tensor is None else f"{tensor.shape} {tensor.dtype}"
            raise _refuse(path, f"{name} {shape} {np.dtype(dtype).name}", found)
        if not np.isfinite(tensor).all():
            raise _refuse(path, f"finite {name}", "NaN or infinity")
    bins = tensors["pitch_bins"]
    if bins.min() < FIRST_PITCH_BIN or bins.max() > LAST_PITCH_BIN:
        raise _refuse(path, f"pitch bins {FIRST_PITCH_BIN}…{LAST_PITCH_BIN}", "others")
    return RealClip(
        tensors["features"].astype(np.float32), bins, tensors["landmarks"], tensors["poses"], entry
    )


def _checked_entry(plain: Mapping[str, Any]) -> ClipEntry:
    """One clip of the manifest; raises ValueError, KeyError or TypeError."""
    entry = ClipEntry(**{field.name: plain[field.name] for field in fields(ClipEntry)})
    good = (
        isinstance(entry.file, str)
        # A manifest from elsewhere must not lead outside its folder.
        and not Path(entry.file).is_absolute()
        and ".." not in Path(entry.file).parts
        and isinstance(entry.frames, int)
        and entry.frames > 0
        and isinstance(entry.width, int)
        and entry.width > 0
        and entry.emotion in EMOTIONS
        and 0.0 <= float(entry.intensity) <= MAX_INTENSITY
        and entry.split in get_args(Split)
    )
    if not good:
        raise ValueError(f"a clip that cannot be: {dict(plain)!r}")
    return entry


def _refuse(path: Path, expected: str, found: str) -> BadInput:
    return BadInput(str(path), expected=expected, found=found, remedy=_REMEDY)
