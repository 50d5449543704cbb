"""The built-in avatar from nothing, on a CPU: what is made, in which order, for how long.

Two chains run side by side, a process each, because neither needs the other's results::

    speech   corpus → hubert → sync → vae, deformation
    picture  film → head → torso

Every stage leaves its results in a folder of its own; a stage whose folder is complete is skipped,
a stopped one goes on. At the end `assemble` puts the five networks into one checkpoints folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

from ...contract.errors import BadOption
from ...reference.speech_encoder import SpeechEncoder
from ..deformation import DeformationData, DeformationTrainingConfig, demo_pairs
from ..fields.film import HELD_OUT, Footage, open_footage
from ..head_field import HeadTrainingConfig
from ..hearing import LIVE
from ..hubert import HubertTrainingConfig
from ..loop import LoopConfig, Progress
from ..networks import load_stage
from ..ranges import POSITIVE
from ..stages import check_width, finished, make_folder, run_training, timed, unfinished
from ..sync import SyncData, SyncTrainingConfig
from ..torso_field import TorsoTrainingConfig
from ..vae import VaeData, VaeTrainingConfig
from ..vae_data import MotionClip, motion_clips, with_emotions
from .footage import FootageConfig, shoot
from .head.rig import HeadRig
from .head.sculpture import VOXEL
from .speech.corpus import Corpus, CorpusConfig, build_corpus

RIG = "rig"
"""Folder of the sculpted head, which both chains read."""


@dataclass(frozen=True)
class DemoConfig:
    """Every stage's configuration, and with it the budget: minutes of one core each."""

    corpus: CorpusConfig = field(default_factory=lambda: CorpusConfig(minutes=90.0))
    hubert: HubertTrainingConfig = field(
        default_factory=lambda: HubertTrainingConfig(loop=LoopConfig(minutes=16, warmup_steps=100))
    )
    sync: SyncTrainingConfig = field(default_factory=SyncTrainingConfig)
    vae: VaeTrainingConfig = field(
        default_factory=lambda: VaeTrainingConfig(loop=LoopConfig(minutes=18))
    )
    deformation: DeformationTrainingConfig = field(default_factory=DeformationTrainingConfig)
    footage: FootageConfig = field(default_factory=FootageConfig)
    head: HeadTrainingConfig = field(default_factory=HeadTrainingConfig)
    torso: TorsoTrainingConfig = field(default_factory=TorsoTrainingConfig)
    voxel: Annotated[float, POSITIVE] = VOXEL
    """Edge of the voxels the head is sculpted in, head-space units."""
    pose_seconds: Annotated[float, POSITIVE] = 60.0
    """Length of the head poses that the avatar keeps."""

    def scaled(self, factor: float) -> DemoConfig:
        """The same with every training's minutes times `factor`.

        Raises:
            BadOption: the factor is not a positive number.
        """
        if not 0 < factor < float("inf"):
            raise BadOption(
                "minutes scale", expected="a positive number", found=str(factor),
                remedy="1 is the built-in avatar's own budget",
            )  # fmt: skip
        return replace(self, **{name: self.budgeted(name, factor) for name in TRAININGS})

    def budgeted(self, stage: str, factor: float) -> object:
        """A stage's configuration with its minutes times `factor`."""
        config = getattr(self, stage)
        minutes = config.loop.minutes
        scaled = None if minutes is None else minutes * factor
        return replace(config, loop=replace(config.loop, minutes=scaled))


TRAININGS = ("hubert", "sync", "vae", "deformation", "head", "torso")
"""The stages that train a network; each leaves it in ``<stage>/network``."""

CHAINS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"speech": ("hubert", "sync", "vae", "deformation"), "picture": ("film", "head", "torso")}
)
"""Stages in order; a stage reads only what stands before it in its chain."""

STAGES: tuple[str, ...] = tuple(stage for chain in CHAINS.values() for stage in chain)


NEEDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"sync": ("hubert",), "vae": ("hubert", "sync"), "head": ("film",), "torso": ("film",)}
)
"""Stage → the stages whose results it reads."""


class Workshop:
    """A folder in which the demo is made, and what several stages of one process share."""

    def __init__(self, folder: Path, config: DemoConfig, device: str = "cpu") -> None:
        self.folder, self.config, self.device = Path(folder), config, device
        self._data: dict[str, Callable[[], object]] = {
            "hubert": lambda: self.corpus,
            "sync": self._sync,
            "vae": self._vae,
            "deformation": self._deformation,
            "head": self._footage,
            "torso": self._footage,
        }

    def finished(self, stage: str) -> bool:
        """Whether a stage has left everything it makes."""
        if stage == "film":
            return (self.folder / stage / HELD_OUT / "film.json").is_file()
        return finished(self.folder, stage)

    def run(self, stage: str, progress: Progress | None = None) -> None:
        """Run a stage, going on where it stopped.

        Raises:
            BadOption: there is no such stage, or its configuration cannot work.
            BadInput, BadCheckpoint: an earlier stage has not finished, or what it left is damaged.
            BadOutput: the folder cannot be written.
        """
        if stage not in STAGES:
            raise BadOption("stage", expected=f"one of {', '.join(STAGES)}", found=repr(stage))
        for needed in NEEDS.get(stage, ()):
            if not self.finished(needed):
                raise unfinished(self.folder, needed, stage)
        if stage == "film":
            self._film(progress)
        else:
            config, data = getattr(self.config, stage), self._data[stage]
            run_training(stage, config, data, self.folder, progress, self.device)

    @cached_property
    def rig(self) -> HeadRig:
        """The head, sculpted at the first call in this folder."""
        return HeadRig.cached(self.folder / RIG, self.config.voxel)

    @cached_property
    def corpus(self) -> Corpus:
        """Speech; built anew by every process, in about half a second a minute."""
        return build_corpus(self.config.corpus)

    def _sync(self) -> SyncData:
        self._check_width("sync", load_stage(self.folder, "hubert"))
        corpus, landmarks_of = self.corpus, self.rig.landmarks
        training, held_out, held_out_voice = self._clips
        return SyncData(
            training + with_emotions(training, corpus.training, landmarks_of),
            with_emotions(held_out, corpus.held_out, landmarks_of, seed=1),
            with_emotions(held_out_voice, corpus.held_out_voice, landmarks_of, seed=2),
        )

    def _vae(self) -> VaeData:
        encoder, expert = (load_stage(self.folder, stage) for stage in ("hubert", "sync"))
        self._check_width("vae", encoder)
        training, held_out, held_out_voice = self._clips
        # Half of the corpus once more as live sessions hear it: the encoder's time is dear.
        half = self.corpus.training[::2]
        training += motion_clips(half, encoder, self.rig.landmarks, degraded=True)
        live = motion_clips(self.corpus.held_out_voice, encoder, self.rig.landmarks, hearing=LIVE)
        return VaeData(training, held_out, held_out_voice, expert, live)

    @cached_property
    def _clips(self) -> tuple[tuple[MotionClip, ...], ...]:
        """Training, held-out and held-out-voice speech with neutral faces, heard whole."""
        encoder = load_stage(self.folder, "hubert")
        corpus = self.corpus
        parts = (corpus.training, corpus.held_out, corpus.held_out_voice)
        return tuple(motion_clips(part, encoder, self.rig.landmarks) for part in parts)

    def _check_width(self, stage: str, encoder: SpeechEncoder) -> None:
        whose = str(self.folder / "hubert")
        check_width(getattr(self.config, stage), encoder.config.hidden, whose)

    def _deformation(self) -> DeformationData:
        landmarks_of = self.rig.landmarks
        return DeformationData(
            demo_pairs(self.corpus.training, landmarks_of),
            demo_pairs(self.corpus.held_out, landmarks_of, seed=1),
        )

    def _footage(self) -> Footage:
        return open_footage(self.folder / "film")

    def _film(self, progress: Progress | None) -> None:
        if progress is not None:
            progress(0.0, "filming")
        folder = make_folder(self.folder / "film")
        with timed(folder):
            shoot(self.rig, folder, self.config.footage, progress=False)
