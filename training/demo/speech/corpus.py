"""A seeded corpus of utterances with phone segments, for training and for honest evaluation.

An utterance is one to four phrases by one voice with real silences around and between them.
The evaluation sets share neither sentences nor, for `held_out_voice`, the voice with training.
The seed fixes texts, voices and pauses; espeak-ng itself carries a little state from one call
to the next, so the samples of two builds agree closely but not bit for bit.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import soxr
from numpy.typing import NDArray

from ....contract.errors import Failure
from ....contract.units import SAMPLE_RATE
from ...ranges import NOT_NEGATIVE, POSITIVE, SHARE
from . import flite
from .espeak import Espeak, EspeakVoice, Synthesis
from .flite import FliteVoice
from .phones import SILENCE, PhoneSegment, listed, segments_from_onsets
from .sentences import sentences

_LANGUAGES = listed(
    "en-us en-us en-us en-us-nyc en-gb-x-rp en-gb-x-gbcwmd en-gb-x-gbclan en-gb-scotland en-029"
)
_VARIANTS = listed("""
    f1 f2 f3 f4 f5 m1 m2 m3 m4 m5 m6 m7 m8 klatt klatt2 klatt3 Andy Alex Alicia Andrea Gene
    linda steph adam belinda benjamin boris caleb david edward iven john max michel pablo paul
    pedro quincy rob robert sandro shelby steph2 victor zac
""")
HELD_OUT_ESPEAK = ("en-us+Annie", "en-gb-x-rp+Michael")
HELD_OUT_FLITE = "rms"
_MIN_PHRASE_S, _MAX_UTTERANCE_S = 0.6, 14.0


@dataclass(frozen=True)
class Utterance:
    """Speech and what was said when."""

    samples: NDArray[np.float32]
    """(N,) at 16 kHz within ±1."""
    segments: tuple[PhoneSegment, ...]
    """Phones in order, seconds, covering the samples without gaps."""
    text: str
    voice: str
    """`espeak:<language+variant>` or `flite:<name>`."""

    @property
    def seconds(self) -> float:
        """Length of the samples."""
        return len(self.samples) / SAMPLE_RATE


@dataclass(frozen=True)
class CorpusConfig:
    """What to build."""

    minutes: Annotated[float, POSITIVE] = 40.0
    """Least total length of the training utterances."""
    held_out_minutes: Annotated[float, POSITIVE] = 2.0
    """Least length of each of the two evaluation sets."""
    flite_share: Annotated[float, SHARE] = 0.4
    """Share of utterances spoken by flite where it is installed, 0…1."""
    pause_s: Annotated[tuple[float, float], NOT_NEGATIVE] = (0.15, 0.9)
    """Shortest and longest silence between phrases, seconds."""
    seed: Annotated[int, NOT_NEGATIVE] = 1


@dataclass(frozen=True)
class Corpus:
    """Utterances for training, and two sets that training never hears."""

    training: tuple[Utterance, ...]
    held_out: tuple[Utterance, ...]
    """Other sentences, voices of the training set."""
    held_out_voice: tuple[Utterance, ...]
    """Other sentences and other voices."""


def build_corpus(config: CorpusConfig | None = None) -> Corpus:
    """Synthesize a corpus: about 0.5 s of CPU a minute with espeak-ng alone."""
    config = config or CorpusConfig()
    total = config.minutes + 2 * config.held_out_minutes
    texts = list(sentences(round(total * 40) + 60, config.seed))  # phrases last ≥ 1.5 s
    rng = random.Random(f"corpus {config.seed}")
    share = config.flite_share if flite.voices() else 0.0

    def trained() -> EspeakVoice | FliteVoice:
        names = [name for name in flite.voices() if name != HELD_OUT_FLITE]
        if rng.random() < share:
            stretch, pitch_hz = rng.uniform(0.75, 1.3), rng.uniform(80.0, 240.0)
            return FliteVoice(rng.choice(names), stretch, pitch_hz)
        variant = rng.choice(["", *(f"+{name}" for name in _VARIANTS)])
        return _espeak_voice(rng, rng.choice(_LANGUAGES) + variant)

    def unheard() -> EspeakVoice | FliteVoice:
        if share and rng.random() < 0.5:
            return FliteVoice(HELD_OUT_FLITE, rng.uniform(0.9, 1.15))
        return _espeak_voice(rng, rng.choice(HELD_OUT_ESPEAK))

    def build(minutes: float, voice_of: object) -> tuple[Utterance, ...]:
        assert callable(voice_of)
        built: list[Utterance] = []
        while sum(one.seconds for one in built) < 60.0 * minutes:
            phrases = [texts.pop() for _ in range(rng.choice((1, 2, 2, 3, 4)))]
            built.append(speak(phrases, voice_of(), rng, config.pause_s))
        return tuple(built)

    # The evaluation sets come first, so that they do not change with the training length.
    held_out = build(config.held_out_minutes, trained)
    held_out_voice = build(config.held_out_minutes, unheard)
    return Corpus(build(config.minutes, trained), held_out, held_out_voice)


def speak(
    phrases: Sequence[str],
    voice: EspeakVoice | FliteVoice,
    rng: random.Random,
    pause_s: tuple[float, float] = (0.15, 0.9),
) -> Utterance:
    """One utterance: `phrases` with silences of `pause_s` seconds around and between them.

    Phrases that the voice turns into almost nothing are left out, and so are phrases beyond
    about 14 s. Raises Failure when nothing is left.
    """
    blocks: list[NDArray[np.float32]] = []
    onsets: list[tuple[float, str]] = []
    said: list[str] = []
    length = 0

    def pause() -> None:
        nonlocal length
        onsets.append((length / SAMPLE_RATE, SILENCE))
        blocks.append(np.zeros(round(rng.uniform(*pause_s) * SAMPLE_RATE), np.float32))
        length += len(blocks[-1])

    for text in phrases:
        phrase = _synthesize(text, voice)
        if len(phrase.samples) < _MIN_PHRASE_S * phrase.rate:
            continue
        if said and length / SAMPLE_RATE + len(phrase.samples) / phrase.rate > _MAX_UTTERANCE_S:
            break
        pause()
        start = length / SAMPLE_RATE
        onsets += [(start + segment.start, segment.phone) for segment in phrase.segments]
        blocks.append(_to_16k(phrase))
        length += len(blocks[-1])
        said.append(text)
    if not said:
        raise Failure(f"speech of {voice.name!r}", expected="sound", found=f"none for {phrases}")
    pause()
    # Synthesizers differ by 20 dB; one loudness keeps recordings comparable. Levels are varied
    # again where the training augments.
    samples = np.concatenate(blocks)
    samples *= 0.5 / max(float(np.abs(samples).max()), 1e-4)
    engine = "flite" if isinstance(voice, FliteVoice) else "espeak"
    segments = segments_from_onsets(onsets, length / SAMPLE_RATE)
    return Utterance(samples, segments, " ".join(said), f"{engine}:{voice.name}")


def _synthesize(text: str, voice: EspeakVoice | FliteVoice) -> Synthesis:
    if isinstance(voice, FliteVoice):
        return flite.synthesize(text, voice)
    return Espeak().synthesize(text, voice)


def _to_16k(speech: Synthesis) -> NDArray[np.float32]:
    if speech.rate == SAMPLE_RATE:
        return speech.samples
    resampled = soxr.resample(speech.samples, speech.rate, SAMPLE_RATE)
    return np.asarray(resampled, np.float32)


def _espeak_voice(rng: random.Random, name: str) -> EspeakVoice:
    return EspeakVoice(name, rng.randint(120, 230), rng.randint(20, 80), rng.randint(20, 90))
