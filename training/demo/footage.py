"""The demo's footage: a film to train the fields on, one to judge them by, and the pose track."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from ...contract.units import FRAMES_PER_SECOND
from ..fields.film import HELD_OUT, TRAINING
from ..ranges import AT_LEAST_1, NOT_NEGATIVE
from .film import film
from .head.rig import HeadRig
from .performance import NATURAL, RICH, Balance, Clip, direct, pose_track
from .speech.corpus import CorpusConfig, Utterance, build_corpus
from .speech.visemes import speech_parameters


@dataclass(frozen=True)
class FootageConfig:
    """How much is filmed. A take shows one emotion; takes go round the eight."""

    size: Annotated[int, AT_LEAST_1] = 512
    """Width and height, pixels."""
    takes: Annotated[int, AT_LEAST_1] = 48
    held_out_takes: Annotated[int, AT_LEAST_1] = 8
    take_frames: Annotated[int, AT_LEAST_1] = 76
    """Frames a take lasts."""
    held_out_take_frames: Annotated[int, AT_LEAST_1] = 40
    every: Annotated[int, AT_LEAST_1] = 2
    """Film every this-many-th frame of a take: neighbours teach little that is new."""
    held_out_every: Annotated[int, AT_LEAST_1] = 5
    seed: Annotated[int, NOT_NEGATIVE] = 0


def shoot(
    rig: HeadRig, folder: Path, config: FootageConfig, *, workers: int = 1, progress: bool = True
) -> None:
    """Film ``folder/training`` and ``folder/held_out``; a film that is there is left alone.

    About 0.15 CPU seconds a frame at 512 pixels.
    """
    seconds = config.takes * config.take_frames / FRAMES_PER_SECOND
    held_out_seconds = config.held_out_takes * config.held_out_take_frames / FRAMES_PER_SECOND
    corpus = build_corpus(
        # Utterances hold several takes, but the last part of each is lost.
        CorpusConfig(seconds / 30, held_out_seconds / 30, seed=config.seed + 1)
    )
    plans = (
        (TRAINING, corpus.training, config.takes, config.take_frames, config.every, RICH),
        (HELD_OUT, corpus.held_out, config.held_out_takes, config.held_out_take_frames,
         config.held_out_every, NATURAL),
    )  # fmt: skip
    for number, (name, utterances, takes, frames, every, balance) in enumerate(plans):
        if (folder / name / "film.json").exists():
            continue
        clips = _direct(utterances, takes, frames, config.seed + number, balance)
        thinned = [clip._replace(parameters=clip.parameters[::every], poses=clip.poses[::every])
                   for clip in clips]  # fmt: skip
        film(
            rig, thinned, config.size, folder / name,
            seed=config.seed + number, workers=workers, progress=progress,
        )  # fmt: skip


def avatar_poses(seconds: float = 60.0, seed: int = 0) -> NDArray[np.float32]:
    """(N, 3, 4) float32 natural head poses at 25 a second, with still stretches for Eq. 10.

    The films' own poses are thinned and partly wide, so they cannot be played.
    """
    frames = round(seconds * FRAMES_PER_SECOND)
    return pose_track(frames, np.random.default_rng([seed, frames]))


def _direct(
    utterances: Sequence[Utterance], takes: int, frames: int, seed: int, balance: Balance
) -> list[Clip]:
    mouths: list[NDArray[np.float32]] = []
    for utterance in utterances:
        spoken = speech_parameters(utterance.segments, utterance.seconds)
        starts = range(0, len(spoken) - frames + 1, frames)
        mouths += [spoken[start : start + frames] for start in starts]
    # Takes of one utterance would all be one voice's: spread them over the emotions.
    order = np.random.default_rng(seed).permutation(len(mouths))[:takes]
    return direct([mouths[k] for k in order], seed, balance=balance)
