"""What an avatar of the procedural head is judged on: speech, voices and film it never saw.

Everything is made on the spot from a seed and kept in the cache folder, under a name that holds a
hash of the code that made it. Where flite is installed, it speaks too, so figures of machines with
and without it differ a little.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ..contract.cache_folder import cache_folder
from ..contract.emotions import EMOTIONS
from ..contract.errors import BadOption
from ..contract.units import FRAMES_PER_SECOND
from ..training.demo import film as filming
from ..training.demo.head.rig import HeadRig
from ..training.demo.head.sculpture import VOXEL
from ..training.demo.performance import NATURAL, Clip, perform, pose_track
from ..training.demo.speech import flite
from ..training.demo.speech.corpus import Corpus, CorpusConfig, Utterance, build_corpus
from ..training.demo.speech.phones import SILENCE
from ..training.fields.film import Film, open_film
from ..training.vae_data import mouth_of
from .speech_store import load_corpus, save_corpus

RUN = 3
"""Consecutive frames a take of the film shows: what a second difference in time needs."""

_WIDE_EVERY, _WIDE = 3, 0.35  # every third take turns through ±.35 rad of yaw


@dataclass(frozen=True)
class MaterialConfig:
    """How much is made."""

    frames: int = 48
    """Frames of the film, rounded down to whole takes of three."""
    size: int = 512
    """Width and height of the film, pixels."""
    minutes: float = 2.0
    """Least length of each of the two sets of held-out speech."""
    reading_minutes: float = 6.0
    """Training-like speech on which the phones' read-out is fitted (`phones`)."""
    voxel: float = VOXEL
    """Edge of the voxels the head is sculpted in, head-space units."""
    seed: int = 2024
    """Another than that of any training, so that sentences differ."""

    def __post_init__(self) -> None:
        for name, least in (("frames", 2 * RUN), ("size", 16)):
            if getattr(self, name) < least:
                raise BadOption(
                    f"--{name}", expected=f"at least {least}", found=str(getattr(self, name))
                )
        for name in ("minutes", "reading_minutes"):
            if not 0 < getattr(self, name) <= 60:
                found = str(getattr(self, name))
                raise BadOption(f"--{name}", expected="more than 0 and at most 60", found=found)


@dataclass(frozen=True)
class Take:
    """Consecutive frames of the film: what is said in them, and how.

    Attributes:
        utterance: of `Material.corpus.held_out`.
        first: its first frame that is shown.
        start: where the take begins in the film; it lasts `RUN` frames.
        emotion: worn at full intensity.
    """

    utterance: int
    first: int
    start: int
    emotion: str


class Material:
    """Held-out speech and film; each part is made when it is first asked for."""

    def __init__(self, config: MaterialConfig | None = None, folder: Path | None = None) -> None:
        self.config = config or MaterialConfig()
        self._folder = folder or cache_folder() / "evaluation"

    @cached_property
    def rig(self) -> HeadRig:
        """The head, sculpted once a machine."""
        return HeadRig.cached(self._folder, self.config.voxel)

    @cached_property
    def corpus(self) -> Corpus:
        """Held-out sentences by known and by unheard voices, and `training`: other sentences by
        known voices, to fit a read-out on."""
        path = self._folder / f"speech-{self._digest()}.npz"
        if not path.exists():
            config = self.config
            made = CorpusConfig(config.reading_minutes, config.minutes, seed=config.seed)
            save_corpus(path, build_corpus(made))
        return load_corpus(path)

    @cached_property
    def takes(self) -> tuple[Take, ...]:
        """The film's takes: emotions take turns, utterances too, at random places of speech."""
        rng = np.random.default_rng(self.config.seed)
        spoken = self.corpus.held_out
        takes = []
        for k in range(self.config.frames // RUN):
            number = int(rng.integers(len(spoken)))
            emotion = EMOTIONS[k % len(EMOTIONS)]
            takes.append(Take(number, _place(spoken[number], rng), k * RUN, emotion))
        return tuple(takes)

    @cached_property
    def film(self) -> Film:
        """The takes as the rig shows them, every third one in wide poses."""
        folder = self._folder / f"film-{self._digest()}"
        if not (folder / "film.json").exists():
            part = folder.with_name(f"{folder.name}.{os.getpid()}.part")
            try:
                filming.film(
                    self.rig, self._clips(), self.config.size, part,
                    seed=self.config.seed, workers=1, progress=False,
                )  # fmt: skip
                if not (folder / "film.json").exists():
                    shutil.rmtree(folder, ignore_errors=True)
                    part.replace(folder)
            finally:
                shutil.rmtree(part, ignore_errors=True)
        return open_film(folder)

    def _clips(self) -> list[Clip]:
        rng = np.random.default_rng([self.config.seed, 1])
        clips = []
        for k, take in enumerate(self.takes):
            mouth = mouth_of(self.corpus.held_out[take.utterance])
            face = perform(mouth, take.emotion, 1.0, rng, NATURAL)
            wide = k % _WIDE_EVERY == _WIDE_EVERY - 1
            poses = pose_track(len(mouth), rng, _WIDE if wide else 0.0)
            shown = slice(take.first, take.first + RUN)
            emotion = EMOTIONS.index(take.emotion)
            clips.append(Clip(face[shown], poses[shown], emotion, wide))
        return clips

    def _digest(self) -> str:
        root = Path(filming.__file__).parent
        sources = [*sorted(root.rglob("*.py")), Path(__file__)]
        code = b"".join(path.read_bytes() for path in sources)
        made_from = repr((asdict(self.config), flite.voices()))
        return hashlib.sha256(code + made_from.encode()).hexdigest()[:16]


def _place(spoken: Utterance, rng: np.random.Generator) -> int:
    """A random frame at which somebody speaks and which `RUN` - 1 others follow."""
    last = int(spoken.seconds * FRAMES_PER_SECOND) - RUN
    sounding = [s for s in spoken.segments if s.phone != SILENCE]
    frames = [int(0.5 * (s.start + s.end) * FRAMES_PER_SECOND) for s in sounding]
    usable = [frame for frame in frames if frame <= last] or [0]
    return int(rng.choice(usable))
