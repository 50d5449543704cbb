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

from ...contract.errors import BadOption
from ..deformation import DeformationData, DeformationTrainingConfig, demo_pairs, train_deformation
from ..fields.film import HELD_OUT, open_footage
from ..head_field import HeadTrainingConfig, train_head
from ..hubert import HubertTrainingConfig, train_hubert
from ..loop import LoopConfig, Progress
from ..networks import load_stage
from ..sync import SyncData, SyncTrainingConfig, train_sync
from ..torso_field import TorsoTrainingConfig, train_torso
from ..vae import VaeData, VaeTrainingConfig, train_vae
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
        default_factory=lambda: VaeTrainingConfig(loop=LoopConfig(minutes=6))
    )
    deformation: DeformationTrainingConfig = field(default_factory=DeformationTrainingConfig)
    footage: FootageConfig = field(default_factory=FootageConfig)
    head: HeadTrainingConfig = field(default_factory=HeadTrainingConfig)
    torso: TorsoTrainingConfig = field(default_factory=TorsoTrainingConfig)
    voxel: float = VOXEL
    """Edge of the voxels the head is sculpted in, head-space units."""
    pose_seconds: float = 60.0
    """Length of the head poses that the avatar keeps."""

    def scaled(self, factor: float) -> DemoConfig:
        """The same with every training's minutes times `factor`.

        Raises:
            BadOption: the factor is not a positive number.
        """
        if not 0 < factor < float("inf"):
            raise BadOption(
                "minutes scale", expected="a positive number", found=str(factor),
                remedy="1 trains for about 40 minutes on two cores",
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


class Workshop:
    """A folder in which the demo is made, and what several stages of one process share."""

    def __init__(self, folder: Path, config: DemoConfig) -> None:
        self.folder, self.config = Path(folder), config
        self._run: dict[str, Callable[[Progress | None], object]] = {
            "hubert": self._hubert,
            "sync": self._sync,
            "vae": self._vae,
            "deformation": self._deformation,
            "film": self._film,
            "head": self._head,
            "torso": self._torso,
        }

    def finished(self, stage: str) -> bool:
        """Whether a stage has left everything it makes."""
        if stage == "film":
            return (self.folder / stage / HELD_OUT / "film.json").is_file()
        # Trainings write their report last.
        return (self.folder / stage / "report.json").is_file()

    def run(self, stage: str, progress: Progress | None = None) -> None:
        """Run a stage, going on where it stopped.

        Raises:
            BadOption: there is no such stage.
            BadInput, BadCheckpoint: what an earlier stage left cannot be used.
        """
        if stage not in self._run:
            raise BadOption("stage", expected=f"one of {', '.join(STAGES)}", found=repr(stage))
        self._run[stage](progress)

    @cached_property
    def rig(self) -> HeadRig:
        """The head, sculpted at the first call in this folder."""
        return HeadRig.cached(self.folder / RIG, self.config.voxel)

    @cached_property
    def corpus(self) -> Corpus:
        """Speech; built anew by every process, in about half a second a minute."""
        return build_corpus(self.config.corpus)

    def _hubert(self, progress: Progress | None) -> None:
        train_hubert(self.config.hubert, self.corpus, self.folder / "hubert", progress)

    def _sync(self, progress: Progress | None) -> None:
        corpus, landmarks_of = self.corpus, self.rig.landmarks
        training, held_out, held_out_voice = self._clips
        data = SyncData(
            training + with_emotions(training, corpus.training, landmarks_of),
            with_emotions(held_out, corpus.held_out, landmarks_of, seed=1),
            with_emotions(held_out_voice, corpus.held_out_voice, landmarks_of, seed=2),
        )
        train_sync(self.config.sync, data, self.folder / "sync", progress)

    def _vae(self, progress: Progress | None) -> None:
        encoder, expert = (load_stage(self.folder, stage) for stage in ("hubert", "sync"))
        training, held_out, held_out_voice = self._clips
        # Half of the corpus once more as live sessions hear it: the encoder's time is dear.
        half = self.corpus.training[::2]
        training += motion_clips(half, encoder, self.rig.landmarks, degraded=True)
        data = VaeData(training, held_out, held_out_voice, expert)
        train_vae(self.config.vae, data, self.folder / "vae", progress)

    @cached_property
    def _clips(self) -> tuple[tuple[MotionClip, ...], ...]:
        """Training, held-out and held-out-voice speech with neutral faces, heard whole."""
        encoder = load_stage(self.folder, "hubert")
        corpus = self.corpus
        parts = (corpus.training, corpus.held_out, corpus.held_out_voice)
        return tuple(motion_clips(part, encoder, self.rig.landmarks) for part in parts)

    def _deformation(self, progress: Progress | None) -> None:
        landmarks_of = self.rig.landmarks
        data = DeformationData(
            demo_pairs(self.corpus.training, landmarks_of),
            demo_pairs(self.corpus.held_out, landmarks_of, seed=1),
        )
        train_deformation(self.config.deformation, data, self.folder / "deformation", progress)

    def _film(self, progress: Progress | None) -> None:
        if progress is not None:
            progress(0.0, "filming")
        shoot(self.rig, self.folder / "film", self.config.footage, progress=False)

    def _head(self, progress: Progress | None) -> None:
        footage = open_footage(self.folder / "film")
        train_head(self.config.head, footage, self.folder / "head", progress)

    def _torso(self, progress: Progress | None) -> None:
        footage = open_footage(self.folder / "film")
        train_torso(self.config.torso, footage, self.folder / "torso", progress)
