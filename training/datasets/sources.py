"""Which videos a data set holds, and what their folders say of them.

MEAD (Wang et al., "MEAD: A Large-scale Audio-visual Dataset for Emotional Talking-face Generation",
ECCV 2020)::

    <identity>/video/<view>/<emotion>/level_<1…3>/<clip>.mp4
    <identity>/audio/<emotion>/level_<1…3>/<clip>.m4a

VoxCeleb2 (Chung, Nagrani, Zisserman, "VoxCeleb2: Deep Speaker Recognition", Interspeech 2018), its
``mp4`` and ``aac`` folders one over the other or side by side::

    [mp4/]<id>/<video>/<clip>.mp4    [aac/]<id>/<video>/<clip>.m4a
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...contract.emotions import NEUTRAL
from ...contract.errors import BadInput, BadOption
from .clips import Split

MEAD_EMOTIONS = {
    "angry": "angry",
    "contempt": "contempt",
    "disgusted": "disgust",
    "fear": "fear",
    "happy": "happy",
    "neutral": "neutral",
    "sad": "sad",
    "surprised": "surprise",
}
"""MEAD's folder names → ours."""

MEAD_LEVELS = 3

HELD_OUT_SHARE = 0.1

_FILMED = (".mp4", ".mov", ".mkv", ".webm", ".avi")
_HEARD = (".m4a", ".wav", ".aac", ".mp3", ".flac")
_LEVEL = re.compile(r"level_([1-3])$")


@dataclass(frozen=True)
class Source:
    """One recording.

    Attributes:
        name: its path below the prepared folder; a single video's is its file name.
        video: the file.
        audio: the file with its sound, when that is another one.
        emotion, intensity, identity: as in `clips.ClipEntry`.
        split: where all of it belongs; None when its last part is held out.
        group: recordings of one group show one head through one camera.
    """

    name: str
    video: Path
    audio: Path | None
    emotion: str
    intensity: float
    identity: str
    split: Split | None
    group: str


def own_video(path: Path, emotion: str, intensity: float, identity: str) -> tuple[Source, ...]:
    """One video of one person; its last part is held out."""
    return (Source(path.name, path, None, emotion, intensity, identity, None, identity),)


def mead(
    folder: Path,
    *,
    held_out: Sequence[str] = (),
    identities: Sequence[str] = (),
    view: str = "front",
) -> tuple[Source, ...]:
    """Every recording of MEAD in one view, by identity, emotion, level and number.

    Args:
        held_out: identities to hold out; by default `default_held_out`.
        identities: only these; all by default.

    Raises:
        BadInput: the folder holds nothing laid out like MEAD.
        BadOption: an identity that is not there.
    """
    found = []
    for video in _below(folder, f"*/video/{view}/*/*/*"):
        identity, _, _, emotion, level, name = video.relative_to(folder).parts
        matched = _LEVEL.fullmatch(level)
        if emotion not in MEAD_EMOTIONS or matched is None or video.suffix.lower() not in _FILMED:
            continue
        audio = _beside(folder / identity / "audio" / emotion / level / name)
        ours = MEAD_EMOTIONS[emotion]
        strength = 0.0 if ours == NEUTRAL else int(matched[1]) / MEAD_LEVELS
        path = video.relative_to(folder).as_posix()
        found.append(
            Source(path, video, audio, ours, round(strength, 3), identity, "training", identity)
        )
    layout = f"<identity>/video/{view}/<emotion>/level_<n>/<clip>.mp4"
    return _divided(folder, found, layout, identities, held_out)


def voxceleb2(
    folder: Path, *, held_out: Sequence[str] = (), identities: Sequence[str] = ()
) -> tuple[Source, ...]:
    """Every clip of VoxCeleb2, taken for neutral; arguments and errors as `mead`."""
    found = []
    for pattern in ("*/*/*", "mp4/*/*/*"):
        for video in _below(folder, pattern):
            if video.suffix.lower() not in _FILMED:
                continue
            identity, of, name = video.parts[-3:]
            sound = [folder / identity / of / name, folder / "aac" / identity / of / name]
            audio = next(filter(None, map(_beside, sound)), None)
            path = video.relative_to(folder).as_posix()
            # Each clip was cropped on its own: they share no camera.
            found.append(Source(path, video, audio, NEUTRAL, 0.0, identity, "training", path))
    return _divided(folder, found, "<id>/<video>/<clip>.mp4", identities, held_out)


def default_held_out(identities: Sequence[str]) -> tuple[str, ...]:
    """A tenth of the identities, at least one of two or more: those whose SHA-256 sorts first.

    So the choice depends neither on order nor on chance, and hardly on which others are there.
    """
    ordered = sorted(set(identities), key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    count = max(1, round(HELD_OUT_SHARE * len(ordered))) if len(ordered) > 1 else 0
    return tuple(sorted(ordered[:count]))


def _divided(
    folder: Path,
    found: Sequence[Source],
    layout: str,
    only: Sequence[str],
    held_out: Sequence[str],
) -> tuple[Source, ...]:
    if not found:
        raise BadInput(
            str(folder),
            expected=f"videos at {layout}",
            found="none" if folder.is_dir() else "no such folder",
            remedy="name the folder that holds the identities' folders",
        )
    present = {source.identity for source in found}
    for option, names in (("--identity", only), ("--held-out", held_out)):
        unknown = sorted(set(names) - present)
        if unknown:
            some = ", ".join(sorted(present)[:8])
            raise BadOption(option, expected=f"an identity, such as {some}", found=unknown[0])
    apart = set(held_out or default_held_out(sorted(present)))
    kept = [source for source in found if not only or source.identity in only]
    kept.sort(key=lambda source: source.name)
    if not apart:  # a single identity has nobody to be held out for
        return recordings_apart(kept)
    return tuple(
        replace(source, split="held_out") if source.identity in apart else source for source in kept
    )


def recordings_apart(sources: Sequence[Source]) -> tuple[Source, ...]:
    """The same recordings, the last tenth of each emotion and intensity held out.

    At least one of two or more is; a recording that stands alone is trained on.
    """
    kinds: dict[tuple[str, float], list[Source]] = {}
    for source in sources:
        kinds.setdefault((source.emotion, source.intensity), []).append(source)
    apart: set[str] = set()
    for alike in kinds.values():
        count = max(1, round(HELD_OUT_SHARE * len(alike))) if len(alike) > 1 else 0
        apart |= {source.name for source in alike[len(alike) - count :]}
    return tuple(
        replace(source, split="held_out" if source.name in apart else "training")
        for source in sources
    )


def _below(folder: Path, pattern: str) -> list[Path]:
    return sorted(path for path in folder.glob(pattern) if path.is_file())


def _beside(path: Path) -> Path | None:
    """The sound file of that name, whatever its kind."""
    for suffix in _HEARD:
        if (candidate := path.with_suffix(suffix)).is_file():
            return candidate
    return None
