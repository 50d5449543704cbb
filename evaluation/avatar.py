"""Everything there is to say about an avatar of the procedural head."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..contract.emotions import EMOTIONS
from ..contract.errors import BadCheckpoint, BadInput
from ..contract.units import FRAMES_PER_SECOND, SAMPLE_RATE
from ..runtime.audio.silence import speaking
from .emotion import emotion_pictures, intensity_figures, probe_figures
from .fid import MISSING, InceptionDistance
from .material import Material
from .phones import phone_figures
from .poses import pose_figures
from .rows import FULL, Row, film_rows
from .speaking import Spoken, emotion_figures, speaking_figures
from .subject import Subject
from .sync import BELIEVED, SHIPPED, SyncJudge

Told = Callable[[str], None]

_PAUSE_S, _WALKS = 8.0, 4  # silence between utterances of a walk, seconds; sessions walked


@dataclass(frozen=True)
class Evaluation:
    """What was found.

    Attributes:
        figures: flat dotted names → numbers.
        left_out: names → why there is no number.
        rows: the method table's own rows.
        shown: emotion → rendered frames of sessions that wear it.
    """

    figures: dict[str, float | bool]
    left_out: dict[str, str]
    rows: list[Row]
    shown: dict[str, list[NDArray[np.uint8]]]

    def plain(self) -> dict[str, float | bool | str | None]:
        """One flat JSON object; a number that is not finite becomes null."""
        return flat(self.figures, self.left_out)


def evaluate_avatar(
    subject: Subject,
    material: Material,
    told: Told,
    *,
    inception: Path | None = None,
    expert: Path = SHIPPED,
) -> Evaluation:
    """Judge an avatar on held-out material; the functions called here name their figures.

    Args:
        told: is told what is being done.
        inception: TorchScript file, see `fid`.
        expert: folder of the sync expert.
    """
    figures: dict[str, float | bool] = {"engine_megabytes": subject.megabytes}
    left_out: dict[str, str] = {}
    told("held-out speech and film")
    film = material.film
    spoken = Spoken(subject, material, material.corpus.held_out)
    told("speech to landmarks")
    figures |= speaking_figures(spoken)
    unheard = Spoken(subject, material, material.corpus.held_out_voice)
    for name, value in speaking_figures(unheard).items():
        figures[f"{name}.held_out_voice"] = value
    figures |= emotion_figures(spoken)
    _sync(spoken, expert, figures, left_out)
    told("phones")
    figures |= phone_figures(subject, material)
    told("rendering the film's frames")
    rows, given = film_rows(subject, material)
    figures |= given
    for row in rows:
        if row.name == FULL:
            figures |= {f"whole_path.{name}": value for name, value in row.figures.items()}
    if inception is None:
        left_out["fid"] = MISSING
    else:
        told("FID")
        distance = InceptionDistance(inception)
        distance.add((np.asarray(image) for image in film.images), real=True)
        distance.add(next(row.pictures for row in rows if row.name == FULL), real=False)
        figures["fid"] = distance.value()
    told("emotions")
    shown = {emotion: emotion_pictures(subject, material, emotion) for emotion in EMOTIONS}
    figures |= probe_figures(spoken, shown)
    figures |= intensity_figures(subject, material)
    told("poses")
    figures |= _walk_figures(subject, spoken)
    return Evaluation(figures, left_out, rows, shown)


def flat(
    figures: dict[str, float | bool], left_out: dict[str, str]
) -> dict[str, float | bool | str | None]:
    """Figures, rounded to six significant digits, and ``left_out.<name>``: why there is none."""
    plain: dict[str, float | bool | str | None] = {}
    for name, value in figures.items():
        if isinstance(value, bool):
            plain[name] = value
        else:
            plain[name] = float(f"{value:.6g}") if math.isfinite(value) else None
    return plain | {f"left_out.{name}": why for name, why in left_out.items()}


def _sync(
    spoken: Spoken, expert: Path, figures: dict[str, float | bool], left_out: dict[str, str]
) -> None:
    """sync_offset_frames and its company; by the expert, or by the truth where there is none."""
    figures["sync_offset_frames"] = figures["mouth_opening_lag_frames"]
    speech = [one.samples for one in spoken.utterances]
    try:
        judge = SyncJudge(spoken.subject.features, expert)
        truth = judge.judge(speech, spoken.true("neutral"))
        if truth.within_one < BELIEVED:
            raise BadInput(
                str(expert),
                expected=f"an expert that finds the offset of {BELIEVED:.0%} of the true faces",
                found=f"{truth.within_one:.0%}",
                remedy="train it with this avatar's encoder: emogene-train sync",
            )
        found = judge.judge(speech, spoken.neutral)
    except (BadCheckpoint, BadInput) as error:
        left_out["sync_confidence"] = f"{error}; the offset is the mouth opening's lag"
        return
    figures["sync_offset_frames"] = found.offset
    figures["sync_confidence"] = found.confidence
    figures["sync_confidence.true"] = truth.confidence
    figures["sync_within_one"] = found.within_one


def _walk_figures(subject: Subject, spoken: Spoken) -> dict[str, float]:
    """The worst steps and the mean idle statistics of several sessions that talk and pause."""
    pause = np.zeros(round(_PAUSE_S * SAMPLE_RATE), np.float32)
    heard = [part for one in spoken.utterances for part in (one.samples, pause)]
    silent = ~speaking(np.concatenate(heard))
    walks = [pose_figures(subject.walk(silent, seed), silent) for seed in range(_WALKS)]
    figures = {
        name: float((np.max if name.startswith("pose.") else np.mean)([w[name] for w in walks]))
        for name in walks[0]
    }
    return figures | {"idle.seconds_judged": float(silent.sum() * _WALKS / FRAMES_PER_SECOND)}
