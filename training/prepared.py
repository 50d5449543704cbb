"""Training single networks on data of one's own, as ``emogene-train prepare`` wrote it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..contract.errors import BadInput
from .datasets.clips import ClipEntry, Clips, Split, open_clips, read_manifest
from .datasets.pairs import emotional_pairs
from .deformation import DeformationData, DeformationPairs
from .fields.film import Footage, open_footage
from .loop import Progress
from .networks import load_stage
from .stages import check_width, finished, run_training, unfinished
from .sync import SyncData
from .vae import VaeData
from .vae_data import MotionClip

FILM = "film"
"""Folder of the films inside prepared data."""


def train_on_prepared(
    stage: str,
    config: Any,
    data: Path,
    work: Path,
    progress: Progress | None = None,
    device: str = "cpu",
) -> dict[str, Any]:
    """Train `stage` below `work` on the prepared data set `data`; returns its report.

    Head and torso learn from its films, sync from all clips, vae from the neutral ones (and the
    sync expert of `work`), deformation from recordings of the same words, neutral and not.

    Raises:
        BadInput: the data set lacks what the stage learns from, is larger than the memory, or
            vae is wanted before sync.
        BadOption: the network's width is not that of the stored features.
        BadCheckpoint, BadOutput: as `run_training`.
    """
    data, work = Path(data), Path(work)
    if stage == "vae" and not finished(work, "sync"):
        refusal = unfinished(work, "sync", "vae")
        raise BadInput(
            refusal.thing,
            expected=refusal.expected,
            found=refusal.found,
            remedy=f"{refusal.remedy} --data {data}",
        )
    made: dict[str, Callable[[], object]] = {
        "sync": lambda: _sync_data(data, config),
        "vae": lambda: _vae_data(data, config, work),
        "deformation": lambda: DeformationData(_pairs(data, "training"), _pairs(data, "held_out")),
        "head": lambda: _footage(data),
        "torso": lambda: _footage(data),
    }
    return run_training(stage, config, made[stage], work, progress, device)


def _footage(data: Path) -> Footage:
    if not (data / FILM).is_dir():
        raise BadInput(
            str(data / FILM),
            expected="the films of a prepared video",
            found="none",
            remedy="prepare one: emogene-train prepare video VIDEO -o DATA",
        )
    return open_footage(data / FILM)


def _sync_data(data: Path, config: Any) -> SyncData:
    training = _loaded(data, open_clips(data, "training"), config)
    known, unheard = _held_out(data, open_clips(data, "held_out"), config)
    return SyncData(training, known, unheard)


def _vae_data(data: Path, config: Any, work: Path) -> VaeData:
    training = _loaded(data, open_clips(data, "training", emotion="neutral"), config)
    held_out = open_clips(data, "held_out", emotion="neutral")
    return VaeData(training, *_held_out(data, held_out, config), load_stage(work, "sync"))


def _held_out(
    data: Path, clips: Clips, config: Any
) -> tuple[tuple[MotionClip, ...], tuple[MotionClip, ...]]:
    """Held-out clips of speakers who are trained on, and of others; all where there are none."""
    trained = {e.identity for e in read_manifest(data) if e.split == "training"}
    loaded = _loaded(data, clips, config)
    known = tuple(
        clip for clip, e in zip(loaded, clips.entries, strict=True) if e.identity in trained
    )
    unheard = tuple(
        clip for clip, e in zip(loaded, clips.entries, strict=True) if e.identity not in trained
    )
    return known or loaded, unheard or loaded


def _loaded(data: Path, clips: Clips, config: Any) -> tuple[MotionClip, ...]:
    for width in sorted({entry.width for entry in clips.entries}):
        check_width(config, width, str(data))
    _check_size(data, clips.entries)
    return tuple(MotionClip(clip.features, clip.pitch_bins, clip.landmarks) for clip in clips)


def _pairs(data: Path, split: Split) -> DeformationPairs:
    found = emotional_pairs(data, split)
    return DeformationPairs(found.neutral, found.emotional, found.emotion, found.intensity)


def _check_size(data: Path, entries: Sequence[ClipEntry]) -> None:
    """Refuse clips that would not fit into this machine's memory."""
    needed = sum(4 * e.frames * (2 * e.width + 2 + 204 + 12) for e in entries)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > 0.7 * memory:
        raise BadInput(
            str(data),
            expected=f"clips of at most {0.7 * memory / 1e9:.0f} GB, which are held in memory",
            found=f"{needed / 1e9:.0f} GB",
            remedy="prepare fewer clips, or train on a machine with more memory",
        )
